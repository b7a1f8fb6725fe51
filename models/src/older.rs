//! Layers of files from older converters, which have in one matrix what newer files have in several.

use lantern_gguf::quantize::quantize;
use lantern_gguf::{GgmlType, TensorBytes, TensorInfo, dequantize};
use lantern_kernels::MatrixShape;

use crate::layers::{ExpertMatrices, Linear};
use crate::{ModelError, Weights};

/// Some rows of a matrix `<name>.weight` from `inputs` to `outputs`.
pub(crate) struct RowsOf<'a> {
    pub(crate) name: &'a str,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Numbers of rows below `outputs`.
    pub(crate) rows: &'a [usize],
}

impl Weights<'_> {
    /// A linear layer of some rows of a matrix.
    pub(crate) fn linear_of(&self, part: &RowsOf) -> Result<Linear, ModelError> {
        let compute = self.split().of(part.name);
        let tensor = self.tensor_of(part)?;
        let bytes = self.rows_of(tensor, part)?;
        let shape = MatrixShape::one(part.rows.len(), part.inputs);
        let matrix = self.made_of((part.name, tensor.ty()?), shape, bytes.clone(), compute)?;
        Linear::new(matrix, &bytes, None, compute)
    }

    /// As many matrices, one behind the other, as those rows make.
    pub(crate) fn matrices_of(&self, part: &RowsOf, count: usize) -> Result<ExpertMatrices, ModelError> {
        let compute = self.split().of(part.name);
        let tensor = self.tensor_of(part)?;
        let bytes = self.rows_of(tensor, part)?;
        let shape = MatrixShape { count, rows: part.rows.len() / count, cols: part.inputs };
        let matrix = self.made_of((part.name, tensor.ty()?), shape, bytes.clone(), compute)?;
        ExpertMatrices::new(matrix, &bytes, None, compute)
    }

    /// As [`Self::matrices_of`], each of them transposed. Blocks of a quantised type lie along rows, so those become
    /// plain floats.
    pub(crate) fn transposed_of(&self, part: &RowsOf, count: usize) -> Result<ExpertMatrices, ModelError> {
        let compute = self.split().of(part.name);
        let tensor = self.tensor_of(part)?;
        let stored = self.rows_of(tensor, part)?;
        let plain = match tensor.ty()? {
            ty @ (GgmlType::F32 | GgmlType::BF16) => ty,
            _ => GgmlType::F16,
        };
        let (rows, cols) = (part.rows.len() / count, part.inputs);
        let (mut values, mut turned) = (vec![0.0; rows * cols], vec![0.0; rows * cols]);
        let of_each = plain.row_bytes(rows * cols).unwrap_or(0);
        let mut bytes = vec![0; count * of_each];
        for (from, to) in
            stored.chunks_exact(stored.len() / count).zip(bytes.chunks_exact_mut(of_each.max(1)))
        {
            dequantize(tensor.ty()?, from, &mut values)?;
            for (i, value) in values.iter().enumerate() {
                turned[i % cols * rows + i / cols] = *value;
            }
            quantize(plain, &turned, to)?;
        }
        let bytes = TensorBytes::from(bytes);
        let matrix = self.made_of(
            (part.name, plain),
            MatrixShape { count, rows: cols, cols: rows },
            bytes.clone(),
            compute,
        )?;
        ExpertMatrices::new(matrix, &bytes, None, compute)
    }

    fn tensor_of(&self, part: &RowsOf) -> Result<&TensorInfo, ModelError> {
        self.tensor(&format!("{}.weight", part.name), &[part.inputs, part.outputs])
    }

    /// The bytes of the rows, one behind the other. The file's pages are let go.
    fn rows_of(&self, tensor: &TensorInfo, part: &RowsOf) -> Result<TensorBytes, ModelError> {
        let all = self.bytes(tensor)?;
        let of_row = all.len() / part.outputs;
        let mut bytes = Vec::with_capacity(part.rows.len() * of_row);
        for row in part.rows {
            bytes.extend_from_slice(&all[row * of_row..(row + 1) * of_row]);
        }
        all.release(0..all.len());
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use lantern_gguf::GgufFile;
    use lantern_kernels::ExpertRows;

    use super::*;
    use crate::Compute;

    const NAME: &str = "blk.0.ffn_up";

    fn file() -> GgufFile {
        let path = lantern_golden::path("models/qwen2-Q8_0.gguf");
        GgufFile::open(path.as_ref()).expect("the golden model is part of the repository")
    }

    #[test]
    fn rows_of_a_packed_matrix_give_their_outputs() {
        let (file, rows) = (file(), [5, 0, 17, 16]);
        let weights = Weights::new(&file, Compute::kernels(1)).unwrap();
        let outputs = weights.vectors_in(NAME);
        let x = weights.embedding(512, 64).unwrap().forward(&[3, 4]).unwrap();
        let all = weights.linear(NAME, 64, outputs).unwrap().forward(&x).unwrap().into_values().unwrap();
        let part = weights.linear_of(&RowsOf { name: NAME, inputs: 64, outputs, rows: &rows }).unwrap();
        let part = part.forward(&x).unwrap().into_values().unwrap();
        let want: Vec<f32> = (0..2).flat_map(|x| rows.map(|row| all[x * outputs + row])).collect();
        assert_eq!(part, want);
    }

    #[test]
    fn blocks_are_turned_as_floats() {
        let (file, rows) = (file(), [5, 0, 17, 16]);
        let weights = Weights::new(&file, Compute::tensors(Device::Cpu)).unwrap();
        let part = RowsOf { name: NAME, inputs: 64, outputs: weights.vectors_in(NAME), rows: &rows };
        let turned = weights.transposed_of(&part, 2).unwrap();
        let x = Tensor::new(&[[0.5f32, -2.0]], &Device::Cpu).unwrap();
        let group = ExpertRows { expert: 1, first: 0, len: 1 };
        let got: Vec<f32> =
            turned.forward_tensor(&group, &x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let mut all = vec![0.0; 64 * part.outputs];
        let tensor = file.tensor("blk.0.ffn_up.weight").unwrap();
        dequantize(tensor.ty().unwrap(), &file.bytes(tensor).unwrap(), &mut all).unwrap();
        for (i, got) in got.iter().enumerate() {
            let want = 0.5 * all[17 * 64 + i] - 2.0 * all[16 * 64 + i];
            assert!((got - want).abs() < 1e-3, "{i}: {got} for {want}");
        }
    }
}
