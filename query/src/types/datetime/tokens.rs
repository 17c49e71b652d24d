//! The words of dates, times and intervals.

/// A unit of time, as the words of intervals and `extract` name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
    Dow,
    Isodow,
    Doy,
    Isoyear,
    Epoch,
    Julian,
    /// The "t" of ISO 8601: a time follows.
    Time,
}

/// Before or after noon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AmPm {
    Am,
    Pm,
    Hours24,
}

/// A word of a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    NegInfinity,
    Infinity,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    /// `allballs`: midnight UTC.
    Zulu,
    Month(i32),
    Weekday,
    /// `bc` (true) or `ad`.
    Era(bool),
    Meridian(AmPm),
    Unit(Unit),
    /// `t`
    IsoTime,
    /// `dst`
    DaylightSaving,
    Ignored,
}

/// Sorted.
const DATE_TOKENS: &[(&str, Token)] = &[
    ("-infinity", Token::NegInfinity),
    ("ad", Token::Era(false)),
    ("allballs", Token::Zulu),
    ("am", Token::Meridian(AmPm::Am)),
    ("apr", Token::Month(4)),
    ("april", Token::Month(4)),
    ("at", Token::Ignored),
    ("aug", Token::Month(8)),
    ("august", Token::Month(8)),
    ("bc", Token::Era(true)),
    ("d", Token::Unit(Unit::Day)),
    ("dec", Token::Month(12)),
    ("december", Token::Month(12)),
    ("dow", Token::Unit(Unit::Dow)),
    ("doy", Token::Unit(Unit::Doy)),
    ("dst", Token::DaylightSaving),
    ("epoch", Token::Epoch),
    ("feb", Token::Month(2)),
    ("february", Token::Month(2)),
    ("fri", Token::Weekday),
    ("friday", Token::Weekday),
    ("h", Token::Unit(Unit::Hour)),
    ("infinity", Token::Infinity),
    ("isodow", Token::Unit(Unit::Isodow)),
    ("isoyear", Token::Unit(Unit::Isoyear)),
    ("j", Token::Unit(Unit::Julian)),
    ("jan", Token::Month(1)),
    ("january", Token::Month(1)),
    ("jd", Token::Unit(Unit::Julian)),
    ("jul", Token::Month(7)),
    ("julian", Token::Unit(Unit::Julian)),
    ("july", Token::Month(7)),
    ("jun", Token::Month(6)),
    ("june", Token::Month(6)),
    ("m", Token::Unit(Unit::Month)),
    ("mar", Token::Month(3)),
    ("march", Token::Month(3)),
    ("may", Token::Month(5)),
    ("mm", Token::Unit(Unit::Minute)),
    ("mon", Token::Weekday),
    ("monday", Token::Weekday),
    ("nov", Token::Month(11)),
    ("november", Token::Month(11)),
    ("now", Token::Now),
    ("oct", Token::Month(10)),
    ("october", Token::Month(10)),
    ("on", Token::Ignored),
    ("pm", Token::Meridian(AmPm::Pm)),
    ("s", Token::Unit(Unit::Second)),
    ("sat", Token::Weekday),
    ("saturday", Token::Weekday),
    ("sep", Token::Month(9)),
    ("sept", Token::Month(9)),
    ("september", Token::Month(9)),
    ("sun", Token::Weekday),
    ("sunday", Token::Weekday),
    ("t", Token::IsoTime),
    ("thu", Token::Weekday),
    ("thur", Token::Weekday),
    ("thurs", Token::Weekday),
    ("thursday", Token::Weekday),
    ("today", Token::Today),
    ("tomorrow", Token::Tomorrow),
    ("tue", Token::Weekday),
    ("tues", Token::Weekday),
    ("tuesday", Token::Weekday),
    ("wed", Token::Weekday),
    ("wednesday", Token::Weekday),
    ("weds", Token::Weekday),
    ("y", Token::Unit(Unit::Year)),
    ("yesterday", Token::Yesterday),
];

