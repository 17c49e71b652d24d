//! Hostile images under KVM: each ends alone, for the right reason, and is replaced.

mod support;

use support::{Code, DATA, READ_ONLY, has_kvm, start, topology, well_behaved};
use vireo_abi::boot::Role;
use vireo_abi::memory_map::{
    ANNOUNCE, BOOT, CATALOG_POOL, CONTROL, DATA_POOL, DOORBELLS, EXIT, HEAP, IMAGE, LINK_SIZE,
    LINKS, STACK, STACK_END,
};
use vireo_hypervisor::Reason;

/// Runs the code as parse0 beside a well-behaved echo0, and gives the reason of its end to `is_expected`.
fn check(what: &str, hostile: Code, is_expected: impl Fn(&Reason) -> bool) {
    if !has_kvm() {
        return;
    }
    let mut topology = topology();
    topology.parse.instances = 1;
    topology.echo.instances = 1;
    let quiet = well_behaved(1);
    let machine = start(
        topology,
        &[(Role::Parse, &hostile), (Role::Echo, &quiet)],
        None,
    );
    let reason = machine.next_end(Role::Parse);
    println!("{what}: {reason}");
    assert!(is_expected(&reason), "{what}: {reason:?}");
    assert!(machine.restarts("parse0") >= 1);
    assert_eq!(machine.restarts("echo0"), 0, "{what}");
    machine.hypervisor.stop();
}

/// A page fault at `address`, from inside the code.
fn check_fault(what: &str, hostile: Code, address: u64) {
    check(what, hostile, |reason| match reason {
        Reason::Fault { at, cr2 } => *cr2 == address && symbol(&at.symbol) == "main",
        _ => false,
    });
}

/// An exception that is no page fault.
fn check_exception(what: &str, instruction: &[u8]) {
    let hostile = Code::default().ready().bytes(instruction);
    check(what, hostile, |reason| match reason {
        Reason::Fault { at, .. } => symbol(&at.symbol) == "main",
        _ => false,
    });
}

fn symbol(symbol: &Option<String>) -> &str {
    symbol
        .as_deref()
        .and_then(|symbol| symbol.split('+').next())
        .unwrap_or("")
}

fn write(address: u64) -> Code {
    Code::default().ready().store_far(address, 1)
}

#[test]
fn a_write_to_a_pool_that_is_read_only() {
    check_fault("catalog pool", write(CATALOG_POOL + 8), CATALOG_POOL + 8);
}

#[test]
fn a_read_of_a_pool_that_is_not_its_own() {
    let hostile = Code::default().ready().load_far(DATA_POOL);
    check_fault("data pool", hostile, DATA_POOL);
}

#[test]
fn a_write_to_the_pages_of_the_hypervisor() {
    check_fault("boot page", write(BOOT + 16), BOOT + 16);
    check_fault("control page", write(CONTROL), CONTROL);
}

#[test]
fn a_write_to_text_and_to_read_only_data() {
    check_fault("text", write(IMAGE + 64), IMAGE + 64);
    check_fault("read-only data", write(READ_ONLY), READ_ONLY);
}

#[test]
fn execution_of_data_stack_and_heap() {
    for (what, address) in [
        ("data", DATA),
        ("heap", HEAP + 64),
        ("stack", STACK_END - 64),
        ("rodata", READ_ONLY),
    ] {
        let hostile = Code::default().ready().jump_far(address);
        check(
            what,
            hostile,
            |reason| matches!(reason, Reason::Fault { at, cr2 } if *cr2 == address && at.address == address),
        );
    }
}

#[test]
fn a_jump_to_null_and_a_read_of_it() {
    let jump = Code::default().ready().jump_far(0);
    check(
        "jump to null",
        jump,
        |reason| matches!(reason, Reason::Fault { at, cr2: 0 } if at.address == 0),
    );
    check_fault("read of null", Code::default().ready().load_far(8), 8);
}

#[test]
fn the_page_tables_are_out_of_reach() {
    check_fault("page tables", write(0x1000), 0x1000);
}

#[test]
fn a_stack_that_overflows() {
    // call to itself
    let hostile = Code::default()
        .ready()
        .bytes(&[0xe8, 0xfb, 0xff, 0xff, 0xff]);
    check_fault("stack", hostile, STACK - 8);
}

#[test]
fn a_link_and_an_announce_page_of_somebody_else() {
    let other = LINKS + LINK_SIZE as u64;
    check_fault("link", write(other), other);
    check_fault("announce", write(ANNOUNCE + 4096), ANNOUNCE + 4096);
}

#[test]
fn the_image_and_the_doorbells_by_their_physical_address() {
    check_fault("image", write(0x3_0000_0000), 0x3_0000_0000);
    check_fault("doorbells", write(0x3_4000_0000), 0x3_4000_0000);
}

#[test]
fn privileged_instructions() {
    check_exception("hlt", &[0xf4]);
    check_exception("cli", &[0xfa]);
    check_exception("in", &[0xe4, 0x60]);
    check_exception("out", &[0xe6, 0x60]);
    // mov cr3, rax; wrmsr; lgdt [rax]; invlpg [rax]
    check_exception("mov cr3", &[0x0f, 0x22, 0xd8]);
    check_exception("wrmsr", &[0x0f, 0x30]);
    check_exception("lgdt", &[0x0f, 0x01, 0x10]);
    check_exception("invlpg", &[0x0f, 0x01, 0x38]);
}

#[test]
fn system_calls_and_traps() {
    // Some processors go to the kernel's entry point, address 0, and fault there.
    for (what, instruction) in [("syscall", [0x0f, 0x05]), ("sysenter", [0x0f, 0x34])] {
        let hostile = Code::default().ready().bytes(&instruction);
        check(what, hostile, |reason| {
            matches!(reason, Reason::Fault { .. })
        });
    }
    check_exception("int 0x80", &[0xcd, 0x80]);
    check_exception("int3", &[0xcc]);
    check_exception("ud2", &[0x0f, 0x0b]);
    // xor ecx, ecx; div ecx
    check_exception("division by zero", &[0x31, 0xc9, 0xf7, 0xf1]);
}

#[test]
fn a_doorbell_that_does_not_exist() {
    let address = DOORBELLS + 0x100;
    check(
        "doorbell",
        write(address),
        |reason| matches!(reason, Reason::IsolationViolation { address: at, is_write: true, .. } if *at == address),
    );
    let read = Code::default().ready().load_far(DOORBELLS);
    check("read of a doorbell", read, |reason| {
        matches!(
            reason,
            Reason::IsolationViolation {
                is_write: false,
                ..
            }
        )
    });
}

#[test]
fn an_endless_loop() {
    let hostile = Code::default().ready().bytes(&[0xeb, 0xfe]);
    check("loop", hostile, |reason| match reason {
        Reason::Runaway { at, milliseconds } => {
            *milliseconds >= 200 && symbol(&at.symbol) == "main"
        }
        _ => false,
    });
}

#[test]
fn an_exit_by_itself() {
    let hostile = Code::default().ready().store_far(EXIT, 77);
    check("exit", hostile, |reason| {
        *reason == Reason::Exited { code: 77 }
    });
}
