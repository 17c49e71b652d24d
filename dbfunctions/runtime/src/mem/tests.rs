use super::{compare, copy, differ, fill, string_length};
use alloc::vec;
use alloc::vec::Vec;
use std::println;

/// Lengths around every branch, and past `rep`'s beginning.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=600).chain([1023, 1024, 2047, 2048, 2049, 4095, 4096, 4097, 9001, 33_000])
}

fn has_avx2() -> bool {
    let has = std::arch::is_x86_feature_detected!("avx2");
    if !has {
        println!("skipped: this processor has no AVX2");
    }
    has
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 131 + i / 251 + 7) as u8).collect()
}

#[test]
fn copies_apart_at_all_alignments() {
    if !has_avx2() {
        return;
    }
    let source = pattern(40_000);
    for size in sizes() {
        let step = if size > 600 { 7 } else { 1 };
        for from in (0..33).step_by(step) {
            for to in [0, 1, 5, 8, 15, 16, 17, 24, 31, 32] {
                let mut target = vec![0xEE; size + 96];
                // SAFETY: `from + size` and `to + size` are within the vectors.
                let returned = unsafe {
                    let start = target.as_mut_ptr().add(to);
                    copy(start, source.as_ptr().add(from), size) == start
                };
                assert!(returned);
                assert!(target[..to].iter().all(|&byte| byte == 0xEE));
                assert_eq!(&target[to..to + size], &source[from..from + size]);
                assert!(target[to + size..].iter().all(|&byte| byte == 0xEE));
            }
        }
    }
}

#[test]
fn copies_over_itself_both_ways() {
    if !has_avx2() {
        return;
    }
    let original = pattern(40_000);
    for size in sizes() {
        for distance in [
            1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 64, 127, 128, 129, 300, 1000,
        ] {
            for align in [0, 1, 13, 31] {
                for (from, to) in [(align, align + distance), (align + distance, align)] {
                    let mut expected = original.clone();
                    expected.copy_within(from..from + size, to);
                    let mut actual = original.clone();
                    let start = actual.as_mut_ptr();
                    // SAFETY: both ranges are within the vector.
                    unsafe { copy(start.add(to), start.add(from), size) };
                    assert!(
                        actual == expected,
                        "size {size} from {from} to {to} differs"
                    );
                }
            }
        }
    }
}

#[test]
fn fills_at_all_alignments() {
    if !has_avx2() {
        return;
    }
    for size in sizes() {
        for to in 0..33 {
            let mut target = vec![0xEE; size + 96];
            // SAFETY: `to + size` is within the vector.
            unsafe { fill(target.as_mut_ptr().add(to), 0xA5, size) };
            assert!(target[..to].iter().all(|&byte| byte == 0xEE));
            assert!(target[to..to + size].iter().all(|&byte| byte == 0xA5));
            assert!(target[to + size..].iter().all(|&byte| byte == 0xEE));
        }
    }
}

fn check_compare(left: &[u8], right: &[u8]) {
    assert_eq!(left.len(), right.len());
    // SAFETY: both are as long as the size says.
    let (order, unequal) = unsafe {
        (
            compare(left.as_ptr(), right.as_ptr(), left.len()),
            differ(left.as_ptr(), right.as_ptr(), left.len()),
        )
    };
    assert_eq!(order.cmp(&0), left.cmp(right), "size {}", left.len());
    assert_eq!(unequal != 0, left != right, "size {}", left.len());
}

#[test]
fn compares_with_a_difference_at_every_place() {
    if !has_avx2() {
        return;
    }
    for size in 0..=600usize {
        for align in [0, 1, 8, 31] {
            let left = pattern(size + align);
            let mut right = left.clone();
            check_compare(&left[align..], &right[align..]);
            let step = 1 + size / 64;
            for place in (align..size + align)
                .step_by(step)
                .chain((size > 0).then(|| size + align - 1))
            {
                // Signed comparisons of bytes and of words would get some of these wrong.
                for change in [1, 0x7F, 0x80, 0xFF] {
                    right[place] = left[place].wrapping_add(change);
                    check_compare(&left[align..], &right[align..]);
                    if let Some(later) = right.get_mut(place + 1) {
                        *later = !*later;
                        check_compare(&left[align..], &right[align..]);
                        right[place + 1] = left[place + 1];
                    }
                    right[place] = left[place];
                }
            }
        }
    }
}

#[test]
fn string_lengths() {
    for size in 0..200usize {
        let mut string = vec![1u8; size];
        string.extend([0, 7, 0]);
        // SAFETY: the string has a zero byte.
        assert_eq!(unsafe { string_length(string.as_ptr()) }, size);
    }
}
