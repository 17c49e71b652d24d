//! The page tables of a function VM: four levels, built once by the hypervisor.
//!
//! The tables live at [`TABLES`] in the function's private memory, at guest physical addresses
//! that no entry maps: a function can never change its own memory map.
//!
//! Invariants:
//! 1. No page is both writable and executable: [`Rights`] cannot say it.
//! 2. Nothing maps a table, nor address 0.
//! 3. A virtual page is mapped once: mapping it again is a bug and panics.
//! 4. Every entry has its accessed and dirty bits set, so that a walk never writes to a table.
//!
//! Failure: [`Error::PageTables`] when the tables' room is full.

use crate::error::Error;
use crate::memory::Region;
use vireo_abi::memory_map::{HUGE_PAGE_SIZE, PAGE_SIZE};

/// The first table, the root: where CR3 points.
pub(crate) const TABLES: u64 = 0x1000;
/// The end of the tables' room.
pub(crate) const TABLES_END: u64 = 0x10_0000;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const HUGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What a function may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rights {
    Read,
    ReadWrite,
    ReadExecute,
}

impl Rights {
    /// As the statistics spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rights::Read => "r",
            Rights::ReadWrite => "rw",
            Rights::ReadExecute => "rx",
        }
    }

    fn bits(self) -> u64 {
        match self {
            Rights::Read => NO_EXECUTE,
            Rights::ReadWrite => WRITABLE | NO_EXECUTE,
            Rights::ReadExecute => 0,
        }
    }
}

/// The size of the pages of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Granule {
    Small,
    Huge,
}

impl Granule {
    fn size(self) -> u64 {
        match self {
            Granule::Small => PAGE_SIZE as u64,
            Granule::Huge => HUGE_PAGE_SIZE as u64,
        }
    }
}

/// Tables being built.
pub(crate) struct PageTables<'a> {
    memory: &'a Region,
    /// The first byte of the room that is not a table yet.
    free: u64,
}

