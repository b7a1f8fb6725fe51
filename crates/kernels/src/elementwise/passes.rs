//! The passes over slices, written once against [`Lanes`]. Lengths were checked by the caller.

use super::{Activation, RopePairs, SWIGLU_ALPHA, SWIGLU_LIMIT};
use crate::exp::{erf, exp, tanh};
use crate::isa::Isa;
use crate::lanes::{Lanes, Plain, Vector};

/// A pass, ready to run on any instruction set.
pub trait Pass {
    /// # Safety
    /// The instruction set of `L` must be there.
    unsafe fn run<L: Lanes>(self);
}

/// Runs a pass on an instruction set, which must be available.
pub fn run(isa: Isa, pass: impl Pass) {
    if isa.has_vectors() {
        // SAFETY: this instruction set was detected.
        return unsafe { run_in_vectors(pass) };
    }
    // SAFETY: plain code runs everywhere.
    unsafe { pass.run::<Plain>() }
}

/// # Safety
/// The instruction set of [`Vector`] must be there.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
unsafe fn run_in_vectors(pass: impl Pass) {
    // SAFETY: the features are enabled.
    unsafe { pass.run::<Vector>() }
}

/// Adds `y` to each row of its length.
pub struct Add<'a> {
    pub x: &'a mut [f32],
    pub y: &'a [f32],
}

impl Pass for Add<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for row in self.x.chunks_exact_mut(self.y.len().max(1)) {
            row.iter_mut().zip(self.y).for_each(|(x, y)| *x += y);
        }
    }
}

/// Multiplies each row of the length of `y` with it, number by number.
pub struct Multiply<'a> {
    pub x: &'a mut [f32],
    pub y: &'a [f32],
}

impl Pass for Multiply<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for row in self.x.chunks_exact_mut(self.y.len().max(1)) {
            row.iter_mut().zip(self.y).for_each(|(x, y)| *x *= y);
        }
    }
}

/// Multiplies with one number.
pub struct Scale<'a> {
    pub x: &'a mut [f32],
    pub factor: f32,
}

impl Pass for Scale<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        self.x.iter_mut().for_each(|x| *x *= self.factor);
    }
}

/// Multiplies each row with its own number.
pub struct ScaleRows<'a> {
    pub x: &'a mut [f32],
    pub width: usize,
    pub factors: &'a [f32],
}

impl Pass for ScaleRows<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (row, factor) in self.x.chunks_exact_mut(self.width.max(1)).zip(self.factors) {
            row.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

/// Squeezes numbers into `±cap`.
pub struct Softcap<'a> {
    pub x: &'a mut [f32],
    pub cap: f32,
}

impl Pass for Softcap<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            let cap = L::splat(self.cap);
            let (eights, rest) = self.x.as_chunks_mut::<8>();
            for x in eights {
                cap.mul(tanh(L::load(x).div(cap))).store(x);
            }
            let mut last = padded(rest);
            cap.mul(tanh(L::load(&last).div(cap))).store(&mut last);
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

/// Lets through what a gate says.
pub struct Gate<'a> {
    pub activation: Activation,
    pub gate: &'a mut [f32],
    pub up: &'a [f32],
}

impl Pass for Gate<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.activation {
                Activation::Silu => each_gate::<L, Silu>(self.gate, self.up),
                Activation::GeluTanh => each_gate::<L, GeluTanh>(self.gate, self.up),
                Activation::Gelu => each_gate::<L, Gelu>(self.gate, self.up),
                Activation::Sigmoid => each_gate::<L, Sigmoid>(self.gate, self.up),
                Activation::ReluSquared => each_gate::<L, ReluSquared>(self.gate, self.up),
                Activation::ClampedSwiglu => each_gate::<L, ClampedSwiglu>(self.gate, self.up),
            }
        }
    }
}

/// Replaces numbers by their activations.
pub struct Activated<'a> {
    pub activation: Activation,
    pub x: &'a mut [f32],
}

