//! `boolean` from text.

use super::errors::invalid_input;
use super::integer::trim_spaces;
use vireo_abi::message::error::SqlResult;

/// Any beginning of `true`, `false`, `yes`, `no` that is not shared, `on`, `off`, `1`, `0`; case does not matter.
pub(crate) fn parse(text: &str) -> SqlResult<bool> {
    let word = trim_spaces(text);
    let begins = |whole: &str, least: usize| {
        word.len() >= least
            && word.len() <= whole.len()
            && whole.as_bytes()[..word.len()].eq_ignore_ascii_case(word.as_bytes())
    };
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_input("boolean", text))
    }
}
