//! The logical plan: relational operators over column ids, and conditions moved to where they belong.
//!
//! Every operator names what it makes by new ids and passes on what it is given, so nothing needs to be
//! renumbered while the tree is reshaped. Which columns are really carried is decided when the physical
//! plan is laid out, from above.
//!
//! Invariants:
//! 1. An id is made by exactly one operator of a tree.
//! 2. `Filter`, `Table` and inner joins hold their conditions as a list that is ANDed; a condition that
//!    refers to one side only is never left at an inner join by [`push`].

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::binder::Table;
use super::scope::ColumnId;
use crate::catalog::view::SystemView;
use crate::functions::{self, Volatility};
use crate::plan::{AggregateCall, Expr, JoinKind, SortKey};

/// A table of FROM.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// The table.
    pub(super) table: Rc<Table>,
    /// Its name in the query.
    pub(super) alias: String,
    /// The id of each of its columns.
    pub(super) columns: Vec<ColumnId>,
    /// The ids of row id and version, where rows will be changed.
    pub(super) row: Option<(ColumnId, ColumnId)>,
    /// Which rows.
    pub(super) conditions: Vec<Expr>,
}

/// A logical operator.
#[derive(Clone, Debug)]
pub(super) enum Rel {
    /// Rows of expressions without columns.
    Values {
        /// Its columns.
        columns: Vec<ColumnId>,
        /// The rows.
        rows: Vec<Vec<Expr>>,
    },
    /// A table.
    Scan(Box<Scan>),
    /// A view that the system makes.
    SystemView {
        /// Which.
        view: SystemView,
        /// Its name in the query.
        alias: String,
        /// The id of each of its columns.
        columns: Vec<ColumnId>,
    },
    /// Rows where all conditions hold.
    Filter {
        /// From.
        input: Box<Rel>,
        /// Which.
        conditions: Vec<Expr>,
    },
    /// The input's columns and computed ones.
    Project {
        /// From.
        input: Box<Rel>,
        /// New columns.
        exprs: Vec<(ColumnId, Expr)>,
    },
    /// A join.
    Join {
        /// Left.
        left: Box<Rel>,
        /// Right.
        right: Box<Rel>,
        /// Kind.
        kind: JoinKind,
        /// What must hold.
        conditions: Vec<Expr>,
    },
    /// Groups.
    Aggregate {
        /// From.
        input: Box<Rel>,
        /// Keys, as new columns.
        group: Vec<(ColumnId, Expr)>,
        /// Aggregates, as new columns.
        calls: Vec<(ColumnId, AggregateCall)>,
    },
    /// Rows that differ in these columns; nothing else is passed on.
    Distinct {
        /// From.
        input: Box<Rel>,
        /// Which columns.
        columns: Vec<ColumnId>,
    },
    /// Order.
    Sort {
        /// From.
        input: Box<Rel>,
        /// By what.
        keys: Vec<SortKey>,
    },
    /// LIMIT and OFFSET.
    Limit {
        /// From.
        input: Box<Rel>,
        /// LIMIT.
        limit: Option<Expr>,
        /// OFFSET.
        offset: Option<Expr>,
    },
    /// The rows of all inputs in turn, as new columns.
    Append {
        /// Its columns.
        columns: Vec<ColumnId>,
        /// Inputs, and which of an input's expressions is which column.
        inputs: Vec<(Rel, Vec<Expr>)>,
    },
}

impl Rel {
    /// One row without columns.
    pub(super) fn one_row() -> Rel {
        Rel::Values {
            columns: Vec::new(),
            rows: alloc::vec![Vec::new()],
        }
    }

    /// The rows where the conditions hold as well.
    pub(super) fn filtered(self, conditions: Vec<Expr>) -> Rel {
        if conditions.is_empty() {
            self
        } else {
            Rel::Filter {
                input: Box::new(self),
                conditions,
            }
        }
    }

