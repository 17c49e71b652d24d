//! The stored form of a row: the value under a row id in a table's tree.
//!
//! ```text
//!  offset          size       field
//!  0               1          format << 4 | flags (bit 0: has a null bitmap, bit 1: ends are u32)
//!  1               2          columns n
//!  3               (n + 7)/8  null bitmap, if flagged: bit i % 8 of byte i / 8 is set where column i is NULL
//!  ..              sum        fixed area: the columns of fixed width in order, little-endian; zero where NULL
//!  ..              2m or 4m   ends of the m varying columns, from the start of the varying area; never falling
//!  ..              last end   varying area: their bytes
//! ```
//!
//! Widths: bool 1, int2 2, int4 and float4 4, int8 and float8 8, interval 16 (months, days, micros), uuid 16.
//!
//! Invariants:
//! 1. A fixed column stands at the same place of the fixed area in every row, NULL or not, so that decoding a column of
//!    many rows is one loop without a look at the columns before it.
//! 2. A row may have fewer columns than its table: those that are missing were added later and decode as NULL.
//! 3. A row's length is exactly what its header and its last end say.
//!
//! Failures: a row that breaks the format is XX001, found by [`Rows::push`] (header, length) or by [`Decoder::decode`]
//! (ends, values); nothing is read outside the row. What bytes mean (UTF-8, digits) is left to the types.

use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{BytesColumn, Chunk, Values, Vector};
use vireo_abi::datum::Interval;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{Kind, SqlType};

const FORMAT: u8 = 1;
const HAS_NULLS: u8 = 1;
const IS_WIDE: u8 = 2;
const HEADER_SIZE: usize = 3;

/// Bytes in the fixed area; 0 for varying columns.
const fn width(kind: Kind) -> usize {
    match kind {
        Kind::Bool => 1,
        Kind::Int2 => 2,
        Kind::Int4 | Kind::Float4 => 4,
        Kind::Int8 | Kind::Float8 => 8,
        Kind::Interval | Kind::Uuid => 16,
        Kind::Bytes => 0,
    }
}

/// Appends row `row` of the chunk's first `columns.len()` columns to `out`.
///
/// # Panics
/// If the chunk has fewer columns, or one of another kind than its type's.
pub fn encode(columns: &[SqlType], chunk: &Chunk, row: usize, out: &mut Vec<u8>) {
    encode_with(columns, |index| chunk.column(index), row, out);
}

/// As [`encode`], from columns that are found by position.
///
/// # Panics
/// If a column is of another kind than its type's.
pub fn encode_with<'v>(
    columns: &[SqlType],
    column: impl Fn(usize) -> &'v Vector,
    row: usize,
    out: &mut Vec<u8>,
) {
    let count = columns.len();
    let mut flags = 0;
    let mut varying = 0;
    for (index, sql_type) in columns.iter().enumerate() {
        let vector = column(index);
        assert_eq!(
            vector.values.kind(),
            sql_type.kind(),
            "the kind of column {index}"
        );
        if vector.is_null(row) {
            flags |= HAS_NULLS;
        } else if let Values::Bytes(v) = &vector.values {
            varying += v.get(row).len();
        }
    }
    if varying > usize::from(u16::MAX) {
        flags |= IS_WIDE;
    }
    out.push(FORMAT << 4 | flags);
    out.extend_from_slice(&(count as u16).to_le_bytes());
    if flags & HAS_NULLS != 0 {
        let start = out.len();
        out.resize(start + count.div_ceil(8), 0);
        for index in (0..count).filter(|i| column(*i).is_null(row)) {
            out[start + index / 8] |= 1 << (index % 8);
        }
    }
    for index in 0..count {
        encode_fixed(column(index), row, out);
    }
    let bytes_of = |index: usize| match &column(index).values {
        Values::Bytes(_) if column(index).is_null(row) => Some(&[][..]),
        Values::Bytes(v) => Some(v.get(row)),
        _ => None,
    };
    let mut end = 0;
    for bytes in (0..count).filter_map(bytes_of) {
        end += bytes.len();
        let number = (end as u32).to_le_bytes();
        out.extend_from_slice(if flags & IS_WIDE != 0 {
            &number
        } else {
            &number[..2]
        });
    }
    for bytes in (0..count).filter_map(bytes_of) {
        out.extend_from_slice(bytes);
    }
}

