//! Alternating updates (Baykal et al., 2023): a token has several streams, of which a block computes with one; before it
//! the streams predict themselves, behind it what the block made of its own corrects all of them.

use candle_core::{D, Tensor};

use super::{Linear, RmsNorm};
use crate::rows::Rows;
use crate::{Compute, ModelError, Weights};

/// How many streams there are, and which of them blocks compute with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AltUpParams {
    pub(crate) streams: usize,
    pub(crate) active: usize,
}

/// One block's prediction and correction.
pub(crate) struct AltUp {
    router_norm: RmsNorm,
    router: Linear,
    predict: Linear,
    correct: Linear,
    params: AltUpParams,
    hidden: usize,
}

impl AltUp {
    /// Takes `altup_router_norm`, `altup_router`, `altup_predict_coef` and `altup_correct_coef` of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AltUpParams,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let (n, name) = (params.streams, |name: &str| format!("blk.{layer}.altup_{name}"));
        Ok(AltUp {
            router_norm: weights.rms_norm(&name("router_norm"), hidden, eps)?,
            router: weights.linear(&name("router"), hidden, n)?,
            predict: weights.linear(&name("predict_coef"), n, n * n)?,
            correct: weights.linear(&name("correct_coef"), n, n)?,
            params,
            hidden,
        })
    }

    /// Puts into `predicted` what the streams will be, each of them a sum of all in shares that depend on the active one.
    pub(crate) fn predict(&self, streams: &[Rows], predicted: &mut Vec<Rows>) -> Result<(), ModelError> {
        let shares = self.predict.forward(&self.modalities(&streams[self.params.active])?)?;
        predicted.clear();
        for (i, stream) in streams.iter().enumerate() {
            let mut sum = stream.copied()?;
            for (j, other) in streams.iter().enumerate() {
                sum.add_shares(other, &shares, i * self.params.streams + j)?;
            }
            predicted.push(sum);
        }
        Ok(())
    }

    /// Moves predicted streams by how far `made`, what the block made of the active one, is from its prediction.
    pub(crate) fn correct(&self, predicted: &mut [Rows], made: &Rows) -> Result<(), ModelError> {
        let shares = self.correct.forward(&self.modalities(made)?)?;
        let mut news = predicted[self.params.active].copied()?;
        news.scale(-1.0)?;
        news.add(made.copied()?)?;
        for (i, stream) in predicted.iter_mut().enumerate() {
            // The file has the shares less 1.
            stream.add(news.copied()?)?;
            stream.add_shares(&news, &shares, i)?;
        }
        Ok(())
    }

    /// `[rows, streams]`.
    fn modalities(&self, x: &Rows) -> Result<Rows, ModelError> {
        let mut normed = self.router_norm.forward(x)?;
        normed.scale(1.0 / self.hidden as f32)?;
        let mut routed = self.router.forward(&normed)?;
        match &mut routed {
            Rows::Host(x) => {
                let (pool, x) = x.pool_and_values();
                lantern_kernels::softcap(pool, x, 1.0);
            }
            Rows::Tensor(x) => *x = x.tanh()?,
        }
        Ok(routed)
    }
}

/// The way from a token's embedding to its streams, and from them to what the head is given.
pub(crate) struct Streams {
    /// Where both ways begin and end, whatever the blocks between them do.
    compute: Compute,
    /// To all streams but the first, beside each other.
    spread: Linear,
    /// From one of them; of its outputs each takes those in its own place.
    gather: Linear,
    params: AltUpParams,
    hidden: usize,
}

impl Streams {
    /// Takes `altup_proj` and `altup_unembd_proj`.
    pub(crate) fn load(weights: &Weights, hidden: usize, params: AltUpParams) -> Result<Self, ModelError> {
        let stacked = |name| weights.stacked_linear(name, hidden, hidden, params.streams - 1);
        let (spread, gather) = (stacked("altup_proj")?, stacked("altup_unembd_proj")?);
        let compute = weights.split().of("altup_proj").clone();
        Ok(Streams { compute, spread, gather, params, hidden })
    }

    /// Puts into `streams` all streams of some rows.
    pub(crate) fn spread(&self, x: Rows, streams: &mut Vec<Rows>) -> Result<(), ModelError> {
        let others = self.spread.forward(&x)?;
        streams.clear();
        streams.push(x);
        for i in 0..self.params.streams - 1 {
            let mut stream = others.columns(i * self.hidden, self.hidden)?;
            match_magnitude(&mut stream, &streams[0])?;
            streams.push(stream);
        }
        Ok(())
    }

    /// The mean of all streams, the others having been brought back.
    pub(crate) fn gather(&self, streams: &mut [Rows]) -> Result<Rows, ModelError> {
        streams.iter_mut().try_for_each(|stream| stream.move_to(&self.compute))?;
        let target = &streams[self.params.active];
        let mut sum = streams[0].copied()?;
        for (i, stream) in streams[1..].iter().enumerate() {
            let mut back = self.gather.forward(stream)?.columns(i * self.hidden, self.hidden)?;
            match_magnitude(&mut back, target)?;
            sum.add(back)?;
        }
        sum.scale(1.0 / self.params.streams as f32)?;
        Ok(sum)
    }
}

/// Scales each row of `x` until its mean square is that of `target`.
fn match_magnitude(x: &mut Rows, target: &Rows) -> Result<(), ModelError> {
    /// Mean squares are not taken as smaller than this.
    const LEAST: f32 = 1e-5;
    match (x, target) {
        (Rows::Host(x), Rows::Host(target)) => {
            let width = target.width().max(1);
            let mean = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() / width as f32;
            for (row, target) in x.chunks_exact_mut(width).zip(target.chunks_exact(width)) {
                let factor = (mean(target) / mean(row).max(LEAST)).sqrt();
                row.iter_mut().for_each(|x| *x *= factor);
            }
            Ok(())
        }
        (Rows::Tensor(x), Rows::Tensor(target)) => {
            let mean = |x: &Tensor| x.sqr()?.mean_keepdim(D::Minus1);
            let factor = (mean(target)? / mean(x)?.maximum(f64::from(LEAST))?)?.sqrt()?;
            *x = x.broadcast_mul(&factor)?;
            Ok(())
        }
        _ => Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
    }
}
