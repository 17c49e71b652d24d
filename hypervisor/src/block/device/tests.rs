//! The device against the functions' own driver, and against hostile rings.

use super::*;
use crate::block::FileDisk;
use crate::link::LinkMemory;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use vireo_abi::block::{BlockDriver, Ticket};
use vireo_abi::memory_map::LINK_SIZE;
use vireo_abi::ring::RingMemory;

/// A disk in memory that notes what it was asked for, and fails when told to.
#[derive(Clone, Default)]
struct NotedDisk {
    calls: Arc<Mutex<Vec<String>>>,
    failure: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl NotedDisk {
    fn note(&self, call: String) -> io::Result<()> {
        self.calls.lock().expect("not poisoned").push(call);
        match *self.failure.lock().expect("not poisoned") {
            Some(kind) => Err(io::Error::from(kind)),
            None => Ok(()),
        }
    }
}

impl Disk for NotedDisk {
    fn capacity(&self) -> u64 {
        1 << 20
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(offset as u8 ^ 0x5a);
        self.note(format!("read {offset} {}", bytes.len()))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(format!("write {offset} {}", bytes.len()))
    }

    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(format!("write_durable {offset} {}", bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.note("flush".into())
    }

    fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
        self.note(format!("discard {offset} {length}"))
    }
}

struct Fixture {
    device: DeviceThread,
    area: Arc<Region>,
    doorbell: EventFd,
}

impl Fixture {
    fn new(disk: impl Disk + 'static) -> Fixture {
        let area = Arc::new(Region::new_huge(LINK_SIZE).expect("maps"));
        let end = Arc::new(HostEnd::new().expect("an eventfd"));
        let doorbell = EventFd::new(0).expect("an eventfd");
        let device = DeviceThread::start("test", Box::new(disk), area.clone(), end, &doorbell)
            .expect("starts");
        Fixture {
            device,
            area,
            doorbell,
        }
    }

    /// Brings the link up as the supervisor does: zeroes, driver, epoch.
    fn driver(&self, epoch: u32) -> BlockDriver<LinkMemory> {
        self.area.clear(0, LINK_SIZE);
        let driver = BlockDriver::new(LinkMemory::new(&self.area)).expect("a driver");
        self.set_epoch(epoch);
        driver
    }

    fn set_epoch(&self, epoch: u32) {
        self.device.end.set_epoch(epoch);
        wait_for(|| self.device.end.acknowledged() == epoch);
    }

    fn kick(&self, driver: &mut BlockDriver<LinkMemory>) {
        if driver.take_kick() {
            ring(self.device.end.bell());
        }
    }

    /// Waits for the completion of a request, by the doorbell, as a function would.
    fn finish(
        &self,
        driver: &mut BlockDriver<LinkMemory>,
        ticket: Option<Ticket>,
    ) -> (BlockStatus, Vec<u8>) {
        let ticket = ticket.expect("there is room");
        self.kick(driver);
        loop {
            if let Some(completion) = driver.complete().expect("a right device") {
                assert_eq!(completion.ticket, ticket);
                return (completion.status, completion.data.to_vec());
            }
            if driver.prepare_sleep().expect("a right device") {
                self.doorbell.read().expect("rings");
            }
            driver.woke();
        }
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited too long");
        std::thread::sleep(Duration::from_micros(50));
    }
}

#[test]
fn a_file_disk_behind_the_ring() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FileDisk::open(&directory.path().join("disk"), 4 << 20, 0).expect("opens");
    let fixture = Fixture::new(disk);
    let mut driver = fixture.driver(2);
    let mut page = vec![0u8; 64 << 10];
    for round in 0..200u64 {
        page.fill(round as u8);
        let offset = (round % 50) * (64 << 10);
        if round % 2 == 0 {
            let ticket = driver.write(offset, &page);
            assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
            let ticket = driver.flush();
            assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
        } else {
            let ticket = driver.write_durable(offset, &page);
            assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
        }
        let ticket = driver.read(offset, 64 << 10);
        assert_eq!(
            fixture.finish(&mut driver, ticket),
            (BlockStatus::Ok, page.clone())
        );
    }
    let ticket = driver.discard(0, 1 << 20);
    assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
    let ticket = driver.read(512, 512);
    assert_eq!(
        fixture.finish(&mut driver, ticket),
        (BlockStatus::Ok, vec![0; 512])
    );
}

