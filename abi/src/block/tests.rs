//! The driver's bytes, and devices that break the protocol. (An honest one is in `tests/stranger.rs`.)

use super::*;
use crate::testing::Area;
use std::vec;

fn bytes(area: &Area, at: usize, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    area.memory().read_bytes(at, length, &mut out);
    out
}

#[test]
fn golden_bytes() {
    let area = Area::new(LINK_SIZE);
    let mut driver = BlockDriver::new(area.memory()).unwrap();
    let data = vec![0xab; 1024];
    assert_eq!(driver.write(512 * 0x1122, &data), Some(Ticket(0)));
    assert_eq!(driver.read(0, 8192), Some(Ticket(1)));
    assert_eq!(driver.flush(), Some(Ticket(2)));
    assert_eq!(driver.discard(4096, 1 << 20), Some(Ticket(3)));
    assert_eq!(driver.depth(), 4);

    // The write: header, data and status, in three descriptors (address, length, flags, next).
    assert_eq!(
        bytes(&area, 0x4000, 16),
        b"\x01\0\0\0\0\0\0\0\x22\x11\0\0\0\0\0\0"
    );
    assert_eq!(bytes(&area, 0x4020, 1), [0xff]);
    assert_eq!(bytes(&area, 0x8000, 1024), data);
    let chain = b"\0\x40\0\0\0\0\0\0\x10\0\0\0\x01\0\x01\0\
        \0\x80\0\0\0\0\0\0\0\x04\0\0\x01\0\x02\0\
        \x20\x40\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0";
    assert_eq!(bytes(&area, 0, 48), chain);
    // The read's data: the device writes.
    let data = b"\0\x90\0\0\0\0\0\0\0\x20\0\0\x03\0\x05\0";
    assert_eq!(bytes(&area, 4 * 16, 16), data);
    // The flush: its header is followed by its status.
    assert_eq!(bytes(&area, 0x4080, 4), b"\x04\0\0\0");
    assert_eq!(bytes(&area, 6 * 16 + 12, 4), b"\x01\0\x08\0");
    // The discard: header, and sector, sectors and flags in the segment.
    let discard = b"\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\0";
    assert_eq!(bytes(&area, 0x40c0, 32), discard);
    // Available: index 4, descriptors 0, 3, 6, 9.
    assert_eq!(bytes(&area, 0x800, 12), b"\0\0\x04\0\0\0\x03\0\x06\0\x09\0");
}

/// What the driver says to a device that ends a read of 512 bytes like this.
fn check(id: u32, length: u32, status: u8, expected: Result<(BlockStatus, usize), BlockError>) {
    let area = Area::new(LINK_SIZE);
    let memory = area.memory();
    let mut driver = BlockDriver::new(area.memory()).unwrap();
    driver.read(0, 512).unwrap();
    memory.write_bytes(0x4020, &[status]);
    memory.write_u32(0x1004, id);
    memory.write_u32(0x1008, length);
    memory.store_release(0x1002, 1);
    let result = driver.complete().map(|done| {
        let done = done.unwrap();
        (done.status, done.data.len())
    });
    assert_eq!(result, expected);
    if let Err(error) = expected {
        assert_eq!(driver.complete(), Err(error));
        assert_eq!(driver.prepare_sleep(), Err(error));
        assert_eq!(driver.flush(), None);
    }
}

#[test]
fn hostile_device() {
    check(0, 513, 0, Ok((BlockStatus::Ok, 512)));
    check(0, 1, 1, Ok((BlockStatus::IoErr, 0)));
    check(0, 0, 2, Ok((BlockStatus::Unsupported, 0)));
    check(0, 513, 3, Ok((BlockStatus::NoSpace, 0)));
    check(0, 513, 4, Err(BlockError::BadStatus { status: 4 }));
    check(0, 513, 0xff, Err(BlockError::BadStatus { status: 0xff }));
    check(
        0,
        512,
        0,
        Err(BlockError::BadLength {
            length: 512,
            expected: 513,
        }),
    );
    check(
        0,
        514,
        0,
        Err(BlockError::BadLength {
            length: 514,
            expected: 513,
        }),
    );
    check(1, 513, 0, Err(RingError::BadHead { id: 1 }.into()));
    check(3, 513, 0, Err(RingError::BadHead { id: 3 }.into()));
    check(
        u32::MAX,
        513,
        0,
        Err(RingError::BadHead { id: u32::MAX }.into()),
    );
}

#[test]
fn room_runs_out_and_comes_back() {
    let area = Area::new(LINK_SIZE);
    let memory = area.memory();
    let mut driver = BlockDriver::new(area.memory()).unwrap();
    let data = vec![1; TRANSFER_SIZE_MAX];
    // 504 blocks hold 31 transfers of 16; requests that need no block still find one.
    let count = (0..)
        .take_while(|_| driver.write(0, &data).is_some())
        .count();
    assert_eq!(count, DATA_BLOCKS / 16);
    let rest = (0..).take_while(|_| driver.flush().is_some()).count();
    assert_eq!(count + rest, REQUESTS_MAX);
    memory.write_bytes(REQUESTS + REQUEST_SIZE + STATUS, &[0]);
    memory.write_u32(0x1004, 3);
    memory.write_u32(0x1008, 1);
    memory.store_release(0x1002, 1);
    assert_eq!(driver.complete().unwrap().unwrap().ticket, Ticket(1));
    assert!(driver.write(0, &data).is_some());
    assert!(driver.write(0, &data[..512]).is_none());
}
