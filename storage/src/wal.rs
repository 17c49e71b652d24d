//! The log: its records and the frames that carry them.
//!
//! The log's device is one header block (`crate::superblock`), then a circle of blocks. An LSN is a position in
//! the endless log; position p is at byte `4096 + p % circle` of the device. What is written between two
//! flushes is a *frame*, which begins at a block of its own, so that no write touches a block that holds
//! something acknowledged:
//!
//! ```text
//!  0  u32  CRC-32C of the bytes 4..length       24  u64  database id
//!  4  u32  "VWAL"                               32  u64  newest durable checkpoint when it was written
//!  8  u64  lsn of the frame                     40  u32  checksum of the frame before
//! 16  u32  length: header and records           44  u32  what was durable when it was sealed
//! 20  u32  number of records                    48  records, then zeros to the block's end
//! ```
//!
//! What was durable: 1 plus the blocks before the frame that were not flushed yet; 0 says nothing.
//!
//! A record is u8 kind, u8 zero, u16 zero, u32 length of its body, then by kind:
//!
//! ```text
//!  1 Commit     u64 sequence, u64 stage (0: none), i64 microseconds since 1970, body: the write set
//!  2 Stage      u64 stage, body: the write set
//!  3 Unstage    u64 stage                        a private tree was given up
//!  4 Reserve    u64 tree (0: objects), u64 next  numbers below were handed out
//! ```
//!
//! Invariants:
//! 1. A frame is valid if its checksum is right, its lsn is where it is, its database is this one, and the
//!    checksum of the frame before is that frame's. So neither a torn frame, nor one from the circle's last
//!    round, nor one that followed a frame that was lost is taken for the next.
//! 2. The log ends before the first frame that is not valid. Nothing after it was acknowledged: a frame is
//!    acknowledged when it and all before it are durable, and frames are written in order. A later frame that says
//!    that the invalid one was durable proves damage; recovery looks for one.
//! 3. Blocks from the previous checkpoint's lsn on are not overwritten.
//!
//! Fails: a malformed record in a valid frame is damage ([`WalError`]), not an end.

use crate::crc::crc32c;
use alloc::vec::Vec;
use vireo_abi::memory_map::PAGE_SIZE;

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_SIZE: usize = 48;
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"VWAL");
const RECORD_HEADER_SIZE: usize = 8;

const COMMIT: u8 = 1;
const STAGE: u8 = 2;
const UNSTAGE: u8 = 3;
const RESERVE: u8 = 4;

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Record<'a> {
    Commit {
        sequence: u64,
        stage: u64,
        unix_us: i64,
        body: &'a [u8],
    },
    Stage {
        stage: u64,
        body: &'a [u8],
    },
    Unstage {
        stage: u64,
    },
    Reserve {
        tree: u64,
        next: u64,
    },
}

/// A record that is none, in a frame whose checksum is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed record in the log frame at {lsn}")]
pub struct WalError {
    /// The frame.
    pub lsn: u64,
}

/// A frame under construction.
#[derive(Debug)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    records: u32,
}

/// What a frame's header says beside its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) lsn: u64,
    pub(crate) length: usize,
    pub(crate) database: u64,
    pub(crate) checkpoint: u64,
    pub(crate) previous: u32,
    pub(crate) checksum: u32,
    /// Up to where the log was durable when it was sealed, if it says that.
    pub(crate) flushed: Option<u64>,
}

