//! `postgres://user@host:port/database`.

use crate::Error;

/// Where a server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// User; `postgres` unless given.
    pub user: String,
    /// Host name, address, or the directory of a Unix socket.
    pub host: String,
    /// Port; 5432 unless given.
    pub port: u16,
    /// Database; `postgres` unless given.
    pub database: String,
}

impl Url {
    /// Reads a URL. Percent signs stand for bytes in host (`%2Ftmp`) and names.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn parse(url: &str) -> Result<Url, Error> {
        let bad = |why| Error::Url {
            url: url.to_string(),
            why,
        };
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| bad("it must begin with postgres://"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.split('?').next().unwrap_or("");
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (user.split(':').next().unwrap_or(""), address),
            None => ("", authority),
        };
        let (host, port) = match address.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']').ok_or_else(|| bad("unclosed ["))?;
                (host, after.strip_prefix(':'))
            }
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| bad("the port is not a number"))?,
            None => 5432,
        };
        let or = |value: &str, default: &str| {
            decode(if value.is_empty() { default } else { value }).ok_or_else(|| bad("bad escape"))
        };
        Ok(Url {
            user: or(user, "postgres")?,
            host: or(host, "localhost")?,
            port,
            database: or(path, "postgres")?,
        })
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, user: &str, host: &str, port: u16, database: &str) {
        let expected = Url {
            user: user.into(),
            host: host.into(),
            port,
            database: database.into(),
        };
        assert_eq!(Url::parse(url).expect("a good URL"), expected);
    }

    #[test]
    fn parts_and_defaults() {
        check("postgres://", "postgres", "localhost", 5432, "postgres");
        check("postgresql://me@db:1/x?a=b", "me", "db", 1, "x");
        check("postgres://[::1]:5433", "postgres", "::1", 5433, "postgres");
        check("postgres://%2Ftmp/d%20b", "postgres", "/tmp", 5432, "d b");
        assert!(Url::parse("http://x").is_err());
        assert!(Url::parse("postgres://x:y").is_err());
    }
}
