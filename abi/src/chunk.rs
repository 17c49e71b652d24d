//! Columnar chunks: what operators hand each other.
//!
//! A [`Chunk`] is up to [`CHUNK_ROWS`] rows as columns. A [`Vector`] is one column: its values
//! by physical kind, dense, and a null mask. A vector of varying length is Arrow's layout, an
//! offset table and one byte area, so that a chunk costs a fixed number of allocations whatever
//! its rows.
//!
//! Invariants:
//! 1. Every column of a chunk has exactly `chunk.rows()` values.
//! 2. The value under a NULL is a valid value of its kind (its meaning is nothing): kernels may
//!    compute on it, but an error that it causes must not surface.
//! 3. A null mask that is present has one entry a row; absent means that no row is NULL.
//! 4. Offsets of a bytes column start at 0, never fall, and end at the byte area's length.

use crate::datum::{Datum, Interval};
use crate::sql_type::Kind;
use alloc::vec::Vec;

/// Rows in a full chunk.
pub const CHUNK_ROWS: usize = 2048;

/// A column of byte strings: string `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, PartialEq, Debug)]
pub struct BytesColumn {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for BytesColumn {
    fn default() -> Self {
        Self::with_capacity(0, 0)
    }
}

impl BytesColumn {
    /// An empty column with room for `rows` strings of `bytes` bytes in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> BytesColumn {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        BytesColumn {
            offsets,
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no string.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// String `index`.
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// Appends a string. One column holds less than 4 GiB; callers that may pass it split the chunk.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.finish();
    }

    /// The byte area, for writing the next string in place; [`BytesColumn::finish`] ends it.
    #[inline]
    pub fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the string that was written through [`BytesColumn::writer`].
    #[inline]
    pub fn finish(&mut self) {
        let end = u32::try_from(self.bytes.len()).expect("a bytes column holds less than 4 GiB");
        self.offsets.push(end);
    }

    /// Bytes of all strings together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Every string in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.offsets
            .windows(2)
            .map(|w| &self.bytes[w[0] as usize..w[1] as usize])
    }
}

/// The values of a column, by physical kind.
#[derive(Clone, PartialEq, Debug)]
pub enum Values {
    /// [`Kind::Bool`]
    Bool(Vec<bool>),
    /// [`Kind::Int2`]
    Int2(Vec<i16>),
    /// [`Kind::Int4`]
    Int4(Vec<i32>),
    /// [`Kind::Int8`]
    Int8(Vec<i64>),
    /// [`Kind::Float4`]
    Float4(Vec<f32>),
    /// [`Kind::Float8`]
    Float8(Vec<f64>),
    /// [`Kind::Interval`]
    Interval(Vec<Interval>),
    /// [`Kind::Uuid`]
    Uuid(Vec<[u8; 16]>),
    /// [`Kind::Bytes`]
    Bytes(BytesColumn),
}

/// Runs one body for whichever variant a `Values` is; `$v` is the inner vector.
macro_rules! each_kind {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            Values::Bool($v) => $body,
            Values::Int2($v) => $body,
            Values::Int4($v) => $body,
            Values::Int8($v) => $body,
            Values::Float4($v) => $body,
            Values::Float8($v) => $body,
            Values::Interval($v) => $body,
            Values::Uuid($v) => $body,
            Values::Bytes($v) => $body,
        }
    };
}

impl Values {
    /// No values of `kind`, with room for `rows`.
    pub fn with_capacity(kind: Kind, rows: usize) -> Values {
        match kind {
            Kind::Bool => Values::Bool(Vec::with_capacity(rows)),
            Kind::Int2 => Values::Int2(Vec::with_capacity(rows)),
            Kind::Int4 => Values::Int4(Vec::with_capacity(rows)),
            Kind::Int8 => Values::Int8(Vec::with_capacity(rows)),
            Kind::Float4 => Values::Float4(Vec::with_capacity(rows)),
            Kind::Float8 => Values::Float8(Vec::with_capacity(rows)),
            Kind::Interval => Values::Interval(Vec::with_capacity(rows)),
            Kind::Uuid => Values::Uuid(Vec::with_capacity(rows)),
            Kind::Bytes => Values::Bytes(BytesColumn::with_capacity(rows, rows * 16)),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        each_kind!(self, v => v.len())
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The physical kind.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Bool(_) => Kind::Bool,
            Values::Int2(_) => Kind::Int2,
            Values::Int4(_) => Kind::Int4,
            Values::Int8(_) => Kind::Int8,
            Values::Float4(_) => Kind::Float4,
            Values::Float8(_) => Kind::Float8,
            Values::Interval(_) => Kind::Interval,
            Values::Uuid(_) => Kind::Uuid,
            Values::Bytes(_) => Kind::Bytes,
        }
    }
}

/// One column: values and which of them are NULL.
#[derive(Clone, PartialEq, Debug)]
pub struct Vector {
    /// The values; those under a NULL mean nothing.
    pub values: Values,
    /// `nulls[i]` is true where row `i` is NULL; absent when no row is.
    pub nulls: Option<Vec<bool>>,
}

impl Vector {
    /// An empty column of `kind` with room for `rows`.
    pub fn with_capacity(kind: Kind, rows: usize) -> Vector {
        Vector {
            values: Values::with_capacity(kind, rows),
            nulls: None,
        }
    }

    /// A column without NULLs.
    pub fn new(values: Values) -> Vector {
        Vector {
            values,
            nulls: None,
        }
    }

