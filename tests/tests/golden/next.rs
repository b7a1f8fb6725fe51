//! Heads that predict further tokens, against an independent computation of them (`golden/tools/mtp.py`).

use lantern_models::{ModelBytes, Placement, Predictor};

use super::*;

/// What a head must say.
struct Expected {
    /// Logits behind every token but the last.
    first: Vec<Vec<f32>>,
    /// Positions, and what the head guesses behind each by going on, with its lead over the runner-up.
    guesses: Vec<(usize, Vec<(u32, f32)>)>,
}

impl Expected {
    fn read(case: &Case) -> Self {
        let path = golden("mtp").join(format!("{}.safetensors", case.label()));
        let bytes = std::fs::read(path).expect("part of the repository");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let data = |name| tensors.tensor(name).expect("the tensor is there").data().to_vec();
        let floats = |name| -> Vec<f32> {
            data(name).as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
        };
        let whole = |name| -> Vec<usize> {
            data(name).as_chunks::<8>().0.iter().map(|&raw| i64::from_le_bytes(raw) as usize).collect()
        };
        let (tokens, leads) = (whole("guesses"), floats("leads"));
        let each = tokens.len() / whole("positions").len();
        let guesses = tokens.into_iter().map(|token| token as u32).zip(leads).collect::<Vec<_>>();
        Expected {
            first: floats("first").chunks_exact(512).map(<[f32]>::to_vec).collect(),
            guesses: whole("positions")
                .into_iter()
                .zip(guesses.chunks_exact(each).map(<[_]>::to_vec))
                .collect(),
        }
    }
}

/// A model with a head, and what it read.
struct Reader<'a> {
    model: &'a dyn CausalLm,
    kv: KvCache,
    seq: Sequence,
}

impl<'a> Reader<'a> {
    fn new(model: &'a dyn CausalLm) -> Self {
        Self::with(model, cache(model, KvType::F32))
    }

    fn with(model: &'a dyn CausalLm, kv: KvCache) -> Self {
        Reader { model, kv, seq: Sequence::new(model, [7, 2, 19, 0, 11, 23]) }
    }

    /// Runs the head over `tokens`, which came behind the positions from `start` on, and the hidden rows from `first` on.
    fn predict(&mut self, tokens: &[u32], start: usize, first: u32) -> Vec<Vec<f32>> {
        let mut batch = ForwardBatch::default();
        batch.push(tokens, start, self.seq.tables.iter().take(1).map(Vec::as_slice), BLOCK);
        batch.logit_rows.extend(0..tokens.len() as u32);
        let rows: Vec<u32> = (first..first + tokens.len() as u32).collect();
        let mut logits = Vec::new();
        self.model.predict(&batch, &rows, &mut self.kv, &mut logits).expect("the head runs");
        logits.chunks_exact(512).map(<[f32]>::to_vec).collect()
    }

    /// Reads the next `rows` of `ids`; gives the head's logits behind all of them but the last token.
    fn read(&mut self, ids: &[u32], rows: usize) -> Vec<Vec<f32>> {
        let start = self.seq.fed;
        let mut batch = ForwardBatch { keeps_hidden: true, ..ForwardBatch::default() };
        push(&mut batch, &mut self.seq, &ids[start..start + rows]);
        forward(self.model, &batch, &mut self.kv);
        let next = &ids[start + 1..ids.len().min(start + rows + 1)];
        if next.is_empty() { Vec::new() } else { self.predict(next, start, 0) }
    }
}

fn heads() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.name.contains("mtp"))
}

