//! Every supported family and file type against golden logits (here), and what must not change them (in the modules). The
//! data and its origin are described in `golden/README.md`.

use std::path::PathBuf;

use lantern_gguf::{GgufFile, GgufWriter, Value};
use lantern_models::{
    CausalLm, Compute, Device, ForwardBatch, KvCache, KvType, LayerCache, Reach, Split, registry,
};
use serde::Deserialize;

#[path = "golden/batches.rs"]
mod batches;
#[path = "golden/caches.rs"]
mod caches;
#[path = "golden/guesses.rs"]
mod guesses;
#[path = "golden/next.rs"]
mod next;
#[path = "golden/split.rs"]
mod split;
#[path = "golden/windows.rs"]
mod windows;

const BLOCK: usize = 16;

/// One line of the manifest.
#[derive(Debug, Clone, Deserialize)]
struct Case {
    name: String,
    file_type: String,
    architecture: String,
    file: String,
    logits: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    greedy_margins: Vec<f32>,
    tolerance: Tolerance,
}

#[derive(Debug, Clone, Deserialize)]
struct Tolerance {
    f32_math_max_abs: f32,
    reduced_precision: Option<ReducedPrecision>,
}

#[derive(Debug, Clone, Deserialize)]
struct ReducedPrecision {
    kl_p50_max: f64,
    kl_p90_max: f64,
    argmax_agree_min: f64,
}

impl Case {
    fn label(&self) -> String {
        format!("{}-{}", self.name, self.file_type)
    }

    fn open(&self) -> GgufFile {
        GgufFile::open(&golden(&self.file)).unwrap_or_else(|error| panic!("{}: {error}", self.label()))
    }

    fn load(&self, split: impl Into<Split>) -> Box<dyn CausalLm> {
        // As many tokens as the caches of these tests have room for.
        let split = split.into().for_context(24 * BLOCK);
        registry::load_with(&self.open(), split).unwrap_or_else(|error| panic!("{}: {error}", self.label()))
    }

    /// Prompt and answer: 72 tokens.
    fn ids(&self) -> Vec<u32> {
        [self.prompt_ids.as_slice(), &self.greedy_ids].concat()
    }

    /// Positions and the logits expected there.
    fn expected(&self) -> Vec<(usize, Vec<f32>)> {
        let bytes =
            std::fs::read(golden(&self.logits)).expect("the golden logits are part of the repository");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let data = |name| tensors.tensor(name).expect("the tensor is there").data().to_vec();
        let positions = data("positions");
        let positions = positions.as_chunks::<8>().0.iter().map(|&raw| i64::from_le_bytes(raw) as usize);
        let logits = data("logits");
        let logits: Vec<f32> = logits.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect();
        let positions: Vec<usize> = positions.collect();
        let vocab = logits.len() / positions.len();
        positions.into_iter().zip(logits.chunks_exact(vocab).map(<[f32]>::to_vec)).collect()
    }

    /// Whether rows are sent to experts.
    fn has_experts(&self) -> bool {
        self.open().tensors().keys().any(|name| name.contains("_exps."))
    }

    /// Whether all arithmetic is in f32, so that only rounding separates the results.
    fn is_exact(&self) -> bool {
        matches!(self.file_type.as_str(), "F32" | "F16" | "BF16")
    }
}

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

fn cases() -> Vec<Case> {
    let text =
        std::fs::read_to_string(golden("manifest.json")).expect("the manifest is part of the repository");
    serde_json::from_str(&text).expect("the manifest has the expected fields")
}

fn case(name: &str, file_type: &str) -> Case {
    cases().into_iter().find(|case| case.name == name && case.file_type == file_type).expect("a golden case")
}

/// A sequence in a cache: its tokens so far and the blocks it owns, in each group of layers.
struct Sequence {
    fed: usize,
    tables: Vec<Vec<u32>>,
}

impl Sequence {
    /// Owns the same blocks in every group of layers.
    fn new(model: &dyn CausalLm, blocks: impl IntoIterator<Item = u32>) -> Self {
        let blocks = blocks.into_iter().collect();
        Sequence { fed: 0, tables: vec![blocks; model.config().kv_layout.groups().len()] }
    }
}

/// Adds the next `tokens` of a sequence to a batch, wanting the logits of all of them.
fn push(batch: &mut ForwardBatch, seq: &mut Sequence, tokens: &[u32]) {
    let first_row = batch.rows() as u32;
    batch.push(tokens, seq.fed, seq.tables.iter().map(Vec::as_slice), BLOCK);
    batch.logit_rows.extend(first_row..batch.rows() as u32);
    seq.fed += tokens.len();
}

