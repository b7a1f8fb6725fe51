//! What a model takes beside its weights and its cache, counted from the file's header alone.
//!
//! Everything here is what some part of the program allocates: the tokenizer's tables, the rows of a step on their way
//! through the widest layer, logits, buffers for the disk and for pictures, and the program itself.

use lantern_gguf::{Array, FAULT_AROUND, GgufFile, TensorInfo, Value};
use lantern_models::{LOOKED_UP_AT_ONCE, ModelConfig};

use crate::options::EngineOptions;
use crate::prefix_disk::TRANSFER_BYTES;
use crate::step_costs::MOST_ROWS;

/// What the program has in memory of its code, its libraries and its threads, as released and as built for tests: measured on
/// Linux, in round figures.
const PROGRAM: u64 = if cfg!(debug_assertions) { 44 << 20 } else { 24 << 20 };

/// Of a matrix that is packed, so much of the file is in memory beside what becomes of it.
const PACKED_AT_ONCE: u64 = 16 << 20;

/// Work space, part by part, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scratch {
    /// The file's header, and the tokenizer's tables that are made of it.
    pub tokenizer: u64,
    /// The rows of one step on their way through the widest block.
    pub activations: u64,
    /// Logits, the model's and the sampler's.
    pub logits: u64,
    /// What guesses brought to layers with a state, and what a head for further tokens guesses from.
    pub guesses: u64,
    /// What is on its way to the disk or from it.
    pub transfer: u64,
    /// The projector's file, and about what the largest encoder known computes with.
    pub pictures: u64,
    /// The program itself.
    pub program: u64,
}

impl Scratch {
    /// For all sequences that may run at once.
    pub(crate) fn of(file: &GgufFile, config: &ModelConfig, options: &EngineOptions) -> Self {
        let guessing = if options.guess { MOST_ROWS } else { 0 };
        let rows = options.max_sequences + options.max_sequences.max(guessing);
        Self {
            tokenizer: header_bytes(file),
            activations: activation_bytes(file, config, options.step_tokens),
            logits: (rows * config.vocab_size * size_of::<f32>()) as u64,
            guesses: if options.guess { head_bytes(config, options) } else { 0 }
                + guessing as u64 * guess_bytes(file),
            transfer: options.prefix_disk.as_ref().map_or(0, |_| TRANSFER_BYTES),
            pictures: vision_bytes(options),
            program: PROGRAM,
        }
    }

    /// The same when one sequence of `context` tokens is all there is, which asks for no guesses, no picture and no disk.
    pub(crate) fn alone(
        self,
        file: &GgufFile,
        config: &ModelConfig,
        step_tokens: usize,
        context: usize,
    ) -> Self {
        Self {
            activations: activation_bytes(file, config, step_tokens.min(context)),
            logits: (2 * config.vocab_size * size_of::<f32>()) as u64,
            guesses: 0,
            transfer: 0,
            pictures: 0,
            ..self
        }
    }

    /// What is there from loading on, and what a step takes then beside a cache of `kv` bytes; or, where that is more,
    /// what loading takes for a while.
    pub(crate) fn peak_beside(&self, weights: u64, kv: u64) -> u64 {
        let step = kv + self.activations + self.logits + self.guesses + self.transfer + self.pictures;
        self.tokenizer + self.program + step.max(PACKED_AT_ONCE.min(weights))
    }

    /// All parts together.
    pub fn total(&self) -> u64 {
        let kept = self.guesses + self.transfer + self.pictures;
        self.tokenizer + self.activations + self.logits + kept + self.program
    }
}

/// Bytes of a file's tensors that are in memory. Of a table that is only looked up in, those are the pages around the rows
/// that are looked up at once; everything else is read whole.
pub(crate) fn weight_bytes(file: &GgufFile) -> u64 {
    let shared = file.tensor("output.weight").is_none();
    let is_table = |name: &str| match name {
        "token_embd.weight" => !shared,
        name => name == "per_layer_token_embd.weight",
    };
    let bytes = |tensor: &TensorInfo| {
        let whole = tensor.byte_len().unwrap_or(0);
        if is_table(&tensor.name) { looked_up_bytes(whole) } else { whole }
    };
    file.tensors().values().map(bytes).sum()
}

