//! Writes GGUF files in memory, for tests that need a model with one thing changed; see `stream` for large files.

use crate::value::{Array, Value};
use crate::{GgufError, GgufFile, Metadata};

pub(crate) const ALIGNMENT: usize = 32;

/// A file in the making, kept in memory until [`GgufWriter::finish`].
#[derive(Debug, Clone, Default)]
pub struct GgufWriter {
    /// The metadata to be written.
    pub metadata: Metadata,
    tensors: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    shape: Vec<u64>,
    type_id: u32,
    bytes: Vec<u8>,
}

impl GgufWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of an open file, to be changed before it is written. Unknown tensor types cannot be copied.
    pub fn copy_of(file: &GgufFile) -> Result<Self, GgufError> {
        let mut writer = GgufWriter { metadata: file.metadata().clone(), tensors: Vec::new() };
        // Tensors are laid out anew, with the default alignment, in one file.
        for key in ["general.alignment", "split.no", "split.count", "split.tensors.count"] {
            writer.metadata.remove(key);
        }
        for tensor in file.tensors().values() {
            let bytes = file.bytes(tensor)?.to_vec();
            writer.tensor(&tensor.name, &tensor.shape, tensor.type_id, bytes);
        }
        Ok(writer)
    }

    /// Adds a tensor, or replaces the one of that name. `shape` is in ggml's order; `bytes` are written as they are.
    pub fn tensor(&mut self, name: &str, shape: &[u64], type_id: u32, bytes: Vec<u8>) {
        let entry = Entry { name: name.to_owned(), shape: shape.to_vec(), type_id, bytes };
        match self.tensors.iter_mut().find(|tensor| tensor.name == name) {
            Some(place) => *place = entry,
            None => self.tensors.push(entry),
        }
    }

    /// Removes a tensor.
    pub fn remove_tensor(&mut self, name: &str) {
        self.tensors.retain(|tensor| tensor.name != name);
    }

    /// The finished file, version 3.
    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let lines = self.tensors.iter().map(|tensor| TensorLine {
            name: &tensor.name,
            shape: &tensor.shape,
            type_id: tensor.type_id,
            len: tensor.bytes.len() as u64,
        });
        write_header(&mut out, &self.metadata, lines);
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(&tensor.bytes);
        }
        out
    }
}

/// What the tensor table says of a tensor.
pub(crate) struct TensorLine<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [u64],
    pub(crate) type_id: u32,
    pub(crate) len: u64,
}

/// Everything before the data section, which begins at the next multiple of the alignment.
pub(crate) fn write_header<'a>(
    out: &mut Vec<u8>,
    metadata: &Metadata,
    tensors: impl ExactSizeIterator<Item = TensorLine<'a>>,
) {
    out.extend(b"GGUF");
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        write_string(out, key);
        out.extend(value.type_id().to_le_bytes());
        write_value(out, value);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        write_string(out, tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(tensor.type_id.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset = (offset + tensor.len).next_multiple_of(ALIGNMENT as u64);
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(n) => out.push(*n),
        Value::I8(n) => out.extend(n.to_le_bytes()),
        Value::U16(n) => out.extend(n.to_le_bytes()),
        Value::I16(n) => out.extend(n.to_le_bytes()),
        Value::U32(n) => out.extend(n.to_le_bytes()),
        Value::I32(n) => out.extend(n.to_le_bytes()),
        Value::U64(n) => out.extend(n.to_le_bytes()),
        Value::I64(n) => out.extend(n.to_le_bytes()),
        Value::F32(x) => out.extend(x.to_le_bytes()),
        Value::F64(x) => out.extend(x.to_le_bytes()),
        Value::Bool(b) => out.push(*b as u8),
        Value::String(text) => write_string(out, text),
        Value::Array(array) => write_array(out, array),
    }
}

fn write_array(out: &mut Vec<u8>, array: &Array) {
    out.extend(array.element_type_id().to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    match array {
        Array::U8(v) => out.extend(v),
        Array::I8(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::U16(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::I16(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::U32(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::I32(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::U64(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::I64(v) => v.iter().for_each(|n| out.extend(n.to_le_bytes())),
        Array::F32(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Array::F64(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Array::Bool(v) => v.iter().for_each(|&b| out.push(b as u8)),
        Array::String(v) => v.iter().for_each(|text| write_string(out, text)),
        Array::Array(v) => v.iter().for_each(|inner| write_array(out, inner)),
    }
}
