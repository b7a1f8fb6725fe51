//! Functions of one number and sums over one row, written so that the compiler vectorises them. Their results do not
//! depend on how many rows there are.

/// `e^x` within two units in the last place, for arguments between −87 and 88; clamped beyond.
///
/// Splits `x = n ln 2 + r` and takes a polynomial of degree six in `r` (Cephes' coefficients).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding this rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let mantissa = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    mantissa * f32::from_bits(exponent)
}

/// `x / (1 + e^-x)`.
#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The tanh form of GELU: `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, by way of `1 + tanh(u) = 2 / (1 + e^-2u)`.
#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
    x / (1.0 + exp(-TWICE_SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)))
}

/// The sum of squares, in sixteen lanes that are added at the end.
pub(super) fn sum_of_squares(row: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = row.chunks_exact(lanes.len());
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x * x);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        let mut worst = 0.0f64;
        for i in -860_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = (x as f64).exp();
            worst = worst.max(((exp(x) as f64 - exact) / exact).abs());
        }
        assert!(worst < 2.5e-7, "{worst:e}");
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e30) > 0.0 && exp(1e30).is_finite());
    }

    #[test]
    fn activations_agree_with_their_definitions() {
        for i in -4000..=4000 {
            let x = i as f32 * 0.01;
            let exact = x as f64;
            let silu_exact = exact / (1.0 + (-exact).exp());
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044715 * exact.powi(3));
            let gelu_exact = 0.5 * exact * (1.0 + inner.tanh());
            assert!((silu(x) as f64 - silu_exact).abs() < 4e-6, "silu({x})");
            assert!((gelu_tanh(x) as f64 - gelu_exact).abs() < 4e-6, "gelu({x})");
        }
    }

    #[test]
    fn squares_are_summed_whatever_the_length() {
        for len in [0, 1, 15, 16, 17, 100] {
            let row: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let exact: f32 = (0..len).map(|i| (i * i) as f32).sum();
            assert_eq!(sum_of_squares(&row), exact, "{len}");
        }
    }
}
