//! The life of functions under KVM: boot, kill, restart, stop.

mod support;

use std::time::{Duration, Instant};
use support::{Code, has_kvm, image, start, topology, well_behaved};
use vireo_abi::boot::Role;
use vireo_hypervisor::{Error, Event, Hypervisor, Program, Reason};

#[test]
fn a_killed_function_is_back_within_50_ms() {
    if !has_kvm() {
        return;
    }
    let mut topology = topology();
    topology.parse.instances = 1;
    topology.echo.instances = 1;
    let quiet = well_behaved(1);
    let t = Instant::now();
    let machine = start(
        topology,
        &[(Role::Parse, &quiet), (Role::Echo, &quiet)],
        None,
    );
    machine.ready();
    println!("start to all ready: {:?}", t.elapsed());
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(20));
        let begin = Instant::now();
        machine.hypervisor.kill("parse0").expect("is killed");
        assert_eq!(machine.next_end(Role::Parse), Reason::Killed);
        let boot_us = machine.next_up(Role::Parse);
        println!("killed to back: {:?}, boot {boot_us} us", begin.elapsed());
        fastest = fastest.min(begin.elapsed());
    }
    // A busy host may delay one, not all of them.
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    assert_eq!(machine.restarts("parse0"), 5);
    assert_eq!(machine.restarts("echo0"), 0);
    machine.hypervisor.restart("echo0").expect("restarts");
    assert_eq!(machine.next_end(Role::Echo), Reason::Restarted);
    machine.next_up(Role::Echo);
    let t = Instant::now();
    machine.hypervisor.stop();
    println!("stop: {:?}", t.elapsed());
    assert!(matches!(
        machine.hypervisor.kill("echo0"),
        Err(Error::Stopped)
    ));
    let ends: Vec<_> = machine.events.try_iter().collect();
    let stopped = |event: &&Event| {
        matches!(
            event,
            Event::FunctionDown {
                reason: Reason::Stopped,
                ..
            }
        )
    };
    assert_eq!(ends.iter().filter(stopped).count(), 2, "{ends:?}");
}

#[test]
fn a_function_that_does_not_stop_is_cut_off() {
    if !has_kvm() {
        return;
    }
    let mut topology = topology();
    topology.echo.instances = 1;
    topology.stop_ms = 100;
    // It comes round its loop, parked or not, and never looks at `stop`.
    let deaf = Code::default().ready().heartbeat().jump(0);
    let machine = start(topology, &[(Role::Echo, &deaf)], None);
    machine.ready();
    machine.hypervisor.restart("echo0").expect("is asked");
    assert!(matches!(
        machine.next_end(Role::Echo),
        Reason::Restarted | Reason::Unresponsive { .. }
    ));
    machine.next_up(Role::Echo);
    let begin = Instant::now();
    machine.hypervisor.stop();
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn statistics_name_rights_and_exits() {
    if !has_kvm() {
        return;
    }
    let mut topology = topology();
    topology.parse.instances = 1;
    let quiet = well_behaved(1);
    let machine = start(topology, &[(Role::Parse, &quiet)], None);
    machine.ready();
    let stats = machine.hypervisor.stats();
    let parse = &stats.functions[0];
    assert_eq!(
        (parse.name.as_str(), parse.role, parse.isolation),
        ("parse0", "parse", "kvm")
    );
    assert!(parse.host_thread > 0 && parse.runs >= 1 && parse.boot_us > 0);
    assert!(parse.memory.resident > 0 && parse.memory.resident < parse.memory.mapped);
    let writable: Vec<_> = parse
        .memory
        .areas
        .iter()
        .filter(|area| area.rights == "rw")
        .map(|area| area.name)
        .collect();
    assert_eq!(
        writable,
        ["status", "log", "data", "stack", "heap", "link", "announce"]
    );
    assert!(
        parse
            .memory
            .areas
            .iter()
            .any(|area| area.name == "catalog_pool" && area.rights == "r")
    );
    assert!(
        !parse
            .memory
            .areas
            .iter()
            .any(|area| area.name == "data_pool")
    );
}

#[test]
fn what_cannot_start_is_an_error() {
    if !has_kvm() {
        return;
    }
    let mut topology = topology();
    topology.echo.instances = 1;
    let start = |topology, image| {
        let program = Program {
            role: Role::Echo,
            image,
            entry: None,
        };
        Hypervisor::start(topology, vec![program], None, Box::new(drop)).map(drop)
    };
    let missing = start(topology.clone(), None);
    assert!(matches!(
        missing,
        Err(Error::NoProgram {
            what: "image",
            role: "echo"
        })
    ));
    let bad = start(topology.clone(), Some(b"no image"));
    assert!(matches!(bad, Err(Error::Image { role: "echo", .. })));
    topology.storage.instances = 1;
    let quiet = Program {
        role: Role::Storage,
        image: Some(image(&well_behaved(2))),
        entry: None,
    };
    let echo = Program {
        role: Role::Echo,
        ..quiet.clone()
    };
    let none = Hypervisor::start(topology, vec![quiet, echo], None, Box::new(drop)).map(drop);
    assert!(matches!(none, Err(Error::NoVolumes)));
}
