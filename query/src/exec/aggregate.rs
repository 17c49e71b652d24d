//! Grouping and aggregates by hash.
//!
//! Each input chunk's rows get their group's number from a [`GroupTable`], then each aggregate takes the whole chunk
//! with those numbers. FILTER narrows the rows first; DISTINCT keeps the rows whose (group, arguments) are new, which a
//! second table tells. Groups come out in the order of their first rows. Without keys there is one group, rows or not.

use super::eval::{eval, eval_filter};
use super::gather::slice;
use super::group_table::GroupTable;
use super::{ExecContext, Operator, bad_plan};
use crate::aggregates::{Accumulator, accumulator};
use crate::plan::{AggregateCall, Expr};
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk, Values, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

pub(super) struct Aggregate {
    input: Box<dyn Operator>,
    group: Vec<Expr>,
    calls: Vec<Call>,
    table: GroupTable,
    /// The aggregates' results, a row a group, when the input is done.
    results: Option<Vec<Vector>>,
    next_group: usize,
    groups: Vec<u32>,
    new_rows: Vec<u32>,
}

struct Call {
    arguments: Vec<Expr>,
    filter: Option<Expr>,
    seen: Option<GroupTable>,
    sql_type: SqlType,
    accumulator: Box<dyn Accumulator>,
    memory: usize,
}

impl Call {
    fn new(call: AggregateCall) -> Call {
        let types: Vec<SqlType> = call.arguments.iter().map(Expr::sql_type).collect();
        let accumulator = accumulator(call.aggregate, &types);
        let seen = call.is_distinct.then(|| {
            let mut key = vec![SqlType::plain(TypeId::Int8)];
            key.extend(&types);
            GroupTable::new(key)
        });
        Call {
            arguments: call.arguments,
            filter: call.filter,
            seen,
            sql_type: call.sql_type,
            accumulator,
            memory: 0,
        }
    }

    /// Takes a chunk whose rows belong to `groups`, of which there are `count`.
    fn update(
        &mut self,
        chunk: &Chunk,
        groups: &[u32],
        count: usize,
        cx: &ExecContext,
    ) -> SqlResult<()> {
        self.accumulator.resize(count);
        let kept = match &self.filter {
            Some(filter) => eval_filter(filter, chunk, cx)?,
            None => None,
        };
        match kept {
            None => self.add(chunk, groups.to_vec(), cx)?,
            Some(rows) if !rows.is_empty() => {
                let groups = rows.iter().map(|r| groups[*r as usize]).collect();
                self.add(&chunk.take(&rows), groups, cx)?;
            }
            Some(_) => {}
        }
        let memory = self.accumulator.memory();
        if memory > self.memory {
            cx.txn.reserve_memory(memory - self.memory)?;
            self.memory = memory;
        }
        Ok(())
    }

    fn add(&mut self, chunk: &Chunk, mut groups: Vec<u32>, cx: &ExecContext) -> SqlResult<()> {
        let mut arguments = Vec::with_capacity(self.arguments.len() + 1);
        for argument in &self.arguments {
            arguments.push(eval(argument, chunk, cx)?);
        }
        if let Some(seen) = &mut self.seen {
            let numbers = groups.iter().map(|g| i64::from(*g)).collect();
            arguments.insert(0, Vector::new(Values::Int8(numbers)));
            let (mut numbers, mut new_rows) = (Vec::new(), Vec::new());
            seen.lookup(&arguments, chunk.rows(), cx, &mut numbers, &mut new_rows)?;
            arguments.remove(0);
            if new_rows.len() < chunk.rows() {
                arguments = arguments.iter().map(|a| a.take(&new_rows)).collect();
                groups = new_rows.iter().map(|r| groups[*r as usize]).collect();
            }
        }
        self.accumulator.update(&groups, &arguments, groups.len())
    }

    fn finish(&mut self, count: usize) -> SqlResult<Vector> {
        self.accumulator.resize(count);
        let result = self.accumulator.finish()?;
        if result.len() != count || result.values.kind() != self.sql_type.kind() {
            return Err(bad_plan("an aggregate of another type"));
        }
        Ok(result)
    }
}

impl Aggregate {
    pub(super) fn new(
        input: Box<dyn Operator>,
        group: Vec<Expr>,
        calls: Vec<AggregateCall>,
    ) -> Aggregate {
        Aggregate {
            input,
            table: GroupTable::new(group.iter().map(Expr::sql_type).collect()),
            group,
            calls: calls.into_iter().map(Call::new).collect(),
            results: None,
            next_group: 0,
            groups: Vec::new(),
            new_rows: Vec::new(),
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if self.results.is_none() {
            while let Some(chunk) = self.input.next(cx).await? {
                self.consume(&chunk, cx)?;
            }
            let count = self.group_count();
            let results: SqlResult<_> = self.calls.iter_mut().map(|c| c.finish(count)).collect();
            self.results = Some(results?);
        } else {
            cx.txn.checkpoint().await?;
        }
        Ok(self.put_out())
    }

    fn group_count(&self) -> usize {
        if self.group.is_empty() {
            1
        } else {
            self.table.len()
        }
    }

    fn consume(&mut self, chunk: &Chunk, cx: &ExecContext) -> SqlResult<()> {
        if self.group.is_empty() {
            self.groups.clear();
            self.groups.resize(chunk.rows(), 0);
        } else {
            let mut keys = Vec::with_capacity(self.group.len());
            for expr in &self.group {
                keys.push(eval(expr, chunk, cx)?);
            }
            let (groups, new_rows) = (&mut self.groups, &mut self.new_rows);
            self.table
                .lookup(&keys, chunk.rows(), cx, groups, new_rows)?;
        }
        let count = self.group_count();
        for call in &mut self.calls {
            call.update(chunk, &self.groups, count, cx)?;
        }
        Ok(())
    }

    /// The next groups.
    fn put_out(&mut self) -> Option<Chunk> {
        let results = self.results.as_ref()?;
        let start = self.next_group;
        let end = self.group_count().min(start + CHUNK_ROWS);
        if start == end {
            return None;
        }
        self.next_group = end;
        let groups: Vec<u32> = (start as u32..end as u32).collect();
        let mut columns = if self.group.is_empty() {
            Vec::new()
        } else {
            self.table.keys(&groups)
        };
        columns.extend(results.iter().map(|r| slice(r, start..end)));
        Some(Chunk::new(columns, end - start))
    }
}

impl Operator for Aggregate {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
