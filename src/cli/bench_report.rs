//! The figures of `vireo bench`, as a table and as JSON.

use super::table::Table;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use vireodb::bench::{Latencies, LoadResult, Replacement};

/// A load and what it came to.
pub struct Throughput {
    /// What it is.
    pub name: &'static str,
    /// Sessions.
    pub clients: usize,
    /// What it came to.
    pub result: LoadResult,
}

/// Starts of a function.
pub struct Boots {
    /// From nothing.
    pub cold: Vec<Replacement>,
    /// From a machine that was made ahead, a copy of a booted template.
    pub cloned: Vec<Replacement>,
}

/// All figures of one isolation.
pub struct Figures {
    /// Empty round trips, both ends polling.
    pub round_trip: Latencies,
    /// The same between two functions.
    pub between: Latencies,
    /// Round trips to a function that parks at once.
    pub parked: Latencies,
    /// Starts.
    pub boots: Boots,
    /// Loads.
    pub loads: Vec<Throughput>,
}

/// All figures.
#[derive(Default)]
pub struct Report {
    /// On virtual machines; none without /dev/kvm.
    pub kvm: Option<Figures>,
    /// On threads.
    pub thread: Option<Figures>,
}

/// One line of the report: a name, a unit, and how to get it.
struct Line {
    key: String,
    name: String,
    kvm: Option<f64>,
    thread: Option<f64>,
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// One duration of each replacement.
fn of(replacements: &[Replacement], part: fn(&Replacement) -> Duration) -> Latencies {
    Latencies::new(replacements.iter().map(part))
}

impl Figures {
    /// Keys for JSON, names for people, values.
    fn values(&self) -> Vec<(String, String, f64)> {
        let mut values = Vec::new();
        let (cold, cloned) = (&self.boots.cold, &self.boots.cloned);
        let latencies = [
            (
                "round_trip",
                "host and function, empty round trip",
                &self.round_trip,
            ),
            (
                "function_round_trip",
                "function and function, empty round trip",
                &self.between,
            ),
            (
                "parked_round_trip",
                "host and parked function, empty round trip",
                &self.parked,
            ),
            ("cold_boot", "cold start", &of(cold, |r| r.start)),
            (
                "cold_boot_to_reply",
                "cold start to first reply",
                &of(cold, |r| r.start_to_reply),
            ),
            (
                "clone_boot",
                "start from template",
                &of(cloned, |r| r.start),
            ),
            (
                "clone_boot_to_reply",
                "start from template to first reply",
                &of(cloned, |r| r.start_to_reply),
            ),
            (
                "kill_to_reply",
                "kill to replacement's first reply",
                &of(cloned, |r| r.kill_to_reply),
            ),
        ];
        for (key, name, latencies) in latencies {
            for percent in [50, 99] {
                values.push((
                    format!("{key}_us_p{percent}"),
                    format!("{name}, p{percent}, us"),
                    us(latencies.percentile(percent)),
                ));
            }
        }
        for load in &self.loads {
            let key = load
                .name
                .replace([' ', '-'], "_")
                .replace(',', "")
                .to_lowercase();
            let name = match load.clients {
                1 => load.name.to_owned(),
                clients => format!("{}, {clients} clients", load.name),
            };
            let result = &load.result;
            let p = |percent| us(result.latencies.percentile(percent));
            values.extend([
                (
                    format!("{key}_per_second"),
                    format!("{name}, a second"),
                    result.throughput(),
                ),
                (format!("{key}_us_p50"), format!("{name}, p50, us"), p(50)),
                (format!("{key}_us_p99"), format!("{name}, p99, us"), p(99)),
                (
                    format!("{key}_exits_per_statement"),
                    format!("{name}, exits a statement"),
                    result.exits_per_statement(),
                ),
                (
                    format!("{key}_retries"),
                    format!("{name}, retries"),
                    result.retries as f64,
                ),
            ]);
        }
        values
    }
}

impl Report {
    fn lines(&self) -> Vec<Line> {
        let values = |figures: &Option<Figures>| figures.as_ref().map(Figures::values);
        let (kvm, thread) = (values(&self.kvm), values(&self.thread));
        let named = thread
            .as_ref()
            .or(kvm.as_ref())
            .cloned()
            .unwrap_or_default();
        let of = |values: &Option<Vec<(String, String, f64)>>, index: usize| {
            values
                .as_ref()
                .and_then(|values| values.get(index))
                .map(|value| value.2)
        };
        let line = |(index, (key, name, _)): (usize, (String, String, f64))| Line {
            key,
            name,
            kvm: of(&kvm, index),
            thread: of(&thread, index),
        };
        named.into_iter().enumerate().map(line).collect()
    }

    /// An object with an object for each figure: `kvm`, `thread`, and `ratio`, kvm by thread.
    pub fn json(&self) -> Value {
        let figure = |line: Line| {
            let value = json!({"kvm": line.kvm, "thread": line.thread, "ratio": line.ratio()});
            (line.key, value)
        };
        Value::Object(self.lines().into_iter().map(figure).collect())
    }
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        let (kvm, thread) = (self.kvm?, self.thread?);
        (thread != 0.0).then(|| kvm / thread)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(1, &["", "kvm", "thread", "kvm/thread"]);
        for line in self.lines() {
            let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
            let cells = [shown(line.kvm), shown(line.thread), shown(line.ratio())];
            table.row(std::iter::once(line.name).chain(cells));
        }
        write!(f, "{table}")
    }
}
