//! Signals, and the database that they end.
//!
//! Invariant: a database is closed once: by the command that opened it, or by the signal that ends the
//! process. Who comes second waits for the lock until the process is gone.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vireodb::Database;

/// What an interrupt (Ctrl-C) does instead of ending the process.
pub type OnInterrupt = Box<dyn Fn() + Send>;

/// A database that a signal closes.
#[derive(Clone)]
pub struct Guarded {
    database: Arc<Mutex<Option<Database>>>,
}

impl Guarded {
    /// Takes charge of a database.
    pub fn new(database: Option<Database>) -> Guarded {
        Guarded {
            database: Arc::new(Mutex::new(database)),
        }
    }

    /// Closes the database.
    ///
    /// # Errors
    /// If its temporary directory cannot be removed.
    pub fn close(&self) -> Result<(), vireodb::Error> {
        self.lock().take().map_or(Ok(()), Database::close)
    }

    /// Uses the database.
    ///
    /// # Errors
    /// As `act`; an error when the database is closed.
    pub fn with<T, E: Into<anyhow::Error>>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        match self.lock().as_ref() {
            Some(database) => act(database).map_err(Into::into),
            None => anyhow::bail!("the database is closed"),
        }
    }

    /// From now on, signals close the database and end the process, but for an interrupt when there
    /// is something else that it does.
    ///
    /// # Errors
    /// If the handlers or the thread cannot be made.
    pub fn end_on_signals(&self, on_interrupt: Option<OnInterrupt>) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let guarded = self.clone();
        let body = move || {
            for signal in signals.forever() {
                match &on_interrupt {
                    Some(act) if signal == SIGINT => act(),
                    _ => guarded.end_process(signal),
                }
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(body)?;
        Ok(())
    }

    fn end_process(&self, signal: i32) {
        let mut database = self.lock();
        if let Some(database) = database.take()
            && let Err(error) = database.close()
        {
            eprintln!("vireo: {error}");
        }
        // The lock is still held, so nobody speaks of the sessions that this ended.
        std::process::exit(128 + signal);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
