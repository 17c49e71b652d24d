//! Tiny images of raw machine code, and a hypervisor that runs them.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::mem::offset_of;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vireo_abi::boot::{ControlPage, Role, StatusPage};
use vireo_abi::memory_map::{CONTROL, EXIT, IMAGE, PARK, STATUS};
use vireo_hypervisor::{Event, Hypervisor, Isolation, Program, Reason, Topology, Volumes};

/// Instructions, assembled by hand. Addresses below 2 GiB are absolute.
#[derive(Clone, Default)]
pub struct Code(pub Vec<u8>);

impl Code {
    pub fn bytes(mut self, bytes: &[u8]) -> Code {
        self.0.extend_from_slice(bytes);
        self
    }

    fn absolute(self, opcode: &[u8], address: u64) -> Code {
        let address = i32::try_from(address).expect("below 2 GiB");
        self.bytes(opcode).bytes(&address.to_le_bytes())
    }

    /// mov dword [address], value
    pub fn store(self, address: u64, value: u32) -> Code {
        self.absolute(&[0xc7, 0x04, 0x25], address)
            .bytes(&value.to_le_bytes())
    }

    /// mov eax, [from]; mov [to], eax
    pub fn copy(self, from: u64, to: u64) -> Code {
        self.absolute(&[0x8b, 0x04, 0x25], from)
            .absolute(&[0x89, 0x04, 0x25], to)
    }

    /// inc qword [address]
    pub fn increment(self, address: u64) -> Code {
        self.absolute(&[0x48, 0xff, 0x04, 0x25], address)
    }

    /// mov rax, address; mov dword [rax], value
    pub fn store_far(self, address: u64, value: u32) -> Code {
        self.bytes(&[0x48, 0xb8])
            .bytes(&address.to_le_bytes())
            .bytes(&[0xc7, 0x00])
            .bytes(&value.to_le_bytes())
    }

    /// mov rax, address; mov eax, [rax]
    pub fn load_far(self, address: u64) -> Code {
        self.bytes(&[0x48, 0xb8])
            .bytes(&address.to_le_bytes())
            .bytes(&[0x8b, 0x00])
    }

    /// mov rax, address; jmp rax
    pub fn jump_far(self, address: u64) -> Code {
        self.bytes(&[0x48, 0xb8])
            .bytes(&address.to_le_bytes())
            .bytes(&[0xff, 0xe0])
    }

    /// Jumps back to an offset in the code.
    pub fn jump(self, to: usize) -> Code {
        let next = self.0.len() + 5;
        let distance = to as i32 - next as i32;
        self.bytes(&[0xe9]).bytes(&distance.to_le_bytes())
    }

    /// Says that the function is in its loop.
    pub fn ready(self) -> Code {
        self.store(STATUS + offset_of!(StatusPage, state) as u64, 1)
    }

    /// Ends with status 0 if it is asked to stop.
    pub fn stop_if_asked(self) -> Code {
        let stop = CONTROL + offset_of!(ControlPage, stop) as u64;
        // cmp dword [stop], 0; je over the store
        self.absolute(&[0x83, 0x3c, 0x25], stop)
            .bytes(&[0x00, 0x74, 11])
            .store(EXIT, 0)
    }

    /// Acknowledges the first links.
    pub fn acknowledge(mut self, links: u64) -> Code {
        for link in 0..links {
            let epoch = CONTROL + offset_of!(ControlPage, link_epoch) as u64 + 4 * link;
            let ack = STATUS + offset_of!(StatusPage, link_ack) as u64 + 4 * link;
            self = self.copy(epoch, ack);
        }
        self
    }

    pub fn heartbeat(self) -> Code {
        self.increment(STATUS + offset_of!(StatusPage, heartbeat) as u64)
    }
}

/// A function that acknowledges its links, parks, and stops when asked.
pub fn well_behaved(links: u64) -> Code {
    let state = STATUS + offset_of!(StatusPage, state) as u64;
    Code::default()
        .ready()
        .heartbeat()
        .stop_if_asked()
        .acknowledge(links)
        .store(state, 2)
        .store(PARK, 0)
        .jump(0)
}

