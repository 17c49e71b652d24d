//! What names mean in one query level: the relations of FROM and the columns that they show.
//!
//! Columns are known by ids that are unique within a statement ([`ColumnId`]); a position among the columns
//! of a chunk is given to each only when the plan is laid out. Until then [`Expr::Column`]'s index is an id.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

use super::names::column_hint;
use super::text::place;
use crate::plan::Expr;

/// A column of a statement, wherever it comes from.
pub(super) type ColumnId = u16;

/// Which column of which table a result column is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Origin {
    /// The table's oid, or 0.
    pub(super) table_oid: u32,
    /// The column's number from 1, or 0.
    pub(super) attribute: i16,
}

/// A column under a name.
#[derive(Clone, Debug)]
pub(super) struct ScopeColumn {
    /// Its name.
    pub(super) name: String,
    /// Its value: a column, or both sides' of a full join USING it.
    pub(super) expr: Expr,
    /// Where it is from.
    pub(super) origin: Origin,
}

/// A relation of FROM under its name there.
#[derive(Clone, Debug)]
pub(super) struct ScopeRelation {
    /// The alias or the table's name; empty for an unnamed one.
    pub(super) name: String,
    /// The table's own name, where it has an alias.
    pub(super) hidden_name: Option<String>,
    /// Its columns.
    pub(super) columns: Vec<ScopeColumn>,
}

/// What names mean.
#[derive(Clone, Default, Debug)]
pub(super) struct Scope {
    /// The relations, for qualified names.
    pub(super) relations: Vec<ScopeRelation>,
    /// What `*` shows and unqualified names find.
    pub(super) columns: Vec<ScopeColumn>,
}

/// A failed look-up.
pub(super) enum NotFound {
    /// There is no such name here; perhaps in an outer query.
    Missing,
    /// An error whatever the outer queries have.
    Wrong(alloc::boxed::Box<SqlError>),
}

impl Scope {
    /// One relation's names.
    pub(super) fn of(relation: ScopeRelation) -> Scope {
        Scope {
            columns: relation.columns.clone(),
            relations: alloc::vec![relation],
        }
    }

    /// Both scopes side by side.
    ///
    /// # Errors
    /// 42712 when a relation's name occurs twice.
    pub(super) fn join(mut self, other: Scope) -> SqlResult<Scope> {
        for relation in &other.relations {
            let is_taken = self
                .relations
                .iter()
                .any(|r| r.name == relation.name && !r.name.is_empty());
            if is_taken {
                return Err(SqlError::new(
                    state::DUPLICATE_ALIAS,
                    format!("table name \"{}\" specified more than once", relation.name),
                ));
            }
        }
        self.relations.extend(other.relations);
        self.columns.extend(other.columns);
        Ok(self)
    }

    /// The column of an unqualified name.
    pub(super) fn column(&self, name: &str, at: Option<u32>) -> Result<&ScopeColumn, NotFound> {
        let mut found = self.columns.iter().filter(|c| c.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (None, _) => Err(NotFound::Missing),
            _ => Err(NotFound::Wrong(ambiguous(name, at))),
        }
    }

    /// The relation of this name.
    pub(super) fn relation(&self, name: &str) -> Option<&ScopeRelation> {
        self.relations.iter().find(|r| r.name == name)
    }

    /// The column of a qualified name.
    pub(super) fn qualified(
        &self,
        relation: &str,
        name: &str,
        at: Option<u32>,
    ) -> Result<&ScopeColumn, NotFound> {
        let Some(relation) = self.relation(relation) else {
            return Err(NotFound::Missing);
        };
        let mut found = relation.columns.iter().filter(|c| c.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (None, _) => Err(NotFound::Wrong(self.no_qualified(&relation.name, name, at))),
            _ => Err(NotFound::Wrong(ambiguous(name, at))),
        }
    }

    /// How a column is called here.
    pub(super) fn display(&self, id: ColumnId) -> Option<String> {
        self.relations.iter().find_map(|relation| {
            let column = relation
                .columns
                .iter()
                .find(|c| matches!(c.expr, Expr::Column { index, .. } if index == id))?;
            Some(match relation.name.as_str() {
                "" => column.name.clone(),
                name => format!("{name}.{}", column.name),
            })
        })
    }

    fn candidates(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relations
            .iter()
            .flat_map(|r| r.columns.iter().map(|c| (r.name.as_str(), c.name.as_str())))
    }

    /// The error for an unqualified name that is nowhere.
    pub(super) fn no_column(&self, name: &str, at: Option<u32>) -> alloc::boxed::Box<SqlError> {
        let error = SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{name}\" does not exist"),
        );
        let error = match column_hint(name, None, self.candidates()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        place(error, at)
    }

    fn no_qualified(
        &self,
        relation: &str,
        name: &str,
        at: Option<u32>,
    ) -> alloc::boxed::Box<SqlError> {
        let error = SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column {relation}.{name} does not exist"),
        );
        let error = match column_hint(name, Some(relation), self.candidates()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        place(error, at)
    }

    /// The error for a qualifier that is no relation here.
    pub(super) fn no_relation(&self, name: &str, at: Option<u32>) -> alloc::boxed::Box<SqlError> {
        let aliased = self
            .relations
            .iter()
            .find(|r| r.hidden_name.as_deref() == Some(name));
        let error = match aliased {
            Some(relation) => SqlError::new(
                state::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{name}\""),
            )
            .with_hint(format!(
                "Perhaps you meant to reference the table alias \"{}\".",
                relation.name
            )),
            None => SqlError::new(
                state::UNDEFINED_TABLE,
                format!("missing FROM-clause entry for table \"{name}\""),
            ),
        };
        place(error, at)
    }
}

fn ambiguous(name: &str, at: Option<u32>) -> alloc::boxed::Box<SqlError> {
    let error = SqlError::new(
        state::AMBIGUOUS_COLUMN,
        format!("column reference \"{name}\" is ambiguous"),
    );
    place(error, at)
}

/// What is known of a column id.
#[derive(Clone, Debug)]
pub(super) struct ColumnMeta {
    /// Its type.
    pub(super) sql_type: SqlType,
    /// Its relation's name in the query, for messages and EXPLAIN.
    pub(super) relation: String,
    /// Its name.
    pub(super) name: String,
    /// Whether it is known to be never NULL where it is made.
    pub(super) not_null: bool,
}

impl ColumnMeta {
    /// As messages show it.
    pub(super) fn qualified(&self) -> String {
        if self.relation.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.relation, self.name)
        }
    }
}
