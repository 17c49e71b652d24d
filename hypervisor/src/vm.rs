//! One function's virtual machine: memory slots, page tables, doorbells, registers.
//!
//! ```text
//!  guest physical      what                              slot
//!  0                   private memory: tables, boot,     0, RW
//!                      control, status, log, image data,
//!                      stack, heap, at their addresses
//!  0x3_0000_0000       the image's read-only part        1, read-only
//!  0x3_4000_0000       doorbells                         none
//!  as virtual          links, announce, pools            one each, RW or read-only
//! ```
//!
//! A slot costs 0.1 ms, hence few; the image and the doorbells are the only things whose physical address
//! differs from their virtual one.
//!
//! Invariants:
//! 1. What a function may only read and others write or share is read-only twice: in its page
//!    table and in its slot. The boot and control pages are in private memory and read-only in the
//!    page table.
//! 2. A slot's host memory lives as long as the VM: the VM holds its regions.
//! 3. The function runs at CPL 3, with no IDT: any exception is a triple fault and ends the VM.

use crate::error::{Error, kvm};
use crate::image::Image;
use crate::kvm::Kvm;
use crate::memory::Region;
use crate::page_table::{Granule, PageTables, Rights, TABLES};
use crate::pages::Pages;
use kvm_bindings::{
    KVM_MEM_READONLY, kvm_device_attr, kvm_regs, kvm_segment, kvm_userspace_memory_region,
    kvm_xsave,
};
use kvm_ioctls::{IoEventAddress, NoDatamatch, VcpuFd, VmFd};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use vireo_abi::memory_map::{
    BOOT, CONTROL, DOORBELLS, HEAP, IMAGE, LOG, LOG_SIZE, PAGE_SIZE, STACK, STACK_END, STATUS,
};
use vmm_sys_util::eventfd::EventFd;

/// Where the image's read-only part is in guest physical memory.
const IMAGE_PHYSICAL: u64 = 0x3_0000_0000;
/// Where no memory is: the doorbells.
pub(crate) const DOORBELLS_PHYSICAL: u64 = 0x3_4000_0000;

/// Memory that a function shares with others, at its address in the function.
#[derive(Clone, Debug)]
pub(crate) struct SharedArea {
    pub(crate) name: &'static str,
    pub(crate) region: Arc<Region>,
    /// Where it begins in the region.
    pub(crate) offset: usize,
    pub(crate) address: u64,
    pub(crate) size: usize,
    pub(crate) rights: Rights,
    pub(crate) granule: Granule,
}

/// A VM with its processor and nothing else: what takes the most time to make, kept ready.
pub(crate) struct BareVm {
    // The processor goes before its VM.
    vcpu: VcpuFd,
    vm: VmFd,
}

/// What machines are copied from.
pub(crate) struct Template {
    registers: kvm_regs,
    extended: kvm_xsave,
    /// Pages that are not zero, by their offset in private memory.
    pages: Vec<(usize, Box<[u8; PAGE_SIZE]>)>,
}

impl Template {
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }
}

/// A VM that can run.
pub(crate) struct Vm {
    pub(crate) vcpu: VcpuFd,
    vm: VmFd,
    pub(crate) pages: Pages,
    image: Arc<Image>,
    pub(crate) shared: Vec<SharedArea>,
}

impl BareVm {
    pub(crate) fn new(kvm_handle: &Kvm) -> Result<BareVm, Error> {
        let vm = kvm_handle.create_vm()?;
        let vcpu = vm.create_vcpu(0).map_err(kvm("KVM_CREATE_VCPU"))?;
        vcpu.set_cpuid2(&kvm_handle.cpuid)
            .map_err(kvm("KVM_SET_CPUID2"))?;
        let mut xcrs = vcpu.get_xcrs().map_err(kvm("KVM_GET_XCRS"))?;
        xcrs.nr_xcrs = 1;
        xcrs.xcrs[0].xcr = 0;
        xcrs.xcrs[0].value = kvm_handle.xcr0;
        vcpu.set_xcrs(&xcrs).map_err(kvm("KVM_SET_XCRS"))?;
        set_system_registers(&vcpu)?;
        align_clock(&vcpu);
        Ok(BareVm { vcpu, vm })
    }

    /// TSC ticks a second, as the guest counts them.
    pub(crate) fn tsc_hz(&self) -> Result<u64, Error> {
        let khz = self.vcpu.get_tsc_khz().map_err(kvm("KVM_GET_TSC_KHZ"))?;
        Ok(u64::from(khz) * 1000)
    }
}

