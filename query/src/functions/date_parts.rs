//! `extract` and `date_part`: fields of dates, times and intervals.

use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast_date::date_to_timestamp;
use crate::types::column::{Column, text};
use crate::types::datetime::{
    DAY_US, EPOCH_UNIX_S, Parts, SECOND_US, Unit, Zone, day_of_week, extract_unit, is_infinite,
    iso_week, julian, split_time, split_timestamp,
};
use crate::types::errors::Fault;
use crate::types::interval;
use crate::types::numeric::{Decimal, Numeric};
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{
    self, Date, Float8, Interval, Numeric as Num, Text, Time, Timestamp, Timestamptz,
};

/// A field's value: an integer, or a number of millionths shown with `digits` after the point.
#[derive(Clone, Copy)]
enum Part {
    Whole(i64),
    Micros {
        value: i128,
        digits: u16,
    },
    /// An interval's seconds since the epoch: whole seconds of its years, months and days, and microseconds.
    Span {
        seconds: [i64; 3],
        micros: i64,
    },
    Infinite(bool),
    Null,
}

#[cold]
pub(super) fn unsupported(field: &str, ty: TypeId) -> Fault {
    SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        format!("unit \"{field}\" not supported for type {}", ty.sql_name()),
    )
}

#[cold]
pub(super) fn unrecognized(field: &str, ty: TypeId) -> Fault {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("unit \"{field}\" not recognized for type {}", ty.sql_name()),
    )
}

/// The seconds with their fraction, in one of three units.
fn seconds(second: i32, fsec: i32, unit: Unit) -> Part {
    let micros = i64::from(second) * SECOND_US + i64::from(fsec);
    match unit {
        Unit::Microsecond => Part::Whole(micros),
        Unit::Millisecond => Part::Micros {
            value: i128::from(micros),
            digits: 3,
        },
        _ => Part::Micros {
            value: i128::from(micros),
            digits: 6,
        },
    }
}

/// A year's decade, century or millennium; there is no year zero.
fn era(year: i32, unit: Unit) -> i64 {
    let year = i64::from(year);
    match unit {
        Unit::Decade => year.div_euclid(10),
        Unit::Century if year > 0 => (year + 99) / 100,
        Unit::Century => -((100 - (year - 1)) / 100),
        _ if year > 0 => (year + 999) / 1000,
        _ => -((1000 - (year - 1)) / 1000),
    }
}

/// A field of a date and time.
fn calendar_part(unit: Unit, p: &Parts) -> Option<Part> {
    let day = julian(p.year, p.month, p.day);
    let shown = |year: i32| i64::from(if year > 0 { year } else { year - 1 });
    Some(match unit {
        Unit::Microsecond | Unit::Millisecond | Unit::Second => seconds(p.second, p.fsec, unit),
        Unit::Minute => Part::Whole(p.minute.into()),
        Unit::Hour => Part::Whole(p.hour.into()),
        Unit::Day => Part::Whole(p.day.into()),
        Unit::Month => Part::Whole(p.month.into()),
        Unit::Quarter => Part::Whole(i64::from((p.month - 1) / 3 + 1)),
        Unit::Week => Part::Whole(iso_week(p.year, p.month, p.day).1.into()),
        Unit::Year => Part::Whole(shown(p.year)),
        Unit::Decade | Unit::Century | Unit::Millennium => Part::Whole(era(p.year, unit)),
        Unit::Isoyear => Part::Whole(shown(iso_week(p.year, p.month, p.day).0)),
        Unit::Dow => Part::Whole(day_of_week(day).into()),
        Unit::Isodow => Part::Whole(match day_of_week(day) {
            0 => 7,
            weekday => weekday.into(),
        }),
        Unit::Doy => Part::Whole((day - julian(p.year, 1, 1) + 1).into()),
        _ => return None,
    })
}

/// The Julian day with the time as its fraction, exact to 20 digits and more, as PostgreSQL divides.
fn julian_part(p: &Parts) -> SqlResult<Numeric> {
    let time = Numeric::from(p.time()).divide(&Numeric::from(DAY_US))?;
    Numeric::from(i64::from(julian(p.year, p.month, p.day))).add(&time)
}

