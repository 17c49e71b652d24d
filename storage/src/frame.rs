//! Access to the pools: all of the crate's unsafe code.
//!
//! A pool is memory that storage writes and others read. It begins with a header page:
//!
//! ```text
//!   0  [u8; 8]  "VIREOPOL"
//!   8  u32      version, 1
//!  12  u32      zero
//!  16  u64      first page of the pool's range of page numbers
//!  24  u64      pages of the range: entries of the table
//!  32  u64      frames: 4 KiB units of the pool, header and table included
//!  40  u64      first frame after the table
//!  64  u64      sequence: the commit that `published` shows (atomic; storage writes)
//!  72  u64      published: page of the descriptor of the newest snapshot, 0 for none (atomic; storage writes)
//! 4096 [u32]    table: for each page of the range its frame, 0 for none (atomic; storage writes)
//! ```
//!
//! Frame `f` is the 4 KiB at `f * 4096`. Frames are taken from the bottom, so that the part of a
//! large pool that was never used is never touched.
//!
//! Invariants:
//! 1. A frame that a table entry names and a reader can reach from a descriptor it acquired
//!    (`crate::announce`) does not change and keeps its page until that reader lets go.
//! 2. Table entries are stored with Release after the frame is written, and loaded with Acquire.
//! 3. No reference into a frame is made but through the table or by the writer to a frame of its own.
//!
//! Fails with [`ReadError`]; a number out of range is damage, never an access outside the pool.

use crate::error::ReadError;
use crate::page::{self, Page};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use vireo_abi::ids::PageId;
use vireo_abi::memory_map::PAGE_SIZE;

/// "VIREOPOL".
pub(crate) const POOL_MAGIC: [u8; 8] = *b"VIREOPOL";
/// The version of a pool's layout.
pub(crate) const POOL_VERSION: u32 = 1;
const SEQUENCE: usize = 64;
const PUBLISHED: usize = 72;

/// A pool as its readers see it. `'p` is how long the memory is mapped; copies are free.
#[derive(Clone, Copy, Debug)]
pub struct PoolView<'p> {
    start: *const u8,
    first_page: u64,
    page_count: u64,
    frame_count: u64,
    memory: PhantomData<&'p [u8]>,
}

// SAFETY: a view only reads, and what it reads is either atomic or unchanging (invariant 1).
unsafe impl Send for PoolView<'_> {}
// SAFETY: as above.
unsafe impl Sync for PoolView<'_> {}

impl<'p> PoolView<'p> {
    /// Attaches to the pool at `start`. Again after storage was replaced.
    ///
    /// # Errors
    /// [`ReadError::NotReady`] while storage has not laid the pool out, [`ReadError::Foreign`] when it is no pool of this version.
    ///
    /// # Safety
    /// `start..start + size` is mapped for `'p`, readable and aligned to 8, and written by nobody but the storage
    /// function. What is read through the view (pages, keys, values) is used only while the snapshot it belongs to is
    /// held at the announcer of this reader, and not after the link to storage went down.
    pub unsafe fn attach(start: *const u8, size: usize) -> Result<PoolView<'p>, ReadError> {
        if size < PAGE_SIZE || !start.addr().is_multiple_of(8) {
            return Err(ReadError::Foreign {
                what: "its area is too small or not aligned",
            });
        }
        // SAFETY: in bounds and aligned as just checked, mapped as the caller promises; storage writes these fields atomically.
        let word = |offset: usize| unsafe {
            (*start.add(offset).cast::<AtomicU64>()).load(Ordering::Acquire)
        };
        if word(PUBLISHED) == 0 {
            return Err(ReadError::NotReady);
        }
        if word(0) != u64::from_le_bytes(POOL_MAGIC) {
            return Err(ReadError::Foreign {
                what: "its magic is wrong",
            });
        }
        if word(8) != u64::from(POOL_VERSION) {
            return Err(ReadError::Foreign {
                what: "its version is another",
            });
        }
        let (page_count, frame_count) = (word(24), word(32));
        if frame_count > (size / PAGE_SIZE) as u64 || page_count > (size / 4) as u64 {
            return Err(ReadError::Foreign {
                what: "it is larger than its area",
            });
        }
        if (PAGE_SIZE as u64) + page_count * 4 > size as u64 {
            return Err(ReadError::Foreign {
                what: "its table is larger than its area",
            });
        }
        Ok(PoolView {
            start,
            first_page: word(16),
            page_count,
            frame_count,
            memory: PhantomData,
        })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset < PAGE_SIZE);
        // SAFETY: within the header page, aligned, mapped for 'p; an atomic may be written by storage meanwhile.
        unsafe { &*self.start.add(offset).cast::<AtomicU64>() }
    }

    /// The commit that the newest snapshot shows. Pairs with storage's publication.
    pub(crate) fn sequence(&self) -> u64 {
        self.word(SEQUENCE).load(Ordering::Acquire)
    }

    /// The page of the newest snapshot's descriptor, 0 for none. Pairs with storage's publication.
    pub(crate) fn published(&self) -> PageId {
        PageId(self.word(PUBLISHED).load(Ordering::Acquire))
    }

    /// The page, in place.
    ///
    /// # Errors
    /// [`ReadError::Miss`] when it is not in memory, [`ReadError::Corrupt`] when the number is none of this pool's or
    /// the frame holds another page.
    #[inline]
    pub fn page(&self, page: PageId) -> Result<&'p Page, ReadError> {
        let index = page.0.wrapping_sub(self.first_page);
        if index >= self.page_count {
            return Err(ReadError::Corrupt {
                page,
                what: "its number is out of range",
            });
        }
        // SAFETY: index < page_count, and the table lies within the area (checked in `attach`); entries are atomic.
        let frame = unsafe {
            let table = self.start.add(PAGE_SIZE).cast::<AtomicU32>();
            (*table.add(index as usize)).load(Ordering::Acquire)
        };
        if frame == 0 {
            return Err(ReadError::Miss(page));
        }
        if u64::from(frame) >= self.frame_count {
            return Err(ReadError::Corrupt {
                page,
                what: "its frame is out of range",
            });
        }
        // SAFETY: a whole frame within the area; unchanged while the reader may use it (invariant 1).
        let bytes = unsafe { &*self.start.add(frame as usize * PAGE_SIZE).cast::<Page>() };
        if page::id(bytes) != page {
            return Err(ReadError::Corrupt {
                page,
                what: "its frame holds another page",
            });
        }
        Ok(bytes)
    }
}

/// A page of the announce area, as its one writer sees it (`crate::announce`).
#[derive(Debug)]
pub struct AnnouncePage<'p> {
    start: *const AtomicU64,
    memory: PhantomData<&'p AtomicU64>,
}

// SAFETY: the page is only accessed atomically.
unsafe impl Send for AnnouncePage<'_> {}

impl AnnouncePage<'_> {
    /// The instance's own page.
    ///
    /// # Safety
    /// `start` is aligned to 8 and the 4 KiB there are mapped writable for the page's lifetime; nobody
    /// else writes them.
    pub unsafe fn new(start: *mut u8) -> Self {
        AnnouncePage {
            start: start.cast(),
            memory: PhantomData,
        }
    }

    /// Stores the announcement, before every load that follows (the fence pairs with the one in storage's
    /// publication).
    pub(crate) fn store(&self, sequence: u64) {
        // SAFETY: mapped and aligned as `new`'s caller promised; others only load it, atomically.
        unsafe { (*self.start).store(sequence, Ordering::Release) };
        fence(Ordering::SeqCst);
    }
}
