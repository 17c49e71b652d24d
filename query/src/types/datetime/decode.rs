//! Reads a date with or without time from its fields (`DecodeDateTime`).

use super::abbreviations::{self, Abbreviation};
use super::decode_number::{Decoder, decode_zone, fraction_us, leading_int};
use super::fields::{self, FieldError, Mask};
use super::lex::{FieldKind, Lexed};
use super::tokens::{AmPm, Token, Unit, date_token};
use super::zone::Zone;
use super::{DAY_US, Parts, days_in_month, from_julian, julian, split_time};
use crate::settings::DateOrder;
use alloc::string::ToString;

/// What a text means.
#[derive(Clone, Debug)]
pub(crate) enum Moment {
    /// A date and time; `offset` is seconds east of UTC where it was asked for.
    At {
        parts: Parts,
        offset: i32,
    },
    /// 1970-01-01 UTC.
    Epoch,
    Infinity,
    NegInfinity,
}

/// What reading depends on besides the text.
pub(crate) struct Surroundings<'a> {
    pub(crate) order: DateOrder,
    pub(crate) zone: &'a Zone,
    /// `now()`.
    pub(crate) now_us: i64,
}

/// Which zone a text named.
pub(super) enum NamedZone {
    None,
    Fixed(i32),
    Rules(Zone),
    /// A zone whose abbreviation changed its meaning in time.
    Abbreviation(Zone, &'static str),
}

/// The state while reading.
pub(super) struct State<'a> {
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) decoder: Decoder,
    pub(super) known: Mask,
    pub(super) prefix: Option<Unit>,
    pub(super) has_text_month: bool,
    pub(super) is_julian: bool,
    pub(super) is_bc: bool,
    pub(super) meridian: AmPm,
    pub(super) named_zone: NamedZone,
    pub(super) shift: i32,
    pub(super) special: Option<Moment>,
}

