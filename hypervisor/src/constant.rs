//! Constants of this program that are large and have been used: an image's file, once it is loaded.
//!
//! They lie in a segment of the program that nobody can write, so their pages are the program file's. Dropped, they cost no
//! memory; touched again, they are read from the file's cache again.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use vireo_abi::memory_map::PAGE_SIZE;

/// Drops the whole pages of a constant from this process's memory. What is no constant of the program stays.
pub(crate) fn release(bytes: &'static [u8]) {
    let begin = bytes.as_ptr().addr();
    let head = begin.next_multiple_of(PAGE_SIZE) - begin;
    let Some(inside) = bytes.get(head..) else {
        return;
    };
    let size = inside.len() / PAGE_SIZE * PAGE_SIZE;
    if size == 0 || !is_constant(begin..begin + bytes.len()) {
        return;
    }
    let start = inside.as_ptr().cast_mut().cast::<c_void>();
    // SAFETY: whole pages of a segment that cannot be written: what is dropped is what the file has, and comes
    // back from there.
    if unsafe { libc::madvise(start, size, libc::MADV_DONTNEED) } != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "a constant stays in memory");
    }
}

/// Whether a range is in a loaded segment, of the program or a library, that cannot be written.
fn is_constant(range: Range<usize>) -> bool {
    /// # Safety
    /// `info` is what `dl_iterate_phdr` gives, `range` what it was given.
    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        range: *mut c_void,
    ) -> c_int {
        // SAFETY: the caller's promise.
        let (info, range) = unsafe { (&*info, &*range.cast::<Range<usize>>()) };
        // SAFETY: the loader's table has this many entries and lives as long as the object.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let found = headers.iter().any(|header| {
            let start = (info.dlpi_addr + header.p_vaddr) as usize;
            header.p_type == libc::PT_LOAD
                && header.p_flags & libc::PF_W == 0
                && start <= range.start
                && range.end <= start + header.p_filesz as usize
        });
        c_int::from(found)
    }
    let range = (&raw const range).cast_mut().cast::<c_void>();
    // SAFETY: the callback reads the range, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), range) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    static CONSTANT: [u8; 64 << 10] = [7; 64 << 10];

    fn range(bytes: &[u8]) -> Range<usize> {
        let start = bytes.as_ptr().addr();
        start..start + bytes.len()
    }

    #[test]
    fn a_constant_is_one_and_stays_what_it_was() {
        assert!(is_constant(range(&CONSTANT)));
        release(&CONSTANT);
        assert!(black_box(&CONSTANT).iter().all(|byte| *byte == 7));
    }

    #[test]
    fn what_was_allocated_is_kept() {
        let allocated: &'static [u8] = vec![7; 64 << 10].leak();
        assert!(!is_constant(range(allocated)));
        release(allocated);
        assert!(black_box(allocated).iter().all(|byte| *byte == 7));
    }
}
