//! Reads a time of day from its fields (`DecodeTimeOnly`). A date and a zone may stand beside it.

use super::Parts;
use super::decode::{NamedZone, State, Surroundings, overflows_day};
use super::decode_number::decode_zone;
use super::fields::{self, FieldError, Mask};
use super::lex::{FieldKind, Lexed};
use super::zone::Zone;

fn date_field(
    state: &mut State<'_>,
    text: &str,
    lexed: &Lexed,
    index: usize,
) -> Result<Mask, FieldError> {
    let last = lexed.kind(lexed.len() - 1);
    if index == 0
        && lexed.len() >= 2
        && (last == Some(FieldKind::Date) || lexed.kind(1) == Some(FieldKind::Time))
    {
        return state.decoder.date(text, state.known);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        state.named_zone = State::zone_by_name(text)?;
        return Ok(fields::TZ);
    }
    if state.known & fields::TIME == fields::TIME {
        return Err(FieldError::BadFormat);
    }
    let at = text.find('-').ok_or(FieldError::BadFormat)?;
    state.named_zone = NamedZone::Fixed(decode_zone(&text[at..])?);
    let mask = state
        .decoder
        .number_field(&text[..at], state.known | fields::DATE)?;
    Ok(mask | fields::TZ)
}

fn number_field(
    state: &mut State<'_>,
    text: &str,
    lexed: &Lexed,
    index: usize,
) -> Result<Mask, FieldError> {
    if let Some(prefix) = state.prefix.take() {
        return state.prefixed_number(prefix, text);
    }
    let known = state.known | fields::DATE;
    match text.find('.') {
        Some(_)
            if index == 0
                && lexed.len() >= 2
                && lexed.kind(lexed.len() - 1) == Some(FieldKind::Date) =>
        {
            state.decoder.date(text, state.known)
        }
        Some(point) if point > 2 => state.decoder.number_field(text, known),
        Some(_) => Err(FieldError::BadFormat),
        None if text.len() > 4 => state.decoder.number_field(text, known),
        None => state.decoder.number(text, false, known),
    }
}

/// Reads a time of day.
pub(crate) fn decode_time(
    lexed: &Lexed,
    surroundings: &Surroundings<'_>,
) -> Result<Parts, FieldError> {
    let mut state = State::new(surroundings);
    for index in 0..lexed.len() {
        let field = lexed.field(index);
        let mask = match field.kind {
            FieldKind::Date => date_field(&mut state, field.text, lexed, index)?,
            FieldKind::Time => state.time_field(field.text)?,
            FieldKind::Zone => {
                state.named_zone = NamedZone::Fixed(decode_zone(field.text)?);
                fields::TZ
            }
            FieldKind::Number => number_field(&mut state, field.text, lexed, index)?,
            FieldKind::Word if field.text == "t" => {
                state.prefix = Some(super::Unit::Time);
                0
            }
            FieldKind::Word | FieldKind::Special => {
                match state.word(field.text, lexed.kind(index + 1))? {
                    Some(mask) => mask,
                    None => continue,
                }
            }
        };
        state.add(mask)?;
    }
    if state.special.is_some() {
        return Err(FieldError::BadFormat);
    }
    state.validate_date()?;
    state.apply_meridian()?;
    if overflows_day(&state.decoder.parts) {
        return Err(FieldError::Overflow);
    }
    if state.known & fields::TIME != fields::TIME {
        return Err(FieldError::BadFormat);
    }
    let has_date = state.known & fields::DATE == fields::DATE;
    if matches!(&state.named_zone, NamedZone::Rules(zone) if !Zone::is_fixed(zone) && !has_date) {
        return Err(FieldError::BadFormat);
    }
    Ok(state.decoder.parts)
}
