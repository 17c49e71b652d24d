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
    /// Times it was run from its beginning; 0: never asked.
    pub loops: Cell<u64>,
    /// Time until the first rows came, in the clock's units; 0 without a clock.
    pub startup: Cell<u64>,
    /// Time from being asked to answering, its inputs' included; 0 without a clock.
    pub time: Cell<u64>,
}

impl OperatorStats {
    fn add(&self, rows: u64, loops: u64, time: u64) {
        self.time.set(self.time.get() + time);
        if self.calls.get() == 0 {
            self.startup.set(time);
        }
        self.calls.set(self.calls.get() + 1);
        self.rows.set(self.rows.get() + rows);
        self.loops.set(self.loops.get() + loops);
    }
}

/// The statistics of every operator of a plan: nodes in the order of the text, each before its inputs, and the look-ups
/// of an index join, which are an operator of their own in the text, after its input.
pub type Stats = Vec<Rc<OperatorStats>>;

/// Any clock that does not go back.
pub type Clock = Rc<dyn Fn() -> u64>;

/// As [`build`](super::build), with statistics.
///
/// # Errors
/// As [`build`](super::build).
pub fn build_analyzed(node: &Node, clock: Option<Clock>) -> SqlResult<(Box<dyn Operator>, Stats)> {
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

/// Measures parts of an operator that EXPLAIN shows as another one.
pub(super) struct Meter {
    clock: Option<Clock>,
    stats: Rc<OperatorStats>,
}

impl Meter {
    /// The time now.
    pub(super) fn start(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock())
    }

    /// Adds what happened since `start`.
    pub(super) fn add(&self, start: u64, rows: usize, loops: usize) {
        let time = self.start().saturating_sub(start);
        self.stats.add(rows as u64, loops as u64, time);
    }
}

/// Statistics of a plan being built.
pub(super) struct Analysis {
    clock: Option<Clock>,
    stats: RefCell<Stats>,
}

impl Analysis {
    /// Makes a place for the statistics of the next operator.
    pub(super) fn enter(&self) -> Rc<OperatorStats> {
        let stats = Rc::<OperatorStats>::default();
        self.stats.borrow_mut().push(Rc::clone(&stats));
        stats
    }

    pub(super) fn meter(&self) -> Meter {
        Meter {
            clock: self.clock.clone(),
            stats: self.enter(),
        }
    }

    pub(super) fn wrap(
        &self,
        operator: Box<dyn Operator>,
        stats: Rc<OperatorStats>,
    ) -> Box<dyn Operator> {
        let clock = self.clock.clone();
        let meter = Meter { clock, stats };
        Box::new(Analyzed { operator, meter })
    }
}

struct Analyzed {
    operator: Box<dyn Operator>,
    meter: Meter,
}

impl Analyzed {
    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let start = self.meter.start();
        let result = self.operator.next(cx).await;
        let rows = match &result {
            Ok(Some(chunk)) => chunk.rows(),
            _ => 0,
        };
        let is_first = self.meter.stats.calls.get() == 0;
        self.meter.add(start, rows, usize::from(is_first));
        result
    }
}

impl Operator for Analyzed {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