#[test]
fn flushes_of_one_pass_are_one_and_come_last() {
    let disk = NotedDisk::default();
    let fixture = Fixture::new(disk.clone());
    let mut driver = fixture.driver(2);
    let tickets = [
        driver.write(0, &[1; 512]),
        driver.flush(),
        driver.write(512, &[2; 512]),
        driver.flush(),
    ];
    assert!(tickets.iter().all(Option::is_some));
    fixture.kick(&mut driver);
    let mut done = 0;
    while done < 4 {
        if let Some(completion) = driver.complete().expect("a right device") {
            assert_eq!(completion.status, BlockStatus::Ok);
            done += 1;
        }
    }
    let calls = disk.calls.lock().expect("not poisoned").clone();
    assert_eq!(calls[0], "write 0 512");
    assert_eq!(calls.last().map(String::as_str), Some("flush"));
    assert_eq!(
        calls
            .iter()
            .filter(|call| call.starts_with("write"))
            .count(),
        2
    );
}

#[test]
fn a_durable_write_is_one_call() {
    let disk = NotedDisk::default();
    let fixture = Fixture::new(disk.clone());
    let mut driver = fixture.driver(2);
    let ticket = driver.write_durable(1024, &[1; 512]);
    assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
    let calls = disk.calls.lock().expect("not poisoned").clone();
    assert_eq!(calls, ["write_durable 1024 512"]);
}

#[test]
fn errors_have_their_status() {
    let disk = NotedDisk::default();
    let fixture = Fixture::new(disk.clone());
    let mut driver = fixture.driver(2);
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, BlockStatus::NoSpace),
        (io::ErrorKind::QuotaExceeded, BlockStatus::NoSpace),
        (io::ErrorKind::Other, BlockStatus::IoErr),
    ] {
        *disk.failure.lock().expect("not poisoned") = Some(kind);
        let ticket = driver.write(0, &[0; 512]);
        assert_eq!(fixture.finish(&mut driver, ticket).0, expected);
        let ticket = driver.flush();
        assert_eq!(fixture.finish(&mut driver, ticket).0, expected);
        let ticket = driver.read(0, 512);
        assert_eq!(fixture.finish(&mut driver, ticket), (expected, Vec::new()));
    }
    *disk.failure.lock().expect("not poisoned") = None;
    disk.calls.lock().expect("not poisoned").clear();
    let past_the_end = [(1 << 20, 512), ((1 << 20) - 512, 1024), (!511, 512)];
    for (offset, length) in past_the_end {
        let ticket = driver.read(offset, length);
        assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::IoErr);
        let ticket = driver.discard(offset, length as u64);
        assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::IoErr);
    }
    assert!(disk.calls.lock().expect("not poisoned").is_empty());
}

#[test]
fn a_hostile_ring_is_a_fault_of_its_epoch_only() {
    let fixture = Fixture::new(NotedDisk::default());
    // A head past the table; a chain that loops; a buffer outside; an index that jumps.
    type Damage = fn(&LinkMemory);
    let damages: [Damage; 4] = [
        |memory| memory.write_u16(0x804, 500),
        |memory| {
            memory.write_u16(12, 1);
            memory.write_u16(14, 0);
        },
        |memory| memory.write_u64(0, u64::MAX - 100),
        |memory| memory.write_u16(0x802, 5000),
    ];
    for (round, damage) in damages.iter().enumerate() {
        let epoch = 2 + 2 * round as u32;
        let mut driver = fixture.driver(epoch);
        let memory = LinkMemory::new(&fixture.area);
        // The device is made to sleep, so that it sees the ring only when it is damaged.
        std::thread::sleep(Duration::from_millis(2));
        driver.flush().expect("there is room");
        damage(&memory);
        ring(fixture.device.end.bell());
        wait_for(|| fixture.device.end.fault() == epoch + 1);
        fixture.set_epoch(epoch + 1);
    }
    let mut driver = fixture.driver(20);
    let ticket = driver.flush();
    assert_eq!(fixture.finish(&mut driver, ticket).0, BlockStatus::Ok);
}
