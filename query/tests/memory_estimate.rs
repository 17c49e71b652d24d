//! What `memory_estimate` promises: binding a text takes no more heap. The only test of its program, because the
//! allocator is the whole program's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use vireo_abi::ids::Version;
use vireo_abi::message::error::SqlResult;
use vireo_query::bind::{Parsed, bind, memory_estimate};
use vireo_query::catalog::CatalogReader;
use vireo_query::plan;

/// Counts bytes in use and the most that were. `realloc` is the default one, which holds both blocks for a moment,
/// as the functions' heap may.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands on to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `start` came from `System` with this layout.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A catalog without tables.
struct Empty;

impl CatalogReader for Empty {
    fn version(&self) -> u64 {
        1
    }
    fn get(&self, _: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>> {
        Ok(None)
    }
    fn scan(&self, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()> {
        Ok(())
    }
}

/// Bytes that binding and encoding the plan take at most, and what it ends in.
fn peak(sql: &str) -> (usize, String) {
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let outcome = match bind(sql, true, &[], &Empty, "postgres", "postgres") {
        Ok(Parsed::One(bound)) => format!("a plan of {} bytes", plan::encode(&bound.plan).len()),
        Ok(_) => "no plan".to_owned(),
        Err(error) => error.state().to_owned(),
    };
    (PEAK.load(Ordering::Relaxed) - before, outcome)
}

fn check(sql: &str) {
    let (peak, outcome) = peak(sql);
    let estimate = memory_estimate(sql);
    let head: String = sql.chars().take(60).collect();
    let length = sql.len();
    assert!(
        peak <= estimate,
        "{head}: {length} bytes, {outcome}: {peak} of {estimate}"
    );
}

/// `one` with the numbers from 0 on for `#`, joined.
fn series(count: usize, one: &str, between: &str) -> String {
    let items: Vec<String> = (0..count)
        .map(|i| one.replace('#', &i.to_string()))
        .collect();
    items.join(between)
}

#[test]
fn binding_takes_no_more_than_was_estimated() {
    let work = || {
        for count in [10, 100, 1000, 4000] {
            check(&format!("SELECT {}", series(count, "#", ", ")));
            check(&format!("SELECT {}", series(count, "#", " + ")));
            check(&format!("SELECT {}", series(count, "'a#'", " || ")));
            check(&format!("SELECT {}", series(count, "true", " AND ")));
            check(&format!(
                "SELECT 1 WHERE 1 IN ({})",
                series(count, "#", ", ")
            ));
            check(&format!("VALUES {}", series(count, "(#, 'x')", ", ")));
            check(&series(count, "SELECT #", " UNION "));
            check(&series(count, "SELECT #", " UNION ALL "));
            check(&series(count, "SELECT #", "; "));
            check(&format!("SELECT * FROM t{}", " CROSS JOIN t".repeat(count)));
            check(&format!("SELECT * FROM {}", series(count, "t a#", ", ")));
            check(&format!("SELECT {}", series(count, "(SELECT #)", ", ")));
            check(&format!(
                "WITH {} SELECT 1",
                series(count, "q# AS (SELECT 1)", ", ")
            ));
        }
        for count in [10, 100, 300] {
            let derived = "(SELECT # AS a#) q#";
            check(&format!(
                "SELECT * FROM {}",
                series(count, derived, " CROSS JOIN ")
            ));
            check(&format!("SELECT * FROM {}", series(count, derived, ", ")));
        }
        for length in [1 << 10, 1 << 20, 10 << 20] {
            check(&format!("SELECT '{}'", "x".repeat(length)));
            check(&"x".repeat(length));
            check(&format!("SELECT 1 --{}", "x".repeat(length)));
            check(&format!("SELECT \"{}\"", "x".repeat(length)));
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(work);
    thread.expect("a thread").join().expect("it holds");
}
