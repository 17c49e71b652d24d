//! A system view: the catalog's entries in the order of their keys, each turned into its rows.

use super::{ExecContext, Operator};
use crate::catalog::view::{Rows, Surroundings, SystemView};
use crate::catalog::{self, Relation};
use crate::txn::{KeyRange, LocalFuture, ReadLimit, TreeCursor};
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk, Vector};
use vireo_abi::ids::CATALOG_TREE;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{Kind, SqlType};

pub(super) struct SystemViewScan {
    view: SystemView,
    columns: Vec<u16>,
    kinds: Vec<Kind>,
    cursor: Option<Box<dyn TreeCursor>>,
    /// Rows that have not been handed up, from `next` on.
    rows: Rows,
    next: usize,
    is_read: bool,
}

impl SystemViewScan {
    /// `types`: of the columns, all of which the view has.
    pub(super) fn new(view: SystemView, columns: Vec<u16>, types: &[SqlType]) -> SystemViewScan {
        SystemViewScan {
            view,
            columns,
            kinds: types.iter().map(|t| t.kind()).collect(),
            cursor: None,
            rows: Rows::new(),
            next: 0,
            is_read: false,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if self.next == self.rows.len() {
            cx.txn.checkpoint().await?;
            self.rows.clear();
            self.next = 0;
            while self.rows.len() < CHUNK_ROWS && !self.is_read {
                self.read(cx)?;
            }
        }
        let end = self.rows.len().min(self.next + CHUNK_ROWS);
        let rows = &self.rows[self.next..end];
        if rows.is_empty() {
            return Ok(None);
        }
        self.next = end;
        let columns = self
            .columns
            .iter()
            .zip(&self.kinds)
            .map(|(&column, &kind)| {
                let mut vector = Vector::with_capacity(kind, rows.len());
                rows.iter()
                    .for_each(|row| vector.push(&row[usize::from(column)]));
                vector
            });
        Ok(Some(Chunk::new(columns.collect(), rows.len())))
    }

    /// Reads an entry: one may become a row for each of its columns.
    fn read(&mut self, cx: &ExecContext) -> SqlResult<()> {
        let (view, rows) = (self.view, &mut self.rows);
        let of = Surroundings {
            database: &cx.eval.database,
            owner: catalog::OWNER,
        };
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            None => {
                view.own_rows(of, rows);
                self.cursor.insert(
                    cx.txn
                        .scan(CATALOG_TREE, KeyRange::prefix(catalog::RELATIONS))?,
                )
            }
        };
        self.is_read = !cursor.next(ReadLimit::rows(1), &mut |row| {
            if let Relation::Table(def) = catalog::decode(row.value)? {
                view.rows(&def, of, rows);
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Operator for SystemViewScan {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
