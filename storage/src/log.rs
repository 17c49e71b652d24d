//! Writing the log: one open frame that collects records, one frame on its way to the device, one flush.
//!
//! ```text
//!  push ──▶ open ──seal──▶ writing ──all pieces done──▶ written ──flush done──▶ flushed
//!                               └──────all durable pieces done────────────────────▲
//! ```
//!
//! A frame that someone waits for goes out in durable writes, if all before it is flushed: one trip to the device instead
//! of two.
//!
//! Invariants:
//! 1. Frames are written one after the other: a frame's pieces are submitted when the last frame's are done.
//! 2. `flushed` advances to where `written` was when the flush was submitted, never further.
//! 3. `end - oldest` never exceeds the circle: what recovery may need is not overwritten.
//!
//! Fails: a write that finds no space is tried again (nothing of it was acknowledged); any other failure is the
//! engine's end ([`LogFailure`]): what is on the device is unknown from then on.

use crate::block::{BlockDevice, BlockStatus, TRANSFER_SIZE_MAX, Ticket};
use crate::wal::{FrameBuilder, Record, pieces};
use alloc::vec::Vec;
use core::ops::Range;

/// Nanoseconds before a write that found no space is tried again.
const RETRY_NS: u64 = 50_000_000;

/// The log's device failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum LogFailure {
    #[error("could not write to the log")]
    Write,
    #[error("could not flush the log")]
    Flush,
}

type Piece = (u64, Range<usize>);

#[derive(Debug)]
struct Writing {
    bytes: Vec<u8>,
    end: u64,
    is_durable: bool,
    /// Pieces to submit, the first last.
    todo: Vec<Piece>,
    in_flight: Vec<(Ticket, Piece)>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Log {
    database: u64,
    circle: u64,
    open: FrameBuilder,
    end: u64,
    previous: u32,
    oldest: u64,
    writing: Option<Writing>,
    written: u64,
    flushing: Option<(Ticket, u64)>,
    flushed: u64,
    /// When to try again after the device had no space.
    retry_at: Option<u64>,
    /// Whether a frame waits for space: also while it is tried again.
    is_out_of_space: bool,
}

impl Log {
    /// A log that goes on at `end`, after the frame with checksum `previous`. All before is on the device.
    pub(crate) fn new(database: u64, circle: u64, end: u64, previous: u32, oldest: u64) -> Log {
        Log {
            database,
            circle,
            open: FrameBuilder::new(),
            end,
            previous,
            oldest,
            writing: None,
            written: end,
            flushing: None,
            flushed: end,
            retry_at: None,
            is_out_of_space: false,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    pub(crate) fn circle(&self) -> u64 {
        self.circle
    }

    pub(crate) fn open_size(&self) -> usize {
        self.open.size()
    }

    pub(crate) fn is_open_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether nothing is open, on its way, or not yet flushed.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.writing.is_none() && self.flushed == self.end
    }

    /// Whether the device had no space for a frame, which waits.
    pub(crate) fn is_out_of_space(&self) -> bool {
        self.is_out_of_space
    }

    /// Whether the open frame with `more` bytes would fit before `oldest`.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.end + (self.open.size() + more) as u64 <= self.oldest + self.circle
    }

    /// What recovery may need begins at `lsn` now.
    pub(crate) fn release_until(&mut self, lsn: u64) {
        self.oldest = self.oldest.max(lsn);
    }

    /// Appends a record to the open frame. False if there is no memory.
    #[must_use]
    pub(crate) fn push(&mut self, record: Record<'_>) -> bool {
        self.open.push(record)
    }

    /// Closes the open frame and begins to write it. Gives its end and checksum. `is_awaited`: someone waits for it to be
    /// durable.
    pub(crate) fn seal(&mut self, checkpoint: u64, is_awaited: bool) -> (u64, u32) {
        assert!(self.writing.is_none(), "one frame at a time");
        let frame = core::mem::replace(&mut self.open, FrameBuilder::new());
        let (bytes, checksum) = frame.seal(
            self.end,
            self.database,
            checkpoint,
            self.previous,
            self.flushed,
        );
        let mut todo: Vec<Piece> =
            pieces(self.end, bytes.len(), self.circle, TRANSFER_SIZE_MAX).collect();
        todo.reverse();
        self.end += bytes.len() as u64;
        assert!(
            self.end <= self.oldest + self.circle,
            "the log overwrites what is needed"
        );
        self.previous = checksum;
        self.writing = Some(Writing {
            bytes,
            end: self.end,
            is_durable: is_awaited && self.flushed == self.written,
            todo,
            in_flight: Vec::new(),
        });
        (self.end, checksum)
    }

    /// Submits what can be submitted. True if anything was.
    pub(crate) fn submit(&mut self, device: &mut dyn BlockDevice, now_ns: u64) -> bool {
        if let Some(at) = self.retry_at {
            if now_ns < at {
                return false;
            }
            self.retry_at = None;
        }
        let Some(writing) = &mut self.writing else {
            return false;
        };
        let mut worked = false;
        while let Some((offset, range)) = writing.todo.last() {
            let bytes = &writing.bytes[range.clone()];
            let ticket = if writing.is_durable {
                device.write_durable(*offset, bytes)
            } else {
                device.write(*offset, bytes)
            };
            let Some(ticket) = ticket else { break };
            worked = true;
            writing
                .in_flight
                .extend(writing.todo.pop().map(|piece| (ticket, piece)));
        }
        worked
    }

    /// Begins to flush what is written, if that is not so already. True if it did.
    pub(crate) fn flush(&mut self, device: &mut dyn BlockDevice) -> bool {
        if self.flushing.is_some() || self.flushed == self.written {
            return false;
        }
        self.flushing = device.flush().map(|ticket| (ticket, self.written));
        self.flushing.is_some()
    }

    /// Takes the device's completions. True if there were any.
    pub(crate) fn complete(
        &mut self,
        device: &mut dyn BlockDevice,
        now_ns: u64,
    ) -> Result<bool, LogFailure> {
        let mut worked = false;
        while let Some(completion) = device.complete() {
            worked = true;
            let (ticket, status) = (completion.ticket, completion.status);
            if let Some((flush, target)) = self.flushing
                && flush == ticket
            {
                if status != BlockStatus::Ok {
                    return Err(LogFailure::Flush);
                }
                self.flushing = None;
                self.flushed = target;
                continue;
            }
            let Some(writing) = &mut self.writing else {
                continue;
            };
            let Some(at) = writing.in_flight.iter().position(|(t, _)| *t == ticket) else {
                continue;
            };
            let (_, piece) = writing.in_flight.swap_remove(at);
            match status {
                BlockStatus::Ok => {}
                BlockStatus::NoSpace => {
                    writing.todo.push(piece);
                    self.retry_at = Some(now_ns + RETRY_NS);
                    self.is_out_of_space = true;
                }
                _ => return Err(LogFailure::Write),
            }
            if writing.todo.is_empty() && writing.in_flight.is_empty() {
                self.written = writing.end;
                if writing.is_durable {
                    self.flushed = writing.end;
                }
                self.writing = None;
                self.is_out_of_space = false;
            }
        }
        Ok(worked)
    }
}
