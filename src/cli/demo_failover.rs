//! The demo's kill: a session reads all the time, its execute function is killed, a replacement takes over.

use super::demo::time;
use super::signals::Guarded;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vireodb::{Connection, Database, Error};

/// The function that is killed.
const VICTIM: &str = "execute0";

/// How long the session reads before and after.
const BEFORE: Duration = Duration::from_millis(150);
const AFTER: Duration = Duration::from_millis(350);

/// What the reading session saw.
#[derive(Default)]
struct Seen {
    answered: u64,
    failed: Vec<String>,
    longest: Duration,
}

/// Kills a function under a session that reads, and says what the session saw.
///
/// # Errors
/// If the session is lost: it must not be.
pub fn show(guarded: &Guarded, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut session = guarded.with(Database::connect)?;
    let process = session.process().0;
    let before = guarded.with(restarts)?;
    let is_over = AtomicBool::new(false);
    let (killed, seen) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(&mut session, &is_over));
        std::thread::sleep(BEFORE);
        let killed = guarded.with(|database| database.kill_function(VICTIM));
        std::thread::sleep(AFTER);
        is_over.store(true, Ordering::Relaxed);
        (killed, reader.join())
    });
    killed?;
    let seen = seen.map_err(|_| anyhow::anyhow!("the reading session panicked"))??;
    let report = guarded.with(|database| Ok::<_, Error>(database.boot_report()))?;
    let boot = report
        .functions
        .iter()
        .find(|function| function.name == VICTIM);
    let starts = guarded.with(restarts)?.saturating_sub(before);
    writeln!(
        out,
        "  {VICTIM} was killed and replaced {starts} time(s); its replacement was up in {}.",
        time(boot.map_or(Duration::ZERO, |function| function.time))
    )?;
    writeln!(
        out,
        "  Session {process} sent one statement after another: {} answered, {} failed, the longest took {}.",
        seen.answered,
        seen.failed.len(),
        time(seen.longest)
    )?;
    for failure in seen.failed.iter().take(3) {
        writeln!(out, "    {failure}")?;
    }
    session.execute("SELECT 1")?;
    session.close()?;
    writeln!(
        out,
        "  It is the same session still, and has just answered again."
    )?;
    Ok(())
}

fn read(session: &mut Connection, is_over: &AtomicBool) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let mut id = 0;
    while !is_over.load(Ordering::Relaxed) {
        id = id % 1000 + 1;
        let begin = Instant::now();
        match session.execute(&format!("SELECT amount FROM orders WHERE id = {id}")) {
            Ok(_) => seen.answered += 1,
            Err(Error::Statement(error)) => seen.failed.push(error.to_string()),
            Err(error) => return Err(error),
        }
        seen.longest = seen.longest.max(begin.elapsed());
    }
    Ok(seen)
}

fn restarts(database: &Database) -> Result<u32, Error> {
    let functions = database.stats().functions;
    let victim = functions.iter().find(|function| function.name == VICTIM);
    Ok(victim.map_or(0, |function| function.restarts))
}
