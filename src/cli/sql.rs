//! `vireo sql`: the shell, on an embedded database or on a server.

use super::embedded::FunctionArguments;
use super::signals::{Guarded, OnInterrupt};
use clap::{ArgMatches, Args};
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Stderr, Stdout, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use vireo_client::shell::{self, Input, Interactive, Shell};
use vireo_client::{Connection, Url};
use vireodb::Database;

/// How long the banner waits for the functions.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The number of a CancelRequest.
const CANCEL: i32 = 80_877_102;

/// What `vireo sql` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The database's directory; a temporary one unless given.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// A server instead of an embedded database.
    #[arg(long, value_name = "postgres://…", conflicts_with_all = ["isolation", "topology", "pool"])]
    url: Option<String>,
    /// Run this and end; may be given several times.
    #[arg(short, long, value_name = "SQL")]
    command: Vec<String>,
    /// Run this file ("-" is standard input) and end; may be given several times.
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Rows only, no header and count.
    #[arg(short, long)]
    tuples_only: bool,
    /// A line a value.
    #[arg(short = 'x', long)]
    expanded: bool,
    /// No command tags.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    functions: FunctionArguments,
}

/// What to run, in the order of the command line.
enum Script {
    Text(String),
    File(PathBuf),
    /// Standard input that is no terminal.
    Input,
    Terminal,
}

/// Runs the shell: status 1 if a statement failed.
///
/// # Errors
/// If the database cannot be opened or the connection is lost.
pub fn run(mut arguments: Arguments, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let scripts = scripts(&mut arguments, matches);
    if let Some(url) = &arguments.url {
        let url = Url::parse(url)?;
        return runtime.block_on(on_server(&arguments, scripts, &url));
    }
    let options = arguments.functions.options(arguments.data.clone())?;
    let database = Database::open(options)?;
    let is_interactive = matches!(scripts[..], [Script::Terminal]);
    if is_interactive {
        banner(&database, &mut io::stdout())?;
        writeln!(io::stdout(), "Type \\? for help, \\q to quit.\n")?;
    } else if io::stderr().is_terminal() {
        banner(&database, &mut io::stderr())?;
    }
    let stream = database.connect_stream()?;
    let guarded = Guarded::new(Some(database));
    let result = runtime.block_on(async {
        let connection = Connection::open(stream, "postgres", "postgres").await?;
        let cancel = is_interactive.then(|| cancel_local(&guarded, connection.process()));
        guarded.end_on_signals(cancel)?;
        run_scripts(&arguments, scripts, connection, "postgres").await
    });
    guarded.close()?;
    result
}

async fn on_server(
    arguments: &Arguments,
    scripts: Vec<Script>,
    url: &Url,
) -> anyhow::Result<ExitCode> {
    if url.host.starts_with('/') {
        let socket = format!("{}/.s.PGSQL.{}", url.host, url.port);
        let stream = UnixStream::connect(&socket).await;
        let stream = stream.map_err(|e| anyhow::anyhow!("cannot connect to {socket}: {e}"))?;
        let connection = Connection::open(stream, &url.user, &url.database).await?;
        return run_scripts(arguments, scripts, connection, &url.database).await;
    }
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await;
    let stream =
        stream.map_err(|e| anyhow::anyhow!("cannot connect to {}:{}: {e}", url.host, url.port))?;
    stream.set_nodelay(true)?;
    let connection = Connection::open(stream, &url.user, &url.database).await?;
    if matches!(scripts[..], [Script::Terminal]) {
        let (url, process) = (url.clone(), connection.process());
        let cancel = move || {
            // If the server cannot be reached, the statement's own connection will say so.
            if let Ok(mut stream) = std::net::TcpStream::connect((url.host.as_str(), url.port)) {
                drop(stream.write_all(&cancel_request(process)));
            }
        };
        Guarded::new(None).end_on_signals(Some(Box::new(cancel)))?;
    }
    run_scripts(arguments, scripts, connection, &url.database).await
}

