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
//!  48  u64      entries of the table that were ever used (storage's own, for its successor)
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
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use vireo_abi::ids::PageId;
use vireo_abi::memory_map::PAGE_SIZE;

/// "VIREOPOL".
pub(crate) const POOL_MAGIC: [u8; 8] = *b"VIREOPOL";
/// The version of a pool's layout.
pub(crate) const POOL_VERSION: u32 = 1;
const TOUCHED: usize = 48;
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

/// Why a pool cannot be laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a pool of {size} bytes is too small")]
pub struct PoolTooSmall {
    /// Its size.
    pub size: usize,
}

/// The memory of a pool, for its one writer.
#[derive(Debug)]
pub struct PoolArea {
    start: *mut u8,
    size: usize,
}

// SAFETY: whoever holds the area is the one writer, whichever thread it is on.
unsafe impl Send for PoolArea {}

impl PoolArea {
    /// The memory at `start`.
    ///
    /// # Safety
    /// `start..start + size` is mapped read-write and aligned to a page for as long as the process lives; no other writer
    /// exists, and no reader uses what was published there before.
    pub unsafe fn new(start: *mut u8, size: usize) -> PoolArea {
        PoolArea { start, size }
    }
}

/// A pool as its one writer sees it: who holds this owns the memory.
#[derive(Debug)]
pub struct PoolMemory {
    start: *mut u8,
    view: PoolView<'static>,
    /// Frames never used begin here.
    unused: u32,
    free: Vec<u32>,
    /// Table entries ever used, as in the header.
    touched: u64,
}

// SAFETY: the writer is one object, whichever thread it is on.
unsafe impl Send for PoolMemory {}

impl PoolMemory {
    /// Lays a pool out: no page is in it, nothing is published.
    ///
    /// # Errors
    /// [`PoolTooSmall`] when header, table and a few frames do not fit.
    pub(crate) fn format(
        area: PoolArea,
        first_page: u64,
        pages_max: u64,
    ) -> Result<PoolMemory, PoolTooSmall> {
        let PoolArea { start, size } = area;
        // A table of at most an eighth of the pool: 128 times the frames that it can hold.
        let page_count = pages_max.min(size as u64 / 8 / 4).next_multiple_of(1024);
        let first_frame = 1 + page_count / 1024;
        let frame_count = (size / PAGE_SIZE).min(u32::MAX as usize) as u64;
        if !start.addr().is_multiple_of(PAGE_SIZE) || frame_count < first_frame + 8 {
            return Err(PoolTooSmall { size });
        }
        let view = PoolView {
            start,
            first_page,
            page_count,
            frame_count,
            memory: PhantomData,
        };
        let mut memory = PoolMemory {
            start,
            view,
            unused: first_frame as u32,
            free: Vec::new(),
            touched: 0,
        };
        memory.word(PUBLISHED).store(0, Ordering::SeqCst);
        memory.word(SEQUENCE).store(0, Ordering::SeqCst);
        let geometry = [
            (0, u64::from_le_bytes(POOL_MAGIC)),
            (8, u64::from(POOL_VERSION)),
            (16, first_page),
            (24, page_count),
            (32, frame_count),
            (40, first_frame),
        ];
        let is_known = geometry
            .iter()
            .all(|&(at, value)| memory.word(at).load(Ordering::Relaxed) == value);
        let is_zero = memory.word(0).load(Ordering::Relaxed) == 0;
        let dirty = if is_known {
            memory.word(TOUCHED).load(Ordering::Relaxed).min(page_count)
        } else if is_zero {
            0
        } else {
            page_count
        };
        for index in 0..dirty {
            memory.table(index).store(0, Ordering::Relaxed);
        }
        for (at, value) in geometry {
            memory.word(at).store(value, Ordering::Relaxed);
        }
        memory.set_touched(0);
        Ok(memory)
    }

    fn set_touched(&mut self, count: u64) {
        self.touched = count;
        self.word(TOUCHED).store(count, Ordering::Relaxed);
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.view.word(offset)
    }

    fn table(&self, index: u64) -> &AtomicU32 {
        assert!(index < self.view.page_count, "table entry {index}");
        // SAFETY: in bounds as just checked; entries are only accessed atomically.
        unsafe {
            &*self
                .start
                .add(PAGE_SIZE)
                .cast::<AtomicU32>()
                .add(index as usize)
        }
    }

