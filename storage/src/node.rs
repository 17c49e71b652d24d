//! A tree page, read: search and entries. The layout is in `crate::page`.
//!
//! Nothing of the page is believed: every offset is checked where it is used, so that a damaged
//! page gives [`ReadError::Corrupt`].

use crate::error::ReadError;
use crate::overflow::Overflow;
use crate::page::{
    self, ENTRY_SIZE, HEAD_SIZE, HEADER_SIZE, Kind, OVERFLOW, Page, TOMBSTONE, VALUE_LENGTH_MASK,
    u16_at,
};
use core::cmp::Ordering;
use vireo_abi::ids::{PageId, Version};
use vireo_abi::memory_map::PAGE_SIZE;

/// A row's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'p> {
    /// In its leaf.
    Inline(&'p [u8]),
    /// In pages of its own.
    Overflow(Overflow),
    /// The transaction removed the row. Only in private trees.
    Tombstone,
}

/// A row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'p> {
    /// Its key.
    pub key: &'p [u8],
    /// The commit that wrote it; in a private tree the version that the transaction read.
    pub version: Version,
    /// Its value.
    pub value: Value<'p>,
}

/// A leaf or inner page whose header was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'p> {
    page: &'p Page,
    count: usize,
    prefix: usize,
}

/// The first 8 bytes of `bytes` as a number that compares as they do.
#[inline]
pub(crate) fn head_of(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<HEAD_SIZE>() {
        Some(head) => u64::from_be_bytes(*head),
        None => {
            let mut head = [0; HEAD_SIZE];
            head[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(head)
        }
    }
}

impl<'p> Node<'p> {
    /// Checks the header of a tree page.
    #[inline]
    pub(crate) fn new(page: &'p Page) -> Result<Node<'p>, ReadError> {
        let count = page::count(page);
        let kind = page::kind(page);
        let is_leaf = kind == Kind::Leaf as u8 && page::level(page) == 0;
        let is_inner = kind == Kind::Inner as u8 && page::level(page) > 0 && count > 0;
        if !is_leaf && !is_inner {
            return Err(ReadError::Corrupt {
                page: page::id(page),
                what: "it is no tree page",
            });
        }
        if HEADER_SIZE + count * ENTRY_SIZE > PAGE_SIZE {
            return Err(ReadError::Corrupt {
                page: page::id(page),
                what: "it has too many entries",
            });
        }
        Ok(Node {
            page,
            count,
            prefix: usize::from(u16_at(page, 28)),
        })
    }

    #[cold]
    fn corrupt(&self, what: &'static str) -> ReadError {
        ReadError::Corrupt {
            page: page::id(self.page),
            what,
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn level(&self) -> u8 {
        page::level(self.page)
    }

    #[inline]
    pub(crate) fn page_id(&self) -> PageId {
        page::id(self.page)
    }

    #[inline]
    pub(crate) fn prefix(&self) -> usize {
        self.prefix
    }

    /// The entry's 14 bytes. `index` is below the count, which `new` checked against the page.
    #[inline]
    fn entry_bytes(&self, index: usize) -> &'p [u8; ENTRY_SIZE] {
        debug_assert!(index < self.count);
        self.page[HEADER_SIZE + index * ENTRY_SIZE..]
            .first_chunk()
            .expect("the entries were checked to lie within the page")
    }

    #[inline]
    fn head(&self, index: usize) -> u64 {
        head_of(&self.entry_bytes(index)[..HEAD_SIZE])
    }

    /// The cell's offset, the key's length, the value's length with its flags.
    #[inline]
    pub(crate) fn slot(&self, index: usize) -> (usize, usize, u16) {
        let entry = self.entry_bytes(index);
        (
            usize::from(u16::from_le_bytes([entry[8], entry[9]])),
            usize::from(u16::from_le_bytes([entry[10], entry[11]])),
            u16::from_le_bytes([entry[12], entry[13]]),
        )
    }

    /// Whether a key of that length is wholly in its head.
    #[inline]
    pub(crate) fn is_inline(&self, key_length: usize) -> bool {
        self.prefix == 0 && key_length <= HEAD_SIZE
    }

    /// The key of an entry.
    #[inline]
    pub(crate) fn key(&self, index: usize) -> Result<&'p [u8], ReadError> {
        let (offset, length, _) = self.slot(index);
        if self.is_inline(length) {
            return Ok(&self.entry_bytes(index)[..length]);
        }
        self.page
            .get(offset + 8..offset + 8 + length)
            .ok_or_else(|| self.corrupt("a key lies outside of it"))
    }

    /// The word of an entry's cell: version or child.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> Result<u64, ReadError> {
        let (offset, _, _) = self.slot(index);
        page::u64_at(self.page, offset).ok_or_else(|| self.corrupt("a cell lies outside of it"))
    }

    /// The child that an entry of an inner page leads to.
    #[inline]
    pub(crate) fn child(&self, index: usize) -> Result<PageId, ReadError> {
        self.word(index).map(PageId)
    }

    /// The value's bytes as they are in the cell, and the flags.
    #[inline]
    pub(crate) fn raw_value(&self, index: usize) -> Result<(&'p [u8], u16), ReadError> {
        let (offset, key_length, value) = self.slot(index);
        let start = offset
            + 8
            + if self.is_inline(key_length) {
                0
            } else {
                key_length
            };
        let length = usize::from(value & VALUE_LENGTH_MASK);
        let bytes = self
            .page
            .get(start..start + length)
            .ok_or_else(|| self.corrupt("a value lies outside of it"))?;
        Ok((bytes, value & !VALUE_LENGTH_MASK))
    }

    /// An entry of a leaf.
    #[inline]
    pub(crate) fn entry(&self, index: usize) -> Result<Entry<'p>, ReadError> {
        let (bytes, flags) = self.raw_value(index)?;
        let value = match flags {
            0 => Value::Inline(bytes),
            OVERFLOW => Value::Overflow(
                Overflow::decode(bytes)
                    .ok_or_else(|| self.corrupt("a reference to a large value is malformed"))?,
            ),
            TOMBSTONE => Value::Tombstone,
            _ => return Err(self.corrupt("a value is of no known kind")),
        };
        Ok(Entry {
            key: self.key(index)?,
            version: Version(self.word(index)?),
            value,
        })
    }

    /// `Ok(i)`: entry `i` has that key. `Err(i)`: it would be entry `i`.
    #[inline]
    pub(crate) fn search(&self, key: &[u8]) -> Result<Result<usize, usize>, ReadError> {
        let first = usize::from(self.level() > 0);
        let (mut low, mut high) = (first, self.count);
        if low >= high {
            return Ok(Err(low));
        }
        if self.prefix > 0 {
            let prefix = self
                .key(first)?
                .get(..self.prefix)
                .ok_or_else(|| self.corrupt("a key is shorter than the prefix"))?;
            match key[..key.len().min(self.prefix)].cmp(prefix) {
                Ordering::Less => return Ok(Err(low)),
                Ordering::Greater => return Ok(Err(high)),
                Ordering::Equal => {}
            }
        }
        let head = head_of(key.get(self.prefix..).unwrap_or(&[]));
        while low < high {
            let middle = low + (high - low) / 2;
            let order = match self.head(middle).cmp(&head) {
                Ordering::Equal => self.key(middle)?.cmp(key),
                order => order,
            };
            match order {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Ok(middle)),
            }
        }
        Ok(Err(low))
    }

    /// The entry of an inner page whose child may hold `key`.
    #[inline]
    pub(crate) fn child_index(&self, key: &[u8]) -> Result<usize, ReadError> {
        Ok(match self.search(key)? {
            Ok(index) => index,
            Err(index) => index.max(1) - 1,
        })
    }
}
