//! Queries: SELECT, WITH, and what a query is made of.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use sqlparser::ast::{
    self, Distinct, GroupByExpr, OrderByExpr, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, WildcardAdditionalOptions, With,
};
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::aggregate::Aggregation;
use super::binder::{Binder, CommonTable};
use super::coerce::Typed;
use super::expr::{Clause, Env};
use super::from::join_rels;
use super::names::{figure, special_value};
use super::order::Item;
use super::rel::{Rel, conjuncts};
use super::scope::{Origin, Scope};
use super::text::{place, unsupported};
use crate::plan::{Expr, JoinKind};

/// A result column.
#[derive(Clone, Debug)]
pub(super) struct OutputColumn {
    /// Its name.
    pub(super) name: String,
    /// Its value over the rows; its type may still be unknown.
    pub(super) typed: Typed,
    /// The table's column that it is.
    pub(super) origin: Origin,
}

/// A query's rows and result columns.
#[derive(Debug)]
pub(super) struct Output {
    /// The rows.
    pub(super) rel: Rel,
    /// The result columns over them.
    pub(super) columns: Vec<OutputColumn>,
}

impl Binder<'_> {
    /// A query.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn query(&mut self, query: &Query) -> SqlResult<Output> {
        self.deeper(|binder| binder.query_inner(query))
    }

    fn query_inner(&mut self, query: &Query) -> SqlResult<Output> {
        let at = self.text.at_query(query);
        let is_odd = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if is_odd {
            return Err(unsupported("this clause of a query", at));
        }
        if !query.locks.is_empty() {
            return Err(unsupported("FOR UPDATE and FOR SHARE", at));
        }
        let defined = self.common_tables.len();
        if let Some(with) = &query.with {
            self.with(with)?;
        }
        let output = self.query_body(query);
        self.common_tables.truncate(defined);
        output
    }

    fn query_body(&mut self, query: &Query) -> SqlResult<Output> {
        let order = self.order_by_list(query.order_by.as_ref())?;
        let mut output = match &*query.body {
            SetExpr::Select(select) => self.select(select, order)?,
            body => {
                let mut output = self.set_expr(body)?;
                if !order.is_empty() {
                    output = self.order_outputs(output, order)?;
                }
                output
            }
        };
        let (limit, offset) = self.limits(query)?;
        if limit.is_some() || offset.is_some() {
            output.rel = Rel::Limit {
                input: Box::new(output.rel),
                limit,
                offset,
            };
        }
        Ok(output)
    }

    fn with(&mut self, with: &With) -> SqlResult<()> {
        let at = self.text.at_span(with.with_token.0.span);
        if with.recursive {
            return Err(unsupported("WITH RECURSIVE", at));
        }
        let first = self.common_tables.len();
        for cte in &with.cte_tables {
            let at = self.text.at_span(cte.alias.name.span);
            let name = self.text.name(&cte.alias.name)?;
            if self.common_tables[first..].iter().any(|c| c.name == name) {
                let error = SqlError::new(
                    state::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                );
                return Err(place(error, at));
            }
            if cte.from.is_some() {
                return Err(unsupported("this form of WITH", at));
            }
            let mut columns = Vec::with_capacity(cte.alias.columns.len());
            for column in &cte.alias.columns {
                columns.push(self.text.name(&column.name)?);
            }
            // Bound once here so that its errors show even if it is not used.
            let saw_volatile = core::mem::take(&mut self.saw_volatile);
            let outer = core::mem::take(&mut self.outer);
            let bound = self.query(&cte.query);
            self.outer = outer;
            let width = bound?.columns.len();
            if columns.len() > width {
                let error = SqlError::new(
                    state::INVALID_COLUMN_REFERENCE,
                    format!(
                        "WITH query \"{name}\" has {width} columns available but {} columns specified",
                        columns.len()
                    ),
                );
                return Err(place(error, at));
            }
            let visible = self.common_tables.len();
            self.common_tables.push(CommonTable {
                name,
                columns,
                query: Rc::new((*cte.query).clone()),
                visible,
                is_volatile: self.saw_volatile,
                references: Rc::new(Cell::new(0)),
            });
            self.saw_volatile |= saw_volatile;
        }
        Ok(())
    }

    pub(super) fn set_expr(&mut self, body: &SetExpr) -> SqlResult<Output> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation { .. } => self.deeper(|binder| binder.set_operation(body)),
            SetExpr::Table(_) => Err(unsupported("TABLE", self.text.at_set_expr(body))),
            _ => Err(unsupported(
                "a data-modifying statement in a query",
                self.text.at_set_expr(body),
            )),
        }
    }

    fn select(&mut self, select: &Select, order: &[OrderByExpr]) -> SqlResult<Output> {
        let at = self.text.at_span(select.select_token.0.span);
        check_select(select).map_err(|error| place(error, at))?;
        let (rel, scope) = self.from(&select.from)?;
        let scope = Rc::new(scope);
        let rel = match &select.selection {
            Some(condition) => self.filter(rel, &scope, condition)?,
            None => rel,
        };
        let mut aggregation = Aggregation::default();
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut items = Vec::new();
        for item in &select.projection {
            self.select_item(item, &scope, &mut aggregation, &mut after, &mut items)?;
        }
        let group = match &select.group_by {
            GroupByExpr::Expressions(list, modifiers) if modifiers.is_empty() => list,
            _ => return Err(unsupported("GROUP BY ALL or with a modifier", at)),
        };
        self.group_by(group, &scope, &items, &mut aggregation, &mut before)?;
        let having = match &select.having {
            Some(having) => {
                let mut env = Env::new(Rc::clone(&scope), Clause::Having);
                env.aggregation = Some(&mut aggregation);
                env.subqueries = Some(&mut after);
                let condition = self.expr(having, &mut env)?;
                let condition = self.boolean(condition, "HAVING")?;
                Some((condition, env.references))
            }
            None => None,
        };
        let mut keys = Vec::with_capacity(order.len());
        for key in order {
            keys.push(self.order_key(key, &scope, &items, &mut aggregation, &mut after)?);
        }
        let is_grouped = !group.is_empty() || !aggregation.calls.is_empty() || having.is_some();
        let mut rel = join_subqueries(rel, before);
        if is_grouped {
            self.add_dependent_keys(&rel, &mut aggregation)?;
            for item in &mut items {
                let expr = &mut item.column.typed.expr;
                self.regroup(expr, &aggregation, &scope, &item.references)?;
            }
            for key in &mut keys {
                self.regroup(&mut key.expr, &aggregation, &scope, &key.references)?;
            }
            let mut conditions = Vec::new();
            if let Some((mut condition, references)) = having {
                self.regroup(&mut condition, &aggregation, &scope, &references)?;
                conjuncts(condition, &mut conditions);
            }
            let Aggregation { group, calls, .. } = aggregation;
            rel = Rel::Aggregate {
                input: Box::new(rel),
                group,
                calls,
            };
            rel = join_subqueries(rel, after).filtered(conditions);
        } else {
            rel = join_subqueries(rel, after);
        }
        let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
        self.arrange(rel, items, keys, is_distinct)
    }

    /// WHERE, with EXISTS and IN (SELECT …) as joins where they stand alone or under AND.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn filter(
        &mut self,
        mut rel: Rel,
        scope: &Rc<Scope>,
        condition: &ast::Expr,
    ) -> SqlResult<Rel> {
        let mut parts = Vec::new();
        ast_conjuncts(condition, &mut parts);
        let mut conditions = Vec::new();
        let mut subqueries = Vec::new();
        for part in parts {
            if let Some((right, kind, on)) = self.subquery_condition(scope, part)? {
                rel = join_rels(rel, right, kind, on);
                continue;
            }
            let mut env = Env::new(Rc::clone(scope), Clause::Where);
            env.subqueries = Some(&mut subqueries);
            let typed = self.expr(part, &mut env)?;
            let what = if core::ptr::eq(part, condition) {
                "WHERE"
            } else {
                "AND"
            };
            let bound = self.boolean(typed, what)?;
            conjuncts(bound, &mut conditions);
        }
        Ok(join_subqueries(rel, subqueries).filtered(conditions))
    }

    /// EXISTS and IN (SELECT …), perhaps under NOT: a semi join or an anti join.
    fn subquery_condition(
        &mut self,
        scope: &Rc<Scope>,
        part: &ast::Expr,
    ) -> SqlResult<Option<(Rel, JoinKind, Vec<Expr>)>> {
        let (inner, is_not) = strip_not(part);
        match inner {
            ast::Expr::Exists { subquery, negated } => {
                let output = self.subquery(subquery, scope)?;
                let kind = if *negated != is_not {
                    JoinKind::Anti
                } else {
                    JoinKind::Semi
                };
                Ok(Some((output.rel, kind, Vec::new())))
            }
            ast::Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let is_not = *negated != is_not;
                let mut env = Env::new(Rc::clone(scope), Clause::Where);
                let left = self.expr(expr, &mut env)?;
                let output = self.subquery(subquery, scope)?;
                let width = output.columns.len();
                let mut columns = Vec::new();
                let right = self.output_columns(output, &mut columns)?;
                let (Some(column), 1) = (columns.pop(), width) else {
                    let error = SqlError::new(state::SYNTAX_ERROR, "subquery has too many columns");
                    return Err(place(error, left.at));
                };
                let at = left.at;
                let value = Typed {
                    expr: column.expr,
                    at,
                };
                let test = self.binary_operator("=", left, value, at)?.expr;
                if !is_not {
                    return Ok(Some((right, JoinKind::Semi, alloc::vec![test])));
                }
                // NOT IN is true only where every comparison is false: an unknown one excludes the row.
                let test = Expr::IsBool {
                    operand: Box::new(test),
                    value: false,
                    is_negated: true,
                };
                Ok(Some((right, JoinKind::Anti, alloc::vec![test])))
            }
            _ => Ok(None),
        }
    }

    fn select_item(
        &mut self,
        item: &SelectItem,
        scope: &Rc<Scope>,
        aggregation: &mut Aggregation,
        subqueries: &mut Vec<Rel>,
        into: &mut Vec<Item>,
    ) -> SqlResult<()> {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(self.text.label(alias)?)),
            _ => {
                for column in self.wildcard(item, scope)? {
                    let mut references = Vec::new();
                    let at = column.typed.at;
                    super::rel::each_column(&column.typed.expr, &mut |id| {
                        references.push((id, at));
                    });
                    into.push(Item { column, references });
                }
                return Ok(());
            }
        };
        let mut env = Env::new(Rc::clone(scope), Clause::Select);
        env.aggregation = Some(aggregation);
        env.subqueries = Some(subqueries);
        let typed = self.expr(expr, &mut env)?;
        let name = name.unwrap_or_else(|| self.label_of(expr));
        let origin = origin_of(&typed, scope);
        let references = env.references;
        into.push(Item {
            column: OutputColumn {
                name,
                typed,
                origin,
            },
            references,
        });
        Ok(())
    }

    fn label_of(&self, expr: &ast::Expr) -> String {
        if let ast::Expr::Subquery(query) = expr
            && let SetExpr::Values(_) = &*query.body
        {
            return String::from("column1");
        }
        if let ast::Expr::Subquery(query) = expr
            && let SetExpr::Select(select) = &*query.body
        {
            return match select.projection.first() {
                Some(SelectItem::UnnamedExpr(inner)) => self.label_of(inner),
                Some(SelectItem::ExprWithAlias { alias, .. }) => {
                    self.text.label(alias).unwrap_or_default()
                }
                _ => String::from("?column?"),
            };
        }
        figure(expr).0
    }

    /// `*` or `t.*`.
    fn wildcard(&mut self, item: &SelectItem, scope: &Scope) -> SqlResult<Vec<OutputColumn>> {
        let at = self.text.at(item);
        let (columns, options) = match item {
            SelectItem::Wildcard(options) => {
                if scope.relations.is_empty() {
                    let error = SqlError::new(
                        state::SYNTAX_ERROR,
                        "SELECT * with no tables specified is not valid",
                    );
                    return Err(place(error, at));
                }
                (&scope.columns, options)
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                let (_, name, at) = self.text.relation(name)?;
                let relation = scope
                    .relation(&name)
                    .ok_or_else(|| scope.no_relation(&name, at))?;
                (&relation.columns, options)
            }
            _ => return Err(unsupported("this result column", at)),
        };
        if !is_plain_wildcard(options) {
            return Err(unsupported("this form of *", at));
        }
        Ok(columns
            .iter()
            .map(|column| OutputColumn {
                name: column.name.clone(),
                typed: Typed {
                    expr: column.expr.clone(),
                    at,
                },
                origin: column.origin,
            })
            .collect())
    }

    fn group_by(
        &mut self,
        list: &[ast::Expr],
        scope: &Rc<Scope>,
        items: &[Item],
        aggregation: &mut Aggregation,
        subqueries: &mut Vec<Rel>,
    ) -> SqlResult<()> {
        for expr in list {
            let at = self.text.at_expr(expr);
            let expr = match self.ordinal(expr, items.len(), "GROUP BY")? {
                Some(index) => self.group_item(&items[index], aggregation)?,
                None => {
                    let alias = match expr {
                        ast::Expr::Identifier(ident) if special_value(ident).is_none() => {
                            let name = self.text.name(ident)?;
                            let is_column = scope.columns.iter().any(|c| c.name == name);
                            if is_column {
                                None
                            } else {
                                self.alias(&name, items, "GROUP BY", at)?
                            }
                        }
                        _ => None,
                    };
                    match alias {
                        Some(index) => self.group_item(&items[index], aggregation)?,
                        None => {
                            let mut env = Env::new(Rc::clone(scope), Clause::GroupBy);
                            env.subqueries = Some(&mut *subqueries);
                            let typed = self.expr(expr, &mut env)?;
                            self.settle(typed)?
                        }
                    }
                }
            };
            if aggregation.group.iter().any(|(_, key)| *key == expr) {
                continue;
            }
            let id = match &expr {
                Expr::Column { index, .. } => {
                    let meta = self.columns[usize::from(*index)].clone();
                    self.add_column(meta)?
                }
                other => self.add_computed("", other.sql_type())?,
            };
            aggregation.group.push((id, expr));
        }
        Ok(())
    }

    fn group_item(&mut self, item: &Item, aggregation: &Aggregation) -> SqlResult<Expr> {
        let expr = self.settle(item.column.typed.clone())?;
        let mut has_call = false;
        super::rel::each_column(&expr, &mut |id| {
            has_call |= aggregation.calls.iter().any(|(call, _)| *call == id);
        });
        if has_call {
            let error = SqlError::new(
                state::GROUPING_ERROR,
                "aggregate functions are not allowed in GROUP BY",
            );
            return Err(place(error, item.column.typed.at));
        }
        Ok(expr)
    }

    /// A RETURNING list over a table's columns.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub(super) fn returning(
        &mut self,
        list: &[SelectItem],
        scope: &Rc<Scope>,
    ) -> SqlResult<Vec<OutputColumn>> {
        let mut columns = Vec::new();
        for item in list {
            let (expr, name) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(self.text.label(alias)?)),
                _ => {
                    columns.extend(self.wildcard(item, scope)?);
                    continue;
                }
            };
            let mut env = Env::new(Rc::clone(scope), Clause::Returning);
            let mut typed = self.expr(expr, &mut env)?;
            let name = name.unwrap_or_else(|| self.label_of(expr));
            let origin = origin_of(&typed, scope);
            let at = typed.at;
            typed = Typed {
                expr: self.settle(typed)?,
                at,
            };
            columns.push(OutputColumn {
                name,
                typed,
                origin,
            });
        }
        Ok(columns)
    }
}