fn encode_fixed(vector: &Vector, row: usize, out: &mut Vec<u8>) {
    if vector.is_null(row) {
        out.resize(out.len() + width(vector.values.kind()), 0);
        return;
    }
    match &vector.values {
        Values::Bool(v) => out.push(u8::from(v[row])),
        Values::Int2(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Int4(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Int8(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Float4(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Float8(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Interval(v) => {
            out.extend_from_slice(&v[row].months.to_le_bytes());
            out.extend_from_slice(&v[row].days.to_le_bytes());
            out.extend_from_slice(&v[row].micros.to_le_bytes());
        }
        Values::Uuid(v) => out.extend_from_slice(&v[row]),
        Values::Bytes(_) => {}
    }
}

/// Where a column stands in a row.
#[derive(Clone, Copy, Debug)]
struct Slot {
    kind: Kind,
    /// Bytes of the fixed area before it.
    fixed: u32,
    /// Varying columns before it.
    varying: u32,
}

/// Decodes the rows of one table, a column of many rows at a time.
#[derive(Clone, Debug)]
pub struct Decoder {
    slots: Vec<Slot>,
    fixed_size: u32,
    varying_count: u32,
}

/// Where the parts of a row are in the bytes of [`Rows`].
#[derive(Clone, Copy, Debug)]
struct Header {
    bitmap: u32,
    fixed: u32,
    ends: u32,
    varying: u32,
    end: u32,
    columns: u16,
    flags: u8,
}

/// Rows waiting to be decoded, copied out of the tree they came from.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    headers: Vec<Header>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Bytes of all rows together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// By how many bytes the next push of a row of `length` bytes will grow the memory held: to be reserved before.
    pub fn growth(&self, length: usize) -> usize {
        let bytes = if self.bytes.capacity() - self.bytes.len() < length {
            length.max(self.bytes.capacity())
        } else {
            0
        };
        let headers = if self.headers.capacity() == self.headers.len() {
            self.headers.capacity().max(4) * size_of::<Header>()
        } else {
            0
        };
        bytes + headers
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.headers.clear();
    }

    /// Takes a row of the decoder's table.
    ///
    /// # Errors
    /// XX001 if its header or its length is wrong; 54000 past 4 GiB of rows.
    pub fn push(&mut self, row: &[u8], decoder: &Decoder) -> SqlResult<()> {
        let start = self.bytes.len();
        if u32::try_from(start + row.len()).is_err() {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "rows are too large",
            ));
        }
        let header = decoder.header(row, start as u32).ok_or_else(malformed)?;
        self.bytes.extend_from_slice(row);
        self.headers.push(header);
        Ok(())
    }
}

impl Decoder {
    /// A decoder of the rows of a table with these columns.
    pub fn new(columns: &[SqlType]) -> Decoder {
        let (mut fixed, mut varying) = (0, 0);
        let mut slots = Vec::with_capacity(columns.len());
        for column in columns {
            let kind = column.kind();
            slots.push(Slot {
                kind,
                fixed,
                varying,
            });
            fixed += width(kind) as u32;
            varying += u32::from(kind == Kind::Bytes);
        }
        Decoder {
            slots,
            fixed_size: fixed,
            varying_count: varying,
        }
    }

    /// The header of a row that will stand at `start`, if its length is what the header says.
    fn header(&self, row: &[u8], start: u32) -> Option<Header> {
        let (&[first, low, high], _) = row.split_first_chunk::<HEADER_SIZE>()?;
        let columns = u16::from_le_bytes([low, high]);
        let flags = first & 0x0f;
        if first >> 4 != FORMAT || flags & !(HAS_NULLS | IS_WIDE) != 0 {
            return None;
        }
        let count = usize::from(columns);
        let (fixed_size, varying_count) = match self.slots.get(count) {
            Some(slot) => (slot.fixed, slot.varying),
            None if count == self.slots.len() => (self.fixed_size, self.varying_count),
            None => return None,
        };
        let bitmap = HEADER_SIZE as u32;
        let fixed = bitmap
            + if flags & HAS_NULLS != 0 {
                count.div_ceil(8) as u32
            } else {
                0
            };
        let ends = fixed + fixed_size;
        let end_size = if flags & IS_WIDE != 0 { 4 } else { 2 };
        let varying = ends + varying_count * end_size;
        let last = if varying_count == 0 {
            0
        } else if flags & IS_WIDE != 0 {
            read::<4>(row, varying - 4).map(u32::from_le_bytes)?
        } else {
            read::<2>(row, varying - 2).map(|b| u32::from(u16::from_le_bytes(b)))?
        };
        if u64::from(varying) + u64::from(last) != row.len() as u64 {
            return None;
        }
        Some(Header {
            bitmap: start + bitmap,
            fixed: start + fixed,
            ends: start + ends,
            varying: start + varying,
            end: start + row.len() as u32,
            columns,
            flags,
        })
    }

    /// Column `column` of all rows, or of those at the positions in `selection`.
    ///
    /// # Errors
    /// XX001 if a row is malformed.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn decode(
        &self,
        rows: &Rows,
        column: usize,
        selection: Option<&[u32]>,
    ) -> SqlResult<Vector> {
        let cx = Column {
            slot: self.slots[column],
            index: column,
            bytes: &rows.bytes,
        };
        match selection {
            None => cx.decode(rows.headers.iter()),
            Some(s) => cx.decode(s.iter().map(|i| &rows.headers[*i as usize])),
        }
    }
}

/// A column being decoded.
struct Column<'r> {
    slot: Slot,
    index: usize,
    bytes: &'r [u8],
}

