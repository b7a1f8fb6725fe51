//! Stretching with the numbers that torchvision gives, which authors' processors use where it is installed: a number of 8 bits
//! more or less would be visible in a model's vectors.
//!
//! Each pixel is a sum over those around it, weighed by a curve that is as wide as the picture shrinks; first along rows,
//! then along columns, with weights of 16 bits and 8-bit numbers between the two.

use lantern_models::vision::Filter;

/// Most bits behind the point of a weight.
const MAX_BITS: u32 = 22;
/// Numbers of a pixel.
const CHANNELS: usize = 3;

/// How each place along a side is made.
struct Side {
    places: Vec<Place>,
    /// Bits behind the point of its weights.
    bits: u32,
}

/// The pixels from which one is made, and their weights.
struct Place {
    first: usize,
    weights: Vec<i32>,
}

/// Pixels `[height, width, 3]` of `from = [width, height]` at another size.
pub(super) fn stretch(pixels: &[u8], from: [usize; 2], to: [usize; 2], filter: Filter) -> Vec<u8> {
    let rows = side(from[0], to[0], filter);
    let mut wide = vec![0; from[1] * to[0] * CHANNELS];
    let lines = pixels.chunks_exact(from[0] * CHANNELS).zip(wide.chunks_exact_mut(to[0] * CHANNELS));
    for (line, out) in lines {
        for (out, place) in out.chunks_exact_mut(CHANNELS).zip(&rows.places) {
            sum(line, CHANNELS, place, rows.bits, out);
        }
    }
    let columns = side(from[1], to[1], filter);
    let mut out = vec![0; to[0] * to[1] * CHANNELS];
    for (line, place) in out.chunks_exact_mut(to[0] * CHANNELS).zip(&columns.places) {
        sum(&wide, to[0] * CHANNELS, place, columns.bits, line);
    }
    out
}

/// Neighbouring numbers, each the sum of those `stride` numbers apart.
fn sum(pixels: &[u8], stride: usize, place: &Place, bits: u32, out: &mut [u8]) {
    for (offset, out) in out.iter_mut().enumerate() {
        let mut sum = 1 << (bits - 1);
        for (index, weight) in place.weights.iter().enumerate() {
            sum += i32::from(pixels[(place.first + index) * stride + offset]) * weight;
        }
        *out = (sum >> bits).clamp(0, 255) as u8;
    }
}

/// For each of `to` places along a side of `from` pixels.
fn side(from: usize, to: usize, filter: Filter) -> Side {
    let scale = from as f64 / to as f64;
    // Where a picture grows, a pixel is made of its nearest neighbours.
    let widened = scale.max(1.0);
    let reach = widened * reach(filter);
    let shares = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let share = |at: usize| curve(filter, ((at as f64 + 0.5 - centre) / widened).abs());
        let shares: Vec<f64> = (first..end).map(share).collect();
        let all: f64 = shares.iter().sum();
        (first, shares.iter().map(|share| share / all).collect())
    };
    let shares: Vec<(usize, Vec<f64>)> = (0..to).map(shares).collect();
    let bits = bits(shares.iter().flat_map(|(_, shares)| shares).fold(0.0, |most, &share| share.max(most)));
    let fixed = |share: &f64| (share * f64::from(1 << bits)).round() as i32;
    let place = |(first, shares): &(usize, Vec<f64>)| Place {
        first: *first,
        weights: shares.iter().map(fixed).collect(),
    };
    Side { places: shares.iter().map(place).collect(), bits }
}

/// As many bits behind the point as leave the largest weight below 2¹⁵.
fn bits(largest: f64) -> u32 {
    let fits = |bits: &u32| largest * f64::from(1 << bits) + 0.5 < f64::from(1 << 15);
    (1..=MAX_BITS).take_while(fits).last().unwrap_or(1)
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
