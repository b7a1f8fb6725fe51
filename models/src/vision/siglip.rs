//! SigLIP's vision transformer (Zhai et al., 2023): square patches, each of which sees all others.

use std::sync::Arc;

use lantern_kernels::{Activation, AttentionShape};

use super::{Colours, Filter, check_pixels};
use crate::hyper::{MAX_HEADS, MAX_LAYERS, MAX_WIDTH};
use crate::layers::{LayerNorm, Linear};
use crate::rows::{HostRows, Rows, Workspace};
use crate::{
    ForwardBatch, Hyper, KvCache, KvLayout, KvType, LayerCache, LayerKvShape, ModelError, Split, Weights,
};

/// Patches in a block of the memory that attention reads.
const BLOCK: usize = 16;
/// Patches on a side beyond this are damage.
const MAX_SIDE: usize = 1024;

/// What a file says about its vision transformer.
#[derive(Debug, Clone)]
pub(crate) struct SiglipParams {
    pub(crate) colours: Colours,
    /// Pixels on each side of the square that every picture is stretched to.
    pub(crate) pixels: usize,
    pub(crate) hidden: usize,
    /// Patches on each side.
    pub(crate) side: usize,
    pub(crate) eps: f64,
    patch: usize,
    inner: usize,
    n_layers: usize,
    n_heads: usize,
}

impl SiglipParams {
    /// Reads the keys under `vision.`.
    pub(crate) fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let hidden = hyper.size("vision.embedding_length", MAX_WIDTH)?;
        let n_heads = hyper.size("vision.attention.head_count", MAX_HEADS)?;
        if !hidden.is_multiple_of(n_heads) {
            let reason = format!("{n_heads} heads do not divide a width of {hidden}");
            return Err(hyper.bad("vision.attention.head_count", reason));
        }
        let (pixels, patch) =
            (hyper.size("vision.image_size", MAX_WIDTH)?, hyper.size("vision.patch_size", MAX_SIDE)?);
        if !pixels.is_multiple_of(patch) || pixels / patch > MAX_SIDE {
            let reason = format!("patches of {patch} pixels in pictures of {pixels}");
            return Err(hyper.bad("vision.patch_size", reason));
        }
        let channels = |key: &str, default: f32| -> Result<[f32; 3], ModelError> {
            let Some(values) = hyper.opt_floats(key)? else { return Ok([default; 3]) };
            let reason = format!("it is {values:?}; three numbers can be right");
            values.as_slice().try_into().map_err(|_| hyper.bad(key, reason))
        };
        Ok(SiglipParams {
            colours: Colours {
                mean: channels("vision.image_mean", 0.5)?,
                deviation: channels("vision.image_std", 0.5)?,
                filter: Filter::Bilinear,
            },
            pixels,
            eps: f64::from(hyper.opt_f32("vision.attention.layer_norm_epsilon")?.unwrap_or(1e-6)),
            inner: hyper.size("vision.feed_forward_length", MAX_WIDTH)?,
            n_layers: hyper.size("vision.block_count", MAX_LAYERS)?,
            side: pixels / patch,
            hidden,
            patch,
            n_heads,
        })
    }
}

/// A vision transformer.
pub(crate) struct Siglip {
    params: SiglipParams,
    workspace: Arc<Workspace>,
    /// From the numbers of a patch.
    patches: Linear,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// Keys and values of one layer at a time.
    kv: KvCache,
    batch: ForwardBatch,
}