impl FrameBuilder {
    pub(crate) fn new() -> FrameBuilder {
        FrameBuilder {
            bytes: alloc::vec![0; FRAME_HEADER_SIZE],
            records: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Bytes on the device if it were sealed now.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len().next_multiple_of(PAGE_SIZE)
    }

    /// Appends a record. False if there is no memory for it.
    #[must_use]
    pub(crate) fn push(&mut self, record: Record<'_>) -> bool {
        let (kind, words, body): (u8, [u64; 3], &[u8]) = match record {
            Record::Commit {
                sequence,
                stage,
                unix_us,
                body,
            } => (COMMIT, [sequence, stage, unix_us as u64], body),
            Record::Stage { stage, body } => (STAGE, [stage, 0, 0], body),
            Record::Unstage { stage } => (UNSTAGE, [stage, 0, 0], &[]),
            Record::Reserve { tree, next } => (RESERVE, [tree, next, 0], &[]),
        };
        let word_count = words_of(kind);
        let length = word_count * 8 + body.len();
        if self
            .bytes
            .try_reserve(RECORD_HEADER_SIZE + length + PAGE_SIZE)
            .is_err()
        {
            return false;
        }
        self.bytes.extend_from_slice(&[kind, 0, 0, 0]);
        self.bytes.extend_from_slice(&(length as u32).to_le_bytes());
        for word in &words[..word_count] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.extend_from_slice(body);
        self.records += 1;
        true
    }

    /// Writes the header and pads. Gives the bytes and the frame's checksum. The log is durable up to `flushed`.
    pub(crate) fn seal(
        mut self,
        lsn: u64,
        database: u64,
        checkpoint: u64,
        previous: u32,
        flushed: u64,
    ) -> (Vec<u8>, u32) {
        let unflushed = (lsn - flushed) / PAGE_SIZE as u64;
        let durable = u32::try_from(unflushed + 1).unwrap_or(0);
        let length = self.bytes.len();
        self.bytes[4..8].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&lsn.to_le_bytes());
        self.bytes[16..20].copy_from_slice(&(length as u32).to_le_bytes());
        self.bytes[20..24].copy_from_slice(&self.records.to_le_bytes());
        self.bytes[24..32].copy_from_slice(&database.to_le_bytes());
        self.bytes[32..40].copy_from_slice(&checkpoint.to_le_bytes());
        self.bytes[40..44].copy_from_slice(&previous.to_le_bytes());
        self.bytes[44..48].copy_from_slice(&durable.to_le_bytes());
        let checksum = crc32c(&self.bytes[4..]);
        self.bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        self.bytes.resize(length.next_multiple_of(PAGE_SIZE), 0);
        (self.bytes, checksum)
    }
}

fn words_of(kind: u8) -> usize {
    match kind {
        COMMIT => 3,
        RESERVE => 2,
        _ => 1,
    }
}

impl FrameHeader {
    /// Reads a header; `None` if it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        let word32 = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let word64 = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if word32(4)? != FRAME_MAGIC {
            return None;
        }
        let length = word32(16)? as usize;
        let unflushed = word32(44)?.checked_sub(1);
        let flushed = unflushed
            .and_then(|blocks| word64(8)?.checked_sub(u64::from(blocks) * PAGE_SIZE as u64));
        (length >= FRAME_HEADER_SIZE).then_some(FrameHeader {
            lsn: word64(8)?,
            length,
            database: word64(24)?,
            checkpoint: word64(32)?,
            previous: word32(40)?,
            checksum: word32(0)?,
            flushed,
        })
    }

    /// Whether the frame is the one that follows (invariant 1), but for its own checksum.
    pub(crate) fn follows(&self, lsn: u64, database: u64, previous: u32) -> bool {
        self.lsn == lsn && self.database == database && self.previous == previous
    }

    /// Whether its checksum is right; `frame` has `length` bytes.
    pub(crate) fn is_intact(&self, frame: &[u8]) -> bool {
        frame.len() == self.length && crc32c(&frame[4..]) == self.checksum
    }
}

/// The records of an intact frame, header included.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    lsn: u64,
}