impl<'a> State<'a> {
    pub(super) fn new(surroundings: &'a Surroundings<'a>) -> State<'a> {
        State {
            surroundings,
            decoder: Decoder {
                parts: Parts::default(),
                order: surroundings.order,
                has_two_digits: false,
            },
            known: 0,
            prefix: None,
            has_text_month: false,
            is_julian: false,
            is_bc: false,
            meridian: AmPm::Hours24,
            named_zone: NamedZone::None,
            shift: 0,
            special: None,
        }
    }

    /// Adds the fields that were found; finding one twice is an error.
    pub(super) fn add(&mut self, mask: Mask) -> Result<(), FieldError> {
        if mask & self.known != 0 {
            return Err(FieldError::BadFormat);
        }
        self.known |= mask;
        Ok(())
    }

    pub(super) fn set_date(&mut self, julian_day: i32) {
        let parts = &mut self.decoder.parts;
        (parts.year, parts.month, parts.day) = from_julian(julian_day);
    }

    fn today(&self) -> i32 {
        let (parts, _) = self.surroundings.zone.split(self.surroundings.now_us);
        julian(parts.year, parts.month, parts.day)
    }

    /// A zone by name, or the error that names it.
    pub(super) fn zone_by_name(name: &str) -> Result<NamedZone, FieldError> {
        Zone::find(name)
            .map(NamedZone::Rules)
            .ok_or_else(|| FieldError::UnknownZone(name.to_string()))
    }

    fn date_field(&mut self, text: &str) -> Result<Mask, FieldError> {
        if self.prefix == Some(Unit::Julian) {
            let (day, rest) = leading_int(text)?;
            if day < 0 {
                return Err(FieldError::Overflow);
            }
            self.set_date(day);
            self.is_julian = true;
            self.named_zone = NamedZone::Fixed(decode_zone(rest)?);
            self.prefix = None;
            return Ok(fields::DATE | fields::TIME | fields::TZ);
        }
        const MONTH_DAY: Mask = fields::MONTH | fields::DAY;
        if self.prefix.is_none() && self.known & MONTH_DAY != MONTH_DAY {
            return self.decoder.date(text, self.known);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) && self.prefix.is_none() {
            self.named_zone = Self::zone_by_name(text)?;
            return Ok(fields::TZ);
        }
        if self.prefix.take().is_some_and(|p| p != Unit::Time)
            || self.known & fields::TIME == fields::TIME
        {
            return Err(FieldError::BadFormat);
        }
        let at = text.find('-').ok_or(FieldError::BadFormat)?;
        self.named_zone = NamedZone::Fixed(decode_zone(&text[at..])?);
        Ok(self.decoder.number_field(&text[..at], self.known)? | fields::TZ)
    }

    /// A number after a unit's letter ("y2001m02d04", "J2451187", "t040506").
    pub(super) fn prefixed_number(&mut self, prefix: Unit, text: &str) -> Result<Mask, FieldError> {
        let (value, rest) = leading_int(text)?;
        let may_be_fractional = matches!(prefix, Unit::Julian | Unit::Time | Unit::Second);
        if !(rest.is_empty() || rest.starts_with('.') && may_be_fractional) {
            return Err(FieldError::BadFormat);
        }
        let known = self.known;
        let parts = &mut self.decoder.parts;
        Ok(match prefix {
            Unit::Year => {
                parts.year = value;
                fields::YEAR
            }
            Unit::Month if known & fields::MONTH != 0 && known & fields::HOUR != 0 => {
                parts.minute = value;
                fields::MINUTE
            }
            Unit::Month => {
                parts.month = value;
                fields::MONTH
            }
            Unit::Day => {
                parts.day = value;
                fields::DAY
            }
            Unit::Hour => {
                parts.hour = value;
                fields::HOUR
            }
            Unit::Minute => {
                parts.minute = value;
                fields::MINUTE
            }
            Unit::Second => {
                parts.second = value;
                if rest.is_empty() {
                    fields::SECOND
                } else {
                    parts.fsec = fraction_us(rest)?;
                    fields::ALL_SECONDS
                }
            }
            Unit::Julian => return self.julian_day(value, rest),
            Unit::Time => match self.decoder.number_field(text, known | fields::DATE)? {
                fields::TIME => fields::TIME,
                _ => return Err(FieldError::BadFormat),
            },
            _ => return Err(FieldError::BadFormat),
        })
    }

    fn julian_day(&mut self, day: i32, fraction: &str) -> Result<Mask, FieldError> {
        if day < 0 {
            return Err(FieldError::Overflow);
        }
        self.set_date(day);
        self.is_julian = true;
        if fraction.len() < 2 {
            return Ok(fields::DATE);
        }
        let part: f64 = fraction.parse().map_err(|_| FieldError::BadFormat)?;
        split_time((part * DAY_US as f64) as i64, &mut self.decoder.parts);
        Ok(fields::DATE | fields::TIME)
    }

    fn number_field(&mut self, text: &str) -> Result<Mask, FieldError> {
        if let Some(prefix) = self.prefix.take() {
            return self.prefixed_number(prefix, text);
        }
        match text.find('.') {
            Some(_) if self.known & fields::DATE == 0 => self.decoder.date(text, self.known),
            Some(point) if point > 2 => self.decoder.number_field(text, self.known),
            _ if text.len() >= 6
                && (self.known & fields::DATE == 0 || self.known & fields::TIME == 0) =>
            {
                self.decoder.number_field(text, self.known)
            }
            _ => self.decoder.number(text, self.has_text_month, self.known),
        }
    }

    /// A word. None: it says nothing.
    pub(super) fn word(
        &mut self,
        text: &str,
        next: Option<FieldKind>,
    ) -> Result<Option<Mask>, FieldError> {
        match abbreviations::find(text) {
            Some(Abbreviation::Fixed(offset)) => {
                self.named_zone = NamedZone::Fixed(offset);
                return Ok(Some(fields::TZ));
            }
            Some(Abbreviation::Zone { name, zone }) => {
                let zone =
                    Zone::find(zone).ok_or_else(|| FieldError::UnknownZone(zone.to_string()))?;
                self.named_zone = NamedZone::Abbreviation(zone, name);
                return Ok(Some(fields::TZ));
            }
            None => {}
        }
        let Some(token) = date_token(text) else {
            self.named_zone = Zone::find(text)
                .map(NamedZone::Rules)
                .ok_or(FieldError::BadFormat)?;
            return Ok(Some(fields::TZ));
        };
        const ALL: Mask = fields::DATE | fields::TIME | fields::TZ;
        Ok(Some(match token {
            Token::Ignored => return Ok(None),
            Token::Now => {
                let (parts, offset) = self.surroundings.zone.split(self.surroundings.now_us);
                self.decoder.parts = parts;
                self.named_zone = NamedZone::Fixed(offset);
                ALL
            }
            Token::Today | Token::Tomorrow | Token::Yesterday => {
                let shift =
                    i32::from(token == Token::Tomorrow) - i32::from(token == Token::Yesterday);
                let day = self.today() + shift;
                self.set_date(day);
                fields::DATE
            }
            Token::Zulu => {
                self.named_zone = NamedZone::Fixed(0);
                fields::TIME | fields::TZ
            }
            Token::Epoch | Token::Infinity | Token::NegInfinity => {
                self.special = Some(match token {
                    Token::Epoch => Moment::Epoch,
                    Token::Infinity => Moment::Infinity,
                    _ => Moment::NegInfinity,
                });
                ALL
            }
            Token::Month(month) => {
                let mut mask = fields::MONTH;
                let parts = &mut self.decoder.parts;
                if self.known & fields::MONTH != 0
                    && !self.has_text_month
                    && self.known & fields::DAY == 0
                    && (1..=31).contains(&parts.month)
                {
                    parts.day = parts.month;
                    mask = fields::DAY;
                }
                self.has_text_month = true;
                parts.month = month;
                mask
            }
            Token::Weekday => fields::DOW,
            Token::Era(is_bc) => {
                self.is_bc = is_bc;
                fields::ADBC
            }
            Token::Meridian(meridian) => {
                self.meridian = meridian;
                fields::AMPM
            }
            Token::DaylightSaving => {
                self.shift = 3600;
                fields::DTZMOD
            }
            Token::Unit(unit) => {
                self.prefix = Some(unit);
                0
            }
            Token::IsoTime => {
                let is_time = matches!(
                    next,
                    Some(FieldKind::Number | FieldKind::Time | FieldKind::Date)
                );
                if self.known & fields::DATE != fields::DATE || !is_time {
                    return Err(FieldError::BadFormat);
                }
                self.prefix = Some(Unit::Time);
                0
            }
        }))
    }

    pub(super) fn time_field(&mut self, text: &str) -> Result<Mask, FieldError> {
        if self.prefix.take().is_some_and(|p| p != Unit::Time) {
            return Err(FieldError::BadFormat);
        }
        let mask = self.decoder.time(text)?;
        if overflows_day(&self.decoder.parts) {
            Err(FieldError::Overflow)
        } else {
            Ok(mask)
        }
    }

    /// `ValidateDate`
    pub(super) fn validate_date(&mut self) -> Result<(), FieldError> {
        let known = self.known;
        let parts = &mut self.decoder.parts;
        if known & fields::YEAR != 0 && !self.is_julian {
            if self.is_bc {
                if parts.year <= 0 {
                    return Err(FieldError::Overflow);
                }
                parts.year = -(parts.year - 1);
            } else if self.decoder.has_two_digits {
                match parts.year {
                    ..0 => return Err(FieldError::Overflow),
                    0..70 => parts.year += 2000,
                    70..100 => parts.year += 1900,
                    _ => {}
                }
            } else if parts.year <= 0 {
                return Err(FieldError::Overflow);
            }
        }
        if known & fields::DOY != 0 {
            if !super::is_valid_julian(parts.year, 1) {
                return Err(FieldError::Overflow);
            }
            let day = julian(parts.year, 1, 1) + parts.day_of_year - 1;
            (parts.year, parts.month, parts.day) = from_julian(day);
        }
        if known & fields::MONTH != 0 && !(1..=12).contains(&parts.month) {
            return Err(FieldError::MonthDayOverflow);
        }
        if known & fields::DAY != 0 && !(1..=31).contains(&parts.day) {
            return Err(FieldError::MonthDayOverflow);
        }
        if known & fields::DATE == fields::DATE
            && parts.day > days_in_month(parts.year, parts.month)
        {
            return Err(FieldError::Overflow);
        }
        Ok(())
    }

    /// Applies AM and PM.
    pub(super) fn apply_meridian(&mut self) -> Result<(), FieldError> {
        let parts = &mut self.decoder.parts;
        match self.meridian {
            AmPm::Hours24 => {}
            _ if parts.hour > 12 => return Err(FieldError::Overflow),
            AmPm::Am if parts.hour == 12 => parts.hour = 0,
            AmPm::Pm if parts.hour != 12 => parts.hour += 12,
            _ => {}
        }
        Ok(())
    }
}

