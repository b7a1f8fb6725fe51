//! EmbeddingGemma: the blocks of Gemma 3, whose tokens see in both directions, and two layers behind pooling.

use crate::embedder::{Embedder, EmbedderFamily, Pooling};
use crate::gemma3::{Gemma3, Gemma3Params};
use crate::hyper::MAX_WIDTH;
use crate::{Hyper, ModelError};

pub(crate) const EMBEDDER: EmbedderFamily = |hyper, weights| {
    let pooling = Pooling::read(hyper)?;
    let dense = [dense_sizes(hyper, 2)?, dense_sizes(hyper, 3)?];
    let params = Gemma3Params::read(hyper)?.in_both_directions();
    let mut embedder = Embedder::new(Box::new(Gemma3::load(params, weights)?), pooling, weights)?;
    for (index, sizes) in (2..).zip(dense) {
        // Files may be made without them, for uses that bring their own.
        if let Some((inputs, outputs)) = sizes {
            embedder = embedder.with_dense(
                weights.linear(&format!("dense_{index}"), inputs, outputs)?,
                inputs,
                outputs,
            )?;
        }
    }
    Ok(embedder)
};

/// Widths before and behind a layer that follows pooling.
fn dense_sizes(hyper: &Hyper, index: usize) -> Result<Option<(usize, usize)>, ModelError> {
    let size = |side: &str| hyper.opt_size(&format!("dense_{index}_feat_{side}"), MAX_WIDTH);
    Ok(size("in")?.zip(size("out")?))
}
