//! Gemma 4: dense (31B), with experts (26B-A4B), and with per-layer embeddings (E2B, E4B).
//!
//! Blocks like Gemma 3's, but queries, keys and values are all normed, so that scores need no scale. Sliding and global
//! layers have heads of different sizes and numbers; global ones may make their values of their keys, and most of their
//! rotary embedding stands still (`rope_freqs`). Which of three additions a model has is decided by what its file holds:
//! experts beside the network, vectors for every block and token, and last layers that look at the keys and values of
//! earlier ones.

use crate::gemma4_assistant::Assistant;
use crate::hyper::{MAX_HEADS, MAX_LAYERS, MAX_WIDTH};
use crate::layers::{
    Activation, Attention, AttentionParams, Embedding, ExpertParams, Experts, GatedMlp, Head, PerLayerGate,
    PerLayerInputs, RmsNorm, Rope, RopePairs, RopeParams, RopeScaling, RopeTable, Values,
};
use crate::registry::Family;
use crate::rows::Rows;
use crate::{
    CausalLm, Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, PictureInput,
    Predictor, Split, Weights,
};
use lantern_gguf::GgufFile;

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Gemma4Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Gemma4::load(h, w)?)),
};

/// What a file says about its model, or about an assistant.
pub(crate) struct Gemma4Params {
    pub(crate) config: ModelConfig,
    pub(crate) layers: Vec<LayerParams>,
    pub(crate) norm_eps: f64,
    pub(crate) global_rope: RopeParams,
    pub(crate) local_rope: RopeParams,
    /// Width of each block's vector for a token.
    per_layer_width: Option<usize>,
    experts: Option<ExpertParams>,
    softcap: Option<f32>,
}

/// What a file says about one layer.
pub(crate) struct LayerParams {
    pub(crate) attention: AttentionParams,
    feed_forward: usize,
    /// Which layer of the cache it looks at: its own, or that of another.
    pub(crate) cache: usize,
    /// Whether that is its own.
    writes: bool,
}

impl Gemma4Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let layers = LayerParams::read_all(hyper, |is_local| hyper.layers_of_cache(is_local))?;
        let cached = layers.iter().filter(|layer| layer.writes);
        let kv_layout = KvLayout { layers: cached.map(|layer| layer.attention.kv_shape()).collect() };
        Self::of_layers(hyper, layers, || hyper.finish(kv_layout))
    }

    /// Reads what is left; `finish` ends the reading.
    pub(crate) fn of_layers(
        hyper: &Hyper,
        layers: Vec<LayerParams>,
        finish: impl FnOnce() -> Result<ModelConfig, ModelError>,
    ) -> Result<Self, ModelError> {
        let head_dim =
            |global| layers.iter().find(|layer| layer.is_global() == global).map(|l| l.attention.head_dim);
        let global_rope = RopeParams::read(hyper, head_dim(true).unwrap_or(MAX_WIDTH), 1_000_000.0)?;
        let local_dims = head_dim(false).unwrap_or(MAX_WIDTH);
        let local_rope = RopeParams {
            dims: RopeParams::read_dims(hyper, "rope.dimension_count_swa", local_dims)?,
            base: hyper.opt_positive("rope.freq_base_swa")?.unwrap_or(10_000.0),
            scaling: RopeScaling::None,
            axes: Vec::new(),
        };
        let per_layer_width = hyper.opt_u32("embedding_length_per_layer_input")?.unwrap_or(0) as usize;
        if per_layer_width > MAX_WIDTH {
            return Err(hyper.bad("embedding_length_per_layer_input", format!("it is {per_layer_width}")));
        }
        // Models with per-layer embeddings were trained to read pictures as they read text.
        let pictures = PictureInput { levels: 0, together: per_layer_width == 0 };
        let has_experts = hyper.opt_u32("expert_count")?.unwrap_or(0) > 0;
        let experts = if has_experts { Some(ExpertParams::read(hyper)?) } else { None };
        Ok(Gemma4Params {
            norm_eps: hyper.norm_eps()?,
            global_rope,
            local_rope,
            per_layer_width: Some(per_layer_width).filter(|&width| width > 0),
            experts,
            softcap: hyper.opt_f32("final_logit_softcapping")?.filter(|&cap| cap > 0.0),
            config: ModelConfig { pictures, ..finish()? },
            layers,
        })
    }
}

