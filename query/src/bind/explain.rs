//! EXPLAIN: plans as PostgreSQL's text.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::sql_type::{SqlType, TypeId};

use super::coerce::type_name;
use super::cost::Cost;
use super::rel::Scan;
use super::scope::ColumnMeta;
use crate::functions::FUNCTIONS;
use crate::plan::{ExplainLine, Expr, JoinKind, Measured, Node, SortKey};
use crate::settings::FormatSettings;
use crate::types::output;

/// A node, described.
pub(super) struct Explained {
    /// "Seq Scan on t".
    pub(super) title: String,
    /// "Filter: (a = 1)".
    pub(super) details: Vec<String>,
    /// Estimates.
    pub(super) cost: Cost,
    /// Inputs.
    pub(super) children: Vec<Explained>,
    /// Whose measurements ANALYZE shows with it.
    pub(super) measured: Measured,
    /// Whether it stands in the text only: its child's operator is its own.
    pub(super) is_wrapper: bool,
}

impl Explained {
    /// Whether this is a single row of expressions.
    pub(super) fn is_leaf_values(&self) -> bool {
        self.children.is_empty() && self.title == "Result"
    }

    /// Finds the operators that the lines belong to: those of `node`, whose text this is, numbered from `next` on in the order
    /// of [`crate::exec::Stats`].
    pub(super) fn assign(&mut self, node: &Node, next: &mut u32) {
        self.measured = Measured::Operator(*next);
        if self.is_wrapper {
            // It has no operator of its own.
            return self.children[0].assign(node, next);
        }
        let mut node = node;
        while let Node::Project { input, .. } | Node::Filter { input, .. } = node {
            // Part of the operator below it, in the text.
            *next += 1;
            node = input;
        }
        *next += 1;
        let mut children = self.children.iter_mut();
        for input in node.inputs() {
            match children.next() {
                Some(child) => child.assign(input, next),
                None => pass_over(input, next),
            }
        }
        if matches!(node, Node::IndexJoin { .. }) {
            if let Some(look_ups) = children.next() {
                look_ups.measured = Measured::Operator(*next);
            }
            *next += 1;
        }
    }

    /// The lines, with costs or without.
    pub(super) fn lines(&self, costs: bool) -> Vec<ExplainLine> {
        let mut lines = Vec::new();
        self.write(0, costs, &mut lines);
        lines
    }

    fn write(&self, level: usize, costs: bool, lines: &mut Vec<ExplainLine>) {
        // A child's arrow stands six columns further in than its parent's.
        let (lead, indent) = match level {
            0 => (String::new(), 0),
            n => (format!("{}->  ", " ".repeat(6 * n - 4)), 6 * n),
        };
        let Cost {
            startup,
            total,
            rows,
            width,
        } = self.cost;
        let rows = if rows < 1.0 && self.measured != Measured::Statement {
            1.0
        } else {
            rows
        };
        let mut text = format!("{lead}{}", self.title);
        if costs {
            text.push_str(&format!(
                "  (cost={startup:.2}..{total:.2} rows={rows:.0} width={width:.0})"
            ));
        }
        lines.push(ExplainLine {
            text,
            measured: self.measured,
        });
        lines.extend(self.details.iter().map(|detail| ExplainLine {
            text: format!("{}{detail}", " ".repeat(indent + 2)),
            measured: Measured::Nothing,
        }));
        for child in &self.children {
            child.write(level + 1, costs, lines);
        }
    }
}

/// Counts the operators of a node that the text does not show.
fn pass_over(node: &Node, next: &mut u32) {
    *next += 1;
    node.inputs().for_each(|input| pass_over(input, next));
    if matches!(node, Node::IndexJoin { .. }) {
        *next += 1;
    }
}

/// A node that stands between a join and its inner side in PostgreSQL's plans.
pub(super) fn wrap(title: &str, child: Explained) -> Explained {
    Explained {
        title: String::from(title),
        details: Vec::new(),
        cost: Cost {
            startup: child.cost.total,
            ..child.cost
        },
        children: alloc::vec![child],
        measured: Measured::Nothing,
        is_wrapper: true,
    }
}

/// "Hash Join", "Nested Loop Left Join", ….
pub(super) fn join_title(how: &str, kind: JoinKind) -> String {
    let kind = match kind {
        JoinKind::Inner => "",
        JoinKind::Left => " Left",
        JoinKind::Right => " Right",
        JoinKind::Full => " Full",
        JoinKind::Semi => " Semi",
        JoinKind::Anti => " Anti",
    };
    if kind.is_empty() && how == "Nested Loop" {
        return String::from(how);
    }
    format!("{how}{kind} Join")
}

/// A table and its alias.
pub(super) fn table_name(scan: &Scan) -> String {
    aliased(&scan.table.def.name, &scan.alias)
}

/// A relation's name, and its alias where that is another.
pub(super) fn aliased(name: &str, alias: &str) -> String {
    if alias == name {
        quoted(name)
    } else {
        format!("{} {}", quoted(name), quoted(alias))
    }
}

