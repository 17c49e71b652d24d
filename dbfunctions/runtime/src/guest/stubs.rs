//! Symbols that the precompiled `core` refers to because it was built to unwind. Images abort: no
//! one ever calls these.

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {
    unreachable!("images do not unwind");
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {
    unreachable!("images do not unwind");
}