impl Vm {
    /// Gives a bare VM its memory, doorbells and entry. `doorbells[i]` is the eventfd of link `i`'s peer.
    pub(crate) fn new(
        bare: BareVm,
        image: Arc<Image>,
        pages: Pages,
        shared: Vec<SharedArea>,
        doorbells: &[EventFd],
    ) -> Result<Vm, Error> {
        let BareVm { vcpu, vm } = bare;
        let machine = Vm {
            vcpu,
            vm,
            pages,
            image,
            shared,
        };
        machine.build_tables()?;
        machine.add_slots()?;
        for (link, doorbell) in doorbells.iter().enumerate() {
            let register = IoEventAddress::Mmio(DOORBELLS_PHYSICAL + 4 * link as u64);
            let result = machine
                .vm
                .register_ioevent(doorbell, &register, NoDatamatch);
            result.map_err(kvm("KVM_IOEVENTFD"))?;
        }
        let registers = kvm_regs {
            rip: machine.image.entry,
            rflags: 2,
            rsp: STACK_END,
            rdi: BOOT,
            ..kvm_regs::default()
        };
        machine
            .vcpu
            .set_regs(&registers)
            .map_err(kvm("KVM_SET_REGS"))?;
        Ok(machine)
    }

    /// The processor and the touched private pages of a machine that is parked: what a copy needs.
    /// The tables, the boot page and the control page are each machine's own.
    pub(crate) fn capture(&mut self) -> Result<Template, Error> {
        // An exit for MMIO is only finished by the next entry: KVM_RUN with immediate_exit finishes it.
        self.vcpu.set_kvm_immediate_exit(1);
        let finished = self.vcpu.run().map(drop);
        self.vcpu.set_kvm_immediate_exit(0);
        match finished {
            Err(error) if error.errno() == libc::EINTR => {}
            Err(error) => return Err(kvm("KVM_RUN")(error)),
            Ok(()) => {}
        }
        let region = &self.pages.region;
        let mut pages = Vec::new();
        for offset in region.resident_pages(STATUS as usize, region.size() - STATUS as usize) {
            let mut bytes = Box::new([0; PAGE_SIZE]);
            region.read(offset, &mut bytes[..]);
            if bytes.iter().any(|byte| *byte != 0) {
                pages.push((offset, bytes));
            }
        }
        Ok(Template {
            registers: self.vcpu.get_regs().map_err(kvm("KVM_GET_REGS"))?,
            extended: self.vcpu.get_xsave().map_err(kvm("KVM_GET_XSAVE"))?,
            pages,
        })
    }

    /// Makes this machine, which has not run, go on from where the template was captured.
    pub(crate) fn become_copy(&self, template: &Template) -> Result<(), Error> {
        for (offset, bytes) in &template.pages {
            self.pages.region.write(*offset, &bytes[..]);
        }
        // SAFETY: the state was captured from a processor with the same features and XCR0.
        let extended = unsafe { self.vcpu.set_xsave(&template.extended) };
        extended.map_err(kvm("KVM_SET_XSAVE"))?;
        let registers = self.vcpu.set_regs(&template.registers);
        registers.map_err(kvm("KVM_SET_REGS"))
    }

    fn build_tables(&self) -> Result<(), Error> {
        let mut tables = PageTables::new(&self.pages.region);
        for (address, size, rights) in private_areas(&self.pages) {
            let granule = if address == HEAP {
                Granule::Huge
            } else {
                Granule::Small
            };
            tables.map(address, address, size, rights, granule)?;
        }
        let page = PAGE_SIZE as u64;
        tables.map(
            DOORBELLS,
            DOORBELLS_PHYSICAL,
            page,
            Rights::ReadWrite,
            Granule::Small,
        )?;
        for segment in &self.image.segments {
            let address = segment.pages.start;
            let physical = match segment.rights {
                Rights::ReadWrite => address,
                Rights::Read | Rights::ReadExecute => IMAGE_PHYSICAL + (address - IMAGE),
            };
            tables.map(
                address,
                physical,
                segment.size(),
                segment.rights,
                Granule::Small,
            )?;
        }
        for area in &self.shared {
            tables.map(
                area.address,
                area.address,
                area.size as u64,
                area.rights,
                area.granule,
            )?;
        }
        Ok(())
    }

