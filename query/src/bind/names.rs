//! Names: folding, truncation, what a column of a result is called, and guesses at what was meant.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{DataType, Expr, FunctionArguments, Ident, ObjectName, ObjectNamePart};
use sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX};
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::datatype;
use super::dialect::is_reserved;
use super::text::{Text, unsupported};

/// Bytes of the longest name.
pub(super) const NAME_SIZE_MAX: usize = 63;

/// A name as the catalog has it: lower case unless quoted, at most 63 bytes.
pub(super) fn fold(name: &str, is_quoted: bool) -> String {
    let mut folded = if is_quoted {
        name.to_owned()
    } else {
        name.to_ascii_lowercase()
    };
    truncate(&mut folded, NAME_SIZE_MAX);
    folded
}

/// Cuts a name at a character's boundary.
pub(super) fn truncate(name: &mut String, size: usize) {
    if name.len() > size {
        let mut end = size;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
}

/// Whether an unquoted word is one of PostgreSQL's reserved words.
pub(super) fn is_reserved_word(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    match ALL_KEYWORDS.binary_search(&upper.as_str()) {
        Ok(index) => is_reserved(ALL_KEYWORDS_INDEX[index]),
        Err(_) => matches!(upper.as_str(), "ANALYSE"),
    }
}

impl Text<'_> {
    /// An identifier's name.
    ///
    /// # Errors
    /// 42601 where it is a reserved word or not an identifier at all.
    pub(super) fn name(&self, ident: &Ident) -> SqlResult<String> {
        let at = self.at_span(ident.span);
        match ident.quote_style {
            Some('"') => Ok(fold(&ident.value, true)),
            None if !is_reserved_word(&ident.value) => Ok(fold(&ident.value, false)),
            _ => Err(self.syntax_error_at(at.unwrap_or(0))),
        }
    }

    /// An identifier after AS, where every word may stand.
    pub(super) fn label(&self, ident: &Ident) -> SqlResult<String> {
        match ident.quote_style {
            Some('"') => Ok(fold(&ident.value, true)),
            None => Ok(fold(&ident.value, false)),
            _ => Err(self.syntax_error_at(self.at_span(ident.span).unwrap_or(0))),
        }
    }

    /// The parts of a qualified name and where the first begins.
    pub(super) fn qualified(&self, name: &ObjectName) -> SqlResult<(Vec<String>, Option<u32>)> {
        let mut parts = Vec::with_capacity(name.0.len());
        let at = self.at(name);
        for (index, part) in name.0.iter().enumerate() {
            match part {
                ObjectNamePart::Identifier(ident) if index == 0 => parts.push(self.name(ident)?),
                ObjectNamePart::Identifier(ident) => parts.push(self.label(ident)?),
                ObjectNamePart::Function(_) => return Err(unsupported("this name", at)),
            }
        }
        Ok((parts, at))
    }

    /// A relation's schema, if given, and name.
    pub(super) fn relation(
        &self,
        name: &ObjectName,
    ) -> SqlResult<(Option<String>, String, Option<u32>)> {
        let (mut parts, at) = self.qualified(name)?;
        let last = parts.pop().ok_or_else(|| unsupported("this name", at))?;
        match parts.len() {
            0 => Ok((None, last, at)),
            1 => Ok((parts.pop(), last, at)),
            _ => Err(unsupported("a reference to another database", at)),
        }
    }
}

/// What PostgreSQL calls the result column of an expression, and how sure it is of it (0: not at all,
/// 1: a type or keyword, 2: a name).
pub(super) fn figure(expr: &Expr) -> (String, u8) {
    let named = |name: &str| (name.to_owned(), 2);
    match expr {
        Expr::Identifier(ident) => match special_value(ident) {
            Some(name) => named(name),
            None => (fold(&ident.value, ident.quote_style.is_some()), 2),
        },
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(ident) => (fold(&ident.value, ident.quote_style.is_some()), 2),
            None => unnamed(),
        },
        Expr::Function(function) => match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => {
                let name = fold(&ident.value, ident.quote_style.is_some());
                if matches!(function.args, FunctionArguments::Subquery(_)) {
                    return named("array");
                }
                (name, 2)
            }
            _ => unnamed(),
        },
        Expr::Nested(inner) => figure(inner),
        Expr::Collate { expr, .. } => figure(expr),
        Expr::Cast {
            expr, data_type, ..
        } => match figure(expr) {
            (name, 2) => (name, 2),
            _ => (type_label(data_type), 1),
        },
        Expr::TypedString(typed) => (type_label(&typed.data_type), 1),
        Expr::Interval(_) => ("interval".to_owned(), 1),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(figure) {
            Some((name, 2)) => (name, 2),
            _ => ("case".to_owned(), 1),
        },
        Expr::Extract { .. } => named("extract"),
        Expr::Ceil { .. } => named("ceil"),
        Expr::Floor { .. } => named("floor"),
        Expr::Position { .. } => named("position"),
        Expr::Substring {
            shorthand: true, ..
        } => named("substr"),
        Expr::Substring { .. } => named("substring"),
        Expr::Overlay { .. } => named("overlay"),
        Expr::AtTimeZone { .. } => named("timezone"),
        Expr::Exists { .. } => named("exists"),
        Expr::Trim { trim_where, .. } => {
            use sqlparser::ast::TrimWhereField as W;
            match trim_where {
                Some(W::Leading) => named("ltrim"),
                Some(W::Trailing) => named("rtrim"),
                Some(W::Both) | None => named("btrim"),
            }
        }
        Expr::Value(value) => match value.value {
            sqlparser::ast::Value::Boolean(_) => ("bool".to_owned(), 1),
            _ => unnamed(),
        },
        _ => unnamed(),
    }
}

