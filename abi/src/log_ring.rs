//! The log ring: one function writes records, the hypervisor reads them, nobody waits.
//!
//! ```text
//!  offset  size  field
//!  0       8     reserved: bytes ever begun; stored before the bytes of a record change
//!  8       8     written: bytes ever finished; stored after them
//!  16      48    zero
//!  64      rest  the ring: position p is at 64 + p % (size - 64)
//! ```
//!
//! A record is `{ length: u16, level: u8, zero: u8 }`, little-endian, then `length` bytes of UTF-8.
//! Records follow each other without padding and wrap byte by byte.
//!
//! Invariants:
//! 1. The function writes every byte of the ring, the hypervisor none. The reader keeps its position in
//!    its own memory, and so does the writer: neither believes what the ring says of itself.
//! 2. A writer never waits: it overwrites what was not read. The reader notices, because `reserved`
//!    is stored before the overwriting, and says how many bytes were lost.
//!
//! Failure: a ring that makes no sense (counters that go back, an unknown level) loses the records
//! in it and nothing else.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

/// Bytes before the ring.
pub const HEADER_SIZE: usize = 64;
/// Bytes of a record before its text.
pub const RECORD_HEADER_SIZE: usize = 4;
/// The longest text of a record; a writer cuts longer ones.
pub const TEXT_SIZE_MAX: usize = 4096;

/// How much a record matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something may fail.
    Warn = 2,
    /// A change of state worth knowing.
    Info = 3,
    /// For those who look for a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

impl Level {
    /// The level with this code.
    pub const fn from_code(code: u8) -> Option<Level> {
        match code {
            1 => Some(Level::Error),
            2 => Some(Level::Warn),
            3 => Some(Level::Info),
            4 => Some(Level::Debug),
            5 => Some(Level::Trace),
            _ => None,
        }
    }
}

/// The memory of a log ring, seen from either side. All access is atomic, so a peer that writes at
/// the same time can make the text wrong and nothing else.
#[derive(Clone, Copy, Debug)]
struct Area {
    start: *mut u8,
    capacity: usize,
}

impl Area {
    fn counter(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset + 8 <= HEADER_SIZE);
        // SAFETY: the constructors' callers promise `HEADER_SIZE` mapped bytes, 8-aligned, for as
        // long as the end lives; whoever else writes them does so atomically (invariant 1).
        unsafe { &*self.start.add(offset).cast::<AtomicU64>() }
    }

    fn reserved(&self) -> &AtomicU64 {
        self.counter(0)
    }

    fn written(&self) -> &AtomicU64 {
        self.counter(8)
    }

    fn byte(&self, position: u64) -> &AtomicU8 {
        let offset = HEADER_SIZE + (position % self.capacity as u64) as usize;
        // SAFETY: the offset is below `HEADER_SIZE + capacity`, which the constructors' callers
        // promise to be mapped; access is atomic on both sides (invariant 1).
        unsafe { &*self.start.add(offset).cast::<AtomicU8>() }
    }
}

/// The function's end.
#[derive(Debug)]
pub struct Writer {
    area: Area,
    position: u64,
}

// SAFETY: the end owns its position, and all access to the shared memory is atomic.
unsafe impl Send for Writer {}

impl Writer {
    /// The writer of the ring in `size` zeroed bytes at `start`. `None` if that is too small or not
    /// 8-aligned.
    ///
    /// # Safety
    /// The memory stays mapped and writable while the writer lives, and no other writer exists.
    pub unsafe fn new(start: *mut u8, size: usize) -> Option<Writer> {
        let area = area(start, size)?;
        Some(Writer { area, position: 0 })
    }

    /// Appends a record; the text is cut at a character boundary to [`TEXT_SIZE_MAX`] and to what the
    /// ring can hold.
    pub fn write(&mut self, level: Level, text: &str) {
        let room = (self.area.capacity - RECORD_HEADER_SIZE).min(TEXT_SIZE_MAX);
        let mut length = text.len().min(room);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let [low, high] = (length as u16).to_le_bytes();
        let header = [low, high, level as u8, 0];
        let start = self.position;
        let end = start + (RECORD_HEADER_SIZE + length) as u64;
        self.area.reserved().store(end, Ordering::Relaxed);
        // Pairs with the fence in `Reader::read`: a reader that saw one of the bytes below also
        // sees `reserved`.
        fence(Ordering::Release);
        let bytes = header.iter().chain(&text.as_bytes()[..length]);
        for (position, &byte) in (start..end).zip(bytes) {
            self.area.byte(position).store(byte, Ordering::Relaxed);
        }
        self.position = end;
        // Pairs with the Acquire load in `Reader::read`.
        self.area.written().store(end, Ordering::Release);
    }
}

/// What [`Reader::read`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    /// A record. The text is whatever the function wrote; it need not be UTF-8.
    Text(Level, &'a [u8]),
    /// This many bytes were overwritten or made no sense; reading goes on behind them.
    Lost(u64),
}

/// The hypervisor's end.
#[derive(Debug)]
pub struct Reader {
    area: Area,
    position: u64,
}

// SAFETY: the end owns its position, and all access to the shared memory is atomic.
unsafe impl Send for Reader {}

