//! Gemma 3n, text only: E2B and E4B.
//!
//! Every token has several streams ([`crate::layers::AltUp`]). A block's attention is that of Gemma 4's small models: norms
//! over queries, keys and values, sliding and global layers, and last layers that look at the keys and values of earlier
//! ones. Beside it goes a product of low rank (Laurel); the gates of the first networks let only large values through; and
//! every block has a vector for each token, which it lets through a gate.

use std::cell::RefCell;

use crate::hyper::{MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, AltUp, AltUpParams, Attention, AttentionParams, Embedding, Factors, GatedMlp, Head, Linear,
    PerLayerGate, PerLayerInputs, RmsNorm, Rope, RopePairs, RopeParams, RopeScaling, RopeTable, Streams,
};
use crate::registry::Family;
use crate::rows::Rows;
use crate::{CausalLm, Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Gemma3nParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Gemma3n::load(h, w)?)),
};

/// More streams than this are damage.
const MAX_STREAMS: usize = 64;
/// Every so manieth layer looks at everything, where the file does not list them.
const GLOBAL_EVERY: usize = 5;

/// What a file says about its model.
struct Gemma3nParams {
    config: ModelConfig,
    sizes: Sizes,
    layers: Vec<LayerParams>,
    alt_up: AltUpParams,
    global_rope: RopeParams,
    local_rope: RopeParams,
    /// Width of each block's vector for a token.
    per_layer_width: usize,
    softcap: Option<f32>,
}

/// What a file says about one layer.
struct LayerParams {
    attention: AttentionParams,
    feed_forward: usize,
    /// Which layer of the cache it looks at: its own, or that of an earlier layer.
    cache: usize,
    /// Standard deviations above the mean that a gate must be for something to pass.
    sparsity: Option<f32>,
}

impl Gemma3nParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let layers = LayerParams::read_all(hyper, &sizes)?;
        let streams = hyper.size("altup.num_inputs", MAX_STREAMS)?;
        let active = hyper.opt_u32("altup.active_idx")?.unwrap_or(0) as usize;
        if active >= streams {
            return Err(hyper.bad("altup.active_idx", format!("it is {active} of {streams} streams")));
        }
        let local_rope = RopeParams {
            dims: sizes.head_dim,
            base: hyper.opt_positive("rope.freq_base_swa")?.unwrap_or(10_000.0),
            scaling: RopeScaling::None,
            axes: Vec::new(),
        };
        let cached = layers.iter().enumerate().filter(|(i, layer)| layer.cache == *i);
        let kv_layout = KvLayout { layers: cached.map(|(_, layer)| layer.attention.kv_shape()).collect() };
        Ok(Gemma3nParams {
            alt_up: AltUpParams { streams, active },
            global_rope: RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?,
            local_rope,
            per_layer_width: hyper.size("embedding_length_per_layer_input", MAX_WIDTH)?,
            softcap: hyper.opt_f32("final_logit_softcapping")?.filter(|&cap| cap > 0.0),
            config: hyper.finish(kv_layout)?,
            layers,
            sizes,
        })
    }
}

impl LayerParams {
    fn read_all(hyper: &Hyper, sizes: &Sizes) -> Result<Vec<Self>, ModelError> {
        let n_layers = sizes.n_layers;
        let feed_forward = hyper.layer_sizes("feed_forward_length", n_layers, MAX_WIDTH)?;
        let is_local = hyper.windowed_layers(n_layers, GLOBAL_EVERY)?;
        let window = hyper.size("attention.sliding_window", u32::MAX as usize)? as u32;
        let sparsity = hyper.opt_layer_floats("activation_sparsity_scale", n_layers)?;
        let caches = hyper.layers_of_cache(&is_local)?;
        let layer = |i: usize| LayerParams {
            attention: AttentionParams {
                scale: 1.0,
                window: is_local[i].then_some(window),
                ..AttentionParams::new(sizes)
            },
            feed_forward: feed_forward[i],
            cache: caches[i],
            sparsity: sparsity.as_ref().map(|scales| scales[i]).filter(|scale| scale.is_finite()),
        };
        Ok((0..n_layers).map(layer).collect())
    }
}

