//! What statements return: values as text, as PostgreSQL would print them.

use bytes::Bytes;
use std::str;

/// The rows of one statement.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) type_oids: Vec<u32>,
    pub(crate) rows: Vec<Vec<Option<Bytes>>>,
}

impl Rows {
    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The columns' types, as PostgreSQL's OIDs.
    pub fn type_oids(&self) -> &[u32] {
        &self.type_oids
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A value. None: it is NULL, or there is no such row or column.
    pub fn get(&self, row: usize, column: usize) -> Option<&str> {
        // The session's encoding is UTF-8.
        text(self.rows.get(row)?.get(column)?)
    }

    /// The rows, each a list of values.
    pub fn iter(&self) -> impl Iterator<Item = Vec<Option<&str>>> {
        self.rows.iter().map(|row| row.iter().map(text).collect())
    }
}

fn text(value: &Option<Bytes>) -> Option<&str> {
    value
        .as_deref()
        .and_then(|bytes| str::from_utf8(bytes).ok())
}

/// What one statement gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResultSet {
    /// The command tag: "INSERT 0 2".
    pub tag: String,
    /// Its rows, if it is one that returns rows.
    pub rows: Option<Rows>,
}

impl ResultSet {
    /// How many rows the statement returned or changed, as its tag says.
    pub fn row_count(&self) -> u64 {
        let count = self.tag.rsplit(' ').next();
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_from_tags() {
        let check = |tag: &str, expected| {
            let tag = tag.to_owned();
            assert_eq!(ResultSet { tag, rows: None }.row_count(), expected);
        };
        check("INSERT 0 2", 2);
        check("SELECT 7", 7);
        check("CREATE TABLE", 0);
        check("", 0);
    }

    #[test]
    fn what_is_not_there_is_none() {
        let rows = Rows {
            columns: vec!["a".into()],
            type_oids: vec![25],
            rows: vec![vec![None], vec![Some(Bytes::from_static(b"x"))]],
        };
        assert_eq!((rows.get(0, 0), rows.get(1, 0)), (None, Some("x")));
        assert_eq!((rows.get(2, 0), rows.get(0, 1)), (None, None));
        assert_eq!(rows.iter().collect::<Vec<_>>(), [[None], [Some("x")]]);
    }
}
