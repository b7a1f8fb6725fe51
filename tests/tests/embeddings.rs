//! Models that turn texts into vectors against golden vectors, and the promise that a text's vector does not depend on what
//! it was computed together with. The data and its origin are described in `golden/README.md`.

use std::path::PathBuf;

use lantern_gguf::GgufFile;
use lantern_models::{Compute, Device, Embedder, ModelError, embedders};
use serde::Deserialize;

/// One line of the list.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    file: String,
    vectors: String,
    token_ids: Vec<Vec<u32>>,
}

impl Case {
    fn load(&self, compute: Compute) -> Embedder {
        let file =
            GgufFile::open(&golden(&self.file)).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert!(embedders::is_embedder(&file), "{} says how it pools", self.name);
        embedders::load(&file, compute).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn texts(&self) -> Vec<&[u32]> {
        self.token_ids.iter().map(Vec::as_slice).collect()
    }

    /// One vector for each text.
    fn expected(&self) -> Vec<f32> {
        let bytes = std::fs::read(golden(&self.vectors)).expect("golden vectors are part of the repository");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let data = tensors.tensor("vectors").expect("the tensor is there").data().to_vec();
        data.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
    }
}

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

fn cases() -> Vec<Case> {
    let text =
        std::fs::read_to_string(golden("embeddings.json")).expect("the list is part of the repository");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("the list has the expected fields");
    assert!(cases.len() >= 5, "every kind of model is there");
    cases
}

fn embed(model: &mut Embedder, texts: &[&[u32]]) -> Vec<f32> {
    let mut vectors = vec![7.0; 3];
    model.embed(texts, &mut vectors).expect("the texts pass");
    assert_eq!(vectors.len(), texts.len() * model.dimensions());
    vectors
}

fn assert_near(case: &Case, found: &[f32], tolerance: f32) {
    let expected = case.expected();
    assert_eq!(found.len(), expected.len(), "{}", case.name);
    let off = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = found.iter().zip(&expected).map(off).fold(0.0, f32::max);
    println!("{}: off by {worst:.1e}", case.name);
    assert!(worst < tolerance, "{}: vectors are off by {worst:.1e}", case.name);
}

#[test]
fn vectors_are_the_golden_ones() {
    for case in cases() {
        let mut model = case.load(Compute::kernels(2));
        assert_near(&case, &embed(&mut model, &case.texts()), 2e-6);
    }
}

#[test]
fn devices_give_them_too() {
    for case in cases() {
        let mut model = case.load(Compute::tensors(Device::Cpu));
        assert_near(&case, &embed(&mut model, &case.texts()), 4e-6);
    }
}

#[test]
fn a_vector_does_not_depend_on_other_texts_or_on_threads() {
    for case in cases() {
        let together = embed(&mut case.load(Compute::kernels(1)), &case.texts());
        let mut model = case.load(Compute::kernels(3));
        // More texts than pass at once, in another order.
        let many: Vec<&[u32]> = case.texts().into_iter().rev().cycle().take(23).collect();
        let among_many = embed(&mut model, &many);
        let vectors = together.chunks_exact(model.dimensions());
        for (i, (text, vector)) in case.texts().into_iter().zip(vectors).enumerate() {
            assert_eq!(embed(&mut model, &[text]), vector, "{}: text {i} alone", case.name);
            let at = (case.token_ids.len() - 1 - i) * model.dimensions();
            assert_eq!(
                &among_many[at..at + model.dimensions()],
                vector,
                "{}: text {i} among many",
                case.name
            );
        }
    }
}

#[test]
fn what_cannot_pass_is_refused() {
    let mut model = cases()[0].load(Compute::kernels(1));
    let most = model.config().context_length;
    let mut attempt = |text: &[u32]| model.embed(&[&[2, 9, 3], text], &mut Vec::new());
    assert!(attempt(&vec![9; most]).is_ok());
    for text in [vec![], vec![9; most + 1]] {
        let error = attempt(&text).expect_err("no text of this length can pass").to_string();
        assert!(error.contains(&format!("{} tokens; 1 to {most}", text.len())), "{error}");
    }
    assert!(attempt(&[100_000]).is_err(), "there is no such token");
}

#[test]
fn models_that_generate_are_no_embedders() {
    let open = |name: &str| GgufFile::open(&golden(name)).expect("a golden file");
    let llama = open("models/llama_tied-F32.gguf");
    assert!(!embedders::is_embedder(&llama));
    let Err(error) = embedders::load(&llama, Compute::kernels(1)) else {
        panic!("llama has no rule that makes one vector of many")
    };
    assert!(matches!(&error, ModelError::NotAnEmbedder { found, .. } if found == "llama"), "{error}");
    let Err(error) = embedders::load(&open("models/qwen3-F32.gguf"), Compute::kernels(1)) else {
        panic!("a Qwen3 for chats says nothing of pooling")
    };
    assert!(error.to_string().contains("qwen3.pooling_type"), "{error}");
}
