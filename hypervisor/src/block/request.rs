//! One virtio-blk request: a descriptor chain of header, data and status.

use super::Disk;
use std::io;
use vireo_abi::block::{BlockStatus, SECTOR_SIZE, TRANSFER_SIZE_MAX, request_type};
use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const HEADER_SIZE: usize = 16;
const SEGMENT_SIZE: u32 = 16;

/// A request's fields, copied out of shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    code: u32,
    sector: u64,
    /// Where the data is, how much, and whether the device writes it.
    data: Option<(GuestAddress, u32, bool)>,
    status: GuestAddress,
}

impl Chain {
    /// Reads a chain. An error means that it is none of a virtio-blk request.
    pub(crate) fn read(
        memory: &GuestMemoryMmap,
        chain: DescriptorChain<&GuestMemoryMmap>,
    ) -> Result<Chain, String> {
        // Three descriptors make a request; a fourth is enough to see that it is none.
        let descriptors: Vec<_> = chain.take(4).collect();
        let (header, data, status) = match descriptors.as_slice() {
            [header, status] => (header, None, status),
            [header, data, status] => (header, Some(data), status),
            other => return Err(format!("a chain of {} descriptors", other.len())),
        };
        if header.is_write_only() || (header.len() as usize) < HEADER_SIZE {
            return Err("a header that cannot be read".into());
        }
        if !status.is_write_only() || status.len() != 1 {
            return Err("a status that cannot be written".into());
        }
        let mut bytes = [0; HEADER_SIZE];
        memory
            .read_slice(&mut bytes, header.addr())
            .map_err(|error| error.to_string())?;
        let mut code = [0; 4];
        code.copy_from_slice(&bytes[..4]);
        let mut sector = [0; 8];
        sector.copy_from_slice(&bytes[8..]);
        Ok(Chain {
            code: u32::from_le_bytes(code),
            sector: u64::from_le_bytes(sector),
            data: data.map(|data| (data.addr(), data.len(), data.is_write_only())),
            status: status.addr(),
        })
    }

    pub(crate) fn is_flush(&self) -> bool {
        self.code == request_type::FLUSH
    }

    pub(crate) fn write_status(
        &self,
        memory: &GuestMemoryMmap,
        status: BlockStatus,
    ) -> Result<(), String> {
        memory
            .write_slice(&[status as u8], self.status)
            .map_err(|error| error.to_string())
    }
}

/// Serves a request that is no flush: its status, and the bytes read into its data.
pub(crate) fn serve(
    memory: &GuestMemoryMmap,
    chain: &Chain,
    disk: &mut dyn Disk,
    bytes: &mut Vec<u8>,
) -> (BlockStatus, u32) {
    let Some((address, length, is_writable)) = chain.data else {
        return (BlockStatus::IoErr, 0);
    };
    match chain.code {
        request_type::IN if is_writable => {
            let Some(offset) = range(chain.sector, length.into(), disk.capacity()) else {
                return (BlockStatus::IoErr, 0);
            };
            bytes.resize(length as usize, 0);
            let result = disk.read(offset, bytes);
            let status = status("disk", "read", result);
            if status == BlockStatus::Ok && memory.write_slice(bytes, address).is_err() {
                return (BlockStatus::IoErr, 0);
            }
            (status, if status == BlockStatus::Ok { length } else { 0 })
        }
        code @ (request_type::OUT | request_type::OUT_DURABLE) if !is_writable => {
            let Some(offset) = range(chain.sector, length.into(), disk.capacity()) else {
                return (BlockStatus::IoErr, 0);
            };
            bytes.resize(length as usize, 0);
            if memory.read_slice(bytes, address).is_err() {
                return (BlockStatus::IoErr, 0);
            }
            let result = if code == request_type::OUT {
                disk.write(offset, bytes)
            } else {
                disk.write_durable(offset, bytes)
            };
            (status("disk", "write", result), 0)
        }
        request_type::DISCARD if !is_writable => (discard(memory, address, length, disk), 0),
        _ => (BlockStatus::Unsupported, 0),
    }
}

fn discard(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    length: u32,
    disk: &mut dyn Disk,
) -> BlockStatus {
    let mut sector = [0; 8];
    let mut sectors = [0; 4];
    let read = memory
        .read_slice(&mut sector, address)
        .and_then(|()| memory.read_slice(&mut sectors, GuestAddress(address.0.wrapping_add(8))));
    if length != SEGMENT_SIZE || read.is_err() {
        return BlockStatus::IoErr;
    }
    let (sector, sectors) = (u64::from_le_bytes(sector), u32::from_le_bytes(sectors));
    let length = u64::from(sectors) * SECTOR_SIZE as u64;
    let Some(end) = sector
        .checked_mul(SECTOR_SIZE as u64)
        .and_then(|offset| offset.checked_add(length))
    else {
        return BlockStatus::IoErr;
    };
    if length == 0 || end > disk.capacity() {
        return BlockStatus::IoErr;
    }
    status("disk", "discard", disk.discard(end - length, length))
}

/// The offset of a transfer that is whole sectors, not too long and inside the capacity.
fn range(sector: u64, length: u64, capacity: u64) -> Option<u64> {
    let is_transfer = length > 0
        && length <= TRANSFER_SIZE_MAX as u64
        && length.is_multiple_of(SECTOR_SIZE as u64);
    let offset = sector.checked_mul(SECTOR_SIZE as u64)?;
    let end = offset.checked_add(length)?;
    (is_transfer && end <= capacity).then_some(offset)
}

/// The status of a disk's answer; what is no success is logged.
pub(crate) fn status(disk: &str, what: &str, result: io::Result<()>) -> BlockStatus {
    let Err(error) = result else {
        return BlockStatus::Ok;
    };
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            tracing::warn!(disk, what, %error, "no space");
            BlockStatus::NoSpace
        }
        _ => {
            tracing::error!(disk, what, %error, "disk error");
            BlockStatus::IoErr
        }
    }
}