/// What there is to run.
fn scripts(arguments: &mut Arguments, matches: &ArgMatches) -> Vec<Script> {
    let places = |name: &str| -> Vec<usize> {
        matches
            .indices_of(name)
            .map(Iterator::collect)
            .unwrap_or_default()
    };
    let texts = std::mem::take(&mut arguments.command)
        .into_iter()
        .map(Script::Text);
    let files = std::mem::take(&mut arguments.file)
        .into_iter()
        .map(Script::File);
    let mut scripts: Vec<(usize, Script)> = places("command").into_iter().zip(texts).collect();
    scripts.extend(places("file").into_iter().zip(files));
    scripts.sort_by_key(|(place, _)| *place);
    if scripts.is_empty() {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        return vec![if is_terminal {
            Script::Terminal
        } else {
            Script::Input
        }];
    }
    scripts.into_iter().map(|(_, script)| script).collect()
}

async fn run_scripts<S: AsyncRead + AsyncWrite + Unpin>(
    arguments: &Arguments,
    scripts: Vec<Script>,
    connection: Connection<S>,
    database: &str,
) -> anyhow::Result<ExitCode> {
    let options = shell::Options {
        tuples_only: arguments.tuples_only,
        expanded: arguments.expanded,
        quiet: arguments.quiet,
        ..shell::Options::default()
    };
    let mut shell = Shell::new(connection, io::stdout(), io::stderr(), options);
    let mut is_interactive = false;
    for script in scripts {
        is_interactive = matches!(script, Script::Terminal);
        run_script(&mut shell, script, database).await?;
    }
    let has_failed = shell.has_failed() && !is_interactive;
    shell.into_connection().close().await?;
    Ok(if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn run_script<S: AsyncRead + AsyncWrite + Unpin>(
    shell: &mut Shell<S, Stdout, Stderr>,
    script: Script,
    database: &str,
) -> anyhow::Result<()> {
    match script {
        // As psql: a command of the shell's, or SQL that is sent as one.
        Script::Text(text) => {
            let mut input = io::stdin().lock();
            match text.trim_start().strip_prefix('\\') {
                Some(command) => {
                    let command = Input::Command(command.trim().to_owned());
                    shell.input(command, &mut input).await?;
                }
                None => shell.statement(&text, &mut input).await?,
            }
        }
        Script::File(path) if path.as_os_str() == "-" => {
            shell.run(&mut io::stdin().lock()).await?;
        }
        Script::File(path) => {
            let file = File::open(&path);
            let file = file.map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
            shell.run(&mut BufReader::new(file)).await?;
        }
        Script::Input => shell.run(&mut io::stdin().lock()).await?,
        Script::Terminal => {
            let settings = Interactive {
                name: database.to_owned(),
                history: history(),
            };
            shell::interact(shell, &settings).await?;
        }
    }
    Ok(())
}

/// Where lines are remembered.
fn history() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".vireo_history"))
}

/// Says what the shell runs on.
fn banner(database: &Database, out: &mut dyn Write) -> anyhow::Result<()> {
    database.wait_ready(READY_LIMIT)?;
    let kept = match database.temporary_directory() {
        Some(_) => "a temporary database, gone when this ends (--data DIR keeps one)",
        None => "an embedded database",
    };
    writeln!(out, "vireo {}, {kept}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "functions: {}", database.boot_report())?;
    Ok(())
}

/// Cancels the statement of an embedded session.
fn cancel_local(guarded: &Guarded, process: (i32, i32)) -> OnInterrupt {
    let guarded = guarded.clone();
    Box::new(move || {
        let Ok(mut stream) = guarded.with(Database::connect_stream) else {
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        if let Ok(runtime) = runtime {
            // A session that is gone needs no cancel.
            drop(runtime.block_on(stream.write_all(&cancel_request(process))));
        }
    })
}

fn cancel_request((process, secret): (i32, i32)) -> [u8; 16] {
    let mut request = [0; 16];
    let words = [16, CANCEL, process, secret];
    for (bytes, word) in request.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_request_is_postgresqls() {
        let expected = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7, 255, 255, 255, 255];
        assert_eq!(cancel_request((7, -1)), expected);
    }
}
