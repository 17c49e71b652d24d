//! EXPLAIN ANALYZE: the statement runs, rows that it would send are thrown away, and what was measured is added to
//! the plan's text as PostgreSQL does.
//!
//! ```text
//!  Insert on t  (cost=…) (actual time=0.050..0.050 rows=0 loops=1)        the statement
//!    ->  Seq Scan on u  (cost=…) (actual time=0.004..0.020 rows=9 loops=1)   an operator
//!  Planning Time: 0.101 ms
//!  Execution Time: 0.073 ms
//! ```
//!
//! A time is given from the start of an operator to its first rows and to its end, its inputs' included; it and the
//! rows are means of the operator's loops. The time in which other sessions had their turn counts as well, as it
//! does for PostgreSQL.

use crate::statement::{change, modified, unexpected_body};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::message::error::SqlResult;
use vireo_query::dml::{Input, Outcome};
use vireo_query::exec::{self, Clock, ExecContext, OperatorStats, Stats};
use vireo_query::plan::{Body, Explain, Measured};
use vireo_runtime::Stopwatch;

/// The lines of EXPLAIN; none when a row that the statement read has changed, so that it must run again.
///
/// # Errors
/// What the statement fails with.
pub async fn explain(
    explain: &Explain,
    body: &Body,
    cx: &ExecContext,
    stopwatch: Stopwatch,
) -> SqlResult<Option<Vec<String>>> {
    let mut lines: Vec<String> = explain.lines.iter().map(|line| line.text.clone()).collect();
    let mut execution_ns = None;
    if explain.analyze {
        let start = stopwatch.now_ns();
        let Some((statement, stats)) = run(body, cx, stopwatch).await? else {
            return Ok(None);
        };
        execution_ns = Some(stopwatch.now_ns().saturating_sub(start));
        for (text, line) in lines.iter_mut().zip(&explain.lines) {
            let measured = match line.measured {
                Measured::Nothing => continue,
                Measured::Statement => Some(&statement),
                Measured::Operator(index) => stats.get(index as usize).map(|stats| &**stats),
            };
            if let Some(measured) = measured {
                text.push_str(&actual(measured, explain.timing));
            }
        }
    }
    if explain.summary {
        let mut add = |what: &str, ns: Option<u64>| {
            lines.extend(ns.map(|ns| format!("{what} Time: {} ms", ms(ns as f64))));
        };
        add("Planning", explain.planning_ns);
        add("Execution", execution_ns);
    }
    Ok(Some(lines))
}

/// Runs a statement: what is measured of it as a whole and of its operators.
async fn run(
    body: &Body,
    cx: &ExecContext,
    stopwatch: Stopwatch,
) -> SqlResult<Option<(OperatorStats, Stats)>> {
    let clock: Clock = Rc::new(move || stopwatch.now_ns());
    let statement = OperatorStats::default();
    statement.loops.set(1);
    if let Body::Query(node) = body {
        let (mut operator, stats) = exec::build_analyzed(node, Some(clock))?;
        while operator.next(cx).await?.is_some() {}
        return Ok(Some((statement, stats)));
    }
    let node = modified(body).ok_or_else(unexpected_body)?;
    let (operator, stats) = exec::build_analyzed(node, Some(clock))?;
    let start = stopwatch.now_ns();
    let (outcome, _) = change(body, Input { node, operator }, cx).await?;
    let Outcome::Done { returned, .. } = outcome else {
        return Ok(None);
    };
    let time = stopwatch.now_ns().saturating_sub(start);
    statement.startup.set(time);
    statement.time.set(time);
    let rows: usize = returned.iter().map(|chunk| chunk.rows()).sum();
    statement.rows.set(rows as u64);
    Ok(Some((statement, stats)))
}

/// " (actual time=0.004..0.020 rows=9 loops=1)".
fn actual(stats: &OperatorStats, timing: bool) -> String {
    let loops = stats.loops.get();
    if loops == 0 {
        return String::from(" (never executed)");
    }
    let mean = |total: u64| total as f64 / loops as f64;
    let rows = mean(stats.rows.get());
    let time = if timing {
        let (startup, total) = (mean(stats.startup.get()), mean(stats.time.get()));
        format!("time={}..{} ", ms(startup), ms(total))
    } else {
        String::new()
    };
    format!(" (actual {time}rows={rows:.0} loops={loops})")
}

/// Nanoseconds as PostgreSQL shows them.
fn ms(ns: f64) -> String {
    format!("{:.3}", ns / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_look_like_postgresql() {
        let check = |rows, loops, startup, time, timing, expected: &str| {
            let stats = OperatorStats::default();
            stats.rows.set(rows);
            stats.loops.set(loops);
            stats.startup.set(startup);
            stats.time.set(time);
            assert_eq!(actual(&stats, timing), expected);
        };
        let one = " (actual time=0.009..1.250 rows=1000 loops=1)";
        check(1000, 1, 9_000, 1_250_000, true, one);
        check(99, 1, 9_000, 9_000, false, " (actual rows=99 loops=1)");
        check(
            5,
            4,
            8_000,
            16_000,
            true,
            " (actual time=0.002..0.004 rows=1 loops=4)",
        );
        check(0, 0, 0, 0, true, " (never executed)");
    }
}