#[test]
fn heads_say_what_they_must() {
    for case in heads() {
        let (expected, ids) = (Expected::read(&case), case.ids());
        for compute in [Compute::kernels(2), Compute::tensors(Device::Cpu)] {
            let model = case.load(compute);
            assert_eq!(model.predicts(), Some(Predictor::Head));
            let found = Reader::new(&*model).read(&ids, ids.len());
            assert_eq!(found.len(), expected.first.len());
            let pairs = found.iter().zip(&expected.first);
            let worst = pairs.map(|(a, b)| max_abs_difference(a, b)).fold(0.0, f32::max);
            println!("{}: the head's max |difference| is {worst:.1e}", case.label());
            assert!(worst <= case.tolerance.f32_math_max_abs, "{worst}");
        }
    }
}

#[test]
fn heads_compute_beside_a_device() {
    for case in heads() {
        let (expected, ids) = (Expected::read(&case), case.ids());
        let n = registry::config(&case.open()).expect("the golden model is supported").n_layers;
        let headless = Placement { device_head: false, ..Placement::last(n, n) };
        for placement in [Placement::host(n), Placement::last(n, 1), Placement::last(n, n), headless] {
            let split = Split::new(Compute::kernels(2), Compute::tensors(Device::Cpu), placement);
            let split = split.expect("kernels and a device");
            let model = case.load(split.clone());
            let layout = &model.config().kv_layout;
            let kv = KvCache::for_split(layout, &blocks(&*model), BLOCK, KvType::F32, &split);
            let found = Reader::with(&*model, kv.expect("a small cache")).read(&ids, ids.len());
            let pairs = found.iter().zip(&expected.first);
            let worst = pairs.map(|(a, b)| max_abs_difference(a, b)).fold(0.0, f32::max);
            assert!(worst <= case.tolerance.f32_math_max_abs, "{worst}, {placement:?}");
        }
    }
}

#[test]
fn a_head_goes_where_the_last_block_goes() {
    for case in heads() {
        let file = case.open();
        let config = registry::config(&file).expect("the golden model is supported");
        let bytes = ModelBytes::of(&file, &config, KvType::F16, |_| 10);
        let last = format!("blk.{}.", config.n_layers - 1);
        let head = format!("blk.{}.", config.n_layers);
        let tensors = file.tensors().values();
        let both = tensors.filter(|tensor| tensor.name.starts_with(&last) || tensor.name.starts_with(&head));
        let both: u64 = both.filter_map(|tensor| tensor.byte_len()).sum();
        let block = bytes.blocks.last().expect("a block");
        assert_eq!(block.shared.host, both);
        // Keys and values of two layers of attention, ten tokens each.
        assert_eq!(block.kv, 2 * 10 * 2 * 64 * 2);
    }
}

#[test]
fn steps_change_no_bit_of_what_a_head_says() {
    for case in heads() {
        let (model, ids) = (case.load(Compute::kernels(2)), case.ids());
        let whole = Reader::new(&*model).read(&ids, ids.len());
        for chunk in [1, 7, 40] {
            let mut reader = Reader::new(&*model);
            let mut parts = Vec::new();
            while reader.seq.fed < ids.len() {
                parts.extend(reader.read(&ids, chunk.min(ids.len() - reader.seq.fed)));
            }
            assert!(parts == whole, "{} in chunks of {chunk}", case.label());
        }
        // What is kept for the head changes nothing for the model.
        let mut kept = ForwardBatch { keeps_hidden: true, ..ForwardBatch::default() };
        push(&mut kept, &mut Sequence::new(&*model, 0..6), &ids);
        kept.logit_rows = vec![3, 71];
        let found = forward(&*model, &kept, &mut cache(&*model, KvType::F32));
        let plain = logits_in_chunks(&*model, &ids, &[ids.len()], KvType::F32);
        assert!(found == [plain[3].clone(), plain[71].clone()]);
    }
}

