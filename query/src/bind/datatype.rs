//! Type names to types.

use alloc::format;
use alloc::string::String;
use sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, ObjectNamePart, TimezoneInfo};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::names::fold;
use super::text::unsupported;

/// Characters of the longest `varchar(n)`.
const LENGTH_MAX: u64 = 10_485_760;
/// Digits of the largest `numeric(p)`.
const PRECISION_MAX: u64 = 1000;

/// The type that a type name means.
///
/// # Errors
/// 42704 for a type that does not exist, 0A000 for one of PostgreSQL's that is not supported, 22023 for a
/// modifier out of range.
pub(super) fn lookup(data_type: &DataType) -> SqlResult<SqlType> {
    use DataType as D;
    let plain = |id| Ok(SqlType::plain(id));
    match data_type {
        D::Bool | D::Boolean => plain(TypeId::Bool),
        D::SmallInt(None) | D::Int2(None) => plain(TypeId::Int2),
        D::Int(None) | D::Integer(None) | D::Int4(None) => plain(TypeId::Int4),
        D::BigInt(None) | D::Int8(None) => plain(TypeId::Int8),
        D::Real | D::Float4 => plain(TypeId::Float4),
        D::Float8 | D::DoublePrecision | D::Float(ExactNumberInfo::None) => plain(TypeId::Float8),
        D::Float(ExactNumberInfo::Precision(digits)) => float(*digits),
        D::Numeric(info) | D::Decimal(info) | D::Dec(info) => numeric(info),
        D::Text => plain(TypeId::Text),
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) => {
            character(TypeId::Varchar, length.as_ref())
        }
        D::Character(None) | D::Char(None) => Ok(SqlType {
            id: TypeId::Bpchar,
            typmod: 1 + 4,
        }),
        D::Character(length) | D::Char(length) => character(TypeId::Bpchar, length.as_ref()),
        D::Bytea => plain(TypeId::Bytea),
        D::Date => plain(TypeId::Date),
        D::Time(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            fractional(TypeId::Time, *digits)
        }
        D::Time(..) => Err(unsupported("type time with time zone", None)),
        D::Timestamp(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            fractional(TypeId::Timestamp, *digits)
        }
        D::Timestamp(digits, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            fractional(TypeId::Timestamptz, *digits)
        }
        D::Interval {
            fields: None,
            precision: None,
        } => plain(TypeId::Interval),
        D::Interval { .. } => Err(unsupported("a modifier of type interval", None)),
        D::Uuid => plain(TypeId::Uuid),
        D::Custom(name, modifiers) if modifiers.is_empty() => match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => {
                custom(&fold(&ident.value, ident.quote_style.is_some()))
            }
            [
                ObjectNamePart::Identifier(schema),
                ObjectNamePart::Identifier(ident),
            ] if fold(&schema.value, schema.quote_style.is_some()) == "pg_catalog" => {
                custom(&fold(&ident.value, ident.quote_style.is_some()))
            }
            _ => Err(no_type(&format!("{name}"))),
        },
        D::Custom(name, modifiers) => {
            let length = match modifiers.as_slice() {
                [length] => length.parse::<u64>().ok(),
                _ => None,
            };
            match (format!("{name}").to_ascii_lowercase().as_str(), length) {
                ("bpchar", Some(length)) => character(
                    TypeId::Bpchar,
                    Some(&CharacterLength::IntegerLength { length, unit: None }),
                ),
                (other, _) if custom(other).is_ok() => Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    format!("type modifier is not allowed for type \"{other}\""),
                )),
                (other, _) => Err(no_type(other)),
            }
        }
        D::Array(_) => Err(unsupported("an array type", None)),
        other => Err(other_dialect(other)),
    }
}

/// A type that only the name tells.
fn custom(name: &str) -> SqlResult<SqlType> {
    let known = TypeId::ALL
        .iter()
        .find(|id| id.typname() == name && !matches!(id, TypeId::Unknown | TypeId::Void));
    if let Some(&id) = known {
        return Ok(SqlType::plain(id));
    }
    match name {
        "serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2" | "json"
        | "jsonb" | "xml" | "money" | "inet" | "cidr" | "macaddr" | "bit" | "varbit" | "point"
        | "box" | "circle" | "line" | "lseg" | "path" | "polygon" | "tsvector" | "tsquery"
        | "timetz" | "regclass" | "regtype" | "regproc" | "char" | "unknown" | "record"
        | "void" => Err(unsupported(&format!("type {name}"), None)),
        _ => Err(no_type(name)),
    }
}

fn no_type(name: &str) -> alloc::boxed::Box<SqlError> {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("type \"{name}\" does not exist"),
    )
}

/// A type that sqlparser knows by a keyword: PostgreSQL's, or another dialect's.
fn other_dialect(data_type: &DataType) -> alloc::boxed::Box<SqlError> {
    let shown: String = format!("{data_type}").to_ascii_lowercase();
    let word = shown.split(['(', ' ']).next().unwrap_or("");
    match custom(word) {
        Err(error) => error,
        Ok(_) => unsupported(&format!("type {shown}"), None),
    }
}

fn float(digits: u64) -> SqlResult<SqlType> {
    match digits {
        0 => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "precision for type float must be at least 1 bit",
        )),
        1..=24 => Ok(SqlType::plain(TypeId::Float4)),
        25..=53 => Ok(SqlType::plain(TypeId::Float8)),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "precision for type float must be less than 54 bits",
        )),
    }
}

fn numeric(info: &ExactNumberInfo) -> SqlResult<SqlType> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => return Ok(SqlType::plain(TypeId::Numeric)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if precision == 0 || precision > PRECISION_MAX {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("NUMERIC precision {precision} must be between 1 and {PRECISION_MAX}"),
        ));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("NUMERIC scale {scale} must be between -1000 and 1000"),
        ));
    }
    if scale < 0 || scale as u64 > precision {
        return Err(unsupported(
            "a NUMERIC scale outside of 0 to the precision",
            None,
        ));
    }
    let typmod = ((precision as i32) << 16 | scale as i32) + 4;
    Ok(SqlType {
        id: TypeId::Numeric,
        typmod,
    })
}

fn character(id: TypeId, length: Option<&CharacterLength>) -> SqlResult<SqlType> {
    let length = match length {
        None => return Ok(SqlType::plain(id)),
        Some(CharacterLength::IntegerLength { length, unit: None }) => *length,
        Some(_) => return Err(unsupported("this length", None)),
    };
    let name = if id == TypeId::Varchar {
        "varchar"
    } else {
        "char"
    };
    if length == 0 {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("length for type {name} must be at least 1"),
        ));
    }
    if length > LENGTH_MAX {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("length for type {name} cannot exceed {LENGTH_MAX}"),
        ));
    }
    Ok(SqlType {
        id,
        typmod: length as i32 + 4,
    })
}

fn fractional(id: TypeId, digits: Option<u64>) -> SqlResult<SqlType> {
    // More than six digits are six, with a warning in PostgreSQL.
    Ok(SqlType {
        id,
        typmod: digits.map_or(-1, |d| d.min(6) as i32),
    })
}
