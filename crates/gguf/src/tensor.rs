//! One line of the tensor table: name, shape, type, and where the bytes lie.

use crate::reader::Reader;
use crate::{GgmlType, GgufError};

/// Longest tensor name accepted; the format's own programs stop at 64.
const MAX_NAME: u64 = 1024;
/// Most dimensions a tensor has.
const MAX_DIMENSIONS: u32 = 4;

/// A tensor of a file.
///
/// Its type may be one that this version does not know: such a tensor can still be listed, and [`Self::ty`] says so
/// with an error when somebody wants to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// The tensor's name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Sizes in ggml's order: the contiguous dimension (a matrix's columns, its input width) comes first.
    pub shape: Vec<u64>,
    /// The type's id in the file.
    pub type_id: u32,
    /// Which of the model's files has the bytes.
    pub(crate) shard: usize,
    /// Offset from the start of that file's data section, in bytes.
    pub(crate) offset: u64,
}

impl TensorInfo {
    pub(crate) fn read(reader: &mut Reader) -> Result<Self, GgufError> {
        let name = reader.string_within(MAX_NAME, "a tensor's name")?;
        let dimensions = reader.u32(&name)?;
        if dimensions > MAX_DIMENSIONS {
            return Err(bad(&name, format!("{dimensions} dimensions, the limit is {MAX_DIMENSIONS}")));
        }
        let shape = (0..dimensions).map(|_| reader.u64(&name)).collect::<Result<Vec<u64>, _>>()?;
        let (type_id, offset) = (reader.u32(&name)?, reader.u64(&name)?);
        let info = TensorInfo { name, shape, type_id, shard: 0, offset };
        info.check_size()?;
        Ok(info)
    }

    /// The type of the elements, or the error `unknown_tensor_type`.
    pub fn ty(&self) -> Result<GgmlType, GgufError> {
        GgmlType::from_id(self.type_id)
            .ok_or_else(|| GgufError::UnknownTensorType { tensor: self.name.clone(), id: self.type_id })
    }

    /// The type's name for display; `unknown (id)` for one this version does not know.
    pub fn type_name(&self) -> String {
        match GgmlType::from_id(self.type_id) {
            Some(ty) => ty.name().to_owned(),
            None => format!("unknown ({})", self.type_id),
        }
    }

    /// Number of elements. Reading the table has checked that the product does not overflow.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Length in bytes; `None` for an unknown type.
    pub fn byte_len(&self) -> Option<u64> {
        let ty = GgmlType::from_id(self.type_id)?;
        Some(self.elements() / ty.block_size() as u64 * ty.block_bytes() as u64)
    }

    /// End of the bytes, from the start of the data section. `None` for an unknown type.
    pub(crate) fn end(&self) -> Result<Option<u64>, GgufError> {
        let Some(len) = self.byte_len() else { return Ok(None) };
        match self.offset.checked_add(len) {
            Some(end) => Ok(Some(end)),
            None => Err(bad(&self.name, format!("offset {} plus length {len} overflows", self.offset))),
        }
    }

    /// Refuses shapes whose sizes overflow or whose rows are not whole blocks.
    fn check_size(&self) -> Result<(), GgufError> {
        if self.shape.contains(&0) {
            return Err(bad(&self.name, format!("the shape {:?} holds a zero", self.shape)));
        }
        let elements = self.shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        let Some(elements) = elements.filter(|&n| n <= i64::MAX as u64) else {
            return Err(bad(&self.name, format!("the shape {:?} overflows", self.shape)));
        };
        let Some(ty) = GgmlType::from_id(self.type_id) else { return Ok(()) };
        let (block, bytes) = (ty.block_size() as u64, ty.block_bytes() as u64);
        let columns = self.shape.first().copied().unwrap_or(1);
        if !columns.is_multiple_of(block) {
            return Err(bad(&self.name, format!("rows of {columns} values are not whole blocks of {ty}")));
        }
        if (elements / block).checked_mul(bytes).is_none() {
            return Err(bad(&self.name, format!("the shape {:?} overflows", self.shape)));
        }
        Ok(())
    }
}

pub(crate) fn bad(name: &str, reason: String) -> GgufError {
    GgufError::BadTensor { name: name.to_owned(), reason }
}