    /// `rows` times the same value; `kind` is the column's kind where the value is NULL.
    pub fn constant(value: &Datum, kind: Kind, rows: usize) -> Vector {
        let mut v = Vector::with_capacity(kind, rows);
        for _ in 0..rows {
            v.push(value);
        }
        v
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether row `index` is NULL.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n[index])
    }

    /// Row `index` as a value of its own (allocates for byte strings: not for loops over rows).
    pub fn datum(&self, index: usize) -> Datum {
        if self.is_null(index) {
            return Datum::Null;
        }
        match &self.values {
            Values::Bool(v) => Datum::Bool(v[index]),
            Values::Int2(v) => Datum::Int2(v[index]),
            Values::Int4(v) => Datum::Int4(v[index]),
            Values::Int8(v) => Datum::Int8(v[index]),
            Values::Float4(v) => Datum::Float4(v[index]),
            Values::Float8(v) => Datum::Float8(v[index]),
            Values::Interval(v) => Datum::Interval(v[index]),
            Values::Uuid(v) => Datum::Uuid(v[index]),
            Values::Bytes(v) => Datum::Bytes(v.get(index).to_vec()),
        }
    }

    /// Appends NULL.
    pub fn push_null(&mut self) {
        let rows = self.len();
        self.nulls
            .get_or_insert_with(|| alloc::vec![false; rows])
            .push(true);
        match &mut self.values {
            Values::Bool(v) => v.push(false),
            Values::Int2(v) => v.push(0),
            Values::Int4(v) => v.push(0),
            Values::Int8(v) => v.push(0),
            Values::Float4(v) => v.push(0.0),
            Values::Float8(v) => v.push(0.0),
            Values::Interval(v) => v.push(Interval::default()),
            Values::Uuid(v) => v.push([0; 16]),
            Values::Bytes(v) => v.push(&[]),
        }
    }

    /// Appends a value of this column's kind, or NULL.
    ///
    /// # Panics
    /// If the value is of another kind: the caller mixed up columns.
    pub fn push(&mut self, value: &Datum) {
        match (&mut self.values, value) {
            (_, Datum::Null) => return self.push_null(),
            (Values::Bool(v), Datum::Bool(x)) => v.push(*x),
            (Values::Int2(v), Datum::Int2(x)) => v.push(*x),
            (Values::Int4(v), Datum::Int4(x)) => v.push(*x),
            (Values::Int8(v), Datum::Int8(x)) => v.push(*x),
            (Values::Float4(v), Datum::Float4(x)) => v.push(*x),
            (Values::Float8(v), Datum::Float8(x)) => v.push(*x),
            (Values::Interval(v), Datum::Interval(x)) => v.push(*x),
            (Values::Uuid(v), Datum::Uuid(x)) => v.push(*x),
            (Values::Bytes(v), Datum::Bytes(x)) => v.push(x),
            (values, value) => panic!("a {:?} in a column of {:?}", value.kind(), values.kind()),
        }
        if let Some(nulls) = &mut self.nulls {
            nulls.push(false);
        }
    }

    /// The rows at `indexes`, in that order (a gather; indexes may repeat).
    pub fn take(&self, indexes: &[u32]) -> Vector {
        macro_rules! gather {
            ($v:expr) => {
                indexes.iter().map(|&i| $v[i as usize]).collect()
            };
        }
        let values = match &self.values {
            Values::Bool(v) => Values::Bool(gather!(v)),
            Values::Int2(v) => Values::Int2(gather!(v)),
            Values::Int4(v) => Values::Int4(gather!(v)),
            Values::Int8(v) => Values::Int8(gather!(v)),
            Values::Float4(v) => Values::Float4(gather!(v)),
            Values::Float8(v) => Values::Float8(gather!(v)),
            Values::Interval(v) => Values::Interval(gather!(v)),
            Values::Uuid(v) => Values::Uuid(gather!(v)),
            Values::Bytes(v) => {
                let bytes = indexes.iter().map(|&i| v.get(i as usize).len()).sum();
                let mut out = BytesColumn::with_capacity(indexes.len(), bytes);
                for &i in indexes {
                    out.push(v.get(i as usize));
                }
                Values::Bytes(out)
            }
        };
        let nulls = self.nulls.as_ref().map(|n| gather!(n));
        Vector { values, nulls }
    }
}

/// Up to [`CHUNK_ROWS`] rows as columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Chunk {
    columns: Vec<Vector>,
    rows: usize,
}

impl Chunk {
    /// A chunk of these columns. `rows` is said apart, because a chunk may have no column.
    ///
    /// # Panics
    /// If a column has another number of rows (invariant 1).
    pub fn new(columns: Vec<Vector>, rows: usize) -> Chunk {
        for column in &columns {
            assert_eq!(
                column.len(),
                rows,
                "a column's rows differ from its chunk's"
            );
        }
        Chunk { columns, rows }
    }

    /// The columns.
    pub fn columns(&self) -> &[Vector] {
        &self.columns
    }

    /// The columns, given up.
    pub fn into_columns(self) -> Vec<Vector> {
        self.columns
    }

    /// Column `index`.
    #[inline]
    pub fn column(&self, index: usize) -> &Vector {
        &self.columns[index]
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows at `indexes`, in that order.
    pub fn take(&self, indexes: &[u32]) -> Chunk {
        Chunk {
            columns: self.columns.iter().map(|c| c.take(indexes)).collect(),
            rows: indexes.len(),
        }
    }
}
