//! Tables and views alike, as the views describe them, and PostgreSQL's functions over a column's type.

use super::{Domain, SystemView, TableDef};
use vireo_abi::sql_type::{SqlType, TypeId};

/// A relation that is described.
pub(super) enum Described<'a> {
    /// A user's table.
    Table(&'a TableDef),
    /// A view of the system's.
    View(SystemView),
}

/// One of its columns.
pub(super) struct DescribedColumn<'a> {
    pub(super) name: &'a str,
    pub(super) sql_type: SqlType,
    pub(super) domain: Option<&'static str>,
    pub(super) not_null: bool,
    pub(super) default: Option<&'a str>,
}

impl<'a> Described<'a> {
    pub(super) fn schema(&self) -> &'a str {
        match self {
            Described::Table(def) => &def.schema,
            Described::View(view) => view.schema(),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        match self {
            Described::Table(def) => &def.name,
            Described::View(view) => view.name(),
        }
    }

    pub(super) fn table(&self) -> Option<&'a TableDef> {
        match self {
            Described::Table(def) => Some(def),
            Described::View(_) => None,
        }
    }

    pub(super) fn is_table(&self) -> bool {
        self.table().is_some()
    }

    /// Calls `each` with every column, in order.
    pub(super) fn each_column(&self, each: &mut dyn FnMut(DescribedColumn<'a>)) {
        match self {
            Described::Table(def) => {
                for column in &def.columns {
                    each(DescribedColumn {
                        name: &column.name,
                        sql_type: column.sql_type,
                        domain: None,
                        not_null: column.not_null,
                        default: column.default.as_deref(),
                    });
                }
            }
            Described::View(view) => {
                for (name, domain) in view.described_columns() {
                    each(DescribedColumn {
                        name,
                        sql_type: domain.sql_type(),
                        domain: Domain::name(*domain),
                        not_null: false,
                        default: None,
                    });
                }
            }
        }
    }
}

/// `_pg_char_max_length`.
pub(super) fn char_length_max(sql_type: SqlType) -> Option<i32> {
    let has_length = matches!(sql_type.id, TypeId::Varchar | TypeId::Bpchar);
    (has_length && sql_type.typmod >= 4).then(|| sql_type.typmod - 4)
}

/// `_pg_char_octet_length`: in UTF-8 a character has up to four bytes.
pub(super) fn char_octets_max(sql_type: SqlType) -> Option<i32> {
    match sql_type.id {
        TypeId::Text | TypeId::Varchar | TypeId::Bpchar => {
            Some(char_length_max(sql_type).map_or(1 << 30, |length| length.saturating_mul(4)))
        }
        _ => None,
    }
}

/// `_pg_numeric_precision`.
pub(super) fn numeric_precision(sql_type: SqlType) -> Option<i32> {
    match sql_type.id {
        TypeId::Int2 => Some(16),
        TypeId::Int4 => Some(32),
        TypeId::Int8 => Some(64),
        TypeId::Float4 => Some(24),
        TypeId::Float8 => Some(53),
        TypeId::Numeric if sql_type.typmod >= 0 => Some(((sql_type.typmod - 4) >> 16) & 0xFFFF),
        _ => None,
    }
}

/// `_pg_numeric_precision_radix`.
pub(super) fn numeric_radix(sql_type: SqlType) -> Option<i32> {
    match sql_type.id {
        TypeId::Int2 | TypeId::Int4 | TypeId::Int8 | TypeId::Float4 | TypeId::Float8 => Some(2),
        TypeId::Numeric => Some(10),
        _ => None,
    }
}

/// `_pg_numeric_scale`.
pub(super) fn numeric_scale(sql_type: SqlType) -> Option<i32> {
    match sql_type.id {
        TypeId::Int2 | TypeId::Int4 | TypeId::Int8 => Some(0),
        TypeId::Numeric if sql_type.typmod >= 0 => Some((sql_type.typmod - 4) & 0xFFFF),
        _ => None,
    }
}

/// `_pg_datetime_precision`.
pub(super) fn datetime_precision(sql_type: SqlType) -> Option<i32> {
    match sql_type.id {
        TypeId::Date => Some(0),
        TypeId::Time | TypeId::Timestamp | TypeId::Timestamptz | TypeId::Interval => {
            Some(if sql_type.typmod < 0 {
                6
            } else {
                sql_type.typmod
            })
        }
        _ => None,
    }
}

/// Whether columns of the type have a collation other than the database's: "C".
pub(super) fn has_own_collation(sql_type: SqlType, domain: Option<&str>) -> bool {
    sql_type.id == TypeId::Name || (sql_type.id == TypeId::Varchar && domain.is_some())
}
