//! Each pass against its definition in f64, on every instruction set; and that cutting the work changes nothing.

use super::*;
use crate::Isa;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Runs a pass over a copy of `x` on every instruction set and compares with `expected`.
fn check(x: &[f32], expected: &[f64], tolerance: f64, pass: impl Fn(Isa, &mut [f32])) {
    for isa in Isa::available() {
        let mut out = x.to_vec();
        pass(isa, &mut out);
        for (i, (found, expected)) in out.iter().zip(expected).enumerate() {
            let off = (f64::from(*found) - expected).abs();
            assert!(
                off <= tolerance * expected.abs().max(1.0),
                "{isa}, {i} of {}: {found}, {expected}",
                x.len()
            );
        }
    }
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::Silu,
    Activation::GeluTanh,
    Activation::Gelu,
    Activation::Sigmoid,
    Activation::ReluSquared,
    Activation::ClampedSwiglu,
];
const LENGTHS: [usize; 7] = [1, 7, 8, 16, 31, 64, 100];

/// By its series, and 1 where that is all there is.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let mut term = x;
    let sum = (1..200).fold(x, |sum, n| {
        term *= -x * x / f64::from(n);
        sum + term / f64::from(2 * n + 1)
    });
    2.0 / std::f64::consts::PI.sqrt() * sum
}

#[test]
fn gates_follow_their_definitions() {
    for len in LENGTHS {
        let (gate, up) = (numbers(len, 1).iter().map(|x| x * 8.0).collect::<Vec<_>>(), numbers(len, 2));
        let up: Vec<f32> = up.iter().map(|x| x * 5.0).collect();
        for activation in ACTIVATIONS {
            let exact = |x: f64, u: f64| match activation {
                Activation::Silu => x / (1.0 + (-x).exp()) * u,
                Activation::Sigmoid => u / (1.0 + (-x).exp()),
                Activation::ReluSquared => x.max(0.0).powi(2) * u,
                Activation::GeluTanh => {
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                    0.5 * x * (1.0 + inner.tanh()) * u
                }
                Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())) * u,
                Activation::ClampedSwiglu => {
                    let (x, u) = (x.min(7.0), u.clamp(-7.0, 7.0));
                    x / (1.0 + (-1.702 * x).exp()) * (u + 1.0)
                }
            };
            let expected: Vec<f64> =
                gate.iter().zip(&up).map(|(g, u)| exact(f64::from(*g), f64::from(*u))).collect();
            check(&gate, &expected, 2e-6, |isa, gate| run(isa, Gate { activation, gate, up: &up }));
            let alone: Vec<f64> = gate.iter().map(|x| exact(f64::from(*x), 1.0)).collect();
            check(&gate, &alone, 2e-6, |isa, x| run(isa, Activated { activation, x }));
        }
    }
}

#[test]
fn halves_of_rows_are_gated_as_gates_in_rows_of_their_own() {
    for width in LENGTHS {
        let x = numbers(3 * 2 * width, 11);
        let of_half = |half: usize| -> Vec<f32> {
            x.chunks_exact(width).skip(half).step_by(2).flatten().copied().collect()
        };
        for activation in ACTIVATIONS {
            for isa in Isa::available() {
                let (mut gate, up, mut out) = (of_half(0), of_half(1), vec![7.0; 3 * width]);
                run(isa, Gate { activation, gate: &mut gate, up: &up });
                run(isa, GateHalves { activation, width, x: &x, out: &mut out });
                assert_eq!(out, gate, "{isa}, width {width}");
            }
        }
    }
}

#[test]
fn weighted_sums_follow_their_definition() {
    let places = [4, 0, 3, 2, 2, 1];
    for width in LENGTHS {
        let (x, weights) = (numbers(5 * width, 12), numbers(6, 13));
        let term = |at: usize, j: usize| {
            let from = places[3 * (at / width) + j] as usize * width + at % width;
            f64::from(weights[3 * (at / width) + j]) * f64::from(x[from])
        };
        let expected: Vec<f64> = (0..2 * width).map(|at| (0..3).map(|j| term(at, j)).sum()).collect();
        let (x, weights, places) = (&x, &weights, &places);
        check(&vec![7.0; 2 * width], &expected, 2e-6, |isa, out| {
            run(isa, WeightedSum { x, width, each: 3, weights, places, out });
        });
    }
}

