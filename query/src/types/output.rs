//! Values to text and to libpq's binary form.

use super::column::bytes;
use super::datetime::{self, Zone};
use super::numeric::Numeric;
use super::{bytea, float, integer, interval, uuid};
use crate::settings::FormatSettings;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::sql_type::{SqlType, TypeId};

/// Writes row `row` of `v`, which is not NULL, as PostgreSQL's output function shows it.
///
/// Looks the time zone up on each call: for many rows make a [`TextFormat`] once.
pub fn write_text(ty: SqlType, v: &Vector, row: usize, f: &FormatSettings, out: &mut Vec<u8>) {
    match (ty.id, &v.values) {
        (TypeId::Timestamptz, Values::Int8(x)) => {
            let zone = Zone::of_session(&f.time_zone);
            datetime::write_timestamptz(x[row], f, &zone, out);
        }
        (id, _) => write_plain(id, v, row, f, out),
    }
}

/// The settings of text output with the time zone resolved when it is first needed: one for a result.
#[derive(Clone, Debug)]
pub struct TextFormat {
    settings: Rc<FormatSettings>,
    zone: OnceCell<Zone>,
}

impl TextFormat {
    /// The format of these settings.
    pub fn new(settings: &Rc<FormatSettings>) -> Self {
        TextFormat {
            settings: Rc::clone(settings),
            zone: OnceCell::new(),
        }
    }

    /// Writes row `row` of `v`, which is not NULL.
    pub fn write(&self, ty: SqlType, v: &Vector, row: usize, out: &mut Vec<u8>) {
        match (ty.id, &v.values) {
            (TypeId::Timestamptz, Values::Int8(x)) => {
                let resolve = || Zone::of_session(&self.settings.time_zone);
                let zone = self.zone.get_or_init(resolve);
                datetime::write_timestamptz(x[row], &self.settings, zone, out);
            }
            (id, _) => write_plain(id, v, row, &self.settings, out),
        }
    }
}

/// Writes a value of any type but `timestamptz`.
fn write_plain(ty: TypeId, v: &Vector, row: usize, f: &FormatSettings, out: &mut Vec<u8>) {
    match &v.values {
        Values::Bool(x) => out.push(if x[row] { b't' } else { b'f' }),
        Values::Int2(x) => integer::write(i64::from(x[row]), out),
        Values::Int4(x) if ty == TypeId::Date => datetime::write_date(x[row], f, out),
        Values::Int4(x) => integer::write(i64::from(x[row]), out),
        Values::Int8(x) => match ty {
            TypeId::Time => datetime::write_time(x[row], out),
            TypeId::Timestamp => datetime::write_timestamp(x[row], f, out),
            _ => integer::write(x[row], out),
        },
        Values::Float4(x) => float::write_float4(x[row], f.extra_float_digits, out),
        Values::Float8(x) => float::write_float8(x[row], f.extra_float_digits, out),
        Values::Interval(x) => interval::write(x[row], f.interval_style, out),
        Values::Uuid(x) => uuid::write(&x[row], out),
        Values::Bytes(x) => match ty {
            TypeId::Numeric => Numeric::decode(x.get(row)).write(out),
            TypeId::Bytea => bytea::write(x.get(row), f.bytea_hex, out),
            _ => out.extend_from_slice(x.get(row)),
        },
    }
}

/// Writes row `row` of `v`, which is not NULL, in libpq's binary format (without a length word).
pub fn write_binary(ty: SqlType, v: &Vector, row: usize, out: &mut Vec<u8>) {
    match &v.values {
        Values::Bool(x) => out.push(u8::from(x[row])),
        Values::Int2(x) => out.extend_from_slice(&x[row].to_be_bytes()),
        Values::Int4(x) => out.extend_from_slice(&x[row].to_be_bytes()),
        Values::Int8(x) if ty.id == TypeId::Oid => {
            out.extend_from_slice(&(x[row] as u32).to_be_bytes())
        }
        Values::Int8(x) => out.extend_from_slice(&x[row].to_be_bytes()),
        Values::Float4(x) => out.extend_from_slice(&x[row].to_be_bytes()),
        Values::Float8(x) => out.extend_from_slice(&x[row].to_be_bytes()),
        Values::Interval(x) => {
            out.extend_from_slice(&x[row].micros.to_be_bytes());
            out.extend_from_slice(&x[row].days.to_be_bytes());
            out.extend_from_slice(&x[row].months.to_be_bytes());
        }
        Values::Uuid(x) => out.extend_from_slice(&x[row]),
        Values::Bytes(_) if ty.id == TypeId::Numeric => {
            Numeric::decode(bytes(v).get(row)).write_binary(out);
        }
        Values::Bytes(x) => out.extend_from_slice(x.get(row)),
    }
}
