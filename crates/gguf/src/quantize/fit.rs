//! Scales of a group of values, by trial and least squares.
//!
//! For a given scale, rounding gives integers; for given integers, least squares gives the best scale. One round of both
//! from each of several starting scales finds a better pair than the largest value alone would.

/// A scale and a minimum: `value ≈ scale · q − min`, with `q` from 0 to `top`; neither is negative.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WithMin {
    pub scale: f32,
    pub min: f32,
}

/// The best scale and minimum found for `values`, each weighing `weights`.
pub fn with_min<const N: usize>(values: &[f32; N], weights: &[f32; N], top: f32) -> WithMin {
    /// Starting scales give the range from one step less to one step more than `top` steps, in tenths.
    const TRIES: i32 = 10;
    let low = values.iter().fold(0f32, |low, v| low.min(*v));
    let high = values.iter().fold(f32::NEG_INFINITY, |high, v| high.max(*v));
    if high <= low {
        return WithMin { scale: 0.0, min: -low };
    }
    let mut best = WithMin { scale: (high - low) / top, min: -low };
    let mut least = best.error(values, weights, top);
    for step in -TRIES..=TRIES {
        let per_scale = (top + 0.1 * step as f32) / (high - low);
        let q = values.map(|v| (per_scale * (v - low)).round().clamp(0.0, top));
        let found = WithMin::least_squares(values, weights, &q);
        let error = found.error(values, weights, top);
        if error < least {
            (best, least) = (found, error);
        }
    }
    best
}

impl WithMin {
    /// The integer for a value.
    pub fn q(self, value: f32, top: f32) -> f32 {
        if self.scale == 0.0 { 0.0 } else { ((value + self.min) / self.scale).round().clamp(0.0, top) }
    }

    /// The weighted sum of squares of what is lost.
    pub fn error<const N: usize>(self, values: &[f32; N], weights: &[f32; N], top: f32) -> f32 {
        let per_scale = super::inverse(self.scale);
        let lost = |v: f32| {
            let q = ((v + self.min) * per_scale).round().clamp(0.0, top);
            self.scale * q - self.min - v
        };
        values.iter().zip(weights).map(|(v, w)| w * lost(*v) * lost(*v)).sum()
    }

    /// The best scale and minimum for given integers. A minimum that would have to be negative is none.
    fn least_squares<const N: usize>(values: &[f32; N], weights: &[f32; N], q: &[f32; N]) -> Self {
        let [mut w, mut wq, mut wqq, mut wv, mut wqv] = [0f32; 5];
        for i in 0..N {
            let (weight, q, v) = (weights[i], q[i], values[i]);
            w += weight;
            wq += weight * q;
            wqq += weight * q * q;
            wv += weight * v;
            wqv += weight * q * v;
        }
        let determinant = w * wqq - wq * wq;
        if determinant > 0.0 {
            let scale = (w * wqv - wq * wv) / determinant;
            let min = (wq * wqv - wqq * wv) / determinant;
            if scale > 0.0 && min >= 0.0 {
                return WithMin { scale, min };
            }
        }
        let scale = if wqq > 0.0 { (wqv / wqq).max(0.0) } else { 0.0 };
        WithMin { scale, min: 0.0 }
    }
}

/// The best scale found for `value ≈ scale · q`, with `q` from `−reach` to `reach − 1`; it may be negative.
pub fn signed<const N: usize>(values: &[f32; N], weights: &[f32; N], reach: f32) -> f32 {
    /// Starting scales put the largest value on up to so many tenths of a step beside `−reach`.
    const TRIES: i32 = 9;
    let largest = values.iter().fold(0f32, |top, v| if v.abs() > top.abs() { *v } else { top });
    if largest == 0.0 {
        return 0.0;
    }
    // With the best scale for given integers, what is left of the error is a constant minus this quality.
    let (mut best, mut most) = (0.0, f32::NEG_INFINITY);
    for step in -TRIES..=TRIES {
        let per_scale = -(reach + 0.1 * step as f32) / largest;
        let (mut wqv, mut wqq) = (0.0, 0.0);
        for (v, w) in values.iter().zip(weights) {
            let q = (per_scale * v).round().clamp(-reach, reach - 1.0);
            wqv += w * q * v;
            wqq += w * q * q;
        }
        if wqq > 0.0 && wqv * wqv / wqq > most {
            (best, most) = (wqv / wqq, wqv * wqv / wqq);
        }
    }
    best
}
