//! Portals: statements bound to their parameters.
//!
//! ```text
//!  Ready ──Execute──> Suspended ──Execute──> … ──> Finished
//! ```
//!
//! A suspended portal is known to execute by the request that it was last run with. It lives until it is
//! closed, replaced, or its transaction ends; the end of the transaction frees it at execute too.

use crate::extended::Prepared;
use crate::plan::Plan;
use crate::session::Session;
use std::rc::Rc;
use vireo_abi::ids::RequestId;
use vireo_abi::message::execute::{ExecuteRequest, Parameter};

/// How far a portal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not run yet.
    Ready,
    /// Some rows were sent.
    Suspended {
        /// What execute knows it by.
        portal: RequestId,
        /// Rows sent so far.
        rows: u64,
    },
    /// Run to the end.
    Finished,
}

/// A bound statement.
#[derive(Debug)]
pub struct Portal {
    /// The statement.
    pub prepared: Rc<Prepared>,
    /// The plan it was bound to; none for the empty statement.
    pub plan: Option<Rc<Plan>>,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// Their values, one after another.
    pub values: Vec<u8>,
    /// The result's formats.
    pub formats: Vec<bool>,
    /// How far it is.
    pub progress: Progress,
}

impl Session {
    /// Forgets a portal, here and at execute.
    pub(crate) fn drop_portal(&mut self, name: &str) {
        let Some(portal) = self.portals.remove(name) else {
            return;
        };
        let (Progress::Suspended { portal, .. }, Some(place)) = (portal.progress, self.place)
        else {
            return;
        };
        if self.gateway.epoch(place.port) == place.epoch {
            let close = ExecuteRequest::ClosePortal {
                session: self.mailbox.session,
                portal,
            };
            // If the function dies now the portal is gone with it.
            let _ = self.gateway.send(place.port, &close, &[]);
        }
    }
}
