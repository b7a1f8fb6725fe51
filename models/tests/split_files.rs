//! Models that are split over several files: the same bits as from one file, and packed copies that notice a changed piece.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{golden, logits};
use lantern_gguf::{GgufFile, GgufWriter, TensorInfo, Value};
use lantern_models::registry::{self, PackedCopy};
use lantern_models::{Compute, PackedCopies, fingerprint};

const COUNT: usize = 4;

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("model-{number:05}-of-{COUNT:05}.gguf"))
}

/// Writes a model as llama.cpp splits one: all metadata in the first piece, which here has no tensors.
fn split(model: &GgufFile, folder: &Path) {
    let tensors: Vec<&TensorInfo> = model.tensors().values().collect();
    let mut parts: Vec<&[&TensorInfo]> = vec![&[]];
    parts.extend(tensors.chunks(tensors.len().div_ceil(COUNT - 1)));
    assert_eq!(parts.len(), COUNT);
    for (no, part) in parts.into_iter().enumerate() {
        let mut writer = GgufWriter::new();
        if no == 0 {
            writer.metadata = model.metadata().clone();
        }
        writer.metadata.set("split.no", Value::U16(no as u16));
        writer.metadata.set("split.count", Value::U16(COUNT as u16));
        writer.metadata.set("split.tensors.count", Value::I32(tensors.len() as i32));
        for tensor in part {
            let bytes = model.bytes(tensor).unwrap().to_vec();
            writer.tensor(&tensor.name, &tensor.shape, tensor.type_id, bytes);
        }
        fs::write(path(folder, no + 1), writer.finish()).unwrap();
    }
}

#[test]
fn a_split_model_gives_the_bits_of_a_whole_one() {
    for name in ["llama_untied-Q8_0.gguf", "qwen3moe-Q4_0.gguf", "gemma3-F32.gguf"] {
        let whole = golden(name);
        let folder = tempfile::tempdir().unwrap();
        split(&whole, folder.path());
        let of = |file: &GgufFile| logits(&*registry::load_with(file, Compute::kernels(2)).unwrap());
        let want = of(&whole);
        for number in [1, 3] {
            let file = GgufFile::open(&path(folder.path(), number)).unwrap();
            assert!(of(&file) == want, "{name} by piece {number}");
        }
    }
}

#[test]
fn a_packed_copy_is_of_all_pieces() {
    let folder = tempfile::tempdir().unwrap();
    split(&golden("llama_untied-Q8_0.gguf"), folder.path());
    let copies = PackedCopies::at(folder.path().join("packed"));
    let load = |number| {
        let file = GgufFile::open(&path(folder.path(), number)).unwrap();
        let loaded = registry::load_with_copy(&file, Compute::kernels(1), Some(&copies)).unwrap();
        (logits(&*loaded.model), loaded)
    };
    let (want, first) = load(1);
    match first.copy {
        PackedCopy::Missed { writer, .. } => drop(writer.write().unwrap()),
        other => panic!("nothing is there yet, but: {other:?}"),
    }
    drop(first.model);
    let (got, second) = load(2);
    assert!(matches!(second.copy, PackedCopy::Used), "another piece leads to the same copy");
    assert!(got == want);

    let before = fingerprint(&GgufFile::open(&path(folder.path(), 1)).unwrap());
    let last = path(folder.path(), COUNT);
    let mut bytes = fs::read(&last).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&last, bytes).unwrap();
    let (_, third) = load(1);
    assert!(matches!(third.copy, PackedCopy::Missed { .. }), "a piece has changed");
    assert_ne!(fingerprint(&GgufFile::open(&path(folder.path(), 1)).unwrap()), before);
}