#[test]
fn norms_follow_their_definition() {
    for width in LENGTHS {
        let (x, weight) = (numbers(3 * width, 3), numbers(width, 4));
        let exact: Vec<f64> = x
            .chunks_exact(width)
            .flat_map(|row| {
                let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64;
                let scale = 1.0 / (mean + 1e-5).sqrt();
                row.iter().zip(&weight).map(move |(x, w)| f64::from(*x) * scale * f64::from(*w))
            })
            .collect();
        check(&x, &exact, 2e-6, |isa, x| run(isa, Norm { from: None, x, weight: &weight, eps: 1e-5 }));
        let empty = vec![0.0; x.len()];
        check(&empty, &exact, 2e-6, |isa, out| {
            run(isa, Norm { from: Some(&x), x: out, weight: &weight, eps: 1e-5 })
        });
    }
}

#[test]
fn layer_norms_follow_their_definition() {
    for width in LENGTHS {
        let (x, weight, bias) = (numbers(3 * width, 14), numbers(width, 15), numbers(width, 16));
        let mut exact = Vec::new();
        for row in x.chunks_exact(width) {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x) + 1.0).collect();
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (variance + 1e-3).sqrt();
            let weights = weight.iter().zip(&bias);
            let normed = row.iter().zip(weights);
            exact.extend(normed.map(|(x, (w, b))| (x - mean) * scale * f64::from(*w) + f64::from(*b)));
        }
        let shifted: Vec<f32> = x.iter().map(|x| x + 1.0).collect();
        check(&shifted, &exact, 4e-6, |isa, x| {
            run(isa, super::layer_norm::LayerNorm { x, weight: &weight, bias: &bias, eps: 1e-3 });
        });
    }
}

#[test]
fn caps_sums_and_factors_follow_their_definitions() {
    for len in LENGTHS {
        let (x, y) = (numbers(2 * len, 5), numbers(len, 6));
        let each = |f: &dyn Fn(usize) -> f64| (0..x.len()).map(f).collect::<Vec<_>>();
        let capped = each(&|i| 1.5 * (f64::from(x[i]) / 1.5).tanh());
        check(&x, &capped, 2e-6, |isa, x| run(isa, Softcap { x, cap: 1.5 }));
        check(&x, &each(&|i| f64::from(x[i] * y[i % len])), 0.0, |isa, x| run(isa, Multiply { x, y: &y }));
        check(&x, &each(&|i| f64::from(x[i] + y[i % len])), 0.0, |isa, x| run(isa, Add { x, y: &y }));
        check(&x, &each(&|i| f64::from(x[i] * 0.3)), 0.0, |isa, x| run(isa, Scale { x, factor: 0.3 }));
        let by_row = each(&|i| f64::from(x[i] * [0.3, -2.0][i / len]));
        check(&x, &by_row, 0.0, |isa, x| run(isa, ScaleRows { x, width: len, factors: &[0.3, -2.0] }));
    }
}

#[test]
fn turns_follow_their_definition() {
    let (rows, heads, head_dim) = (2, 3, 44);
    for half in [1, 5, 8, 22] {
        let x = numbers(rows * heads * head_dim, 7);
        let angles = numbers(rows * half, 8);
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
        for pairs in [RopePairs::Neighbours, RopePairs::Halves] {
            let mut expected: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            for (i, head) in expected.chunks_exact_mut(head_dim).enumerate() {
                for pair in 0..half {
                    let (a, b) = match pairs {
                        RopePairs::Neighbours => (2 * pair, 2 * pair + 1),
                        RopePairs::Halves => (pair, pair + half),
                    };
                    let at = i / heads * half + pair;
                    let (c, s) = (f64::from(cos[at]), f64::from(sin[at]));
                    (head[a], head[b]) = (head[a] * c - head[b] * s, head[a] * s + head[b] * c);
                }
            }
            let width = heads * head_dim;
            let (cos, sin) = (&cos, &sin);
            check(&x, &expected, 1e-6, |isa, x| run(isa, Turn { pairs, half, head_dim, width, cos, sin, x }));
        }
    }
}