/// What `extract` gives of an infinite timestamp.
fn infinite_part(unit: Unit, is_positive: bool) -> Part {
    match unit {
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::Julian
        | Unit::Isoyear
        | Unit::Epoch => Part::Infinite(is_positive),
        _ => Part::Null,
    }
}

fn epoch_part(timestamp: i64) -> Part {
    Part::Micros {
        value: i128::from(timestamp) + i128::from(EPOCH_UNIX_S * SECOND_US),
        digits: 6,
    }
}

/// A value as the result type wants it.
trait Sink {
    fn part(&mut self, part: Part) -> SqlResult<()>;
    fn julian(&mut self, value: Numeric) -> SqlResult<()>;
}

/// Collects numerics, for `extract`.
struct Numerics {
    values: BytesColumn,
    nulls: Vec<bool>,
}

/// Collects doubles, for `date_part`.
struct Doubles {
    values: Vec<f64>,
    nulls: Vec<bool>,
}

impl Sink for Numerics {
    fn part(&mut self, part: Part) -> SqlResult<()> {
        let value = match part {
            Part::Whole(n) => Some(Numeric::from(n)),
            Part::Micros { value, digits } => {
                // Digits after the point say the unit: 6 seconds, 3 milliseconds.
                let coefficient = value.into();
                Some(Numeric::Finite(Decimal {
                    coefficient,
                    scale: digits,
                }))
            }
            Part::Span { seconds, micros } => {
                let whole: i128 = seconds.iter().map(|s| i128::from(*s)).sum();
                let coefficient = (whole * i128::from(SECOND_US) + i128::from(micros)).into();
                Some(Numeric::Finite(Decimal {
                    coefficient,
                    scale: 6,
                }))
            }
            Part::Infinite(true) => Some(Numeric::Infinity),
            Part::Infinite(false) => Some(Numeric::NegInfinity),
            Part::Null => None,
        };
        self.nulls.push(value.is_none());
        if let Some(value) = value {
            value.encode(self.values.writer());
        }
        self.values.finish();
        Ok(())
    }

    fn julian(&mut self, value: Numeric) -> SqlResult<()> {
        self.nulls.push(false);
        value.encode(self.values.writer());
        self.values.finish();
        Ok(())
    }
}

impl Sink for Doubles {
    fn part(&mut self, part: Part) -> SqlResult<()> {
        self.nulls.push(matches!(part, Part::Null));
        self.values.push(match part {
            Part::Whole(n) => n as f64,
            Part::Micros { value, digits } => value as f64 / libm::pow(10.0, f64::from(digits)),
            // In this order: each sum is rounded.
            Part::Span { seconds, micros } => seconds
                .iter()
                .fold(micros as f64 / SECOND_US as f64, |sum, s| sum + *s as f64),
            Part::Infinite(is_positive) => {
                if is_positive {
                    f64::INFINITY
                } else {
                    f64::NEG_INFINITY
                }
            }
            Part::Null => 0.0,
        });
        Ok(())
    }

    fn julian(&mut self, value: Numeric) -> SqlResult<()> {
        self.nulls.push(false);
        self.values.push(value.to_float8()?);
        Ok(())
    }
}

/// One row's field of a timestamp, or of a timestamptz with its local parts and offset.
fn timestamp_field(
    sink: &mut impl Sink,
    field: &str,
    timestamp: i64,
    zone: Option<&Zone>,
    ty: TypeId,
) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, ty))?;
    if is_infinite(timestamp) {
        return sink.part(infinite_part(unit, timestamp > 0));
    }
    let is_of_zone = matches!(
        unit,
        Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute
    );
    if is_of_zone && zone.is_none() {
        return Err(unsupported(field, ty));
    }
    if unit == Unit::Epoch {
        return sink.part(epoch_part(timestamp));
    }
    let (parts, offset) = match zone {
        Some(zone) => zone.split(timestamp),
        None => (split_timestamp(timestamp), 0),
    };
    match unit {
        Unit::Timezone => sink.part(Part::Whole(offset.into())),
        Unit::TimezoneHour => sink.part(Part::Whole((offset / 3600).into())),
        Unit::TimezoneMinute => sink.part(Part::Whole((offset / 60 % 60).into())),
        Unit::Julian => sink.julian(julian_part(&parts)?),
        _ => sink.part(calendar_part(unit, &parts).ok_or_else(|| unsupported(field, ty))?),
    }
}

