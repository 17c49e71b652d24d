//! What happened, as lines: always their hash, the text where it is wanted.

use std::fmt::{Arguments, Write};

/// The trace of a run. Two runs of a seed have the same hash and the same text.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: u64,
    line: String,
    text: Option<String>,
}

impl Trace {
    pub fn new(keeps_text: bool) -> Trace {
        Trace {
            hash: hash(b""),
            lines: 0,
            line: String::new(),
            text: keeps_text.then(String::new),
        }
    }

    /// Adds a line. `now_ns` is the simulated time.
    pub fn note(&mut self, now_ns: u64, what: Arguments<'_>) {
        self.line.clear();
        writeln!(self.line, "{:>12} {what}", now_ns / 1000).expect("a string takes all");
        self.hash = hash_on(self.hash, self.line.as_bytes());
        self.lines += 1;
        if let Some(text) = &mut self.text {
            text.push_str(&self.line);
        }
    }

    /// Adds to the text alone what is too long for every run.
    pub fn detail(&mut self, what: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            text.push_str("             . ");
            text.push_str(&what());
            text.push('\n');
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("")
    }
}

/// A run that fails leaves its text in the file that is wished for.
impl Drop for Trace {
    fn drop(&mut self) {
        if let (true, Some(text)) = (std::thread::panicking(), &self.text) {
            write_out(text);
        }
    }
}

/// Writes a text to the file of `VIREO_SIM_TRACE`, if there is one.
pub fn write_out(text: &str) {
    if let Some(path) = std::env::var_os("VIREO_SIM_TRACE")
        && let Err(error) = std::fs::write(&path, text)
    {
        eprintln!("cannot write the trace to {}: {error}", path.display());
    }
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    hash_on(0xCBF2_9CE4_8422_2325, bytes)
}

fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    })
}
