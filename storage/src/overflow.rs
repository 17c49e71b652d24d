//! Large values: a chain of overflow pages.
//!
//! The leaf holds a reference: u32 length of the value, u64 first page. An overflow page has the common
//! header (`count` 0; bytes of data at offset 24), then at 32 the u64 next page (0 at the end), then the data.

use crate::error::ReadError;
use crate::frame::PoolView;
use crate::page::{self, HEADER_SIZE, Kind, u16_at};
use alloc::vec::Vec;
use vireo_abi::ids::PageId;
use vireo_abi::memory_map::PAGE_SIZE;

/// Where the data of an overflow page begins.
pub(crate) const DATA_OFFSET: usize = HEADER_SIZE + 8;
/// Data bytes of an overflow page.
pub(crate) const DATA_SIZE: usize = PAGE_SIZE - DATA_OFFSET;

/// A reference to a large value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow {
    /// Its length.
    pub length: u32,
    /// Its first page.
    pub first: PageId,
}

impl Overflow {
    /// Bytes of an encoded reference.
    pub(crate) const SIZE: usize = 12;

    pub(crate) fn decode(bytes: &[u8]) -> Option<Overflow> {
        let bytes: &[u8; Self::SIZE] = bytes.try_into().ok()?;
        let (length, first) = bytes.split_first_chunk::<4>()?;
        Some(Overflow {
            length: u32::from_le_bytes(*length),
            first: PageId(u64::from_le_bytes(*first.first_chunk()?)),
        })
    }

    pub(crate) fn encode(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..].copy_from_slice(&self.first.0.to_le_bytes());
        bytes
    }
}

/// The pieces of a large value, in order, in place.
#[derive(Clone, Debug)]
pub struct OverflowChunks<'p> {
    view: PoolView<'p>,
    next: PageId,
    remaining: usize,
}

impl<'p> OverflowChunks<'p> {
    /// The next piece; `None` after the last. After a miss it can be asked again.
    ///
    /// # Errors
    /// As [`PoolView::page`]; [`ReadError::Corrupt`] when the chain is not as long as the value.
    pub fn next_chunk(&mut self) -> Result<Option<&'p [u8]>, ReadError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let corrupt = |what| ReadError::Corrupt {
            page: self.next,
            what,
        };
        let page = self.view.page(self.next)?;
        if page::kind(page) != Kind::Overflow as u8 {
            return Err(corrupt("it is no part of a large value"));
        }
        let length = usize::from(u16_at(page, 24));
        if length != self.remaining.min(DATA_SIZE) {
            return Err(corrupt("its part of a large value has the wrong length"));
        }
        let next = page::u64_at(page, HEADER_SIZE).unwrap_or(0);
        let data = &page[DATA_OFFSET..DATA_OFFSET + length];
        self.next = PageId(next);
        self.remaining -= length;
        Ok(Some(data))
    }
}

impl<'p> PoolView<'p> {
    /// The pieces of a large value.
    pub fn overflow_chunks(&self, value: Overflow) -> OverflowChunks<'p> {
        OverflowChunks {
            view: *self,
            next: value.first,
            remaining: value.length as usize,
        }
    }

    /// Appends a large value to `out`; after an error `out` is as it was.
    ///
    /// # Errors
    /// As [`OverflowChunks::next_chunk`]; [`ReadError::OutOfMemory`].
    pub fn read_overflow(&self, value: Overflow, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let bytes = value.length as usize;
        let start = out.len();
        out.try_reserve(bytes)
            .map_err(|_| ReadError::OutOfMemory { bytes })?;
        let mut chunks = self.overflow_chunks(value);
        loop {
            match chunks.next_chunk() {
                Ok(Some(chunk)) => out.extend_from_slice(chunk),
                Ok(None) => return Ok(()),
                Err(error) => {
                    out.truncate(start);
                    return Err(error);
                }
            }
        }
    }
}
