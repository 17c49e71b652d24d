//! Where a function's log lines go.
//!
//! A line that is too long is cut; a log that nobody reads loses its oldest lines. Writing one
//! allocates nothing, so it works when the heap is full.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use vireo_abi::log_ring::{Level, TEXT_SIZE_MAX, Writer};

/// Where a function's log lines go.
pub enum Log {
    /// Nowhere.
    Discard,
    /// Into the log ring that the hypervisor reads.
    Ring {
        /// The function's end of the ring.
        writer: Writer,
        /// Where a line is put together.
        line: Box<Line>,
    },
    /// Into memory: tests and simulations.
    Lines(Vec<(Level, String)>),
}

impl Log {
    /// A log into a ring.
    pub fn ring(writer: Writer) -> Log {
        Log::Ring {
            writer,
            line: Box::new(Line::new()),
        }
    }

    /// Appends a line.
    pub fn write(&mut self, level: Level, message: fmt::Arguments<'_>) {
        match self {
            Log::Discard => {}
            Log::Ring { writer, line } => {
                line.clear();
                // A line never fails; a `Display` of the caller's may, and ends the line there.
                let _ = line.write_fmt(message);
                writer.write(level, line.as_str());
            }
            Log::Lines(lines) => lines.push((level, alloc::fmt::format(message))),
        }
    }
}

/// A string of bounded size: what does not fit is cut at a character.
pub struct Line<const SIZE: usize = TEXT_SIZE_MAX> {
    bytes: [u8; SIZE],
    length: usize,
}

impl<const SIZE: usize> Line<SIZE> {
    /// An empty line.
    pub const fn new() -> Line<SIZE> {
        Line {
            bytes: [0; SIZE],
            length: 0,
        }
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).expect("only whole characters are written")
    }
}

impl<const SIZE: usize> Default for Line<SIZE> {
    fn default() -> Self {
        Line::new()
    }
}

impl<const SIZE: usize> Write for Line<SIZE> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SIZE - self.length;
        let length = text.floor_char_boundary(room);
        self.bytes[self.length..][..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length += length;
        if length < text.len() {
            // Nothing behind a gap.
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_line_is_cut_at_a_character() {
        let mut line = Line::<8>::new();
        line.write_str("abc").unwrap();
        line.write_str("déf").unwrap();
        assert_eq!(line.as_str(), "abcdéf");
        assert!(line.write_str("élater").is_err());
        assert_eq!(line.as_str(), "abcdéf");
        line.clear();
        assert!(line.write_str("123456789").is_err());
        assert_eq!(line.as_str(), "12345678");
    }

    #[test]
    fn lines_are_collected_in_memory() {
        let mut log = Log::Lines(vec![]);
        log.write(Level::Warn, format_args!("{} of {}", 1, 2));
        let Log::Lines(lines) = log else {
            panic!("the log changed its kind");
        };
        assert_eq!(lines, [(Level::Warn, String::from("1 of 2"))]);
    }
}
