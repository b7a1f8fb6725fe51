//! Where the values of a new tensor come from: stored tensors, taken apart and put together, or a computation.

use std::ops::Range;

use lantern_gguf::{GgmlType, dequantize};

use super::change::Plan;
use super::mxfp4;
use super::tensors::TensorFiles;
use crate::ConvertError;

/// Where a tensor's values come from.
pub enum Origin {
    /// Stored tensors of one shape, one behind the other, each changed in the same way.
    Stored { names: Vec<String>, plan: Plan },
    /// Four-bit floats and their scales.
    Packed { blocks: String, scales: String, plan: Plan },
    /// They were computed.
    Values(Vec<f32>),
}

impl Origin {
    /// Writes the values of some rows to `out`.
    pub fn values(
        &self,
        files: &TensorFiles,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), ConvertError> {
        match self {
            Origin::Values(values) => {
                let cols = out.len() / rows.len().max(1);
                out.copy_from_slice(&values[rows.start * cols..rows.end * cols]);
            }
            Origin::Packed { .. } => {
                let mut packed = Vec::new();
                self.packed(files, rows, &mut packed)?;
                dequantize(GgmlType::MXFP4, &packed, out)?;
            }
            Origin::Stored { names, plan } if plan.transposed => transposed(files, names, plan, rows, out)?,
            Origin::Stored { names, plan } => {
                let (cols, mut stored) = (out.len() / rows.len().max(1), vec![0.0; plan.stored.1]);
                for (row, out) in rows.zip(out.chunks_exact_mut(cols)) {
                    let (matrix, row) = (row / plan.taken_rows(), row % plan.taken_rows());
                    plan.row(files, names, matrix, row, &mut stored, out)?;
                }
            }
        }
        if let Origin::Stored { plan: Plan { value: Some(value), .. }, .. } = self {
            out.iter_mut().for_each(|x| *x = value(*x));
        }
        Ok(())
    }

    /// Writes the bytes of some rows to `out` where they lie in the files in all but their order; else gives `false`.
    pub fn packed(
        &self,
        files: &TensorFiles,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let Origin::Packed { blocks, scales, plan } = self else { return Ok(false) };
        out.clear();
        for row in rows {
            let (matrix, row) = (row / plan.taken_rows(), row % plan.taken_rows());
            let row = plan.stored_row(row).unwrap_or(plan.stored.0);
            let count = plan.stored.1 / mxfp4::HALF;
            let row = matrix * plan.stored.0 + row;
            let scales = files.raw_row(scales, row, count)?;
            let blocks = files.raw_row(blocks, row, plan.stored.1)?;
            mxfp4::repack(blocks, scales, out);
        }
        Ok(true)
    }
}

impl Plan {
    /// Rows that are taken of each matrix, before it is transposed.
    fn taken_rows(&self) -> usize {
        self.rows.as_ref().map_or(self.stored.0, Vec::len).max(1)
    }

    /// The stored place of row `row`; `None` for zeros.
    fn stored_row(&self, row: usize) -> Option<usize> {
        let place = self.rows.as_ref().map_or(row, |rows| rows[row] as usize);
        (place < self.stored.0).then_some(place)
    }

    /// Row `row` of those that are taken of a matrix. `stored` has room for a stored row.
    fn row(
        &self,
        files: &TensorFiles,
        names: &[String],
        matrix: usize,
        row: usize,
        stored: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ConvertError> {
        let Some(place) = self.stored_row(row) else {
            out.fill(0.0);
            return Ok(());
        };
        let of_each = files.count(&names[0])? / (self.stored.0 * self.stored.1).max(1);
        let (name, place) =
            (&names[matrix / of_each.max(1)], matrix % of_each.max(1) * self.stored.0 + place);
        let Some(columns) = &self.columns else { return files.row(name, place, out) };
        files.row(name, place, stored)?;
        for (out, &column) in out.iter_mut().zip(columns) {
            *out = stored.get(column as usize).copied().unwrap_or(0.0);
        }
        Ok(())
    }
}

/// Rows of transposed matrices: each matrix is read once for all its rows that are asked for.
fn transposed(
    files: &TensorFiles,
    names: &[String],
    plan: &Plan,
    rows: Range<usize>,
    out: &mut [f32],
) -> Result<(), ConvertError> {
    let taken = plan.taken_rows();
    let width = plan.columns.as_ref().map_or(plan.stored.1, Vec::len).max(1);
    let (mut read, mut matrix) = (None, vec![0.0; taken * width]);
    let mut stored = vec![0.0; plan.stored.1];
    for (row, out) in rows.zip(out.chunks_exact_mut(taken)) {
        if read != Some(row / width) {
            for (i, out) in matrix.chunks_exact_mut(width).enumerate() {
                plan.row(files, names, row / width, i, &mut stored, out)?;
            }
            read = Some(row / width);
        }
        for (i, out) in out.iter_mut().enumerate() {
            *out = matrix[i * width + row % width];
        }
    }
    Ok(())
}