/// One row's field of a date (`extract` only: `date_part` of a date goes by way of timestamp).
fn date_field(sink: &mut impl Sink, field: &str, date: i32) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, Date))?;
    let is_of_time = matches!(
        unit,
        Unit::Microsecond
            | Unit::Millisecond
            | Unit::Second
            | Unit::Minute
            | Unit::Hour
            | Unit::Timezone
            | Unit::TimezoneHour
            | Unit::TimezoneMinute
    );
    if is_of_time {
        return Err(unsupported(field, Date));
    }
    if crate::types::datetime::is_infinite_date(date) {
        return sink.part(infinite_part(unit, date > 0));
    }
    let parts = crate::types::datetime::split_date(date);
    let day = i64::from(julian(parts.year, parts.month, parts.day));
    match unit {
        Unit::Epoch => sink.part(Part::Whole(i64::from(date) * 86_400 + EPOCH_UNIX_S)),
        Unit::Julian => sink.part(Part::Whole(day)),
        _ => sink.part(calendar_part(unit, &parts).ok_or_else(|| unsupported(field, Date))?),
    }
}

/// One row's field of a time.
fn time_field(sink: &mut impl Sink, field: &str, time: i64) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, Time))?;
    let mut parts = Parts::default();
    split_time(time, &mut parts);
    sink.part(match unit {
        Unit::Microsecond | Unit::Millisecond | Unit::Second => {
            seconds(parts.second, parts.fsec, unit)
        }
        Unit::Minute => Part::Whole(parts.minute.into()),
        Unit::Hour => Part::Whole(parts.hour.into()),
        Unit::Epoch => Part::Micros {
            value: time.into(),
            digits: 6,
        },
        _ => return Err(unsupported(field, Time)),
    })
}

/// One row's field of an interval.
fn interval_field(sink: &mut impl Sink, field: &str, v: IntervalValue) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, Interval))?;
    let shown = interval::split(v);
    let years = i64::from(shown.years);
    sink.part(match unit {
        Unit::Microsecond | Unit::Millisecond | Unit::Second => {
            seconds(shown.seconds, shown.fsec, unit)
        }
        Unit::Minute => Part::Whole(shown.minutes.into()),
        Unit::Hour => Part::Whole(shown.hours),
        Unit::Day => Part::Whole(shown.days.into()),
        Unit::Month => Part::Whole(shown.months.into()),
        Unit::Quarter => Part::Whole((shown.months / 3 + 1).into()),
        Unit::Year => Part::Whole(years),
        Unit::Decade => Part::Whole(years / 10),
        Unit::Century => Part::Whole(years / 100),
        Unit::Millennium => Part::Whole(years / 1000),
        Unit::Epoch => {
            // A year is 365.25 days here, a month 30.
            let years = i64::from(v.months / 12) * 31_557_600;
            let months = i64::from(v.months % 12) * 30 * 86_400;
            Part::Span {
                seconds: [years, months, i64::from(v.days) * 86_400],
                micros: v.micros,
            }
        }
        _ => return Err(unsupported(field, Interval)),
    })
}

/// Runs a field function over the rows where both arguments are there.
fn fields<S: Sink>(
    v: &[Vector],
    rows: usize,
    sink: &mut S,
    mut f: impl FnMut(&mut S, &str, usize) -> SqlResult<()>,
) -> SqlResult<()> {
    for row in 0..rows {
        if v[0].is_null(row) || v[1].is_null(row) {
            sink.part(Part::Null)?;
        } else {
            f(sink, &text(&v[0], row).to_ascii_lowercase(), row)?;
        }
    }
    Ok(())
}