/// What the units' words mean; `None` is `ago`. Sorted.
const UNIT_TOKENS: &[(&str, Option<Unit>)] = &[
    ("ago", None),
    ("c", Some(Unit::Century)),
    ("cent", Some(Unit::Century)),
    ("centuries", Some(Unit::Century)),
    ("century", Some(Unit::Century)),
    ("d", Some(Unit::Day)),
    ("day", Some(Unit::Day)),
    ("days", Some(Unit::Day)),
    ("dec", Some(Unit::Decade)),
    ("decade", Some(Unit::Decade)),
    ("decades", Some(Unit::Decade)),
    ("decs", Some(Unit::Decade)),
    ("h", Some(Unit::Hour)),
    ("hour", Some(Unit::Hour)),
    ("hours", Some(Unit::Hour)),
    ("hr", Some(Unit::Hour)),
    ("hrs", Some(Unit::Hour)),
    ("m", Some(Unit::Minute)),
    ("microsecon", Some(Unit::Microsecond)),
    ("mil", Some(Unit::Millennium)),
    ("millennia", Some(Unit::Millennium)),
    ("millennium", Some(Unit::Millennium)),
    ("millisecon", Some(Unit::Millisecond)),
    ("mils", Some(Unit::Millennium)),
    ("min", Some(Unit::Minute)),
    ("mins", Some(Unit::Minute)),
    ("minute", Some(Unit::Minute)),
    ("minutes", Some(Unit::Minute)),
    ("mon", Some(Unit::Month)),
    ("mons", Some(Unit::Month)),
    ("month", Some(Unit::Month)),
    ("months", Some(Unit::Month)),
    ("ms", Some(Unit::Millisecond)),
    ("msec", Some(Unit::Millisecond)),
    ("mseconds", Some(Unit::Millisecond)),
    ("msecs", Some(Unit::Millisecond)),
    ("qtr", Some(Unit::Quarter)),
    ("quarter", Some(Unit::Quarter)),
    ("s", Some(Unit::Second)),
    ("sec", Some(Unit::Second)),
    ("second", Some(Unit::Second)),
    ("seconds", Some(Unit::Second)),
    ("secs", Some(Unit::Second)),
    ("timezone", Some(Unit::Timezone)),
    ("timezone_h", Some(Unit::TimezoneHour)),
    ("timezone_m", Some(Unit::TimezoneMinute)),
    ("us", Some(Unit::Microsecond)),
    ("usec", Some(Unit::Microsecond)),
    ("usecond", Some(Unit::Microsecond)),
    ("useconds", Some(Unit::Microsecond)),
    ("usecs", Some(Unit::Microsecond)),
    ("w", Some(Unit::Week)),
    ("week", Some(Unit::Week)),
    ("weeks", Some(Unit::Week)),
    ("y", Some(Unit::Year)),
    ("year", Some(Unit::Year)),
    ("years", Some(Unit::Year)),
    ("yr", Some(Unit::Year)),
    ("yrs", Some(Unit::Year)),
];

/// PostgreSQL looks at this many characters of a word.
const LENGTH_MAX: usize = 10;

fn cut(word: &str) -> &str {
    word.get(..LENGTH_MAX).unwrap_or(word)
}

/// A word of a date, in small letters.
pub(crate) fn date_token(word: &str) -> Option<Token> {
    let at = DATE_TOKENS
        .binary_search_by(|(w, _)| (*w).cmp(cut(word)))
        .ok()?;
    Some(DATE_TOKENS[at].1)
}

/// A unit's word, in small letters; `Some(None)` is `ago`.
pub(crate) fn unit_token(word: &str) -> Option<Option<Unit>> {
    let at = UNIT_TOKENS
        .binary_search_by(|(w, _)| (*w).cmp(cut(word)))
        .ok()?;
    Some(UNIT_TOKENS[at].1)
}

/// A field's name for `extract`, `date_trunc` and the like, in small letters.
pub(crate) fn extract_unit(word: &str) -> Option<Unit> {
    match unit_token(word) {
        Some(unit) => unit,
        None => match date_token(word)? {
            Token::Unit(unit) => Some(unit),
            Token::Epoch => Some(Unit::Epoch),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(DATE_TOKENS.is_sorted_by_key(|(w, _)| *w));
        assert!(UNIT_TOKENS.is_sorted_by_key(|(w, _)| *w));
    }
}
