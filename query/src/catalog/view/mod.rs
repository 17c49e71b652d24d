//! System views: `information_schema` and what of `pg_catalog` there is, made from the catalog as it is read.
//!
//! ```text
//!  plan: SystemView + which columns ──exec──> catalog tree ──TableDef──> SystemView::rows ──> chunks
//! ```
//!
//! A plan names the view and nothing of its content, so it stays valid when tables come and go. The rows are those
//! of the transaction's own view of the catalog, with its uncommitted changes.
//!
//! Invariants:
//! 1. A view has all columns that PostgreSQL 15's has, under the same names, in the same order, of the same types
//!    (`information_schema`'s domains show as the types below them, as they do on the wire).
//! 2. [`SystemView::rows`] gives rows of exactly [`SystemView::columns`], each value of its column's kind or NULL.
//!
//! Left out: relations that PostgreSQL has and Vireo has not, such as the tables of `pg_catalog`.

mod information_schema;
mod pg_catalog;
mod relation;
#[cfg(test)]
mod tests;

use super::TableDef;
use alloc::string::String;
use alloc::vec::Vec;
use relation::Described;
use rkyv::{Archive, Deserialize, Serialize};
use vireo_abi::datum::Datum;
use vireo_abi::sql_type::{SqlType, TypeId};

/// The schema of the standard's views.
pub const INFORMATION_SCHEMA: &str = "information_schema";
/// The schema that every name is looked for in first.
pub const PG_CATALOG: &str = "pg_catalog";

/// A view that the system makes.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[rkyv(derive(Debug))]
pub enum SystemView {
    /// `information_schema.schemata`
    Schemata,
    /// `information_schema.tables`
    Tables,
    /// `information_schema.columns`
    Columns,
    /// `information_schema.table_constraints`
    TableConstraints,
    /// `information_schema.key_column_usage`
    KeyColumnUsage,
    /// `pg_catalog.pg_tables`
    PgTables,
    /// `pg_catalog.pg_indexes`
    PgIndexes,
}

/// The type of a view's column: one of `information_schema`'s domains or a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Domain {
    SqlIdentifier,
    CharacterData,
    CardinalNumber,
    YesOrNo,
    Plain(TypeId),
}

impl Domain {
    /// The type below the domain.
    fn sql_type(self) -> SqlType {
        match self {
            Domain::SqlIdentifier => TypeId::Name.into(),
            Domain::CharacterData => TypeId::Varchar.into(),
            Domain::CardinalNumber => TypeId::Int4.into(),
            // varchar(3)
            Domain::YesOrNo => SqlType {
                id: TypeId::Varchar,
                typmod: 3 + 4,
            },
            Domain::Plain(id) => id.into(),
        }
    }

    /// The domain's name; none for a type.
    fn name(self) -> Option<&'static str> {
        match self {
            Domain::SqlIdentifier => Some("sql_identifier"),
            Domain::CharacterData => Some("character_data"),
            Domain::CardinalNumber => Some("cardinal_number"),
            Domain::YesOrNo => Some("yes_or_no"),
            Domain::Plain(_) => None,
        }
    }
}

/// A column's name and type.
pub(crate) type ViewColumn = (&'static str, Domain);

/// Of whom and where the rows tell.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// The database.
    pub database: &'s str,
    /// The role that owns everything.
    pub owner: &'s str,
}

/// Rows of a view.
pub type Rows = Vec<Vec<Datum>>;

impl SystemView {
    /// Every view.
    pub const ALL: &'static [SystemView] = &[
        SystemView::Schemata,
        SystemView::Tables,
        SystemView::Columns,
        SystemView::TableConstraints,
        SystemView::KeyColumnUsage,
        SystemView::PgTables,
        SystemView::PgIndexes,
    ];

    /// The view of a name; without a schema one of `pg_catalog`.
    pub fn find(schema: Option<&str>, name: &str) -> Option<SystemView> {
        let schema = schema.unwrap_or(PG_CATALOG);
        let is_it = |view: &&SystemView| view.name() == name && view.schema() == schema;
        Self::ALL.iter().find(is_it).copied()
    }

    /// Its schema.
    pub const fn schema(self) -> &'static str {
        match self {
            SystemView::PgTables | SystemView::PgIndexes => PG_CATALOG,
            _ => INFORMATION_SCHEMA,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            SystemView::Schemata => "schemata",
            SystemView::Tables => "tables",
            SystemView::Columns => "columns",
            SystemView::TableConstraints => "table_constraints",
            SystemView::KeyColumnUsage => "key_column_usage",
            SystemView::PgTables => "pg_tables",
            SystemView::PgIndexes => "pg_indexes",
        }
    }

    pub(crate) const fn described_columns(self) -> &'static [ViewColumn] {
        match self {
            SystemView::Schemata => information_schema::SCHEMATA,
            SystemView::Tables => information_schema::TABLES,
            SystemView::Columns => information_schema::COLUMNS,
            SystemView::TableConstraints => information_schema::TABLE_CONSTRAINTS,
            SystemView::KeyColumnUsage => information_schema::KEY_COLUMN_USAGE,
            SystemView::PgTables => pg_catalog::TABLES,
            SystemView::PgIndexes => pg_catalog::INDEXES,
        }
    }

    /// The names and types of its columns, in order.
    pub fn columns(self) -> impl Iterator<Item = (&'static str, SqlType)> {
        self.described_columns()
            .iter()
            .map(|(name, domain)| (*name, domain.sql_type()))
    }

    /// The type of a column; none past the last.
    pub fn column_type(self, position: u16) -> Option<SqlType> {
        let column = self.described_columns().get(usize::from(position));
        column.map(|(_, domain)| domain.sql_type())
    }

    /// The rows that there are without any table.
    pub fn own_rows(self, of: Surroundings<'_>, into: &mut Rows) {
        if self == SystemView::Schemata {
            information_schema::schemata(of, into);
        }
        for view in Self::ALL {
            self.describe(&Described::View(*view), of, into);
        }
    }

    /// The rows that a table adds.
    pub fn rows(self, table: &TableDef, of: Surroundings<'_>, into: &mut Rows) {
        self.describe(&Described::Table(table), of, into);
    }

    fn describe(self, relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
        match self {
            SystemView::Schemata => {}
            SystemView::Tables => information_schema::tables(relation, of, into),
            SystemView::Columns => information_schema::columns(relation, of, into),
            SystemView::TableConstraints => {
                information_schema::table_constraints(relation, of, into);
            }
            SystemView::KeyColumnUsage => information_schema::key_column_usage(relation, of, into),
            SystemView::PgTables => pg_catalog::tables(relation, of, into),
            SystemView::PgIndexes => pg_catalog::indexes(relation, into),
        }
    }
}

fn text(value: &str) -> Datum {
    Datum::Bytes(Vec::from(value.as_bytes()))
}

fn owned(value: String) -> Datum {
    Datum::Bytes(value.into_bytes())
}

fn number(value: i32) -> Datum {
    Datum::Int4(value)
}

fn yes_or_no(is_so: bool) -> Datum {
    text(if is_so { "YES" } else { "NO" })
}

/// A value, or NULL.
fn nullable<T>(value: Option<T>, datum: impl FnOnce(T) -> Datum) -> Datum {
    value.map_or(Datum::Null, datum)
}