impl Pass for Activated<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.activation {
                Activation::Silu => each::<L, Silu>(self.x),
                Activation::GeluTanh => each::<L, GeluTanh>(self.x),
                Activation::Gelu => each::<L, Gelu>(self.x),
                Activation::Sigmoid => each::<L, Sigmoid>(self.x),
                Activation::ReluSquared => each::<L, ReluSquared>(self.x),
                Activation::ClampedSwiglu => each::<L, ClampedSwiglu>(self.x),
            }
        }
    }
}

/// Lets through what the first half of each row says of its second half.
pub struct GateHalves<'a> {
    pub activation: Activation,
    pub width: usize,
    pub x: &'a [f32],
    pub out: &'a mut [f32],
}

impl Pass for GateHalves<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.width.max(1);
        for (row, gate) in self.x.chunks_exact(2 * width).zip(self.out.chunks_exact_mut(width)) {
            gate.copy_from_slice(&row[..width]);
            // SAFETY: the caller's promise.
            unsafe { Gate { activation: self.activation, gate, up: &row[width..] }.run::<L>() };
        }
    }
}

/// Adds rows from several places, each with a weight. Nothing is fused here, so every instruction set gives the same
/// bits.
pub struct WeightedSum<'a> {
    pub x: &'a [f32],
    pub width: usize,
    /// Places for each row.
    pub each: usize,
    pub weights: &'a [f32],
    pub places: &'a [u32],
    pub out: &'a mut [f32],
}

impl Pass for WeightedSum<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (i, out) in self.out.chunks_exact_mut(self.width.max(1)).enumerate() {
            let mine = i * self.each..(i + 1) * self.each;
            out.fill(0.0);
            for (weight, &place) in self.weights[mine.clone()].iter().zip(&self.places[mine]) {
                let from = &self.x[place as usize * self.width..][..self.width];
                out.iter_mut().zip(from).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}

/// A gate. A type rather than a closure, because a closure would not be compiled for the instruction set.
trait Gating {
    /// What the gate lets through of `up`.
    ///
    /// # Safety
    /// Here and below: the instruction set of `L` must be there.
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L;
}

struct Silu;
struct GeluTanh;
struct Gelu;
struct Sigmoid;
struct ReluSquared;
struct ClampedSwiglu;

impl Gating for Silu {
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        unsafe { gate.div(L::splat(1.0).add(exp(L::splat(0.0).sub(gate)))).mul(up) }
    }
}

impl Gating for GeluTanh {
    /// By way of `1 + tanh(u) = 2 / (1 + e^-2u)`.
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
        // SAFETY: the caller's promise.
        unsafe {
            let inner = gate.mul(gate).mul(gate).mul_add(L::splat(0.044_715), gate);
            gate.div(L::splat(1.0).add(exp(inner.mul(L::splat(-TWICE_SQRT_2_OVER_PI))))).mul(up)
        }
    }
}

impl Gating for Gelu {
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        unsafe {
            let share = erf(gate.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2))).add(L::splat(1.0));
            gate.mul(L::splat(0.5)).mul(share).mul(up)
        }
    }
}

impl Gating for ClampedSwiglu {
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        unsafe {
            let limit = L::splat(SWIGLU_LIMIT);
            let gate = gate.bound(L::splat(f32::NEG_INFINITY), limit);
            let up = up.bound(L::splat(-SWIGLU_LIMIT), limit).add(L::splat(1.0));
            gate.div(L::splat(1.0).add(exp(gate.mul(L::splat(-SWIGLU_ALPHA))))).mul(up)
        }
    }
}

impl Gating for ReluSquared {
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        let positive = gate.max(unsafe { L::splat(0.0) });
        positive.mul(positive).mul(up)
    }
}

impl Gating for Sigmoid {
    #[inline(always)]
    unsafe fn pass<L: Lanes>(gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        unsafe { up.div(L::splat(1.0).add(exp(L::splat(0.0).sub(gate)))) }
    }
}