/// A model of the Gemma 3n family.
struct Gemma3n {
    config: ModelConfig,
    embedding: Embedding,
    per_layer: PerLayerInputs,
    streams: Streams,
    global_rope: Rope,
    local_rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

struct Block {
    compute: Compute,
    is_global: bool,
    active: usize,
    alt_up: AltUp,
    attention_norm: RmsNorm,
    attention: Attention,
    post_attention_norm: RmsNorm,
    laurel: Laurel,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    post_mlp_norm: RmsNorm,
    /// Of the active stream on its way to the gate.
    gate_factors: Factors,
    gate: PerLayerGate,
}

/// Streams on their way through the blocks. The lists keep their memory from one batch to the next.
#[derive(Default)]
struct Kept {
    streams: Vec<Rows>,
    predicted: Vec<Rows>,
}

/// `x + norm(r(l(x)))`: a learned residual of low rank.
struct Laurel {
    left: Linear,
    right: Linear,
    norm: RmsNorm,
}

impl Gemma3n {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = Gemma3nParams::read(hyper)?;
        let Sizes { vocab, hidden, n_layers, norm_eps, .. } = params.sizes;
        let rope = |rope| Rope::new(rope, None, RopePairs::Halves, weights.split());
        let per_layer = (n_layers, params.per_layer_width);
        Ok(Gemma3n {
            embedding: weights.embedding(vocab, hidden)?.scaled((hidden as f32).sqrt()),
            per_layer: PerLayerInputs::load(weights, (vocab, hidden), per_layer, norm_eps)?,
            streams: Streams::load(weights, hidden, params.alt_up)?,
            global_rope: rope(&params.global_rope),
            local_rope: rope(&params.local_rope),
            blocks: (0..n_layers).map(|i| Block::load(&params, weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(weights, hidden, vocab, norm_eps)?.with_softcap(params.softcap),
            config: params.config,
        })
    }

    fn forward_in(
        &self,
        kept: &mut Kept,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let x = self.embedding.of_batch(batch)?;
        let inputs = self.per_layer.forward(&batch.text_tokens(), &x)?;
        self.streams.spread(x, &mut kept.streams)?;
        let (writers, readers) = self.blocks.split_at(self.config.kv_layout.layers.len());
        self.pass(writers, kept, &inputs, batch, kv)?;
        if batch.logit_rows.is_empty() {
            logits.clear();
            return Ok(());
        }
        if batch.wants_all() {
            self.pass(readers, kept, &inputs, batch, kv)?;
        } else {
            // Nothing is written from here on, so the other rows have done their part.
            for stream in &mut kept.streams {
                *stream = stream.select(&batch.logit_rows)?;
            }
            let inputs = inputs.select(&batch.logit_rows)?;
            self.pass(readers, kept, &inputs, &batch.only_wanted(), kv)?;
        }
        self.head.forward(self.streams.gather(&mut kept.streams)?, logits)
    }

    /// Runs some of the blocks.
    fn pass(
        &self,
        blocks: &[Block],
        kept: &mut Kept,
        inputs: &Rows,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let (global, local) = (self.global_rope.at(batch)?, self.local_rope.at(batch)?);
        for block in blocks {
            block.forward(kept, if block.is_global { &global } else { &local }, inputs, batch, kv)?;
        }
        Ok(())
    }
}

impl Block {
    fn load(params: &Gemma3nParams, weights: &Weights, layer: usize) -> Result<Self, ModelError> {
        let Sizes { hidden, norm_eps: eps, .. } = params.sizes;
        let LayerParams { attention, feed_forward, cache, sparsity } = params.layers[layer];
        let prefix = format!("blk.{layer}");
        let norm = |name: &str| weights.rms_norm(&format!("{prefix}.{name}"), hidden, eps);
        let own = if cache == layer {
            Attention::load(weights, layer, hidden, attention)?
        } else {
            // Files keep what training left there.
            for unused in ["attn_k", "attn_v", "attn_k_norm"] {
                weights.ignore(&format!("{prefix}.{unused}.weight"));
            }
            Attention::load_reader(weights, layer, hidden, attention, cache)?
        };
        let factors = weights.vector(&format!("{prefix}.altup_correct_scale.weight"), hidden)?;
        let mlp = GatedMlp::load(weights, &prefix, hidden, feed_forward, Activation::GeluTanh)?;
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            is_global: attention.window.is_none(),
            active: params.alt_up.active,
            alt_up: AltUp::load(weights, layer, hidden, params.alt_up, eps)?,
            attention_norm: norm("attn_norm")?,
            attention: own.with_head_norms(weights, eps)?.with_value_norm(weights, eps)?,
            post_attention_norm: norm("post_attention_norm")?,
            laurel: Laurel::load(weights, &prefix, hidden, eps)?,
            mlp_norm: norm("ffn_norm")?,
            mlp: mlp.with_sparsity(sparsity),
            post_mlp_norm: norm("post_ffw_norm")?,
            gate_factors: Factors::new(factors, weights.split().block(layer).device())?,
            gate: PerLayerGate::load(weights, layer, hidden, params.per_layer_width, eps)?,
        })
    }

