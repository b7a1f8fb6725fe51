//! The header as strangers might send it: whole, cut at every byte, with flipped bits, and with lies in it.

use std::path::PathBuf;

use crate::file::Header;
use crate::{Array, GgmlType, GgufError, GgufFile, GgufWriter, Value};

fn golden(name: &str) -> PathBuf {
    lantern_golden::path("models").join(name)
}

fn small_model() -> Vec<u8> {
    std::fs::read(golden("qwen2-Q4_0.gguf")).expect("the golden model is part of the repository")
}

/// A file with one F32 tensor of 4 values, as a starting point for lies.
fn tiny() -> GgufWriter {
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String("llama".into()));
    writer.tensor("a", &[4], GgmlType::F32.id(), vec![0; 16]);
    writer
}

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    Header::read(bytes)
}

fn error(bytes: &[u8]) -> GgufError {
    match read(bytes) {
        Ok(_) => panic!("this file must be refused"),
        Err(error) => error,
    }
}

fn position_of(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("the needle is in the file")
}

#[test]
fn a_real_file_opens() {
    let file = GgufFile::open(&golden("llama_k256-Q4_K_M.gguf")).unwrap();
    assert_eq!(file.architecture(), Ok("llama"));
    assert_eq!(file.metadata().u32("llama.block_count"), Ok(2));
    assert_eq!(file.metadata().strings("tokenizer.ggml.tokens").map(<[String]>::len), Ok(512));
    assert_eq!(file.metadata().i32s("tokenizer.ggml.token_type").map(|types| types.len()), Ok(512));
    let q = file.tensor("blk.0.attn_q.weight").unwrap();
    assert_eq!((q.shape.as_slice(), q.ty()), ([256, 256].as_slice(), Ok(GgmlType::Q4K)));
    assert_eq!(file.bytes(q).unwrap().len(), 256 * 144);
    let whole: u64 = file.tensors().values().map(|tensor| tensor.byte_len().unwrap()).sum();
    assert!(whole < file.file_len());
}

#[test]
fn every_prefix_is_refused_without_a_panic() {
    let bytes = small_model();
    let header = read(&bytes).unwrap();
    let end = header.tensors.values().map(|tensor| tensor.end().unwrap().unwrap()).max().unwrap();
    let end = header.data_start + end as usize;
    // Every byte of the header, then steps through the weights.
    let cuts = (0..header.data_start + 64).chain((header.data_start..end).step_by(997)).chain([end - 1]);
    for cut in cuts {
        match error(&bytes[..cut]) {
            GgufError::NotGguf { .. } => assert!(cut < 4, "cut at {cut}"),
            GgufError::Truncated { needed, available, .. } => {
                assert_eq!(available, cut as u64);
                assert!(needed > available, "cut at {cut}: needs {needed}, has {available}");
            }
            other => panic!("cut at {cut}: {other}"),
        }
    }
    assert!(read(&bytes[..end]).is_ok());
}