#[test]
fn parts_and_threads_change_no_bit() {
    let (rows, width) = (67, 1001);
    let (alone, many) = (Pool::new(1), Pool::new(4));
    let (x, y) = (numbers(rows * width, 9), numbers(rows * width, 10));
    let bias = &y[..width];
    let all = |pool: &Pool, x: &[f32], y: &[f32]| {
        let mut out = vec![0.0; x.len()];
        rms_norm(pool, x, bias, 1e-6, &mut out).unwrap();
        gate(pool, Activation::Silu, &mut out, y).unwrap();
        add(pool, &mut out, y).unwrap();
        add(pool, &mut out, bias).unwrap();
        scale(pool, &mut out, 1.7);
        softcap(pool, &mut out, 3.0);
        gate(pool, Activation::GeluTanh, &mut out, y).unwrap();
        layer_norm(pool, &mut out, bias, &x[..width], 1e-6).unwrap();
        activate(pool, Activation::Gelu, &mut out);
        rms_norm_in_place(pool, &mut out, &bias[..91], 1e-6).unwrap();
        let halves = x.len() / width * 5;
        let rotation = Rotation { pairs: RopePairs::Halves, half: 5, cos: &x[..halves], sin: &y[..halves] };
        rope(pool, &rotation, &mut out, 91, 11).unwrap();
        // Each row with itself, twice.
        let places: Vec<u32> = (0..out.len() / 91).flat_map(|row| [row as u32; 2]).collect();
        let from = out.clone();
        weighted_sum(pool, &from, 91, &y[..places.len()], &places, &mut out).unwrap();
        let from: Vec<f32> = out.iter().flat_map(|&x| [x; 2]).collect();
        gate_halves(pool, Activation::Silu, &from, 7, &mut out).unwrap();
        let factors: Vec<f32> = y.iter().step_by(width).copied().collect();
        scale_rows(pool, &mut out, &factors).unwrap();
        out
    };
    let whole = all(&alone, &x, &y);
    assert_eq!(whole, all(&many, &x, &y));
    let first = all(&alone, &x[..width], &y[..width]);
    assert_eq!(whole[..width], first);
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let pool = Pool::new(1);
    let mut x = [1.0; 6];
    assert!(add(&pool, &mut x, &[0.0; 4]).is_err());
    assert!(add(&pool, &mut x, &[]).is_err());
    assert!(gate(&pool, Activation::Silu, &mut x, &[0.0; 5]).is_err());
    assert!(rms_norm(&pool, &[0.0; 5], &[0.0; 3], 0.0, &mut x).is_err());
    assert!(rms_norm_in_place(&pool, &mut x, &[0.0; 4], 0.0).is_err());
    assert!(layer_norm(&pool, &mut x, &[1.0; 4], &[0.0; 4], 0.0).is_err());
    assert!(layer_norm(&pool, &mut x, &[1.0; 3], &[0.0; 2], 0.0).is_err());
    assert!(scale_rows(&pool, &mut x, &[2.0; 3]).is_ok());
    assert!(scale_rows(&pool, &mut x, &[2.0; 4]).is_err() && scale_rows(&pool, &mut x, &[]).is_err());
    assert!(gate_halves(&pool, Activation::Silu, &[0.0; 12], 3, &mut x).is_ok());
    assert!(gate_halves(&pool, Activation::Silu, &[0.0; 12], 4, &mut x).is_err());
    assert!(gate_halves(&pool, Activation::Silu, &[0.0; 11], 3, &mut x).is_err());
    let sum = |places: &[u32], weights: usize, width, x: &mut [f32]| {
        weighted_sum(&pool, &[1.0; 12], width, &[0.5; 4][..weights], places, x)
    };
    assert!(sum(&[3, 0, 0, 1], 4, 3, &mut x).is_ok());
    assert!(sum(&[4, 0, 0, 1], 4, 3, &mut x).is_err(), "there is no row 4");
    assert!(sum(&[0, 1, 2], 3, 3, &mut x).is_err(), "three places for two rows");
    assert!(sum(&[0, 1], 4, 3, &mut x).is_err() && sum(&[0, 1], 2, 4, &mut x).is_err());
    let rotation = Rotation { pairs: RopePairs::Halves, half: 1, cos: &[1.0; 3], sin: &[0.0; 3] };
    assert!(rope(&pool, &rotation, &mut x, 1, 2).is_ok());
    assert!(rope(&pool, &rotation, &mut x, 2, 2).is_err());
    assert!(rope(&pool, &rotation, &mut x, 3, 1).is_err(), "one number is no pair");
    let empty: &mut [f32] = &mut [];
    assert!(weighted_sum(&pool, &[], 0, &[], &[], empty).is_ok());
    assert!(gate_halves(&pool, Activation::Silu, &[], 0, empty).is_ok());
    assert!(scale_rows(&pool, empty, &[]).is_ok());
    assert!(add(&pool, empty, &[]).is_ok() && rms_norm_in_place(&pool, empty, &[], 0.0).is_ok());
}
