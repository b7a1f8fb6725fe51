//! Writes GGUF files: for tests that need a model with one thing changed, and for conversions.

use crate::value::{Array, Value};
use crate::{GgufError, GgufFile, Metadata};

const ALIGNMENT: usize = 32;

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
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in self.metadata.iter() {
            write_string(&mut out, key);
            out.extend(value.type_id().to_le_bytes());
            write_value(&mut out, value);
        }
        let mut offset = 0usize;
        for tensor in &self.tensors {
            write_string(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(tensor.type_id.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + tensor.bytes.len()).next_multiple_of(ALIGNMENT);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(&tensor.bytes);
        }
        out
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
