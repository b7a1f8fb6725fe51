//! What is known of a recommended model without its file: enough of its header to plan its memory.
//!
//! The numbers are those of each model's `config.json`. Tensors have one type for all in place of a mix; what that is less than the
//! file the plan counts with the header, so that the sum is the file's.

use std::path::Path;

use lantern_gguf::{
    Array, GgmlType, GgufFile, GgufHead, GgufStream, HeadRead, Metadata, PlannedTensor, Value,
};

use crate::HubError;

/// Experts in the place of each block's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertFacts {
    /// How many there are in a block.
    pub count: u32,
    /// How many a token passes.
    pub used: u32,
}

/// A model with ordinary attention, and one network or one set of experts in each block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFacts {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// Blocks.
    pub layers: u32,
    /// Numbers of a token between blocks.
    pub width: u32,
    /// Heads of queries.
    pub heads: u32,
    /// Heads of keys.
    pub kv_heads: u32,
    /// Numbers of a head.
    pub head_dim: u32,
    /// Numbers in the middle of the network, or of one expert.
    pub inner: u32,
    /// Its experts, if it has any.
    pub experts: Option<ExpertFacts>,
    /// Whether its head is the table of embeddings.
    pub tied: bool,
    /// Tokens.
    pub vocabulary: u32,
    /// Pairs that the tokenizer joins; 0 for those without a list of them.
    pub merges: u32,
    /// Tokens it was trained to attend to.
    pub context: u32,
    /// Tokens that most of its layers look back, if not all.
    pub window: Option<u32>,
    /// Bytes of the mean token's text, about.
    pub token_bytes: usize,
    /// What it can do.
    pub tools: bool,
    /// Whether it thinks first.
    pub thinking: bool,
}

impl ModelFacts {
    /// The header of a file of so many bytes that has this model.
    pub fn header(&self, name: &str, file_bytes: u64) -> Result<GgufFile, HubError> {
        let bad = |why: String| HubError::Internal(format!("what is known of {name} is wrong: {why}"));
        let bytes = GgufStream::begin(Vec::new(), &self.metadata(), &self.tensors());
        let bytes = bytes.map_err(|error| bad(error.to_string()))?.into_inner();
        match GgufHead::read(&bytes, file_bytes).map_err(|error| bad(error.to_string()))? {
            HeadRead::Whole(head) => {
                GgufFile::from_heads(Path::new(name), vec![*head]).map_err(|error| bad(error.to_string()))
            }
            HeadRead::More { .. } => Err(bad("it is no header".into())),
        }
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.tensors().iter().map(PlannedTensor::elements).sum()
    }

    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.set("general.architecture", Value::String(self.architecture.into()));
        let mut set = |key: &str, value| metadata.set(format!("{}.{key}", self.architecture), value);
        for (key, value) in [
            ("block_count", self.layers),
            ("context_length", self.context),
            ("embedding_length", self.width),
            ("feed_forward_length", self.inner),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("attention.key_length", self.head_dim),
            ("attention.value_length", self.head_dim),
            ("rope.dimension_count", self.head_dim),
        ] {
            set(key, Value::U32(value));
        }
        if let Some(experts) = self.experts {
            set("expert_count", Value::U32(experts.count));
            set("expert_used_count", Value::U32(experts.used));
            set("expert_feed_forward_length", Value::U32(self.inner));
        }
        if let Some(window) = self.window {
            set("attention.sliding_window", Value::U32(window));
        }
        set("attention.layer_norm_rms_epsilon", Value::F32(1e-6));
        set("rope.freq_base", Value::F32(1e6));
        let texts = |count: u32, len: usize| {
            Value::Array(Array::String((0..count).map(|_| "x".repeat(len)).collect()))
        };
        metadata.set("tokenizer.ggml.tokens", texts(self.vocabulary, self.token_bytes));
        if self.merges > 0 {
            metadata.set("tokenizer.ggml.merges", texts(self.merges, self.token_bytes + 1));
        }
        metadata
    }

    fn tensors(&self) -> Vec<PlannedTensor> {
        let n = |count: u32| u64::from(count);
        let (width, inner) = (n(self.width), n(self.inner));
        let (queries, keys) = (n(self.heads) * n(self.head_dim), n(self.kv_heads) * n(self.head_dim));
        let matrix = |name: String, inputs: u64, outputs: u64| {
            let ty = if inputs.is_multiple_of(256) { GgmlType::Q4K } else { GgmlType::Q4_0 };
            PlannedTensor { name, shape: vec![inputs, outputs], ty }
        };
        let vector = |name: String| PlannedTensor { name, shape: vec![width], ty: GgmlType::F32 };
        // Experts are the third dimension of their matrices.
        let network = |name: String, inputs: u64, outputs: u64| {
            let mut tensor = matrix(
                name.replacen(".weight", if self.experts.is_some() { "_exps.weight" } else { ".weight" }, 1),
                inputs,
                outputs,
            );
            tensor.shape.extend(self.experts.map(|experts| n(experts.count)));
            tensor
        };
        let mut all = vec![
            matrix("token_embd.weight".into(), width, n(self.vocabulary)),
            vector("output_norm.weight".into()),
        ];
        if !self.tied {
            all.push(matrix("output.weight".into(), width, n(self.vocabulary)));
        }
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            all.extend([
                vector(name("attn_norm")),
                matrix(name("attn_q"), width, queries),
                matrix(name("attn_k"), width, keys),
                matrix(name("attn_v"), width, keys),
                matrix(name("attn_output"), queries, width),
                vector(name("ffn_norm")),
                network(name("ffn_gate"), width, inner),
                network(name("ffn_up"), width, inner),
                network(name("ffn_down"), inner, width),
            ]);
            let routers = self.experts.map(|experts| PlannedTensor {
                name: name("ffn_gate_inp"),
                shape: vec![width, n(experts.count)],
                ty: GgmlType::F32,
            });
            all.extend(routers);
        }
        all
    }
}
