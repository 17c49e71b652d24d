//! Statements against a catalog in memory: plans, columns, parameters, errors and their places.

extern crate std;

mod aggregates;
mod catalog;
mod errors;
mod hostile;
mod plans;
mod results;
mod utility;

use std::string::{String, ToString};
use std::vec::Vec;

use super::{Bound, Parsed, bind};
use crate::plan::{Body, ExplainLine, Node};
use catalog::Memory;
use vireo_abi::message::error::SqlError;

/// Binds one statement over the tables of [`catalog::standard`].
pub(super) fn bound(sql: &str) -> Result<Bound, std::boxed::Box<SqlError>> {
    bound_in(sql, &[], &catalog::standard())
}

/// Binds one statement.
pub(super) fn bound_in(
    sql: &str,
    oids: &[u32],
    catalog: &Memory,
) -> Result<Bound, std::boxed::Box<SqlError>> {
    match bind(sql, false, oids, catalog, "postgres", "postgres")? {
        Parsed::One(bound) => Ok(bound),
        other => panic!("{sql}: {other:?}"),
    }
}

/// The query node of a statement.
pub(super) fn node(sql: &str) -> Node {
    match bound(sql).map(|b| b.plan.body) {
        Ok(Body::Query(node)) => node,
        other => panic!("{sql}: {other:?}"),
    }
}

/// The texts of EXPLAIN's lines.
pub(super) fn texts(lines: &[ExplainLine]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

/// EXPLAIN's lines without costs.
pub(super) fn explained(sql: &str) -> Vec<String> {
    let text = std::format!("explain (costs off) {sql}");
    match bound(&text).map(|b| b.plan.body) {
        Ok(Body::Explain { explain, .. }) => texts(&explain.lines),
        other => panic!("{sql}: {other:?}"),
    }
}

/// Expects EXPLAIN's lines.
pub(super) fn check_plan(sql: &str, expected: &str) {
    let mut expected: Vec<String> = expected.lines().map(ToString::to_string).collect();
    // The lines after the first are indented as the test is; the first detail stands two columns in.
    let shift = expected
        .get(1)
        .map_or(0, |l| l.len() - l.trim_start().len() - 2);
    expected
        .iter_mut()
        .skip(1)
        .for_each(|line| drop(line.drain(..shift)));
    assert_eq!(explained(sql), expected, "{sql}");
}

/// Expects an error: SQLSTATE, message and the text from its position on.
pub(super) fn check_error(sql: &str, state: &str, message: &str, place: Option<&str>) {
    match bound(sql) {
        Ok(bound) => panic!("{sql}: bound to {:?}", bound.plan.body),
        Err(error) => {
            assert_eq!(error.message, message, "{sql}");
            assert_eq!(error.state(), state, "{sql}");
            let found = error.position.map(|p| sql[p as usize..].to_string());
            assert_eq!(found.as_deref(), place, "{sql}: place");
        }
    }
}

/// Expects result columns as "name type, …".
pub(super) fn check_columns(sql: &str, expected: &str) {
    let bound = bound(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let shown: Vec<String> = bound
        .info
        .columns
        .iter()
        .map(|c| std::format!("{} {}", c.name, super::coerce::type_name(c.sql_type)))
        .collect();
    assert_eq!(shown.join(", "), expected, "{sql}");
}

/// Expects parameter types.
pub(super) fn check_parameters(sql: &str, expected: &str) {
    let bound = bound(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let shown: Vec<&str> = bound
        .info
        .parameters
        .iter()
        .map(|t| t.id.sql_name())
        .collect();
    assert_eq!(shown.join(", "), expected, "{sql}");
}
