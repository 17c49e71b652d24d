//! `extract` and `date_part`: fields of dates, times and intervals; `date_trunc`; `age`.

use super::kernel::{each_row, try2};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast_date::{date_to_timestamp, date_to_timestamptz, timestamp_to_date};
use crate::types::column::{Column, text};
use crate::types::datetime::{
    DAY_US, EPOCH_UNIX_S, HOUR_US, MINUTE_US, Parts, SECOND_US, Unit, Zone, day_of_week, days_in_month,
    extract_unit, is_infinite, iso_week, iso_week_monday, julian, split_time, split_timestamp,
};
use crate::types::errors::{Fault, interval_range, timestamp_range};
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
    Micros { value: i128, digits: u16 },
    Infinite(bool),
    Null,
}

#[cold]
fn unsupported(field: &str, ty: TypeId) -> Fault {
    SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        format!("unit \"{field}\" not supported for type {}", ty.sql_name()),
    )
}

#[cold]
fn unrecognized(field: &str, ty: TypeId) -> Fault {
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
        Unit::Millisecond => Part::Micros { value: i128::from(micros), digits: 3 },
        _ => Part::Micros { value: i128::from(micros), digits: 6 },
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
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::Isoyear | Unit::Epoch => {
            Part::Infinite(is_positive)
        }
        _ => Part::Null,
    }
}

fn epoch_part(timestamp: i64) -> Part {
    Part::Micros { value: i128::from(timestamp) + i128::from(EPOCH_UNIX_S * SECOND_US), digits: 6 }
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
                Some(Numeric::Finite(Decimal { coefficient, scale: digits }))
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
            Part::Infinite(is_positive) => if is_positive { f64::INFINITY } else { f64::NEG_INFINITY },
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
fn timestamp_field(sink: &mut impl Sink, field: &str, timestamp: i64, zone: Option<&Zone>, ty: TypeId) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, ty))?;
    let is_zoned = zone.is_some();
    let zone_unit = matches!(unit, Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute);
    if zone_unit && !is_zoned {
        return Err(unsupported(field, ty));
    }
    if is_infinite(timestamp) {
        return sink.part(infinite_part(unit, timestamp > 0));
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
        Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour | Unit::Timezone
            | Unit::TimezoneHour | Unit::TimezoneMinute
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
        Unit::Microsecond | Unit::Millisecond | Unit::Second => seconds(parts.second, parts.fsec, unit),
        Unit::Minute => Part::Whole(parts.minute.into()),
        Unit::Hour => Part::Whole(parts.hour.into()),
        Unit::Epoch => Part::Micros { value: time.into(), digits: 6 },
        _ => return Err(unsupported(field, Time)),
    })
}

/// One row's field of an interval.
fn interval_field(sink: &mut impl Sink, field: &str, v: IntervalValue) -> SqlResult<()> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, Interval))?;
    let shown = interval::split(v);
    let years = i64::from(shown.years);
    sink.part(match unit {
        Unit::Microsecond | Unit::Millisecond | Unit::Second => seconds(shown.seconds, shown.fsec, unit),
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
            let years = i128::from(v.months / 12) * 31_557_600;
            let rest = i128::from(v.months % 12) * 30 * 86_400 + i128::from(v.days) * 86_400;
            Part::Micros { value: (years + rest) * i128::from(SECOND_US) + i128::from(v.micros), digits: 6 }
        }
        _ => return Err(unsupported(field, Interval)),
    })
}

