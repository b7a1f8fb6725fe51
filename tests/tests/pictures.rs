//! Pictures among tokens against golden logits: decoders that are given a golden encoder's vectors in the places of parts.
//! The data and its origin are described in `golden/README.md`.

use std::path::PathBuf;
use std::sync::Arc;

use lantern_gguf::GgufFile;
use lantern_models::{
    CausalLm, Compute, Device, EncodedPicture, ForwardBatch, KvCache, KvType, PlacedPicture, Split, registry,
};
use serde::Deserialize;

const BLOCK: usize = 16;
const TOLERANCE: f32 = 2e-3;

/// One model.
#[derive(Deserialize)]
struct Case {
    name: String,
    prompt_tokens: usize,
    pictures: Vec<Placed>,
}

/// Where a picture stands in its prompt.
#[derive(Deserialize)]
struct Placed {
    start: usize,
    grid: [usize; 2],
}

/// What is expected of it, and what it is given.
struct Golden {
    tokens: Vec<u32>,
    logits: Vec<Vec<f32>>,
    pictures: Vec<PlacedPicture>,
}

fn golden(file: &str) -> PathBuf {
    lantern_golden::path("pictures").join(file)
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(golden("pictures.json")).expect("the list is part of the repository");
    serde_json::from_str(&text).expect("the list has the expected fields")
}

impl Case {
    fn load(&self, split: impl Into<Split>) -> Box<dyn CausalLm> {
        let file = GgufFile::open(&golden(&format!("{}-F32.gguf", self.name))).expect("a golden model");
        let split = split.into().for_context(16 * BLOCK);
        registry::load_with(&file, split).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn read(&self, model: &dyn CausalLm) -> Golden {
        let bytes = std::fs::read(golden(&format!("{}-F32.safetensors", self.name))).expect("golden results");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let data = |name: &str| tensors.tensor(name).expect("the tensor is there").data().to_vec();
        let floats = |name: &str| -> Vec<f32> {
            data(name).as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
        };
        let ids = data("token_ids");
        let ids = ids.as_chunks::<8>().0.iter().map(|&raw| i64::from_le_bytes(raw) as u32);
        let together = model.config().pictures.together;
        let place = |(index, placed): (usize, &Placed)| {
            let vectors = floats(&format!("picture{index}"));
            let picture = Arc::new(EncodedPicture { grid: placed.grid, vectors, together });
            PlacedPicture { start: placed.start, picture }
        };
        Golden {
            tokens: ids.collect(),
            logits: floats("logits").chunks_exact(model.config().vocab_size).map(<[f32]>::to_vec).collect(),
            pictures: self.pictures.iter().enumerate().map(place).collect(),
        }
    }
}

impl Golden {
    fn is_picture(&self, row: usize) -> bool {
        self.pictures.iter().any(|picture| (picture.start..picture.end()).contains(&row))
    }

    /// Where pieces may end that have at most `most` rows: pictures whose parts see each other stay whole and alone.
    fn pieces(&self, most: usize) -> Vec<usize> {
        let (mut ends, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            let whole = self.pictures.iter().find(|p| p.picture.together && p.end() > at);
            at = match whole {
                Some(picture) if picture.start == at => picture.end(),
                Some(picture) => picture.start.min(at + most),
                None => self.tokens.len().min(at + most),
            };
            ends.push(at);
        }
        ends
    }