impl<'a> PageTables<'a> {
    /// Empty tables in zeroed memory, whose offsets are guest physical addresses.
    pub(crate) fn new(memory: &'a Region) -> PageTables<'a> {
        PageTables {
            memory,
            free: TABLES + PAGE_SIZE as u64,
        }
    }

    /// Maps `size` bytes at the virtual address to the physical one.
    pub(crate) fn map(
        &mut self,
        address: u64,
        physical: u64,
        size: u64,
        rights: Rights,
        granule: Granule,
    ) -> Result<(), Error> {
        let step = granule.size();
        assert!(address != 0, "address 0 is never mapped");
        assert!(
            address.is_multiple_of(step)
                && physical.is_multiple_of(step)
                && size.is_multiple_of(step),
            "a mapping is whole pages: {address:#x} {physical:#x} {size:#x}"
        );
        assert!(physical >= TABLES_END, "a table is never mapped");
        let levels = if granule == Granule::Huge { 2 } else { 1 };
        let leaf = PRESENT | USER | ACCESSED | DIRTY | rights.bits();
        let leaf = if granule == Granule::Huge {
            leaf | HUGE
        } else {
            leaf
        };
        let (mut table, mut next_table_at) = (0, 0);
        for offset in (0..size).step_by(step as usize) {
            let address = address + offset;
            if address >= next_table_at {
                table = self.table_of(address, levels)?;
                next_table_at = (address | ((step << 9) - 1)) + 1;
            }
            let slot = table + index(address, levels) * 8;
            assert_eq!(self.load(slot), 0, "{address:#x} is mapped already");
            self.store(slot, (physical + offset) | leaf);
        }
        Ok(())
    }

    /// The table at the given level (1: of small pages) that maps an address, made if it is not there.
    fn table_of(&mut self, address: u64, level: u32) -> Result<u64, Error> {
        let mut table = TABLES;
        for above in (level + 1..=4).rev() {
            let slot = table + index(address, above) * 8;
            let entry = self.load(slot);
            assert_eq!(entry & HUGE, 0, "{address:#x} is mapped already");
            table = if entry == 0 {
                let new = self.free;
                if new + PAGE_SIZE as u64 > TABLES_END {
                    let pages = ((TABLES_END - TABLES) / PAGE_SIZE as u64) as usize;
                    return Err(Error::PageTables { pages });
                }
                self.free += PAGE_SIZE as u64;
                self.store(slot, new | PRESENT | WRITABLE | USER | ACCESSED);
                new
            } else {
                entry & ADDRESS
            };
        }
        Ok(table)
    }

    fn load(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read(at as usize, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn store(&self, at: u64, entry: u64) {
        self.memory.write(at as usize, &entry.to_le_bytes());
    }
}

/// The index of an address in the table of a level, 1 to 4.
fn index(address: u64, level: u32) -> u64 {
    (address >> (12 + 9 * (level - 1))) & 511
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a processor at CPL 3 finds: the physical address and the rights, by the manual's walk
    /// (AMD APM volume 2, 5.3), or None for a fault.
    fn walk(memory: &Region, address: u64) -> Option<(u64, Rights)> {
        let (mut table, mut writable, mut user, mut executable) = (TABLES, true, true, true);
        for shift in [39, 30, 21, 12] {
            let mut bytes = [0; 8];
            let slot = table + ((address >> shift) & 511) * 8;
            memory.read(slot as usize, &mut bytes);
            let entry = u64::from_le_bytes(bytes);
            if entry & 1 == 0 {
                return None;
            }
            writable &= entry & 2 != 0;
            user &= entry & 4 != 0;
            executable &= entry >> 63 == 0;
            table = entry & 0x000f_ffff_ffff_f000;
            if shift == 12 || entry & 0x80 != 0 {
                assert!(user, "{address:#x} is for the supervisor only");
                let rights = match (writable, executable) {
                    (false, false) => Rights::Read,
                    (true, false) => Rights::ReadWrite,
                    (false, true) => Rights::ReadExecute,
                    (true, true) => panic!("{address:#x} is writable and executable"),
                };
                return Some((table + (address & ((1 << shift) - 1)), rights));
            }
        }
        unreachable!("the last level returns");
    }

    fn tables() -> Region {
        Region::new(TABLES_END as usize).expect("maps")
    }

    #[test]
    fn a_model_of_pages_agrees_with_the_walk() {
        let memory = tables();
        let mut tables = PageTables::new(&memory);
        let small = [
            (0x10_0000, 0x10_0000, 1, Rights::Read),
            (0x10_2000, 0x10_2000, 1, Rights::ReadWrite),
            (0x10_3000, 0x3_4000_0000, 1, Rights::ReadWrite),
            (0x20_0000, 0x3_0000_0000, 700, Rights::ReadExecute),
            (
                0x20_0000 + 700 * 4096,
                0x3_0000_0000 + 700 * 4096,
                3,
                Rights::Read,
            ),
        ];
        let huge = [
            (0x400_0000, 0x400_0000, 600, Rights::ReadWrite),
            (0x10_0000_0000, 0x10_0000_0000, 32, Rights::Read),
            (0x20_0000_0000, 0x20_0000_0000, 2048, Rights::Read),
        ];
        for (address, physical, pages, rights) in small {
            tables
                .map(address, physical, pages << 12, rights, Granule::Small)
                .expect("maps");
        }
        for (address, physical, pages, rights) in huge {
            tables
                .map(address, physical, pages << 21, rights, Granule::Huge)
                .expect("maps");
        }
        let ranges = small.map(|(a, p, n, r)| (a, p, n << 12, r)).into_iter();
        let ranges: Vec<_> = ranges
            .chain(huge.map(|(a, p, n, r)| (a, p, n << 21, r)))
            .collect();
        let expected = |address: u64| {
            let inside =
                |range: &&(u64, u64, u64, Rights)| (range.0..range.0 + range.2).contains(&address);
            ranges
                .iter()
                .find(inside)
                .map(|range| (address - range.0 + range.1, range.3))
        };
        let mut probes: Vec<u64> = vec![0, 0x1000, 0xf_f000, 0x3_4000_0000, 0x3_0000_0000];
        for range in &ranges {
            for at in [range.0, range.0 + range.2 / 2 + 123, range.0 + range.2] {
                probes.extend([at - 1, at, at + 1, at + 4096]);
            }
        }
        for address in probes {
            assert_eq!(walk(&memory, address), expected(address), "{address:#x}");
        }
    }

    #[test]
    fn full_tables_are_an_error() {
        let memory = tables();
        let mut tables = PageTables::new(&memory);
        let result = tables.map(1 << 39, 1 << 39, 300 << 30, Rights::Read, Granule::Huge);
        assert!(matches!(result, Err(Error::PageTables { pages: 255 })));
    }

    #[test]
    #[should_panic(expected = "mapped already")]
    fn mapping_twice_is_a_bug() {
        let memory = tables();
        let mut tables = PageTables::new(&memory);
        for _ in 0..2 {
            let result = tables.map(0x20_0000, 0x20_0000, 4096, Rights::Read, Granule::Small);
            assert!(result.is_ok());
        }
    }
}
