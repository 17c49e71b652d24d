//! The two superblocks: blocks 0 and 1 of the data volume, and the log's first block.
//!
//! A checkpoint writes superblock `number & 1`, so the one before stays until the new one is on disk. The
//! newest valid one counts.
//!
//! ```text
//!   0  u32  CRC-32C of bytes 4..4096          80  u64  root of the catalog tree
//!   4  u32  format version                    88  u64  rows of the catalog tree
//!   8  [8]  "VIREODB1"                        96  u64  root of the master tree
//!  16  u64  database id                      104  u64  next object id
//!  24  u64  checkpoint number                112  u64  first page of the staged trees' list, 0: none
//!  32  u64  sequence of the state            120  u64  bytes of that list
//!  40  u64  lsn: replay begins here          128  u64  first page of the data pool's range
//!  48  u64  checksum of the frame before     136  u64  bytes of the log's device
//!  56  u64  epoch of the state               144  zero
//!  64  u64  catalog version
//!  72  u64  zero (root of the free map, once pages are not all loaded)
//! ```
//!
//! The log's first block: u32 CRC-32C of bytes 4..4096, u32 format version, "VIREOWAL", u64 database id, u64 bytes
//! of the device, zero.
//!
//! Fails with [`FormatError`]: nothing is written to a volume that is not understood.

use crate::crc::crc32c;
use crate::page::{self, Page};
use vireo_abi::ids::{Lsn, PageId, Version};
use vireo_abi::memory_map::PAGE_SIZE;

/// The version of all on-disk formats.
pub const FORMAT_VERSION: u32 = 1;
/// Number of blocks for superblocks: page numbers begin here.
pub(crate) const SUPERBLOCKS: u64 = 2;

const MAGIC: [u8; 8] = *b"VIREODB1";
const WAL_MAGIC: [u8; 8] = *b"VIREOWAL";

/// Why a volume is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not ours.
    #[error("the {volume} volume does not belong to a database")]
    Foreign {
        /// "data" or "log".
        volume: &'static str,
    },
    /// Of another version.
    #[error(
        "the {volume} volume has format version {found}, this program reads version {FORMAT_VERSION}"
    )]
    Version {
        /// "data" or "log".
        volume: &'static str,
        /// Its version.
        found: u32,
    },
    /// Its first block, or both superblocks, are damaged.
    #[error("the superblock of the {volume} volume is damaged")]
    Damaged {
        /// "data" or "log".
        volume: &'static str,
    },
    /// The two volumes belong to two databases.
    #[error("the log volume belongs to another database than the data volume")]
    Mismatch,
    /// One volume is there and the other is new.
    #[error("the {volume} volume is empty, but the other belongs to a database")]
    Missing {
        /// "data" or "log".
        volume: &'static str,
    },
    /// The volume has another size than when it was made.
    #[error("the {volume} volume has {found} bytes, the database was made with {expected}")]
    Size {
        /// "data" or "log".
        volume: &'static str,
        /// Bytes now.
        found: u64,
        /// Bytes then.
        expected: u64,
    },
    /// Too small to hold a database.
    #[error("the {volume} volume is too small: {bytes} bytes")]
    TooSmall {
        /// "data" or "log".
        volume: &'static str,
        /// Bytes.
        bytes: u64,
    },
}

/// What a superblock says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Superblock {
    pub(crate) database: u64,
    pub(crate) number: u64,
    pub(crate) sequence: Version,
    pub(crate) lsn: Lsn,
    pub(crate) frame_checksum: u32,
    pub(crate) epoch: u64,
    pub(crate) catalog_version: Version,
    pub(crate) catalog_root: PageId,
    pub(crate) catalog_rows: u64,
    pub(crate) master_root: PageId,
    pub(crate) next_object: u64,
    pub(crate) staged: PageId,
    pub(crate) staged_bytes: u64,
    pub(crate) data_first: u64,
    pub(crate) wal_bytes: u64,
}