    /// The view that readers have.
    pub fn view(&self) -> PoolView<'static> {
        self.view
    }

    /// First page of the pool's range.
    pub(crate) fn first_page(&self) -> u64 {
        self.view.first_page
    }

    /// Pages of the pool's range.
    pub(crate) fn page_count(&self) -> u64 {
        self.view.page_count
    }

    /// Frames that are not in use.
    pub(crate) fn free_frames(&self) -> u64 {
        self.free.len() as u64 + (self.view.frame_count - u64::from(self.unused))
    }

    /// Gives the page a frame, whose bytes are whatever they were. `None` when there is none left.
    pub(crate) fn map(&mut self, page: PageId) -> Option<&mut Page> {
        let index = page.0 - self.view.first_page;
        assert_eq!(
            self.table(index).load(Ordering::Relaxed),
            0,
            "page {page} has a frame"
        );
        let frame = match self.free.pop() {
            Some(frame) => frame,
            None if u64::from(self.unused) < self.view.frame_count => {
                self.unused += 1;
                self.unused - 1
            }
            None => return None,
        };
        // Before the entry, so that a successor clears all that was used.
        if index >= self.touched {
            self.set_touched(index + 1);
        }
        // Readers learn the page's number only from a later publication, which is a Release store.
        self.table(index).store(frame, Ordering::Release);
        Some(self.frame_mut(frame))
    }

    /// Gives the page a frame with the bytes of another page.
    pub(crate) fn map_copy(&mut self, page: PageId, source: PageId) -> Option<()> {
        let source: *const Page = self.view.page(source).ok()?;
        let target: *mut Page = self.map(page)?;
        // SAFETY: both are whole frames, and two pages have two frames; the source does not change (it may be read
        // by others).
        unsafe { core::ptr::copy_nonoverlapping(source, target, 1) };
        Some(())
    }

    fn frame_mut(&mut self, frame: u32) -> &mut Page {
        assert!(u64::from(frame) < self.view.frame_count, "frame {frame}");
        // SAFETY: a whole frame within the area; `&mut self` excludes other references of the writer, and readers
        // have none into a frame that no published page reaches (invariant 1; callers pass new pages only).
        unsafe { &mut *self.start.add(frame as usize * PAGE_SIZE).cast::<Page>() }
    }

    /// Takes the page's frame away. No reader can reach the page any more.
    pub(crate) fn unmap(&mut self, page: PageId) {
        let frame = self
            .table(page.0 - self.view.first_page)
            .swap(0, Ordering::AcqRel);
        assert!(frame != 0, "page {page} has no frame");
        self.free.push(frame);
    }

    /// Whether the page has a frame.
    pub(crate) fn is_mapped(&self, page: PageId) -> bool {
        let index = page.0.wrapping_sub(self.view.first_page);
        index < self.view.page_count && self.table(index).load(Ordering::Relaxed) != 0
    }

    /// The page, in place.
    #[inline]
    pub(crate) fn page(&self, page: PageId) -> Result<&Page, ReadError> {
        self.view.page(page)
    }

    /// The page, to be changed: a page that no reader can reach.
    #[inline]
    pub(crate) fn page_mut(&mut self, page: PageId) -> &mut Page {
        let frame = self
            .table(page.0 - self.view.first_page)
            .load(Ordering::Relaxed);
        assert!(frame != 0, "page {page} has no frame");
        self.frame_mut(frame)
    }

    /// Publishes a descriptor, unless it is the one that stands (`None`), and the sequence.
    pub(crate) fn publish(&self, descriptor: Option<PageId>, sequence: u64) {
        if let Some(page) = descriptor {
            self.word(PUBLISHED).store(page.0, Ordering::Release);
        }
        self.word(SEQUENCE).store(sequence, Ordering::Release);
        // Before the announcements are loaded; pairs with the fence in `AnnouncePage::store`.
        fence(Ordering::SeqCst);
    }
}

/// The announce area as storage sees it.
#[derive(Debug)]
pub struct AnnounceArea {
    start: *const u8,
    size: usize,
}

// SAFETY: the area is only loaded from, atomically.
unsafe impl Send for AnnounceArea {}

impl AnnounceArea {
    /// All instances' pages.
    ///
    /// # Safety
    /// `start..start + size` is mapped readable and aligned to a page for as long as the process lives, or `size` is 0.
    pub unsafe fn new(start: *const u8, size: usize) -> AnnounceArea {
        AnnounceArea { start, size }
    }

    /// What the instance at that page announces; 0: nothing, or there is no such page.
    pub(crate) fn load(&self, index: usize) -> u64 {
        if index >= self.size / PAGE_SIZE {
            return 0;
        }
        // SAFETY: in bounds as just checked, aligned; its one writer stores atomically.
        unsafe { (*self.start.add(index * PAGE_SIZE).cast::<AtomicU64>()).load(Ordering::Acquire) }
    }
}

#[cfg(test)]
pub(crate) mod test_memory {
    //! Memory for tests, never given back.
    use super::*;
    use std::boxed::Box;

    #[derive(Clone)]
    #[repr(C, align(4096))]
    struct Frame([u8; PAGE_SIZE]);

    /// Zeroed memory of that many pages.
    pub(crate) fn memory(pages: usize) -> (*mut u8, usize) {
        let memory = Box::leak(std::vec![Frame([0; PAGE_SIZE]); pages].into_boxed_slice());
        (memory.as_mut_ptr().cast(), pages * PAGE_SIZE)
    }

    /// A pool of its own.
    pub(crate) fn pool(pages: usize, first_page: u64, pages_max: u64) -> PoolMemory {
        let (start, size) = memory(pages);
        // SAFETY: memory of its own, never freed.
        let area = unsafe { PoolArea::new(start, size) };
        PoolMemory::format(area, first_page, pages_max).expect("large enough")
    }

    /// A pool's memory, for the next engine on it.
    pub(crate) fn area((start, size): (*mut u8, usize)) -> PoolArea {
        // SAFETY: from `memory`; tests drop one engine before they make the next.
        unsafe { PoolArea::new(start, size) }
    }

    pub(crate) fn announce_area((start, size): (*mut u8, usize)) -> AnnounceArea {
        // SAFETY: from `memory`.
        unsafe { AnnounceArea::new(start, size) }
    }

    pub(crate) fn announce_page(
        (start, _): (*mut u8, usize),
        page: usize,
    ) -> AnnouncePage<'static> {
        // SAFETY: from `memory`, large enough for all pages.
        unsafe { AnnouncePage::new(start.add(page * PAGE_SIZE)) }
    }

    /// A reader's view.
    pub(crate) fn view(start: *mut u8, size: usize) -> PoolView<'static> {
        // SAFETY: from `memory`; tests read under an announced snapshot.
        unsafe { PoolView::attach(start, size) }.expect("published")
    }
}
