//! FROM: tables, subqueries and joins to rows and the names of their columns.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{
    JoinConstraint, JoinOperator, ObjectName, Query, SetExpr, TableAlias, TableFactor,
    TableWithJoins,
};
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::binder::{Binder, Table};
use super::coerce::Typed;
use super::expr::{Clause, Env};
use super::query::Output;
use super::rel::{Rel, Scan, conjuncts};
use super::scope::{ColumnMeta, Origin, Scope, ScopeColumn, ScopeRelation};
use super::text::{place, too_deep, unsupported};
use crate::catalog::view::SystemView;
use crate::plan::{Expr, JoinKind};

/// Relations that one statement may have.
const RELATIONS_MAX: usize = 256;

impl Binder<'_> {
    /// A FROM list: its items side by side.
    ///
    /// # Errors
    /// PostgreSQL's for names, types and aliases; 0A000.
    pub(super) fn from(&mut self, items: &[TableWithJoins]) -> SqlResult<(Rel, Scope)> {
        let mut joined: Option<(Rel, Scope)> = None;
        for item in items {
            let (rel, scope) = self.table_with_joins(item)?;
            joined = Some(match joined {
                None => (rel, scope),
                Some((left, left_scope)) => {
                    let scope = self.join_scopes(left_scope, scope, &item.relation)?;
                    (cross(left, rel), scope)
                }
            });
        }
        Ok(joined.unwrap_or_else(|| (Rel::one_row(), Scope::default())))
    }

    fn join_scopes(
        &self,
        left: Scope,
        right: Scope,
        item: &impl sqlparser::ast::Spanned,
    ) -> SqlResult<Scope> {
        left.join(right)
            .map_err(|error| place(error, self.text.at(item)))
    }

    /// Where an item of FROM begins.
    fn at_factor(&self, factor: &TableFactor) -> Option<u32> {
        match factor {
            TableFactor::Table { name, .. } => self.text.at(name),
            TableFactor::Derived { subquery, .. } => self.text.at_query(subquery),
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.at_factor(&table_with_joins.relation),
            other => self.text.at(other),
        }
    }

    fn table_with_joins(&mut self, item: &TableWithJoins) -> SqlResult<(Rel, Scope)> {
        let (mut rel, mut scope) = self.table_factor(&item.relation)?;
        for join in &item.joins {
            let at = self.at_factor(&join.relation);
            if join.global {
                return Err(unsupported("this join", at));
            }
            let (right, right_scope) = self.table_factor(&join.relation)?;
            let (kind, constraint) = match &join.join_operator {
                JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinKind::Inner, c),
                JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinKind::Left, c),
                JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinKind::Right, c),
                JoinOperator::FullOuter(c) => (JoinKind::Full, c),
                JoinOperator::CrossJoin(JoinConstraint::None) => {
                    scope = self.join_scopes(scope, right_scope, &join.relation)?;
                    rel = cross(rel, right);
                    continue;
                }
                _ => return Err(unsupported("this join", at)),
            };
            (rel, scope) = match constraint {
                JoinConstraint::On(condition) => {
                    let scope = self.join_scopes(scope, right_scope, &join.relation)?;
                    let (scope, condition) = self.on_condition(scope, condition)?;
                    let mut conditions = Vec::new();
                    conjuncts(condition, &mut conditions);
                    (join_rels(rel, right, kind, conditions), scope)
                }
                JoinConstraint::Using(names) => {
                    let names = self.using_names(names)?;
                    self.join_using((rel, scope), (right, right_scope), kind, &names, at)?
                }
                JoinConstraint::Natural => {
                    let names: Vec<(String, Option<u32>)> = scope
                        .columns
                        .iter()
                        .filter(|c| right_scope.columns.iter().any(|r| r.name == c.name))
                        .map(|c| (c.name.clone(), at))
                        .collect();
                    self.join_using((rel, scope), (right, right_scope), kind, &names, at)?
                }
                JoinConstraint::None => {
                    return Err(self.text.syntax_error_after(&join.relation));
                }
            };
        }
        Ok((rel, scope))
    }

    fn on_condition(
        &mut self,
        scope: Scope,
        condition: &sqlparser::ast::Expr,
    ) -> SqlResult<(Scope, Expr)> {
        let mut env = Env::new(Rc::new(scope), Clause::JoinOn);
        let condition = self.expr(condition, &mut env)?;
        let condition = self.boolean(condition, "JOIN/ON")?;
        let scope = Rc::try_unwrap(env.scope).unwrap_or_else(|shared| (*shared).clone());
        Ok((scope, condition))
    }

    fn using_names(&self, names: &[ObjectName]) -> SqlResult<Vec<(String, Option<u32>)>> {
        let mut found: Vec<(String, Option<u32>)> = Vec::with_capacity(names.len());
        for name in names {
            let (mut parts, at) = self.text.qualified(name)?;
            let (Some(name), true) = (parts.pop(), parts.is_empty()) else {
                return Err(self.text.syntax_error_at(at.unwrap_or(0)));
            };
            if found.iter().any(|(n, _)| *n == name) {
                let error = SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column name \"{name}\" appears more than once in USING clause"),
                );
                return Err(place(error, at));
            }
            found.push((name, at));
        }
        Ok(found)
    }

    /// JOIN … USING: the named columns are one each, first, then the others of both sides.
    fn join_using(
        &mut self,
        (left, left_scope): (Rel, Scope),
        (right, right_scope): (Rel, Scope),
        kind: JoinKind,
        names: &[(String, Option<u32>)],
        at: Option<u32>,
    ) -> SqlResult<(Rel, Scope)> {
        let mut merged = Vec::with_capacity(names.len());
        let mut conditions = Vec::with_capacity(names.len());
        for (name, name_at) in names {
            let l = using_column(&left_scope, name, "left", *name_at)?;
            let r = using_column(&right_scope, name, "right", *name_at)?;
            let l_typed = Typed {
                expr: l.expr.clone(),
                at,
            };
            let r_typed = Typed {
                expr: r.expr.clone(),
                at,
            };
            let test = self.binary_operator("=", l_typed.clone(), r_typed.clone(), at)?;
            conditions.push(test.expr);
            let column = match kind {
                JoinKind::Right => ScopeColumn {
                    name: name.clone(),
                    ..r
                },
                JoinKind::Full => {
                    let sql_type =
                        self.settled_type(&[l_typed.clone(), r_typed.clone()], "JOIN/USING")?;
                    let context = crate::types::cast::CastContext::Implicit;
                    let arguments = alloc::vec![
                        self.coerce(l_typed, sql_type, context)?,
                        self.coerce(r_typed, sql_type, context)?,
                    ];
                    let expr = Expr::Coalesce {
                        arguments,
                        sql_type,
                    };
                    ScopeColumn {
                        name: name.clone(),
                        expr,
                        origin: Origin::default(),
                    }
                }
                _ => ScopeColumn {
                    name: name.clone(),
                    ..l
                },
            };
            merged.push(column);
        }
        let is_merged = |c: &&ScopeColumn| !names.iter().any(|(n, _)| *n == c.name);
        let rest_left: Vec<ScopeColumn> = left_scope
            .columns
            .iter()
            .filter(is_merged)
            .cloned()
            .collect();
        let rest_right: Vec<ScopeColumn> = right_scope
            .columns
            .iter()
            .filter(is_merged)
            .cloned()
            .collect();
        let mut scope = left_scope
            .join(right_scope)
            .map_err(|error| place(error, at))?;
        scope.columns = merged;
        scope.columns.extend(rest_left);
        scope.columns.extend(rest_right);
        Ok((join_rels(left, right, kind, conditions), scope))
    }

    fn table_factor(&mut self, factor: &TableFactor) -> SqlResult<(Rel, Scope)> {
        self.deeper(|binder| binder.table_factor_inner(factor))
    }

    fn table_factor_inner(&mut self, factor: &TableFactor) -> SqlResult<(Rel, Scope)> {
        let at = self.at_factor(factor);
        self.relations += 1;
        if self.relations > RELATIONS_MAX {
            return Err(too_deep());
        }
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() {
                    return Err(unsupported("a function in FROM", at));
                }
                let is_plain = with_hints.is_empty()
                    && version.is_none()
                    && !with_ordinality
                    && partitions.is_empty()
                    && json_path.is_none()
                    && sample.is_none()
                    && index_hints.is_empty();
                if !is_plain {
                    return Err(unsupported("this clause of a table", at));
                }
                self.table_or_common(name, alias.as_ref())
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                sample: None,
            } => self.derived(subquery, alias.as_ref(), at),
            TableFactor::Derived { .. } => Err(unsupported("LATERAL", at)),
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let (rel, scope) = self.table_with_joins(table_with_joins)?;
                match alias {
                    None => Ok((rel, scope)),
                    Some(alias) => {
                        let relation = ScopeRelation {
                            name: String::new(),
                            hidden_name: None,
                            columns: scope.columns,
                        };
                        Ok((rel, Scope::of(self.aliased(relation, Some(alias))?)))
                    }
                }
            }
            _ => Err(unsupported("this item of FROM", at)),
        }
    }

    fn table_or_common(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> SqlResult<(Rel, Scope)> {
        let (schema, table, at) = self.text.relation(name)?;
        if schema.is_none()
            && let Some(index) = self.common_tables.iter().rposition(|c| c.name == table)
        {
            return self.common_table(index, alias, at);
        }
        if let Some(view) = SystemView::find(schema.as_deref(), &table) {
            return self.system_view(view, alias);
        }
        let opened = self.open_table(schema.as_deref(), &table, at)?;
        self.scan(opened, alias)
    }

    fn system_view(
        &mut self,
        view: SystemView,
        alias: Option<&TableAlias>,
    ) -> SqlResult<(Rel, Scope)> {
        let alias_name = match alias {
            Some(alias) => self.text.name(&alias.name)?,
            None => String::from(view.name()),
        };
        let mut ids = Vec::new();
        let mut columns = Vec::new();
        for (name, sql_type) in view.columns() {
            let id = self.add_column(ColumnMeta {
                sql_type,
                relation: alias_name.clone(),
                name: String::from(name),
                not_null: false,
            })?;
            ids.push(id);
            columns.push(ScopeColumn {
                name: String::from(name),
                expr: self.column(id),
                origin: Origin::default(),
            });
        }
        let relation = ScopeRelation {
            name: String::from(view.name()),
            hidden_name: alias.map(|_| String::from(view.name())),
            columns,
        };
        let scope = Scope::of(self.aliased(relation, alias)?);
        let rel = Rel::SystemView {
            view,
            alias: alias_name,
            columns: ids,
        };
        Ok((rel, scope))
    }

    /// A table and its names.
    ///
    /// # Errors
    /// Those of the alias.
    pub(super) fn scan(
        &mut self,
        table: Rc<Table>,
        alias: Option<&TableAlias>,
    ) -> SqlResult<(Rel, Scope)> {
        let alias_name = match alias {
            Some(alias) => self.text.name(&alias.name)?,
            None => table.def.name.clone(),
        };
        let mut ids = Vec::with_capacity(table.def.columns.len());
        let mut columns = Vec::with_capacity(table.def.columns.len());
        for (index, column) in table.def.columns.iter().enumerate() {
            let id = self.add_column(ColumnMeta {
                sql_type: column.sql_type,
                relation: alias_name.clone(),
                name: column.name.clone(),
                not_null: column.not_null,
            })?;
            ids.push(id);
            columns.push(ScopeColumn {
                name: column.name.clone(),
                expr: self.column(id),
                origin: Origin {
                    table_oid: table.def.oid,
                    attribute: index as i16 + 1,
                },
            });
        }
        let relation = ScopeRelation {
            name: table.def.name.clone(),
            hidden_name: alias.map(|_| table.def.name.clone()),
            columns,
        };
        let scope = Scope::of(self.aliased(relation, alias)?);
        let scan = Scan {
            table,
            alias: alias_name,
            columns: ids,
            row: None,
            conditions: Vec::new(),
        };
        Ok((Rel::Scan(Box::new(scan)), scope))
    }

    fn common_table(
        &mut self,
        index: usize,
        alias: Option<&TableAlias>,
        at: Option<u32>,
    ) -> SqlResult<(Rel, Scope)> {
        let common = self.common_tables[index].clone();
        common.references.set(common.references.get() + 1);
        if common.is_volatile && common.references.get() > 1 {
            return Err(unsupported(
                "a second reference to a WITH query with volatile functions",
                at,
            ));
        }
        let hidden = self.common_tables.split_off(common.visible);
        let outer = core::mem::take(&mut self.outer);
        let bound = self.query(&common.query);
        self.outer = outer;
        self.common_tables.extend(hidden);
        let mut relation_columns = Vec::new();
        let rel = self.output_columns(bound?, &mut relation_columns)?;
        for (column, name) in relation_columns.iter_mut().zip(&common.columns) {
            column.name.clone_from(name);
        }
        let relation = ScopeRelation {
            name: common.name.clone(),
            hidden_name: alias.map(|_| common.name.clone()),
            columns: relation_columns,
        };
        Ok((rel, Scope::of(self.aliased(relation, alias)?)))
    }

    fn derived(
        &mut self,
        query: &Query,
        alias: Option<&TableAlias>,
        at: Option<u32>,
    ) -> SqlResult<(Rel, Scope)> {
        let Some(alias) = alias else {
            let is_values = matches!(&*query.body, SetExpr::Values(_));
            let (what, example) = if is_values {
                ("VALUES", "(VALUES ...)")
            } else {
                ("subquery", "(SELECT ...)")
            };
            let error = SqlError::new(
                state::SYNTAX_ERROR,
                format!("{what} in FROM must have an alias"),
            )
            .with_hint(format!("For example, FROM {example} [AS] foo."));
            let at = self.text.word_before(at, &["("]).or(at);
            return Err(place(error, at));
        };
        let bound = self.query(query)?;
        let mut columns = Vec::new();
        let rel = self.output_columns(bound, &mut columns)?;
        let relation = ScopeRelation {
            name: String::new(),
            hidden_name: None,
            columns,
        };
        Ok((rel, Scope::of(self.aliased(relation, Some(alias))?)))
    }

    /// A query's result columns as columns with ids and names.
    ///
    /// # Errors
    /// 54011, 42P08.
    pub(super) fn output_columns(
        &mut self,
        output: Output,
        into: &mut Vec<ScopeColumn>,
    ) -> SqlResult<Rel> {
        let mut computed = Vec::new();
        for column in output.columns {
            let expr = self.settle(column.typed)?;
            let expr = match expr {
                column @ Expr::Column { .. } => column,
                expr => {
                    let id = self.add_computed(&column.name, expr.sql_type())?;
                    computed.push((id, expr));
                    self.column(id)
                }
            };
            into.push(ScopeColumn {
                name: column.name,
                expr,
                origin: column.origin,
            });
        }
        Ok(output.rel.extended(computed))
    }

    /// A relation under its alias, with its columns renamed.
    fn aliased(
        &self,
        mut relation: ScopeRelation,
        alias: Option<&TableAlias>,
    ) -> SqlResult<ScopeRelation> {
        let Some(alias) = alias else {
            return Ok(relation);
        };
        let at = self.text.at_span(alias.name.span);
        relation.name = self.text.name(&alias.name)?;
        if alias.at.is_some() {
            return Err(unsupported("this alias", at));
        }
        if alias.columns.len() > relation.columns.len() {
            let error = SqlError::new(
                state::INVALID_COLUMN_REFERENCE,
                format!(
                    "table \"{}\" has {} columns available but {} columns specified",
                    relation.name,
                    relation.columns.len(),
                    alias.columns.len()
                ),
            );
            return Err(place(error, at));
        }
        for (column, name) in relation.columns.iter_mut().zip(&alias.columns) {
            if name.data_type.is_some() {
                return Err(unsupported("a column definition in an alias", at));
            }
            column.name = self.text.name(&name.name)?;
        }
        Ok(relation)
    }

    /// `(SELECT …)` as a value: joined to the rows; only where it cannot give two rows.
    ///
    /// # Errors
    /// 42601 for more than one column, 0A000.
    pub(super) fn scalar_subquery(
        &mut self,
        query: &Query,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        if env.subqueries.is_none() || env.in_aggregate {
            return Err(unsupported("a subquery here", at));
        }
        let mut output = self.subquery(query, &env.scope)?;
        let (Some(column), true) = (output.columns.pop(), output.columns.is_empty()) else {
            let error = SqlError::new(state::SYNTAX_ERROR, "subquery must return only one column");
            return Err(place(error, at));
        };
        let rel = super::rel::push(output.rel, Vec::new());
        if !rel.is_single_row() {
            return Err(unsupported("a subquery that may return several rows", at));
        }
        // The value must be NULL where there is no row: it has to be a column of the joined side.
        let expr = self.settle(column.typed)?;
        let (rel, expr) = match expr {
            Expr::Column { index, .. } => (rel, self.column(index)),
            expr => {
                let id = self.add_computed(&column.name, expr.sql_type())?;
                (rel.extended(alloc::vec![(id, expr)]), self.column(id))
            }
        };
        if let Expr::Column { index, .. } = expr
            && let Some(aggregation) = env.aggregation.as_deref_mut()
        {
            aggregation.others.insert(index);
        }
        if let Some(subqueries) = env.subqueries.as_deref_mut() {
            subqueries.push(rel);
        }
        Ok(Typed { expr, at })
    }

    /// A query inside of another.
    ///
    /// # Errors
    /// Its own.
    pub(super) fn subquery(&mut self, query: &Query, scope: &Rc<Scope>) -> SqlResult<Output> {
        self.outer.push(Rc::clone(scope));
        let output = self.query(query);
        self.outer.pop();
        output
    }
}

fn using_column(scope: &Scope, name: &str, side: &str, at: Option<u32>) -> SqlResult<ScopeColumn> {
    let mut found = scope.columns.iter().filter(|c| c.name == name);
    let error = match (found.next(), found.next()) {
        (Some(column), None) => return Ok(column.clone()),
        (None, _) => SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
        ),
        _ => SqlError::new(
            state::AMBIGUOUS_COLUMN,
            format!("common column name \"{name}\" appears more than once in {side} table"),
        ),
    };
    Err(place(error, at))
}

fn cross(left: Rel, right: Rel) -> Rel {
    join_rels(left, right, JoinKind::Inner, Vec::new())
}

/// A join of two trees.
pub(super) fn join_rels(left: Rel, right: Rel, kind: JoinKind, conditions: Vec<Expr>) -> Rel {
    // A row without columns joined with anything is that thing.
    if kind == JoinKind::Inner
        && conditions.is_empty()
        && matches!(&left, Rel::Values { columns, rows } if columns.is_empty() && rows.len() == 1)
    {
        return right;
    }
    Rel::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        conditions,
    }
}
