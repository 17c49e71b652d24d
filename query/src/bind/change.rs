//! INSERT, UPDATE, DELETE.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{
    self, Assignment, AssignmentTarget, Delete, FromTable, Insert, ObjectName, Query, SetExpr,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, Values,
};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::{Binder, Table};
use super::coerce::Typed;
use super::explain::Explained;
use super::expr::{Clause, Env};
use super::from::join_rels;
use super::physical::Planner;
use super::query::OutputColumn;
use super::rel::{Rel, each_column, push};
use super::scope::{ColumnId, ColumnMeta, Scope};
use super::text::{place, unsupported};
use crate::catalog::TableDef;
use crate::plan::{Body, Expr, JoinKind, Measured, Node};

/// A change of rows, planned.
pub(super) struct Change {
    /// What to do.
    pub(super) body: Body,
    /// RETURNING's columns.
    pub(super) columns: Vec<OutputColumn>,
    /// For EXPLAIN.
    pub(super) explained: Option<Box<Explained>>,
}

/// The rows that an UPDATE or DELETE changes.
struct Target {
    table: Rc<Table>,
    rel: Rel,
    /// The table's names alone, for SET and RETURNING.
    own: Rc<Scope>,
    /// And those of FROM or USING.
    scope: Rc<Scope>,
    /// The ids of the table's columns, then row id and version.
    ids: Vec<ColumnId>,
}

fn column_names(def: &TableDef) -> Vec<String> {
    def.columns.iter().map(|c| c.name.clone()).collect()
}

fn not_null(def: &TableDef) -> Vec<u16> {
    (0..def.columns.len())
        .filter(|&i| def.columns[i].not_null)
        .map(|i| i as u16)
        .collect()
}

/// The bare word DEFAULT as a value.
fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(i)
        if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

/// What UPDATE and DELETE have in common, laid out.
struct LaidOut {
    table: Rc<Table>,
    input: Node,
    returning: Vec<Expr>,
    columns: Vec<OutputColumn>,
    explained: Option<Box<Explained>>,
}