/// Of a table of so many bytes, those that are in memory while rows are looked up.
fn looked_up_bytes(table: u64) -> u64 {
    table.min((LOOKED_UP_AT_ONCE * FAULT_AROUND) as u64)
}

/// The header: its pages in the file, its lists in memory, and the tokenizer's tables made of them.
fn header_bytes(file: &GgufFile) -> u64 {
    let tensors: u64 = file.tensors().values().filter_map(TensorInfo::byte_len).sum();
    let pages = file.file_len().saturating_sub(tensors);
    let strings = |key: &str| file.metadata().opt_strings(key).ok().flatten().unwrap_or_default();
    let (tokens, merges) = (strings("tokenizer.ggml.tokens"), strings("tokenizer.ggml.merges"));
    // See `text::tokenizer::vocab` and `bpe`: flat tables with two places for each entry.
    let places = |count: usize| (2 * count).next_power_of_two() as u64;
    let index = 8 * places(tokens.len());
    let pieces = tokens.iter().map(|token| 8 + token.len() as u64).sum::<u64>();
    let ranks = if merges.is_empty() { 0 } else { 16 * (places(merges.len()) + merges.len() as u64) };
    let lists = file.metadata().iter().map(|(_, value)| list_bytes(value)).sum::<u64>();
    pages + lists + index + pieces + ranks
}

/// A value of the metadata in memory.
fn list_bytes(value: &Value) -> u64 {
    // What the allocator gives for a string: its length and a header, in steps of 16 and at least 32.
    let string = |text: &String| (text.len() as u64 + 8).next_multiple_of(16).max(32);
    match value {
        Value::String(text) => string(text),
        Value::Array(Array::String(texts)) => {
            texts.iter().map(|text| size_of::<String>() as u64 + string(text)).sum()
        }
        Value::Array(array) => 4 * array.len() as u64,
        _ => 0,
    }
}

/// Rows of a step: the stream, what a norm made of it and what a part adds to it, beside what the widest part of a block
/// makes, and the widest input once more in 8 bits with scales and sums.
fn activation_bytes(file: &GgufFile, config: &ModelConfig, rows: usize) -> u64 {
    let width = config.hidden_size as u64;
    let (mut parts, mut input) = (vec![[0; 2]; config.n_layers], width);
    for tensor in file.tensors().values() {
        let Some((layer, name)) = of_block(&tensor.name) else { continue };
        let Some(part) = parts.get_mut(layer) else { continue };
        let (inputs, outputs) = match tensor.shape[..] {
            [inputs, outputs] => (inputs, outputs),
            [inputs, outputs, experts] => (inputs, outputs * used_experts(file, experts)),
            _ => continue,
        };
        let is_network = name.starts_with("ffn_");
        input = input.max(inputs);
        // What goes into the last product was made by the others, or beside them.
        part[usize::from(is_network)] +=
            if name.starts_with("attn_output") { inputs + outputs } else { outputs };
    }
    let widest = parts.into_iter().flatten().max().unwrap_or(0);
    let quantised = input + input / 8 + input * 3 / 4;
    rows as u64 * ((3 * width + widest) * size_of::<f32>() as u64 + quantised)
}

/// What a step made of each row, and the head's own logits; nothing where there is no head.
fn head_bytes(config: &ModelConfig, options: &EngineOptions) -> u64 {
    let has_head = config.kv_layout.layers.len() > config.n_layers;
    let numbers = options.step_tokens * config.hidden_size + options.max_sequences * config.vocab_size;
    if has_head { (numbers * size_of::<f32>()) as u64 } else { 0 }
}

/// What layers with a state remember of one guess: the channels of their convolutions, and two numbers for each head.
fn guess_bytes(file: &GgufFile) -> u64 {
    let numbers = |tensor: &TensorInfo| match of_block(&tensor.name)?.1 {
        "ssm_conv1d.weight" | "shortconv.conv.weight" => tensor.shape.get(1).copied(),
        "ssm_dt.bias" => tensor.shape.first().map(|heads| 2 * heads),
        _ => None,
    };
    file.tensors().values().filter_map(numbers).sum::<u64>() * size_of::<f32>() as u64
}

