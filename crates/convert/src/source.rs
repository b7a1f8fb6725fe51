//! Where the tensors of a new file come from.

use std::ops::Range;

use lantern_gguf::{GgmlType, GgufFile, Metadata, TensorBytes, TensorInfo, dequantize};

use crate::ConvertError;

/// A tensor as it will be named in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTensor {
    /// GGUF's name.
    pub name: String,
    /// Sizes in ggml's order, contiguous dimension first.
    pub shape: Vec<u64>,
    /// The type that keeps what the source has.
    pub natural: GgmlType,
}

impl SourceTensor {
    /// Values of a row: the contiguous dimension.
    pub fn cols(&self) -> usize {
        self.shape.first().map_or(1, |&n| n as usize)
    }

    /// Rows of all matrices together.
    pub fn rows(&self) -> usize {
        self.shape.iter().skip(1).product::<u64>() as usize
    }
}

/// A model that a file can be made of.
pub trait Source {
    /// The metadata of the new file; `general.file_type` is set by [`convert`](crate::convert).
    fn metadata(&self) -> &Metadata;

    /// The tensors, in the order of the new file.
    fn tensors(&self) -> &[SourceTensor];

    /// Writes the values of some rows of tensor `index` to `out`, `[rows.len(), cols]`.
    fn values(&self, index: usize, rows: Range<usize>, out: &mut [f32]) -> Result<(), ConvertError>;

    /// Writes the bytes of some rows of tensor `index`, in its natural type, to `out` in place of what is there. Gives
    /// `false` where that takes the values.
    fn bytes(&self, index: usize, rows: Range<usize>, out: &mut Vec<u8>) -> Result<bool, ConvertError>;
}

/// A GGUF file, whose tensors keep their names.
pub struct GgufSource {
    file: GgufFile,
    metadata: Metadata,
    tensors: Vec<SourceTensor>,
}

impl GgufSource {
    /// Fails when the file has a tensor of an unknown type.
    pub fn new(file: GgufFile) -> Result<Self, ConvertError> {
        let mut metadata = file.metadata().clone();
        // Tensors are laid out anew, in one file.
        for key in ["general.alignment", "split.no", "split.count", "split.tensors.count"] {
            metadata.remove(key);
        }
        let describe = |tensor: &TensorInfo| {
            let natural = tensor.ty()?;
            Ok(SourceTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), natural })
        };
        let tensors = file.tensors().values().map(describe).collect::<Result<_, ConvertError>>()?;
        Ok(GgufSource { file, metadata, tensors })
    }

    fn tensor(&self, index: usize) -> Result<TensorBytes, ConvertError> {
        let bad =
            || ConvertError::BadTensor { tensor: format!("number {index}"), reason: "is not there".into() };
        let (_, tensor) = self.file.tensors().get_index(index).ok_or_else(bad)?;
        Ok(self.file.bytes(tensor)?)
    }

    /// A tensor's bytes, and where some of its rows are in them.
    fn rows(&self, index: usize, rows: Range<usize>) -> Result<(TensorBytes, Range<usize>), ConvertError> {
        let tensor = &self.tensors[index];
        let odd = || ConvertError::BadTensor { tensor: tensor.name.clone(), reason: "has odd rows".into() };
        let row_bytes = tensor.natural.row_bytes(tensor.cols()).ok_or_else(odd)?;
        Ok((self.tensor(index)?, rows.start * row_bytes..rows.end * row_bytes))
    }
}

impl Source for GgufSource {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[SourceTensor] {
        &self.tensors
    }

    fn values(&self, index: usize, rows: Range<usize>, out: &mut [f32]) -> Result<(), ConvertError> {
        let (bytes, part) = self.rows(index, rows)?;
        let dequantized = dequantize(self.tensors[index].natural, &bytes[part.clone()], out);
        // What was read will not be read again.
        bytes.release(part);
        Ok(dequantized?)
    }

    fn bytes(&self, index: usize, rows: Range<usize>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let (bytes, part) = self.rows(index, rows)?;
        out.clear();
        out.extend_from_slice(&bytes[part.clone()]);
        bytes.release(part);
        Ok(true)
    }
}
