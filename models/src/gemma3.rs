//! Gemma 3: 270M to 27B.
//!
//! Blocks with norms before and after attention and network, norms over each head of queries and keys, and a gated GELU
//! network. Five of six layers look back over a sliding window and have a rotary embedding of their own; every sixth
//! looks at everything. Embeddings are scaled by the root of the width. The converter has added the 1 of Gemma's norms
//! to their weights already.

use crate::embedder::Encoder;
use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Embedding, GatedMlp, Head, RmsNorm, Rope, RopePairs, RopeParams,
    RopeScaling, RopeTable,
};
use crate::registry::Family;
use crate::rows::Rows;
use crate::{
    CausalLm, Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, PictureInput, Weights,
};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Gemma3Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Gemma3::load(Gemma3Params::read(h)?, w)?)),
};

/// Every how manieth layer looks at everything, where the file does not say.
const DEFAULT_PATTERN: usize = 6;
/// The number of layers by which the 27B model is known: its queries are scaled by the width of the model.
const LAYERS_OF_27B: usize = 62;

/// What a file says about its model.
pub(crate) struct Gemma3Params {
    config: ModelConfig,
    sizes: Sizes,
    /// Attention of the layers that look at everything.
    global: AttentionParams,
    /// Attention of the layers with a window.
    local: AttentionParams,
    pattern: usize,
    global_rope: RopeParams,
    local_rope: RopeParams,
    softcap: Option<f32>,
}

impl Gemma3Params {
    pub(crate) fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let scaled_by = match sizes.n_layers {
            LAYERS_OF_27B => sizes.hidden / sizes.n_heads,
            _ => sizes.head_dim,
        };
        let global = AttentionParams {
            scale: 1.0 / (scaled_by as f32).sqrt(),
            softcap: hyper.opt_f32("attn_logit_softcapping")?.filter(|&cap| cap > 0.0),
            ..AttentionParams::new(&sizes)
        };
        let window = hyper.size("attention.sliding_window", u32::MAX as usize)? as u32;
        let pattern =
            hyper.opt_size("attention.sliding_window_pattern", sizes.n_layers.max(DEFAULT_PATTERN))?;
        let global_rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        // The layers with a window are never stretched.
        let local_rope = RopeParams {
            dims: global_rope.dims,
            base: hyper.opt_positive("rope.freq_base_swa")?.unwrap_or(10_000.0),
            scaling: RopeScaling::None,
            axes: Vec::new(),
        };
        let softcap = hyper.opt_f32("final_logit_softcapping")?.filter(|&cap| cap > 0.0);
        let pictures = PictureInput { levels: 0, together: true };
        let mut params = Gemma3Params {
            config: ModelConfig { pictures, ..hyper.finish(KvLayout::default())? },
            local: AttentionParams { window: Some(window), ..global },
            pattern: pattern.unwrap_or(DEFAULT_PATTERN),
            sizes,
            global,
            global_rope,
            local_rope,
            softcap,
        };
        let layers = 0..params.sizes.n_layers;
        params.config.kv_layout.layers = layers.map(|i| params.attention(i).kv_shape()).collect();
        Ok(params)
    }

    /// For texts that pass whole, in one batch, and whose tokens see in both directions: all of them, or half a window to
    /// each side.
    pub(crate) fn in_both_directions(self) -> Self {
        let half = self.local.window.map_or(0, |window| window / 2);
        let local = AttentionParams { window: Some(half + 1), ..self.local.in_one_pass(half) };
        let global = self.global.in_one_pass(u32::MAX);
        let kv_layout = KvLayout { layers: vec![global.kv_shape()] };
        Gemma3Params { config: ModelConfig { kv_layout, ..self.config }, local, global, ..self }
    }

    /// Whether a layer looks at everything.
    fn is_global(&self, layer: usize) -> bool {
        (layer + 1).is_multiple_of(self.pattern)
    }

    fn attention(&self, layer: usize) -> AttentionParams {
        if self.is_global(layer) { self.global } else { self.local }
    }
}

/// A model of the Gemma 3 family.
pub(crate) struct Gemma3 {
    config: ModelConfig,
    embedding: Embedding,
    global_rope: Rope,
    local_rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

struct Block {
    compute: Compute,
    is_global: bool,
    attention_norm: RmsNorm,
    attention: Attention,
    post_attention_norm: RmsNorm,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    post_mlp_norm: RmsNorm,
    is_last: bool,
}

impl Gemma3 {
    pub(crate) fn load(params: Gemma3Params, weights: &Weights) -> Result<Self, ModelError> {
        let Sizes { n_layers, hidden, vocab, norm_eps, .. } = params.sizes;
        let rope = |rope| Rope::new(rope, None, RopePairs::Halves, weights.split());
        Ok(Gemma3 {
            embedding: weights.embedding(vocab, hidden)?.scaled((hidden as f32).sqrt()),
            global_rope: rope(&params.global_rope),
            local_rope: rope(&params.local_rope),
            blocks: (0..n_layers).map(|i| Block::load(&params, weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(weights, hidden, vocab, norm_eps)?.with_softcap(params.softcap),
            config: params.config,
        })
    }

    /// What the blocks make of the rows that are wanted.
    fn states(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        batch.check(&self.config, kv)?;
        let (global_rope, local_rope) = (self.global_rope.at(batch)?, self.local_rope.at(batch)?);
        let mut x = self.embedding.of_batch(batch)?;
        for block in &self.blocks {
            let rope = if block.is_global { &global_rope } else { &local_rope };
            block.forward(&mut x, rope, batch, kv)?;
        }
        Ok(x)
    }
}

impl Block {
    fn load(params: &Gemma3Params, weights: &Weights, layer: usize) -> Result<Self, ModelError> {
        let Sizes { hidden, feed_forward, norm_eps, .. } = params.sizes;
        let prefix = format!("blk.{layer}");
        let norm = |name: &str| weights.rms_norm(&format!("{prefix}.{name}"), hidden, norm_eps);
        let attention = Attention::load(weights, layer, hidden, params.attention(layer))?;
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            is_global: params.is_global(layer),
            attention_norm: norm("attn_norm")?,
            attention: attention.with_head_norms(weights, norm_eps)?,
            post_attention_norm: norm("post_attention_norm")?,
            mlp_norm: norm("ffn_norm")?,
            mlp: GatedMlp::load(weights, &prefix, hidden, feed_forward, Activation::GeluTanh)?,
            post_mlp_norm: norm("post_ffw_norm")?,
            is_last: layer + 1 == params.sizes.n_layers,
        })
    }

    /// Changes `x` in place; the last block leaves the rows whose logits are wanted.
    fn forward(
        &self,
        x: &mut Rows,
        rope: &RopeTable,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        x.move_to(&self.compute)?;
        let attended = self.attention.forward(&self.attention_norm.forward(x)?, Some(rope), batch, kv)?;
        x.add(self.post_attention_norm.forward(&attended)?)?;
        if self.is_last {
            *x = x.select(&batch.logit_rows)?;
            if x.is_empty() {
                return Ok(());
            }
        }
        let fed = self.mlp.forward(&self.mlp_norm.forward(x)?)?;
        x.add(self.post_mlp_norm.forward(&fed)?)
    }
}

impl Encoder for Gemma3 {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn encode(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        self.head.normed(self.states(batch, kv)?)
    }
}

impl CausalLm for Gemma3 {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        self.head.forward(self.states(batch, kv)?, logits)
    }

    fn accept_guesses(&self, _batch: &ForwardBatch, _kv: &mut KvCache) -> Result<(), ModelError> {
        Ok(())
    }
}