/// Runs a field function over the rows where both arguments are there.
fn fields<S: Sink>(v: &[Vector], rows: usize, sink: &mut S, mut f: impl FnMut(&mut S, &str, usize) -> SqlResult<()>) -> SqlResult<()> {
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

fn numerics(v: &[Vector], rows: usize, f: impl FnMut(&mut Numerics, &str, usize) -> SqlResult<()>) -> SqlResult<Vector> {
    let mut sink = Numerics { values: BytesColumn::with_capacity(rows, rows * 8), nulls: Vec::with_capacity(rows) };
    fields(v, rows, &mut sink, f)?;
    Ok(Vector { values: Values::Bytes(sink.values), nulls: as_nulls(sink.nulls) })
}

fn doubles(v: &[Vector], rows: usize, f: impl FnMut(&mut Doubles, &str, usize) -> SqlResult<()>) -> SqlResult<Vector> {
    let mut sink = Doubles { values: Vec::with_capacity(rows), nulls: Vec::with_capacity(rows) };
    fields(v, rows, &mut sink, f)?;
    Ok(Vector { values: Values::Float8(sink.values), nulls: as_nulls(sink.nulls) })
}

fn session(cx: &EvalContext) -> Zone {
    Zone::of_session(&cx.format.time_zone)
}

const EXTRACT: &[ScalarFunction] = &[
    ScalarFunction::new("extract", &[Text, Timestamp], Num, |_, v, n| {
        let t = i64::of(&v[1]);
        numerics(v, n, |sink, field, row| timestamp_field(sink, field, t[row], None, Timestamp))
    }),
    ScalarFunction::new("extract", &[Text, Timestamptz], Num, |cx, v, n| {
        let (t, zone) = (i64::of(&v[1]), session(cx));
        numerics(v, n, |sink, field, row| timestamp_field(sink, field, t[row], Some(&zone), Timestamptz))
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
        numerics(v, n, |sink, field, row| interval_field(sink, field, spans[row]))
    }),
    ScalarFunction::new("date_part", &[Text, Timestamp], Float8, |_, v, n| {
        let t = i64::of(&v[1]);
        doubles(v, n, |sink, field, row| timestamp_field(sink, field, t[row], None, Timestamp))
    }),
    ScalarFunction::new("date_part", &[Text, Timestamptz], Float8, |cx, v, n| {
        let (t, zone) = (i64::of(&v[1]), session(cx));
        doubles(v, n, |sink, field, row| timestamp_field(sink, field, t[row], Some(&zone), Timestamptz))
    })
    .stable(),
    ScalarFunction::new("date_part", &[Text, Date], Float8, |_, v, n| {
        let d = i32::of(&v[1]);
        doubles(v, n, |sink, field, row| timestamp_field(sink, field, date_to_timestamp(d[row])?, None, Timestamp))
    }),
    ScalarFunction::new("date_part", &[Text, Time], Float8, |_, v, n| {
        let t = i64::of(&v[1]);
        doubles(v, n, |sink, field, row| time_field(sink, field, t[row]))
    }),
    ScalarFunction::new("date_part", &[Text, Interval], Float8, |_, v, n| {
        let spans = IntervalValue::of(&v[1]);
        doubles(v, n, |sink, field, row| interval_field(sink, field, spans[row]))
    }),
];

/// Cuts parts to a unit. None: the unit cannot be cut to.
fn truncate_parts(unit: Unit, p: &mut Parts) -> Option<()> {
    let start_of_era = |year: i32, size: i32| {
        if year > 0 { (year + size - 1) / size * size - (size - 1) } else { -((size - 1 - (year - 1)) / size) * size + 1 }
    };
    match unit {
        Unit::Week => {
            let monday = iso_week_monday(julian(p.year, p.month, p.day));
            (p.year, p.month, p.day) = crate::types::datetime::from_julian(monday);
        }
        Unit::Millennium => p.year = start_of_era(p.year, 1000),
        Unit::Century => p.year = start_of_era(p.year, 100),
        Unit::Decade => p.year = p.year.div_euclid(10) * 10,
        Unit::Quarter => p.month = (p.month - 1) / 3 * 3 + 1,
        Unit::Millisecond => p.fsec = p.fsec / 1000 * 1000,
        Unit::Year | Unit::Month | Unit::Day | Unit::Hour | Unit::Minute | Unit::Second | Unit::Microsecond => {}
        _ => return None,
    }
    if matches!(unit, Unit::Millennium | Unit::Century | Unit::Decade | Unit::Year) {
        p.month = 1;
    }
    if matches!(unit, Unit::Millennium | Unit::Century | Unit::Decade | Unit::Year | Unit::Quarter | Unit::Month) {
        p.day = 1;
    }
    match unit {
        Unit::Microsecond | Unit::Millisecond => {}
        Unit::Second => p.fsec = 0,
        Unit::Minute => (p.second, p.fsec) = (0, 0),
        Unit::Hour => (p.minute, p.second, p.fsec) = (0, 0, 0),
        _ => (p.hour, p.minute, p.second, p.fsec) = (0, 0, 0, 0),
    }
    Some(())
}

/// `date_trunc(unit, timestamp)` on the clock of `zone`.
fn truncate(field: &str, timestamp: i64, zone: Option<&Zone>, ty: TypeId) -> SqlResult<i64> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, ty))?;
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let (mut parts, offset) = zone.map_or_else(|| (split_timestamp(timestamp), 0), |z| z.split(timestamp));
    truncate_parts(unit, &mut parts).ok_or_else(|| unsupported(field, ty))?;
    let is_within_hour =
        matches!(unit, Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour);
    match zone {
        None => parts.timestamp(),
        // Below a day the offset stays, so that a repeated hour is not taken for the other.
        Some(_) if is_within_hour => parts.with_offset(offset),
        Some(zone) => parts.timestamptz(zone),
    }
    .ok_or_else(timestamp_range)
}