fn seal(block: &mut Page) {
    let checksum = crc32c(&block[4..]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// What a first block turns out to be, by its magic, version and checksum.
fn inspect(block: &Page, magic: [u8; 8], volume: &'static str) -> Result<bool, FormatError> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(false);
    }
    let is_valid = crc32c(&block[4..]).to_le_bytes() == block[..4];
    if block[8..16] != magic {
        return Err(FormatError::Foreign { volume });
    }
    if !is_valid {
        return Err(FormatError::Damaged { volume });
    }
    match u32::from_le_bytes([block[4], block[5], block[6], block[7]]) {
        FORMAT_VERSION => Ok(true),
        found => Err(FormatError::Version { volume, found }),
    }
}

impl Superblock {
    fn words(&self) -> [(usize, u64); 15] {
        [
            (16, self.database),
            (24, self.number),
            (32, self.sequence.0),
            (40, self.lsn.0),
            (48, u64::from(self.frame_checksum)),
            (56, self.epoch),
            (64, self.catalog_version.0),
            (80, self.catalog_root.0),
            (88, self.catalog_rows),
            (96, self.master_root.0),
            (104, self.next_object),
            (112, self.staged.0),
            (120, self.staged_bytes),
            (128, self.data_first),
            (136, self.wal_bytes),
        ]
    }

    pub(crate) fn encode(&self) -> Page {
        let mut block = [0; PAGE_SIZE];
        block[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[8..16].copy_from_slice(&MAGIC);
        for (at, word) in self.words() {
            block[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        seal(&mut block);
        block
    }

    /// `None` for a block of zeros.
    pub(crate) fn decode(block: &Page) -> Result<Option<Superblock>, FormatError> {
        if !inspect(block, MAGIC, "data")? {
            return Ok(None);
        }
        let word = |at| page::u64_at(block, at).unwrap_or(0);
        Ok(Some(Superblock {
            database: word(16),
            number: word(24),
            sequence: Version(word(32)),
            lsn: Lsn(word(40)),
            frame_checksum: word(48) as u32,
            epoch: word(56),
            catalog_version: Version(word(64)),
            catalog_root: PageId(word(80)),
            catalog_rows: word(88),
            master_root: PageId(word(96)),
            next_object: word(104),
            staged: PageId(word(112)),
            staged_bytes: word(120),
            data_first: word(128),
            wal_bytes: word(136),
        }))
    }

    /// The block that it is written to.
    pub(crate) fn block(&self) -> u64 {
        self.number % SUPERBLOCKS
    }

    /// The newest of the two. `None` where both are zeros: a new volume.
    pub(crate) fn newest(blocks: &[Page; 2]) -> Result<Option<Superblock>, FormatError> {
        match (
            Superblock::decode(&blocks[0]),
            Superblock::decode(&blocks[1]),
        ) {
            (Ok(Some(a)), Ok(Some(b))) => Ok(Some(if a.number > b.number { a } else { b })),
            (Ok(Some(a)), _) | (_, Ok(Some(a))) => Ok(Some(a)),
            (Ok(None), Ok(None)) => Ok(None),
            // Another version or a foreign file says more than a damaged block.
            (Err(FormatError::Damaged { .. }), Err(error)) => Err(error),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// The log's first block.
pub(crate) fn encode_wal_header(database: u64, bytes: u64) -> Page {
    let mut block = [0; PAGE_SIZE];
    block[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    block[8..16].copy_from_slice(&WAL_MAGIC);
    block[16..24].copy_from_slice(&database.to_le_bytes());
    block[24..32].copy_from_slice(&bytes.to_le_bytes());
    seal(&mut block);
    block
}

/// The database and size that the log was made for; `None` for a block of zeros.
pub(crate) fn decode_wal_header(block: &Page) -> Result<Option<(u64, u64)>, FormatError> {
    if !inspect(block, WAL_MAGIC, "log")? {
        return Ok(None);
    }
    let word = |at| page::u64_at(block, at).unwrap_or(0);
    Ok(Some((word(16), word(24))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(number: u64) -> Superblock {
        Superblock {
            database: 0x1122_3344_5566_7788,
            number,
            sequence: Version(10),
            lsn: Lsn(4096),
            frame_checksum: 0xdead_beef,
            epoch: 12,
            catalog_version: Version(3),
            catalog_root: PageId(7),
            catalog_rows: 5,
            master_root: PageId(300),
            next_object: 16390,
            staged: PageId(0),
            staged_bytes: 0,
            data_first: 258,
            wal_bytes: 1 << 20,
        }
    }

    #[test]
    fn golden_bytes() {
        let block = example(2).encode();
        assert_eq!(
            block[4..24],
            *b"\x01\0\0\0VIREODB1\x88\x77\x66\x55\x44\x33\x22\x11"
        );
        assert_eq!(block[24..32], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(block[48..56], [0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0]);
        assert_eq!(block[128..136], [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(crc32c(&block[4..]).to_le_bytes(), block[..4]);
        assert!(block[144..].iter().all(|b| *b == 0));
        assert_eq!(Superblock::decode(&block), Ok(Some(example(2))));
    }

    #[test]
    fn the_newest_valid_one_counts() {
        let (a, b) = (example(4).encode(), example(5).encode());
        assert_eq!(Superblock::newest(&[a, b]), Ok(Some(example(5))));
        let mut damaged = b;
        damaged[100] ^= 1;
        assert_eq!(Superblock::newest(&[a, damaged]), Ok(Some(example(4))));
        assert_eq!(
            Superblock::newest(&[a, [0; PAGE_SIZE]]),
            Ok(Some(example(4)))
        );
        let error = Superblock::newest(&[damaged, damaged]);
        assert_eq!(error, Err(FormatError::Damaged { volume: "data" }));
        assert_eq!(Superblock::newest(&[[0; PAGE_SIZE]; 2]), Ok(None));
        let foreign = [b'x'; PAGE_SIZE];
        let error = Superblock::newest(&[foreign, foreign]);
        assert_eq!(error, Err(FormatError::Foreign { volume: "data" }));
        let mut other = example(1).encode();
        other[4] = 9;
        seal(&mut other);
        let error = Superblock::newest(&[other, damaged]);
        assert_eq!(
            error,
            Err(FormatError::Version {
                volume: "data",
                found: 9
            })
        );
    }
}
