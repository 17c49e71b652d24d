//! The memory functions against libc's: nanoseconds a call by length, theirs in parentheses.
//!
//! `cargo bench -p vireo-runtime --bench mem`

use std::hint::black_box;
use std::time::Instant;

// The functions are not public: they exist under C names in images only.
#[path = "../src/mem/compare.rs"]
mod compare;
#[path = "../src/mem/copy.rs"]
mod copy;
#[path = "../src/mem/fill.rs"]
mod fill;

unsafe extern "C" {
    fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8;
    fn memset(to: *mut u8, byte: i32, size: usize) -> *mut u8;
    fn memcmp(left: *const u8, right: *const u8, size: usize) -> i32;
    fn bcmp(left: *const u8, right: *const u8, size: usize) -> i32;
}

const SIZES: [usize; 16] = [
    3,
    8,
    15,
    24,
    32,
    48,
    64,
    100,
    200,
    300,
    600,
    1500,
    4096,
    8064,
    65536,
    1 << 20,
];

fn time<T>(size: usize, mut call: impl FnMut(usize) -> T) -> f64 {
    let calls = (20_000_000 / (size + 100)).max(100);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for i in 0..calls {
            black_box(call(i % 16));
        }
        best = best.min(start.elapsed().as_nanos() as f64 / calls as f64);
    }
    best
}

fn main() {
    if !std::arch::is_x86_feature_detected!("avx2") {
        println!("this processor has no AVX2");
        return;
    }
    let mut target = vec![0u8; (1 << 20) + 128];
    let source = vec![1u8; (1 << 20) + 64];
    let same = source.clone();
    let to = target.as_mut_ptr();
    let (from, other) = (source.as_ptr(), same.as_ptr());
    println!(
        "{:>8} {:>18} {:>18} {:>18} {:>18} {:>18}",
        "bytes", "copy", "copy overlapping", "fill", "compare", "differ"
    );
    for size in SIZES {
        let size = black_box(size);
        // SAFETY: every call stays within the vectors, which are 64 bytes longer than the
        // greatest size; offsets are below 48.
        unsafe {
            let rows = [
                (
                    time(size, |i| copy::copy(to.add(i), from, size)),
                    time(size, |i| memmove(to.add(i), from, size)),
                ),
                (
                    time(size, |i| copy::copy(to.add(i + 32), to.add(i), size)),
                    time(size, |i| memmove(to.add(i + 32), to.add(i), size)),
                ),
                (
                    time(size, |i| fill::fill(to.add(i), 7, size)),
                    time(size, |i| memset(to.add(i), 7, size)),
                ),
                (
                    time(size, |i| compare::compare(from.add(i), other.add(i), size)),
                    time(size, |i| memcmp(from.add(i), other.add(i), size)),
                ),
                (
                    time(size, |i| compare::differ(from.add(i), other.add(i), size)),
                    time(size, |i| bcmp(from.add(i), other.add(i), size)),
                ),
            ];
            print!("{size:>8}");
            for (ours, theirs) in rows {
                print!(" {ours:>8.1} ({theirs:>7.1})");
            }
            println!();
        }
    }
    // SAFETY: what was written ends below the last 64 bytes, which are zero.
    let string = unsafe { to.add(1 << 20) };
    // SAFETY: as above.
    let length = unsafe { compare::string_length(string) };
    // SAFETY: as above.
    let ours = time(length, |_| unsafe { compare::string_length(string) });
    println!("length of a string of {length}: {ours:.1}");
}