#[test]
fn damaged_headers_never_panic_and_never_point_outside() {
    let bytes = small_model();
    let header_len = read(&bytes).unwrap().data_start;
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..4000 {
        let mut damaged = bytes.clone();
        for _ in 0..=next(4) {
            // Half of the damage goes to the counts at the start and to the tensor table at the end.
            let at = match next(4) {
                0 => next(64),
                1 => header_len - 1 - next(2500),
                _ => next(header_len),
            };
            damaged[at] = if round % 2 == 0 { damaged[at] ^ (1 << next(8)) } else { next(256) as u8 };
        }
        match read(&damaged) {
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty() && !error.next_step().is_empty());
            }
            Ok(header) => {
                accepted += 1;
                for tensor in header.tensors.values() {
                    let end = tensor.end().unwrap().unwrap_or(tensor.offset);
                    assert!(header.data_start as u64 + end <= damaged.len() as u64, "{tensor:?}");
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn other_files_say_what_they_are_not() {
    assert!(matches!(error(b""), GgufError::NotGguf { .. }));
    assert!(matches!(error(b"PK\x03\x04 a zip file"), GgufError::NotGguf { .. }));
    assert_eq!(error(b"GGUF\x01\0\0\0").code(), "unsupported_gguf_version");
    assert_eq!(error(b"GGUF\x04\0\0\0").code(), "unsupported_gguf_version");
    assert!(matches!(error(b"GGUF\0\0\0\x03"), GgufError::BigEndian { .. }));
}

#[test]
fn missing_files_and_folders_are_io_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = GgufFile::open(&folder.path().join("none.gguf")).unwrap_err();
    assert_eq!(missing.code(), "file_not_found");
    assert_eq!(GgufFile::open(folder.path()).unwrap_err().code(), "file_unreadable");
    let empty = folder.path().join("empty.gguf");
    std::fs::write(&empty, b"").unwrap();
    assert_eq!(GgufFile::open(&empty).unwrap_err().code(), "not_gguf");
}

#[test]
fn lies_about_counts_and_lengths_are_refused_before_memory_is_taken() {
    let bytes = tiny().finish();
    let with_u64 = |at: usize, value: u64| {
        let mut lie = bytes.clone();
        lie[at..at + 8].copy_from_slice(&value.to_le_bytes());
        lie
    };
    assert_eq!(error(&with_u64(8, 1000)).code(), "truncated_file", "more tensors than bytes");
    assert_eq!(error(&with_u64(8, u64::MAX)).code(), "bad_metadata", "tensor count");
    assert_eq!(error(&with_u64(16, u64::MAX)).code(), "bad_metadata", "key count");
    assert_eq!(error(&with_u64(24, u64::MAX)).code(), "bad_metadata", "key length");
    let dims = position_of(&bytes, b"\x01\0\0\0\x04\0\0\0\0\0\0\0");
    assert_eq!(error(&with_u64(dims + 4, u64::MAX)).code(), "bad_tensor", "elements overflow");
    assert_eq!(error(&with_u64(dims + 4, 0)).code(), "bad_tensor", "no elements");
    assert_eq!(error(&with_u64(dims + 4, 1 << 40)).code(), "truncated_file", "longer than the file");
    assert_eq!(error(&with_u64(dims + 16, 1)).code(), "bad_tensor", "not aligned");
    assert_eq!(
        error(&with_u64(dims + 16, u64::MAX - 31)).code(),
        "truncated_file",
        "starts at the end of the world"
    );
}

#[test]
fn overlapping_and_repeated_tensors_are_refused() {
    let mut writer = tiny();
    writer.tensor("b", &[8], GgmlType::F32.id(), vec![0; 32]);
    let bytes = writer.finish();
    let second = position_of(&bytes, b"\x01\0\0\0\0\0\0\0b");
    let mut overlapping = bytes.clone();
    let offset = second + 9 + 4 + 8 + 4;
    overlapping[offset..offset + 8].copy_from_slice(&0u64.to_le_bytes());
    assert_eq!(error(&overlapping).code(), "bad_tensor");
    let mut repeated = bytes;
    repeated[second + 8] = b'a';
    assert_eq!(error(&repeated).to_string(), "tensor \"a\" is damaged: it is there twice");
}

#[test]
fn deep_nesting_is_refused() {
    let mut value = Array::U8(vec![1]);
    for _ in 0..3 {
        value = Array::Array(vec![value]);
    }
    let mut writer = tiny();
    writer.metadata.set("nested", Value::Array(value.clone()));
    assert!(read(&writer.finish()).is_ok());
    writer.metadata.set("nested", Value::Array(Array::Array(vec![value])));
    assert_eq!(error(&writer.finish()).code(), "bad_metadata");
}

#[test]
fn an_unknown_tensor_type_is_listed_and_fails_only_when_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.gguf");
    let mut writer = tiny();
    writer.tensor("new", &[7], 999, vec![0; 24]);
    std::fs::write(&path, writer.finish()).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let tensor = file.tensor("new").unwrap();
    assert_eq!(tensor.type_name(), "unknown (999)");
    assert_eq!(tensor.ty(), Err(GgufError::UnknownTensorType { tensor: "new".into(), id: 999 }));
    assert_eq!(file.bytes(tensor).unwrap_err().code(), "unknown_tensor_type");
    assert_eq!(file.bytes(file.tensor("a").unwrap()).unwrap().len(), 16);
}

#[test]
fn metadata_is_typed() {
    let mut writer = tiny();
    let set = |writer: &mut GgufWriter, key: &str, value| writer.metadata.set(key, value);
    set(&mut writer, "small", Value::U8(7));
    set(&mut writer, "negative", Value::I32(-1));
    set(&mut writer, "large", Value::U64(1 << 40));
    set(&mut writer, "float", Value::F64(0.5));
    set(&mut writer, "words", Value::Array(Array::String(vec!["x".into()])));
    set(&mut writer, "numbers", Value::Array(Array::U16(vec![1, 2])));
    set(&mut writer, "split.count", Value::U16(3));
    let metadata = read(&writer.finish()).unwrap().metadata;
    assert_eq!(metadata, writer.metadata, "what was written is what is read");
    assert_eq!(metadata.u32("small"), Ok(7));
    assert_eq!(metadata.f32("float"), Ok(0.5));
    assert_eq!(metadata.i32s("numbers"), Ok(vec![1, 2]));
    assert_eq!(metadata.opt_u32("none"), Ok(None));
    assert_eq!(metadata.u32("none").unwrap_err().code(), "missing_metadata_key");
    for key in ["negative", "large", "float", "words"] {
        assert_eq!(metadata.opt_u32(key).unwrap_err().code(), "wrong_metadata_type", "{key}");
    }
    assert_eq!(
        metadata.strings("numbers").unwrap_err().to_string(),
        "the metadata key \"numbers\" holds array of 2 u16, expected an array of strings"
    );
}

#[test]
fn a_copied_file_has_the_same_tensors() {
    let original = GgufFile::open(&golden("qwen2-Q4_0.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.gguf");
    std::fs::write(&path, GgufWriter::copy_of(&original).unwrap().finish()).unwrap();
    let copy = GgufFile::open(&path).unwrap();
    assert_eq!(copy.tensors().len(), original.tensors().len());
    for (name, tensor) in original.tensors() {
        let twin = copy.tensor(name).unwrap();
        assert_eq!((&twin.shape, twin.type_id), (&tensor.shape, tensor.type_id), "{name}");
        assert_eq!(*copy.bytes(twin).unwrap(), *original.bytes(tensor).unwrap(), "{name}");
    }
}
