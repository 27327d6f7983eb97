//! The buckets of a sketch: base-2 exponential, scale 5, as OpenTelemetry and Prometheus (schema 5) define them.
//!
//! In: a duration in nanoseconds. Out: its bucket. Bucket `i` holds the durations above 2^(i/32) s up to and including
//! 2^((i+1)/32) s, so that what is counted here can be handed on unchanged, in seconds.

/// Buckets in which a value doubles: 2 to the power of the scale.
pub(super) const BUCKETS_PER_OCTAVE: i32 = 32;

/// The bucket that begins below 1 ns: 2⁻³⁰ s.
pub(super) const BUCKET_MIN: i32 = -30 * BUCKETS_PER_OCTAVE;

/// The bucket that ends at 2¹² s, more than an hour. Longer durations count in it.
pub(super) const BUCKET_MAX: i32 = 12 * BUCKETS_PER_OCTAVE - 1;

/// All buckets.
pub(super) const BUCKETS: usize = (BUCKET_MAX - BUCKET_MIN + 1) as usize;

/// The bucket of a duration above 0. A dozen instructions, no logarithm.
pub(super) fn bucket_of(nanos: u64) -> i32 {
    let bits = (nanos as f64 * 1e-9).to_bits();
    let exponent = (bits >> MANTISSA_BITS) as i32 - EXPONENT_BIAS;
    let mantissa = bits & MANTISSA_MASK;
    // Edges lie below the line from 1 to 2 by less than 3 steps of 1/32, so that the bucket is this one or up to three
    // higher.
    let guess = (mantissa >> (MANTISSA_BITS - 5)) as usize;
    let near = EDGES.get(guess..).unwrap_or_default();
    let higher = near.iter().take(GUESS_MISSES_MAX).take_while(|edge| mantissa > **edge).count();
    // An edge belongs to the bucket below it, so that the bucket is the number of edges below, less one.
    let bucket = exponent * BUCKETS_PER_OCTAVE + (guess + higher) as i32 - 1;
    bucket.clamp(BUCKET_MIN, BUCKET_MAX)
}

/// The upper edge of a bucket, in seconds; it belongs to the bucket.
pub(super) fn upper_edge_s(bucket: i32) -> f64 {
    f64::from(bucket + 1).mul_add(1.0 / f64::from(BUCKETS_PER_OCTAVE), 0.0).exp2()
}

const MANTISSA_BITS: u32 = 52;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;
const EXPONENT_BIAS: i32 = 1023;
/// Edges that a first guess may be too low by, and one for the edge itself.
const GUESS_MISSES_MAX: usize = 4;

/// The mantissas of 2^(i/32), correctly rounded, i from 0 to 31.
const EDGES: [u64; 32] = [
    0x0000_0000_0000_0000,
    0x0000_59b0_d315_8574,
    0x0000_b558_6cf9_890f,
    0x0001_1301_d012_5b51,
    0x0001_72b8_3c7d_517b,
    0x0001_d487_3168_b9aa,
    0x0002_387a_6e75_6238,
    0x0002_9e9d_f51f_dee1,
    0x0003_06fe_0a31_b715,
    0x0003_71a7_373a_a9cb,
    0x0003_dea6_4c12_3422,
    0x0004_4e08_6061_892d,
    0x0004_bfda_d536_2a27,
    0x0005_342b_569d_4f82,
    0x0005_ab07_dd48_5429,
    0x0006_247e_b03a_5585,
    0x0006_a09e_667f_3bcd,
    0x0007_1f75_e8ec_5f74,
    0x0007_a114_73eb_0187,
    0x0008_2589_994c_ce13,
    0x0008_ace5_422a_a0db,
    0x0009_3737_b0cd_c5e5,
    0x0009_c491_82a3_f090,
    0x000a_5503_b23e_255d,
    0x000a_e89f_995a_d3ad,
    0x000b_7f76_f2fb_5e47,
    0x000c_199b_dd85_529c,
    0x000c_b720_dcef_9069,
    0x000d_5818_dcfb_a487,
    0x000d_fc97_337b_9b5f,
    0x000e_a4af_a2a4_90da,
    0x000f_5076_5b6e_4540,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The mapping as the specification of OpenTelemetry writes it, by a logarithm.
    fn by_logarithm(nanos: u64) -> i32 {
        let seconds = nanos as f64 * 1e-9;
        let bucket = (seconds.log2() * f64::from(BUCKETS_PER_OCTAVE)).ceil() as i32 - 1;
        bucket.clamp(BUCKET_MIN, BUCKET_MAX)
    }

    #[test]
    fn edges_are_the_powers_of_the_thirty_second_root_of_two() {
        for (step, mantissa) in EDGES.iter().enumerate() {
            let edge = f64::from_bits(1023 << MANTISSA_BITS | mantissa);
            assert!((edge - (step as f64 / 32.0).exp2()).abs() <= f64::EPSILON, "{step}");
        }
    }

    #[test]
    fn a_power_of_two_ends_its_bucket() {
        assert_eq!(bucket_of(1_000_000_000), -1);
        assert_eq!(bucket_of(1_000_000_001), 0);
        assert_eq!(bucket_of(2_000_000_000), 31);
        assert_eq!(bucket_of(500_000_000), -33);
        assert_eq!((bucket_of(1), bucket_of(u64::MAX)), (by_logarithm(1), BUCKET_MAX));
    }

    proptest! {
        #[test]
        fn every_duration_is_within_the_edges_of_its_bucket(nanos in 1..4_096_000_000_000_u64, shift in 0..40_u32) {
            let nanos = (nanos >> shift).max(1);
            let (bucket, seconds) = (bucket_of(nanos), nanos as f64 * 1e-9);
            prop_assert!(seconds <= upper_edge_s(bucket) * (1.0 + f64::EPSILON));
            prop_assert!(seconds >= upper_edge_s(bucket - 1) * (1.0 - f64::EPSILON));
            prop_assert!((bucket - by_logarithm(nanos)).abs() <= 1);
        }
    }
}
