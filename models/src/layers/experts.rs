//! Networks of which each row passes a few: a router chooses them, and its weights add up what they give (Shazeer et
//! al., 2017). One more may be there that every row passes (DeepSeek-AI, 2024).

use std::cell::RefCell;

use candle_core::Tensor;
use lantern_kernels::{ExpertRows, Product};

use super::mlp::{Activation, gated, halves, has_gates};
use super::router::Router;
use super::shared_expert::SharedExpert;
use super::{Dispatch, ExpertMatrices, Routing};
use crate::hyper::{MAX_EXPERTS, MAX_WIDTH};
use crate::rows::{HostRows, Rows};
use crate::{Compute, Hyper, ModelError, Weights};

/// More rows meet so many experts that reading them takes longer than all else, and is done in the meantime anyway.
const FORESEEN_ROWS: usize = 8;

/// What a file says about a layer of experts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpertParams {
    /// How many experts there are.
    pub(crate) count: usize,
    /// How many of them a row passes.
    pub(crate) used: usize,
    /// Width of one of them.
    pub(crate) inner: usize,
    /// How they are chosen and weighed.
    pub(crate) routing: Routing,
    /// Width of the expert that every row passes.
    pub(crate) shared: Option<usize>,
}

impl ExpertParams {
    /// Reads the keys that all families with experts share.
    pub(crate) fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        Self::read_of_width(hyper, hyper.size("expert_feed_forward_length", MAX_WIDTH)?)
    }

    /// As [`Self::read`], for families whose experts are as wide as other models' networks.
    pub(crate) fn read_of_width(hyper: &Hyper, inner: usize) -> Result<Self, ModelError> {
        let count = hyper.size("expert_count", MAX_EXPERTS)?;
        Ok(ExpertParams {
            count,
            used: hyper.size("expert_used_count", count)?,
            inner,
            routing: Routing::SOFTMAX_OF_CHOSEN,
            shared: None,
        })
    }

    /// The width of the expert that every row passes, for families that say how many usual ones it is as wide as.
    pub(crate) fn read_shared(&self, hyper: &Hyper) -> Result<Option<usize>, ModelError> {
        let count = hyper.opt_u32("expert_shared_count")?.unwrap_or(0) as usize;
        if count > MAX_EXPERTS {
            return Err(hyper.bad("expert_shared_count", format!("it is {count}")));
        }
        Ok(Some(count * self.inner).filter(|&width| width > 0))
    }
}

/// Experts and the router that chooses among them.
pub(crate) struct Experts {
    /// Of the experts; the router and the shared expert compute where the block does.
    compute: Compute,
    router: Router,
    gate: Gate,
    down: ExpertMatrices,
    shared: Option<SharedExpert>,
    inner: usize,
    activation: Activation,
}

/// Gates and what they multiply.
enum Gate {
    Separate {
        gate: ExpertMatrices,
        up: ExpertMatrices,
    },
    /// The outputs of each expert are those of its gate and then the others.
    Fused(ExpertMatrices),
    /// No gates.
    None(ExpertMatrices),
}

impl Gate {
    /// One matrix of each expert, or two.
    fn matrices(&self) -> impl Iterator<Item = &ExpertMatrices> {
        let (one, other) = match self {
            Gate::Separate { gate, up } => (gate, Some(up)),
            Gate::Fused(one) | Gate::None(one) => (one, None),
        };
        std::iter::once(one).chain(other)
    }
}

thread_local! {
    /// Kept for its memory.
    static KEPT: RefCell<Dispatch> = RefCell::default();
}

