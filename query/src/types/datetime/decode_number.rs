//! Reads single fields of a date or time: dates, times, zones, bare numbers.

use super::fields::{self, FieldError, Mask};
use super::tokens::{Token, date_token};
use super::{Parts, SECOND_US};
use crate::settings::DateOrder;

/// C's strtoint: the number at the start of `text` and what follows it.
pub(crate) fn leading_int(text: &str) -> Result<(i32, &str), FieldError> {
    let sign = usize::from(matches!(text.as_bytes().first(), Some(b'+' | b'-')));
    let digits = text.as_bytes()[sign..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits == 0 {
        return Ok((0, text));
    }
    let (number, rest) = text.split_at(sign + digits);
    Ok((number.parse().map_err(|_| FieldError::Overflow)?, rest))
}

/// Microseconds of a fraction that starts with its point.
pub(crate) fn fraction_us(text: &str) -> Result<i32, FieldError> {
    let digits = text.strip_prefix('.').ok_or(FieldError::BadFormat)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FieldError::BadFormat);
    }
    if digits.is_empty() {
        return Ok(0);
    }
    let value: f64 = text.parse().map_err(|_| FieldError::BadFormat)?;
    Ok(libm::rint(value * SECOND_US as f64) as i32)
}

fn int_at(text: &str) -> i32 {
    text.parse().unwrap_or(0)
}