impl LayerParams {
    /// `caches` says which layer of the cache each looks at, by which of them have a window; one of its own number is its own.
    pub(crate) fn read_all(
        hyper: &Hyper,
        caches: impl FnOnce(&[bool]) -> Result<Vec<usize>, ModelError>,
    ) -> Result<Vec<Self>, ModelError> {
        let n_layers = hyper.size("block_count", MAX_LAYERS)?;
        let n_heads = hyper.size("attention.head_count", MAX_HEADS)?;
        let kv_heads = hyper.layer_sizes("attention.head_count_kv", n_layers, MAX_HEADS)?;
        let feed_forward = hyper.layer_sizes("feed_forward_length", n_layers, MAX_WIDTH)?;
        let is_local = hyper.layer_flags("attention.sliding_window_pattern", n_layers)?;
        let window = hyper.size("attention.sliding_window", u32::MAX as usize)? as u32;
        let (global_dim, local_dim) = (head_dim(hyper, "")?, head_dim(hyper, "_swa")?);
        let caches = caches(&is_local)?;
        let layer = |i: usize| {
            if !n_heads.is_multiple_of(kv_heads[i]) {
                let reason = format!("{} does not divide the {n_heads} heads of the queries", kv_heads[i]);
                return Err(hyper.bad("attention.head_count_kv", reason));
            }
            Ok(LayerParams {
                attention: AttentionParams {
                    n_heads,
                    n_kv_heads: kv_heads.get(caches[i]).copied().unwrap_or(kv_heads[i]),
                    head_dim: if is_local[i] { local_dim } else { global_dim },
                    scale: 1.0,
                    window: is_local[i].then_some(window),
                    ahead: 0,
                    in_one_pass: false,
                    // Where layers see everything, the parts of a picture do not see each other in both directions.
                    pictures_together: is_local[i],
                    softcap: None,
                    query_scale: None,
                },
                feed_forward: feed_forward[i],
                cache: caches[i],
                writes: caches[i] == i,
            })
        };
        (0..n_layers).map(layer).collect()
    }

    /// Makes it one that looks at what another model's layer wrote.
    pub(crate) fn only_reads(&mut self) {
        self.writes = false;
    }

    /// Whether the layer looks at everything.
    fn is_global(&self) -> bool {
        self.attention.window.is_none()
    }
}

/// The size of heads: `key_length` of global layers, `key_length_swa` of sliding ones.
fn head_dim(hyper: &Hyper, kind: &str) -> Result<usize, ModelError> {
    let keys = hyper.size(&format!("attention.key_length{kind}"), MAX_WIDTH)?;
    let value_key = format!("attention.value_length{kind}");
    match hyper.opt_size(&value_key, MAX_WIDTH)? {
        Some(values) if values != keys => {
            Err(hyper.bad(&value_key, format!("values of {values} beside keys of {keys} are not supported")))
        }
        _ => Ok(keys),
    }
}

/// A model of the Gemma 4 family.
struct Gemma4 {
    config: ModelConfig,
    embedding: Embedding,
    per_layer: Option<PerLayerInputs>,
    global_rope: Rope,
    local_rope: Rope,
    blocks: Vec<Block>,
    head: Head,
    assistant: Option<Assistant>,
}

pub(crate) struct Block {
    compute: Compute,
    is_global: bool,
    is_last: bool,
    attention_norm: RmsNorm,
    attention: Attention,
    post_attention_norm: RmsNorm,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    experts: Option<ExpertsBeside>,
    post_mlp_norm: RmsNorm,
    per_layer: Option<PerLayerGate>,
    /// Factor of what leaves the block.
    scale: Option<f32>,
}

/// Experts beside the network, each with norms of their own.
struct ExpertsBeside {
    post_mlp_norm: RmsNorm,
    router_norm: RmsNorm,
    norm: RmsNorm,
    experts: Experts,
    post_norm: RmsNorm,
}