fn as_nulls(nulls: Vec<bool>) -> Option<Vec<bool>> {
    nulls.contains(&true).then_some(nulls)
}

fn numerics(
    v: &[Vector],
    rows: usize,
    f: impl FnMut(&mut Numerics, &str, usize) -> SqlResult<()>,
) -> SqlResult<Vector> {
    let mut sink = Numerics {
        values: BytesColumn::with_capacity(rows, rows * 8),
        nulls: Vec::with_capacity(rows),
    };
    fields(v, rows, &mut sink, f)?;
    Ok(Vector {
        values: Values::Bytes(sink.values),
        nulls: as_nulls(sink.nulls),
    })
}

fn doubles(
    v: &[Vector],
    rows: usize,
    f: impl FnMut(&mut Doubles, &str, usize) -> SqlResult<()>,
) -> SqlResult<Vector> {
    let mut sink = Doubles {
        values: Vec::with_capacity(rows),
        nulls: Vec::with_capacity(rows),
    };
    fields(v, rows, &mut sink, f)?;
    Ok(Vector {
        values: Values::Float8(sink.values),
        nulls: as_nulls(sink.nulls),
    })
}

/// The session's zone.
pub(super) fn session(cx: &EvalContext) -> Zone {
    Zone::of_session(&cx.format.time_zone)
}

const EXTRACT: &[ScalarFunction] = &[
    ScalarFunction::new("extract", &[Text, Timestamp], Num, |_, v, n| {
        let t = i64::of(&v[1]);
        numerics(v, n, |sink, field, row| {
            timestamp_field(sink, field, t[row], None, Timestamp)
        })
    }),
    ScalarFunction::new("extract", &[Text, Timestamptz], Num, |cx, v, n| {
        let (t, zone) = (i64::of(&v[1]), session(cx));
        numerics(v, n, |sink, field, row| {
            timestamp_field(sink, field, t[row], Some(&zone), Timestamptz)
        })
    })
    .stable(),
    ScalarFunction::new("extract", &[Text, Date], Num, |_, v, n| {
        let d = i32::of(&v[1]);
        numerics(v, n, |sink, field, row| date_field(sink, field, d[row]))
    }),
    ScalarFunction::new("extract", &[Text, Time], Num, |_, v, n| {
        let t = i64::of(&v[1]);
        numerics(v, n, |sink, field, row| time_field(sink, field, t[row]))
    }),
    ScalarFunction::new("extract", &[Text, Interval], Num, |_, v, n| {
        let spans = IntervalValue::of(&v[1]);
        numerics(v, n, |sink, field, row| {
            interval_field(sink, field, spans[row])
        })
    }),
    ScalarFunction::new("date_part", &[Text, Timestamp], Float8, |_, v, n| {
        let t = i64::of(&v[1]);
        doubles(v, n, |sink, field, row| {
            timestamp_field(sink, field, t[row], None, Timestamp)
        })
    }),
    ScalarFunction::new("date_part", &[Text, Timestamptz], Float8, |cx, v, n| {
        let (t, zone) = (i64::of(&v[1]), session(cx));
        doubles(v, n, |sink, field, row| {
            timestamp_field(sink, field, t[row], Some(&zone), Timestamptz)
        })
    })
    .stable(),
    ScalarFunction::new("date_part", &[Text, Date], Float8, |_, v, n| {
        let d = i32::of(&v[1]);
        doubles(v, n, |sink, field, row| {
            timestamp_field(sink, field, date_to_timestamp(d[row])?, None, Timestamp)
        })
    }),
    ScalarFunction::new("date_part", &[Text, Time], Float8, |_, v, n| {
        let t = i64::of(&v[1]);
        doubles(v, n, |sink, field, row| time_field(sink, field, t[row]))
    }),
    ScalarFunction::new("date_part", &[Text, Interval], Float8, |_, v, n| {
        let spans = IntervalValue::of(&v[1]);
        doubles(v, n, |sink, field, row| {
            interval_field(sink, field, spans[row])
        })
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[EXTRACT];
