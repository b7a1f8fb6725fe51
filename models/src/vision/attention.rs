//! Attention among the patches of one picture: each sees all others.

use lantern_kernels::AttentionShape;

use super::VisionParams;
use crate::rows::HostRows;
use crate::{ForwardBatch, KvCache, KvLayout, KvType, LayerCache, LayerKvShape, ModelError, Split};

/// Patches in a block of the memory that attention reads.
const BLOCK: usize = 16;
/// Kernels take so many numbers of a head at once. Heads that are no multiple of it, such as those of 72 numbers that many
/// encoders have, are filled up with zeros, which change no score and give nothing.
const STRIP: usize = 16;

/// Memory for the keys and values of one layer at a time.
pub(super) struct PatchAttention {
    /// With heads as the kernels see them.
    shape: AttentionShape,
    /// Numbers of a head.
    head_dim: usize,
    kv: KvCache,
    batch: ForwardBatch,
}

impl PatchAttention {
    /// For a picture of so many patches, with scores times `scale`.
    pub(super) fn new(
        split: &Split,
        params: &VisionParams,
        scale: f32,
        patches: usize,
    ) -> Result<Self, ModelError> {
        let (n_heads, head_dim) = (params.n_heads, params.head_dim().next_multiple_of(STRIP));
        let shape = LayerKvShape { n_kv_heads: n_heads, head_dim, window: None };
        let layout = KvLayout { layers: vec![LayerCache::Attention(shape)] };
        let blocks = patches.div_ceil(BLOCK);
        let table: Vec<u32> = (0..blocks as u32).collect();
        let mut batch = ForwardBatch::default();
        batch.push(&vec![0; patches], 0, [table.as_slice()], BLOCK);
        Ok(PatchAttention {
            shape: AttentionShape {
                n_heads,
                n_kv_heads: n_heads,
                head_dim,
                block_size: BLOCK,
                scale,
                window: None,
                ahead: u32::MAX,
                softcap: None,
                sinks: None,
            },
            head_dim: params.head_dim(),
            kv: KvCache::for_split(&layout, &[blocks], BLOCK, KvType::F32, split)?,
            batch,
        })
    }

    /// What the queries of all patches see: `[patches, hidden]` each.
    pub(super) fn attend(&mut self, q: HostRows, k: HostRows, v: HostRows) -> Result<HostRows, ModelError> {
        let [q, k, v] = [q, k, v].map(|x| self.filled_up(x));
        let blocks = &self.batch.groups[0];
        self.kv.write(0, &blocks.slots, &k, &v)?;
        let (keys, values) = self.kv.slices(0)?;
        let (seqs, tables) = (&self.batch.seqs, &blocks.block_tables);
        let mut out = q.room(q.width());
        lantern_kernels::attention(q.pool(), &self.shape, &q, keys, values, seqs, tables, &mut out)?;
        match self.shape.head_dim == self.head_dim {
            true => Ok(out),
            false => Ok(out.parts(self.shape.n_heads, 0, self.head_dim)),
        }
    }

    /// Heads as the kernels see them.
    fn filled_up(&self, x: HostRows) -> HostRows {
        let AttentionShape { n_heads, head_dim, .. } = self.shape;
        if head_dim == self.head_dim {
            return x;
        }
        let mut filled = x.room(n_heads * head_dim);
        for (head, place) in x.chunks_exact(self.head_dim).zip(filled.chunks_exact_mut(head_dim)) {
            place[..self.head_dim].copy_from_slice(head);
            place[self.head_dim..].fill(0.0);
        }
        filled
    }
}
