use super::*;

#[test]
fn calendar_round_trips() {
    for day in (0..2_500_000_000u32)
        .step_by(7_919)
        .filter_map(|d| i32::try_from(d).ok())
    {
        let (y, m, d) = from_julian(day);
        assert_eq!(julian(y, m, d), day);
    }
    assert_eq!(julian(2000, 1, 1), EPOCH_JULIAN);
    assert_eq!(from_julian(0), (-4713, 11, 24));
    assert_eq!(day_of_week(EPOCH_JULIAN), 6);
}