fn forward(model: &dyn CausalLm, batch: &ForwardBatch, kv: &mut KvCache) -> Vec<Vec<f32>> {
    let mut logits = vec![7.0; 3];
    model.forward(batch, kv, &mut logits).expect("the batch runs");
    assert_eq!(logits.len(), batch.logit_rows.len() * model.config().vocab_size);
    logits.chunks_exact(model.config().vocab_size).map(<[f32]>::to_vec).collect()
}

fn cache(model: &dyn CausalLm, kv_type: KvType) -> KvCache {
    let layout = &model.config().kv_layout;
    KvCache::new(layout, &blocks(model), BLOCK, kv_type, &Device::Cpu).expect("a small cache")
}

/// 24 blocks in every group of layers.
fn blocks(model: &dyn CausalLm) -> Vec<usize> {
    vec![24; model.config().kv_layout.groups().len()]
}

/// Logits of all positions, fed in chunks of the given lengths, the last one repeated. Blocks are out of order.
fn logits_in_chunks(model: &dyn CausalLm, ids: &[u32], chunks: &[usize], kv_type: KvType) -> Vec<Vec<f32>> {
    logits_with(model, ids, chunks, cache(model, kv_type))
}

fn logits_with(model: &dyn CausalLm, ids: &[u32], chunks: &[usize], mut kv: KvCache) -> Vec<Vec<f32>> {
    let mut seq = Sequence::new(model, [7, 2, 19, 0, 11, 23]);
    let mut logits = Vec::new();
    let mut lengths = chunks.iter().copied().chain(std::iter::repeat(chunks[chunks.len() - 1]));
    while seq.fed < ids.len() {
        let len = lengths.next().expect("the lengths do not end").min(ids.len() - seq.fed);
        let mut batch = ForwardBatch::default();
        let next = seq.fed;
        push(&mut batch, &mut seq, &ids[next..next + len]);
        logits.extend(forward(model, &batch, &mut kv));
    }
    logits
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("logits are not empty");
    best.0 as u32
}

fn max_abs_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// KL(softmax(golden) ‖ softmax(ours)).
fn divergence(golden: &[f32], ours: &[f32]) -> f64 {
    let log_softmax = |logits: &[f32]| -> Vec<f64> {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
        let sum: f64 = logits.iter().map(|&x| (x as f64 - max).exp()).sum();
        logits.iter().map(|&x| x as f64 - max - sum.ln()).collect()
    };
    let (p, q) = (log_softmax(golden), log_softmax(ours));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// Compares logits of all positions with the golden ones, by the case's own tolerance.
fn compare(case: &Case, logits: &[Vec<f32>], exact: bool) -> String {
    let expected = case.expected();
    let mut worst = 0f32;
    let (mut divergences, mut agree) = (Vec::new(), 0usize);
    for (position, golden) in &expected {
        let ours = &logits[*position];
        worst = worst.max(max_abs_difference(golden, ours));
        divergences.push(divergence(golden, ours));
        agree += (argmax(golden) == argmax(ours)) as usize;
    }
    divergences.sort_by(f64::total_cmp);
    let (p50, p90) = (quantile(&divergences, 0.5), quantile(&divergences, 0.9));
    let agree = agree as f64 / expected.len() as f64;
    let report = format!(
        "{}: max |difference| {worst:.1e}, KL p50 {p50:.1e} p90 {p90:.1e}, argmax {agree:.3}",
        case.label()
    );
    match &case.tolerance.reduced_precision {
        Some(tolerance) if !exact => {
            assert!(p50 <= tolerance.kl_p50_max && p90 <= tolerance.kl_p90_max, "{report}");
            assert!(agree >= tolerance.argmax_agree_min, "{report}");
        }
        _ => assert!(worst <= case.tolerance.f32_math_max_abs, "{report}"),
    }
    report
}

/// The answer to the prompt must be the golden one, up to positions where the golden runner-up is within the noise.
fn check_greedy(case: &Case, model: &dyn CausalLm) {
    let mut kv = cache(model, KvType::F32);
    let mut seq = Sequence::new(model, 0..6);
    let mut next = case.prompt_ids.clone();
    for (i, (&golden, &margin)) in case.greedy_ids.iter().zip(&case.greedy_margins).enumerate() {
        let mut batch = ForwardBatch::default();
        push(&mut batch, &mut seq, &next);
        batch.logit_rows = vec![batch.rows() as u32 - 1];
        let ours = argmax(&forward(model, &batch, &mut kv)[0]);
        let noise = if case.is_exact() { 0.01 } else { 0.4 };
        assert!(
            ours == golden || margin < noise,
            "{}: token {i} of the answer is {ours}, expected {golden} (margin {margin})",
            case.label()
        );
        // After a near tie went the other way the answers cannot be compared any more.
        if ours != golden {
            return;
        }
        next = vec![ours];
    }
}

#[test]
fn every_file_gives_its_golden_logits_and_answer() {
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        let whole = logits_in_chunks(&*model, &ids, &[ids.len()], KvType::F32);
        println!("{}", compare(&case, &whole, case.is_exact()));
        check_greedy(&case, &*model);
    }
}

