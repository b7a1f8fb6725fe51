//! Stretching with the numbers that Pillow gives, which authors' processors use: a number of 8 bits more or less would be
//! visible in a model's vectors.
//!
//! Each pixel is a sum over those around it, weighed by a curve that is as wide as the picture shrinks; first along rows,
//! then along columns, with weights of 22 bits behind the point and 8-bit numbers between the two.

use lantern_models::vision::Filter;

/// Bits behind the point of a weight.
const BITS: u32 = 22;
/// Numbers of a pixel.
const CHANNELS: usize = 3;

/// The pixels from which one is made, and their weights.
struct Weights {
    first: usize,
    weights: Vec<i32>,
}

/// Pixels `[height, width, 3]` of `from = [width, height]` at another size.
pub(super) fn stretch(pixels: &[u8], from: [usize; 2], to: [usize; 2], filter: Filter) -> Vec<u8> {
    let rows = weights(from[0], to[0], filter);
    let mut wide = vec![0; from[1] * to[0] * CHANNELS];
    let lines = pixels.chunks_exact(from[0] * CHANNELS).zip(wide.chunks_exact_mut(to[0] * CHANNELS));
    for (line, out) in lines {
        for (out, weights) in out.chunks_exact_mut(CHANNELS).zip(&rows) {
            sum(line, CHANNELS, weights, 0, out);
        }
    }
    let columns = weights(from[1], to[1], filter);
    let mut out = vec![0; to[0] * to[1] * CHANNELS];
    for (line, weights) in out.chunks_exact_mut(to[0] * CHANNELS).zip(&columns) {
        for (x, out) in line.chunks_exact_mut(CHANNELS).enumerate() {
            sum(&wide, to[0] * CHANNELS, weights, x * CHANNELS, out);
        }
    }
    out
}

/// One pixel: of those at `offset`, `stride` numbers apart.
fn sum(pixels: &[u8], stride: usize, weights: &Weights, offset: usize, out: &mut [u8]) {
    for (channel, out) in out.iter_mut().enumerate() {
        let mut sum = 1 << (BITS - 1);
        for (index, weight) in weights.weights.iter().enumerate() {
            sum += i32::from(pixels[(weights.first + index) * stride + offset + channel]) * weight;
        }
        *out = (sum >> BITS).clamp(0, 255) as u8;
    }
}

/// For each of `to` places along a side of `from` pixels.
fn weights(from: usize, to: usize, filter: Filter) -> Vec<Weights> {
    let scale = from as f64 / to as f64;
    // Where a picture grows, a pixel is made of its nearest neighbours.
    let widened = scale.max(1.0);
    let reach = widened * reach(filter);
    let place = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let share = |at: usize| curve(filter, ((at as f64 + 0.5 - centre) / widened).abs());
        let shares: Vec<f64> = (first..end).map(share).collect();
        let all: f64 = shares.iter().sum();
        let fixed = |share: &f64| (share / all * f64::from(1 << BITS)).round() as i32;
        Weights { first, weights: shares.iter().map(fixed).collect() }
    };
    (0..to).map(place).collect()
}

/// How far from its centre a curve ends, in pixels.
fn reach(filter: Filter) -> f64 {
    match filter {
        Filter::Bilinear => 1.0,
        Filter::Bicubic => 2.0,
    }
}

/// The weight of a pixel so far from the centre.
fn curve(filter: Filter, x: f64) -> f64 {
    match filter {
        Filter::Bilinear => (1.0 - x).max(0.0),
        Filter::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        Filter::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        Filter::Bicubic => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_changes_nothing() {
        let pixels: Vec<u8> = (0..5 * 4 * 3).map(|i| (i * 37 % 256) as u8).collect();
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(stretch(&pixels, [5, 4], [5, 4], filter), pixels);
        }
    }

    #[test]
    fn halving_weighs_by_a_triangle() {
        // Of four shares around each place one lies outside, and the other three are made to sum to 1.
        let pixels: Vec<u8> = [70, 140, 210, 0].iter().flat_map(|&grey| [grey; 3]).collect();
        let halved = stretch(&pixels, [4, 1], [2, 1], Filter::Bilinear);
        assert_eq!(halved[..3], [120; 3], "(3 * 70 + 3 * 140 + 210) / 7");
        assert_eq!(halved[3..], [110; 3], "(140 + 3 * 210 + 0) / 7");
    }

    #[test]
    fn a_single_pixel_fills_any_square() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(stretch(&[9, 200, 31], [1, 1], [3, 2], filter), [9, 200, 31].repeat(6));
        }
    }
}