impl Experts {
    /// Takes `ffn_gate_inp` (the router), `ffn_down_exps`, and `ffn_gate_up_exps` or `ffn_gate_exps` and `ffn_up_exps`
    /// of the block named `prefix`; and what a [`SharedExpert`] takes if there is one.
    pub(crate) fn load(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        params: ExpertParams,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let ExpertParams { count, inner, .. } = params;
        let experts = |name: &str, inputs, outputs| {
            weights.experts(&format!("{prefix}.{name}"), inputs, outputs, count)
        };
        let gate = match weights.has(&format!("{prefix}.ffn_gate_up_exps.weight")) {
            true => Gate::Fused(experts("ffn_gate_up_exps", hidden, 2 * inner)?),
            false if !has_gates(activation) => Gate::None(experts("ffn_up_exps", hidden, inner)?),
            false => Gate::Separate {
                gate: experts("ffn_gate_exps", hidden, inner)?,
                up: experts("ffn_up_exps", hidden, inner)?,
            },
        };
        let shared = |width| SharedExpert::load(weights, prefix, hidden, width, activation);
        Ok(Experts {
            compute: weights.split().of(&format!("{prefix}.ffn_down_exps.weight")).clone(),
            router: Router::load(weights, prefix, hidden, params)?,
            gate,
            down: experts("ffn_down_exps", inner, hidden)?,
            shared: params.shared.map(shared).transpose()?,
            inner,
            activation,
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`. The router looks at `routed_by`, which most families make `x` itself.
    pub(crate) fn forward(&self, routed_by: &Rows, x: &Rows) -> Result<Rows, ModelError> {
        let mut out = self.forward_chosen(routed_by, x)?;
        if let Some(shared) = &self.shared {
            out.add(shared.forward(x)?)?;
        }
        Ok(out)
    }

    /// Has experts read from the file that rows will probably pass, while blocks before this one are computed. What a block adds
    /// to a row is little beside what it had before, so that the router would choose nearly the same for `routed_by` as it is
    /// now (Eliseev & Mazur, 2023). Nothing but time depends on it.
    pub(crate) fn foresee(&self, routed_by: &Rows) -> Result<(), ModelError> {
        let Rows::Host(routed_by) = routed_by else { return Ok(()) };
        let mut dispatch = KEPT.take();
        self.router.choose_host(routed_by, &mut dispatch)?;
        self.matrices().for_each(|one| one.matrix.foresee(&dispatch.groups));
        KEPT.set(dispatch);
        Ok(())
    }

    /// Whether [`Self::foresee`] would save time for these rows.
    pub(crate) fn is_worth_foreseeing(&self, x: &Rows) -> bool {
        let are_few = matches!(x, Rows::Host(x) if (1..=FORESEEN_ROWS).contains(&x.rows()));
        are_few && self.matrices().any(|one| !one.matrix.is_resident())
    }

    fn matrices(&self) -> impl Iterator<Item = &ExpertMatrices> {
        self.gate.matrices().chain([&self.down])
    }

    fn forward_chosen(&self, routed_by: &Rows, x: &Rows) -> Result<Rows, ModelError> {
        let mut dispatch = KEPT.take();
        let out = match (routed_by, x) {
            (Rows::Host(routed_by), Rows::Host(x)) => {
                self.forward_host(routed_by, x, &mut dispatch).map(Rows::Host)
            }
            (Rows::Tensor(routed_by), Rows::Tensor(x)) if self.compute.has_kernels() => {
                self.forward_apart(routed_by, x, &mut dispatch).map(Rows::Tensor)
            }
            (Rows::Tensor(routed_by), Rows::Tensor(x)) => {
                self.forward_tensor(routed_by, x, &mut dispatch).map(Rows::Tensor)
            }
            _ => Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        };
        KEPT.set(dispatch);
        out
    }

    fn forward_host(
        &self,
        routed_by: &HostRows,
        x: &HostRows,
        dispatch: &mut Dispatch,
    ) -> Result<HostRows, ModelError> {
        self.router.choose_host(routed_by, dispatch)?;
        self.pass_host(x, dispatch)
    }

    /// The block computes on a device, its experts in memory: rows cross to them and what they give crosses back.
    fn forward_apart(
        &self,
        routed_by: &Tensor,
        x: &Tensor,
        dispatch: &mut Dispatch,
    ) -> Result<Tensor, ModelError> {
        self.router.choose_on_device(routed_by, dispatch)?;
        let Rows::Host(x_host) = Rows::Tensor(x.clone()).on(&self.compute)? else {
            return Err(ModelError::BadBatch("experts in memory were given rows on a device".to_owned()));
        };
        let out = self.pass_host(&x_host, dispatch)?;
        Ok(Tensor::from_slice(&out, x.dims(), x.device())?)
    }

    /// What the chosen experts make of the rows, in memory.
    fn pass_host(&self, x: &HostRows, dispatch: &Dispatch) -> Result<HostRows, ModelError> {
        self.matrices().for_each(|one| one.matrix.announce(&dispatch.groups));
        let inner = self.gated_host(x, dispatch)?;
        let sent = dispatch.len();
        let mut given = x.room_for(sent, x.width());
        let product = Product { weights: &self.down.matrix, out: &mut given };
        let (in_order, groups) = (dispatch.in_order(), &dispatch.groups);
        lantern_kernels::matmul_experts(x.pool(), &inner, sent, in_order, groups, &mut [product])?;
        self.down.add_bias(x.pool(), groups, &mut given)?;
        let mut out = x.room(x.width());
        let (weights, places) = (&dispatch.weights, &dispatch.places);
        lantern_kernels::weighted_sum(x.pool(), &given, x.width(), weights, places, &mut out)?;
        Ok(out)
    }

    /// What the gates let through, sorted by expert.
    fn gated_host(&self, x: &HostRows, dispatch: &Dispatch) -> Result<HostRows, ModelError> {
        let Dispatch { rows, groups, .. } = dispatch;
        let (pool, width) = (x.pool(), self.inner);
        let mut inner = x.room_for(rows.len(), width);
        match &self.gate {
            Gate::Separate { gate, up } => {
                let mut up_rows = x.room_for(rows.len(), width);
                let mut products = [
                    Product { weights: &gate.matrix, out: &mut inner },
                    Product { weights: &up.matrix, out: &mut up_rows },
                ];
                lantern_kernels::matmul_experts(pool, x, x.rows(), rows, groups, &mut products)?;
                gate.add_bias(pool, groups, &mut inner)?;
                up.add_bias(pool, groups, &mut up_rows)?;
                lantern_kernels::gate(pool, self.activation, &mut inner, &up_rows)?;
            }
            Gate::Fused(both) => {
                let mut both_rows = x.room_for(rows.len(), 2 * width);
                let product = Product { weights: &both.matrix, out: &mut both_rows };
                lantern_kernels::matmul_experts(pool, x, x.rows(), rows, groups, &mut [product])?;
                both.add_bias(pool, groups, &mut both_rows)?;
                lantern_kernels::gate_halves(pool, self.activation, &both_rows, width, &mut inner)?;
            }
            Gate::None(up) => {
                let product = Product { weights: &up.matrix, out: &mut inner };
                lantern_kernels::matmul_experts(pool, x, x.rows(), rows, groups, &mut [product])?;
                up.add_bias(pool, groups, &mut inner)?;
                lantern_kernels::activate(pool, self.activation, &mut inner);
            }
        }
        Ok(inner)
    }

    fn forward_tensor(
        &self,
        routed_by: &Tensor,
        x: &Tensor,
        dispatch: &mut Dispatch,
    ) -> Result<Tensor, ModelError> {
        self.router.choose_on_device(routed_by, dispatch)?;
        let mut out = x.zeros_like()?;
        for group in &dispatch.groups {
            let rows = &dispatch.rows[group.first as usize..][..group.len as usize];
            let rows = Tensor::new(rows, x.device())?;
            let inner = self.gated_tensor(&x.index_select(&rows, 0)?, group)?;
            let weights = Tensor::new(dispatch.weights_of(group), x.device())?.unsqueeze(1)?;
            let given = self.down.forward_tensor(group, &inner)?.broadcast_mul(&weights)?;
            out = out.index_add(&rows, &given, 0)?;
        }
        Ok(out)
    }

    /// What one expert's gate lets through.
    fn gated_tensor(&self, x: &Tensor, group: &ExpertRows) -> Result<Tensor, ModelError> {
        let (gate, up) = match &self.gate {
            Gate::Separate { gate, up } => (gate.forward_tensor(group, x)?, up.forward_tensor(group, x)?),
            Gate::Fused(both) => halves(&both.forward_tensor(group, x)?, self.inner)?,
            Gate::None(up) => {
                let inner = up.forward_tensor(group, x)?;
                let ones = inner.ones_like()?;
                (inner, ones)
            }
        };
        gated(self.activation, &gate, &up)
    }
}

#[cfg(test)]
mod tests {
    use lantern_gguf::GgufFile;

    use super::*;

    /// What the experts of a golden model's first block make of some rows.
    fn forward(name: &str, compute: Compute) -> Vec<f32> {
        let path = lantern_golden::path(format!("models/{name}"));
        let file = GgufFile::open(path.as_ref()).expect("the golden model is part of the repository");
        let params = ExpertParams::read(&Hyper::new(&file).unwrap()).unwrap();
        let weights = Weights::new(&file, compute.clone()).unwrap();
        let experts = Experts::load(&weights, "blk.0", 64, params, Activation::Silu).unwrap();
        let numbers = |factor: f32| {
            compute.rows(5, 64, |values| {
                values.iter_mut().enumerate().for_each(|(i, value)| *value = (i as f32 * factor).sin());
                Ok(())
            })
        };
        match experts.forward(&numbers(0.7).unwrap(), &numbers(1.3).unwrap()).unwrap() {
            Rows::Host(out) => out.to_vec(),
            Rows::Tensor(out) => out.flatten_all().unwrap().to_vec1().unwrap(),
        }
    }

    #[test]
    fn both_ways_of_computing_agree() {
        // One file with gates and what they multiply apart, one with both in one matrix and with scales.
        for name in ["qwen3moe-F32.gguf", "gemma4_moe-F32.gguf"] {
            let kernels = forward(name, Compute::kernels(2));
            let tensors = forward(name, Compute::tensors(candle_core::Device::Cpu));
            assert!(kernels.iter().any(|x| x.abs() > 0.01), "{name}");
            for (a, b) in kernels.iter().zip(&tensors) {
                assert!((a - b).abs() < 1e-5, "{name}: {a} and {b}");
            }
        }
    }
}
