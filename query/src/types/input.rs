//! Text and libpq's binary form to values.

use super::column::Column;
use super::datetime::{self, Zone};
use super::errors::not_utf8;
use super::numeric::Numeric;
use super::text::write_limited;
use super::{boolean, bytea, float, integer, interval, uuid};
use crate::settings::EvalContext;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::datum::{Datum, Interval};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

/// A value from text, by PostgreSQL's input function of the type, typmod included.
///
/// # Errors
/// PostgreSQL's, for example 22P02, 22003, 22007, 22008, 22001.
pub fn parse_text(ty: SqlType, text: &str, cx: &EvalContext) -> SqlResult<Datum> {
    let mut one = Vector::with_capacity(ty.kind(), 1);
    push_text(ty, text.as_bytes(), cx, &mut one)?;
    Ok(one.datum(0))
}

/// Appends a value from text to a column of the type's kind, without an allocation of its own.
///
/// # Errors
/// As [`parse_text`]; 22021 when the text is not UTF-8.
///
/// # Panics
/// If the column is of another kind.
pub fn push_text(ty: SqlType, text: &[u8], cx: &EvalContext, into: &mut Vector) -> SqlResult<()> {
    Reader::new(cx).push(ty, text, into)
}

/// What reading text needs, with the time zone resolved when first needed: one for many rows.
pub struct Reader<'a> {
    cx: &'a EvalContext,
    zone: Option<Zone>,
}

