//! Pictures against golden vectors: a file of a picture, the pixels that the model's own processor makes of it, and what its
//! vision encoder makes of those. The data and its origin are described in `golden/README.md`.

use std::path::PathBuf;

use lantern_engine::Picture;
use lantern_gguf::{GgufFile, GgufWriter, Value};
use lantern_models::vision::{self, Projector, VisionEncoder};

fn golden(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(file)
}

fn open() -> GgufFile {
    GgufFile::open(&golden("vision/mmproj-gemma3-F32.gguf"))
        .expect("the golden file is part of the repository")
}

fn encoder(threads: usize) -> Box<dyn VisionEncoder> {
    vision::load(&open(), threads).expect("the golden encoder loads")
}

/// A tensor of the golden results.
fn expected(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(golden("vision/mmproj-gemma3-F32.safetensors")).expect("golden results");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let data = tensors.tensor(name).expect("the tensor is there").data().to_vec();
    data.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
}

fn picture() -> Picture {
    let bytes = std::fs::read(golden("vision/waves.png")).expect("the picture is part of the repository");
    Picture::decode(&bytes).expect("a picture")
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_picture_becomes_the_pixels_of_the_model_s_processor() {
    let (pixels, target) = picture().prepared(encoder(1).as_ref()).expect("prepared");
    assert_eq!((picture().size(), target), ([150, 100], [56, 56]));
    let off = furthest(&pixels, &expected("pixels"));
    println!("pixels: {off:.1e}");
    assert!(off < 1e-6, "{off}: every number of 8 bits is the same");
}

#[test]
fn pixels_become_the_golden_vectors() {
    let mut encoder = encoder(2);
    assert_eq!((encoder.projector(), encoder.levels()), (Projector::Gemma3, 0));
    assert_eq!((encoder.grid([56, 56]), encoder.width()), ([2, 2], 48));
    let found = encoder.encode(&expected("pixels"), [56, 56]).expect("encoded");
    let golden = expected("embeddings");
    assert!(golden.iter().any(|x| x.abs() > 0.5), "vectors that are worth comparing");
    let off = furthest(&found, &golden);
    println!("vectors: {off:.1e}");
    assert!(off < 1e-4, "{off}");
    let again = encoder.encode(&expected("pixels"), [56, 56]).expect("encoded");
    assert_eq!(again, found, "again, in the same memory");
}

#[test]
fn a_file_of_a_picture_becomes_the_golden_vectors() {
    let mut encoder = encoder(1);
    let (pixels, target) = picture().prepared(encoder.as_ref()).expect("prepared");
    let off = furthest(&encoder.encode(&pixels, target).expect("encoded"), &expected("embeddings"));
    println!("from the file: {off:.1e}");
    assert!(off < 1e-4, "{off}");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let error = encoder(1).encode(&[0.0; 100], [56, 56]).expect_err("too few pixels");
    assert!(error.to_string().contains("56 by 56"), "{error}");
    let error = encoder(1).encode(&[0.0; 300], [10, 10]).expect_err("another size");
    assert!(error.to_string().contains("10 by 10"), "{error}");
    let error = encoder(1).target([0, 5]).expect_err("a picture without pixels");
    assert_eq!(error.code(), "bad_picture");
    let with = |change: &dyn Fn(&mut GgufWriter)| {
        let mut writer = GgufWriter::copy_of(&open()).expect("a copy");
        change(&mut writer);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("changed.gguf");
        std::fs::write(&path, writer.finish()).expect("written");
        vision::load(&GgufFile::open(&path).expect("a file"), 1).map(|_| ()).expect_err("it is refused")
    };
    let set = |key: &'static str, value: Value| {
        with(&move |writer: &mut GgufWriter| writer.metadata.set(key, value.clone()))
    };
    let refusals = [
        (
            set("clip.projector_type", Value::String("other".into())),
            "bad_hyper_parameter",
            "gemma3 is supported",
        ),
        (set("clip.vision.patch_size", Value::U32(9)), "bad_hyper_parameter", "patches of 9"),
        (set("clip.vision.attention.head_count", Value::U32(5)), "bad_hyper_parameter", "5 heads"),
        (set("clip.vision.projector.scale_factor", Value::U32(3)), "bad_hyper_parameter", "squares of 3"),
        (set("clip.vision.something", Value::U32(1)), "unknown_hyper_parameter", "something"),
        (set("general.architecture", Value::String("llama".into())), "unknown_architecture", "clip"),
        (with(&|writer| writer.remove_tensor("v.blk.1.ln2.bias")), "missing_tensor", "v.blk.1.ln2.bias"),
    ];
    for (error, code, words) in refusals {
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error} says nothing of {words}");
    }
}
