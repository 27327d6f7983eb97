//! How large a long check is: `JUXTA_SCALE`, where 1 is full and the default a twentieth.

/// `full` scaled by `JUXTA_SCALE` (a number above 0, default 0.05), at least 1.
///
/// The invariants that a check asserts are the same at every size.
///
/// # Panics
/// When `JUXTA_SCALE` is no number above 0.
#[must_use]
pub fn scaled(full: u32) -> u32 {
    at_scale(full, std::env::var("JUXTA_SCALE").ok().as_deref())
}

/// `full` at the scale that the text gives.
fn at_scale(full: u32, scale: Option<&str>) -> u32 {
    let scale: f64 = scale.map_or(0.05, |text| text.parse().expect("JUXTA_SCALE must be a number"));
    assert!(scale > 0.0, "JUXTA_SCALE must be above 0");
    (f64::from(full) * scale).round().clamp(1.0, f64::from(u32::MAX)) as u32
}

#[test]
fn a_check_is_a_twentieth_of_its_full_size_unless_told() {
    assert_eq!(at_scale(1000, None), 50);
    assert_eq!(at_scale(1000, Some("1")), 1000);
    assert_eq!(at_scale(3, Some("0.001")), 1);
}
