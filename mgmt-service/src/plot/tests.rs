//! What the pictures show, and that no input breaks them.

use proptest::prelude::*;

use super::*;

/// Every tag that opens is closed in order, and attributes and texts hold no stray markup.
fn is_well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some((text, tail)) = rest.split_once('<') {
        let Some((tag, after)) = tail.split_once('>') else { return false };
        if text.contains('>') || tag.matches('"').count() % 2 != 0 {
            return false;
        }
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = after;
    }
    open.is_empty() && rest.trim().is_empty() && !svg.contains("NaN") && !svg.contains("inf")
}

fn points() -> Vec<(u64, Option<u64>)> {
    (0..60).map(|second| (1_769_860_800_000 + second * 1000, Some(400 + second * 7 % 90))).collect()
}

#[test]
fn series_shows_the_line_its_marks_and_its_failures() {
    let mut points = points();
    points[10].1 = None;
    points[40].1 = None;
    let svg = series_svg("PING of alice", &points);
    assert!(is_well_formed(&svg), "{svg}");
    assert_eq!(svg.matches("<circle").count(), 58);
    assert_eq!(svg.matches("l7 7m-7 0l7 -7").count(), 2);
    for text in ["PING of alice", "× 2 failed", "58 answered", "mean 0.4", "± σ", "p50", "p95", "p99"] {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    assert!(svg.contains("seconds since 2026-01-31T12:00:00.000Z") && svg.contains("response time (ms)"));
}

#[test]
fn a_long_series_is_thinned_and_keeps_its_peak() {
    let mut points: Vec<(f64, f64)> = (0..100_000).map(|x| (f64::from(x), 1.0)).collect();
    points[54_321].1 = 99.0;
    points[65_432].1 = 0.1;
    let thinned = thinned(&points);
    assert!(thinned.len() <= PLOT_POINTS_MAX && thinned.is_sorted_by(|a, b| a.0 <= b.0));
    assert!(thinned.contains(&(54_321.0, 99.0)) && thinned.contains(&(65_432.0, 0.1)));
}

#[test]
fn a_storm_of_failures_draws_at_most_one_cross_a_pixel() {
    let points: Vec<_> = (0..50_000).map(|ms| (ms, None)).collect();
    let svg = series_svg("down", &points);
    assert!(svg.matches("l7 7").count() <= 881);
    assert!(svg.contains("× 50000 failed") && svg.contains("no answer yet"));
}

#[test]
fn distribution_counts_every_time_once() {
    let times: Vec<u64> = (0..500).map(|n| 300 + n * 37 % 400).collect();
    let axis = Axis::horizontal(0.3, 0.7);
    let in_ms: Vec<f64> = times.iter().map(|us| *us as f64 / 1000.0).collect();
    let bars = bars(&in_ms, &axis);
    assert_eq!((bars.iter().sum::<u64>(), bars.len()), (500, 46));
    let svg = distribution_svg("PING", &times);
    assert!(is_well_formed(&svg) && svg.contains("number of PINGs") && !svg.contains("slower than shown"));
}

#[test]
fn a_few_far_outliers_do_not_squeeze_the_distribution() {
    let mut times = vec![400; 500];
    times.extend([9_000_000; 3]);
    let svg = distribution_svg("PING", &times);
    assert!(svg.contains("3 slower than shown"), "{svg}");
}

#[test]
fn texts_are_escaped() {
    let hostile = "</text><script>alert('1')</script>&\"\u{0}\u{1b}";
    for svg in [series_svg(hostile, &points()), distribution_svg(hostile, &[1, 2, 3])] {
        assert!(is_well_formed(&svg) && !svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
        assert!(svg.contains("&lt;script&gt;alert(&#39;1&#39;)"));
    }
}

#[test]
fn nothing_and_a_single_time_are_pictures_too() {
    assert!(is_well_formed(&series_svg("", &[])) && is_well_formed(&distribution_svg("", &[])));
    assert!(is_well_formed(&series_svg("", &[(5, Some(0))])) && is_well_formed(&distribution_svg("", &[0])));
}

proptest! {
    #[test]
    fn no_numbers_a_peer_can_claim_break_a_picture(
        points in prop::collection::vec((any::<u64>(), any::<Option<u64>>()), 0..60),
    ) {
        let times: Vec<u64> = points.iter().filter_map(|point| point.1).collect();
        prop_assert!(is_well_formed(&series_svg("any", &points)));
        prop_assert!(is_well_formed(&distribution_svg("any", &times)));
    }
}