/// The block of a tensor, and its name there.
fn of_block(tensor: &str) -> Option<(usize, &str)> {
    let (layer, name) = tensor.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, name))
}

/// Experts that a row passes, of those there are.
fn used_experts(file: &GgufFile, experts: u64) -> u64 {
    let architecture = file.architecture().unwrap_or_default();
    let used = file.metadata().opt_u64(&format!("{architecture}.expert_used_count"));
    used.ok().flatten().unwrap_or(1).min(experts)
}

fn vision_bytes(options: &EngineOptions) -> u64 {
    const WORK: u64 = 256 << 20;
    let file = options.projector.as_ref().and_then(|path| std::fs::metadata(path).ok());
    let bytes = file.map(|file| file.len()).or(options.projector_bytes);
    bytes.map_or(0, |bytes| bytes.saturating_add(WORK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> GgufFile {
        GgufFile::open(&lantern_golden::path("models").join(name)).expect("a golden model")
    }

    fn activations(name: &str, rows: usize) -> u64 {
        let file = golden(name);
        let config = lantern_models::registry::config(&file).expect("a family");
        activation_bytes(&file, &config, rows)
    }

    #[test]
    fn of_a_table_that_is_only_looked_up_in_a_few_rows_pages_are_charged() {
        assert_eq!(looked_up_bytes(1 << 30), 4 << 20);
        assert_eq!(looked_up_bytes(1 << 20), 1 << 20, "there is no more of it");
        let file = golden("llama_untied-F32.gguf");
        let whole: u64 = file.tensors().values().filter_map(TensorInfo::byte_len).sum();
        assert_eq!(weight_bytes(&file), whole, "a small table is all pages around rows");
    }

    #[test]
    fn the_widest_part_of_a_block_decides_about_activations() {
        let file = golden("llama_tied-F32.gguf");
        let outputs = |name: &str| file.tensor(&format!("blk.0.{name}.weight")).expect("a matrix").shape[1];
        let (width, inner) = (outputs("attn_output"), outputs("ffn_up"));
        let [q, k, v] = ["attn_q", "attn_k", "attn_v"].map(outputs);
        let part = (2 * inner + width).max(2 * q + k + v + width);
        let row = 4 * (3 * width + part) + inner * 15 / 8;
        assert_eq!(activations("llama_tied-F32.gguf", 100), 100 * row);
    }

    #[test]
    fn experts_that_a_row_does_not_pass_make_nothing() {
        let file = golden("qwen3moe-Q8_0.gguf");
        let up = &file.tensor("blk.0.ffn_up_exps.weight").expect("experts").shape;
        let used = used_experts(&file, up[2]);
        assert!(1 < used && used < up[2], "{used} of {up:?}");
        assert!(activations("qwen3moe-Q8_0.gguf", 1) < 4 * up[2] * (2 * up[1] + up[0]), "not all of them");
    }

    #[test]
    fn guesses_are_remembered_where_a_layer_has_a_state() {
        assert_eq!(guess_bytes(&golden("llama_tied-F32.gguf")), 0);
        let lfm2 = golden("lfm2-F32.gguf");
        let hidden = lfm2.tensor("token_embd.weight").expect("a table").shape[0];
        let layers = lfm2.tensors().keys().filter(|name| name.ends_with("shortconv.conv.weight")).count();
        assert!(layers > 0);
        assert_eq!(guess_bytes(&lfm2), 4 * hidden * layers as u64);
        assert!(guess_bytes(&golden("qwen35_dense-F32.gguf")) > 0);
    }

    #[test]
    fn a_larger_vocabulary_takes_larger_tables() {
        let file = golden("qwen2-Q8_0.gguf");
        let tokens = file.metadata().strings("tokenizer.ggml.tokens").expect("a vocabulary");
        let text: usize = tokens.iter().map(String::len).sum();
        assert!(header_bytes(&file) as usize > 2 * text + tokens.len() * (24 + 32 + 8 + 16));
        assert!((header_bytes(&file) as usize) < 4 * text + tokens.len() * 400, "{}", header_bytes(&file));
    }
}
