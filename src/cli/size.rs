//! Sizes of memory on the command line: "256MiB", "1GiB".

/// A size in MiB, from a number with `MiB` or `GiB` behind it.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn mib(text: &str) -> Result<u64, String> {
    let (number, factor) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 1024),
        _ => return Err("a size ends with MiB or GiB".into()),
    };
    let number: u64 = number
        .trim()
        .parse()
        .map_err(|_| format!("\"{number}\" is not a number"))?;
    let mib = number.checked_mul(factor).ok_or("too large")?;
    if mib == 0 || !mib.is_multiple_of(2) {
        return Err("it must be an even number of MiB".into());
    }
    Ok(mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(mib("256MiB"), Ok(256));
        assert_eq!(mib("2 GiB"), Ok(2048));
        for bad in [
            "256",
            "3MiB",
            "0MiB",
            "-2MiB",
            "xGiB",
            "99999999999999999999MiB",
        ] {
            assert!(mib(bad).is_err(), "{bad}");
        }
    }
}
