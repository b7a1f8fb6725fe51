//! The header of a file of which only the first bytes are here: for files on other machines.

use std::ops::Range;

use crate::file::{Header, alignment, read_tensors};
use crate::reader::Reader;
use crate::{GgufError, Metadata, TensorInfo};

/// Most bytes a header may have; those of models with a quarter of a million tokens have about 20 MB.
const MAX_HEAD: u64 = 96 << 20;

/// A header without its file.
#[derive(Debug, Clone)]
pub struct GgufHead {
    header: Header,
    file_len: u64,
}

/// What became of reading a file's first bytes.
#[derive(Debug)]
pub enum HeadRead {
    /// The header.
    Whole(Box<GgufHead>),
    /// The header goes on: so many bytes from the start are needed, or more.
    More {
        /// Bytes from the start.
        at_least: u64,
    },
}

impl GgufHead {
    /// Reads the header in the first bytes of a file that has `file_len`. Whatever is wrong with it is the error that
    /// opening the whole file would give.
    pub fn read(bytes: &[u8], file_len: u64) -> Result<HeadRead, GgufError> {
        let there = bytes.len() as u64;
        let is_part = there < file_len;
        let header = match Header::read_tables(bytes) {
            Ok(header) => header,
            Err(GgufError::Truncated { what, needed, available }) if is_part => {
                let at_least = needed.max(there + 1);
                return match at_least > file_len.min(MAX_HEAD) {
                    true if at_least > file_len => {
                        Err(GgufError::Truncated { what, needed, available: file_len })
                    }
                    true => Err(GgufError::BadMetadata(format!(
                        "the header has more than {} bytes ({what} ends at {needed}, of {available} read)",
                        MAX_HEAD
                    ))),
                    false => Ok(HeadRead::More { at_least }),
                };
            }
            Err(error) => return Err(error),
        };
        header.check_layout(file_len)?;
        Ok(HeadRead::Whole(Box::new(GgufHead { header, file_len })))
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// Bytes from the start of the file to those of the tensors.
    pub fn byte_len(&self) -> u64 {
        self.header.data_start as u64
    }

    /// Where the tensor table begins and ends, from the start of the file.
    pub fn table(&self) -> Range<u64> {
        self.header.table_start as u64..self.header.data_start as u64
    }

    /// The header of the same model in other types of weights, from a part of that file in which its tensor table lies:
    /// vocabularies are long, and the same in all files of a model. `part` begins at `start` and the file has
    /// `file_len` bytes. `None` unless it is certain that the table is there, has these tensors in these shapes, and
    /// accounts for the file to its last byte.
    pub fn sibling(&self, part: &[u8], start: u64, file_len: u64) -> Option<GgufHead> {
        let first = self.header.tensors.keys().next()?;
        let mut line = (first.len() as u64).to_le_bytes().to_vec();
        line.extend_from_slice(first.as_bytes());
        let at = part.windows(line.len()).position(|window| window == line)?;
        let mut reader = Reader::new(&part[at..]);
        let tensors = read_tensors(&mut reader, self.header.tensors.len()).ok()?;
        let alike = |((name, ours), (other, theirs)): ((&String, &TensorInfo), (&String, &TensorInfo))| {
            name == other && ours.shape == theirs.shape
        };
        if !self.header.tensors.iter().zip(&tensors).all(alike) {
            return None;
        }
        let alignment = alignment(&self.header.metadata).ok()?;
        let table_start = usize::try_from(start).ok()?.checked_add(at)?;
        let data_start =
            table_start.checked_add(reader.position())?.checked_next_multiple_of(alignment as usize)?;
        let metadata = self.header.metadata.clone();
        let header = Header { version: self.header.version, metadata, tensors, table_start, data_start };
        header.check_layout(file_len).ok()?;
        let ends = header.tensors.values().map(|tensor| tensor.end().ok().flatten());
        let end = ends.collect::<Option<Vec<u64>>>()?.into_iter().max()?.checked_add(data_start as u64)?;
        // Some programs fill the last line up.
        (file_len - end < u64::from(alignment)).then_some(GgufHead { header, file_len })
    }

    /// Length of the file, and its header.
    pub(crate) fn into_parts(self) -> (u64, Header) {
        (self.file_len, self.header)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{GgmlType, GgufFile, GgufWriter, Value};

    fn model(tensors: usize) -> Vec<u8> {
        let mut writer = GgufWriter::new();
        writer.metadata.set("general.architecture", Value::String("llama".into()));
        for i in 0..tensors {
            writer.tensor(&format!("blk.{i}.attn_q.weight"), &[32, 3], GgmlType::F32.id(), vec![1; 384]);
        }
        writer.finish()
    }

    fn golden(name: &str) -> std::path::PathBuf {
        lantern_golden::path("models").join(name)
    }

    #[test]
    fn a_head_says_what_the_file_says() {
        let path = golden("qwen3moe-Q8_0.gguf");
        let (bytes, file) = (std::fs::read(&path).unwrap(), GgufFile::open(&path).unwrap());
        let HeadRead::Whole(head) = GgufHead::read(&bytes, bytes.len() as u64).unwrap() else {
            panic!("the whole file is enough")
        };
        let part = &bytes[..usize::try_from(head.byte_len()).unwrap()];
        let HeadRead::Whole(head) = GgufHead::read(part, bytes.len() as u64).unwrap() else {
            panic!("the header is enough")
        };
        let remote = GgufFile::from_heads(&path, vec![*head]).unwrap();
        assert_eq!((remote.metadata(), remote.tensors()), (file.metadata(), file.tensors()));
        assert_eq!(remote.file_len(), file.file_len());
        let tensor = remote.tensors().values().next().unwrap();
        let error = remote.bytes(tensor).unwrap_err();
        assert!(error.to_string().contains("only the header"), "{error}");
    }

    #[test]
    fn every_shorter_part_asks_for_more_and_never_for_less_than_it_has() {
        let bytes = model(3);
        let whole = bytes.len() as u64;
        let mut needed = 0;
        let mut steps = 0;
        loop {
            match GgufHead::read(&bytes[..needed], whole) {
                Ok(HeadRead::Whole(head)) => break assert!(head.byte_len() <= whole),
                Ok(HeadRead::More { at_least }) => {
                    assert!(needed < usize::try_from(at_least).unwrap() && at_least <= whole);
                    needed = usize::try_from(at_least).unwrap();
                }
                Err(GgufError::NotGguf { .. }) => needed += 1,
                Err(error) => panic!("{error}"),
            }
            steps += 1;
            assert!(steps < 200);
        }
    }

    #[test]
    fn a_sibling_needs_its_table_alone() {
        let head = |name: &str| {
            let bytes = std::fs::read(golden(name)).unwrap();
            match GgufHead::read(&bytes, bytes.len() as u64).unwrap() {
                HeadRead::Whole(head) => (*head, bytes),
                more => panic!("{more:?}"),
            }
        };
        let ((whole, _), (other, bytes)) = (head("qwen3moe-Q8_0.gguf"), head("qwen3moe-Q4_0.gguf"));
        let (table, len) = (whole.table(), bytes.len() as u64);
        let (from, to) = (table.start - 300, (table.end + 4000).min(len));
        let part = &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
        let found = whole.sibling(part, from, len).expect("a sibling");
        assert_eq!(found.table(), other.table());
        let tensors =
            |head: GgufHead| GgufFile::from_heads(Path::new("m.gguf"), vec![head]).unwrap().tensors().clone();
        assert_eq!(tensors(found), tensors(other));
        assert!(whole.sibling(part, from, len + 64).is_none(), "bytes that no tensor accounts for");
        let cut = usize::try_from(table.end - from).unwrap() - 100;
        assert!(whole.sibling(&part[..cut], from, len).is_none(), "a table without its end");
        let (stranger, bytes) = head("llama_tied-F32.gguf");
        assert!(whole.sibling(&bytes[..4096], 0, bytes.len() as u64).is_none());
        assert!(stranger.sibling(part, from, len).is_none());
    }

    #[test]
    fn what_lies_is_refused_like_in_a_file() {
        let bytes = model(2);
        let whole = bytes.len() as u64;
        assert!(matches!(GgufHead::read(&bytes, whole - 1), Err(GgufError::Truncated { .. })));
        assert!(matches!(GgufHead::read(b"<!DOCTYPE html>", 5000), Err(GgufError::NotGguf { .. })));
        let mut count = bytes.clone();
        count[8..16].copy_from_slice(&(1u64 << 19).to_le_bytes());
        assert!(GgufHead::read(&count[..64], whole).is_err(), "more tensors than the file has room for");
        let head = || match GgufHead::read(&bytes, whole) {
            Ok(HeadRead::Whole(head)) => *head,
            other => panic!("{other:?}"),
        };
        let two = GgufFile::from_heads(Path::new("m.gguf"), vec![head(), head()]);
        assert!(matches!(two, Err(GgufError::BadShard { .. })));
        assert!(GgufFile::from_heads(Path::new("m.gguf"), Vec::new()).is_err());
    }
}
