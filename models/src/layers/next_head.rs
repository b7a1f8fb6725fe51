//! The head that predicts further tokens (multi-token prediction, Gloeckle et al. 2024; in this form DeepSeek-V3's and
//! Qwen3-Next's): of what the model made of a token and of the token that came next it makes the logits of the one after,
//! by a block of its own, whose keys and values are one more layer of the cache.

use super::{Block, Embedding, Head, Linear, RmsNorm, Rope};
use crate::hyper::Sizes;
use crate::{Compute, ForwardBatch, KvCache, ModelError, Weights};

/// One such head. Embeddings, rotary embedding and output are the model's, where the file has none for the head.
pub(crate) struct NextHead {
    compute: Compute,
    embedding: Option<Embedding>,
    /// Of the next token's embedding, and of what the model made.
    norms: [RmsNorm; 2],
    projection: Linear,
    block: Block,
    norm: RmsNorm,
    output: Option<Linear>,
    hidden: usize,
}

/// What the head shares with its model.
pub(crate) struct Shared<'a> {
    pub(crate) embedding: &'a Embedding,
    pub(crate) rope: &'a Rope,
    pub(crate) head: &'a Head,
}

impl NextHead {
    /// Takes what stands under `nextn` in the block behind the model's last one; `block` is the rest of it.
    pub(crate) fn load(weights: &Weights, sizes: &Sizes, block: Block) -> Result<Self, ModelError> {
        let at = format!("blk.{}.nextn", sizes.n_layers);
        let (hidden, vocab) = (sizes.hidden, sizes.vocab);
        let norm = |name: &str| weights.rms_norm(&format!("{at}.{name}"), hidden, sizes.norm_eps);
        let own = |name: &str| {
            let name = format!("{at}.{name}");
            weights.has(&format!("{name}.weight")).then_some(name)
        };
        let compute = weights.split().block(sizes.n_layers).clone();
        let last_norm = own("shared_head_norm").unwrap_or_else(|| "output_norm".to_owned());
        let last_norm = weights.vector(&format!("{last_norm}.weight"), hidden)?;
        Ok(NextHead {
            embedding: own("embed_tokens").map(|name| weights.table(&name, vocab, hidden)).transpose()?,
            norms: [norm("enorm")?, norm("hnorm")?],
            projection: weights.linear(&format!("{at}.eh_proj"), 2 * hidden, hidden)?,
            block,
            norm: RmsNorm::new(last_norm, sizes.norm_eps, compute.device())?,
            compute,
            hidden,
            output: own("shared_head_head").map(|name| weights.linear(&name, hidden, vocab)).transpose()?,
        })
    }

    /// Logits of `batch.logit_rows`, whose tokens are those that came next; the model's, or this head's, `hidden` rows are those
    /// before them. What it makes of the wanted rows replaces the cache's hidden rows.
    pub(crate) fn forward(
        &self,
        model: &Shared<'_>,
        batch: &ForwardBatch,
        hidden: &[u32],
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let [token_norm, hidden_norm] = &self.norms;
        let embedding = self.embedding.as_ref().unwrap_or(model.embedding);
        let embedded = token_norm.forward(&embedding.forward(&batch.tokens)?.on(&self.compute)?)?;
        let made = hidden_norm.forward(&kv.hidden_rows(hidden, self.hidden, &self.compute)?)?;
        let mut x = self.projection.forward(&embedded.beside(&made)?)?;
        self.block.forward(&mut x, Some(&model.rope.at(batch)?), batch, kv, None)?;
        if x.is_empty() {
            logits.clear();
            return Ok(());
        }
        let normed = self.norm.forward(&x)?;
        kv.keep_hidden(&normed)?;
        match &self.output {
            Some(output) => output.forward_to(&normed, logits),
            None => model.head.output(normed, logits),
        }
    }
}