/// `date_trunc(unit, interval)`
fn truncate_interval(field: &str, v: IntervalValue) -> SqlResult<IntervalValue> {
    let unit = extract_unit(field).ok_or_else(|| unrecognized(field, Interval))?;
    let months = |size: i32| Ok(IntervalValue { months: v.months / size * size, days: 0, micros: 0 });
    let micros = |size: i64| Ok(IntervalValue { micros: v.micros / size * size, ..v });
    match unit {
        Unit::Millennium => months(12_000),
        Unit::Century => months(1200),
        Unit::Decade => months(120),
        Unit::Year => months(12),
        Unit::Quarter => months(3),
        Unit::Month => months(1),
        Unit::Day => Ok(IntervalValue { micros: 0, ..v }),
        Unit::Hour => micros(HOUR_US),
        Unit::Minute => micros(MINUTE_US),
        Unit::Second => micros(SECOND_US),
        Unit::Millisecond => micros(1000),
        Unit::Microsecond => Ok(v),
        Unit::Week => Err(unsupported(field, Interval)
            .with_detail("Months usually have fractional weeks.")),
        _ => Err(unsupported(field, Interval)),
    }
}

const TRUNC: &[ScalarFunction] = &[
    ScalarFunction::new("date_trunc", &[Text, Timestamp], Timestamp, |_, v, n| {
        let t = i64::of(&v[1]);
        each_row(v, n, |row| truncate(&text(&v[0], row).to_ascii_lowercase(), t[row], None, Timestamp))
    }),
    ScalarFunction::new("date_trunc", &[Text, Timestamptz], Timestamptz, |cx, v, n| {
        let (t, zone) = (i64::of(&v[1]), session(cx));
        each_row(v, n, |row| truncate(&text(&v[0], row).to_ascii_lowercase(), t[row], Some(&zone), Timestamptz))
    })
    .stable(),
    ScalarFunction::new("date_trunc", &[Text, Timestamptz, Text], Timestamptz, |_, v, n| {
        let t = i64::of(&v[1]);
        each_row(v, n, |row| {
            let zone = crate::types::datetime::zone_named(text(&v[2], row))?;
            truncate(&text(&v[0], row).to_ascii_lowercase(), t[row], Some(&zone), Timestamptz)
        })
    })
    .stable(),
    ScalarFunction::new("date_trunc", &[Text, Interval], Interval, |_, v, n| {
        let spans = IntervalValue::of(&v[1]);
        each_row(v, n, |row| truncate_interval(&text(&v[0], row).to_ascii_lowercase(), spans[row]))
    }),
];

/// `age(a, b)`: the difference field by field, borrowing as calendars do.
fn age(a: i64, b: i64, split: impl Fn(i64) -> Parts) -> SqlResult<IntervalValue> {
    if is_infinite(a) || is_infinite(b) {
        return Err(SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range"));
    }
    let is_negative = a < b;
    let (late, early) = if is_negative { (split(b), split(a)) } else { (split(a), split(b)) };
    let mut d = [
        late.year - early.year,
        late.month - early.month,
        late.day - early.day,
        late.hour - early.hour,
        late.minute - early.minute,
        late.second - early.second,
        late.fsec - early.fsec,
    ];
    // fsec, second, minute, hour borrow fixed amounts; days those of the earlier date's month.
    for (field, size) in [(6, 1_000_000), (5, 60), (4, 60), (3, 24)] {
        while d[field] < 0 {
            d[field] += size;
            d[field - 1] -= 1;
        }
    }
    while d[2] < 0 {
        // The month that is borrowed from is the one where the span begins.
        d[2] += days_in_month(early.year, early.month);
        d[1] -= 1;
    }
    while d[1] < 0 {
        d[1] += 12;
        d[0] -= 1;
    }
    let clock = Parts { hour: d[3], minute: d[4], second: d[5], fsec: d[6], ..Parts::default() };
    let months = d[0].checked_mul(12).and_then(|m| m.checked_add(d[1])).ok_or_else(interval_range)?;
    let result = IntervalValue { months, days: d[2], micros: clock.time() };
    if is_negative { interval::negate(result) } else { Ok(result) }
}

/// Midnight of the transaction's day.
fn today(cx: &EvalContext, zone: &Zone) -> i32 {
    timestamp_to_date(zone.to_local(cx.transaction_us))
}

const AGE: &[ScalarFunction] = &[
    ScalarFunction::new("age", &[Timestamp, Timestamp], Interval, |_, v, _| try2(v, |a: i64, b: i64| age(a, b, split_timestamp))),
    ScalarFunction::new("age", &[Timestamptz, Timestamptz], Interval, |cx, v, _| {
        let zone = session(cx);
        try2(v, |a: i64, b: i64| age(a, b, |t| zone.split(t).0))
    })
    .stable(),
    ScalarFunction::new("age", &[Timestamp], Interval, |cx, v, n| {
        let (t, now) = (i64::of(&v[0]), date_to_timestamp(today(cx, &session(cx)))?);
        each_row(v, n, |row| age(now, t[row], split_timestamp))
    })
    .stable(),
    ScalarFunction::new("age", &[Timestamptz], Interval, |cx, v, n| {
        let (t, zone) = (i64::of(&v[0]), session(cx));
        let now = date_to_timestamptz(today(cx, &zone), &zone)?;
        each_row(v, n, |row| age(now, t[row], |t| zone.split(t).0))
    })
    .stable(),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[EXTRACT, TRUNC, AGE];