/// A static ELF image: the code at the image's first address, then a page of read-only data, then one of
/// writable data, with the symbol `main` for all of the code.
pub fn image(code: &Code) -> &'static [u8] {
    let text_size = code.0.len().next_multiple_of(4096);
    let read_only = IMAGE + text_size as u64;
    let writable = read_only + 4096;
    let segments = [
        (5u32, 0x1000, IMAGE, code.0.len()),
        (4, 0x1000 + text_size, read_only, 4096),
        (6, 0x2000 + text_size, writable, 4096),
    ];
    let mut elf = vec![0u8; 0x3000 + text_size];
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &2u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &IMAGE.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(40, &0x400u64.to_le_bytes());
    for (at, value) in [(52, 64u16), (54, 56), (56, 3), (58, 64), (60, 3), (62, 2)] {
        put(at, &value.to_le_bytes());
    }
    for (index, (flags, offset, address, size)) in segments.into_iter().enumerate() {
        let at = 64 + 56 * index;
        put(at, &1u32.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        let fields = [
            offset as u64,
            address,
            address,
            size as u64,
            size as u64,
            4096,
        ];
        for (field, value) in fields.into_iter().enumerate() {
            put(at + 8 + 8 * field, &value.to_le_bytes());
        }
    }
    put(0x1000, &code.0);
    // Symbols at 0x200, strings at 0x300, section headers at 0x400.
    put(0x200 + 24, &1u32.to_le_bytes());
    put(0x200 + 28, &[2, 0, 1, 0]);
    put(0x200 + 32, &IMAGE.to_le_bytes());
    put(0x200 + 40, &(code.0.len() as u64).to_le_bytes());
    put(0x300, b"\0main\0");
    let sections = [
        (1, 2u32, 0x200u64, 48u64, 2u32, 24u64),
        (2, 3, 0x300, 6, 0, 0),
    ];
    for (index, kind, offset, size, link, entry) in sections {
        let at = 0x400 + 64 * index;
        put(at + 4, &kind.to_le_bytes());
        put(at + 24, &offset.to_le_bytes());
        put(at + 32, &size.to_le_bytes());
        put(at + 40, &link.to_le_bytes());
        put(at + 44, &1u32.to_le_bytes());
        put(at + 56, &entry.to_le_bytes());
    }
    elf.leak()
}

/// Where `image` puts its writable data for code of up to a page.
pub const DATA: u64 = IMAGE + 0x2000;
/// Where `image` puts its read-only data for code of up to a page.
pub const READ_ONLY: u64 = IMAGE + 0x1000;

/// Whether KVM tests can run; says so if not.
pub fn has_kvm() -> bool {
    let usable = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    if !usable {
        eprintln!("skipped: /dev/kvm cannot be used");
    }
    usable
}

/// A small topology without functions.
pub fn topology() -> Topology {
    let mut topology = Topology {
        isolation: Isolation::Kvm,
        ..Topology::default()
    };
    for spec in [
        &mut topology.parse,
        &mut topology.execute,
        &mut topology.storage,
        &mut topology.echo,
    ] {
        spec.instances = 0;
        spec.heap_mib = 2;
    }
    topology.catalog_pool_mib = 2;
    topology.data_pool_mib = 16;
    topology.runaway_ms = 200;
    topology.acknowledge_ms = 200;
    topology
}

pub struct Machine {
    pub hypervisor: Hypervisor,
    pub events: Receiver<Event>,
}

/// Starts images.
pub fn start(topology: Topology, images: &[(Role, &Code)], volumes: Option<Volumes>) -> Machine {
    let programs = images.iter().map(|(role, code)| Program {
        role: *role,
        image: Some(image(code)),
        entry: None,
    });
    let (sender, events) = channel();
    let handler = Box::new(move |event| drop(sender.send(event)));
    let hypervisor =
        Hypervisor::start(topology, programs.collect(), volumes, handler).expect("starts");
    Machine { hypervisor, events }
}

impl Machine {
    /// The next end of a function of this role.
    pub fn next_end(&self, wanted: Role) -> Reason {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left).expect("the function ends") {
                Event::FunctionDown { role, reason, .. } if role == wanted => return reason,
                _ => {}
            }
        }
    }

    /// The next start of a function of this role: microseconds that it took.
    pub fn next_up(&self, wanted: Role) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self
                .events
                .recv_timeout(left)
                .expect("the function comes up")
            {
                Event::FunctionUp { role, boot_us, .. } if role == wanted => return boot_us,
                _ => {}
            }
        }
    }

    pub fn ready(&self) {
        self.hypervisor
            .wait_ready(Duration::from_secs(10))
            .expect("ready");
    }

    pub fn restarts(&self, name: &str) -> u32 {
        let stats = self.hypervisor.stats();
        stats
            .functions
            .iter()
            .find(|function| function.name == name)
            .expect("it is there")
            .restarts
    }
}