struct Block {
    attention_norm: LayerNorm,
    qkv: [Linear; 3],
    output: Linear,
    network_norm: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Siglip {
    /// Takes `v.patch_embd`, `v.position_embd`, `v.post_ln` and the tensors under `v.blk.`.
    pub(crate) fn load(weights: &Weights, params: SiglipParams) -> Result<Self, ModelError> {
        let SiglipParams { hidden, patch, side, n_heads, eps, .. } = params;
        let shape = LayerKvShape { n_kv_heads: n_heads, head_dim: hidden / n_heads, window: None };
        let layout = KvLayout { layers: vec![LayerCache::Attention(shape)] };
        let count = side * side;
        let blocks = count.div_ceil(BLOCK);
        let split: &Split = weights.split();
        let workspace = split.block(0).workspace().cloned();
        let mut batch = ForwardBatch::default();
        let table: Vec<u32> = (0..blocks as u32).collect();
        batch.push(&vec![0; count], 0, [table.as_slice()], BLOCK);
        Ok(Siglip {
            workspace: workspace
                .ok_or_else(|| ModelError::BadBatch("pictures are encoded on the CPU".to_owned()))?,
            patches: weights.patch_linear("v.patch_embd", [patch, patch, 3], hidden)?,
            positions: weights.values("v.position_embd.weight", &[hidden, count])?,
            blocks: (0..params.n_layers)
                .map(|layer| Block::load(weights, layer, &params))
                .collect::<Result<_, _>>()?,
            norm: weights.layer_norm("v.post_ln", hidden, eps)?,
            kv: KvCache::for_split(&layout, &[blocks], BLOCK, KvType::F32, split)?,
            batch,
            params,
        })
    }

    /// `pixels[3, side, side]` to one row for each patch, `[side * side, hidden]`, behind the last norm.
    pub(crate) fn encode(&mut self, pixels: &[f32]) -> Result<HostRows, ModelError> {
        let mut x = self.patches.forward_host(&self.cut(pixels)?)?;
        lantern_kernels::add(self.workspace.pool(), &mut x, &self.positions)?;
        let mut x = Rows::Host(x);
        for block in &self.blocks {
            block.forward(&mut x, &self.params, &self.batch, &mut self.kv)?;
        }
        self.norm.apply(&mut x)?;
        host(x)
    }

    /// The numbers of each patch, row after row of each channel: `[side * side, 3 * patch * patch]`.
    fn cut(&self, pixels: &[f32]) -> Result<HostRows, ModelError> {
        let SiglipParams { side, patch, pixels: width, .. } = self.params;
        check_pixels(pixels, [width; 2])?;
        let mut patches = HostRows::new(&self.workspace, side * side, 3 * patch * patch);
        for (index, numbers) in patches.chunks_exact_mut(3 * patch * patch).enumerate() {
            let (top, left) = (index / side * patch, index % side * patch);
            for (line, numbers) in numbers.chunks_exact_mut(patch).enumerate() {
                let (channel, y) = (line / patch, top + line % patch);
                numbers.copy_from_slice(&pixels[(channel * width + y) * width + left..][..patch]);
            }
        }
        Ok(patches)
    }
}

impl Block {
    fn load(weights: &Weights, layer: usize, params: &SiglipParams) -> Result<Self, ModelError> {
        let SiglipParams { hidden, inner, eps, .. } = *params;
        let name = |name: &str| format!("v.blk.{layer}.{name}");
        let square = |part: &str| weights.linear(&name(part), hidden, hidden);
        Ok(Block {
            attention_norm: weights.layer_norm(&name("ln1"), hidden, eps)?,
            qkv: [square("attn_q")?, square("attn_k")?, square("attn_v")?],
            output: square("attn_out")?,
            network_norm: weights.layer_norm(&name("ln2"), hidden, eps)?,
            up: weights.linear(&name("ffn_up"), hidden, inner)?,
            down: weights.linear(&name("ffn_down"), inner, hidden)?,
        })
    }

    fn forward(
        &self,
        x: &mut Rows,
        params: &SiglipParams,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let mut normed = x.copied()?;
        self.attention_norm.apply(&mut normed)?;
        x.add(Rows::Host(self.attend(&host(normed)?, params, batch, kv)?))?;
        let mut normed = x.copied()?;
        self.network_norm.apply(&mut normed)?;
        let mut inner = self.up.forward_host(&host(normed)?)?;
        let (pool, values) = inner.pool_and_values();
        lantern_kernels::activate(pool, Activation::GeluTanh, values);
        x.add(Rows::Host(self.down.forward_host(&inner)?))
    }

    fn attend(
        &self,
        x: &HostRows,
        params: &SiglipParams,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<HostRows, ModelError> {
        let [q, k, v] = &self.qkv;
        let [q, k, v] = Linear::forward_each([q, k, v], x)?;
        let blocks = &batch.groups[0];
        kv.write(0, &blocks.slots, &k, &v)?;
        let head_dim = params.hidden / params.n_heads;
        let shape = AttentionShape {
            n_heads: params.n_heads,
            n_kv_heads: params.n_heads,
            head_dim,
            block_size: BLOCK,
            scale: 1.0 / (head_dim as f32).sqrt(),
            window: None,
            ahead: u32::MAX,
            softcap: None,
            sinks: None,
        };
        let (keys, values) = kv.slices(0)?;
        let mut out = x.room(q.width());
        let (seqs, tables) = (&batch.seqs, &blocks.block_tables);
        lantern_kernels::attention(x.pool(), &shape, &q, keys, values, seqs, tables, &mut out)?;
        self.output.forward_host(&out)
    }
}

fn host(rows: Rows) -> Result<HostRows, ModelError> {
    match rows {
        Rows::Host(rows) => Ok(rows),
        Rows::Tensor(_) => Err(ModelError::BadBatch("pictures are encoded on the CPU".to_owned())),
    }
}
