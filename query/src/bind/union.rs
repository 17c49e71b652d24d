//! UNION and VALUES: rows from several places as columns of one type each.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{Expr, SetExpr, SetOperator, SetQuantifier, Values};
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::binder::Binder;
use super::coerce::Typed;
use super::expr::{Clause, Env};
use super::query::{Output, OutputColumn};
use super::rel::Rel;
use super::scope::{Origin, Scope};
use super::text::{place, unsupported};
use crate::types::cast::CastContext;

impl Binder<'_> {
    /// UNION and UNION ALL, a left-deep chain of them as one list.
    pub(super) fn set_operation(&mut self, body: &SetExpr) -> SqlResult<Output> {
        let mut steps = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = first
        {
            let at = self.text.at_set_expr(right);
            let is_distinct = match (op, set_quantifier) {
                (SetOperator::Union, SetQuantifier::All) => false,
                (SetOperator::Union, SetQuantifier::Distinct | SetQuantifier::None) => true,
                (SetOperator::Intersect, _) => return Err(unsupported("INTERSECT", at)),
                (SetOperator::Except, _) => return Err(unsupported("EXCEPT", at)),
                _ => return Err(unsupported("this set operation", at)),
            };
            steps.push((&**right, is_distinct));
            first = left;
        }
        let first = self.set_expr(first)?;
        let names: Vec<String> = first.columns.iter().map(|c| c.name.clone()).collect();
        let mut inputs = alloc::vec![first];
        let mut is_distinct_so_far = false;
        while let Some((right, is_distinct)) = steps.pop() {
            let at = self.text.at_set_expr(right);
            let right = self.set_expr(right)?;
            if right.columns.len() != names.len() {
                let error = SqlError::new(
                    state::SYNTAX_ERROR,
                    "each UNION query must have the same number of columns",
                );
                return Err(place(
                    error,
                    right.columns.first().and_then(|c| c.typed.at).or(at),
                ));
            }
            // ALL after DISTINCT: what was distinct stays so, the new rows are not.
            if is_distinct_so_far && !is_distinct {
                let union = self.append(core::mem::take(&mut inputs), &names, true)?;
                inputs.push(union);
            }
            inputs.push(right);
            is_distinct_so_far = is_distinct;
        }
        self.append(inputs, &names, is_distinct_so_far)
    }

    pub(super) fn append(
        &mut self,
        inputs: Vec<Output>,
        names: &[String],
        is_distinct: bool,
    ) -> SqlResult<Output> {
        let mut columns = Vec::with_capacity(names.len());
        let mut types = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let items: Vec<Typed> = inputs
                .iter()
                .map(|i| i.columns[index].typed.clone())
                .collect();
            let sql_type = self.settled_type(&items, "UNION")?;
            types.push(sql_type);
            columns.push(self.add_computed(name, sql_type)?);
        }
        let mut branches = Vec::with_capacity(inputs.len());
        for input in inputs {
            let mut exprs = Vec::with_capacity(types.len());
            for (column, &sql_type) in input.columns.into_iter().zip(&types) {
                exprs.push(self.coerce(column.typed, sql_type, CastContext::Implicit)?);
            }
            branches.push((input.rel, exprs));
        }
        let mut rel = Rel::Append {
            columns: columns.clone(),
            inputs: branches,
        };
        if is_distinct {
            rel = Rel::Distinct {
                input: Box::new(rel),
                columns: columns.clone(),
            };
        }
        let columns = columns
            .iter()
            .zip(names)
            .map(|(&id, name)| OutputColumn {
                name: name.clone(),
                typed: Typed {
                    expr: self.column(id),
                    at: None,
                },
                origin: Origin::default(),
            })
            .collect();
        Ok(Output { rel, columns })
    }

    /// Whether a row of VALUES is as wide as the first.
    pub(super) fn check_row_width(&self, row: &[Expr], width: usize) -> SqlResult<()> {
        if row.len() == width {
            return Ok(());
        }
        let error = SqlError::new(
            state::SYNTAX_ERROR,
            "VALUES lists must all be the same length",
        );
        Err(place(error, row.first().and_then(|e| self.text.at_expr(e))))
    }

    /// VALUES: each column has the common type of its values.
    pub(super) fn values(&mut self, values: &Values) -> SqlResult<Output> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut table: Vec<Vec<Typed>> = Vec::with_capacity(values.rows.len());
        let mut env = Env::new(Rc::new(Scope::default()), Clause::Values);
        for row in &values.rows {
            self.check_row_width(&row.content, width)?;
            let mut typed = Vec::with_capacity(width);
            for value in &row.content {
                typed.push(self.expr(value, &mut env)?);
            }
            table.push(typed);
        }
        let mut types = Vec::with_capacity(width);
        let mut columns = Vec::with_capacity(width);
        let mut outputs = Vec::with_capacity(width);
        for index in 0..width {
            let items: Vec<Typed> = table.iter().map(|row| row[index].clone()).collect();
            let sql_type = self.settled_type(&items, "VALUES")?;
            let name = format!("column{}", index + 1);
            let id = self.add_computed(&name, sql_type)?;
            types.push(sql_type);
            columns.push(id);
            let at = items.first().and_then(|item| item.at);
            outputs.push(OutputColumn {
                name,
                typed: Typed {
                    expr: self.column(id),
                    at,
                },
                origin: Origin::default(),
            });
        }
        let mut rows = Vec::with_capacity(table.len());
        for row in table {
            let mut exprs = Vec::with_capacity(width);
            for (value, &sql_type) in row.into_iter().zip(&types) {
                exprs.push(self.coerce(value, sql_type, CastContext::Implicit)?);
            }
            rows.push(exprs);
        }
        Ok(Output {
            rel: Rel::Values { columns, rows },
            columns: outputs,
        })
    }
}