#[test]
fn candle_operations_give_the_golden_logits_too() {
    for case in cases() {
        let model = case.load(Compute::tensors(Device::Cpu));
        let ids = case.ids();
        let whole = logits_in_chunks(&*model, &ids, &[40, 32], KvType::F32);
        println!("{}", compare(&case, &whole, case.is_exact()));
    }
}

#[test]
fn an_unknown_architecture_is_named_beside_the_known_ones() {
    let mut writer = GgufWriter::copy_of(&case("qwen2", "Q4_0").open()).unwrap();
    writer.metadata.set("general.architecture", Value::String("rwkv6".into()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rwkv6.gguf");
    std::fs::write(&path, writer.finish()).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let error = registry::config(&file).unwrap_err();
    assert_eq!(error.code(), "unknown_architecture");
    assert_eq!(
        error.to_string(),
        format!(
            "the architecture \"rwkv6\" is not supported; supported are {}",
            registry::architectures().join(", ")
        )
    );
    assert_eq!(
        registry::load_with(&file, Compute::kernels(1)).err().map(|error| error.code()),
        Some(error.code())
    );
}

#[test]
fn a_model_can_be_described_without_its_weights() {
    for case in cases() {
        let config = registry::config(&case.open()).unwrap();
        assert_eq!(config.architecture, case.architecture);
        let key = format!("{}.context_length", case.architecture);
        let context = case.open().metadata().opt_u32(&key).unwrap().map(|tokens| tokens as usize);
        assert_eq!((config.vocab_size, Some(config.context_length)), (512, context), "{}", case.label());
        assert_eq!(&config, case.load(Compute::kernels(1)).config());
    }
    let config = registry::config(&case("gemma3", "Q4_0").open()).unwrap();
    let reaches: Vec<_> = config.kv_layout.layers.iter().map(LayerCache::reach).collect();
    let (all, local) = (Reach::All, Reach::Window(16));
    assert_eq!(reaches, [local, local, local, local, local, all, local]);
    assert_eq!(config.kv_layout.groups(), [all, local]);
    assert_eq!(config.kv_layout.bytes_per_token(KvType::F16), 7 * 2 * 32 * 2);
    // Layers 3 to 5 look at the keys and values of layers 1 and 2.
    let config = registry::config(&case("gemma4_e2b", "Q8_0").open()).unwrap();
    let shapes = config.kv_layout.layers.iter().filter_map(LayerCache::attention);
    let layers: Vec<_> = shapes.map(|l| (l.n_kv_heads, l.head_dim, l.window)).collect();
    assert_eq!(layers, [(1, 16, Some(16)), (1, 16, Some(16)), (1, 32, None)]);
    assert_eq!(config.n_layers, 6);
}

/// A second opinion from another implementation over the same file.
#[test]
fn candles_own_llama_agrees() {
    use candle_core::quantized::gguf_file;
    use candle_transformers::models::quantized_llama::ModelWeights;

    for file_type in ["F32", "F16"] {
        let case = case("llama_tied", file_type);
        let path = golden(&case.file);
        let mut reader = std::fs::File::open(&path).unwrap();
        let content = gguf_file::Content::read(&mut reader).unwrap();
        let mut other = ModelWeights::from_gguf(content, &mut reader, &Device::Cpu).unwrap();
        let ids = case.ids();
        let ours = logits_in_chunks(&*case.load(Compute::kernels(2)), &ids, &[ids.len()], KvType::F32);
        for (position, &id) in ids.iter().enumerate() {
            let input = candle_core::Tensor::new(&[[id]], &Device::Cpu).unwrap();
            let theirs =
                other.forward(&input, position).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let difference = max_abs_difference(&ours[position], &theirs);
            assert!(difference < 5e-3, "{} at position {position}: {difference}", case.label());
        }
    }
}
