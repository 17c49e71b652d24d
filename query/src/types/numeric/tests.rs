use super::*;

fn check_bytes(text: &str, expected: &[u8]) {
    let value = Numeric::parse(text).unwrap();
    assert_eq!(value.to_bytes(), expected, "{text}");
    assert_eq!(Numeric::decode(expected), value);
}

#[test]
fn golden_bytes() {
    check_bytes("0", &[0, 0, 0]);
    check_bytes("-0.00", &[0, 2, 0]);
    check_bytes("1", &[0, 0, 0, 1]);
    check_bytes("-1.50", &[1, 2, 0, 150]);
    check_bytes("256", &[0, 0, 0, 0, 1]);
    check_bytes("NaN", &[2]);
    check_bytes("inf", &[3]);
    check_bytes("-Infinity", &[4]);
    check_bytes(
        "340282366920938463463374607431768211456",
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
}

type Operation =
    fn(&[u8], &[u8], &mut alloc::vec::Vec<u8>) -> vireo_abi::message::error::SqlResult<()>;

fn check_op(op: Operation, a: &str, b: &str, expected: &str) {
    let (a, b) = (
        Numeric::parse(a).unwrap().to_bytes(),
        Numeric::parse(b).unwrap().to_bytes(),
    );
    let mut out = alloc::vec::Vec::new();
    op(&a, &b, &mut out).unwrap();
    assert_eq!(Numeric::decode(&out).to_text(), expected);
}

#[test]
fn operations() {
    check_op(add_into, "1.5", "2.25", "3.75");
    check_op(
        add_into,
        "99999999999999999999999999999999999999",
        "99999999999999999999999999999999999999",
        "199999999999999999999999999999999999998",
    );
    check_op(subtract_into, "1", "1.00", "0.00");
    check_op(multiply_into, "1.10", "2.0", "2.200");
    check_op(divide_into, "1", "3", "0.33333333333333333333");
    check_op(divide_into, "-2", "3", "-0.66666666666666666667");
    check_op(divide_into, "10", "2", "5.0000000000000000");
}
