//! EXPLAIN ANALYZE: what each operator did. Only plans built for it pay for it.

use super::build::Builder;
use super::{ExecContext, Operator};
use crate::plan::Node;
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;

/// What one operator did so far.
#[derive(Debug, Default)]
pub struct OperatorStats {
    /// Rows put out.
    pub rows: Cell<u64>,
    /// Times it was asked for a chunk.
    pub calls: Cell<u64>,
    /// Time from being asked to answering, its inputs' included, in the clock's units; 0 without a clock.
    pub time: Cell<u64>,
}

/// The statistics of every operator of a plan: nodes in the order of the text, each before its inputs.
pub type Stats = Vec<Rc<OperatorStats>>;

/// As [`build`](super::build), with statistics. `clock` is any clock that does not go back.
///
/// # Errors
/// As [`build`](super::build).
pub fn build_analyzed(
    node: &Node,
    clock: Option<fn() -> u64>,
) -> SqlResult<(Box<dyn Operator>, Stats)> {
    let analysis = Analysis {
        clock,
        stats: RefCell::default(),
    };
    let operator = Builder {
        analysis: Some(&analysis),
    }
    .build(node)?;
    Ok((operator, analysis.stats.into_inner()))
}

/// Statistics of a plan being built.
pub(super) struct Analysis {
    clock: Option<fn() -> u64>,
    stats: RefCell<Stats>,
}

impl Analysis {
    /// Makes a place for the statistics of the next operator.
    pub(super) fn enter(&self) -> Rc<OperatorStats> {
        let stats = Rc::<OperatorStats>::default();
        self.stats.borrow_mut().push(Rc::clone(&stats));
        stats
    }

    pub(super) fn wrap(
        &self,
        operator: Box<dyn Operator>,
        stats: Rc<OperatorStats>,
    ) -> Box<dyn Operator> {
        Box::new(Analyzed {
            operator,
            clock: self.clock,
            stats,
        })
    }
}

struct Analyzed {
    operator: Box<dyn Operator>,
    clock: Option<fn() -> u64>,
    stats: Rc<OperatorStats>,
}

impl Analyzed {
    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let start = self.clock.map(|clock| clock());
        let result = self.operator.next(cx).await;
        let stats = &self.stats;
        if let (Some(clock), Some(start)) = (self.clock, start) {
            stats
                .time
                .set(stats.time.get() + clock().saturating_sub(start));
        }
        stats.calls.set(stats.calls.get() + 1);
        if let Ok(Some(chunk)) = &result {
            stats.rows.set(stats.rows.get() + chunk.rows() as u64);
        }
        result
    }
}

impl Operator for Analyzed {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
