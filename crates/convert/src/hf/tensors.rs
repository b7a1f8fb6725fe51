//! The tensors of a folder's safetensors files: where they lie, and what their bytes are worth.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use lantern_gguf::{FileMap, GgmlType};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::json::json;
use super::mxfp4::HALF;
use crate::ConvertError;

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
/// What the scales of eight-bit weights are called, behind the weights' own name.
const SCALES: [&str; 2] = ["_scale_inv", "_scale"];

/// What inputs are to be multiplied by; only for arithmetic in eight bits.
const INPUT_SCALES: [&str; 2] = [".input_scale", ".activation_scale"];
/// Four-bit weights and their scales have a name in common, and these behind it.
const BLOCKS: &str = "_blocks";
const SCALES_OF_BLOCKS: &str = "_scales";

/// Every tensor of a folder.
pub struct TensorFiles {
    maps: Vec<FileMap>,
    tensors: BTreeMap<String, HfTensor>,
    /// Rows and columns that share a scale, where `config.json` says so.
    block: Option<(usize, usize)>,
}

/// A tensor where it lies; sizes have the contiguous dimension last.
struct HfTensor {
    map: usize,
    bytes: Range<usize>,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl TensorFiles {
    /// Maps the files that the index names, or the only one.
    pub fn open(folder: &Path, config: &Value) -> Result<Self, ConvertError> {
        let sizes = config.pointer("/quantization_config/weight_block_size").and_then(Value::as_array);
        let size = |i: usize| sizes?.get(i)?.as_u64().filter(|&n| n > 0).map(|n| n as usize);
        let block = size(0).zip(size(1));
        let mut files = TensorFiles { maps: Vec::new(), tensors: BTreeMap::new(), block };
        for name in file_names(folder)? {
            files.add(&folder.join(name))?;
        }
        Ok(files)
    }

    fn add(&mut self, path: &Path) -> Result<(), ConvertError> {
        let map = FileMap::open(path)?;
        let bad = |reason: String| ConvertError::BadFile { path: path.to_owned(), reason };
        // Checks that every tensor lies inside the file and has as many bytes as its shape says.
        let read = SafeTensors::deserialize(&map).map_err(|error| bad(error.to_string()))?;
        for (name, view) in read.tensors() {
            let start = view.data().as_ptr().addr() - map.as_ptr().addr();
            let tensor = HfTensor {
                map: self.maps.len(),
                bytes: start..start + view.data().len(),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
            };
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(bad(format!("another file has the tensor {name:?} too")));
            }
        }
        self.maps.push(map);
        Ok(())
    }

