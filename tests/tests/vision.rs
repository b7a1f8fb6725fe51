//! Pictures against golden vectors: a file of a picture, the pixels that the model's own processor makes of it, and what its
//! vision encoder makes of those. The data and its origin are described in `golden/README.md`.

use std::path::PathBuf;

use lantern_engine::Picture;
use lantern_gguf::{Array, GgufFile, GgufWriter, Value};
use lantern_models::ModelError;
use lantern_models::vision::{self, Projector, VisionEncoder};

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

/// The golden encoders.
const CASES: [&str; 4] = ["gemma3", "gemma4", "qwen3vl", "qwen35"];
/// A picture that is wider than high, and one that is higher than wide.
const PICTURES: [&str; 2] = ["waves", "bands"];

fn open(case: &str) -> GgufFile {
    GgufFile::open(&golden(&format!("vision/mmproj-{case}-F32.gguf")))
        .expect("the golden file is part of the repository")
}

fn encoder(case: &str, threads: usize) -> Box<dyn VisionEncoder> {
    vision::load(&open(case), threads).expect("the golden encoder loads")
}

/// The shape and the bytes of a tensor of the golden results.
fn expected(case: &str, name: &str) -> (Vec<usize>, Vec<u8>) {
    let file = golden(&format!("vision/mmproj-{case}-F32.safetensors"));
    let bytes = std::fs::read(file).expect("golden results");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensor = tensors.tensor(name).expect("the tensor is there");
    (tensor.shape().to_vec(), tensor.data().to_vec())
}

fn expected_vectors(case: &str, picture: &str) -> Vec<f32> {
    let (_, data) = expected(case, &format!("{picture}.embeddings"));
    data.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
}

/// What the model's processor makes of a picture, and the size of that.
fn expected_pixels(case: &str, picture: &str) -> (Vec<f32>, [usize; 2]) {
    let (shape, numbers) = expected(case, &format!("{picture}.pixels"));
    let encoder = encoder(case, 1);
    let colours = encoder.colours();
    let channels = numbers.chunks_exact(shape[1] * shape[2]).zip(colours.mean.iter().zip(&colours.deviation));
    let pixels = channels.flat_map(|(channel, (mean, deviation))| {
        channel.iter().map(move |&number| (f32::from(number) / 255.0 - mean) / deviation)
    });
    (pixels.collect(), [shape[2], shape[1]])
}

