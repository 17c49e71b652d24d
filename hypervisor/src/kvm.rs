//! The handle of /dev/kvm, with what is asked once and used for every VM.

use crate::error::{Error, kvm};
use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Cap, VmFd};
use std::io;
use vireo_abi::boot::cpu;

/// XCR0: x87, SSE, AVX; the three AVX-512 states.
const XCR0_AVX: u64 = 0x7;
const XCR0_AVX512: u64 = 0xe7;

/// The handle of /dev/kvm.
pub(crate) struct Kvm {
    kvm: kvm_ioctls::Kvm,
    /// What a VM's processor may have; the query costs 0.1 ms, so it is made once.
    pub(crate) cpuid: CpuId,
    pub(crate) xcr0: u64,
    pub(crate) cpu_features: u64,
}

impl Kvm {
    pub(crate) fn open() -> Result<Kvm, Error> {
        let unavailable = |error: kvm_ioctls::Error| Error::KvmUnavailable {
            source: io::Error::from_raw_os_error(error.errno()),
        };
        let kvm_fd = kvm_ioctls::Kvm::new().map_err(unavailable)?;
        let needed = [
            (Cap::UserMemory, "KVM_CAP_USER_MEMORY"),
            (Cap::ReadonlyMem, "KVM_CAP_READONLY_MEM"),
            (Cap::Ioeventfd, "KVM_CAP_IOEVENTFD"),
            (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
            (Cap::Xcrs, "KVM_CAP_XCRS"),
        ];
        for (capability, what) in needed {
            if !kvm_fd.check_extension(capability) {
                return Err(Error::KvmCapability { what });
            }
        }
        let cpuid = kvm_fd
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(kvm("KVM_GET_SUPPORTED_CPUID"))?;
        let states = cpuid
            .as_slice()
            .iter()
            .find(|leaf| leaf.function == 0xd && leaf.index == 0);
        let states = states.map_or(3, |leaf| u64::from(leaf.eax));
        let widest = [XCR0_AVX512, XCR0_AVX];
        let xcr0 = widest
            .into_iter()
            .find(|xcr0| states & xcr0 == *xcr0)
            .unwrap_or(3);
        let cpu_features = cpu_features(xcr0);
        if cpu_features & (cpu::AVX2 | cpu::SSE42) != cpu::AVX2 | cpu::SSE42 {
            // Images are built for x86-64-v3.
            let what = "AVX2 for guests";
            return Err(Error::KvmCapability { what });
        }
        Ok(Kvm {
            kvm: kvm_fd,
            cpu_features,
            cpuid,
            xcr0,
        })
    }

    pub(crate) fn create_vm(&self) -> Result<VmFd, Error> {
        loop {
            match self.kvm.create_vm() {
                // A signal to this thread interrupts the call: it is simply repeated.
                Err(error) if error.errno() == libc::EINTR => {}
                result => return result.map_err(kvm("KVM_CREATE_VM")),
            }
        }
    }
}

/// The [`cpu`] bits of this host's processor. A guest at CPL 3 runs on it natively, so they are the
/// guest's too, as far as XCR0 lets it use the registers; what KVM lists for CPUID is no measure: PVM
/// leaves out most of what its guests can do.
pub(crate) fn cpu_features(xcr0: u64) -> u64 {
    let mut features = 0;
    if is_x86_feature_detected!("sse4.2") {
        features |= cpu::SSE42;
    }
    if is_x86_feature_detected!("avx2") && xcr0 & XCR0_AVX == XCR0_AVX {
        features |= cpu::AVX2;
    }
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if avx512 && xcr0 & XCR0_AVX512 == XCR0_AVX512 {
        features |= cpu::AVX512;
    }
    let leaf = core::arch::x86_64::__cpuid_count(7, 0);
    let (erms, fsrm) = (leaf.ebx >> 9 & 1, leaf.edx >> 4 & 1);
    if erms & fsrm == 1 {
        features |= cpu::FSRM;
    }
    features
}