impl Reader {
    /// The reader of the ring in `size` bytes at `start`, which was zero when its writer started. `None` if
    /// that is too small or not 8-aligned.
    ///
    /// # Safety
    /// The memory stays mapped while the reader lives.
    pub unsafe fn new(start: *mut u8, size: usize) -> Option<Reader> {
        let area = area(start, size)?;
        Some(Reader { area, position: 0 })
    }

    /// The next record, copied into `buffer`; `None` when there is none.
    pub fn read<'a>(&mut self, buffer: &'a mut [u8; TEXT_SIZE_MAX]) -> Option<Record<'a>> {
        let written = self.area.written().load(Ordering::Acquire);
        if written == self.position {
            return None;
        }
        let start = self.position;
        let available = written.wrapping_sub(start);
        if available < RECORD_HEADER_SIZE as u64 || available > self.area.capacity as u64 {
            return Some(self.skip(written));
        }
        let mut header = [0u8; RECORD_HEADER_SIZE];
        self.copy(start, &mut header);
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let size = (RECORD_HEADER_SIZE + length) as u64;
        let level = Level::from_code(header[2]);
        let (Some(level), true) = (level, length <= TEXT_SIZE_MAX && size <= available) else {
            return Some(self.skip(written));
        };
        self.copy(start + RECORD_HEADER_SIZE as u64, &mut buffer[..length]);
        // Pairs with the fence in `Writer::write`.
        fence(Ordering::Acquire);
        let reserved = self.area.reserved().load(Ordering::Relaxed);
        if reserved.wrapping_sub(start) > self.area.capacity as u64 {
            return Some(self.skip(written));
        }
        self.position = start + size;
        Some(Record::Text(level, &buffer[..length]))
    }

    fn skip(&mut self, written: u64) -> Record<'static> {
        let lost = written.wrapping_sub(self.position);
        self.position = written;
        Record::Lost(lost)
    }

    fn copy(&self, position: u64, into: &mut [u8]) {
        for (position, byte) in (position..).zip(into) {
            *byte = self.area.byte(position).load(Ordering::Relaxed);
        }
    }
}

fn area(start: *mut u8, size: usize) -> Option<Area> {
    let capacity = size.checked_sub(HEADER_SIZE)?;
    if capacity <= RECORD_HEADER_SIZE || !start.addr().is_multiple_of(8) {
        return None;
    }
    Some(Area { start, capacity })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec, vec::Vec};

    fn ring(size: usize) -> (Vec<u64>, Writer, Reader) {
        assert!(size.is_multiple_of(8));
        let mut memory = vec![0u64; size / 8];
        let start = memory.as_mut_ptr().cast::<u8>();
        // SAFETY: the vector outlives both ends in each test and has `size` bytes, 8-aligned.
        let ends = unsafe { (Writer::new(start, size), Reader::new(start, size)) };
        (memory, ends.0.unwrap(), ends.1.unwrap())
    }

    #[test]
    fn records_come_out_in_order_across_wraps() {
        let (_memory, mut writer, mut reader) = ring(256);
        let mut buffer = [0; TEXT_SIZE_MAX];
        for i in 0..1000usize {
            let text = String::from_iter(core::iter::repeat_n('x', i % 150));
            writer.write(Level::Info, &text);
            assert_eq!(
                reader.read(&mut buffer),
                Some(Record::Text(Level::Info, text.as_bytes()))
            );
            assert_eq!(reader.read(&mut buffer), None);
        }
    }

    #[test]
    fn golden_bytes() {
        let (memory, mut writer, _reader) = ring(128);
        writer.write(Level::Warn, "hi");
        let bytes: Vec<u8> = memory.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(&bytes[..8], &6u64.to_le_bytes());
        assert_eq!(&bytes[8..16], &6u64.to_le_bytes());
        assert_eq!(&bytes[64..70], &[2, 0, 2, 0, b'h', b'i']);
    }

    #[test]
    fn overwritten_records_are_counted_as_lost() {
        let (_memory, mut writer, mut reader) = ring(128);
        for _ in 0..20 {
            writer.write(Level::Error, "0123456789");
        }
        let mut buffer = [0; TEXT_SIZE_MAX];
        assert_eq!(reader.read(&mut buffer), Some(Record::Lost(20 * 14)));
        assert_eq!(reader.read(&mut buffer), None);
        writer.write(Level::Error, "next");
        assert_eq!(
            reader.read(&mut buffer),
            Some(Record::Text(Level::Error, b"next"))
        );
    }

    #[test]
    fn a_hostile_ring_loses_its_records_only() {
        let (mut memory, mut writer, mut reader) = ring(128);
        let mut buffer = [0; TEXT_SIZE_MAX];
        writer.write(Level::Error, "text");
        memory[8] = u64::MAX;
        assert_eq!(reader.read(&mut buffer), Some(Record::Lost(8)));
        memory[1] = 3;
        assert!(matches!(reader.read(&mut buffer), Some(Record::Lost(_))));
        memory[1] = 5;
        assert_eq!(reader.read(&mut buffer), Some(Record::Lost(2)));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let (_memory, mut writer, mut reader) = ring(80);
        let mut buffer = [0; TEXT_SIZE_MAX];
        writer.write(Level::Error, "12345678901ä");
        assert_eq!(
            reader.read(&mut buffer),
            Some(Record::Text(Level::Error, b"12345678901"))
        );
    }
}