/// A sort key with its direction.
pub(super) fn sort_key(key: &SortKey, shown: &str) -> String {
    let mut text = String::from(shown);
    if key.is_descending {
        text.push_str(" DESC");
    }
    if key.nulls_first != key.is_descending {
        text.push_str(if key.nulls_first {
            " NULLS FIRST"
        } else {
            " NULLS LAST"
        });
    }
    text
}

fn quoted(name: &str) -> String {
    let is_plain = name
        .bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_lowercase() || (i > 0 && b.is_ascii_digit()));
    if is_plain && !name.is_empty() {
        return String::from(name);
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An expression over column ids.
pub(super) fn expression(expr: &Expr, columns: &[ColumnMeta], qualifies: bool) -> String {
    let show = |e: &Expr| expression(e, columns, qualifies);
    let list = |items: &[Expr], by: &str| {
        let shown: Vec<String> = items.iter().map(show).collect();
        shown.join(by)
    };
    match expr {
        Expr::Column { index, .. } => {
            let meta = &columns[usize::from(*index)];
            if qualifies && !meta.relation.is_empty() {
                format!("{}.{}", quoted(&meta.relation), quoted(&meta.name))
            } else {
                quoted(&meta.name)
            }
        }
        Expr::Constant { value, sql_type } => constant(value, *sql_type),
        Expr::Parameter { index, .. } => format!("${}", index + 1),
        Expr::Call {
            function,
            arguments,
            ..
        } => {
            let known = FUNCTIONS.get(usize::from(function.0));
            let (name, operator) = known.map_or(("?", ""), |f| (f.name, f.operator));
            match arguments.as_slice() {
                [left, right] if !operator.is_empty() => {
                    format!("({} {operator} {})", show(left), show(right))
                }
                [operand] if !operator.is_empty() => format!("({operator} {})", show(operand)),
                arguments => format!("{name}({})", list(arguments, ", ")),
            }
        }
        Expr::Cast {
            operand, sql_type, ..
        } => {
            let inner = show(operand);
            match &**operand {
                Expr::Column { .. } => format!("({inner})::{}", type_name(*sql_type)),
                _ => format!("{inner}::{}", type_name(*sql_type)),
            }
        }
        Expr::And(operands) => format!("({})", list(operands, " AND ")),
        Expr::Or(operands) => format!("({})", list(operands, " OR ")),
        Expr::Not(operand) => format!("(NOT {})", show(operand)),
        Expr::IsNull {
            operand,
            is_negated,
        } => {
            format!(
                "({} IS {}NULL)",
                show(operand),
                if *is_negated { "NOT " } else { "" }
            )
        }
        Expr::IsBool {
            operand,
            value,
            is_negated,
        } => format!(
            "({} IS {}{})",
            show(operand),
            if *is_negated { "NOT " } else { "" },
            if *value { "TRUE" } else { "FALSE" }
        ),
        Expr::IsDistinct {
            left,
            right,
            is_negated,
        } => format!(
            "({} IS {}DISTINCT FROM {})",
            show(left),
            if *is_negated { "NOT " } else { "" },
            show(right)
        ),
        Expr::Case {
            branches,
            otherwise,
            ..
        } => {
            let mut text = String::from("CASE");
            for (condition, result) in branches {
                text.push_str(&format!(" WHEN {} THEN {}", show(condition), show(result)));
            }
            if let Some(otherwise) = otherwise {
                text.push_str(&format!(" ELSE {}", show(otherwise)));
            }
            text.push_str(" END");
            text
        }
        Expr::Coalesce { arguments, .. } => format!("COALESCE({})", list(arguments, ", ")),
        Expr::Extreme {
            arguments,
            is_greatest,
            ..
        } => {
            let name = if *is_greatest { "GREATEST" } else { "LEAST" };
            format!("{name}({})", list(arguments, ", "))
        }
        Expr::InList {
            operand,
            list: items,
            is_negated,
        } => {
            let (symbol, how) = if *is_negated {
                ("<>", "ALL")
            } else {
                ("=", "ANY")
            };
            format!(
                "({} {symbol} {how} ({{{}}}))",
                show(operand),
                list(items, ",")
            )
        }
    }
}

/// A constant as PostgreSQL shows it.
pub(super) fn constant(value: &vireo_abi::datum::Datum, sql_type: SqlType) -> String {
    if value.is_null() {
        return format!("NULL::{}", type_name(sql_type));
    }
    let shown = if sql_type.id == TypeId::Unknown {
        TypeId::Text.into()
    } else {
        sql_type
    };
    let column = Vector::constant(value, sql_type.kind(), 1);
    let mut bytes = Vec::new();
    output::write_text(shown, &column, 0, &FormatSettings::default(), &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match sql_type.id {
        TypeId::Int4 if !text.starts_with('-') => text,
        TypeId::Bool => String::from(if text == "t" { "true" } else { "false" }),
        TypeId::Numeric if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.') => {
            text
        }
        _ => format!("'{}'::{}", text.replace('\'', "''"), type_name(shown)),
    }
}
