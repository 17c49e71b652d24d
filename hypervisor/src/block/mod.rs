//! Block devices: a disk behind a virtqueue.

mod disk;
mod file;

pub use disk::Disk;
pub use file::FileDisk;

/// The disks of the storage function.
pub struct Volumes {
    /// The write-ahead log's.
    pub wal: Box<dyn Disk>,
    /// The pages'.
    pub data: Box<dyn Disk>,
}