    /// The names, but for scales, which belong to their weights.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str).filter(|name| !self.is_scale(name))
    }

    fn is_scale(&self, name: &str) -> bool {
        let of = |suffix: &&str| {
            name.strip_suffix(*suffix).is_some_and(|weight| self.tensors.contains_key(weight))
        };
        let of_blocks = |name: &str| self.tensors.contains_key(&format!("{name}{BLOCKS}"));
        SCALES.iter().any(of)
            || name.strip_suffix(SCALES_OF_BLOCKS).is_some_and(of_blocks)
            || INPUT_SCALES.iter().any(|end| name.ends_with(end))
    }

    /// Sizes, contiguous dimension last.
    pub fn shape(&self, name: &str) -> Result<&[usize], ConvertError> {
        Ok(&self.tensor(name)?.shape)
    }

    /// How many numbers there are, all dimensions together.
    pub fn count(&self, name: &str) -> Result<usize, ConvertError> {
        Ok(self.tensor(name)?.shape.iter().product())
    }

    /// The scales of four-bit weights: a byte for each 32 of them.
    pub fn scales_of_blocks(&self, blocks: &str) -> Result<String, ConvertError> {
        let scales = format!("{}{SCALES_OF_BLOCKS}", blocks.strip_suffix(BLOCKS).unwrap_or(blocks));
        let (block, scale) = (self.tensor(blocks)?, self.tensor(&scales)?);
        let shape = block.shape.split_last().map(|(_, shape)| shape);
        let fits = block.shape.last() == Some(&HALF) && shape == Some(&scale.shape);
        if !fits || (block.dtype, scale.dtype) != (Dtype::U8, Dtype::U8) {
            let reason = format!("has the shape {:?}, its scales {:?}", block.shape, scale.shape);
            return Err(bad(blocks, reason));
        }
        Ok(scales)
    }

    /// Row `row` of a tensor of bytes, in rows of `len`.
    pub fn raw_row(&self, name: &str, row: usize, len: usize) -> Result<&[u8], ConvertError> {
        let tensor = self.tensor(name)?;
        let bytes = self.maps[tensor.map][tensor.bytes.clone()].get(row * len..(row + 1) * len);
        bytes.ok_or_else(|| bad(name, format!("has no row {row}")))
    }

    /// The type that keeps a tensor's values. Eight-bit floats with scales have none of their own: their three bits of
    /// fraction and the scale's first seven fit bfloat16.
    pub fn natural(&self, name: &str) -> Result<GgmlType, ConvertError> {
        match self.tensor(name)?.dtype {
            Dtype::F32 => Ok(GgmlType::F32),
            Dtype::F16 => Ok(GgmlType::F16),
            Dtype::BF16 | Dtype::F8_E4M3 => Ok(GgmlType::BF16),
            other => Err(bad(name, format!("has the type {other:?}, which holds no weights"))),
        }
    }

    /// The values of row `row`, which is as long as the last dimension.
    pub fn row(&self, name: &str, row: usize, out: &mut [f32]) -> Result<(), ConvertError> {
        let tensor = self.tensor(name)?;
        let size = match tensor.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            _ => 1,
        };
        let bytes = &self.maps[tensor.map][tensor.bytes.clone()];
        let bytes = bytes.get(row * out.len() * size..(row + 1) * out.len() * size);
        let bytes = bytes.ok_or_else(|| bad(name, format!("has no row {row}")))?;
        match tensor.dtype {
            Dtype::F32 => read(bytes, out, f32::from_le_bytes),
            Dtype::F16 => read(bytes, out, |raw| f16::from_le_bytes(raw).to_f32()),
            Dtype::BF16 => read(bytes, out, |raw| bf16::from_le_bytes(raw).to_f32()),
            Dtype::F8_E4M3 => {
                read(bytes, out, |[raw]: [u8; 1]| e4m3(raw));
                self.scale(name, row, out)?;
            }
            other => return Err(bad(name, format!("has the type {other:?}, which holds no weights"))),
        }
        Ok(())
    }

    /// Multiplies a row of eight-bit weights by its scales: one for all, one a row, or one for each block.
    fn scale(&self, name: &str, row: usize, out: &mut [f32]) -> Result<(), ConvertError> {
        let scales = SCALES.map(|suffix| format!("{name}{suffix}"));
        let Some(scales) = scales.iter().find(|scales| self.tensors.contains_key(*scales)) else {
            return Err(bad(name, "has eight bits and no scales".to_owned()));
        };
        let rows = self.tensor(name)?.shape.iter().rev().skip(1).product::<usize>().max(1);
        let (down, across) = match self.shape(scales)? {
            [] => (1, 1),
            [down] => (*down, 1),
            [down, across] => (*down, *across),
            _ => return Err(bad(scales, "has more than two dimensions".to_owned())),
        };
        let even = (rows.div_ceil(down.max(1)), out.len().div_ceil(across.max(1)));
        let (block_rows, block_cols) = self.block.filter(|_| across > 1 || down > 1).unwrap_or(even);
        if (down, across) != (rows.div_ceil(block_rows), out.len().div_ceil(block_cols)) {
            return Err(bad(scales, format!("has {down} × {across} scales for {rows} × {}", out.len())));
        }
        let mut of_row = vec![0.0; across];
        self.row(scales, row / block_rows, &mut of_row)?;
        for (values, scale) in out.chunks_mut(block_cols).zip(of_row) {
            values.iter_mut().for_each(|value| *value *= scale);
        }
        Ok(())
    }

    fn tensor(&self, name: &str) -> Result<&HfTensor, ConvertError> {
        self.tensors.get(name).ok_or_else(|| bad(name, "is missing".to_owned()))
    }
}

fn read<const N: usize>(bytes: &[u8], out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (out, raw) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = value(*raw);
    }
}

/// The files that the index names, each once; without an index the usual single one.
fn file_names(folder: &Path) -> Result<BTreeSet<String>, ConvertError> {
    let path = folder.join(INDEX);
    if !path.exists() {
        return Ok(BTreeSet::from([SINGLE.to_owned()]));
    }
    let index = json(&path)?;
    let bad = |reason: &str| ConvertError::BadFile { path: path.clone(), reason: reason.to_owned() };
    let files =
        index.get("weight_map").and_then(Value::as_object).ok_or_else(|| bad("it has no weight_map"))?;
    let plain = |file: &Value| {
        let name = file.as_str().filter(|name| !name.contains(['/', '\\']) && !name.starts_with('.'));
        name.map(str::to_owned).ok_or_else(|| bad("its weight_map names something else than files beside it"))
    };
    files.values().map(plain).collect()
}

/// An eight-bit float of four bits of exponent and three of fraction, without infinities (OCP 8-bit floating point,
/// 2023).
fn e4m3(raw: u8) -> f32 {
    let (exponent, fraction) = (raw >> 3 & 15, f32::from(raw & 7));
    let magnitude = match (exponent, raw & 7) {
        (15, 7) => f32::NAN,
        (0, _) => fraction / 512.0,
        _ => (1.0 + fraction / 8.0) * f32::from_bits((u32::from(exponent) + 120) << 23),
    };
    if raw & 128 == 0 { magnitude } else { -magnitude }
}

fn bad(tensor: &str, reason: String) -> ConvertError {
    ConvertError::BadTensor { tensor: tensor.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::e4m3;

    #[test]
    fn eight_bits_reach_from_the_subnormals_to_448() {
        assert_eq!(
            [0x00, 0x01, 0x08, 0x38, 0x7e, 0xfe].map(e4m3),
            [0.0, 1.0 / 512.0, 1.0 / 64.0, 1.0, 448.0, -448.0]
        );
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
    }
}
