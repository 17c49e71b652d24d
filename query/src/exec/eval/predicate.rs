//! Predicates that are never, or rarely, NULL: IS NULL, IS TRUE, IS DISTINCT FROM, IN.

use super::{ExecContext, Input, Truth, Value, bad_plan};
use crate::plan::Expr;
use crate::types::compare;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId;

/// From how many constants on a list is searched by hash.
const HASHED_LIST: usize = 16;

impl<'c> Input<'c> {
    #[inline(never)]
    pub(super) fn is_null(
        &self,
        operand: &'c Expr,
        is_negated: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let value = self.value(operand, cx)?;
        let vector = value.vector();
        let result = match &vector.nulls {
            None => vec![is_negated; vector.len()],
            Some(nulls) => nulls.iter().map(|n| *n != is_negated).collect(),
        };
        Ok(boolean(result, value.is_constant()))
    }

    #[inline(never)]
    pub(super) fn is_bool(
        &self,
        operand: &'c Expr,
        wanted: bool,
        is_negated: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let value = self.value(operand, cx)?;
        let truth = Truth::of(&value)?;
        let rows = 0..value.vector().len();
        let result = rows
            .map(|row| (truth.get(row) == Some(wanted)) != is_negated)
            .collect();
        Ok(boolean(result, value.is_constant()))
    }

    #[inline(never)]
    pub(super) fn is_distinct(
        &self,
        left: &'c Expr,
        right: &'c Expr,
        is_negated: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let (a, b) = (self.value(left, cx)?, self.value(right, cx)?);
        let ty = common_type(&a, &b, left)?;
        let is_constant = a.is_constant() && b.is_constant();
        let rows = 0..if is_constant { 1 } else { self.rows };
        let differ = |row: usize| {
            let (i, j) = (a.at(row), b.at(row));
            match (a.vector().is_null(i), b.vector().is_null(j)) {
                (false, false) => !compare::equal(ty, a.vector(), i, b.vector(), j),
                (x, y) => x != y,
            }
        };
        Ok(boolean(
            rows.map(|row| differ(row) != is_negated).collect(),
            is_constant,
        ))
    }

    /// Items are evaluated in order, each on the rows that no item before it equals.
    #[inline(never)]
    pub(super) fn in_list(
        &self,
        operand: &'c Expr,
        list: &'c [Expr],
        is_negated: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let operand_value = self.value(operand, cx)?;
        let mut found = vec![false; self.rows];
        let mut nulls: Vec<bool> = (0..self.rows)
            .map(|row| operand_value.vector().is_null(operand_value.at(row)))
            .collect();
        let mut open: Vec<u32> = (0..self.rows as u32)
            .filter(|r| !nulls[*r as usize])
            .collect();
        let mut rest = list;
        if list.len() >= HASHED_LIST && list.iter().all(is_literal) {
            let constants = self.constants(operand, list, cx)?;
            open.retain(|row| {
                let at = operand_value.at(*row as usize);
                found[*row as usize] = constants.contains(operand_value.vector(), at, *row);
                !found[*row as usize]
            });
            for row in &open {
                nulls[*row as usize] |= constants.has_null;
            }
            rest = &[];
        }
        for item in rest {
            if open.is_empty() {
                break;
            }
            let mut selection = Vec::new();
            let input = if open.len() == self.rows {
                *self
            } else {
                self.narrowed(&open, &mut selection)
            };
            let item_value = input.value(item, cx)?;
            let ty = common_type(&operand_value, &item_value, operand)?;
            let mut index = 0;
            open.retain(|row| {
                let (row, j) = (*row as usize, item_value.at(index));
                index += 1;
                if item_value.vector().is_null(j) {
                    nulls[row] = true;
                    return true;
                }
                let i = operand_value.at(row);
                found[row] = compare::equal(ty, operand_value.vector(), i, item_value.vector(), j);
                !found[row]
            });
        }
        for (null, found) in nulls.iter_mut().zip(&found) {
            *null &= !found;
        }
        let has_nulls = nulls.contains(&true);
        let values = Values::Bool(found.iter().map(|f| *f != is_negated).collect());
        Ok(Value::owned(Vector {
            values,
            nulls: has_nulls.then_some(nulls),
        }))
    }

    /// A list of constants, sorted by hash. The operand's hashes come with it.
    fn constants(
        &self,
        operand: &'c Expr,
        list: &'c [Expr],
        cx: &'c ExecContext,
    ) -> SqlResult<ConstantList> {
        let operand_value = self.value(operand, cx)?;
        let ty = operand.sql_type().id;
        let mut items = Vector::with_capacity(ty.kind(), list.len());
        let mut has_null = false;
        for item in list {
            let value = self.value(item, cx)?;
            common_type(&operand_value, &value, operand)?;
            let datum = value.vector().datum(0);
            has_null |= datum.is_null();
            if !datum.is_null() {
                items.push(&datum);
            }
        }
        let mut hashes = vec![0; items.len()];
        compare::hash(ty, &items, &mut hashes);
        let mut order: Vec<(u64, u32)> = hashes.into_iter().zip(0..).collect();
        order.sort_unstable();
        let mut operand_hashes = vec![0; operand_value.vector().len()];
        compare::hash(ty, operand_value.vector(), &mut operand_hashes);
        let is_constant = operand_value.is_constant();
        Ok(ConstantList {
            ty,
            items,
            order,
            has_null,
            operand_hashes,
            is_constant,
        })
    }
}

struct ConstantList {
    ty: TypeId,
    items: Vector,
    order: Vec<(u64, u32)>,
    has_null: bool,
    operand_hashes: Vec<u64>,
    /// Whether the operand is one row for all.
    is_constant: bool,
}

impl ConstantList {
    fn contains(&self, operand: &Vector, at: usize, row: u32) -> bool {
        let hash = self.operand_hashes[if self.is_constant { 0 } else { row as usize }];
        let start = self.order.partition_point(|(h, _)| *h < hash);
        self.order[start..]
            .iter()
            .take_while(|(h, _)| *h == hash)
            .any(|(_, item)| compare::equal(self.ty, operand, at, &self.items, *item as usize))
    }
}

fn is_literal(item: &Expr) -> bool {
    matches!(item, Expr::Constant { .. } | Expr::Parameter { .. })
}

/// The type by which two values are compared; their kinds must agree.
fn common_type(a: &Value<'_>, b: &Value<'_>, left: &Expr) -> SqlResult<TypeId> {
    if a.vector().values.kind() != b.vector().values.kind() {
        return Err(bad_plan("a comparison of different types"));
    }
    Ok(left.sql_type().id)
}

fn boolean(values: Vec<bool>, is_constant: bool) -> Value<'static> {
    let vector = Vector::new(Values::Bool(values));
    if is_constant {
        Value::constant(vector)
    } else {
        Value::owned(vector)
    }
}