impl<'a> Reader<'a> {
    /// A reader.
    pub fn new(cx: &'a EvalContext) -> Reader<'a> {
        Reader { cx, zone: None }
    }

    /// Appends a value from text to a column of the type's kind.
    ///
    /// # Errors
    /// As [`push_text`].
    ///
    /// # Panics
    /// If the column is of another kind.
    pub fn push(&mut self, ty: SqlType, text: &[u8], into: &mut Vector) -> SqlResult<()> {
        let text = core::str::from_utf8(text).map_err(|_| not_utf8(text))?;
        if text.contains('\0') {
            return Err(not_utf8(b"\0"));
        }
        self.push_value(ty, text, into)?;
        if let Some(nulls) = &mut into.nulls {
            nulls.push(false);
        }
        Ok(())
    }

    fn push_value(&mut self, ty: SqlType, text: &str, into: &mut Vector) -> SqlResult<()> {
        let cx = self.cx;
        match ty.id {
            TypeId::Bool => bool::of_mut(into).push(boolean::parse(text)?),
            TypeId::Int2 => i16::of_mut(into).push(integer::parse_int2(text)?),
            TypeId::Int4 => i32::of_mut(into).push(integer::parse_int4(text)?),
            TypeId::Int8 => i64::of_mut(into).push(integer::parse_int8(text)?),
            TypeId::Oid => i64::of_mut(into).push(integer::parse_oid(text)?),
            TypeId::Float4 => f32::of_mut(into).push(float::parse_float4(text)?),
            TypeId::Float8 => f64::of_mut(into).push(float::parse_float8(text)?),
            TypeId::Uuid => <[u8; 16]>::of_mut(into).push(uuid::parse(text)?),
            TypeId::Interval => {
                Interval::of_mut(into).push(interval::parse(
                    text,
                    ty.typmod,
                    cx.format.interval_style,
                )?);
            }
            TypeId::Date => i32::of_mut(into).push(datetime::parse_date(text, cx, self.zone())?),
            TypeId::Time => {
                i64::of_mut(into).push(datetime::parse_time(text, ty.typmod, cx, self.zone())?)
            }
            TypeId::Timestamp => {
                i64::of_mut(into).push(datetime::parse_timestamp(
                    text,
                    ty.typmod,
                    cx,
                    self.zone(),
                )?);
            }
            TypeId::Timestamptz => {
                i64::of_mut(into).push(datetime::parse_timestamptz(
                    text,
                    ty.typmod,
                    cx,
                    self.zone(),
                )?);
            }
            TypeId::Numeric
            | TypeId::Bytea
            | TypeId::Text
            | TypeId::Varchar
            | TypeId::Bpchar
            | TypeId::Name
            | TypeId::Unknown
            | TypeId::Void => push_bytes(ty, text, bytes_mut(into))?,
        }
        Ok(())
    }

    fn zone(&mut self) -> &Zone {
        let cx = self.cx;
        self.zone
            .get_or_insert_with(|| Zone::of_session(&cx.format.time_zone))
    }
}

/// The strings of a bytes vector, for appending.
fn bytes_mut(v: &mut Vector) -> &mut BytesColumn {
    match &mut v.values {
        Values::Bytes(values) => values,
        other => panic!("text for a bytes column in one of {:?}", other.kind()),
    }
}

fn push_bytes(ty: SqlType, text: &str, into: &mut BytesColumn) -> SqlResult<()> {
    let start = into.byte_len();
    let done = match ty.id {
        TypeId::Numeric => Numeric::parse(text)
            .and_then(|n| n.with_typmod(ty.typmod))
            .map(|n| n.encode(into.writer())),
        TypeId::Bytea => bytea::parse(text, into.writer()),
        _ => write_limited(ty, text.as_bytes(), false, into.writer()),
    };
    match done {
        Ok(()) => into.finish(),
        Err(_) => into.writer().truncate(start), // the column stays whole
    }
    done
}

/// What is said of a binary value with bytes left over; where it is a parameter, PostgreSQL names that.
pub const TRAILING_DATA: &str = "incorrect binary data format";

/// The bytes as an array, or PostgreSQL's error for a value of another length.
fn array<const N: usize>(bytes: &[u8]) -> SqlResult<[u8; N]> {
    bytes.try_into().map_err(|_| {
        let message = if bytes.len() < N {
            "insufficient data left in message"
        } else {
            TRAILING_DATA
        };
        let sqlstate = if bytes.len() < N {
            state::PROTOCOL_VIOLATION
        } else {
            state::INVALID_BINARY_REPRESENTATION
        };
        SqlError::new(sqlstate, message)
    })
}

/// A value from libpq's binary format.
///
/// # Errors
/// 22P03 and the like.
pub fn parse_binary(ty: SqlType, bytes: &[u8]) -> SqlResult<Datum> {
    Ok(match ty.id {
        TypeId::Bool => Datum::Bool(array::<1>(bytes)?[0] != 0),
        TypeId::Int2 => Datum::Int2(i16::from_be_bytes(array(bytes)?)),
        TypeId::Int4 => Datum::Int4(i32::from_be_bytes(array(bytes)?)),
        TypeId::Int8 => Datum::Int8(i64::from_be_bytes(array(bytes)?)),
        TypeId::Oid => Datum::Int8(i64::from(u32::from_be_bytes(array(bytes)?))),
        TypeId::Float4 => Datum::Float4(f32::from_be_bytes(array(bytes)?)),
        TypeId::Float8 => Datum::Float8(f64::from_be_bytes(array(bytes)?)),
        TypeId::Uuid => Datum::Uuid(array(bytes)?),
        TypeId::Interval => {
            let raw = array::<16>(bytes)?;
            let micros = i64::from_be_bytes(array(&raw[..8])?);
            let days = i32::from_be_bytes(array(&raw[8..12])?);
            let months = i32::from_be_bytes(array(&raw[12..])?);
            Datum::Interval(interval::with_typmod(
                Interval {
                    months,
                    days,
                    micros,
                },
                ty.typmod,
            ))
        }
        TypeId::Date => {
            let date = i32::from_be_bytes(array(bytes)?);
            if !datetime::is_infinite_date(date) && !datetime::is_valid_date(date) {
                return Err(SqlError::new(
                    state::DATETIME_FIELD_OVERFLOW,
                    "date out of range",
                ));
            }
            Datum::Int4(date)
        }
        TypeId::Time => {
            let time = i64::from_be_bytes(array(bytes)?);
            if !(0..=datetime::DAY_US).contains(&time) {
                return Err(SqlError::new(
                    state::DATETIME_FIELD_OVERFLOW,
                    "time out of range",
                ));
            }
            Datum::Int8(datetime::time_with_precision(time, ty.typmod))
        }
        TypeId::Timestamp | TypeId::Timestamptz => {
            let timestamp = i64::from_be_bytes(array(bytes)?);
            if !datetime::is_infinite(timestamp) && !datetime::is_valid_timestamp(timestamp) {
                return Err(super::errors::timestamp_range());
            }
            Datum::Int8(datetime::timestamp_with_precision(timestamp, ty.typmod)?)
        }
        TypeId::Numeric => Datum::Bytes(
            Numeric::parse_binary(bytes)?
                .with_typmod(ty.typmod)?
                .to_bytes(),
        ),
        TypeId::Bytea => Datum::Bytes(bytes.to_vec()),
        TypeId::Text
        | TypeId::Varchar
        | TypeId::Bpchar
        | TypeId::Name
        | TypeId::Unknown
        | TypeId::Void => {
            if core::str::from_utf8(bytes).is_err() {
                return Err(not_utf8(bytes));
            }
            if bytes.contains(&0) {
                return Err(not_utf8(b"\0"));
            }
            let mut out = alloc::vec::Vec::with_capacity(bytes.len());
            write_limited(ty, bytes, false, &mut out)?;
            Datum::Bytes(out)
        }
    })
}