impl<'r> Column<'r> {
    fn decode<'h>(&self, headers: impl ExactSizeIterator<Item = &'h Header>) -> SqlResult<Vector> {
        let interval = |b: [u8; 16]| {
            let number = u128::from_le_bytes(b);
            Some(Interval {
                months: number as i32,
                days: (number >> 32) as i32,
                micros: (number >> 64) as i64,
            })
        };
        let boolean = |[b]: [u8; 1]| if b <= 1 { Some(b == 1) } else { None };
        let mut nulls = Nulls::default();
        let n = &mut nulls;
        let values = match self.slot.kind {
            Kind::Bool => self.fixed(headers, n, boolean).map(Values::Bool),
            Kind::Int2 => self
                .fixed(headers, n, |b| Some(i16::from_le_bytes(b)))
                .map(Values::Int2),
            Kind::Int4 => self
                .fixed(headers, n, |b| Some(i32::from_le_bytes(b)))
                .map(Values::Int4),
            Kind::Int8 => self
                .fixed(headers, n, |b| Some(i64::from_le_bytes(b)))
                .map(Values::Int8),
            Kind::Float4 => self
                .fixed(headers, n, |b| Some(f32::from_le_bytes(b)))
                .map(Values::Float4),
            Kind::Float8 => self
                .fixed(headers, n, |b| Some(f64::from_le_bytes(b)))
                .map(Values::Float8),
            Kind::Interval => self.fixed(headers, n, interval).map(Values::Interval),
            Kind::Uuid => self.fixed(headers, n, Some).map(Values::Uuid),
            Kind::Bytes => self.varying(headers, n).map(Values::Bytes),
        };
        let values = values.ok_or_else(malformed)?;
        Ok(Vector {
            nulls: nulls.finish(values.len()),
            values,
        })
    }

    fn is_null(&self, header: &Header) -> bool {
        if self.index >= usize::from(header.columns) {
            return true;
        }
        if header.flags & HAS_NULLS == 0 {
            return false;
        }
        let byte = self.bytes.get(header.bitmap as usize + self.index / 8);
        byte.is_some_and(|b| b & 1 << (self.index % 8) != 0)
    }

    fn fixed<'h, const N: usize, T: Default>(
        &self,
        headers: impl ExactSizeIterator<Item = &'h Header>,
        nulls: &mut Nulls,
        value: impl Fn([u8; N]) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut out = Vec::with_capacity(headers.len());
        for header in headers {
            if self.is_null(header) {
                nulls.set(out.len());
                out.push(T::default());
            } else {
                out.push(value(read(self.bytes, header.fixed + self.slot.fixed)?)?);
            }
        }
        Some(out)
    }

    fn varying<'h>(
        &self,
        headers: impl ExactSizeIterator<Item = &'h Header>,
        nulls: &mut Nulls,
    ) -> Option<BytesColumn> {
        let rows = headers.len();
        let mut out = BytesColumn::with_capacity(rows, rows * 16);
        for header in headers {
            if self.is_null(header) {
                nulls.set(out.len());
                out.push(&[]);
            } else {
                out.push(self.string(header)?);
            }
        }
        Some(out)
    }

    fn string(&self, header: &Header) -> Option<&'r [u8]> {
        let end_of = |index: u32| {
            if header.flags & IS_WIDE != 0 {
                read::<4>(self.bytes, header.ends + index * 4).map(u32::from_le_bytes)
            } else {
                read::<2>(self.bytes, header.ends + index * 2)
                    .map(|b| u32::from(u16::from_le_bytes(b)))
            }
        };
        let start = match self.slot.varying {
            0 => 0,
            index => end_of(index - 1)?,
        };
        let start = header.varying.checked_add(start)?;
        let end = header.varying.checked_add(end_of(self.slot.varying)?)?;
        if end > header.end {
            return None;
        }
        self.bytes.get(start as usize..end as usize)
    }
}

/// A null mask that appears with the first NULL.
#[derive(Default)]
struct Nulls {
    mask: Vec<bool>,
}

impl Nulls {
    fn set(&mut self, row: usize) {
        self.mask.resize(row, false);
        self.mask.push(true);
    }

    fn finish(mut self, rows: usize) -> Option<Vec<bool>> {
        if self.mask.is_empty() {
            return None;
        }
        self.mask.resize(rows, false);
        Some(self.mask)
    }
}

#[inline]
fn read<const N: usize>(bytes: &[u8], at: u32) -> Option<[u8; N]> {
    bytes.get(at as usize..)?.first_chunk::<N>().copied()
}

#[cold]
fn malformed() -> Box<SqlError> {
    SqlError::new(state::DATA_CORRUPTED, "malformed row")
}

#[cfg(test)]
mod tests;
