//! Qwen 3.5 with experts, text only, and Qwen3-Next: the blocks of [`crate::qwen35`], each of whose networks is a choice
//! among many small ones beside one that every token passes. The weights of the chosen experts sum to 1; the files have no
//! key for that. Files of Qwen3-Next from before its converter took
//! the inputs of linear attention apart are taken apart here.

use crate::hyper::MAX_WIDTH;
use crate::layers::{Activation, Decoder, ExpertParams, Experts, HeadSharing, Network};
use crate::qwen35::{Qwen35Params, SHARING};
use crate::registry::Family;
use crate::{Hyper, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(read(hyper, SHARING)?.0.config),
    load: |h, w| Ok(Box::new(load(h, w, SHARING)?)),
};

/// Qwen3-Next.
pub(crate) const NEXT: Family = Family {
    config: |hyper| Ok(read(hyper, HeadSharing::Neighbours)?.0.config),
    load: |h, w| Ok(Box::new(load(h, w, HeadSharing::Neighbours)?)),
};

fn read(hyper: &Hyper, sharing: HeadSharing) -> Result<(Qwen35Params, ExpertParams), ModelError> {
    let experts = ExpertParams {
        shared: hyper.opt_size("expert_shared_feed_forward_length", MAX_WIDTH)?,
        ..ExpertParams::read(hyper)?
    };
    Ok((Qwen35Params::read(hyper, sharing)?, experts))
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights, sharing: HeadSharing) -> Result<Decoder, ModelError> {
    let (params, experts) = read(hyper, sharing)?;
    let hidden = params.sizes.hidden;
    params.load(weights, |layer| {
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, hidden, experts, Activation::Silu)?;
        Ok(Network::Experts(experts))
    })
}