    /// Changes the streams in place. `inputs` are the per-layer embeddings of all blocks.
    fn forward(
        &self,
        kept: &mut Kept,
        rope: &RopeTable,
        inputs: &Rows,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let Kept { streams, predicted } = kept;
        for stream in &mut *streams {
            stream.move_to(&self.compute)?;
        }
        self.alt_up.predict(streams, predicted)?;
        let made = self.compute_active(&predicted[self.active], rope, batch, kv)?;
        self.alt_up.correct(predicted, &made)?;
        let mut gated = predicted[self.active].copied()?;
        self.gate_factors.apply(&mut gated)?;
        let given = self.gate.forward(&gated, inputs)?;
        for stream in predicted.iter_mut().skip(1) {
            stream.add(given.copied()?)?;
        }
        std::mem::swap(streams, predicted);
        Ok(())
    }

    /// What attention, Laurel and the network make of the active stream.
    fn compute_active(
        &self,
        x: &Rows,
        rope: &RopeTable,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Rows, ModelError> {
        let normed = self.attention_norm.forward(x)?;
        let attended = self.attention.forward(&normed, Some(rope), batch, kv)?;
        let mut sum = self.post_attention_norm.forward(&attended)?;
        sum.add(x.copied()?)?;
        sum.add(self.laurel.forward(normed)?)?;
        sum.scale(std::f32::consts::FRAC_1_SQRT_2)?;
        let fed = self.mlp.forward(&self.mlp_norm.forward(&sum)?)?;
        sum.add(self.post_mlp_norm.forward(&fed)?)?;
        Ok(sum)
    }
}

impl Laurel {
    fn load(weights: &Weights, prefix: &str, hidden: usize, eps: f64) -> Result<Self, ModelError> {
        let rank = weights.vectors_in(&format!("{prefix}.laurel_l"));
        Ok(Laurel {
            left: weights.linear(&format!("{prefix}.laurel_l"), hidden, rank)?,
            right: weights.linear(&format!("{prefix}.laurel_r"), rank, hidden)?,
            norm: weights.rms_norm(&format!("{prefix}.laurel_post_norm"), hidden, eps)?,
        })
    }

    fn forward(&self, mut x: Rows) -> Result<Rows, ModelError> {
        let narrow = self.left.forward(&x)?;
        x.add(self.norm.forward(&self.right.forward(&narrow)?)?)?;
        Ok(x)
    }
}

impl CausalLm for Gemma3n {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        thread_local! {
            static KEPT: RefCell<Kept> = RefCell::default();
        }
        batch.check(&self.config, kv)?;
        let mut kept = KEPT.take();
        let out = self.forward_in(&mut kept, batch, kv, logits);
        kept.streams.clear();
        kept.predicted.clear();
        KEPT.set(kept);
        out
    }

    fn accept_guesses(&self, _batch: &ForwardBatch, _kv: &mut KvCache) -> Result<(), ModelError> {
        Ok(())
    }
}
