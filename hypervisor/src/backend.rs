//! What functions run on: KVM or host threads, and their code made ready for it.

use crate::cut;
use crate::error::Error;
use crate::hypervisor::Program;
use crate::image::Image;
use crate::kvm::{Kvm, cpu_features};
use crate::launch::Code;
use crate::standby::Standbys;
use crate::supervise::{ClockSource, tsc};
use crate::topology::{Isolation, Topology};
use crate::vm::BareVm;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vireo_abi::boot::Role;

/// What functions run on.
pub(crate) struct Backend {
    pub(crate) isolation: Isolation,
    kvm: Option<Arc<Kvm>>,
    pub(crate) standbys: Option<Arc<Standbys>>,
}

impl Backend {
    pub(crate) fn open(isolation: Isolation) -> Result<Backend, Error> {
        let thread = Backend {
            isolation: Isolation::Thread,
            kvm: None,
            standbys: None,
        };
        if isolation == Isolation::Thread {
            return Ok(thread);
        }
        match Kvm::open() {
            Ok(kvm) => {
                cut::install_handler()?;
                let kvm = Arc::new(kvm);
                let standbys = Standbys::new(kvm.clone())?;
                Ok(Backend {
                    isolation: Isolation::Kvm,
                    kvm: Some(kvm),
                    standbys: Some(standbys),
                })
            }
            Err(error) if isolation == Isolation::Auto => {
                tracing::warn!(%error, "functions run on host threads, without isolation");
                Ok(thread)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn clock(&self) -> Result<ClockSource, Error> {
        if let (Some(kvm), Some(standbys)) = (&self.kvm, &self.standbys) {
            let bare = BareVm::new(kvm)?;
            let tsc_hz = bare.tsc_hz()?;
            // Taking it apart costs as much as making it.
            standbys.put_bare(bare);
            return Ok(ClockSource {
                tsc_hz,
                cpu_features: kvm.cpu_features,
            });
        }
        Ok(ClockSource {
            tsc_hz: measure_tsc(),
            cpu_features: cpu_features(u64::MAX),
        })
    }
}

/// TSC ticks a second, measured against the monotonic clock.
fn measure_tsc() -> u64 {
    let (start, start_ticks) = (Instant::now(), tsc());
    std::thread::sleep(Duration::from_millis(10));
    let (elapsed, ticks) = (start.elapsed(), tsc().wrapping_sub(start_ticks));
    let hz = u128::from(ticks) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(hz).unwrap_or(1_000_000_000)
}

/// Checks that there is code for each role of the topology, and loads it.
pub(crate) fn codes(
    topology: &Topology,
    programs: Vec<Program>,
    backend: &Backend,
) -> Result<HashMap<Role, Code>, Error> {
    let mut codes = HashMap::new();
    for role in Role::ALL {
        if topology.spec(role).instances == 0 {
            continue;
        }
        let missing = |what| Error::NoProgram {
            what,
            role: role.name(),
        };
        let program = programs.iter().find(|program| program.role == role);
        let program = program.ok_or_else(|| missing("program"))?;
        let code = match (&backend.kvm, &backend.standbys) {
            (Some(kvm), Some(standbys)) => {
                let bytes = program.image.ok_or_else(|| missing("image"))?;
                let image = Arc::new(Image::load(role, bytes)?);
                Code::Kvm {
                    image,
                    kvm: kvm.clone(),
                    standbys: standbys.clone(),
                }
            }
            _ => Code::Thread {
                entry: program.entry.ok_or_else(|| missing("thread entry"))?,
            },
        };
        codes.insert(role, code);
    }
    Ok(codes)
}
