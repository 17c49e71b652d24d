//! One turn of a function, for the poll loop and for simulators alike.

use crate::function::Function;
use crate::io::Io;
use vireo_abi::log_ring::Level;

/// What a turn did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Whether there was anything to do.
    pub worked: bool,
    /// A bit for each port that broke in this turn: it is down now, and the function knows.
    pub broken_ports: u64,
}

/// Moves what waits in the ends, lets the function work once, and takes broken links down.
pub fn turn<F: Function>(function: &mut F, io: &mut Io) -> Turn {
    let mut worked = false;
    for port in &mut io.ports {
        worked |= port.poll();
    }
    worked |= function.poll(io);
    let mut broken_ports = 0;
    for index in 0..io.ports.len() {
        if let Some(error) = io.ports[index].take_failure() {
            broken_ports |= 1 << index;
            let (peer, instance) = (io.ports[index].peer(), io.ports[index].instance());
            io.log(
                Level::Error,
                format_args!("link to {peer:?} {instance} is broken: {error}"),
            );
            function.link_down(index, io);
        }
    }
    Turn {
        worked: worked || broken_ports != 0,
        broken_ports,
    }
}