    fn add_slots(&self) -> Result<(), Error> {
        let private = &self.pages.region;
        self.add_slot(0, 0, private, 0, private.size(), Rights::ReadWrite)?;
        let image = &self.image.shared;
        self.add_slot(1, IMAGE_PHYSICAL, image, 0, image.size(), Rights::Read)?;
        for (slot, area) in (2..).zip(&self.shared) {
            self.add_slot(
                slot,
                area.address,
                &area.region,
                area.offset,
                area.size,
                area.rights,
            )?;
        }
        Ok(())
    }

    fn add_slot(
        &self,
        slot: u32,
        physical: u64,
        region: &Region,
        offset: usize,
        size: usize,
        rights: Rights,
    ) -> Result<(), Error> {
        let slot = kvm_userspace_memory_region {
            slot,
            guest_phys_addr: physical,
            memory_size: size as u64,
            userspace_addr: region.at(offset, size).addr() as u64,
            flags: if rights == Rights::ReadWrite {
                0
            } else {
                KVM_MEM_READONLY
            },
        };
        // SAFETY: the range is inside a region that the VM holds (invariant 2), so it stays mapped
        // as long as the VM can touch it.
        let result = unsafe { self.vm.set_user_memory_region(slot) };
        result.map_err(kvm("KVM_SET_USER_MEMORY_REGION"))
    }
}

/// The parts of private memory that a function sees, but for its image's data.
pub(crate) fn private_areas(pages: &Pages) -> Vec<(u64, u64, Rights)> {
    let page = PAGE_SIZE as u64;
    vec![
        (BOOT, page, Rights::Read),
        (CONTROL, page, Rights::Read),
        (STATUS, page, Rights::ReadWrite),
        (LOG, LOG_SIZE as u64, Rights::ReadWrite),
        (STACK, STACK_END - STACK, Rights::ReadWrite),
        (HEAP, pages.region.size() as u64 - HEAP, Rights::ReadWrite),
    ]
}

/// Long mode with paging, CPL 3, no IDT and no GDT.
fn set_system_registers(vcpu: &VcpuFd) -> Result<(), Error> {
    let mut system = vcpu.get_sregs().map_err(kvm("KVM_GET_SREGS"))?;
    // A 64-bit code segment of DPL 3: execute, read, accessed.
    let code = kvm_segment {
        base: 0,
        limit: 0xf_ffff,
        selector: 0x33,
        type_: 11,
        present: 1,
        dpl: 3,
        db: 0,
        s: 1,
        l: 1,
        g: 1,
        avl: 0,
        unusable: 0,
        padding: 0,
    };
    let data = kvm_segment {
        selector: 0x2b,
        type_: 3,
        l: 0,
        db: 1,
        ..code
    };
    system.cs = code;
    (system.ds, system.es, system.fs) = (data, data, data);
    (system.gs, system.ss) = (data, data);
    system.idt.limit = 0;
    system.gdt.limit = 0;
    system.cr3 = TABLES;
    // PAE, OSFXSR, OSXMMEXCPT, OSXSAVE.
    system.cr4 = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 18;
    // PG, AM, WP, NE, ET, MP, PE.
    system.cr0 = 0x8005_0033;
    // NXE, LMA, LME; without SCE `syscall` is an undefined instruction.
    system.efer = 0xd00;
    vcpu.set_sregs(&system).map_err(kvm("KVM_SET_SREGS"))
}

/// Makes the guest's TSC the host's, where KVM can offset it; where it cannot, they are the same
/// already, as on PVM, whose guests read the host's.
fn align_clock(vcpu: &VcpuFd) {
    /// _IOW(0xae, 0xe1, struct kvm_device_attr)
    const KVM_SET_DEVICE_ATTR: libc::c_ulong = 0x4018_aee1;
    const KVM_VCPU_TSC_CTRL: u32 = 0;
    const KVM_VCPU_TSC_OFFSET: u64 = 0;
    let offset = 0u64;
    let attribute = kvm_device_attr {
        flags: 0,
        group: KVM_VCPU_TSC_CTRL,
        attr: KVM_VCPU_TSC_OFFSET,
        addr: (&raw const offset).addr() as u64,
    };
    // SAFETY: a valid attribute whose value is a u64 that the call reads.
    let result =
        unsafe { libc::ioctl(vcpu.as_raw_fd(), KVM_SET_DEVICE_ATTR, &raw const attribute) };
    if result != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "no TSC offset");
    }
}