    /// With computed columns.
    pub(super) fn extended(self, exprs: Vec<(ColumnId, Expr)>) -> Rel {
        if exprs.is_empty() {
            self
        } else {
            Rel::Project {
                input: Box::new(self),
                exprs,
            }
        }
    }

    /// Calls `each` with every id that this tree passes on.
    pub(super) fn each_output(&self, each: &mut dyn FnMut(ColumnId)) {
        match self {
            Rel::Values { columns, .. }
            | Rel::SystemView { columns, .. }
            | Rel::Append { columns, .. }
            | Rel::Distinct { columns, .. } => columns.iter().copied().for_each(each),
            Rel::Scan(scan) => {
                scan.columns.iter().copied().for_each(&mut *each);
                if let Some((row, version)) = scan.row {
                    each(row);
                    each(version);
                }
            }
            Rel::Filter { input, .. } | Rel::Sort { input, .. } | Rel::Limit { input, .. } => {
                input.each_output(each);
            }
            Rel::Project { input, exprs } => {
                input.each_output(each);
                exprs.iter().for_each(|(id, _)| each(*id));
            }
            Rel::Join {
                left, right, kind, ..
            } => {
                left.each_output(each);
                if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                    right.each_output(each);
                }
            }
            Rel::Aggregate { group, calls, .. } => {
                group.iter().for_each(|(id, _)| each(*id));
                calls.iter().for_each(|(id, _)| each(*id));
            }
        }
    }

    /// The ids that this tree passes on.
    pub(super) fn outputs(&self) -> IdSet {
        let mut set = IdSet::default();
        self.each_output(&mut |id| set.insert(id));
        set
    }

    /// Whether it can never give more than one row.
    pub(super) fn is_single_row(&self) -> bool {
        match self {
            Rel::Values { rows, .. } => rows.len() <= 1,
            Rel::Aggregate { group, .. } => group.is_empty(),
            Rel::Filter { input, .. }
            | Rel::Project { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Distinct { input, .. } => input.is_single_row(),
            Rel::Limit { input, limit, .. } => {
                use vireo_abi::datum::Datum;
                let is_one = matches!(
                    limit,
                    Some(Expr::Constant {
                        value: Datum::Int8(0 | 1),
                        ..
                    })
                );
                is_one || input.is_single_row()
            }
            Rel::Join {
                left, right, kind, ..
            } => match kind {
                JoinKind::Inner | JoinKind::Left => left.is_single_row() && right.is_single_row(),
                JoinKind::Semi | JoinKind::Anti => left.is_single_row(),
                JoinKind::Right | JoinKind::Full => false,
            },
            Rel::Scan(scan) => super::access::is_single_row(scan),
            Rel::Append { .. } | Rel::SystemView { .. } => false,
        }
    }
}

/// A set of column ids.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct IdSet {
    words: Vec<u64>,
}

impl IdSet {
    /// Adds an id.
    pub(super) fn insert(&mut self, id: ColumnId) {
        let word = usize::from(id) / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id % 64);
    }

    /// Whether an id is in it.
    pub(super) fn contains(&self, id: ColumnId) -> bool {
        self.words
            .get(usize::from(id) / 64)
            .is_some_and(|w| w & (1 << (id % 64)) != 0)
    }

    /// Whether every id that an expression refers to is in it.
    pub(super) fn covers(&self, expr: &Expr) -> bool {
        let mut all = true;
        each_column(expr, &mut |id| all &= self.contains(id));
        all
    }

    /// Adds every id that an expression refers to.
    pub(super) fn add(&mut self, expr: &Expr) {
        each_column(expr, &mut |id| self.insert(id));
    }
}

