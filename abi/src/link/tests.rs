//! Both ends in one memory.

use super::*;
use alloc::vec;
use alloc::vec::Vec;

#[test]
fn ping() {
    let mut area = vec![0u128; LINK_LAYOUT.size() / 16];
    let start = area.as_mut_ptr().cast::<u8>();
    let ends = [Side::Driver, Side::Device].map(|side| {
        // SAFETY: `area` outlives both ends and is not touched otherwise.
        Link::new(unsafe { SharedMemory::new(start, LINK_LAYOUT.size()) }, side).unwrap()
    });
    let [mut driver, mut device] = ends;
    for n in 0..1000usize {
        let body: Vec<u8> = (0..n * 40).map(|i| (i * n) as u8).collect();
        driver.send(b"head", &body).unwrap();
        let got = device.receive().unwrap().unwrap();
        assert_eq!((got.head, got.body), (&b"head"[..], &body[..]));
        let (h, b) = (got.head.to_vec(), got.body.to_vec());
        device.send(&h, &b).unwrap();
        let got = driver.receive().unwrap().unwrap();
        assert_eq!((got.head, got.body), (&b"head"[..], &body[..]));
    }
}
