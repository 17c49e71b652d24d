//! What happens around a storage function that dies: executes let go, parse functions are restarted,
//! the pools are zeroed, storage starts again.

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Code, Machine, has_kvm, start, topology, well_behaved};
use vireo_abi::boot::Role;
use vireo_abi::memory_map::{CATALOG_POOL, DATA_POOL, EXIT};
use vireo_hypervisor::{Disk, HostLink, Reason, Volumes};

struct NoDisk;

impl Disk for NoDisk {
    fn capacity(&self) -> u64 {
        1 << 20
    }

    fn read(&mut self, _: u64, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(0);
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn write_durable(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Acknowledges the gateway's ends, as the server does, until it is dropped.
struct Gateway(Arc<AtomicBool>);

impl Gateway {
    fn new(links: Vec<HostLink>) -> Gateway {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                links.iter().for_each(|link| link.acknowledge(link.epoch()));
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Gateway(is_over)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exits with 99 if a pool is not zero, else writes to both and behaves.
fn storage() -> Code {
    let mut code = Code::default();
    for pool in [CATALOG_POOL, DATA_POOL + (8 << 20)] {
        code = code.load_far(pool);
        // test eax, eax; je over the exit
        code = code
            .bytes(&[0x85, 0xc0, 0x74, 11])
            .store(EXIT, 99)
            .store_far(pool, 1);
    }
    // Its jump is relative, so it may stand anywhere.
    code.bytes(&well_behaved(3).0)
}

fn machine(execute: &Code) -> (Machine, Gateway) {
    let mut topology = topology();
    topology.parse.instances = 1;
    topology.execute.instances = 1;
    topology.storage.instances = 1;
    let parse = well_behaved(1);
    let images = [
        (Role::Parse, &parse),
        (Role::Execute, execute),
        (Role::Storage, &storage()),
    ];
    let volumes = Volumes {
        wal: Box::new(NoDisk),
        data: Box::new(NoDisk),
    };
    let mut machine = start(topology, &images, Some(volumes));
    let gateway = Gateway::new(machine.hypervisor.take_host_links());
    machine.ready();
    (machine, gateway)
}

fn wait_links_up(machine: &Machine) {
    let begin = Instant::now();
    let all_up = || {
        let stats = machine.hypervisor.stats();
        stats
            .functions
            .iter()
            .flat_map(|function| &function.queues)
            .all(|queue| queue.is_up)
    };
    while !all_up() {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:#?}",
            machine.hypervisor.stats()
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn storage_comes_back_to_zeroed_pools() {
    if !has_kvm() {
        return;
    }
    let (machine, _gateway) = machine(&well_behaved(2));
    wait_links_up(&machine);
    for round in 1..=3 {
        let begin = Instant::now();
        machine.hypervisor.kill("storage0").expect("is killed");
        assert_eq!(machine.next_end(Role::Storage), Reason::Killed);
        let boot_us = machine.next_up(Role::Storage);
        println!(
            "storage back after {:?}, boot {boot_us} us",
            begin.elapsed()
        );
        wait_links_up(&machine);
        println!("links up after {:?}", begin.elapsed());
        assert_eq!(machine.restarts("storage0"), round);
        assert_eq!(machine.restarts("parse0"), round);
        assert_eq!(machine.restarts("execute0"), 0);
    }
}

#[test]
fn an_execute_that_does_not_let_go_is_cut_off() {
    if !has_kvm() {
        return;
    }
    // It acknowledges its links until they are up, and never again.
    let deaf = once_up(
        Code::default()
            .ready()
            .acknowledge(2)
            .heartbeat()
            .stop_if_asked(),
    );
    let (machine, _gateway) = machine(&deaf);
    wait_links_up(&machine);
    machine.hypervisor.kill("storage0").expect("is killed");
    let reason = machine.next_end(Role::Execute);
    assert!(matches!(reason, Reason::Unresponsive { .. }), "{reason:?}");
    machine.next_up(Role::Storage);
    wait_links_up(&machine);
}

/// Repeats the code until both links' epochs are 2, then only beats and looks at `stop`.
fn once_up(code: Code) -> Code {
    use std::mem::offset_of;
    use vireo_abi::boot::ControlPage;
    use vireo_abi::memory_map::CONTROL;
    let mut code = code;
    for link in 0..2 {
        let epoch = CONTROL + offset_of!(ControlPage, link_epoch) as u64 + 4 * link;
        // test dword [epoch], 1; je over the jump back
        code = code
            .bytes(&[0xf7, 0x04, 0x25])
            .bytes(&(epoch as u32).to_le_bytes())
            .bytes(&1u32.to_le_bytes());
        code = code.bytes(&[0x74, 5]).jump(0);
    }
    code = code.acknowledge(2);
    let beat = code.0.len();
    code.heartbeat().stop_if_asked().jump(beat)
}