fn strip_not(mut expr: &ast::Expr) -> (&ast::Expr, bool) {
    let mut is_not = false;
    loop {
        match expr {
            ast::Expr::Nested(inner) => expr = inner,
            ast::Expr::UnaryOp {
                op: ast::UnaryOperator::Not,
                expr: inner,
            } => {
                is_not = !is_not;
                expr = inner;
            }
            other => return (other, is_not),
        }
    }
}

/// Splits ANDs, not recursive along a chain.
fn ast_conjuncts<'e>(expr: &'e ast::Expr, into: &mut Vec<&'e ast::Expr>) {
    let mut rest = alloc::vec![expr];
    while let Some(expr) = rest.pop() {
        match expr {
            ast::Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::And,
                right,
            } => {
                rest.push(right);
                rest.push(left);
            }
            ast::Expr::Nested(inner)
                if matches!(
                    &**inner,
                    ast::Expr::BinaryOp {
                        op: ast::BinaryOperator::And,
                        ..
                    }
                ) =>
            {
                rest.push(inner);
            }
            other => into.push(other),
        }
    }
}

/// Scalar subqueries give one row or none: each is joined so that none is NULL.
fn join_subqueries(rel: Rel, subqueries: Vec<Rel>) -> Rel {
    subqueries.into_iter().fold(rel, |left, right| Rel::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind: JoinKind::Left,
        conditions: Vec::new(),
    })
}

fn origin_of(typed: &Typed, scope: &Scope) -> Origin {
    let Expr::Column { .. } = typed.expr else {
        return Origin::default();
    };
    scope
        .relations
        .iter()
        .flat_map(|r| &r.columns)
        .find(|c| c.expr == typed.expr)
        .map_or(Origin::default(), |c| c.origin)
}

fn is_plain_wildcard(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// Refuses what sqlparser reads and PostgreSQL, or we, do not have.
fn check_select(select: &Select) -> SqlResult<()> {
    let refused = [
        (select.into.is_some(), "SELECT INTO"),
        (!select.named_window.is_empty(), "WINDOW"),
        (select.top.is_some(), "TOP"),
        (select.select_modifiers.is_some(), "this modifier of SELECT"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "SELECT AS"),
        (
            matches!(select.distinct, Some(Distinct::On(_))),
            "DISTINCT ON",
        ),
        (
            !matches!(select.flavor, SelectFlavor::Standard),
            "this form of SELECT",
        ),
    ];
    match refused.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(unsupported(what, None)),
        None => Ok(()),
    }
}