    /// The logits behind every token of the text, in pieces of at most so many rows.
    fn run(&self, model: &dyn CausalLm, most: usize, mut kv: KvCache) -> Vec<(usize, Vec<f32>)> {
        let table: Vec<u32> = (0..16).rev().collect();
        let (mut found, mut start) = (Vec::new(), 0);
        for end in self.pieces(most) {
            let mut batch = ForwardBatch::default();
            let tables = model.config().kv_layout.groups().into_iter().map(|_| table.as_slice());
            batch.push_with_pictures(&self.tokens[start..end], start, tables, BLOCK, &self.pictures);
            let text: Vec<usize> = (start..end).filter(|&row| !self.is_picture(row)).collect();
            batch.logit_rows = text.iter().map(|row| (row - start) as u32).collect();
            let mut logits = Vec::new();
            model.forward(&batch, &mut kv, &mut logits).expect("the batch runs");
            let rows = logits.chunks_exact(model.config().vocab_size).map(<[f32]>::to_vec);
            found.extend(text.into_iter().zip(rows));
            start = end;
        }
        found
    }
}

fn cache(model: &dyn CausalLm) -> KvCache {
    let layout = &model.config().kv_layout;
    let blocks = vec![16; layout.groups().len()];
    KvCache::new(layout, &blocks, BLOCK, KvType::F32, &Device::Cpu).expect("a small cache")
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The largest difference of any logit; the greedy answer must be the same.
fn compare(case: &Case, golden: &Golden, found: &[(usize, Vec<f32>)]) -> f32 {
    let mut off = 0.0f32;
    for (row, logits) in found {
        off = off.max(furthest(logits, &golden.logits[*row]));
        if (case.prompt_tokens - 1..golden.tokens.len() - 1).contains(row) {
            let best = (0..511).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("a token");
            assert_eq!(best as u32, golden.tokens[row + 1], "{} at {row}", case.name);
        }
    }
    off
}

#[test]
fn words_around_pictures_have_the_golden_logits() {
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        let golden = case.read(&*model);
        let whole = golden.run(&*model, 1000, cache(&*model));
        let off = compare(&case, &golden, &whole);
        println!("{}: {off:.1e}", case.name);
        assert!(off < TOLERANCE, "{}: {off}", case.name);
        for most in [1, 7] {
            assert!(golden.run(&*model, most, cache(&*model)) == whole, "{}: in pieces of {most}", case.name);
        }
        assert!(whole.iter().any(|(row, _)| *row > golden.pictures[1].end()), "words behind pictures");
    }
}

#[test]
fn candle_operations_see_the_same_pictures() {
    for case in cases() {
        let model = case.load(Compute::tensors(Device::Cpu));
        let golden = case.read(&*model);
        let off = compare(&case, &golden, &golden.run(&*model, 20, cache(&*model)));
        println!("{}: {off:.1e}", case.name);
        assert!(off < TOLERANCE, "{}: {off}", case.name);
    }
}

#[test]
fn pictures_matter() {
    for case in cases() {
        let model = case.load(Compute::kernels(1));
        let mut golden = case.read(&*model);
        let whole = golden.run(&*model, 1000, cache(&*model));
        let other = Arc::clone(&golden.pictures[1].picture);
        if other.parts() != golden.pictures[0].picture.parts() {
            let mut vectors = golden.pictures[0].picture.vectors.clone();
            vectors.reverse();
            let picture = EncodedPicture { vectors, ..(*golden.pictures[0].picture).clone() };
            golden.pictures[0].picture = Arc::new(picture);
        } else {
            golden.pictures[0].picture = other;
        }
        let changed = golden.run(&*model, 1000, cache(&*model));
        let last = |rows: &[(usize, Vec<f32>)]| rows.last().expect("rows").1.clone();
        assert!(furthest(&last(&whole), &last(&changed)) > 0.05, "{}", case.name);
    }
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let case = &cases()[0];
    let model = case.load(Compute::kernels(1));
    let golden = case.read(&*model);
    let attempt = |change: &dyn Fn(&mut PlacedPicture), logit_row: Option<u32>| {
        let mut picture = golden.pictures[0].clone();
        change(&mut picture);
        let mut batch = ForwardBatch::default();
        let tables = model.config().kv_layout.groups().into_iter().map(|_| &[0u32, 1, 2][..]);
        batch.push_with_pictures(&golden.tokens[..40], 0, tables, BLOCK, &[picture]);
        batch.logit_rows.extend(logit_row);
        let error = model.forward(&batch, &mut cache(&*model), &mut Vec::new()).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let shorter = |picture: &mut PlacedPicture| {
        let vectors = picture.picture.vectors[1..].to_vec();
        picture.picture = Arc::new(EncodedPicture { vectors, ..(*picture.picture).clone() });
    };
    assert!(attempt(&shorter, None).contains("a picture of 16 parts has"));
    assert!(attempt(&|_| {}, Some(10)).contains("part of a picture"));
    let last = golden.tokens.len();
    assert!(attempt(&|picture| picture.start = last, None).is_empty(), "it is not there");
}
