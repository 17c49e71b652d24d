//! The image of a function: a static ELF file, checked, with its read-only part loaded once for
//! all instances.
//!
//! ```text
//!  segment   rights   memory
//!  R E       rx       shared by all instances: one mapping, read-only in the host too
//!  R         r        the same mapping
//!  R W       rw       each instance's own, copied from the file at each start
//! ```
//!
//! Invariants of a loaded image:
//! 1. Every segment starts at a page boundary inside `IMAGE..IMAGE_END`, and no two share a page.
//! 2. None is writable and executable.
//! 3. The entry is in an executable segment.
//!
//! The entry is entered at CPL 3 with RDI the boot page's address, RSP the stack's end (a multiple of
//! 16, nothing pushed) and all else zero.
//!
//! Failure: anything else in the file is an [`Error::Image`]; nothing in it can panic the loader.

use crate::constant;
use crate::error::Error;
use crate::event::CodeAddress;
use crate::memory::Region;
use crate::page_table::Rights;
use goblin::elf::Elf;
use goblin::elf::header::{EM_X86_64, ET_EXEC};
use goblin::elf::program_header::{PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::sym::STT_FUNC;
use std::ops::Range;
use vireo_abi::boot::Role;
use vireo_abi::memory_map::{IMAGE, IMAGE_END, PAGE_SIZE};

/// A loadable segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its addresses, in whole pages.
    pub(crate) pages: Range<u64>,
    pub(crate) rights: Rights,
    /// Where its bytes are in the file; the rest of it is zero.
    file: Range<usize>,
}

impl Segment {
    pub(crate) fn size(&self) -> u64 {
        self.pages.end - self.pages.start
    }
}

/// A checked image.
#[derive(Debug)]
pub(crate) struct Image {
    bytes: &'static [u8],
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment>,
    /// The read-only segments at their offset from [`IMAGE`].
    pub(crate) shared: Region,
}

impl Image {
    /// Checks an image and loads its read-only part.
    pub(crate) fn load(role: Role, bytes: &'static [u8]) -> Result<Image, Error> {
        let bad = |problem: String| Error::Image {
            role: role.name(),
            problem,
        };
        let elf = Elf::parse(bytes).map_err(|error| bad(error.to_string()))?;
        if elf.header.e_machine != EM_X86_64 || !elf.is_64 || elf.header.e_type != ET_EXEC {
            return Err(bad("not a static x86-64 executable".into()));
        }
        if elf
            .program_headers
            .iter()
            .any(|header| matches!(header.p_type, PT_INTERP | PT_DYNAMIC))
        {
            return Err(bad("it wants a dynamic linker".into()));
        }
        let loadable = elf
            .program_headers
            .iter()
            .filter(|header| header.p_type == PT_LOAD);
        let mut segments = Vec::new();
        for header in loadable.filter(|header| header.p_memsz > 0) {
            segments.push(segment(header, bytes.len()).map_err(bad)?);
        }
        segments.sort_by_key(|segment| segment.pages.start);
        for pair in segments.windows(2) {
            if pair[0].pages.end > pair[1].pages.start {
                return Err(bad(format!(
                    "two segments share the page at {:#x}",
                    pair[1].pages.start
                )));
            }
        }
        let is_entry = |segment: &&Segment| segment.pages.contains(&elf.entry);
        match segments.iter().find(is_entry) {
            Some(Segment {
                rights: Rights::ReadExecute,
                ..
            }) => {}
            _ => return Err(bad(format!("the entry {:#x} is not executable", elf.entry))),
        }
        let shared = load_shared(&segments, bytes)?;
        constant::release(bytes);
        Ok(Image {
            bytes,
            entry: elf.entry,
            segments,
            shared,
        })
    }

    /// Copies the writable segments to their addresses in an instance's memory.
    pub(crate) fn write_data(&self, memory: &Region) {
        for segment in self
            .segments
            .iter()
            .filter(|segment| segment.rights == Rights::ReadWrite)
        {
            memory.write(
                segment.pages.start as usize,
                &self.bytes[segment.file.clone()],
            );
        }
    }

    /// The address with the symbol it is in. Parses the image again: only a crash asks.
    pub(crate) fn locate(&self, address: u64) -> CodeAddress {
        let symbol = Elf::parse(self.bytes).ok().and_then(|elf| {
            let functions = elf
                .syms
                .iter()
                .filter(|symbol| symbol.st_type() == STT_FUNC);
            let below = functions.filter(|symbol| symbol.st_value <= address);
            let nearest = below.max_by_key(|symbol| symbol.st_value)?;
            let offset = address - nearest.st_value;
            // A trap reports the address past its instruction, which may be the function's last.
            if offset > nearest.st_size {
                return None;
            }
            let name = elf.strtab.get_at(nearest.st_name)?;
            Some(format!("{:#}+{offset:#x}", rustc_demangle::demangle(name)))
        });
        CodeAddress { address, symbol }
    }
}

fn segment(header: &ProgramHeader, file_size: usize) -> Result<Segment, String> {
    let start = header.p_vaddr;
    let problem = |what: &str| Err(format!("the segment at {start:#x} {what}"));
    let rights = match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
        (false, false) => Rights::Read,
        (true, false) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (true, true) => return problem("is writable and executable"),
    };
    if !start.is_multiple_of(PAGE_SIZE as u64) {
        return problem("does not start at a page");
    }
    let end = start
        .checked_add(header.p_memsz)
        .filter(|end| *end <= IMAGE_END);
    let Some(end) = end.filter(|_| start >= IMAGE) else {
        return problem(&format!("is outside {IMAGE:#x}..{IMAGE_END:#x}"));
    };
    if header.p_filesz > header.p_memsz {
        return problem("has more bytes in the file than in memory");
    }
    let file = header
        .p_offset
        .checked_add(header.p_filesz)
        .map(|end| header.p_offset..end);
    match file.filter(|file| file.end <= file_size as u64) {
        Some(file) => Ok(Segment {
            pages: start..end.next_multiple_of(PAGE_SIZE as u64),
            rights,
            file: file.start as usize..file.end as usize,
        }),
        None => problem("is cut off in the file"),
    }
}

fn load_shared(segments: &[Segment], bytes: &[u8]) -> Result<Region, Error> {
    let read_only = || {
        segments
            .iter()
            .filter(|segment| segment.rights != Rights::ReadWrite)
    };
    let end = read_only()
        .map(|segment| segment.pages.end)
        .max()
        .unwrap_or(IMAGE);
    let shared = Region::new_huge((end - IMAGE) as usize)?;
    for segment in read_only() {
        shared.write(
            (segment.pages.start - IMAGE) as usize,
            &bytes[segment.file.clone()],
        );
    }
    shared.protect()?;
    Ok(shared)
}

#[cfg(test)]
mod tests;
