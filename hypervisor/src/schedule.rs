//! What the hypervisor asks of the host's scheduler.
//!
//! A thread that wakes takes a core from one that runs only when that one's slice is over, by default some 3 ms,
//! looked at once a tick. Functions and their callers may spin, so the supervisor would wait for the next tick,
//! 4 ms on many hosts, at each of the few steps of a start. Since Linux 6.12 a thread may ask for
//! a shorter slice of its own, without privileges, and is then let in at once; it gets no more time than the others.
//!
//! Failure: an older kernel takes no notice. Starts take longer then, and nothing else.

use std::io;

/// The shortest slice that the scheduler grants, in nanoseconds.
const SLICE_NS_MIN: u64 = 100_000;
/// How late a timer of a prompt thread may be, in nanoseconds; 50,000 by default.
const TIMER_SLACK_NS: libc::c_ulong = 1_000;

/// Makes the calling thread one that is let in as soon as it wakes. Threads that it starts inherit that, until they
/// call [`be_ordinary`].
pub(crate) fn be_prompt() {
    // SAFETY: the option takes a number.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, TIMER_SLACK_NS) };
    if let Err(error) = set_slice(SLICE_NS_MIN) {
        tracing::debug!(%error, "no shorter slice");
    }
}

/// Gives the calling thread the slice that the host gives everybody.
pub(crate) fn be_ordinary() {
    if let Err(error) = set_slice(0) {
        tracing::debug!(%error, "no ordinary slice");
    }
}

/// Sets the calling thread's slice, 0 for the default, and nothing else of its scheduling.
fn set_slice(nanoseconds: u64) -> io::Result<()> {
    // SAFETY: an all-zero sched_attr is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: a valid structure of the size that is given; 0 is the calling thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    attributes.sched_runtime = nanoseconds;
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_thread_keeps_its_priority() {
        let thread = std::thread::spawn(|| {
            // SAFETY: the calling thread's own priority.
            assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) }, 0);
            set_slice(SLICE_NS_MIN).expect("a kernel without slices takes no notice");
            // SAFETY: as above.
            assert_eq!(unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }, 5);
        });
        thread.join().expect("no panic");
    }
}
