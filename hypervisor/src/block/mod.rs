//! Block devices: a disk behind a virtqueue.

mod adaptive;
mod device;
mod disk;
mod file;
mod request;

use adaptive::Adaptive;
pub(crate) use device::DeviceThread;
pub use disk::Disk;
pub use file::FileDisk;

/// The disks of the storage function.
pub struct Volumes {
    /// The write-ahead log's.
    pub wal: Box<dyn Disk>,
    /// The pages'.
    pub data: Box<dyn Disk>,
}