impl Gemma4 {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = Gemma4Params::read(hyper)?;
        let (vocab, hidden) = (params.config.vocab_size, params.config.hidden_size);
        let n_layers = params.layers.len();
        // Divisors beyond all bounds hold most of the pairs still.
        let divisors = weights.vector("rope_freqs.weight", params.global_rope.dims / 2)?;
        let rope = |rope, divisors| Rope::new(rope, divisors, RopePairs::Halves, weights.split());
        let per_layer =
            |width| PerLayerInputs::load(weights, (vocab, hidden), (n_layers, width), params.norm_eps);
        Ok(Gemma4 {
            embedding: weights.embedding(vocab, hidden)?.scaled((hidden as f32).sqrt()),
            per_layer: params.per_layer_width.map(per_layer).transpose()?,
            global_rope: rope(&params.global_rope, Some(divisors.as_slice())),
            local_rope: rope(&params.local_rope, None),
            blocks: (0..n_layers).map(|i| Block::load(&params, weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(weights, hidden, vocab, params.norm_eps)?.with_softcap(params.softcap),
            assistant: None,
            config: params.config,
        })
    }

    /// Runs some of the blocks.
    fn pass(
        &self,
        blocks: &[Block],
        x: &mut Rows,
        inputs: Option<&Rows>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let (global, local) = (self.global_rope.at(batch)?, self.local_rope.at(batch)?);
        for (at, block) in blocks.iter().enumerate() {
            block.forward(x, if block.is_global { &global } else { &local }, inputs, batch, kv)?;
            if let Some(beside) = blocks.get(at + 1).and_then(|next| next.experts.as_ref()) {
                beside.foresee(x)?;
            }
        }
        Ok(())
    }
}

impl Block {
    pub(crate) fn load(params: &Gemma4Params, weights: &Weights, layer: usize) -> Result<Self, ModelError> {
        let (hidden, eps) = (params.config.hidden_size, params.norm_eps);
        let LayerParams { feed_forward, .. } = params.layers[layer];
        let prefix = format!("blk.{layer}");
        let norm = |name: &str| weights.rms_norm(&format!("{prefix}.{name}"), hidden, eps);
        let experts = match params.experts {
            Some(experts) if weights.has(&format!("{prefix}.ffn_gate_inp.weight")) => {
                Some(ExpertsBeside::load(weights, &prefix, hidden, experts, eps)?)
            }
            _ => None,
        };
        let gate = |width| PerLayerGate::load(weights, layer, hidden, width, eps);
        let scale = weights.opt_vector(&format!("{prefix}.layer_output_scale.weight"), 1)?;
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            is_global: params.layers[layer].is_global(),
            is_last: layer + 1 == params.layers.len(),
            attention_norm: norm("attn_norm")?,
            attention: load_attention(params, weights, layer)?,
            post_attention_norm: norm("post_attention_norm")?,
            mlp_norm: norm("ffn_norm")?,
            mlp: GatedMlp::load(weights, &prefix, hidden, feed_forward, Activation::GeluTanh)?,
            experts,
            post_mlp_norm: norm("post_ffw_norm")?,
            per_layer: params.per_layer_width.map(gate).transpose()?,
            scale: scale.map(|scale| scale[0]),
        })
    }

    /// Whether it looks at everything.
    pub(crate) fn is_global(&self) -> bool {
        self.is_global
    }

    /// Changes `x` in place; the last block leaves the rows whose logits are wanted. `inputs` are the per-layer
    /// embeddings of all blocks.
    pub(crate) fn forward(
        &self,
        x: &mut Rows,
        rope: &RopeTable,
        inputs: Option<&Rows>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        x.move_to(&self.compute)?;
        let attended = self.attention.forward(&self.attention_norm.forward(x)?, Some(rope), batch, kv)?;
        x.add(self.post_attention_norm.forward(&attended)?)?;
        let mut selected = None;
        if self.is_last {
            *x = x.select(&batch.logit_rows)?;
            selected = inputs.map(|inputs| inputs.select(&batch.logit_rows)).transpose()?;
        }
        if x.is_empty() {
            return Ok(());
        }
        if let Some(beside) = &self.experts {
            beside.foresee(x)?;
        }
        let mut fed = self.mlp.forward(&self.mlp_norm.forward(x)?)?;
        if let Some(beside) = &self.experts {
            fed = beside.post_mlp_norm.forward(&fed)?;
            fed.add(beside.forward(x)?)?;
        }
        x.add(self.post_mlp_norm.forward(&fed)?)?;
        if let (Some(gate), Some(inputs)) = (&self.per_layer, selected.as_ref().or(inputs)) {
            let given = gate.forward(x, inputs)?;
            x.add(given)?;
        }
        self.scale.map_or(Ok(()), |scale| x.scale(scale))
    }
}