/// Whether a time of day is past 24:00.
pub(crate) fn overflows_day(parts: &Parts) -> bool {
    !(0..=24).contains(&parts.hour)
        || !(0..60).contains(&parts.minute)
        || !(0..=60).contains(&parts.second)
        || !(0..=1_000_000).contains(&parts.fsec)
        || parts.time() > DAY_US
}

/// Reads a date, perhaps with a time and zone.
pub(crate) fn decode(lexed: &Lexed, surroundings: &Surroundings<'_>) -> Result<Moment, FieldError> {
    let mut state = State::new(surroundings);
    for index in 0..lexed.len() {
        let field = lexed.field(index);
        let mask = match field.kind {
            FieldKind::Date => state.date_field(field.text)?,
            FieldKind::Time => state.time_field(field.text)?,
            FieldKind::Zone => {
                state.named_zone = NamedZone::Fixed(decode_zone(field.text)?);
                fields::TZ
            }
            FieldKind::Number => state.number_field(field.text)?,
            FieldKind::Word | FieldKind::Special => {
                match state.word(field.text, lexed.kind(index + 1))? {
                    Some(mask) => mask,
                    None => continue,
                }
            }
        };
        state.add(mask)?;
    }
    if let Some(special) = state.special {
        return Ok(special);
    }
    state.validate_date()?;
    state.apply_meridian()?;
    if state.known & fields::DATE != fields::DATE {
        return Err(FieldError::BadFormat);
    }
    let parts = state.decoder.parts;
    let offset = match &state.named_zone {
        NamedZone::Fixed(offset) => *offset + state.shift,
        _ if state.known & fields::DTZMOD != 0 => return Err(FieldError::BadFormat),
        NamedZone::Rules(zone) => zone.offset_of_local(&parts),
        NamedZone::Abbreviation(zone, name) => zone.offset_of_abbreviation(name, &parts),
        NamedZone::None => surroundings.zone.offset_of_local(&parts),
    };
    Ok(Moment::At { parts, offset })
}
