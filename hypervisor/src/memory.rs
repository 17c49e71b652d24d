//! Anonymous host memory for functions and for what they share.
//!
//! A [`Region`] is a private anonymous mapping. All VMs live in this process, so sharing one is
//! putting the same mapping into several VMs' memory slots, each with its own rights.
//!
//! Invariants:
//! 1. A region starts at a huge page boundary of the host, as its areas do in the guest, so that
//!    one guest huge page can be one host huge page.
//! 2. Memory is touched lazily and zero until written. What a region does not touch costs nothing.
//! 3. A region is not inherited by a forked child: a copy-on-write break in this process would
//!    part the VMs from the host.
//! 4. The hypervisor makes no Rust reference to bytes that a function may write, except to atomics.
//!    Access is through raw pointers.

use crate::error::{Error, host};
use std::io;
use std::ptr;
use vireo_abi::memory_map::{HUGE_PAGE_SIZE, PAGE_SIZE};

/// A private anonymous mapping.
#[derive(Debug)]
pub struct Region {
    start: *mut u8,
    size: usize,
}

// SAFETY: a region is plain memory that any thread may access; who does so through the raw
// pointer answers for races (invariant 4).
unsafe impl Send for Region {}
// SAFETY: as for Send; the methods that change the mapping are system calls that the kernel orders.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `size` bytes, rounded up to whole pages, readable and writable.
    pub fn new(size: usize) -> Result<Region, Error> {
        let size = size.next_multiple_of(PAGE_SIZE);
        let padded = size + HUGE_PAGE_SIZE;
        // SAFETY: a new anonymous mapping where the kernel likes; no memory of ours is concerned.
        let raw = unsafe {
            libc::mmap(
                ptr::null_mut(),
                padded,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            let source = io::Error::last_os_error();
            return Err(Error::Memory { size, source });
        }
        let head = raw.addr().next_multiple_of(HUGE_PAGE_SIZE) - raw.addr();
        let start = raw.cast::<u8>().wrapping_add(head);
        // SAFETY: head and tail are parts of the mapping just made that nobody uses.
        unsafe {
            if head > 0 {
                libc::munmap(raw, head);
            }
            libc::munmap(start.wrapping_add(size).cast(), padded - head - size);
        }
        let region = Region { start, size };
        region.advise(0, size, libc::MADV_DONTFORK)?;
        Ok(region)
    }

    /// As [`Region::new`], with all of it advised to be huge pages.
    pub fn new_huge(size: usize) -> Result<Region, Error> {
        let region = Region::new(size.next_multiple_of(HUGE_PAGE_SIZE))?;
        region.advise_huge(0, region.size);
        Ok(region)
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The address of `length` bytes at `offset`.
    ///
    /// # Panics
    /// If they are not inside.
    pub fn at(&self, offset: usize, length: usize) -> *mut u8 {
        let end = offset
            .checked_add(length)
            .expect("an offset in a region is far from the top");
        assert!(
            end <= self.size,
            "{end:#x} is past the region's {:#x} bytes",
            self.size
        );
        self.start.wrapping_add(offset)
    }

    /// Copies bytes in.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len());
        // SAFETY: inside the mapping (`at`), which is writable and not `bytes`. A function that
        // writes the same memory meanwhile is another processor's business (invariant 4).
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies bytes out.
    ///
    /// # Panics
    /// If they are not inside.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        let from = self.at(offset, bytes.len());
        // SAFETY: as in `write`.
        unsafe {
            bytes
                .as_mut_ptr()
                .copy_from_nonoverlapping(from, bytes.len())
        };
    }

    /// Sets bytes to zero by writing them: for small areas that will be used again at once.
    ///
    /// # Panics
    /// If they are not inside.
    pub fn clear(&self, offset: usize, length: usize) {
        let to = self.at(offset, length);
        // SAFETY: as in `write`.
        unsafe { to.write_bytes(0, length) };
    }

    /// Gives pages back to the host; they read as zero afterwards, in every VM too.
    pub fn discard(&self, offset: usize, length: usize) -> Result<(), Error> {
        self.advise(offset, length, libc::MADV_DONTNEED)
    }

    /// Asks for huge pages. A host without them gives small ones: slower, not wrong.
    pub fn advise_huge(&self, offset: usize, length: usize) {
        if let Err(error) = self.advise(offset, length, libc::MADV_HUGEPAGE) {
            tracing::debug!(%error, "no transparent huge pages");
        }
    }

    /// Touches pages now, so that the first access from a guest need not.
    pub fn populate(&self, offset: usize, length: usize) -> Result<(), Error> {
        self.advise(offset, length, libc::MADV_POPULATE_WRITE)
    }

    /// Makes the whole region read-only in the host too.
    pub fn protect(&self) -> Result<(), Error> {
        // SAFETY: the mapping is ours, and its users expect it to be read-only from here on.
        let result = unsafe { libc::mprotect(self.start.cast(), self.size, libc::PROT_READ) };
        if result == 0 {
            Ok(())
        } else {
            Err(host("read-only memory"))
        }
    }

    /// Bytes of whole pages that are in host memory.
    pub fn resident(&self) -> usize {
        let mut pages = vec![0u8; self.size / PAGE_SIZE];
        // SAFETY: the range is our mapping, and the vector has a byte for each of its pages.
        let result = unsafe { libc::mincore(self.start.cast(), self.size, pages.as_mut_ptr()) };
        if result != 0 {
            return 0;
        }
        pages.iter().filter(|page| **page & 1 == 1).count() * PAGE_SIZE
    }

    /// Offsets of the pages in `offset .. offset + length` that are in host memory.
    pub fn resident_pages(&self, offset: usize, length: usize) -> Vec<usize> {
        let start = self.at(offset, length);
        let mut pages = vec![0u8; length.div_ceil(PAGE_SIZE)];
        // SAFETY: the range is inside our mapping, and the vector has a byte for each page.
        let result = unsafe { libc::mincore(start.cast(), length, pages.as_mut_ptr()) };
        if result != 0 {
            return (0..pages.len())
                .map(|page| offset + page * PAGE_SIZE)
                .collect();
        }
        let resident = pages.iter().enumerate().filter(|(_, page)| **page & 1 == 1);
        resident
            .map(|(page, _)| offset + page * PAGE_SIZE)
            .collect()
    }

    fn advise(&self, offset: usize, length: usize, advice: libc::c_int) -> Result<(), Error> {
        let start = self.at(offset, length);
        // SAFETY: the range is inside our mapping. The advices used here change no byte but
        // MADV_DONTNEED, which zeroes them as its caller wants.
        let result = unsafe { libc::madvise(start.cast(), length, advice) };
        if result == 0 {
            Ok(())
        } else {
            Err(host("memory as advised"))
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever uses it holds the region.
        unsafe { libc::munmap(self.start.cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_aligned_zero_and_lazy() {
        let region = Region::new(10 << 20).expect("maps");
        assert_eq!(region.start().addr() % HUGE_PAGE_SIZE, 0);
        assert_eq!(region.resident(), 0);
        region.write(5000, b"abc");
        assert_eq!(region.resident_pages(0, 1 << 20), [4096]);
        let mut bytes = [1u8; 4];
        region.read(4999, &mut bytes);
        assert_eq!(&bytes, b"\0abc");
        region.discard(0, region.size()).expect("discards");
        region.read(4999, &mut bytes);
        assert_eq!(bytes, [0; 4]);
    }

    #[test]
    #[should_panic(expected = "past the region")]
    fn outside_is_a_bug() {
        let region = Region::new(4096).expect("maps");
        region.write(4095, b"ab");
    }
}
