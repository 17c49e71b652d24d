//! The shell's own commands: `\d`, `\timing` and the like.

use super::print::Shell;
use super::table::Table;
use crate::{Connection, Error, Event};
use std::io::{BufReader, Write};
use tokio::io::{AsyncRead, AsyncWrite};

const HELP: &str = "\
  \\?              this help
  \\d              list tables
  \\d NAME         describe a table
  \\dt             list tables
  \\i FILE         run the statements in a file
  \\timing [on|off] show how long each statement took
  \\x [on|off]     a line a value
  \\t [on|off]     rows only, no header and count
  \\pset null TEXT what stands for NULL
  \\echo TEXT      print text
  \\conninfo       what this shell is connected to
  \\q              quit
";

/// Runs a command. False: the shell is to end.
pub(super) async fn run<S, O, E>(shell: &mut Shell<S, O, E>, command: &str) -> Result<bool, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let command = command.trim_end_matches(';').trim();
    let (name, argument) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let argument = argument.trim();
    match name {
        "q" | "quit" => return Ok(false),
        "?" | "help" => shell.out.write_all(HELP.as_bytes())?,
        "timing" => {
            shell.options.timing = switch(shell.options.timing, argument);
            say_switch(shell, "Timing is", shell.options.timing)?;
        }
        "x" => {
            shell.options.expanded = switch(shell.options.expanded, argument);
            say_switch(shell, "Expanded display is", shell.options.expanded)?;
        }
        "t" => {
            shell.options.tuples_only = switch(shell.options.tuples_only, argument);
            say_switch(shell, "Tuples only is", shell.options.tuples_only)?;
        }
        "pset" => match argument.split_once(char::is_whitespace) {
            Some(("null", text)) => {
                shell.options.null = text.trim().trim_matches('\'').to_string();
            }
            _ => fail(shell, "\\pset knows only: null TEXT")?,
        },
        "echo" => writeln!(shell.out, "{argument}")?,
        "d" if !argument.is_empty() => describe(shell, argument).await?,
        "d" | "dt" => list_tables(shell).await?,
        "i" => return include(shell, argument).await,
        "conninfo" => {
            let version = shell
                .connection
                .parameter("server_version")
                .unwrap_or("?")
                .to_string();
            let process = shell.connection.process().0;
            writeln!(
                shell.out,
                "Connected to server version {version}, process {process}."
            )?;
        }
        _ => fail(
            shell,
            &format!("invalid command \\{name}. Try \\? for help."),
        )?,
    }
    shell.out.flush()?;
    Ok(true)
}

fn switch(now: bool, argument: &str) -> bool {
    match argument {
        "on" => true,
        "off" => false,
        _ => !now,
    }
}

fn say_switch<S, O: Write, E>(
    shell: &mut Shell<S, O, E>,
    what: &str,
    is_on: bool,
) -> Result<(), Error> {
    writeln!(shell.out, "{what} {}.", if is_on { "on" } else { "off" })?;
    Ok(())
}

fn fail<S, O, E: Write>(shell: &mut Shell<S, O, E>, message: &str) -> Result<(), Error> {
    shell.has_failed = true;
    writeln!(shell.errors, "{message}")?;
    Ok(())
}

async fn include<S, O, E>(shell: &mut Shell<S, O, E>, path: &str) -> Result<bool, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) => {
            fail(shell, &format!("{path}: {error}"))?;
            return Ok(true);
        }
    };
    // A file may include files.
    Box::pin(shell.run(&mut BufReader::new(file))).await?;
    Ok(true)
}

/// The rows of a query of the shell's own, or none when it failed (which is reported).
async fn rows<S, O, E>(
    shell: &mut Shell<S, O, E>,
    sql: &str,
) -> Result<Option<Vec<Vec<Option<String>>>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let connection: &mut Connection<S> = &mut shell.connection;
    connection.query(sql).await?;
    let mut rows = Some(Vec::new());
    loop {
        match shell.connection.next().await? {
            Event::Row(values) => {
                if let Some(rows) = &mut rows {
                    let text = |v: bytes::Bytes| String::from_utf8_lossy(&v).into_owned();
                    rows.push(values.into_iter().map(|v| v.map(text)).collect());
                }
            }
            Event::Failed(error) => {
                shell.has_failed = true;
                shell.report(&error, "")?;
                rows = None;
            }
            Event::Ready(status) => {
                shell.status = status;
                return Ok(rows);
            }
            _ => {}
        }
    }
}

async fn list_tables<S, O, E>(shell: &mut Shell<S, O, E>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let sql = "SELECT table_schema, table_name FROM information_schema.tables \
               WHERE table_schema = 'public' ORDER BY 1, 2";
    let Some(found) = rows(shell, sql).await? else {
        return Ok(());
    };
    if found.is_empty() {
        writeln!(shell.errors, "Did not find any relations.")?;
        return Ok(());
    }
    writeln!(shell.out, "List of relations")?;
    let table = Table {
        names: ["Schema", "Name", "Type"].map(String::from).to_vec(),
        right: vec![false; 3],
        rows: found
            .into_iter()
            .map(|mut row| {
                row.push(Some("table".to_string()));
                row
            })
            .collect(),
    };
    shell.table(&table)
}

