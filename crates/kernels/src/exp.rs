//! The exponential function and what is made of it, in code the compiler can vectorise.

/// eˣ to about two units in the last place; 0 < result < ∞ for finite `x`, NaN for NaN.
///
/// Below −87 and above 88 the result stays at the ends of what a normal `f32` holds. `fma` is a fused multiply-add
/// where the caller has one. Range reduction and polynomial as in the Cephes library.
#[inline(always)]
pub fn exp(x: f32, fma: impl Fn(f32, f32, f32) -> f32 + Copy) -> f32 {
    // Not `clamp`, which may panic, nor `max`, which would swallow a NaN.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = fma(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma(n, -0.693_359_4, x);
    let r = fma(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = fma(p, r, c);
    }
    let p = fma(p * r, r, r) + 1.0;
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    p * power
}

/// The hyperbolic tangent, to about 10⁻⁷ of one.
#[inline(always)]
pub fn tanh(x: f32, fma: impl Fn(f32, f32, f32) -> f32 + Copy) -> f32 {
    // From |x| = 9 on the result is 1 to the last bit.
    let x = if x > 9.0 { 9.0 } else { x };
    let x = if x < -9.0 { -9.0 } else { x };
    let e = exp(2.0 * x, fma);
    (e - 1.0) / (e + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_library() {
        let mut worst: (f64, f64) = (0.0, 0.0);
        for i in -870_000..=880_000 {
            let x = i as f32 / 10_000.0;
            let exact = f64::from(x).exp();
            worst.0 = worst.0.max((f64::from(exp(x, f32::mul_add)) / exact - 1.0).abs());
            worst.0 = worst.0.max((f64::from(exp(x, |a, b, c| a * b + c)) / exact - 1.0).abs());
            let x = x / 4.0;
            worst.1 = worst.1.max((f64::from(tanh(x, f32::mul_add)) - f64::from(x).tanh()).abs());
        }
        assert!(worst.0 < 3e-7, "exp is off by {:.1e}", worst.0);
        assert!(worst.1 < 3e-7, "tanh is off by {:.1e}", worst.1);
    }

    #[test]
    fn ends() {
        assert!(exp(f32::NAN, f32::mul_add).is_nan());
        assert!(exp(f32::NEG_INFINITY, f32::mul_add) < 2e-38);
        assert_eq!(exp(0.0, f32::mul_add), 1.0);
        assert!(exp(100.0, f32::mul_add).is_finite());
    }
}
