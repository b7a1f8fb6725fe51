//! The gated short convolution of LFM2, in the place of attention: of three projections of a row the first gates what the
//! convolution sees, and the second what it gives.

use candle_core::Tensor;
use lantern_kernels::Pool;

use super::Linear;
use super::conv::Conv;
use crate::kv_cache::LayerStates;
use crate::rows::{HostRows, Rows};
use crate::{Compute, ForwardBatch, Hyper, KvCache, LayerCache, ModelError, Weights};

/// A filter longer than this is damage.
const MAX_TAPS: usize = 64;

/// One layer's convolution, from projections to output.
pub(crate) struct GatedConv {
    input: Linear,
    conv: Conv,
    output: Linear,
    hidden: usize,
    layer: usize,
}

impl GatedConv {
    /// Reads how many tokens the convolution sees.
    pub(crate) fn read_taps(hyper: &Hyper) -> Result<usize, ModelError> {
        hyper.size("shortconv.l_cache", MAX_TAPS)
    }

    /// What a layer keeps: the last inputs of the convolution.
    pub(crate) fn state(taps: usize, hidden: usize) -> LayerCache {
        LayerCache::State(Conv::state_len(taps, hidden))
    }

    /// Takes `shortconv.in_proj`, `shortconv.conv` and `shortconv.out_proj` of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        taps: usize,
    ) -> Result<Self, ModelError> {
        let name = |name: &str| format!("blk.{layer}.shortconv.{name}");
        Ok(GatedConv {
            input: weights.linear(&name("in_proj"), hidden, 3 * hidden)?,
            conv: Conv::load(weights, &name("conv"), taps, hidden)?,
            output: weights.linear(&name("out_proj"), hidden, hidden)?,
            hidden,
            layer,
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`; the states behind the rows are in the cache afterwards.
    pub(crate) fn forward(
        &self,
        x: &Rows,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Rows, ModelError> {
        let mut states = kv.states(self.layer, batch)?;
        match x {
            Rows::Host(x) => Ok(Rows::Host(self.forward_host(x, &mut states)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(self.forward_tensor(x, &mut states)?)),
        }
    }

    /// Takes the states over the guesses that turned out right; see [`crate::CausalLm::accept_guesses`].
    pub(crate) fn accept_guesses(
        &self,
        compute: &Compute,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let LayerStates { mut states, guessed } = kv.states(self.layer, batch)?;
        let seen = &guessed.seen;
        match compute.workspace() {
            Some(workspace) => {
                let mut mixed = HostRows::new(workspace, seen.len() / self.hidden, self.hidden);
                self.conv.apply(workspace.pool(), &mut states, seen, &mut mixed)
            }
            None => self.conv.apply(&Pool::new(1), &mut states, seen, &mut vec![0.0; seen.len()]),
        }
    }

    fn forward_host(&self, x: &HostRows, states: &mut LayerStates<'_>) -> Result<HostRows, ModelError> {
        let all = self.input.forward_host(x)?;
        let [mut seen, gate, input] = [0, 1, 2].map(|part| all.columns(part * self.hidden, self.hidden));
        lantern_kernels::multiply(x.pool(), &mut seen, &input)?;
        let mut mixed = x.room(self.hidden);
        states.remember([&seen, &[], &[]]);
        self.conv.apply(x.pool(), &mut states.states, &seen, &mut mixed)?;
        lantern_kernels::multiply(x.pool(), &mut mixed, &gate)?;
        self.output.forward_host(&mixed)
    }

    fn forward_tensor(&self, x: &Tensor, states: &mut LayerStates<'_>) -> Result<Tensor, ModelError> {
        let all = self.input.forward_tensor(x)?;
        let part = |part: usize| all.narrow(1, part * self.hidden, self.hidden);
        let seen = (part(0)? * part(2)?)?;
        let values: Vec<f32> = seen.flatten_all()?.to_vec1()?;
        let mut mixed = vec![0.0; values.len()];
        states.remember([&values, &[], &[]]);
        self.conv.apply(&Pool::new(1), &mut states.states, &values, &mut mixed)?;
        let mixed = Tensor::from_vec(mixed, seen.shape(), x.device())?;
        self.output.forward_tensor(&(mixed * part(1)?)?)
    }
}
