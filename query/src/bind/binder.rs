//! The state of binding one statement.

use alloc::borrow::ToOwned;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use sqlparser::ast::Query;
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

use super::names::no_relation;
use super::parameters::Parameters;
use super::scope::{ColumnId, ColumnMeta, Scope};
use super::text::{DEPTH_MAX, Text, place, too_deep};
use crate::catalog::view::SystemView;
use crate::catalog::{self, CatalogReader, PUBLIC, Relation, TableDef, relation_key};
use crate::plan::{Expr, TableRef};
use crate::settings::EvalContext;

/// Levels of a bound expression that chains of operators may add in one statement.
const CHAIN_LEVELS_MAX: usize = 3000;
/// Levels that each chain has for nothing.
const CHAIN_LEVELS_FREE: usize = 4;

/// A table as found in the catalog.
#[derive(Debug)]
pub(super) struct Table {
    /// The entry.
    pub(super) def: TableDef,
    /// Who wrote it.
    pub(super) version: Version,
}

impl Table {
    /// The table as a plan names it.
    pub(super) fn reference(&self) -> TableRef {
        TableRef {
            schema: self.def.schema.clone(),
            name: self.def.name.clone(),
            oid: self.def.oid,
            tree: self.def.tree,
            version: self.version,
            columns: self.def.columns.iter().map(|c| c.sql_type).collect(),
        }
    }
}

/// A name defined by WITH: its query is bound anew where it is used.
#[derive(Clone, Debug)]
pub(super) struct CommonTable {
    /// Its name.
    pub(super) name: String,
    /// Names of its columns, as far as they are given.
    pub(super) columns: Vec<String>,
    /// Its query.
    pub(super) query: Rc<Query>,
    /// How many of the names before it may be used in it.
    pub(super) visible: usize,
    /// Whether its rows may differ each time.
    pub(super) is_volatile: bool,
    /// References so far.
    pub(super) references: Rc<Cell<u32>>,
}

/// The state of binding one statement.
pub(super) struct Binder<'a> {
    /// The text.
    pub(super) text: &'a Text<'a>,
    /// The catalog.
    pub(super) catalog: &'a dyn CatalogReader,
    /// Parameters met so far.
    pub(super) parameters: Parameters,
    /// What is known of each column id.
    pub(super) columns: Vec<ColumnMeta>,
    /// For folding: default settings, no user, no clock.
    pub(super) eval: EvalContext,
    /// Whether the plan depends on what is not committed.
    pub(super) is_uncommitted: bool,
    /// The scopes of the queries around the one that is bound, outermost first.
    pub(super) outer: Vec<Rc<Scope>>,
    /// The names that WITH defines, innermost last.
    pub(super) common_tables: Vec<CommonTable>,
    /// Whether a volatile function was called since this was last cleared.
    pub(super) saw_volatile: bool,
    /// Relations in FROM so far, expanded.
    pub(super) relations: usize,
    depth: usize,
    chain_levels: usize,
}

/// The context in which constants are folded: nothing in it is a session's.
pub(super) fn fold_context() -> EvalContext {
    EvalContext {
        format: Rc::default(),
        transaction_us: 0,
        statement_us: 0,
        user: Rc::from(""),
        database: Rc::from(""),
        random: core::cell::Cell::new(0),
    }
}

impl<'a> Binder<'a> {
    /// A binder for a text.
    pub(super) fn new(
        text: &'a Text<'a>,
        catalog: &'a dyn CatalogReader,
        parameters: Parameters,
    ) -> Binder<'a> {
        Binder {
            text,
            catalog,
            parameters,
            columns: Vec::new(),
            eval: fold_context(),
            is_uncommitted: false,
            outer: Vec::new(),
            common_tables: Vec::new(),
            saw_volatile: false,
            relations: 0,
            depth: 0,
            chain_levels: 0,
        }
    }

    /// Runs a step one level deeper.
    ///
    /// # Errors
    /// 54001 when that is too deep.
    pub(super) fn deeper<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> SqlResult<T>,
    ) -> SqlResult<T> {
        if self.depth >= 2 * DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// Counts `levels` of a chain of operators that became nested calls.
    ///
    /// # Errors
    /// 54001.
    pub(super) fn count_chain(&mut self, levels: usize) -> SqlResult<()> {
        self.chain_levels += levels.saturating_sub(CHAIN_LEVELS_FREE);
        if self.chain_levels > CHAIN_LEVELS_MAX {
            Err(too_deep())
        } else {
            Ok(())
        }
    }

    /// A new column.
    ///
    /// # Errors
    /// 54011 when a statement has too many.
    pub(super) fn add_column(&mut self, meta: ColumnMeta) -> SqlResult<ColumnId> {
        let id = ColumnId::try_from(self.columns.len()).map_err(|_| {
            SqlError::new(state::TOO_MANY_COLUMNS, "statement has too many columns")
        })?;
        self.columns.push(meta);
        Ok(id)
    }

    /// A new column that is computed.
    ///
    /// # Errors
    /// 54011.
    pub(super) fn add_computed(&mut self, name: &str, sql_type: SqlType) -> SqlResult<ColumnId> {
        self.add_column(ColumnMeta {
            sql_type,
            relation: String::new(),
            name: name.to_owned(),
            not_null: false,
        })
    }

    /// A reference to a column.
    pub(super) fn column(&self, id: ColumnId) -> Expr {
        Expr::Column {
            index: id,
            sql_type: self.columns[usize::from(id)].sql_type,
        }
    }

    /// What a relation's name stands for in the catalog.
    ///
    /// # Errors
    /// The catalog's.
    pub(super) fn find_relation(
        &mut self,
        schema: Option<&str>,
        name: &str,
    ) -> SqlResult<Option<(Relation, Version)>> {
        if schema.is_some_and(|s| s != PUBLIC) {
            return Ok(None);
        }
        match self.catalog.get(&relation_key(PUBLIC, name))? {
            Some((bytes, version)) => {
                if version == Version(0) {
                    self.is_uncommitted = true;
                }
                Ok(Some((catalog::decode(&bytes)?, version)))
            }
            None => Ok(None),
        }
    }

    /// A table for reading or writing its rows.
    ///
    /// # Errors
    /// 42P01, 42809.
    pub(super) fn open_table(
        &mut self,
        schema: Option<&str>,
        name: &str,
        at: Option<u32>,
    ) -> SqlResult<Rc<Table>> {
        match self.find_relation(schema, name)? {
            Some((Relation::Table(def), version)) => Ok(Rc::new(Table { def, version })),
            Some((Relation::Index { .. }, _)) => {
                let error = SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    alloc::format!("cannot open relation \"{name}\""),
                )
                .with_detail("This operation is not supported for indexes.");
                Err(place(error, at))
            }
            None if SystemView::find(schema, name).is_some() => {
                let error = SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    alloc::format!("\"{name}\" is not a table"),
                );
                Err(place(error, at))
            }
            None => Err(no_relation(schema, name, at)),
        }
    }
}
