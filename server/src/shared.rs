//! What the gateway threads, the listeners and the admin interface have in common.

use crate::counters::Counters;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};
use vireo_abi::ids::SessionId;

use crate::thread::Command;

/// A session as a `CancelRequest` finds it.
#[derive(Clone, Debug)]
struct CancelKey {
    secret: i32,
    session: SessionId,
    thread: mpsc::UnboundedSender<Command>,
}

/// What the gateway threads have in common.
#[derive(Debug)]
pub struct Shared {
    /// Counters.
    pub counters: Counters,
    sessions: AtomicU64,
    plans: AtomicU64,
    cancel_keys: Mutex<HashMap<i32, CancelKey>>,
}

impl Shared {
    /// Nothing counted, no sessions.
    pub fn new() -> Shared {
        Shared {
            counters: Counters::default(),
            sessions: AtomicU64::new(1),
            plans: AtomicU64::new(1),
            cancel_keys: Mutex::default(),
        }
    }

    /// A number for a session.
    pub fn session_id(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// A number for a plan.
    pub fn plan_number(&self) -> u64 {
        self.plans.fetch_add(1, Ordering::Relaxed)
    }

    /// The process number that a session's client is told.
    pub fn process_of(session: SessionId) -> i32 {
        // Sessions whose numbers are equal here live 2^31 sessions apart.
        (session.0 & 0x7fff_ffff) as i32
    }

    /// Lets a session be cancelled by who knows its secret.
    pub fn enter(&self, session: SessionId, secret: i32, thread: mpsc::UnboundedSender<Command>) {
        let key = CancelKey {
            secret,
            session,
            thread,
        };
        self.keys().insert(Shared::process_of(session), key);
    }

    /// The session is over.
    pub fn leave(&self, session: SessionId) {
        self.keys().remove(&Shared::process_of(session));
    }

    /// A `CancelRequest`: passed on if the secret is right, else nothing, as in PostgreSQL. Returns when it
    /// was acted on, so that who asked can be told by closing: it hits no later statement.
    pub async fn cancel(&self, process: i32, secret: i32) {
        let key = self
            .keys()
            .get(&process)
            .filter(|key| key.secret == secret)
            .cloned();
        let Some(key) = key else {
            return tracing::debug!(process, "a cancel request names no session");
        };
        let (done, is_done) = oneshot::channel();
        // A thread that has ended has no sessions.
        let _ = key.thread.send(Command::Cancel(key.session, done));
        let _ = is_done.await;
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashMap<i32, CancelKey>> {
        self.cancel_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
