//! Rows of a table on their way into a chunk.
//!
//! Rows are copied out of the tree as bytes and decoded a batch at a time, column by column: first the columns that the
//! filter reads, then, only for rows that pass, the others. A batch begins small and grows, so that a LIMIT above
//! reads little; it ends early where rows are large. What it takes is reserved: too much is 53200.

use super::eval::eval_filter;
use super::{ExecContext, bad_plan};
use crate::plan::{Expr, ScanColumn, TableRef};
use crate::row::key;
use crate::row::tuple::{Decoder, Rows};
use crate::txn::{ReadLimit, Transaction, TreeRow};
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk, Values, Vector};
use vireo_abi::ids::TreeId;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

/// Rows of a scan's first batch.
const FIRST_BATCH: usize = 64;
/// Bytes after which a batch ends.
const BATCH_BYTES: usize = 4 << 20;

/// The type of a column that a scan produces.
pub(super) fn column_type(column: ScanColumn, table: &TableRef) -> SqlResult<SqlType> {
    match column {
        ScanColumn::Table(index) => {
            let column = table.columns.get(usize::from(index));
            column
                .copied()
                .ok_or_else(|| bad_plan("no such column in the table"))
        }
        ScanColumn::RowId | ScanColumn::Version => Ok(TypeId::Int8.into()),
    }
}

/// A filter over some of the output's columns.
struct Predicate {
    /// Positions in the output, of the predicate's columns in turn.
    columns: Vec<u16>,
    /// Over those columns.
    expr: Expr,
}

pub(super) struct Fetch {
    tree: TreeId,
    decoder: Decoder,
    columns: Vec<ScanColumn>,
    predicate: Option<Predicate>,
    rows: Rows,
    ids: Vec<i64>,
    versions: Vec<i64>,
    /// Rows of the next batch, or of the one that is being read.
    batch: usize,
}

impl Fetch {
    /// `columns` are the table's; `filter` fits them.
    pub(super) fn new(table: &TableRef, columns: &[ScanColumn], filter: Option<&Expr>) -> Fetch {
        let predicate = filter.map(|filter| {
            let mut expr = filter.clone();
            let mut used = Vec::new();
            renumber(&mut expr, &mut used);
            Predicate {
                columns: used,
                expr,
            }
        });
        Fetch {
            tree: table.tree,
            decoder: Decoder::new(&table.columns),
            columns: columns.to_vec(),
            predicate,
            rows: Rows::default(),
            ids: Vec::new(),
            versions: Vec::new(),
            batch: FIRST_BATCH,
        }
    }

    /// The tree of the table's rows.
    pub(super) fn tree(&self) -> TreeId {
        self.tree
    }

    /// Rows waiting.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How much to read next; none when the batch is full.
    pub(super) fn room(&self) -> Option<ReadLimit> {
        let rows = self.batch.checked_sub(self.rows.len())?;
        let bytes = BATCH_BYTES.checked_sub(self.rows.byte_len())?;
        (rows > 0 && bytes > 0).then_some(ReadLimit { rows, bytes })
    }

    /// Takes a row of the table's tree.
    pub(super) fn push(&mut self, row: TreeRow<'_>, txn: &dyn Transaction) -> SqlResult<()> {
        let id = key::parse_row_id(row.key).ok_or_else(|| {
            SqlError::new(state::DATA_CORRUPTED, "a key that is no row id in a table")
        })?;
        let growth = self.rows.growth(row.value.len());
        if growth > 0 {
            txn.reserve_memory(growth)?;
        }
        self.rows.push(row.value, &self.decoder)?;
        self.ids.push(id as i64);
        self.versions.push(row.version.0 as i64);
        Ok(())
    }

    /// Takes the row with this row id. False if there is none.
    pub(super) fn get(&mut self, row_id: &[u8], txn: &dyn Transaction) -> SqlResult<bool> {
        txn.get(self.tree, row_id, &mut |row| self.push(row, txn))
    }

    /// The waiting rows that pass the filter, decoded. None if there is no such row.
    pub(super) fn finish(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        // Decoding copies what varies in length.
        let result = cx
            .txn
            .reserve_memory(self.rows.byte_len())
            .and_then(|()| self.decode(cx));
        self.batch = (self.batch * 4).min(CHUNK_ROWS);
        self.rows.clear();
        self.ids.clear();
        self.versions.clear();
        result
    }

    fn decode(&self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let mut done: Vec<Option<Vector>> = vec![None; self.columns.len()];
        let mut selection = None;
        if let Some(predicate) = &self.predicate {
            let mut columns = Vec::with_capacity(predicate.columns.len());
            for column in &predicate.columns {
                columns.push(self.column(usize::from(*column), None)?);
            }
            let chunk = Chunk::new(columns, self.rows.len());
            selection = eval_filter(&predicate.expr, &chunk, cx)?;
            if selection.as_ref().is_some_and(Vec::is_empty) {
                return Ok(None);
            }
            for (column, vector) in predicate.columns.iter().zip(chunk.into_columns()) {
                done[usize::from(*column)] = Some(match &selection {
                    None => vector,
                    Some(rows) => vector.take(rows),
                });
            }
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for (index, vector) in done.into_iter().enumerate() {
            columns.push(match vector {
                Some(vector) => vector,
                None => self.column(index, selection.as_deref())?,
            });
        }
        let rows = selection.map_or(self.rows.len(), |s| s.len());
        Ok(Some(Chunk::new(columns, rows)))
    }

    fn column(&self, index: usize, selection: Option<&[u32]>) -> SqlResult<Vector> {
        let numbers = |all: &[i64]| match selection {
            None => Vector::new(Values::Int8(all.to_vec())),
            Some(rows) => Vector::new(Values::Int8(
                rows.iter().map(|r| all[*r as usize]).collect(),
            )),
        };
        match self.columns[index] {
            ScanColumn::Table(column) => {
                self.decoder
                    .decode(&self.rows, usize::from(column), selection)
            }
            ScanColumn::RowId => Ok(numbers(&self.ids)),
            ScanColumn::Version => Ok(numbers(&self.versions)),
        }
    }
}

/// Replaces every column of an expression by its position in `used`, which collects them.
fn renumber(expr: &mut Expr, used: &mut Vec<u16>) {
    match expr {
        Expr::Column { index, .. } => {
            let position = used.iter().position(|u| u == index).unwrap_or_else(|| {
                used.push(*index);
                used.len() - 1
            });
            *index = position as u16;
        }
        Expr::Constant { .. } | Expr::Parameter { .. } => {}
        Expr::Call { arguments, .. }
        | Expr::Coalesce { arguments, .. }
        | Expr::Extreme { arguments, .. }
        | Expr::And(arguments)
        | Expr::Or(arguments) => arguments.iter_mut().for_each(|a| renumber(a, used)),
        Expr::Cast { operand, .. }
        | Expr::Not(operand)
        | Expr::IsNull { operand, .. }
        | Expr::IsBool { operand, .. } => renumber(operand, used),
        Expr::IsDistinct { left, right, .. } => {
            renumber(left, used);
            renumber(right, used);
        }
        Expr::Case {
            branches,
            otherwise,
            ..
        } => {
            for (condition, result) in branches {
                renumber(condition, used);
                renumber(result, used);
            }
            if let Some(result) = otherwise {
                renumber(result, used);
            }
        }
        Expr::InList { operand, list, .. } => {
            renumber(operand, used);
            list.iter_mut().for_each(|item| renumber(item, used));
        }
    }
}