/// Defines a function that calls another with each part of an expression, read or to change.
macro_rules! each_part {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)?, $iter:ident, $($reference:tt)+) => {
        $(#[$doc])*
        pub(super) fn $name$(<$life>)?(
            expr: $($reference)+ Expr,
            each: &mut dyn FnMut($($reference)+ Expr),
        ) {
            match expr {
                Expr::Column { .. } | Expr::Constant { .. } | Expr::Parameter { .. } => {}
                Expr::Call { arguments, .. }
                | Expr::Coalesce { arguments, .. }
                | Expr::Extreme { arguments, .. }
                | Expr::And(arguments)
                | Expr::Or(arguments) => arguments.$iter().for_each(each),
                Expr::Cast { operand, .. }
                | Expr::Not(operand)
                | Expr::IsNull { operand, .. }
                | Expr::IsBool { operand, .. } => each(operand),
                Expr::IsDistinct { left, right, .. } => {
                    each(left);
                    each(right);
                }
                Expr::Case {
                    branches,
                    otherwise,
                    ..
                } => {
                    for (condition, result) in branches {
                        each(condition);
                        each(result);
                    }
                    if let Some(otherwise) = otherwise {
                        each(otherwise);
                    }
                }
                Expr::InList { operand, list, .. } => {
                    each(operand);
                    list.$iter().for_each(each);
                }
            }
        }
    };
}

each_part!(
    /// The parts of an expression.
    each_child<'e>, iter, &'e
);
each_part!(
    /// The parts of an expression, to change.
    each_child_mut, iter_mut, &mut
);

/// Every column that an expression refers to.
pub(super) fn each_column(expr: &Expr, each: &mut dyn FnMut(ColumnId)) {
    if let Expr::Column { index, .. } = expr {
        each(*index);
    }
    each_child(expr, &mut |child| each_column(child, each));
}

/// Whether an expression refers to any column.
pub(super) fn has_columns(expr: &Expr) -> bool {
    let mut found = false;
    each_column(expr, &mut |_| found = true);
    found
}

/// Whether an expression may give another value each time.
pub(super) fn is_volatile(expr: &Expr) -> bool {
    if let Expr::Call { function, .. } = expr
        && functions::volatility(*function) == Volatility::Volatile
    {
        return true;
    }
    let mut found = false;
    each_child(expr, &mut |child| found |= is_volatile(child));
    found
}

/// Replaces references to computed columns by what they are computed from.
fn substitute(expr: &mut Expr, from: &[(ColumnId, Expr)]) {
    if let Expr::Column { index, .. } = expr
        && let Some((_, value)) = from.iter().find(|(id, _)| id == index)
    {
        *expr = value.clone();
        return;
    }
    each_child_mut(expr, &mut |child| substitute(child, from));
}

/// Splits ANDs into a list.
pub(super) fn conjuncts(expr: Expr, into: &mut Vec<Expr>) {
    use vireo_abi::datum::Datum;
    match expr {
        Expr::And(operands) => operands.into_iter().for_each(|o| conjuncts(o, into)),
        Expr::Constant {
            value: Datum::Bool(true),
            ..
        } => {}
        other => into.push(other),
    }
}

/// Moves conditions down to the lowest operator where they can be tested.
pub(super) fn push(rel: Rel, mut conditions: Vec<Expr>) -> Rel {
    match rel {
        Rel::Scan(mut scan) => {
            let (volatile, plain): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_volatile);
            scan.conditions.extend(plain);
            Rel::Scan(scan).filtered(volatile)
        }
        Rel::Filter {
            input,
            conditions: more,
        } => {
            let mut all = more;
            all.append(&mut conditions);
            push(*input, all)
        }
        Rel::Project { input, exprs } => push_project(*input, exprs, conditions),
        Rel::Join {
            left,
            right,
            kind,
            conditions: on,
        } => push_join(*left, *right, kind, on, conditions),
        Rel::Aggregate {
            input,
            group,
            calls,
        } => {
            let mut keys = IdSet::default();
            group.iter().for_each(|(id, _)| keys.insert(*id));
            let is_grouped = !group.is_empty();
            let (mut below, above): (Vec<_>, Vec<_>) = conditions
                .into_iter()
                .partition(|c| is_grouped && has_columns(c) && keys.covers(c) && !is_volatile(c));
            below.iter_mut().for_each(|c| substitute(c, &group));
            let input = Box::new(push(*input, below));
            Rel::Aggregate {
                input,
                group,
                calls,
            }
            .filtered(above)
        }
        Rel::Distinct { input, columns } => {
            let (stay, below): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_volatile);
            let input = Box::new(push(*input, below));
            Rel::Distinct { input, columns }.filtered(stay)
        }
        Rel::Sort { input, keys } => {
            let input = Box::new(push(*input, conditions));
            Rel::Sort { input, keys }
        }
        Rel::Limit {
            input,
            limit,
            offset,
        } => {
            let input = Box::new(push(*input, Vec::new()));
            Rel::Limit {
                input,
                limit,
                offset,
            }
            .filtered(conditions)
        }
        Rel::Append { columns, inputs } => push_append(columns, inputs, conditions),
        leaf @ (Rel::Values { .. } | Rel::SystemView { .. }) => leaf.filtered(conditions),
    }
}