impl Binder<'_> {
    /// INSERT.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn insert(&mut self, insert: &Insert, explains: bool) -> SqlResult<Change> {
        check_insert(insert)?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("this target of INSERT", None));
        };
        let (schema, name, at) = self.text.relation(name)?;
        let table = self.open_table(schema.as_deref(), &name, at)?;
        let targets = self.target_columns(&table.def, &insert.columns)?;
        let is_listed = !insert.columns.is_empty();
        let rel_and_values = match insert.source.as_deref() {
            None => {
                let row = self.row(&table.def, &[], Vec::new())?;
                (Rel::one_row(), row)
            }
            Some(query) => match plain_values(query) {
                Some(values) => self.insert_values(&table.def, &targets, is_listed, values)?,
                None => self.insert_query(&table.def, &targets, is_listed, query)?,
            },
        };
        let (rel, values) = rel_and_values;
        let (input, child) = self.lay_out(rel, &values, explains)?;
        let alias = match &insert.table_alias {
            Some(alias) => Some(self.text.name(&alias.alias)?),
            None => None,
        };
        let (returning, columns) = match &insert.returning {
            Some(list) => {
                let (scope, ids) = self.own_scope(&table, alias.as_deref())?;
                self.returning_list(list, &scope, &ids)?
            }
            None => (Vec::new(), Vec::new()),
        };
        let explained = child.map(|child| Box::new(modify("Insert", &table.def.name, *child)));
        let body = Body::Insert {
            table: table.reference(),
            column_names: column_names(&table.def),
            not_null: not_null(&table.def),
            indexes: table.def.indexes.clone(),
            input,
            returning,
        };
        Ok(Change {
            body,
            columns,
            explained,
        })
    }

    /// The columns that an INSERT names, as positions; all where it names none.
    fn target_columns(
        &self,
        def: &TableDef,
        names: &[ObjectName],
    ) -> SqlResult<Vec<(usize, Option<u32>)>> {
        if names.is_empty() {
            return Ok((0..def.columns.len()).map(|i| (i, None)).collect());
        }
        let mut targets: Vec<(usize, Option<u32>)> = Vec::with_capacity(names.len());
        for name in names {
            let (mut parts, at) = self.text.qualified(name)?;
            let (Some(name), true) = (parts.pop(), parts.is_empty()) else {
                return Err(unsupported("a qualified column here", at));
            };
            let position = def.column(&name).ok_or_else(|| no_target(def, &name, at))?;
            if targets.iter().any(|(p, _)| *p == position) {
                let error = SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                );
                return Err(place(error, at));
            }
            targets.push((position, at));
        }
        Ok(targets)
    }

    fn insert_values(
        &mut self,
        def: &TableDef,
        targets: &[(usize, Option<u32>)],
        is_listed: bool,
        values: &Values,
    ) -> SqlResult<(Rel, Vec<Expr>)> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let scope = Rc::new(Scope::default());
        let mut subqueries = Vec::new();
        let mut rows = Vec::with_capacity(values.rows.len());
        let defaults = self.row(def, targets, Vec::new())?;
        for row in &values.rows {
            self.check_row_width(&row.content, width)?;
            let extra = row.content.get(targets.len()).map(|e| self.text.at_expr(e));
            self.check_width(targets, is_listed, width, extra.flatten())?;
            let mut full = defaults.clone();
            for (value, &(position, _)) in row.content.iter().zip(targets) {
                let column = &def.columns[position];
                full[position] = if is_default(value) {
                    self.default_of(def, position)?
                } else {
                    let mut env = Env::new(Rc::clone(&scope), Clause::Values);
                    env.subqueries = Some(&mut subqueries);
                    let typed = self.expr(value, &mut env)?;
                    self.assign(typed, column.sql_type, &column.name)?
                };
            }
            rows.push(full);
        }
        if rows.len() == 1 {
            let row = rows.swap_remove(0);
            let rel = subqueries.into_iter().fold(Rel::one_row(), |left, right| {
                join_rels(left, right, JoinKind::Left, Vec::new())
            });
            return Ok((rel, row));
        }
        if !subqueries.is_empty() {
            return Err(unsupported("a subquery in several rows of VALUES", None));
        }
        let mut columns = Vec::with_capacity(def.columns.len());
        for column in &def.columns {
            columns.push(self.add_computed(&column.name, column.sql_type)?);
        }
        let outputs = columns.iter().map(|&id| self.column(id)).collect();
        Ok((Rel::Values { columns, rows }, outputs))
    }

    fn insert_query(
        &mut self,
        def: &TableDef,
        targets: &[(usize, Option<u32>)],
        is_listed: bool,
        query: &Query,
    ) -> SqlResult<(Rel, Vec<Expr>)> {
        let output = self.query(query)?;
        let width = output.columns.len();
        let extra = output.columns.get(targets.len()).and_then(|c| c.typed.at);
        self.check_width(targets, is_listed, width, extra)?;
        let mut values = Vec::with_capacity(width);
        for (column, &(position, _)) in output.columns.into_iter().zip(targets) {
            let target = &def.columns[position];
            values.push(self.assign(column.typed, target.sql_type, &target.name)?);
        }
        let row = self.row(def, targets, values)?;
        Ok((output.rel, row))
    }

    fn check_width(
        &self,
        targets: &[(usize, Option<u32>)],
        is_listed: bool,
        width: usize,
        extra: Option<u32>,
    ) -> SqlResult<()> {
        let (text, at) = if width > targets.len() {
            ("INSERT has more expressions than target columns", extra)
        } else if is_listed && width < targets.len() {
            (
                "INSERT has more target columns than expressions",
                targets[width].1,
            )
        } else {
            return Ok(());
        };
        Err(place(SqlError::new(state::SYNTAX_ERROR, text), at))
    }

    /// A whole row: the values for the targets, defaults for the rest.
    fn row(
        &mut self,
        def: &TableDef,
        targets: &[(usize, Option<u32>)],
        values: Vec<Expr>,
    ) -> SqlResult<Vec<Expr>> {
        let mut row: Vec<Option<Expr>> = alloc::vec![None; def.columns.len()];
        for (value, &(position, _)) in values.into_iter().zip(targets) {
            row[position] = Some(value);
        }
        let mut full = Vec::with_capacity(row.len());
        for (position, value) in row.into_iter().enumerate() {
            full.push(match value {
                Some(value) => value,
                None => self.default_of(def, position)?,
            });
        }
        Ok(full)
    }

    /// A column's DEFAULT.
    ///
    /// # Errors
    /// Those of the expression.
    pub(super) fn default_of(&mut self, def: &TableDef, position: usize) -> SqlResult<Expr> {
        let column = &def.columns[position];
        match &column.default {
            None => Ok(Expr::Constant {
                value: Datum::Null,
                sql_type: column.sql_type,
            }),
            Some(text) => super::bind_expr(text, &[], column.sql_type).map_err(|mut error| {
                error.position = None;
                error
            }),
        }
    }

    /// UPDATE.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn update(&mut self, update: &Update, explains: bool) -> SqlResult<Change> {
        let is_odd = update.or.is_some()
            || update.output.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some();
        let at = self.text.at(&update.table);
        if is_odd {
            return Err(unsupported("this clause of UPDATE", at));
        }
        let from: &[TableWithJoins] = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::AfterSet(list)) => list,
            Some(UpdateTableFromKind::BeforeSet(_)) => {
                return Err(unsupported("FROM before SET", at));
            }
        };
        let mut target = self.target(&update.table, from)?;
        let mut subqueries = Vec::new();
        let mut assignments: Vec<(u16, Expr)> = Vec::with_capacity(update.assignments.len());
        for assignment in &update.assignments {
            self.assignment(assignment, &target, &mut subqueries, &mut assignments)?;
        }
        if let Some(condition) = &update.selection {
            target.rel = self.filter(target.rel, &target.scope, condition)?;
        }
        target.rel = subqueries.into_iter().fold(target.rel, |left, right| {
            join_rels(left, right, JoinKind::Left, Vec::new())
        });
        let mut ids = target.ids.clone();
        for (_, value) in &assignments {
            each_column(value, &mut |id| {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            });
        }
        let laid_out = self.lay_out_target(target, &ids, &update.returning, "Update", explains)?;
        let planner = Planner {
            columns: &self.columns,
            explains: false,
            qualifies: false,
        };
        for (_, value) in &mut assignments {
            planner.locate(value, &ids)?;
        }
        let def = &laid_out.table.def;
        let body = Body::Update {
            table: laid_out.table.reference(),
            column_names: column_names(def),
            not_null: not_null(def),
            indexes: def.indexes.clone(),
            input: laid_out.input,
            assignments,
            returning: laid_out.returning,
        };
        Ok(Change {
            body,
            columns: laid_out.columns,
            explained: laid_out.explained,
        })
    }

    fn assignment(
        &mut self,
        assignment: &Assignment,
        target: &Target,
        subqueries: &mut Vec<Rel>,
        into: &mut Vec<(u16, Expr)>,
    ) -> SqlResult<()> {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => {
                self.assign_one(name, value, target, subqueries, into)
            }
            (AssignmentTarget::Tuple(names), ast::Expr::Tuple(values))
                if names.len() == values.len() =>
            {
                for (name, value) in names.iter().zip(values) {
                    self.assign_one(name, value, target, subqueries, into)?;
                }
                Ok(())
            }
            (AssignmentTarget::Tuple(names), value) => {
                let at = names.first().and_then(|n| self.text.at(n));
                match (names.as_slice(), value) {
                    ([name], ast::Expr::Nested(value)) => {
                        self.assign_one(name, value, target, subqueries, into)
                    }
                    (_, ast::Expr::Tuple(_)) => Err(place(
                        SqlError::new(
                            state::SYNTAX_ERROR,
                            "number of columns does not match number of values",
                        ),
                        at,
                    )),
                    _ => Err(unsupported("this assignment of several columns", at)),
                }
            }
        }
    }

    fn assign_one(
        &mut self,
        name: &ObjectName,
        value: &ast::Expr,
        target: &Target,
        subqueries: &mut Vec<Rel>,
        into: &mut Vec<(u16, Expr)>,
    ) -> SqlResult<()> {
        let (mut parts, at) = self.text.qualified(name)?;
        let def = &target.table.def;
        if parts.len() > 1 {
            return Err(no_target(def, &parts[0], at));
        }
        let name = parts.pop().unwrap_or_default();
        let position = def.column(&name).ok_or_else(|| no_target(def, &name, at))?;
        if into.iter().any(|(p, _)| usize::from(*p) == position) {
            let error = SqlError::new(
                state::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{name}\""),
            );
            return Err(place(error, at));
        }
        let expr = if is_default(value) {
            self.default_of(def, position)?
        } else {
            let mut env = Env::new(Rc::clone(&target.scope), Clause::Set);
            env.subqueries = Some(subqueries);
            let typed = self.expr(value, &mut env)?;
            self.assign(typed, def.columns[position].sql_type, &name)?
        };
        into.push((position as u16, expr));
        Ok(())
    }

    /// DELETE.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn delete(&mut self, delete: &Delete, explains: bool) -> SqlResult<Change> {
        let from = match &delete.from {
            FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => from,
        };
        let is_odd = !delete.tables.is_empty()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some();
        let ([table], false) = (from.as_slice(), is_odd) else {
            return Err(unsupported(
                "this form of DELETE",
                from.first().and_then(|f| self.text.at(f)),
            ));
        };
        let using = delete.using.as_deref().unwrap_or(&[]);
        let mut target = self.target(table, using)?;
        if let Some(condition) = &delete.selection {
            target.rel = self.filter(target.rel, &target.scope, condition)?;
        }
        let ids = target.ids.clone();
        let laid_out = self.lay_out_target(target, &ids, &delete.returning, "Delete", explains)?;
        let body = Body::Delete {
            table: laid_out.table.reference(),
            indexes: laid_out.table.def.indexes.clone(),
            input: laid_out.input,
            returning: laid_out.returning,
        };
        Ok(Change {
            body,
            columns: laid_out.columns,
            explained: laid_out.explained,
        })
    }

    /// The rows to change, with the columns `ids`, and what is returned of them.
    fn lay_out_target(
        &mut self,
        target: Target,
        ids: &[ColumnId],
        returning: &Option<Vec<ast::SelectItem>>,
        what: &str,
        explains: bool,
    ) -> SqlResult<LaidOut> {
        let outputs: Vec<Expr> = ids.iter().map(|&id| self.column(id)).collect();
        let (input, child) = self.lay_out(target.rel, &outputs, explains)?;
        let width = target.table.def.columns.len();
        let (returning, columns) = match returning {
            Some(list) => self.returning_list(list, &target.own, &target.ids[..width])?,
            None => (Vec::new(), Vec::new()),
        };
        let name = &target.table.def.name;
        let explained = child.map(|child| Box::new(modify(what, name, *child)));
        Ok(LaidOut {
            table: target.table,
            input,
            returning,
            columns,
            explained,
        })
    }

    fn target(&mut self, table: &TableWithJoins, from: &[TableWithJoins]) -> SqlResult<Target> {
        let at = self.text.at(table);
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = &table.relation
        else {
            return Err(unsupported("this target", at));
        };
        if !table.joins.is_empty() {
            return Err(unsupported("a join as the target", at));
        }
        let (schema, name, at) = self.text.relation(name)?;
        let opened = self.open_table(schema.as_deref(), &name, at)?;
        self.relations += 1;
        let (rel, own) = self.scan(Rc::clone(&opened), alias.as_ref())?;
        let Rel::Scan(mut scan) = rel else {
            return Err(unsupported("this target", at));
        };
        let hidden = |name: &str| ColumnMeta {
            sql_type: SqlType::plain(TypeId::Int8),
            relation: String::new(),
            name: String::from(name),
            not_null: true,
        };
        let row = self.add_column(hidden("row id"))?;
        let version = self.add_column(hidden("version"))?;
        scan.row = Some((row, version));
        let mut ids = scan.columns.clone();
        ids.extend([row, version]);
        let mut rel = Rel::Scan(scan);
        let mut scope = own.clone();
        if !from.is_empty() {
            let (others, other_scope) = self.from(from)?;
            rel = join_rels(rel, others, JoinKind::Inner, Vec::new());
            scope = scope.join(other_scope).map_err(|error| place(error, at))?;
        }
        Ok(Target {
            table: opened,
            rel,
            own: Rc::new(own),
            scope: Rc::new(scope),
            ids,
        })
    }

    /// A table's names and ids without its rows.
    fn own_scope(
        &mut self,
        table: &Rc<Table>,
        alias: Option<&str>,
    ) -> SqlResult<(Rc<Scope>, Vec<ColumnId>)> {
        let (rel, mut scope) = self.scan(Rc::clone(table), None)?;
        if let (Some(alias), Some(relation)) = (alias, scope.relations.first_mut()) {
            relation.name = String::from(alias);
            relation.hidden_name = Some(table.def.name.clone());
        }
        let ids = match rel {
            Rel::Scan(scan) => scan.columns,
            _ => Vec::new(),
        };
        Ok((Rc::new(scope), ids))
    }

    fn returning_list(
        &mut self,
        list: &[ast::SelectItem],
        scope: &Rc<Scope>,
        ids: &[ColumnId],
    ) -> SqlResult<(Vec<Expr>, Vec<OutputColumn>)> {
        let columns = self.returning(list, scope)?;
        let mut exprs: Vec<Expr> = columns.iter().map(|c| c.typed.expr.clone()).collect();
        let planner = Planner {
            columns: &self.columns,
            explains: false,
            qualifies: false,
        };
        planner.locate_all(&mut exprs, ids)?;
        Ok((exprs, columns))
    }

    /// The physical plan of rows with these expressions over them.
    ///
    /// # Errors
    /// XX000 for a mistake of ours.
    pub(super) fn lay_out(
        &mut self,
        rel: Rel,
        outputs: &[Expr],
        explains: bool,
    ) -> SqlResult<(Node, Option<Box<Explained>>)> {
        let rel = push(rel, Vec::new());
        let planner = Planner {
            columns: &self.columns,
            explains,
            qualifies: self.relations > 1,
        };
        let (node, mut explained, _) = planner.finish(rel, outputs)?;
        if let Some(explained) = &mut explained {
            explained.assign(&node, &mut 0);
        }
        Ok((node, explained))
    }

    /// Result columns with all types settled, and their expressions.
    ///
    /// # Errors
    /// 42P08.
    pub(super) fn settle_columns(
        &mut self,
        columns: Vec<OutputColumn>,
    ) -> SqlResult<(Vec<Expr>, Vec<OutputColumn>)> {
        let mut exprs = Vec::with_capacity(columns.len());
        let mut settled = Vec::with_capacity(columns.len());
        for column in columns {
            let at = column.typed.at;
            let expr = self.settle(column.typed)?;
            exprs.push(expr.clone());
            settled.push(OutputColumn {
                typed: Typed { expr, at },
                ..column
            });
        }
        Ok((exprs, settled))
    }
}