#[inline(always)]
unsafe fn each<L: Lanes, G: Gating>(x: &mut [f32]) {
    let (eights, rest) = x.as_chunks_mut::<8>();
    // SAFETY: the caller's promise.
    unsafe {
        let one = L::splat(1.0);
        for x in eights {
            G::pass(L::load(x), one).store(x);
        }
        let mut last = padded(rest);
        G::pass(L::load(&last), one).store(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
unsafe fn each_gate<L: Lanes, G: Gating>(gate: &mut [f32], up: &[f32]) {
    let ((gates, gate_rest), (ups, up_rest)) = (gate.as_chunks_mut::<8>(), up.as_chunks::<8>());
    // SAFETY: the caller's promise.
    unsafe {
        for (gate, up) in gates.iter_mut().zip(ups) {
            G::pass(L::load(gate), L::load(up)).store(gate);
        }
        let mut last = padded(gate_rest);
        G::pass(L::load(&last), L::load(&padded(up_rest))).store(&mut last);
        gate_rest.copy_from_slice(&last[..gate_rest.len()]);
    }
}

/// Root-mean-square normalisation of rows of the weight's width, in place or of rows taken `from` elsewhere.
pub struct Norm<'a> {
    pub from: Option<&'a [f32]>,
    pub x: &'a mut [f32],
    pub weight: &'a [f32],
    pub eps: f32,
}

impl Pass for Norm<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.weight.len().max(1);
        for (i, row) in self.x.chunks_exact_mut(width).enumerate() {
            if let Some(from) = self.from {
                row.copy_from_slice(&from[i * width..(i + 1) * width]);
            }
            // SAFETY: the caller's promise.
            let mean = unsafe { sum_of_squares::<L>(row) } / width as f32;
            let scale = 1.0 / (mean + self.eps).sqrt();
            row.iter_mut().zip(self.weight).for_each(|(x, w)| *x = *x * scale * w);
        }
    }
}

/// The sum of squares, in sixteen lanes that are added at the end.
#[inline(always)]
pub(super) unsafe fn sum_of_squares<L: Lanes>(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<16>();
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [L::splat(0.0); 2];
        for chunk in chunks {
            for (sum, eight) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
                let x = L::load(eight);
                *sum = x.mul_add(x, *sum);
            }
        }
        sums[0].add(sums[1]).sum() + rest.iter().fold(0.0, |sum, x| sum + x * x)
    }
}

/// Turns the heads of rows of `width`. Nothing is fused here, so every instruction set gives the same bits.
pub struct Turn<'a> {
    pub pairs: RopePairs,
    pub half: usize,
    pub head_dim: usize,
    pub width: usize,
    pub cos: &'a [f32],
    pub sin: &'a [f32],
    pub x: &'a mut [f32],
}

impl Pass for Turn<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let angles = self.cos.chunks_exact(self.half).zip(self.sin.chunks_exact(self.half));
        for (row, (cos, sin)) in self.x.chunks_exact_mut(self.width).zip(angles) {
            for head in row.chunks_exact_mut(self.head_dim) {
                match self.pairs {
                    RopePairs::Neighbours => turn_neighbours(head, cos, sin),
                    RopePairs::Halves => turn_halves(&mut head[..2 * self.half], cos, sin),
                }
            }
        }
    }
}

#[inline(always)]
fn turn_neighbours(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((pair, c), s) in x.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
        let [a, b] = *pair;
        *pair = [a * c - b * s, a * s + b * c];
    }
}

#[inline(always)]
fn turn_halves(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (front, back) = x.split_at_mut(x.len() / 2);
    for (((a, b), c), s) in front.iter_mut().zip(back).zip(cos).zip(sin) {
        (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
    }
}

/// The last numbers of a slice with zeros behind them.
#[inline(always)]
fn padded(rest: &[f32]) -> [f32; 8] {
    let mut eight = [0.0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    eight
}
