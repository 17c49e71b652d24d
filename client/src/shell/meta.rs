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

async fn describe<S, O, E>(shell: &mut Shell<S, O, E>, name: &str) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let bare = name.strip_prefix("public.").unwrap_or(name);
    let folded = match bare.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => bare.to_lowercase(),
    };
    let literal = folded.replace('\'', "''");
    let sql = format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, \
         is_nullable, column_default FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = '{literal}' ORDER BY ordinal_position"
    );
    let Some(columns) = rows(shell, &sql).await? else {
        return Ok(());
    };
    if columns.is_empty() {
        return fail(
            shell,
            &format!("Did not find any relation named \"{name}\"."),
        );
    }
    writeln!(shell.out, "Table \"public.{folded}\"")?;
    let table = Table {
        names: ["Column", "Type", "Nullable", "Default"]
            .map(String::from)
            .to_vec(),
        right: vec![false; 4],
        rows: columns.into_iter().map(describe_column).collect(),
    };
    shell.table(&table)?;
    let sql = format!(
        "SELECT constraint_name, constraint_type FROM information_schema.table_constraints \
         WHERE table_schema = 'public' AND table_name = '{literal}' ORDER BY 2, 1"
    );
    let constraints = rows(shell, &sql).await?.unwrap_or_default();
    if !constraints.is_empty() {
        writeln!(shell.out, "Indexes:")?;
        for row in constraints {
            let text = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
            writeln!(shell.out, "    \"{}\" {}", text(0), text(1))?;
        }
        writeln!(shell.out)?;
    }
    Ok(())
}

/// A row of `information_schema.columns` as `\d` shows it.
fn describe_column(row: Vec<Option<String>>) -> Vec<Option<String>> {
    let get = |i: usize| row.get(i).cloned().flatten();
    let name = get(1).unwrap_or_default();
    let shown = match (get(2), get(3), get(4)) {
        (Some(length), _, _) => format!("{name}({length})"),
        (None, Some(precision), Some(scale)) if name == "numeric" => {
            format!("{name}({precision},{scale})")
        }
        _ => name,
    };
    let nullable = if get(5).as_deref() == Some("NO") {
        "not null"
    } else {
        ""
    };
    vec![
        get(0),
        Some(shown),
        Some(nullable.to_string()),
        Some(get(6).unwrap_or_default()),
    ]
}
