//! The exponential function and what is made of it, eight numbers at a time.

use crate::lanes::Lanes;

/// eˣ to about two units in the last place; 0 < result < ∞ for every number, NaN for NaN.
///
/// Below −87 and above 88 the result stays at the ends of what a normal `f32` holds. Range reduction and polynomial as
/// in the Cephes library.
///
/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
pub unsafe fn exp<L: Lanes>(x: L) -> L {
    // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // SAFETY: the caller's promise.
    let number = |value| unsafe { L::splat(value) };
    let x = x.bound(number(-87.0), number(88.0));
    let rounded = x.mul_add(number(std::f32::consts::LOG2_E), number(ROUND));
    let n = rounded.sub(number(ROUND));
    let r = n.mul_add(number(-0.693_359_4), x);
    let r = n.mul_add(number(2.121_944_4e-4), r);
    let p = number(1.987_569_1e-4);
    let p = p.mul_add(r, number(1.398_199_9e-3));
    let p = p.mul_add(r, number(8.333_452e-3));
    let p = p.mul_add(r, number(4.166_579_6e-2));
    let p = p.mul_add(r, number(0.166_666_65));
    let p = p.mul_add(r, number(0.5));
    let p = p.mul(r).mul_add(r, r).add(number(1.0));
    p.mul(rounded.power_of_two())
}

/// The hyperbolic tangent, to about 10⁻⁷.
///
/// # Safety
/// As [`exp`].
#[inline(always)]
pub unsafe fn tanh<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        // From |x| = 9 on the result is 1 to the last bit.
        let x = x.bound(L::splat(-9.0), L::splat(9.0));
        let e = exp(x.add(x));
        e.sub(L::splat(1.0)).div(e.add(L::splat(1.0)))
    }
}

/// The error function, to about 2·10⁻⁷ (Abramowitz & Stegun, 7.1.26).
///
/// # Safety
/// As [`exp`].
#[inline(always)]
pub unsafe fn erf<L: Lanes>(x: L) -> L {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6];
    // SAFETY: the caller's promise.
    unsafe {
        // The formula is for numbers from 0 on; the function is odd. From 4 on it is 1 to the last bit.
        let x = x.bound(L::splat(-4.0), L::splat(4.0));
        let zero = L::splat(0.0);
        let size = x.bound(zero, L::splat(4.0)).sub(x.bound(L::splat(-4.0), zero));
        let t = L::splat(1.0).div(size.mul_add(L::splat(P), L::splat(1.0)));
        let sum = A[1..].iter().fold(L::splat(A[0]), |sum, &a| sum.mul_add(t, L::splat(a)));
        let of_size = L::splat(1.0).sub(sum.mul(t).mul(exp(zero.sub(size.mul(size)))));
        // Its sign: x over its size, where that is not nothing.
        of_size.mul(x.div(size.add(L::splat(f32::MIN_POSITIVE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Plain, Vector};

    fn plain(f: unsafe fn(Plain) -> Plain, x: f32) -> f32 {
        let mut out = [0.0; 8];
        // SAFETY: plain code runs everywhere.
        unsafe { f(Plain::splat(x)) }.store(&mut out);
        out[7]
    }

    /// The same in a vector, where there is one.
    fn vector(of_tanh: bool, x: f32) -> Option<f32> {
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
        unsafe fn compute(of_tanh: bool, x: f32) -> f32 {
            let mut out = [0.0; 8];
            // SAFETY: the features are enabled.
            unsafe { if of_tanh { tanh(Vector::splat(x)) } else { exp(Vector::splat(x)) } }.store(&mut out);
            out[7]
        }
        // SAFETY: just asked.
        crate::Isa::available().iter().any(|isa| isa.has_vectors()).then(|| unsafe { compute(of_tanh, x) })
    }

    /// Values from tables, because the library has no error function.
    #[test]
    fn the_error_function_is_close_to_tables() {
        let table = [
            (0.0, 0.0),
            (1e-4, 1.128_379_2e-4),
            (0.1, 0.112_462_916),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
            (5.0, 1.0),
            (f32::MAX, 1.0),
        ];
        for (x, exact) in table {
            for (x, exact) in [(x, exact), (-x, -exact)] {
                let got = plain(erf, x);
                assert!((got - exact).abs() < 4e-7, "erf({x}) is {got}, not {exact}");
            }
        }
    }

    #[test]
    fn close_to_the_library() {
        let mut worst: (f64, f64) = (0.0, 0.0);
        for i in -87_000..=88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            for got in [Some(plain(exp, x)), vector(false, x)].into_iter().flatten() {
                worst.0 = worst.0.max((f64::from(got) / exact - 1.0).abs());
            }
            let x = x / 8.0;
            for got in [Some(plain(tanh, x)), vector(true, x)].into_iter().flatten() {
                worst.1 = worst.1.max((f64::from(got) - f64::from(x).tanh()).abs());
            }
        }
        assert!(worst.0 < 3e-7, "exp is off by {:.1e}", worst.0);
        assert!(worst.1 < 3e-7, "tanh is off by {:.1e}", worst.1);
    }

    #[test]
    fn ends() {
        for of in [|x| plain(exp, x), |x| vector(false, x).unwrap_or_else(|| plain(exp, x))] {
            assert!(of(f32::NAN).is_nan());
            assert!(of(f32::NEG_INFINITY) < 2e-38);
            assert_eq!(of(0.0), 1.0);
            assert!(of(100.0).is_finite());
        }
    }
}
