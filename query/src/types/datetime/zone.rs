//! Time zones: names and POSIX rules to offsets, from the embedded tz database (by `jiff`).
//!
//! Local times that a zone skips are read with the offset before the jump, those that it repeats
//! with the one after, as PostgreSQL does. Years past 9999, which the library does not reach,
//! stand in for by a year of the same calendar 400·n years earlier.

use super::{EPOCH_UNIX_S, Parts, SECOND_US};
use alloc::string::{String, ToString};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// Seconds of 400 Gregorian years.
const CYCLE_S: i64 = 146_097 * 86_400;
/// 9990-01-01 in Unix seconds: later times are looked up in an earlier cycle.
const CYCLE_FROM_S: i64 = 253_086_854_400;

/// Transitions that are looked at for the next meaning of an abbreviation: rules without an end give as many.
const FOLLOWING_MAX: usize = 1000;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    inner: Inner,
}

#[derive(Clone, Debug)]
enum Inner {
    /// Seconds east of UTC, with the abbreviation that is shown.
    Fixed(i32, String),
    Rules(TimeZone),
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone {
            inner: Inner::Fixed(0, String::from("UTC")),
        }
    }

    /// A zone by its IANA name, in any case, or its POSIX form (`EST5EDT,M3.2.0,M11.1.0`, `<+03>-3`).
    pub fn find(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("UTC") || name.eq_ignore_ascii_case("Etc/UTC") {
            return Some(Zone::utc());
        }
        let is_special = name.eq_ignore_ascii_case("etc/unknown");
        if let Ok(zone) = jiff::tz::db().get(name)
            && !is_special
        {
            return Some(Zone {
                inner: Inner::Rules(zone),
            });
        }
        Self::find_posix(name)
    }

    fn find_posix(name: &str) -> Option<Zone> {
        if name.starts_with(['+', '-']) {
            // POSIX's sign: hours west of Greenwich.
            return super::decode_zone(name).ok().map(|east| Zone::fixed(-east));
        }
        let is_posix =
            name.starts_with('<') || name.bytes().take_while(u8::is_ascii_alphabetic).count() >= 3;
        if !is_posix || !name.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        let full = match TimeZone::posix(name) {
            Ok(zone) => zone,
            // A zone with daylight saving but without rules has those of the United States.
            Err(_) => TimeZone::posix(&(name.to_string() + ",M3.2.0,M11.1.0")).ok()?,
        };
        Some(Zone {
            inner: Inner::Rules(full),
        })
    }

    /// The session's zone. It was checked when it was set; should it be unknown all the same, UTC.
    pub fn of_session(name: &str) -> Zone {
        Zone::find(name)
            .or_else(|| parse_fixed(name).map(Zone::fixed))
            .unwrap_or_else(Zone::utc)
    }

    /// A zone at a fixed number of seconds east of UTC.
    pub fn fixed(offset: i32) -> Zone {
        let mut label = alloc::vec::Vec::new();
        super::encode::write_offset(offset, &mut label);
        Zone {
            inner: Inner::Fixed(offset, String::from_utf8(label).unwrap_or_default()),
        }
    }

    /// Seconds east of UTC at a timestamp (microseconds since 2000-01-01 UTC).
    pub(crate) fn offset_at(&self, timestamp: i64) -> i32 {
        match &self.inner {
            Inner::Fixed(offset, _) => *offset,
            Inner::Rules(zone) => zone.to_offset(instant(timestamp)).seconds(),
        }
    }

    /// The abbreviation in force at a timestamp.
    pub(crate) fn write_abbreviation(&self, timestamp: i64, out: &mut alloc::vec::Vec<u8>) {
        match &self.inner {
            Inner::Fixed(_, label) => out.extend_from_slice(label.as_bytes()),
            Inner::Rules(zone) => {
                out.extend_from_slice(
                    zone.to_offset_info(instant(timestamp))
                        .abbreviation()
                        .as_bytes(),
                );
            }
        }
    }

    /// Whether the zone has one offset for all times.
    pub(crate) fn is_fixed(&self) -> bool {
        match &self.inner {
            Inner::Fixed(..) => true,
            Inner::Rules(zone) => zone.to_fixed_offset().is_ok(),
        }
    }

    /// Seconds east of UTC that an abbreviation of this zone meant at a local time: what it meant
    /// last, or else will mean next; without any meaning, the zone's offset then.
    pub(crate) fn offset_of_abbreviation(&self, abbreviation: &str, local: &Parts) -> i32 {
        let offset = self.offset_of_local(local);
        let (Inner::Rules(zone), Some(moment)) = (&self.inner, local.with_offset(offset)) else {
            return offset;
        };
        let at = instant(moment);
        let current = zone.to_offset_info(at);
        if current.abbreviation().eq_ignore_ascii_case(abbreviation) {
            return current.offset().seconds();
        }
        let is_meant = |t: &jiff::tz::TimeZoneTransition<'_>| {
            t.abbreviation().eq_ignore_ascii_case(abbreviation)
        };
        let found = zone
            .preceding(at)
            .find(is_meant)
            .or_else(|| zone.following(at).take(FOLLOWING_MAX).find(is_meant));
        found.map_or(offset, |t| t.offset().seconds())
    }

    /// Seconds east of UTC that a local time has.
    pub(crate) fn offset_of_local(&self, local: &Parts) -> i32 {
        let zone = match &self.inner {
            Inner::Fixed(offset, _) => return *offset,
            Inner::Rules(zone) => zone,
        };
        let mut year = local.year;
        if year > 9990 {
            year = 9600 + (year - 9600) % 400;
        }
        let time = local.time();
        // 24:00 belongs to the next day; its offset is looked for a moment earlier.
        let seconds = (time / SECOND_US).clamp(0, 86_399);
        let civil = DateTime::new(
            year.clamp(-9998, 9998) as i16,
            local.month.clamp(1, 12) as i8,
            local.day.clamp(1, super::days_in_month(year, local.month)) as i8,
            (seconds / 3600) as i8,
            (seconds / 60 % 60) as i8,
            (seconds % 60) as i8,
            0,
        );
        let Ok(civil) = civil else { return 0 };
        let offset: Offset = match zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } => before,
            AmbiguousOffset::Fold { after, .. } => after,
        };
        offset.seconds()
    }

    /// The local parts of a timestamptz, and the offset.
    pub(crate) fn split(&self, timestamp: i64) -> (Parts, i32) {
        let offset = self.offset_at(timestamp);
        (
            super::split_timestamp(timestamp.saturating_add(i64::from(offset) * SECOND_US)),
            offset,
        )
    }

    /// The local timestamp of a timestamptz.
    pub(crate) fn to_local(&self, timestamp: i64) -> i64 {
        timestamp.saturating_add(i64::from(self.offset_at(timestamp)) * SECOND_US)
    }

    /// The timestamptz of a local timestamp; none when it is out of range.
    pub(crate) fn local_to_utc(&self, timestamp: i64) -> Option<i64> {
        super::split_timestamp(timestamp).timestamptz(self)
    }
}

/// A plain number of hours (`SET TimeZone = 5`, `-7.5`), in seconds east.
fn parse_fixed(name: &str) -> Option<i32> {
    let hours: f64 = name.trim().parse().ok()?;
    (libm::fabs(hours) < 168.0).then_some((hours * 3600.0) as i32)
}

/// A timestamp as the library's, within its reach.
fn instant(timestamp: i64) -> Timestamp {
    let mut seconds = timestamp.div_euclid(SECOND_US).saturating_add(EPOCH_UNIX_S);
    if seconds >= CYCLE_FROM_S {
        seconds = CYCLE_FROM_S - CYCLE_S + (seconds - CYCLE_FROM_S) % CYCLE_S;
    }
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