#[test]
fn a_head_goes_on_over_its_own_guesses() {
    for case in heads() {
        let (model, ids) = (case.load(Compute::kernels(2)), case.ids());
        for (position, guesses) in Expected::read(&case).guesses {
            let mut reader = Reader::new(&*model);
            let logits = reader.read(&ids[..position + 2], position + 1);
            // What the head made of its last row comes first in what follows.
            let mut best = argmax(&logits[position]);
            let mut row = position as u32;
            for (step, &(expected, lead)) in guesses.iter().enumerate() {
                if step > 0 {
                    best = argmax(&reader.predict(&[best], position + step, row)[0]);
                    row = 0;
                }
                assert!(best == expected || lead < 0.01, "{}: guess {step} behind {position}", case.label());
                if best != expected {
                    break;
                }
            }
        }
    }
}

/// The model and its assistant.
fn assisted(split: &Split) -> (Case, Box<dyn CausalLm>) {
    let case = case("gemma4_assisted", "F32");
    let mut model = case.load(split.clone());
    assert_eq!(model.predicts(), None);
    let file =
        GgufFile::open(&golden("models/gemma4_assisted_assistant-F32.gguf")).expect("a golden assistant");
    assert!(registry::is_assistant(&file) && registry::config(&file).is_err());
    model.attach(&file, split).expect("it is for this model");
    assert_eq!(model.predicts(), Some(Predictor::Assistant));
    (case, model)
}

#[test]
fn an_assistant_says_what_it_must() {
    let n = 4;
    let devices = [Placement::host(n), Placement::last(n, 2), Placement::last(n, n)].map(|placement| {
        Split::new(Compute::kernels(2), Compute::tensors(Device::Cpu), placement)
            .expect("kernels and a device")
    });
    for split in devices.into_iter().chain([Compute::kernels(2).into(), Compute::tensors(Device::Cpu).into()])
    {
        let (case, model) = assisted(&split);
        let (expected, ids) = (Expected::read(&case), case.ids());
        let layout = &model.config().kv_layout;
        let kv = KvCache::for_split(layout, &blocks(&*model), BLOCK, KvType::F32, &split);
        let mut reader = Reader::with(&*model, kv.expect("a small cache"));
        let mut worst = 0f32;
        for (index, (position, guesses)) in expected.guesses.iter().enumerate() {
            // Up to the position, of whose last row what the model made is kept.
            let mut batch = ForwardBatch { keeps_hidden: true, ..ForwardBatch::default() };
            let next = reader.seq.fed;
            push(&mut batch, &mut reader.seq, &ids[next..=*position]);
            forward(&*model, &batch, &mut reader.kv);
            let (mut token, mut row) = (ids[position + 1], (batch.rows() - 1) as u32);
            for (step, &(guess, lead)) in guesses.iter().enumerate() {
                let mut batch = ForwardBatch::default();
                batch.push(&[token], *position, reader.seq.tables.iter().map(Vec::as_slice), BLOCK);
                batch.logit_rows = vec![0];
                let mut logits = Vec::new();
                model.predict(&batch, &[row], &mut reader.kv, &mut logits).expect("it predicts");
                if step == 0 {
                    worst = worst.max(max_abs_difference(&logits, &expected.first[index]));
                }
                (token, row) = (argmax(&logits), 0);
                assert!(
                    token == guess || lead < 0.01,
                    "guess {step} behind {position}: {token}, not {guess}"
                );
                if token != guess {
                    break;
                }
            }
        }
        println!("{}: the assistant's max |difference| is {worst:.1e}", case.label());
        assert!(worst <= case.tolerance.f32_math_max_abs, "{worst}");
    }
}

#[test]
fn an_assistant_of_another_model_is_refused() {
    let file =
        GgufFile::open(&golden("models/gemma4_assisted_assistant-F32.gguf")).expect("a golden assistant");
    let split = Split::from(Compute::kernels(1));
    for (name, words) in
        [("gemma4_dense", "it is for models of width 48"), ("qwen3", "of the Gemma 4 family")]
    {
        let mut model = case(name, "Q8_0").load(split.clone());
        let error = model.attach(&file, &split).expect_err("it is for another model");
        assert_eq!(error.code(), "wrong_assistant");
        assert!(error.to_string().contains(words), "{error}");
    }
}
