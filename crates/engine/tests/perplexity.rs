//! The perplexity of tiny models of random weights, against a computation from their raw logits.

use std::path::PathBuf;

use lantern_engine::perplexity::{Perplexity, PerplexityOptions, PerplexityReport};
use lantern_engine::{Engine, EngineOptions, KvType};

const CONTEXT: usize = 150;

fn golden(file: &str) -> PathBuf {
    lantern_golden::path("models").join(file)
}

fn options(kv_types: &[KvType]) -> PerplexityOptions {
    PerplexityOptions {
        context: CONTEXT,
        windows: None,
        threads: 2,
        kv_types: kv_types.to_vec(),
        ..PerplexityOptions::default()
    }
}

/// Three windows and a rest.
fn text() -> Vec<u32> {
    (0..3 * CONTEXT as u32 + 70).map(|at| (at * at * 31 + at * 7) % 500).collect()
}

fn measure(model: &Perplexity) -> PerplexityReport {
    model.measure(&text(), |_, _| {}).expect("the text is long enough")
}

/// −ln p of every token that counts, by way of [`Engine::logits`].
fn surprises(file: &str, bos: Option<u32>) -> Vec<f64> {
    let engine = Engine::load(&golden(file), EngineOptions { threads: 2, ..EngineOptions::default() })
        .expect("it loads");
    let mut surprises = Vec::new();
    for window in text().chunks_exact(CONTEXT) {
        let mut window = window.to_vec();
        window[0] = bos.unwrap_or(window[0]);
        let logits = engine.logits(&window).expect("the window fits");
        for (at, row) in logits.chunks_exact(engine.info().vocab_size).enumerate() {
            if (CONTEXT / 2..CONTEXT - 1).contains(&at) {
                let total: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
                surprises.push(total.ln() - f64::from(row[window[at + 1] as usize]));
            }
        }
    }
    surprises
}

#[test]
fn perplexity_is_what_raw_logits_say() {
    // One model that wants BOS and one that does not.
    for (file, wants_bos) in [("llama_untied-Q8_0.gguf", true), ("qwen2-Q8_0.gguf", false)] {
        let model = Perplexity::load(&golden(file), options(&[KvType::F32])).expect("it loads");
        assert_eq!(model.tokenizer().adds_bos(), wants_bos, "{file}");
        let report = measure(&model);
        let surprises = surprises(file, model.tokenizer().bos().filter(|_| wants_bos));
        assert_eq!((report.windows, report.scored_tokens), (3, 3 * (CONTEXT - 1 - CONTEXT / 2)), "{file}");
        assert_eq!(report.scored_tokens, surprises.len(), "{file}");
        let count = surprises.len() as f64;
        let mean = surprises.iter().sum::<f64>() / count;
        let variance = surprises.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let (perplexity, error) = (mean.exp(), mean.exp() * (variance / count).sqrt());
        let got = report.runs[0].perplexity;
        assert!((got.value / perplexity - 1.0).abs() < 1e-6, "{file}: {got:?}, expected {perplexity}");
        assert!((got.error / error - 1.0).abs() < 1e-6, "{file}: {got:?}, expected an error of {error}");
        assert!(report.runs[0].change.is_none(), "{file}: the first has nothing to be compared with");
    }
}

#[test]
fn other_caches_are_compared_with_the_first() {
    let all = [KvType::F32, KvType::F16, KvType::Q8_0, KvType::Q4_0];
    let file = golden("gemma3_k256-Q4_K_M.gguf");
    let report = measure(&Perplexity::load(&file, options(&all)).expect("it loads"));
    let mut before = 0.0;
    for (run, kv_type) in report.runs.iter().zip(all).skip(1) {
        assert_eq!(run.kv_type, kv_type.name());
        let change = run.change.expect("it is compared with the first");
        // Each kind keeps less than the one before, and is further off.
        let divergence = change.divergence.value;
        assert!(divergence > before, "{}: {divergence} is not above {before}", run.kv_type);
        before = divergence;
        let ratio = run.perplexity.value / report.runs[0].perplexity.value;
        assert!((change.perplexity_percent.value / 100.0 - (ratio - 1.0)).abs() < 1e-9, "{}", run.kv_type);
        // Differences at each token say more than two perplexities do.
        assert!(change.perplexity_percent.error < 10.0 * run.perplexity.error, "{}", run.kv_type);
        assert!((50.0..=100.0).contains(&change.same_top_percent.value), "{}", run.kv_type);
    }
    // Alone it gives the same bits as beside the others.
    let alone = measure(&Perplexity::load(&file, options(&[KvType::Q4_0])).expect("it loads"));
    assert_eq!(alone.runs[0].perplexity, report.runs[3].perplexity);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let file = golden("llama_untied-Q8_0.gguf");
    let refused = |options: PerplexityOptions| match Perplexity::load(&file, options) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => (error.code(), error.to_string()),
    };
    for (context, number) in [(3, "3 tokens"), (4096, "4096 tokens")] {
        let (code, words) = refused(PerplexityOptions { context, ..options(&[KvType::F16]) });
        assert_eq!(code, "invalid_options");
        assert!(words.contains(number) && words.contains("2048"), "{words}");
    }
    assert_eq!(refused(options(&[])).0, "invalid_options");
    let (_, words) = refused(options(&[KvType::F16, KvType::Q8_0, KvType::F16]));
    assert!(words.contains("f16 is named twice"), "{words}");
    let model = Perplexity::load(&file, options(&[KvType::F16])).expect("it loads");
    let error = model.measure(&text()[..CONTEXT - 1], |_, _| {}).expect_err("no window is whole");
    assert_eq!(error.code(), "text_too_short");
    assert!(error.next_step().contains("at most 149 tokens"), "{}", error.next_step());
    let error = model.measure(&vec![9999; CONTEXT], |_, _| {}).expect_err("no such token");
    assert_eq!(error.code(), "unknown_token");
}