fn modify(what: &str, table: &str, child: Explained) -> Explained {
    let cost = super::cost::Cost {
        rows: 0.0,
        width: 0.0,
        ..child.cost
    };
    Explained {
        title: format!("{what} on {table}"),
        details: Vec::new(),
        cost,
        children: alloc::vec![child],
        measured: Measured::Statement,
        is_wrapper: false,
    }
}

fn no_target(def: &TableDef, name: &str, at: Option<u32>) -> Box<SqlError> {
    let error = SqlError::new(
        state::UNDEFINED_COLUMN,
        format!(
            "column \"{name}\" of relation \"{}\" does not exist",
            def.name
        ),
    );
    place(error, at)
}

/// VALUES and nothing else.
fn plain_values(query: &Query) -> Option<&Values> {
    let is_plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty();
    match &*query.body {
        SetExpr::Values(values) if is_plain => Some(values),
        _ => None,
    }
}

fn check_insert(insert: &Insert) -> SqlResult<()> {
    if insert.on.is_some() {
        return Err(unsupported("ON CONFLICT", None));
    }
    let is_odd = insert.or.is_some()
        || insert.ignore
        || insert.overwrite
        || !insert.assignments.is_empty()
        || insert.partitioned.is_some()
        || !insert.after_columns.is_empty()
        || insert.has_table_keyword
        || insert.output.is_some()
        || insert.replace_into
        || insert.priority.is_some()
        || insert.insert_alias.is_some()
        || insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some();
    if is_odd {
        Err(unsupported("this form of INSERT", None))
    } else {
        Ok(())
    }
}