/// A name as it is written in SQL, folded as SQL folds it: the schema ("public" unless given) and the relation.
fn relation(name: &str) -> (String, String) {
    let mut schema = None;
    let mut part = String::new();
    let mut is_quoted = false;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => part.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted && schema.is_none() => schema = Some(std::mem::take(&mut part)),
            c if is_quoted => part.push(c),
            c => part.extend(c.to_lowercase()),
        }
    }
    (schema.unwrap_or_else(|| "public".to_string()), part)
}

/// A string as SQL's literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn describe<S, O, E>(shell: &mut Shell<S, O, E>, name: &str) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let (schema, table) = relation(name);
    let (of_schema, of_table) = (literal(&schema), literal(&table));
    let sql = format!(
        "SELECT c.column_name, c.data_type, c.character_maximum_length, c.numeric_precision, \
         c.numeric_scale, c.datetime_precision, c.is_nullable, c.column_default, t.table_type \
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
         WHERE table_schema = {of_schema} AND table_name = {of_table} ORDER BY c.ordinal_position"
    );
    let Some(columns) = rows(shell, &sql).await? else {
        return Ok(());
    };
    let Some(first) = columns.first() else {
        return fail(
            shell,
            &format!("Did not find any relation named \"{name}\"."),
        );
    };
    let what = match first.get(8).and_then(Option::as_deref) {
        Some("VIEW") => "View",
        _ => "Table",
    };
    writeln!(shell.out, "{what} \"{schema}.{table}\"")?;
    let shown = Table {
        names: ["Column", "Type", "Nullable", "Default"]
            .map(String::from)
            .to_vec(),
        right: vec![false; 4],
        rows: columns.iter().map(|row| describe_column(row)).collect(),
    };
    shell.table(&shown)?;
    list_keys(shell, &of_schema, &of_table).await
}

/// The keys of a table whose schema and name come as literals.
async fn list_keys<S, O, E>(
    shell: &mut Shell<S, O, E>,
    schema: &str,
    table: &str,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let sql = format!(
        "SELECT constraint_name, c.constraint_type, k.column_name \
         FROM information_schema.table_constraints c \
         JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name) \
         WHERE c.table_schema = {schema} AND c.table_name = {table} ORDER BY 2, 1, k.ordinal_position"
    );
    let mut keys: Vec<(String, String, Vec<String>)> = Vec::new();
    for row in rows(shell, &sql).await?.unwrap_or_default() {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let (name, kind, column) = (next(), next(), next());
        match keys.last_mut() {
            Some((last, _, columns)) if *last == name => columns.push(column),
            _ => keys.push((name, kind, vec![column])),
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    writeln!(shell.out, "Indexes:")?;
    for (name, kind, columns) in keys {
        let kind = match kind.as_str() {
            "UNIQUE" => "UNIQUE CONSTRAINT",
            other => other,
        };
        let columns = columns.join(", ");
        writeln!(shell.out, "    \"{name}\" {kind}, btree ({columns})")?;
    }
    writeln!(shell.out)?;
    Ok(())
}

/// A row of `information_schema.columns` as `\d` shows it.
fn describe_column(row: &[Option<String>]) -> Vec<Option<String>> {
    let get = |i: usize| row.get(i).and_then(Option::as_deref);
    let name = get(1).unwrap_or_default();
    let shown = match (get(2), get(3), get(4), get(5)) {
        (Some(length), ..) => format!("{name}({length})"),
        (_, Some(precision), Some(scale), _) if name == "numeric" => {
            format!("{name}({precision},{scale})")
        }
        // Six digits are what there is without a modifier.
        (.., Some(digits)) if digits != "6" && name.starts_with("time") => {
            let (word, rest) = name.split_once(' ').unwrap_or((name, ""));
            format!("{word}({digits}) {rest}")
        }
        _ => name.to_string(),
    };
    let nullable = match get(6) {
        Some("NO") => "not null",
        _ => "",
    };
    vec![
        get(0).map(String::from),
        Some(shown),
        Some(nullable.to_string()),
        Some(get(7).unwrap_or_default().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::relation;

    #[test]
    fn names_are_folded_as_sql_folds_them() {
        let check = |name, schema: &str, table: &str| {
            assert_eq!(relation(name), (schema.to_string(), table.to_string()));
        };
        check("item", "public", "item");
        check("Item", "public", "item");
        check("\"Item\"", "public", "Item");
        check("public.item", "public", "item");
        check("information_schema.Tables", "information_schema", "tables");
        check("\"a.b\".\"c\"\"d\"", "a.b", "c\"d");
    }
}
