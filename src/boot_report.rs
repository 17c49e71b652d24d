//! Which function runs on what, and how long each took to start.

use std::fmt;
use std::time::Duration;
use vireo_server::Stats;

/// One function's start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionBoot {
    /// Role and number: "parse0".
    pub name: String,
    /// "kvm" or "thread".
    pub isolation: &'static str,
    /// From the decision to start it to its loop.
    pub time: Duration,
}

/// Every function's last start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootReport {
    /// Each function, storage last.
    pub functions: Vec<FunctionBoot>,
}

impl BootReport {
    pub(crate) fn new(stats: &Stats) -> BootReport {
        let functions = stats.functions.iter().map(|function| FunctionBoot {
            name: function.name.clone(),
            isolation: function.isolation,
            time: Duration::from_micros(function.boot_us),
        });
        BootReport {
            functions: functions.collect(),
        }
    }
}

impl fmt::Display for BootReport {
    /// "parse0 (kvm, 0.61 ms), execute0 (kvm, 0.80 ms)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, function) in self.functions.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let ms = function.time.as_secs_f64() * 1e3;
            write!(
                f,
                "{comma}{} ({}, {ms:.2} ms)",
                function.name, function.isolation
            )?;
        }
        Ok(())
    }
}
