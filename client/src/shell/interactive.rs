//! The shell at a terminal: line editing, history, prompts that say what is open, Ctrl-C that forgets the line.

use super::print::Shell;
use super::split::Splitter;
use crate::Error;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use std::io::{BufReader, Write};
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};

/// What the shell at a terminal needs to know.
#[derive(Clone, Debug)]
pub struct Interactive {
    /// The name in the prompt: the database.
    pub name: String,
    /// Where lines are remembered; none: nowhere.
    pub history: Option<PathBuf>,
}

/// Reads statements from the terminal until `\q` or Ctrl-D.
///
/// # Errors
/// When the connection is lost or the terminal fails.
pub async fn interact<S, O, E>(
    shell: &mut Shell<S, O, E>,
    settings: &Interactive,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Write,
    E: Write,
{
    let terminal = |error: ReadlineError| Error::Io(std::io::Error::other(error));
    let config = Config::builder().auto_add_history(true).build();
    let mut editor: Editor<(), FileHistory> = Editor::with_config(config).map_err(terminal)?;
    if let Some(history) = &settings.history {
        // A history that is not there yet, or cannot be read, is an empty one.
        drop(editor.load_history(history));
    }
    let mut splitter = Splitter::default();
    'lines: loop {
        let block = match shell.status {
            b'T' => "*",
            b'E' => "!",
            _ => "",
        };
        let prompt = format!("{}{}{block}# ", settings.name, splitter.prompt_mark());
        match editor.readline(&prompt) {
            Ok(line) => {
                for input in splitter.line(&line) {
                    // COPY FROM STDIN reads its data from the terminal, unedited.
                    let mut data = BufReader::new(std::io::stdin());
                    if !shell.input(input, &mut data).await? {
                        break 'lines;
                    }
                }
            }
            Err(ReadlineError::Interrupted) => splitter.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(history) = &settings.history {
        // Not being able to remember is no reason to fail.
        drop(editor.save_history(history));
    }
    Ok(())
}