/// `DecodeTimezone`: the displacement in seconds east.
pub(crate) fn decode_zone(text: &str) -> Result<i32, FieldError> {
    let is_negative = match text.as_bytes().first() {
        Some(b'+') => false,
        Some(b'-') => true,
        _ => return Err(FieldError::BadFormat),
    };
    let range = |e| {
        if e == FieldError::Overflow {
            FieldError::ZoneOverflow
        } else {
            e
        }
    };
    let (mut hour, mut rest) = leading_int(&text[1..]).map_err(range)?;
    let (mut minute, mut second) = (0, 0);
    if let Some(tail) = rest.strip_prefix(':') {
        (minute, rest) = leading_int(tail).map_err(range)?;
        if let Some(tail) = rest.strip_prefix(':') {
            (second, rest) = leading_int(tail).map_err(range)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        minute = hour % 100;
        hour /= 100;
    }
    if !(0..=15).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return Err(FieldError::ZoneOverflow);
    }
    if !rest.is_empty() {
        return Err(FieldError::BadFormat);
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Ok(if is_negative { -seconds } else { seconds })
}

/// Reads fields of one date and time; what it has learned so far.
pub(crate) struct Decoder {
    pub(crate) parts: Parts,
    pub(crate) order: DateOrder,
    pub(crate) has_two_digits: bool,
}

impl Decoder {
    /// `DecodeTime`: `hh:mm[:ss[.fff]]`.
    pub(crate) fn time(&mut self, text: &str) -> Result<Mask, FieldError> {
        let parts = &mut self.parts;
        let (hour, rest) = leading_int(text)?;
        let rest = rest.strip_prefix(':').ok_or(FieldError::BadFormat)?;
        let (minute, rest) = leading_int(rest)?;
        (parts.hour, parts.minute, parts.second, parts.fsec) = (hour, minute, 0, 0);
        if rest.starts_with('.') {
            parts.fsec = fraction_us(rest)?;
            (parts.hour, parts.minute, parts.second) = (0, hour, minute);
        } else if let Some(rest) = rest.strip_prefix(':') {
            let (second, rest) = leading_int(rest)?;
            parts.second = second;
            if rest.starts_with('.') {
                parts.fsec = fraction_us(rest)?;
            } else if !rest.is_empty() {
                return Err(FieldError::BadFormat);
            }
        } else if !rest.is_empty() {
            return Err(FieldError::BadFormat);
        }
        let is_valid = parts.hour >= 0
            && (0..60).contains(&parts.minute)
            && (0..=60).contains(&parts.second)
            && (0..=SECOND_US as i32).contains(&parts.fsec);
        if is_valid {
            Ok(fields::TIME)
        } else {
            Err(FieldError::Overflow)
        }
    }

    /// `DecodeDate`: a date whose parts are separated by punctuation.
    pub(crate) fn date(&mut self, text: &str, known: Mask) -> Result<Mask, FieldError> {
        let (mut known, mut found, mut has_month) = (known, 0, false);
        let mut spans = [(0usize, 0usize); 25];
        let count = split_date_fields(text, &mut spans)?;
        for span in &mut spans[..count] {
            let word = &text[span.0..span.1];
            if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            match date_token(word) {
                Some(Token::Ignored) => continue,
                Some(Token::Month(month)) => self.parts.month = month,
                _ => return Err(FieldError::BadFormat),
            }
            if known & fields::MONTH != 0 {
                return Err(FieldError::BadFormat);
            }
            has_month = true;
            known |= fields::MONTH;
            found |= fields::MONTH;
            *span = (0, 0);
        }
        for (start, end) in &spans[..count] {
            if start == end {
                continue;
            }
            let mask = self.number(&text[*start..*end], has_month, known)?;
            if known & mask != 0 {
                return Err(FieldError::BadFormat);
            }
            known |= mask;
            found |= mask;
        }
        if known & !(fields::DOY | fields::TZ) != fields::DATE {
            return Err(FieldError::BadFormat);
        }
        Ok(found)
    }

    /// `DecodeNumber`: what a bare number means where these fields are known.
    pub(crate) fn number(
        &mut self,
        text: &str,
        has_text_month: bool,
        known: Mask,
    ) -> Result<Mask, FieldError> {
        let (value, rest) = leading_int(text)?;
        let used = text.len() - rest.len();
        if used == 0 {
            return Err(FieldError::BadFormat);
        }
        if rest.starts_with('.') {
            if used > 2 {
                return self.number_field(text, known | fields::DATE);
            }
            self.parts.fsec = fraction_us(rest)?;
        } else if !rest.is_empty() {
            return Err(FieldError::BadFormat);
        }
        let known_date = known & fields::DATE;
        if text.len() == 3 && known_date == fields::YEAR && (1..=366).contains(&value) {
            self.parts.day_of_year = value;
            return Ok(fields::DOY | fields::MONTH | fields::DAY);
        }
        if known_date == fields::DATE {
            return self.number_field(text, known);
        }
        let is_long = text.len() >= 3;
        let is_year_first = is_long || self.order == DateOrder::Ymd;
        const YEAR_MONTH: Mask = fields::YEAR | fields::MONTH;
        const MONTH_DAY: Mask = fields::MONTH | fields::DAY;
        let mask = match known_date {
            0 if is_year_first => fields::YEAR,
            0 if self.order == DateOrder::Dmy => fields::DAY,
            0 | fields::YEAR | fields::DAY => fields::MONTH,
            fields::MONTH if has_text_month && is_year_first => fields::YEAR,
            fields::MONTH => fields::DAY,
            YEAR_MONTH if has_text_month && is_long && self.has_two_digits => {
                self.parts.day = self.parts.year;
                self.parts.year = value;
                self.has_two_digits = false;
                return Ok(fields::DAY);
            }
            YEAR_MONTH => fields::DAY,
            MONTH_DAY => fields::YEAR,
            _ => return Err(FieldError::BadFormat),
        };
        match mask {
            fields::YEAR => {
                self.parts.year = value;
                self.has_two_digits = text.len() <= 2;
            }
            fields::MONTH => self.parts.month = value,
            _ => self.parts.day = value,
        }
        Ok(mask)
    }

    /// `DecodeNumberField`: dates and times that are run together.
    pub(crate) fn number_field(&mut self, text: &str, known: Mask) -> Result<Mask, FieldError> {
        let mut digits = text;
        if let Some(point) = text.find('.') {
            let fraction: f64 = if text.len() == point + 1 {
                0.0
            } else {
                text[point..].parse().map_err(|_| FieldError::BadFormat)?
            };
            self.parts.fsec = libm::rint(fraction * SECOND_US as f64) as i32;
            digits = &text[..point];
        } else if known & fields::DATE != fields::DATE && text.len() >= 6 {
            let length = text.len();
            self.parts.day = int_at(&text[length - 2..]);
            self.parts.month = int_at(&text[length - 4..length - 2]);
            self.parts.year = int_at(&text[..length - 4]);
            if length == 6 {
                self.has_two_digits = true;
            }
            return Ok(fields::DATE);
        }
        if known & fields::TIME != fields::TIME && matches!(digits.len(), 4 | 6) {
            self.parts.hour = int_at(&digits[..2]);
            self.parts.minute = int_at(&digits[2..4]);
            self.parts.second = if digits.len() == 6 {
                int_at(&digits[4..])
            } else {
                0
            };
            return Ok(fields::TIME);
        }
        Err(FieldError::BadFormat)
    }
}

/// The runs of digits and of letters of a date field.
fn split_date_fields(text: &str, spans: &mut [(usize, usize); 25]) -> Result<usize, FieldError> {
    let bytes = text.as_bytes();
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        while at < bytes.len() && !bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        if at == bytes.len() {
            return Err(FieldError::BadFormat);
        }
        let start = at;
        let is_digit = bytes[at].is_ascii_digit();
        while at < bytes.len()
            && (if is_digit {
                bytes[at].is_ascii_digit()
            } else {
                bytes[at].is_ascii_alphabetic()
            })
        {
            at += 1;
        }
        *spans.get_mut(count).ok_or(FieldError::BadFormat)? = (start, at);
        count += 1;
        at += 1; // the separator; where digits run into letters, PostgreSQL loses that letter
    }
    Ok(count)
}
