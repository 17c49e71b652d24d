//! Images that are refused, byte by byte, and one that is not.

use super::*;

const PAGE: u64 = PAGE_SIZE as u64;

/// A program header: type, flags, offset, address, bytes in the file, bytes in memory.
type Header = (u32, u32, u64, u64, u64, u64);

/// A file with these program headers.
fn file(entry: u64, headers: &[Header]) -> &'static [u8] {
    let mut elf = vec![0u8; 0x3000];
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    for (at, value) in [
        (16, 2u16),
        (18, 62),
        (52, 64),
        (54, 56),
        (56, headers.len() as u16),
        (58, 64),
    ] {
        put(at, &value.to_le_bytes());
    }
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    for (index, (kind, flags, offset, address, in_file, in_memory)) in headers.iter().enumerate() {
        let at = 64 + 56 * index;
        put(at, &kind.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        let fields = [offset, address, address, in_file, in_memory, &PAGE];
        for (field, value) in fields.into_iter().enumerate() {
            put(at + 8 + 8 * field, &value.to_le_bytes());
        }
    }
    put(0x1000, b"text");
    put(0x2000, b"data");
    elf.leak()
}

const TEXT: Header = (1, 5, 0x1000, IMAGE, 0x1000, 0x1000);
const DATA: Header = (1, 6, 0x2000, IMAGE + 0x1000, 4, 0x2000);

#[test]
fn a_good_image_is_loaded_in_two_parts() {
    let image = Image::load(Role::Echo, file(IMAGE, &[TEXT, DATA])).expect("loads");
    assert_eq!(image.segments.len(), 2);
    let mut bytes = [0; 4];
    image.shared.read(0, &mut bytes);
    assert_eq!(&bytes, b"text");
    let memory = Region::new((IMAGE + 0x4000) as usize).expect("maps");
    image.write_data(&memory);
    memory.read((IMAGE + 0x1000) as usize, &mut bytes);
    assert_eq!(&bytes, b"data");
    memory.read(IMAGE as usize, &mut bytes);
    assert_eq!(bytes, [0; 4]);
}

#[test]
fn bad_images_are_refused() {
    let with = |change: &dyn Fn(&mut Header)| {
        let mut data = DATA;
        change(&mut data);
        file(IMAGE, &[TEXT, data])
    };
    let cases: &[(&'static [u8], &str)] = &[
        (b"", ""),
        (b"\x7fELF", ""),
        (
            file(IMAGE + 0x1000, &[TEXT, DATA]),
            "the entry 0x201000 is not executable",
        ),
        (file(0, &[TEXT]), "the entry 0x0 is not executable"),
        (
            file(IMAGE, &[TEXT, (3, 4, 0, 0, 0, 0)]),
            "it wants a dynamic linker",
        ),
        (
            with(&|data| data.1 = 7),
            "the segment at 0x201000 is writable and executable",
        ),
        (
            with(&|data| data.3 += 8),
            "the segment at 0x201008 does not start at a page",
        ),
        (
            with(&|data| data.3 = IMAGE),
            "two segments share the page at 0x200000",
        ),
        (
            with(&|data| data.3 = 0x10_0000),
            "the segment at 0x100000 is outside 0x200000..0x2000000",
        ),
        (
            with(&|data| data.3 = IMAGE_END - PAGE),
            "the segment at 0x1fff000 is outside 0x200000..0x2000000",
        ),
        (
            with(&|data| data.5 = u64::MAX),
            "the segment at 0x201000 is outside 0x200000..0x2000000",
        ),
        (
            with(&|data| data.4 = 0x2001),
            "the segment at 0x201000 has more bytes in the file than in memory",
        ),
        (
            with(&|data| data.2 = 0x2fff),
            "the segment at 0x201000 is cut off in the file",
        ),
        (
            with(&|data| data.2 = u64::MAX),
            "the segment at 0x201000 is cut off in the file",
        ),
    ];
    for (bytes, expected) in cases {
        match Image::load(Role::Echo, bytes) {
            Err(Error::Image { problem, .. }) if expected.is_empty() || problem == *expected => {}
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn no_cut_or_changed_file_panics() {
    let good = file(IMAGE, &[TEXT, DATA]);
    for length in 0..256 {
        let _ = Image::load(Role::Echo, &good[..length]);
    }
    for at in 0..256 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.to_vec();
            bytes[at] = value;
            let _ = Image::load(Role::Echo, bytes.leak());
        }
    }
}
