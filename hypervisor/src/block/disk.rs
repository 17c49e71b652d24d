//! What a block device needs of the storage behind it.

use std::io;

/// A disk. Two live: the file, and the simulated and faulty ones of the tests.
///
/// Offsets and lengths are multiples of 512 and inside the capacity. `StorageFull` and
/// `QuotaExceeded` errors mean that there is no room now and that the same call may succeed later; the
/// disk's contents are as before or partly written. Any other error is the device's failure.
pub trait Disk: Send {
    /// Bytes.
    fn capacity(&self) -> u64;

    /// Fills `bytes` from `offset`. What was never written reads as zeros.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes` at `offset`. It is durable after the next successful flush.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes `bytes` at `offset`, durable when this returns.
    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes all finished writes durable. After an error none of them may be counted on.
    fn flush(&mut self) -> io::Result<()>;

    /// Gives back what is stored in a range; it reads as zeros afterwards, or as before where the
    /// storage cannot give it back.
    fn discard(&mut self, offset: u64, length: u64) -> io::Result<()>;
}
