//! Shared pages in a test's own memory.

use vireo_abi::boot::ControlPage;

/// A control page of zeros.
pub(crate) fn control_page() -> ControlPage {
    // SAFETY: every field is an atomic integer or an array of them: zero is a value of each.
    unsafe { core::mem::zeroed() }
}