fn push_project(input: Rel, exprs: Vec<(ColumnId, Expr)>, conditions: Vec<Expr>) -> Rel {
    let mut unsafe_ids = IdSet::default();
    for (id, expr) in &exprs {
        if is_volatile(expr) {
            unsafe_ids.insert(*id);
        }
    }
    let (stay, mut below): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|c| {
        let mut is_unsafe = is_volatile(c);
        each_column(c, &mut |id| is_unsafe |= unsafe_ids.contains(id));
        is_unsafe
    });
    below.iter_mut().for_each(|c| substitute(c, &exprs));
    push(input, below).extended(exprs).filtered(stay)
}

fn push_append(
    columns: Vec<ColumnId>,
    inputs: Vec<(Rel, Vec<Expr>)>,
    conditions: Vec<Expr>,
) -> Rel {
    let (stay, below): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_volatile);
    let inputs = inputs
        .into_iter()
        .map(|(rel, exprs)| {
            let map: Vec<(ColumnId, Expr)> =
                columns.iter().copied().zip(exprs.iter().cloned()).collect();
            let is_stable = !exprs.iter().any(is_volatile);
            let mut own = below.clone();
            own.iter_mut().for_each(|c| substitute(c, &map));
            let rel = if is_stable {
                push(rel, own)
            } else {
                push(rel, Vec::new()).filtered(own)
            };
            (rel, exprs)
        })
        .collect();
    Rel::Append { columns, inputs }.filtered(stay)
}

fn push_join(left: Rel, right: Rel, kind: JoinKind, on: Vec<Expr>, conditions: Vec<Expr>) -> Rel {
    let (in_left, in_right) = (left.outputs(), right.outputs());
    let mut to_left = Vec::new();
    let mut to_right = Vec::new();
    let mut here = Vec::new();
    let mut above = Vec::new();
    let preserves_left = matches!(kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti);
    let preserves_right = matches!(kind, JoinKind::Right | JoinKind::Full);
    for condition in on {
        // A condition of ON filters the side that is not preserved before the join.
        if is_volatile(&condition) || !has_columns(&condition) {
            here.push(condition);
        } else if in_left.covers(&condition) && !preserves_left {
            to_left.push(condition);
        } else if in_right.covers(&condition) && !preserves_right {
            to_right.push(condition);
        } else {
            here.push(condition);
        }
    }
    for condition in conditions {
        // A condition of WHERE is tested after the join: it may go below it on a preserved side only.
        let is_fixed = is_volatile(&condition) || !has_columns(&condition);
        let can_left = !matches!(kind, JoinKind::Right | JoinKind::Full);
        let can_right = matches!(kind, JoinKind::Inner | JoinKind::Right);
        if !is_fixed && in_left.covers(&condition) && can_left {
            to_left.push(condition);
        } else if !is_fixed && in_right.covers(&condition) && can_right {
            to_right.push(condition);
        } else if kind == JoinKind::Inner && !is_volatile(&condition) {
            here.push(condition);
        } else {
            above.push(condition);
        }
    }
    Rel::Join {
        left: Box::new(push(left, to_left)),
        right: Box::new(push(right, to_right)),
        kind,
        conditions: here,
    }
    .filtered(above)
}