fn unnamed() -> (String, u8) {
    ("?column?".to_owned(), 0)
}

fn type_label(data_type: &DataType) -> String {
    match datatype::lookup(data_type) {
        Ok(sql_type) => sql_type.id.typname().to_owned(),
        Err(_) => "?column?".to_owned(),
    }
}

/// A word without quotes that stands for a value.
pub(super) fn special_value(ident: &Ident) -> Option<&'static str> {
    if ident.quote_style.is_some() {
        return None;
    }
    const WORDS: &[&str] = &[
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "localtime",
        "localtimestamp",
        "session_user",
        "user",
    ];
    WORDS
        .iter()
        .find(|w| ident.value.eq_ignore_ascii_case(w))
        .copied()
}

/// Levenshtein's distance, or none when it is above `max`.
pub(super) fn distance(a: &str, b: &str, max: usize) -> Option<usize> {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > max {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    Some(row[b.len()]).filter(|&d| d <= max)
}

/// PostgreSQL's hint for a column that does not exist: the nearest names of those there are.
pub(super) fn column_hint<'c>(
    name: &str,
    qualifier: Option<&str>,
    candidates: impl Iterator<Item = (&'c str, &'c str)>,
) -> Option<String> {
    const MAX: usize = 3;
    let mut best: Vec<(usize, &str, &str)> = Vec::new();
    for (relation, column) in candidates {
        let mut penalty = 0;
        if let Some(qualifier) = qualifier {
            match distance(qualifier, relation, MAX) {
                Some(d) => penalty = d,
                None => continue,
            }
        }
        let Some(d) = distance(name, column, MAX) else {
            continue;
        };
        if d > name.chars().count() / 2 {
            continue;
        }
        let d = d + penalty;
        if d > MAX {
            continue;
        }
        match best.first() {
            Some(&(least, ..)) if d > least => {}
            Some(&(least, ..)) if d < least => {
                best.clear();
                best.push((d, relation, column));
            }
            _ => best.push((d, relation, column)),
        }
    }
    match best.as_slice() {
        [(_, r, c)] => Some(format!(
            "Perhaps you meant to reference the column \"{r}.{c}\"."
        )),
        [(_, r, c), (_, r2, c2)] => Some(format!(
            "Perhaps you meant to reference the column \"{r}.{c}\" or the column \"{r2}.{c2}\"."
        )),
        _ => None,
    }
}

/// PostgreSQL's name for an implied constraint: the parts joined, shortened so that all fits.
pub(super) fn constraint_name(table: &str, columns: &str, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(!columns.is_empty());
    let room = NAME_SIZE_MAX.saturating_sub(overhead);
    let (mut table, mut columns) = (table.to_owned(), columns.to_owned());
    while table.len() + columns.len() > room {
        let longer = if table.len() > columns.len() {
            &mut table
        } else {
            &mut columns
        };
        let size = longer.len() - 1;
        truncate(longer, size);
    }
    if columns.is_empty() {
        format!("{table}_{label}")
    } else {
        format!("{table}_{columns}_{label}")
    }
}

/// A relation that is not there.
pub(super) fn no_relation(
    schema: Option<&str>,
    name: &str,
    at: Option<u32>,
) -> alloc::boxed::Box<SqlError> {
    let full = match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    };
    let error = SqlError::new(
        state::UNDEFINED_TABLE,
        format!("relation \"{full}\" does not exist"),
    );
    super::text::place(error, at)
}
