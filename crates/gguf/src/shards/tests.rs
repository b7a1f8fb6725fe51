//! Split models as strangers might keep them: whole, with a piece gone, renamed, doubled or from another model.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::{GgmlType, GgufFile, GgufWriter, Value};

const COUNT: u16 = 3;

/// Piece `no` (from 0) with a tensor of its own.
fn piece(no: u16) -> GgufWriter {
    let mut writer = GgufWriter::new();
    if no == 0 {
        writer.metadata.set("general.architecture", Value::String("llama".into()));
    }
    writer.metadata.set("split.no", Value::U16(no));
    writer.metadata.set("split.count", Value::U16(COUNT));
    writer.metadata.set("split.tensors.count", Value::I32(COUNT.into()));
    writer.tensor(&format!("t{no}"), &[4], GgmlType::F32.id(), vec![no as u8; 16]);
    writer
}

fn path(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("m-{number:05}-of-{COUNT:05}.gguf"))
}

/// A folder with all pieces, after `change`.
fn folder_with(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for no in 0..COUNT {
        fs::write(path(folder.path(), no + 1), piece(no).finish()).unwrap();
    }
    change(folder.path());
    folder
}

#[track_caller]
fn assert_refused(change: impl FnOnce(&Path), code: &str, words: &str) {
    let folder = folder_with(change);
    let error = GgufFile::open(&path(folder.path(), 1)).expect_err("this model must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in: {error}");
    assert!(!error.next_step().is_empty());
}

#[test]
fn names_are_taken_apart() {
    let name = ShardName::parse("a-b-00002-of-00003.gguf").unwrap();
    assert_eq!((name.prefix(), name.number(), name.count()), ("a-b", 2, 3));
    assert_eq!(name.sibling(1), "a-b-00001-of-00003.gguf");
    for whole in [
        "m.gguf",
        "m-1-of-3.gguf",
        "m-00004-of-00003.gguf",
        "m-00000-of-00003.gguf",
        "m-00001-of-00003",
        "-of-.gguf",
    ] {
        assert_eq!(ShardName::parse(whole), None, "{whole}");
    }
}

#[test]
fn any_piece_opens_the_model() {
    let folder = folder_with(|_| ());
    let first = GgufFile::open(&path(folder.path(), 1)).unwrap();
    for number in 1..=COUNT {
        let file = GgufFile::open(&path(folder.path(), number)).unwrap();
        assert_eq!(file.path(), path(folder.path(), 1));
        assert_eq!(file.architecture(), Ok("llama"));
        assert_eq!((file.shard_count(), file.stamp()), (3, first.stamp()));
        assert_eq!(file.tensors().keys().collect::<Vec<_>>(), ["t0", "t1", "t2"]);
        for (i, tensor) in file.tensors().values().enumerate() {
            assert_eq!(*file.bytes(tensor).unwrap(), [i as u8; 16]);
        }
        let sizes = (1..=COUNT).map(|n| fs::metadata(path(folder.path(), n)).unwrap().len());
        assert_eq!(file.file_len(), sizes.sum::<u64>());
    }
}

#[test]
fn a_change_of_any_piece_changes_the_stamp() {
    let folder = folder_with(|_| ());
    let before = GgufFile::open(&path(folder.path(), 1)).unwrap().stamp();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(path(folder.path(), 2), piece(1).finish()).unwrap();
    assert_ne!(GgufFile::open(&path(folder.path(), 1)).unwrap().stamp(), before);
}

#[test]
fn a_missing_piece_is_named() {
    assert_refused(
        |folder| fs::remove_file(path(folder, 3)).unwrap(),
        "missing_shard",
        "piece 3 of 3 of this model is missing",
    );
}

#[test]
fn a_piece_under_another_name_is_refused() {
    let copied = |folder: &Path| {
        fs::copy(path(folder, 1), path(folder, 2)).unwrap();
    };
    assert_refused(copied, "bad_shard", "its name says piece 2 of 3, its content says 1 of 3");
    let folder = folder_with(|folder| fs::rename(path(folder, 2), folder.join("model.gguf")).unwrap());
    let error = GgufFile::open(&folder.path().join("model.gguf")).unwrap_err();
    assert_eq!(error.code(), "bad_shard");
    assert!(error.to_string().contains("…-00001-of-00003.gguf"), "{error}");
}

/// A link from one piece to another, and one that leads to itself.
#[cfg(unix)]
#[test]
fn links_that_lead_in_a_circle_are_refused() {
    let link = |from: PathBuf, to: PathBuf| {
        fs::remove_file(&to).unwrap();
        std::os::unix::fs::symlink(from, to).unwrap();
    };
    assert_refused(|f| link(path(f, 1), path(f, 3)), "bad_shard", "its content says 1 of 3");
    assert_refused(|f| link(path(f, 2), path(f, 2)), "file_unreadable", "00002-of-00003.gguf");
}

#[test]
fn pieces_that_contradict_each_other_are_refused() {
    let write = |folder: &Path, number: u16, change: &dyn Fn(&mut GgufWriter)| {
        let mut writer = piece(number - 1);
        change(&mut writer);
        fs::write(path(folder, number), writer.finish()).unwrap();
    };
    assert_refused(
        |f| write(f, 2, &|w| w.metadata.set("split.count", Value::U16(4))),
        "bad_shard",
        "its content says 2 of 4",
    );
    assert_refused(|f| write(f, 2, &|w| drop(w.metadata.remove("split.no"))), "bad_shard", "split.no");
    let other = |w: &mut GgufWriter| w.metadata.set("general.architecture", Value::String("qwen2".into()));
    assert_refused(|f| write(f, 3, &other), "bad_shard", "\"general.architecture\" contradicts");
    assert_refused(
        |f| write(f, 1, &|w| w.metadata.set("split.tensors.count", Value::I32(9))),
        "bad_shard",
        "\"split.tensors.count\" contradicts",
    );
    assert_refused(
        |f| write(f, 2, &|w| w.remove_tensor("t1")),
        "bad_shard",
        "it announces 3 tensors, all pieces together have 2",
    );
    assert_refused(
        |f| {
            write(f, 2, &|w| {
                w.remove_tensor("t1");
                w.tensor("t0", &[4], GgmlType::F32.id(), vec![7; 16]);
            })
        },
        "bad_tensor",
        "two pieces of the model have it",
    );
    assert_refused(|f| fs::write(path(f, 2), b"GGUF").unwrap(), "bad_shard", "cut short");
    assert_refused(
        |f| write(f, 1, &|w| w.metadata.set("split.count", Value::U32(u32::MAX))),
        "bad_shard",
        "the limit is 99999",
    );
}