fn picture(name: &str) -> Picture {
    let file = golden(&format!("vision/{name}.png"));
    Picture::decode(&std::fs::read(file).expect("the picture is part of the repository")).expect("a picture")
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_picture_becomes_the_pixels_of_the_model_s_processor() {
    for case in CASES {
        for name in PICTURES {
            let (pixels, target) = picture(name).prepared(encoder(case, 1).as_ref()).expect("prepared");
            let (golden, size) = expected_pixels(case, name);
            assert_eq!(target, size, "{case}: {name}");
            let off = furthest(&pixels, &golden);
            assert!(off < 1e-6, "{case}: {name} by {off}: every number of 8 bits is the same");
        }
    }
}

#[test]
fn pictures_are_stretched_to_the_size_that_the_model_s_processor_chooses() {
    for case in CASES {
        let encoder = encoder(case, 1);
        let (_, data) = expected(case, "sizes");
        let numbers: Vec<usize> =
            data.as_chunks::<4>().0.iter().map(|&raw| u32::from_le_bytes(raw) as usize).collect();
        for row in numbers.chunks_exact(4) {
            let found = encoder.target([row[0], row[1]]);
            match row[2..] {
                [0, 0] => {
                    assert_eq!(found.expect_err("it is refused").code(), "bad_picture", "{case}: {row:?}")
                }
                _ => assert_eq!(found.expect("it is taken"), row[2..], "{case}: {row:?}"),
            }
        }
    }
}

#[test]
fn pixels_become_the_golden_vectors() {
    for case in CASES {
        let mut encoder = encoder(case, 2);
        for name in PICTURES {
            let (pixels, size) = expected_pixels(case, name);
            let found = encoder.encode(&pixels, size).expect("encoded");
            let [across, down] = encoder.grid(size);
            assert_eq!(found.len(), across * down * (1 + encoder.levels()) * encoder.width(), "{case}");
            let golden = expected_vectors(case, name);
            assert!(golden.iter().any(|x| x.abs() > 0.5), "vectors that are worth comparing");
            let off = furthest(&found, &golden);
            println!("{case}: {name}: {off:.1e}");
            assert!(off < 1e-4, "{case}: {name} by {off}");
        }
        let (pixels, size) = expected_pixels(case, PICTURES[0]);
        let [first, again] = [0, 1].map(|_| encoder.encode(&pixels, size).expect("encoded"));
        assert_eq!(first, again, "{case}: again, behind another picture");
    }
}

#[test]
fn a_file_of_a_picture_becomes_the_golden_vectors() {
    for case in CASES {
        let mut encoder = encoder(case, 1);
        let (pixels, target) = picture("bands").prepared(encoder.as_ref()).expect("prepared");
        let found = encoder.encode(&pixels, target).expect("encoded");
        let off = furthest(&found, &expected_vectors(case, "bands"));
        assert!(off < 1e-4, "{case}: {off}");
    }
}

#[test]
fn encoders_say_what_they_give() {
    let given = CASES.map(|case| {
        let encoder = encoder(case, 1);
        let (_, size) = expected_pixels(case, "waves");
        (encoder.projector(), size, encoder.grid(size), encoder.width(), encoder.levels())
    });
    assert_eq!(given[0], (Projector::Gemma3, [56, 56], [2, 2], 48, 0));
    assert_eq!(given[1], (Projector::Gemma4, [120, 78], [20, 13], 16, 0));
    assert_eq!(given[2], (Projector::Qwen3Vl, [152, 96], [19, 12], 16, 2));
    assert_eq!(given[3], (Projector::Qwen3Vl, [152, 96], [19, 12], 16, 0));
}

/// Why a file is refused after a change.
fn refusal(case: &str, change: &dyn Fn(&mut GgufWriter)) -> ModelError {
    changed(case, change).map(|_| ()).expect_err("it is refused")
}

fn changed(case: &str, change: &dyn Fn(&mut GgufWriter)) -> Result<Box<dyn VisionEncoder>, ModelError> {
    let mut writer = GgufWriter::copy_of(&open(case)).expect("a copy");
    change(&mut writer);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("changed.gguf");
    std::fs::write(&path, writer.finish()).expect("written");
    vision::load(&GgufFile::open(&path).expect("a file"), 1)
}

#[test]
fn pixels_that_do_not_fit_are_refused() {
    for case in CASES {
        let mut encoder = encoder(case, 1);
        let (pixels, [width, height]) = expected_pixels(case, "waves");
        let error = encoder.encode(&pixels[1..], [width, height]).expect_err("too few pixels");
        assert!(error.to_string().contains(&format!("{width} by {height}")), "{error}");
        for size in [[width - 1, height], [10, 10], [0, 0], [width, 0], [height * 1000, 1000 * width]] {
            assert_eq!(encoder.encode(&pixels, size).expect_err("another size").code(), "bad_batch");
        }
        let error = encoder.target([0, 5]).expect_err("a picture without pixels");
        assert_eq!(error.code(), "bad_picture");
        assert!(error.to_string().contains("0 by 5") && !error.next_step().is_empty(), "{error}");
    }
}

#[test]
fn what_a_file_need_not_have_is_not_missed() {
    let plain = changed("gemma4", &|writer| {
        for name in ["v.std_bias", "v.std_scale", "v.blk.1.attn_q.input_max", "v.blk.0.ffn_down.output_min"] {
            writer.remove_tensor(name);
        }
    });
    let (pixels, size) = expected_pixels("gemma4", "bands");
    let vectors = plain.expect("it loads").encode(&pixels, size).expect("encoded");
    let off = furthest(&vectors, &expected_vectors("gemma4", "bands"));
    assert!(off > 0.1, "what was taken away had changed nothing");
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let set = |case: &str, key: &'static str, value: Value| {
        refusal(case, &move |writer: &mut GgufWriter| writer.metadata.set(key, value.clone()))
    };
    let remove = |case: &str, tensor: &str| refusal(case, &|writer| writer.remove_tensor(tensor));
    let bad = "bad_hyper_parameter";
    let refusals = [
        (set("gemma3", "clip.projector_type", Value::String("other".into())), bad, "gemma3"),
        (set("gemma4", "clip.vision.projector_type", Value::String("other".into())), bad, "gemma4v"),
        (set("gemma3", "clip.vision.patch_size", Value::U32(9)), bad, "patches of 9"),
        (set("gemma3", "clip.vision.attention.head_count", Value::U32(5)), bad, "5 heads"),
        (set("gemma3", "clip.vision.projector.scale_factor", Value::U32(3)), bad, "squares of 3"),
        (set("gemma4", "clip.vision.attention.head_count", Value::U32(16)), bad, "two axes"),
        (set("gemma4", "clip.vision.projector.scale_factor", Value::U32(99)), bad, "scale_factor"),
        (
            set("gemma4", "clip.vision.image_std", Value::Array(Array::F32(vec![1.0, 0.0, 1.0]))),
            bad,
            "image_std",
        ),
        (set("qwen3vl", "clip.vision.spatial_merge_size", Value::U32(0)), bad, "spatial_merge_size"),
        (set("qwen3vl", "clip.vision.block_count", Value::U32(2)), bad, "is_deepstack_layers"),
        (set("qwen3vl", "clip.has_vision_encoder", Value::Bool(false)), bad, "has_vision_encoder"),
        (set("gemma3", "clip.vision.something", Value::U32(1)), "unknown_hyper_parameter", "something"),
        (set("gemma4", "clip.has_audio_encoder", Value::Bool(false)), "unknown_hyper_parameter", "audio"),
        (
            set("gemma3", "general.architecture", Value::String("llama".into())),
            "unknown_architecture",
            "clip",
        ),
        (remove("gemma3", "v.blk.1.ln2.bias"), "missing_tensor", "v.blk.1.ln2.bias"),
        (remove("gemma4", "v.std_bias"), "missing_tensor", "v.std_bias"),
        (remove("qwen3vl", "v.deepstack.2.fc1.weight"), "missing_tensor", "v.deepstack.2.fc1.weight"),
        (set("gemma4", "clip.vision.patch_size", Value::U32(4)), "wrong_tensor_shape", "v.patch_embd.weight"),
        (set("qwen35", "clip.vision.spatial_merge_size", Value::U32(1)), "wrong_tensor_shape", "mm.0.weight"),
    ];
    for (error, code, words) in refusals {
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error} says nothing of {words}");
    }
}
