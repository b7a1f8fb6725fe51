//! Assistants of Gemma 4: small models that guess what the large one says next. They have queries alone and look at the keys
//! and values that the large model keeps: those of its last layer with a window and of its last one without. A row sees the
//! large model's embedding of a token and what the large model, or the assistant itself, made of the token before; every guess
//! is made at the same position, the one behind the last that the large model computed.
//!
//! Files may have a shortcut through the vocabulary (`masked_embd_*`); all logits are computed instead.

use lantern_gguf::GgufFile;

use crate::gemma4::{Block, Gemma4Params, LayerParams};
use crate::hyper::MAX_WIDTH;
use crate::layers::{Embedding, Head, Linear, Rope, RopePairs};
use crate::{
    Compute, ForwardBatch, Hyper, KvCache, KvLayout, LayerCache, ModelConfig, ModelError, Split, Weights,
};

/// `general.architecture` of their files.
pub(crate) const ARCHITECTURE: &str = "gemma4-assistant";

/// One assistant.
pub(crate) struct Assistant {
    compute: Compute,
    /// To the assistant's width, and back to the large model's.
    before: Linear,
    behind: Linear,
    global_rope: Rope,
    local_rope: Rope,
    blocks: Vec<Block>,
    head: Head,
    hidden: usize,
}

impl Assistant {
    /// For a model whose parts compute as `split` says. It computes where the layers are at whose keys it looks.
    pub(crate) fn load(file: &GgufFile, split: &Split, model: &ModelConfig) -> Result<Self, ModelError> {
        let hyper = Hyper::new(file)?;
        let params = read(&hyper, model)?;
        let mut caches = params.layers.iter().map(|layer| split.block(layer.cache));
        let wrong = |reason: &str| ModelError::WrongAssistant { reason: reason.to_owned() };
        let compute = caches.next().ok_or_else(|| wrong("it has no layers"))?.clone();
        if caches.any(|other| other.has_kernels() != compute.has_kernels()) {
            return Err(wrong("the model's last layers are on the device in part"));
        }
        let weights = Weights::new(file, compute.clone())?;
        let (vocab, hidden) = (params.config.vocab_size, params.config.hidden_size);
        let divisors = weights.vector("rope_freqs.weight", params.global_rope.dims / 2)?;
        let rope = |rope, divisors| Rope::new(rope, divisors, RopePairs::Halves, weights.split());
        for unused in ["masked_embd_centroids.weight", "masked_embd_ordering", "masked_embd_ordering.weight"]
        {
            weights.ignore(unused);
        }
        let blocks = 0..params.layers.len();
        let assistant = Assistant {
            before: weights.linear("nextn.pre_projection", 2 * model.hidden_size, hidden)?,
            behind: weights.linear("nextn.post_projection", hidden, model.hidden_size)?,
            global_rope: rope(&params.global_rope, Some(divisors.as_slice())),
            local_rope: rope(&params.local_rope, None),
            blocks: blocks.map(|i| Block::load(&params, &weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(&weights, hidden, vocab, params.norm_eps)?,
            hidden: model.hidden_size,
            compute,
        };
        weights.finish()?;
        weights.split().synchronize()?;
        Ok(assistant)
    }

    /// See [`crate::CausalLm::predict`].
    pub(crate) fn forward(
        &self,
        embedding: &Embedding,
        batch: &ForwardBatch,
        hidden: &[u32],
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let embedded = embedding.forward(&batch.tokens)?.on(&self.compute)?;
        let mut x = self.before.forward(&embedded.beside(&kv.hidden_rows(
            hidden,
            self.hidden,
            &self.compute,
        )?)?)?;
        let later = ForwardBatch {
            tokens: batch.tokens.clone(),
            positions: batch.positions.iter().map(|position| position + 1).collect(),
            ..ForwardBatch::default()
        };
        let (global, local) = (self.global_rope.at(&later)?, self.local_rope.at(&later)?);
        for block in &self.blocks {
            block.forward(&mut x, if block.is_global() { &global } else { &local }, None, batch, kv)?;
        }
        if x.is_empty() {
            logits.clear();
            return Ok(());
        }
        let normed = self.head.normed(x)?;
        kv.keep_hidden(&self.behind.forward(&normed)?)?;
        self.head.output(normed, logits)
    }
}

/// What the file says, checked against the model that it is for.
fn read(hyper: &Hyper, model: &ModelConfig) -> Result<Gemma4Params, ModelError> {
    let wrong = |reason: String| ModelError::WrongAssistant { reason };
    let width = hyper.size("embedding_length_out", MAX_WIDTH)?;
    if width != model.hidden_size {
        return Err(wrong(format!("it is for models of width {width}, this one has {}", model.hidden_size)));
    }
    hyper.ignore("attention.shared_kv_layers");
    hyper.ignore("nextn_predict_layers");
    let kept = &model.kv_layout.layers;
    let last = |local: bool| {
        let is_kind =
            |layer: &LayerCache| layer.attention().is_some_and(|shape| shape.window.is_some() == local);
        kept.iter()
            .rposition(is_kind)
            .ok_or_else(|| wrong("the model has no layer of a kind that it looks at".into()))
    };
    let mut layers =
        LayerParams::read_all(hyper, |is_local| is_local.iter().map(|&local| last(local)).collect())?;
    for layer in &mut layers {
        let Some(shape) = kept.get(layer.cache).and_then(LayerCache::attention) else { continue };
        let attention = &mut layer.attention;
        if shape.head_dim != attention.head_dim || shape.window != attention.window {
            let reason = format!(
                "a layer has heads of {} and a window of {:?}, the model's {} and {:?}",
                attention.head_dim, attention.window, shape.head_dim, shape.window
            );
            return Err(wrong(reason));
        }
        if !attention.n_heads.is_multiple_of(shape.n_kv_heads) {
            return Err(wrong(format!("{} heads look at {}", attention.n_heads, shape.n_kv_heads)));
        }
        attention.n_kv_heads = shape.n_kv_heads;
        // As far back as the model's next token looks, for which everything further back may be gone.
        attention.window = attention.window.map(|window| window.saturating_sub(1).max(1));
        layer.only_reads();
    }
    let n_layers = layers.len();
    let params = Gemma4Params::of_layers(hyper, layers, || hyper.finish_with(KvLayout::default(), n_layers))?;
    if params.config.vocab_size != model.vocab_size {
        let (ours, theirs) = (model.vocab_size, params.config.vocab_size);
        return Err(wrong(format!("it has {theirs} tokens, the model {ours}")));
    }
    Ok(params)
}