fn load_attention(params: &Gemma4Params, weights: &Weights, layer: usize) -> Result<Attention, ModelError> {
    let (hidden, eps) = (params.config.hidden_size, params.norm_eps);
    let LayerParams { attention, cache, writes, .. } = params.layers[layer];
    let name = |name: &str| format!("blk.{layer}.{name}.weight");
    let attention = if writes {
        let from_keys = params.layers[layer].is_global() && !weights.has(&name("attn_v"));
        let values = if from_keys { Values::FromKeys } else { Values::Projected };
        Attention::load_with(weights, layer, hidden, attention, values)?
    } else {
        // Files may keep what training left there.
        for unused in ["attn_k", "attn_v", "attn_k_norm"] {
            weights.ignore(&name(unused));
        }
        Attention::load_reader(weights, layer, hidden, attention, cache)?
    };
    attention.with_head_norms(weights, eps)?.with_value_norm(weights, eps)
}

impl ExpertsBeside {
    fn load(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        experts: ExpertParams,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let norm = |name: &str| weights.rms_norm(&format!("{prefix}.{name}"), hidden, eps);
        let scale = format!("{prefix}.ffn_gate_inp.scale");
        let mut router_scale = weights.vector(&scale, hidden)?;
        router_scale.iter_mut().for_each(|scale| *scale /= (hidden as f32).sqrt());
        Ok(ExpertsBeside {
            post_mlp_norm: norm("post_ffw_norm_1")?,
            router_norm: RmsNorm::new(router_scale, eps, weights.split().of(&scale).device())?,
            norm: norm("pre_ffw_norm_2")?,
            experts: Experts::load(weights, prefix, hidden, experts, Activation::GeluTanh)?,
            post_norm: norm("post_ffw_norm_2")?,
        })
    }

    /// See [`Experts::foresee`].
    fn foresee(&self, x: &Rows) -> Result<(), ModelError> {
        if !self.experts.is_worth_foreseeing(x) {
            return Ok(());
        }
        self.experts.foresee(&self.router_norm.forward(x)?)
    }

    fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        let given = self.experts.forward(&self.router_norm.forward(x)?, &self.norm.forward(x)?)?;
        self.post_norm.forward(&given)
    }
}

impl CausalLm for Gemma4 {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        batch.check(&self.config, kv)?;
        let mut x = self.embedding.of_batch(batch)?;
        let inputs =
            self.per_layer.as_ref().map(|made| made.forward(&batch.text_tokens(), &x)).transpose()?;
        let (writers, readers) = self.blocks.split_at(self.config.kv_layout.layers.len());
        self.pass(writers, &mut x, inputs.as_ref(), batch, kv)?;
        if readers.is_empty() || batch.wants_all() {
            self.pass(readers, &mut x, inputs.as_ref(), batch, kv)?;
        } else if !batch.logit_rows.is_empty() {
            // Nothing is written from here on, so the other rows have done their part.
            x = x.select(&batch.logit_rows)?;
            let inputs = inputs.map(|inputs| inputs.select(&batch.logit_rows)).transpose()?;
            self.pass(readers, &mut x, inputs.as_ref(), &batch.only_wanted(), kv)?;
        } else {
            x = x.select(&[])?;
        }
        if !batch.keeps_hidden || x.is_empty() {
            return self.head.forward(x, logits);
        }
        let normed = self.head.normed(x)?;
        kv.keep_hidden(&normed)?;
        self.head.output(normed, logits)
    }

    fn attach(&mut self, assistant: &GgufFile, split: &Split) -> Result<(), ModelError> {
        self.assistant = Some(Assistant::load(assistant, split, &self.config)?);
        Ok(())
    }

    fn predicts(&self) -> Option<Predictor> {
        self.assistant.as_ref().map(|_| Predictor::Assistant)
    }

    fn predict(
        &self,
        batch: &ForwardBatch,
        hidden: &[u32],
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let Some(assistant) = &self.assistant else { return Err(ModelError::no_predictor()) };
        batch.check_next(&self.config, hidden, kv, kv.groups().len())?;
        assistant.forward(&self.embedding, batch, hidden, kv, logits)
    }

    fn accept_guesses(&self, _batch: &ForwardBatch, _kv: &mut KvCache) -> Result<(), ModelError> {
        Ok(())
    }
}
