//! `string_agg`: the strings of a group, with delimiters between them.
//!
//! ```text
//!  groups   [ first, last, length ]                       area  [ "a" | "x" | ",b" | ";y" | … ]
//!  pieces   [ end in the area, next of the same group ]             in the order of the rows
//! ```
//!
//! Each row's delimiter and value are one piece; the first piece of a group has no delimiter. Groups are put
//! together at the end by following their pieces.

use super::Accumulator;
use super::group_state::each_row;
use super::output::{grown, strings, too_large};
use crate::types::column::bytes;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// No piece.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Group {
    first: u32,
    last: u32,
    length: u32,
}

const EMPTY: Group = Group {
    first: NONE,
    last: NONE,
    length: 0,
};

#[derive(Clone, Copy)]
struct Piece {
    end: usize,
    next: u32,
}

#[derive(Default)]
struct StringAgg {
    groups: Vec<Group>,
    pieces: Vec<Piece>,
    area: Vec<u8>,
}

/// `string_agg(text, text)`, `string_agg(bytea, bytea)`
pub(super) fn string_agg() -> Box<dyn Accumulator> {
    Box::new(StringAgg::default())
}

impl StringAgg {
    fn add(&mut self, group: usize, value: &[u8], delimiter: &[u8]) -> SqlResult<()> {
        let group = &mut self.groups[group];
        let delimiter = if group.first == NONE { &[] } else { delimiter };
        let length = grown(grown(group.length, delimiter.len())?, value.len())?;
        let index = self.pieces.len();
        if index >= NONE as usize {
            return Err(too_large(self.area.len(), value.len()));
        }
        self.area.extend_from_slice(delimiter);
        self.area.extend_from_slice(value);
        self.pieces.push(Piece {
            end: self.area.len(),
            next: NONE,
        });
        match group.first {
            NONE => group.first = index as u32,
            _ => self.pieces[group.last as usize].next = index as u32,
        }
        (group.last, group.length) = (index as u32, length);
        Ok(())
    }
}

impl Accumulator for StringAgg {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, EMPTY);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        let (values, delimiters) = (bytes(&arguments[0]), bytes(&arguments[1]));
        each_row(groups, arguments[0].nulls.as_deref(), |group, row| {
            let delimiter = if arguments[1].is_null(row) {
                &[]
            } else {
                delimiters.get(row)
            };
            self.add(group, values.get(row), delimiter)
        })
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        strings(self.groups.len(), |group, out| {
            let group = self.groups[group];
            out.reserve(group.length as usize);
            let mut at = group.first;
            while at != NONE {
                let start = match at {
                    0 => 0,
                    _ => self.pieces[at as usize - 1].end,
                };
                let piece = self.pieces[at as usize];
                out.extend_from_slice(&self.area[start..piece.end]);
                at = piece.next;
            }
            Ok(group.first != NONE)
        })
    }

    fn memory(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.area.capacity()
    }
}
