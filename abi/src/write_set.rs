//! A write set: the operations of a transaction, as bytes. The body of `Commit` and `Stage`, and what
//! the WAL records.
//!
//! ```text
//! operation = code u8, tree u32, then by code:
//!   Put         key_length u16, value_length u32, version u64, key, value
//!   Delete      key_length u16, version u64, key
//!   CreateTree
//!   DropTree
//! ```
//!
//! All little-endian. `version` is the version that the row had when it was read (0: there was none),
//! or [`UNCHECKED`]. Operations apply in order; a later one on the same key wins.
//!
//! Fails with [`BadWriteSet`] on bytes that are no write set; nothing is read outside them.

use crate::ids::{TreeId, Version};
use alloc::vec::Vec;

/// A version that is not compared.
pub const UNCHECKED: Version = Version(u64::MAX);
/// Bytes of the longest key.
pub const KEY_SIZE_MAX: usize = 1024;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const CREATE_TREE: u8 = 3;
const DROP_TREE: u8 = 4;

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation<'a> {
    /// Insert or replace a row.
    Put {
        /// The tree.
        tree: TreeId,
        /// The key, 1 to [`KEY_SIZE_MAX`] bytes.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// The version read.
        version: Version,
    },
    /// Remove a row.
    Delete {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The version read.
        version: Version,
    },
    /// Make an empty tree. The number comes from `Reserve` with tree 0.
    CreateTree {
        /// Its number.
        tree: TreeId,
    },
    /// Remove a tree with all that is in it.
    DropTree {
        /// Its number.
        tree: TreeId,
    },
}

/// Appends `operation` to `out`.
///
/// # Panics
/// If the key is empty or longer than [`KEY_SIZE_MAX`], or the value has 4 GiB or more: callers check what users give.
pub fn encode(operation: Operation<'_>, out: &mut Vec<u8>) {
    let key_length = |key: &[u8]| {
        assert!(
            !key.is_empty() && key.len() <= KEY_SIZE_MAX,
            "a key of {} bytes",
            key.len()
        );
        (key.len() as u16).to_le_bytes()
    };
    match operation {
        Operation::Put {
            tree,
            key,
            value,
            version,
        } => {
            let value_length = u32::try_from(value.len()).expect("a value has less than 4 GiB");
            out.push(PUT);
            out.extend_from_slice(&tree.0.to_le_bytes());
            out.extend_from_slice(&key_length(key));
            out.extend_from_slice(&value_length.to_le_bytes());
            out.extend_from_slice(&version.0.to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        Operation::Delete { tree, key, version } => {
            out.push(DELETE);
            out.extend_from_slice(&tree.0.to_le_bytes());
            out.extend_from_slice(&key_length(key));
            out.extend_from_slice(&version.0.to_le_bytes());
            out.extend_from_slice(key);
        }
        Operation::CreateTree { tree } => {
            out.push(CREATE_TREE);
            out.extend_from_slice(&tree.0.to_le_bytes());
        }
        Operation::DropTree { tree } => {
            out.push(DROP_TREE);
            out.extend_from_slice(&tree.0.to_le_bytes());
        }
    }
}

/// Bytes that are no write set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed write set, {remaining} bytes from its end")]
pub struct BadWriteSet {
    /// Bytes left where the fault is.
    pub remaining: usize,
}

/// Reads the operations of a write set in order. After an error it ends.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    rest: &'a [u8],
}

impl<'a> Operations<'a> {
    /// The operations in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Operations<'a> {
        Operations { rest: bytes }
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn operation(&mut self) -> Option<Operation<'a>> {
        let [code] = self.number()?;
        let tree = TreeId(u32::from_le_bytes(self.number()?));
        Some(match code {
            PUT => {
                let key_length = usize::from(u16::from_le_bytes(self.number()?));
                let value_length = u32::from_le_bytes(self.number()?) as usize;
                let version = Version(u64::from_le_bytes(self.number()?));
                let key = self.key(key_length)?;
                Operation::Put {
                    tree,
                    key,
                    value: self.bytes(value_length)?,
                    version,
                }
            }
            DELETE => {
                let key_length = usize::from(u16::from_le_bytes(self.number()?));
                let version = Version(u64::from_le_bytes(self.number()?));
                Operation::Delete {
                    tree,
                    key: self.key(key_length)?,
                    version,
                }
            }
            CREATE_TREE => Operation::CreateTree { tree },
            DROP_TREE => Operation::DropTree { tree },
            _ => return None,
        })
    }

    fn key(&mut self, length: usize) -> Option<&'a [u8]> {
        if length == 0 || length > KEY_SIZE_MAX {
            return None;
        }
        self.bytes(length)
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Result<Operation<'a>, BadWriteSet>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let remaining = self.rest.len();
        match self.operation() {
            Some(operation) => Some(Ok(operation)),
            None => {
                self.rest = &[];
                Some(Err(BadWriteSet { remaining }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut out = Vec::new();
        encode(
            Operation::Put {
                tree: TreeId(2),
                key: b"k",
                value: b"val",
                version: Version(7),
            },
            &mut out,
        );
        encode(
            Operation::Delete {
                tree: TreeId(3),
                key: b"xy",
                version: UNCHECKED,
            },
            &mut out,
        );
        encode(Operation::CreateTree { tree: TreeId(4) }, &mut out);
        let golden = b"\x01\x02\0\0\0\x01\0\x03\0\0\0\x07\0\0\0\0\0\0\0kval\
            \x02\x03\0\0\0\x02\0\xff\xff\xff\xff\xff\xff\xff\xffxy\x03\x04\0\0\0";
        assert_eq!(out, golden);
    }

    #[test]
    fn truncation_is_an_error_everywhere() {
        let mut out = Vec::new();
        encode(
            Operation::Put {
                tree: TreeId(2),
                key: b"key",
                value: b"value",
                version: Version(1),
            },
            &mut out,
        );
        assert!(Operations::new(&out).all(|o| o.is_ok()));
        for length in 1..out.len() {
            assert!(
                Operations::new(&out[..length]).any(|o| o.is_err()),
                "{length} bytes"
            );
        }
        assert!(Operations::new(&[9, 0, 0, 0, 0]).any(|o| o.is_err()));
    }
}
