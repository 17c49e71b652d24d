//! Where things are in a function VM. What is not listed is not mapped. Guest virtual and guest
//! physical addresses are the same numbers, but for the doorbells and the read-only part of the
//! image, which the hypervisor places where it likes.
//!
//! ```text
//!  address            size      rights   what
//!  0x0000_0000        1 MiB     none     null guard; also the page tables' home (GPA only, never mapped)
//!  0x0010_0000        4 KiB     R        boot page: written once by the hypervisor
//!  0x0010_1000        4 KiB     R        control page: the hypervisor writes, the function reads
//!  0x0010_2000        4 KiB     RW       status page: the function writes, the hypervisor reads
//!  0x0010_3000        4 KiB     W        doorbells: no memory behind, a write reaches an ioeventfd or exits
//!  0x0010_4000        48 KiB    RW       log ring
//!  0x0020_0000        <30 MiB   RX/R/RW  image: text, read-only data, data
//!  0x0200_0000        2 MiB     none     guard
//!  0x0220_0000        14 MiB    RW       stack, growing down from 0x0300_0000
//!  0x0300_0000        2 MiB     none     guard
//!  0x0400_0000        by size   RW       heap
//!  0x01_0000_0000     2 MiB ea  RW       link i at LINKS + i * LINK_SIZE
//!  0x02_0000_0000     2 MiB     RW or R  announce area: one page an instance, storage reads all
//!  0x10_0000_0000     by size   RW or R  catalog pool
//!  0x20_0000_0000     by size   RW or R  data pool
//! ```
//!
//! On the thread backend the same areas are host mappings elsewhere, so a function never uses
//! these constants: it takes every address from its boot page.

/// A page of the pools and of the volume, and the granule of the guest's small mappings.
pub const PAGE_SIZE: usize = 4096;
/// The granule of the large mappings.
pub const HUGE_PAGE_SIZE: usize = 2 << 20;

/// The boot page.
pub const BOOT: u64 = 0x0010_0000;
/// The control page.
pub const CONTROL: u64 = 0x0010_1000;
/// The status page.
pub const STATUS: u64 = 0x0010_2000;
/// The doorbell page: the 4-byte register `4 * i` rings link `i`; [`PARK`] parks.
pub const DOORBELLS: u64 = 0x0010_3000;
/// A write here exits to the VMM, which returns when the function's own doorbell has rung.
pub const PARK: u64 = DOORBELLS + 0x800;
/// A write here exits to the VMM for good: the value is the exit code, the status page says why.
pub const EXIT: u64 = DOORBELLS + 0x804;
/// The log ring.
pub const LOG: u64 = 0x0010_4000;
/// Bytes of the log ring's area.
pub const LOG_SIZE: usize = 48 << 10;
/// The image's first byte.
pub const IMAGE: u64 = 0x0020_0000;
/// The first address past the room for an image.
pub const IMAGE_END: u64 = 0x0200_0000;
/// The stack's lowest byte; below is a guard.
pub const STACK: u64 = 0x0220_0000;
/// The first address past the stack; above is a guard.
pub const STACK_END: u64 = 0x0300_0000;
/// The heap's first byte.
pub const HEAP: u64 = 0x0400_0000;
/// The first link's area.
pub const LINKS: u64 = 0x1_0000_0000;
/// Bytes of one link's area: a whole huge page.
pub const LINK_SIZE: usize = HUGE_PAGE_SIZE;
/// Links a function can have.
pub const LINKS_MAX: usize = 32;
/// The announce area.
pub const ANNOUNCE: u64 = 0x2_0000_0000;
/// Bytes of the announce area: a whole huge page, [`PAGE_SIZE`] for each instance.
pub const ANNOUNCE_SIZE: usize = HUGE_PAGE_SIZE;
/// Parse instance `i` announces in page `i` of the announce area.
pub const PARSE_ANNOUNCE_PAGE: usize = 0;
/// Execute instance `i` announces in page `EXECUTE_ANNOUNCE_PAGE + i` of the announce area.
pub const EXECUTE_ANNOUNCE_PAGE: usize = 64;
/// The catalog pool.
pub const CATALOG_POOL: u64 = 0x10_0000_0000;
/// The data pool.
pub const DATA_POOL: u64 = 0x20_0000_0000;

const _: () = assert!(LOG as usize + LOG_SIZE <= IMAGE as usize);
const _: () = assert!(LINKS as usize + LINKS_MAX * LINK_SIZE <= ANNOUNCE as usize);
const _: () = assert!(STACK_END < HEAP && HEAP < LINKS);
