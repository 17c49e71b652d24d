//! `min` and `max` of strings and numeric.
//!
//! ```text
//!  spans  [ start, length, capacity ] for each group      area  [ …value…  |…value….. | (dead) | … ]
//! ```
//!
//! A better value overwrites the old one where it fits, else goes to the end of the area; when half of the
//! area is dead, it is copied together. Of equal values `numeric` shows the later one, `char(n)` the
//! earlier, as in PostgreSQL.

use super::Accumulator;
use super::group_state::each_row;
use super::output::strings;
use crate::types::column::bytes;
use crate::types::compare::compare_bytes_of;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem::size_of;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId;

/// Less dead space than this is left alone.
const DEAD_MIN: usize = 64 << 10;

#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    length: u32,
    capacity: u32,
    is_present: bool,
}

struct Extreme {
    ty: TypeId,
    /// How the earlier value must compare with the later one to stay.
    keeps: fn(Ordering) -> bool,
    spans: Vec<Span>,
    area: Vec<u8>,
    dead: usize,
}

fn extreme(ty: TypeId, keeps: fn(Ordering) -> bool) -> Box<dyn Accumulator> {
    Box::new(Extreme {
        ty,
        keeps,
        spans: Vec::new(),
        area: Vec::new(),
        dead: 0,
    })
}

/// `min(text)`
pub(super) fn min_text() -> Box<dyn Accumulator> {
    extreme(TypeId::Text, Ordering::is_lt)
}

/// `max(text)`
pub(super) fn max_text() -> Box<dyn Accumulator> {
    extreme(TypeId::Text, Ordering::is_gt)
}

/// `min(char(n))`
pub(super) fn min_bpchar() -> Box<dyn Accumulator> {
    extreme(TypeId::Bpchar, Ordering::is_le)
}

/// `max(char(n))`
pub(super) fn max_bpchar() -> Box<dyn Accumulator> {
    extreme(TypeId::Bpchar, Ordering::is_ge)
}

/// `min(numeric)`
pub(super) fn min_numeric() -> Box<dyn Accumulator> {
    extreme(TypeId::Numeric, Ordering::is_lt)
}

/// `max(numeric)`
pub(super) fn max_numeric() -> Box<dyn Accumulator> {
    extreme(TypeId::Numeric, Ordering::is_gt)
}

impl Extreme {
    fn value(&self, span: Span) -> &[u8] {
        &self.area[span.start..span.start + span.length as usize]
    }

    fn keeps(&self, earlier: &[u8], later: &[u8]) -> bool {
        (self.keeps)(compare_bytes_of(self.ty, earlier, later))
    }

    #[inline]
    fn add(&mut self, group: usize, value: &[u8]) {
        let span = self.spans[group];
        if !span.is_present || !self.keeps(self.value(span), value) {
            self.set(group, value);
        }
    }

    fn set(&mut self, group: usize, value: &[u8]) {
        let length = value.len() as u32; // a column's bytes are counted in u32
        let mut span = self.spans[group];
        if length > span.capacity {
            self.dead += span.capacity as usize;
            (span.start, span.capacity) = (self.area.len(), length);
            self.area.extend_from_slice(value);
        } else {
            self.area[span.start..span.start + value.len()].copy_from_slice(value);
        }
        (span.length, span.is_present) = (length, true);
        self.spans[group] = span;
        if self.dead > DEAD_MIN && self.dead > self.area.len() / 2 {
            self.compact();
        }
    }

    #[cold]
    fn compact(&mut self) {
        let live = self.spans.iter().map(|s| s.length as usize).sum();
        let mut area = Vec::with_capacity(live);
        for span in &mut self.spans {
            let value = &self.area[span.start..span.start + span.length as usize];
            (span.start, span.capacity) = (area.len(), span.length);
            area.extend_from_slice(value);
        }
        (self.area, self.dead) = (area, 0);
    }
}

impl Accumulator for Extreme {
    fn resize(&mut self, groups: usize) {
        self.spans.resize(groups, Span::default());
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        let values = bytes(&arguments[0]);
        let nulls = arguments[0].nulls.as_deref();
        if self.spans.len() > 1 {
            return each_row(groups, nulls, |group, row| {
                self.add(group, values.get(row));
                Ok(())
            });
        }
        let mut best: Option<&[u8]> = None;
        each_row(groups, nulls, |_, row| {
            let value = values.get(row);
            if best.is_none_or(|best| !self.keeps(best, value)) {
                best = Some(value);
            }
            Ok(())
        })?;
        if let Some(best) = best {
            self.add(0, best);
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        strings(self.spans.len(), |group, out| {
            let span = self.spans[group];
            out.extend_from_slice(self.value(span));
            Ok(span.is_present)
        })
    }

    fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.area.capacity()
    }
}
