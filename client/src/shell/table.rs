//! Results as psql prints them: aligned with `|` between columns, or expanded, a line a value.

use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// A result to print.
#[derive(Debug, Default)]
pub struct Table {
    /// Column names.
    pub names: Vec<String>,
    /// Whether a column's values stand on the right.
    pub right: Vec<bool>,
    /// Rows; none is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Whether values of a type stand on the right, by its OID: numbers do.
pub fn is_right_aligned(type_oid: u32) -> bool {
    matches!(type_oid, 20 | 21 | 23 | 26 | 700 | 701 | 790 | 1700)
}

/// The lines of a cell.
fn lines<'v>(value: &'v Option<String>, null: &'v str) -> Vec<&'v str> {
    value.as_deref().unwrap_or(null).split('\n').collect()
}

fn footer(rows: usize, out: &mut String) {
    let s = if rows == 1 { "" } else { "s" };
    out.push_str(&format!("({rows} row{s})\n\n"));
}

impl Table {
    /// Aligned, with a header and a count.
    pub fn aligned(&self, null: &str, tuples_only: bool, out: &mut String) {
        let cells: Vec<Vec<Vec<&str>>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|value| lines(value, null)).collect())
            .collect();
        let widths: Vec<usize> = (0..self.names.len())
            .map(|column| {
                let of_cells = cells
                    .iter()
                    .flat_map(|row| &row[column])
                    .map(|l| l.width())
                    .max();
                of_cells.unwrap_or(0).max(self.names[column].width())
            })
            .collect();
        if !tuples_only {
            self.header(&widths, out);
        }
        for row in &cells {
            let height = row.iter().map(Vec::len).max().unwrap_or(1);
            for line in 0..height {
                self.line(row, line, &widths, out);
            }
        }
        if tuples_only {
            out.push('\n');
        } else {
            footer(self.rows.len(), out);
        }
    }

    fn header(&self, widths: &[usize], out: &mut String) {
        for (column, (name, width)) in self.names.iter().zip(widths).enumerate() {
            if column > 0 {
                out.push('|');
            }
            let space = width - name.width();
            let before = space / 2;
            let after = if column + 1 == widths.len() {
                0
            } else {
                space - before + 1
            };
            let _ = write!(out, " {}{name}{}", " ".repeat(before), " ".repeat(after));
            if column + 1 == widths.len() {
                out.push_str(&" ".repeat(space - before + 1));
            }
        }
        out.push('\n');
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        out.push_str(&rules.join("+"));
        out.push('\n');
    }

    /// One line of a row; cells of several lines end each but the last with `+`.
    fn line(&self, row: &[Vec<&str>], line: usize, widths: &[usize], out: &mut String) {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if column > 0 {
                out.push('|');
            }
            let text = cell.get(line).copied().unwrap_or("");
            let more = line + 1 < cell.len();
            let space = " ".repeat(width - text.width());
            let is_last = column + 1 == widths.len();
            if self.right.get(column).copied().unwrap_or(false) {
                let _ = write!(out, " {space}{text}");
            } else if is_last && !more {
                let _ = write!(out, " {text}");
            } else {
                let _ = write!(out, " {text}{space}");
            }
            if more {
                out.push('+');
            } else if !is_last {
                out.push(' ');
            }
        }
        out.push('\n');
    }

    /// A line a value, a block a row.
    pub fn expanded(&self, null: &str, out: &mut String) {
        if self.rows.is_empty() {
            footer(0, out);
            return;
        }
        let name_width = self
            .names
            .iter()
            .map(|name| name.width())
            .max()
            .unwrap_or(0);
        let value_width = self
            .rows
            .iter()
            .flatten()
            .flat_map(|value| lines(value, null))
            .map(UnicodeWidthStr::width)
            .max()
            .unwrap_or(0);
        for (number, row) in self.rows.iter().enumerate() {
            let title = format!("-[ RECORD {} ]", number + 1);
            let rule = name_width + 1 + "-".len() + 1 + value_width;
            out.push_str(&title);
            for at in title.len()..rule.max(title.len()) {
                out.push(if at == name_width + 1 { '+' } else { '-' });
            }
            out.push('\n');
            for (name, value) in self.names.iter().zip(row) {
                for (line, text) in lines(value, null).into_iter().enumerate() {
                    let name = if line == 0 { name.as_str() } else { "" };
                    let space = " ".repeat(name_width - name.width());
                    let _ = writeln!(out, "{name}{space} | {text}");
                }
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str], right: &[bool], rows: &[&[Option<&str>]]) -> Table {
        Table {
            names: names.iter().map(|n| n.to_string()).collect(),
            right: right.to_vec(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(|v| v.map(str::to_string)).collect())
                .collect(),
        }
    }

    #[test]
    fn aligned_as_psql_does() {
        let mut out = String::new();
        table(
            &["id", "name"],
            &[true, false],
            &[&[Some("1"), Some("x")], &[Some("10"), None]],
        )
        .aligned("", false, &mut out);
        assert_eq!(
            out,
            " id | name \n----+------\n  1 | x\n 10 | \n(2 rows)\n\n"
        );
    }

    #[test]
    fn headers_are_centered_and_lines_go_on() {
        let mut out = String::new();
        table(&["a"], &[false], &[&[Some("long\nvalue")]]).aligned("", false, &mut out);
        assert_eq!(out, "   a   \n-------\n long +\n value\n(1 row)\n\n");
    }

    #[test]
    fn expanded_records() {
        let mut out = String::new();
        table(
            &["id", "name"],
            &[true, false],
            &[&[Some("1"), Some("xyz")]],
        )
        .expanded("", &mut out);
        assert_eq!(out, "-[ RECORD 1 ]\nid   | 1\nname | xyz\n\n");
    }
}