impl<'a> Records<'a> {
    pub(crate) fn new(frame: &'a [u8], lsn: u64) -> Records<'a> {
        Records {
            rest: frame.get(FRAME_HEADER_SIZE..).unwrap_or(&[]),
            lsn,
        }
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<RECORD_HEADER_SIZE>()?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        let kind = header[0];
        let (words, body) = content.split_at_checked(words_of(kind) * 8)?;
        let word = |i: usize| {
            words
                .as_chunks::<8>()
                .0
                .get(i)
                .map(|w| u64::from_le_bytes(*w))
        };
        Some(match kind {
            COMMIT => Record::Commit {
                sequence: word(0)?,
                stage: word(1)?,
                unix_us: word(2)? as i64,
                body,
            },
            STAGE => Record::Stage {
                stage: word(0)?,
                body,
            },
            UNSTAGE => Record::Unstage { stage: word(0)? },
            RESERVE => Record::Reserve {
                tree: word(0)?,
                next: word(1)?,
            },
            _ => return None,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(WalError { lsn: self.lsn }))
    }
}

/// Where a position of the log is on its device: the pieces `(offset, range of the bytes)` of `length` bytes at `lsn`,
/// none longer than `piece_max`.
pub(crate) fn pieces(
    lsn: u64,
    length: usize,
    circle: u64,
    piece_max: usize,
) -> impl Iterator<Item = (u64, core::ops::Range<usize>)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        if at >= length {
            return None;
        }
        let place = (lsn + at as u64) % circle;
        let to_end = (circle - place).min(usize::MAX as u64) as usize;
        let piece = (length - at).min(to_end).min(piece_max);
        let range = at..at + piece;
        at += piece;
        Some((PAGE_SIZE as u64 + place, range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> (Vec<u8>, u32) {
        let mut builder = FrameBuilder::new();
        let body = b"write set";
        assert!(builder.push(Record::Commit {
            sequence: 5,
            stage: 0,
            unix_us: -2,
            body
        }));
        assert!(builder.push(Record::Stage {
            stage: 9,
            body: b"x"
        }));
        assert!(builder.push(Record::Unstage { stage: 9 }));
        assert!(builder.push(Record::Reserve { tree: 2, next: 77 }));
        builder.seal(8192, 0xabcd, 3, 0x1234, 4096)
    }

    #[test]
    fn golden_bytes() {
        let (bytes, checksum) = frame();
        assert_eq!(bytes.len(), PAGE_SIZE);
        assert_eq!(checksum.to_le_bytes(), bytes[..4]);
        let golden = b"VWAL\0\x20\0\0\0\0\0\0\x92\0\0\0\x04\0\0\0\xcd\xab\0\0\0\0\0\0\
            \x03\0\0\0\0\0\0\0\x34\x12\0\0\x02\0\0\0\
            \x01\0\0\0\x21\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
            \xfe\xff\xff\xff\xff\xff\xff\xffwrite set\
            \x02\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0x\
            \x03\0\0\0\x08\0\0\0\x09\0\0\0\0\0\0\0\
            \x04\0\0\0\x10\0\0\0\x02\0\0\0\0\0\0\0\x4d\0\0\0\0\0\0\0";
        assert_eq!(bytes[4..4 + golden.len()], golden[..]);
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, checksum) = frame();
        let header = FrameHeader::decode(&bytes).expect("a frame");
        assert!(header.follows(8192, 0xabcd, 0x1234) && header.checksum == checksum);
        assert_eq!(header.flushed, Some(4096));
        let mut silent = bytes.clone();
        silent[44..48].fill(0);
        let silent = FrameHeader::decode(&silent).expect("a frame");
        assert_eq!(silent.flushed, None);
        assert!(!header.follows(4096, 0xabcd, 0x1234) && !header.follows(8192, 0xabcd, 1));
        let frame = &bytes[..header.length];
        assert!(header.is_intact(frame));
        let records: Vec<_> = Records::new(frame, 8192)
            .map(|r| r.expect("sound"))
            .collect();
        assert_eq!(records.len(), 4);
        assert_eq!(records[3], Record::Reserve { tree: 2, next: 77 });
        let mut torn = frame.to_vec();
        torn[100] ^= 1;
        assert!(!header.is_intact(&torn));
    }

    #[test]
    fn damage_in_records_is_an_error() {
        let (bytes, _) = frame();
        let length = FrameHeader::decode(&bytes).expect("a frame").length;
        for cut in FRAME_HEADER_SIZE + 1..length {
            let _ = Records::new(&bytes[..cut], 0).count();
        }
        assert_eq!(
            Records::new(&bytes[..length - 1], 7).last(),
            Some(Err(WalError { lsn: 7 }))
        );
    }

    #[test]
    fn pieces_wrap() {
        let all: Vec<_> = pieces(8192, 12288, 16384, 4096).collect();
        assert_eq!(
            all,
            [(12288, 0..4096), (16384, 4096..8192), (4096, 8192..12288)]
        );
        let all: Vec<_> = pieces(4096, 12288, 16384, 65536).collect();
        assert_eq!(all, [(8192, 0..12288)]);
    }
}
