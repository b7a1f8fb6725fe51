//! Named access to a file's tensors: shapes are checked, matrices packed once, use is recorded.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use lantern_gguf::{GgmlType, GgufFile, TensorBytes, TensorInfo, dequantize};
use lantern_kernels::{Arena, ExpertStore, KernelError, MatrixShape, Pool, QMatrix};

use crate::hyper::Sizes;
use crate::layers::{Embedding, ExpertMatrices, LayerNorm, Linear, Norm, NormKind, RmsNorm};
use crate::packed::{CopyWriter, PackedFile};
use crate::placement::Part;
use crate::resident::Resident;
use crate::{Compute, ModelError, Split};

/// A file's tensors on their way into layers.
pub struct Weights<'a> {
    file: &'a GgufFile,
    split: Split,
    /// Where matrices for kernels are packed; as large as the file, or as what of it is to be in memory.
    arena: Arena,
    /// Has experts' tiles, when there is memory for some of them only.
    experts: Option<Arc<ExpertStore>>,
    /// Tiles that were packed by an earlier process.
    copy: Option<PackedFile>,
    /// Whether experts are packed when they are first used.
    deferring: bool,
    /// Whether anything was packed here.
    packed: Cell<bool>,
    used: RefCell<HashSet<String>>,
    /// Matrices made so far: a head that shares the embedding's weights gets the same object.
    matrices: RefCell<HashMap<String, Arc<QMatrix>>>,
}

impl<'a> Weights<'a> {
    /// The tensors of a file. A tensor of an unknown type fails here, by its name.
    pub fn new(file: &'a GgufFile, split: impl Into<Split>) -> Result<Self, ModelError> {
        let split = split.into();
        for tensor in file.tensors().values() {
            tensor.ty()?;
        }
        let arena = Arena::new(if split.has_kernels() { bytes_in_memory(file, &split) } else { 0 })?;
        let experts = split.expert_memory().map(|_| Arc::default());
        Ok(Weights {
            file,
            split,
            arena,
            experts,
            copy: None,
            deferring: true,
            packed: Cell::new(false),
            used: RefCell::default(),
            matrices: RefCell::default(),
        })
    }

    /// With a packed copy of the same file, whose tiles are used where it has them; without one, everything is packed at
    /// once, so that one can be written.
    pub(crate) fn with_copy(self, copy: Option<PackedFile>) -> Self {
        Weights { copy, deferring: false, ..self }
    }

    /// Writes a copy of all tiles to `path`; nothing when none were packed here, because all came from a copy or because
    /// the file has no matrix that is packed.
    pub(crate) fn copy_writer(&self, path: PathBuf) -> Option<CopyWriter> {
        let matrices = self.matrices.borrow();
        let in_order =
            self.file.tensors().keys().filter_map(|name| Some((name.as_str(), matrices.get(name)?)));
        self.packed.get().then(|| CopyWriter::new(path, self.file, in_order))
    }

    /// What is left to do for the packed weights when there is time. Fails when the memory for experts is too little.
    pub(crate) fn resident(&self) -> Result<Resident, ModelError> {
        if let (Some(experts), Some(bytes)) = (&self.experts, self.split.expert_memory()) {
            experts.open(usize::try_from(bytes).unwrap_or(usize::MAX), &self.arena)?;
        }
        let matrices = self.matrices.borrow();
        let in_order = self.file.tensors().keys().filter_map(|name| matrices.get(name));
        let deferred = in_order.filter(|matrix| matrix.is_deferred()).cloned().collect();
        Ok(Resident::new(self.arena.clone(), deferred, self.experts.clone()))
    }

    /// How each layer computes.
    pub(crate) fn split(&self) -> &Split {
        &self.split
    }

    /// Whether the tensor is there. Does not count as using it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_some()
    }

    /// A linear layer `<name>.weight` from `inputs` to `outputs`, with `<name>.bias` if the file has one.
    pub(crate) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        self.linear_for(name, inputs, outputs, self.split.of(name))
    }

    fn linear_for(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        compute: &Compute,
    ) -> Result<Linear, ModelError> {
        let tensor = self.tensor(&format!("{name}.weight"), &[inputs, outputs])?;
        let bias = self.opt_vector(&format!("{name}.bias"), outputs)?;
        let matrix = self.matrix(tensor, MatrixShape::one(outputs, inputs), compute.pool())?;
        let bytes = self.file.bytes(tensor)?;
        let linear = Linear::new(matrix, &bytes, bias, compute)?;
        release_uploaded(&bytes, compute);
        Ok(linear)
    }

    /// A linear layer over the pixels of patches with `side` of them on each side, which files keep as `[columns, lines,
    /// channels, outputs]`: `<name>.<matrix>`. `<name>.bias` goes with `<name>.weight`, if the file has one.
    pub(crate) fn patch_linear(
        &self,
        name: &str,
        matrix: &str,
        side: usize,
        outputs: usize,
    ) -> Result<Linear, ModelError> {
        const CHANNELS: usize = 3;
        let tensor = self.tensor(&format!("{name}.{matrix}"), &[side, side, CHANNELS, outputs])?;
        let bias = match matrix {
            "weight" => self.opt_vector(&format!("{name}.bias"), outputs)?,
            _ => None,
        };
        let compute = self.split.of(&tensor.name);
        let inputs = side * side * CHANNELS;
        let matrix = self.matrix(tensor, MatrixShape::one(outputs, inputs), compute.pool())?;
        Linear::new(matrix, &self.file.bytes(tensor)?, bias, compute)
    }

    /// One linear layer of `count` matrices `<name>.weight` over the same inputs: their outputs stand beside each other.
    pub(crate) fn stacked_linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        count: usize,
    ) -> Result<Linear, ModelError> {
        let tensor = self.tensor(&format!("{name}.weight"), &[inputs, outputs, count])?;
        let compute = self.split.of(&tensor.name);
        let matrix = self.matrix(tensor, MatrixShape::one(outputs * count, inputs), compute.pool())?;
        let bytes = self.file.bytes(tensor)?;
        let linear = Linear::new(matrix, &bytes, None, compute)?;
        release_uploaded(&bytes, compute);
        Ok(linear)
    }

    /// The matrices `<name>.weight` of `count` experts, each from `inputs` to `outputs`, with `<name>.bias` if the file has
    /// them.
    pub(crate) fn experts(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        count: usize,
    ) -> Result<ExpertMatrices, ModelError> {
        let tensor = self.tensor(&format!("{name}.weight"), &[inputs, outputs, count])?;
        let bias = format!("{name}.bias");
        let bias = if self.has(&bias) { Some(self.values(&bias, &[outputs, count])?) } else { None };
        let compute = self.split.of(&tensor.name);
        let shape = MatrixShape { count, rows: outputs, cols: inputs };
        let matrix = self.matrix(tensor, shape, compute.pool())?;
        let bytes = self.file.bytes(tensor)?;
        let experts = ExpertMatrices::new(matrix, &bytes, bias, compute)?;
        release_uploaded(&bytes, compute);
        Ok(experts)
    }

    /// Root-mean-square normalisation over rows of `width`, weighted by `<name>.weight`.
    pub(crate) fn rms_norm(&self, name: &str, width: usize, eps: f64) -> Result<RmsNorm, ModelError> {
        RmsNorm::new(self.vector(&format!("{name}.weight"), width)?, eps, self.split.of(name).device())
    }

    /// A norm over whole rows, of the kind that the family has.
    pub(crate) fn norm(&self, name: &str, sizes: &Sizes) -> Result<Norm, ModelError> {
        Ok(match sizes.norm_kind {
            NormKind::Rms => Norm::Rms(self.rms_norm(name, sizes.hidden, sizes.norm_eps)?),
            NormKind::Layer => Norm::Layer(self.layer_norm(name, sizes.hidden, sizes.norm_eps)?),
        })
    }

    /// Layer normalisation over rows of `width`, by `<name>.weight` and `<name>.bias`.
    pub(crate) fn layer_norm(&self, name: &str, width: usize, eps: f64) -> Result<LayerNorm, ModelError> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.vector(&format!("{name}.{part}"), width));
        LayerNorm::new(weight?, bias?, eps, self.split.of(name).device())
    }

    /// Vectors in the table `<name>.weight`, where the file alone says how many there are.
    pub(crate) fn vectors_in(&self, name: &str) -> usize {
        let tensor = self.file.tensor(&format!("{name}.weight"));
        tensor.and_then(|tensor| tensor.shape.get(1)).map_or(1, |&rows| rows as usize)
    }

    /// A table `<name>.weight` of `rows` vectors of `width`, only to look vectors up: it stays in the file.
    pub(crate) fn table(&self, name: &str, rows: usize, width: usize) -> Result<Embedding, ModelError> {
        let tensor = self.tensor(&format!("{name}.weight"), &[width, rows])?;
        let matrix = self.matrix(tensor, MatrixShape::one(rows, width), None)?;
        Ok(Embedding::alone(matrix, self.split.of(name)))
    }

    /// The table of token embeddings.
    pub(crate) fn embedding(&self, vocab: usize, hidden: usize) -> Result<Embedding, ModelError> {
        let tensor = self.tensor("token_embd.weight", &[hidden, vocab])?;
        // A table that is also the output's matrix is packed as such; another one stays in the file, of which then only
        // the rows in use are read.
        let shared = !self.has("output.weight");
        let pool = if shared { self.split.head().pool() } else { None };
        let matrix = self.matrix(tensor, MatrixShape::one(vocab, hidden), pool)?;
        let of = if shared { Embedding::shared } else { Embedding::alone };
        Ok(of(matrix, self.split.of(&tensor.name)))
    }

    /// The layer from hidden states to logits: `output`, or the embedding's matrix in files that share it.
    pub(crate) fn output(&self, vocab: usize, hidden: usize) -> Result<Linear, ModelError> {
        let name = if self.has("output.weight") { "output" } else { "token_embd" };
        self.linear_for(name, hidden, vocab, self.split.head())
    }

    /// Takes a tensor that files may have and that has no part in the computation.
    pub(crate) fn ignore(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Takes the tensors of blocks that plain generation does without.
    pub(crate) fn ignore_blocks(&self, blocks: Range<usize>) {
        blocks.for_each(|block| self.ignore_under(&format!("blk.{block}.")));
    }

    /// Takes all tensors whose names begin so.
    pub(crate) fn ignore_under(&self, prefix: &str) {
        let names = self.file.tensors().keys();
        names.filter(|name| name.starts_with(prefix)).for_each(|name| self.ignore(name));
    }

    /// A vector of `len` numbers.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        self.values(name, &[len])
    }

    /// All numbers of a tensor of this shape (contiguous dimension first), in the order of the file.
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        dequantize(tensor.ty()?, &self.file.bytes(tensor)?, &mut values)?;
        Ok(values)
    }

    /// Like [`Self::vector`], when the tensor is there.
    pub(crate) fn opt_vector(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, ModelError> {
        if self.has(name) { self.vector(name, len).map(Some) } else { Ok(None) }
    }

    /// A tensor as matrices, the same object for the same tensor. With threads that pack it, it is for products; without,
    /// to look rows up or to be copied to a device.
    fn matrix(
        &self,
        tensor: &TensorInfo,
        shape: MatrixShape,
        pool: Option<&Pool>,
    ) -> Result<Arc<QMatrix>, ModelError> {
        if let Some(matrix) = self.matrices.borrow().get(&tensor.name) {
            return Ok(Arc::clone(matrix));
        }
        let bytes = self.file.bytes(tensor)?;
        let mut matrix = unpacked(&tensor.name, tensor.ty()?, shape, bytes.clone())?;
        if let Some(pool) = pool {
            matrix = self.in_tiles(&tensor.name, matrix, pool)?;
        }
        if matrix.packed_bytes().is_none() && !matrix.is_deferred() && !self.is_partly_kept(tensor) {
            bytes.will_need(0..bytes.len());
        }
        let matrix = Arc::new(matrix);
        self.matrices.borrow_mut().insert(tensor.name.clone(), Arc::clone(&matrix));
        Ok(matrix)
    }

    /// Whether memory may not hold all of a tensor.
    fn is_partly_kept(&self, tensor: &TensorInfo) -> bool {
        self.experts.is_some() && matches!(Part::of(&tensor.name), Part::Experts(_))
    }

    /// Matrices that were made of a tensor's bytes, packed at once. `compute` is where they are for.
    pub(crate) fn made_of(
        &self,
        (name, ty): (&str, GgmlType),
        shape: MatrixShape,
        bytes: TensorBytes,
        compute: &Compute,
    ) -> Result<Arc<QMatrix>, ModelError> {
        let matrix = unpacked(name, ty, shape, bytes)?;
        Ok(Arc::new(match compute.pool() {
            Some(pool) => matrix.pack(&self.arena, pool)?,
            None => matrix,
        }))
    }

    /// A tensor's bytes.
    pub(crate) fn bytes(&self, tensor: &TensorInfo) -> Result<TensorBytes, ModelError> {
        Ok(self.file.bytes(tensor)?)
    }

    /// A matrix for products: with the tiles of the copy, or packed.
    fn in_tiles(&self, name: &str, matrix: QMatrix, pool: &Pool) -> Result<QMatrix, ModelError> {
        if let Some(tiles) = self.copy.as_ref().and_then(|copy| copy.tiles(name, &matrix)) {
            return Ok(matrix.with_tiles(tiles)?);
        }
        if let Some(experts) = self.experts.as_ref().filter(|_| matrix.shape().count > 1) {
            return Ok(matrix.keep_in(experts)?);
        }
        if self.deferring && matrix.shape().count > 1 {
            return Ok(matrix.pack_when_used(&self.arena)?);
        }
        let matrix = matrix.pack(&self.arena, pool)?;
        self.packed.set(self.packed.get() || matrix.packed_bytes().is_some());
        Ok(matrix)
    }

    /// The line of the tensor table, if its shape is the expected one (contiguous dimension first).
    pub(crate) fn tensor(&self, name: &str, expected: &[usize]) -> Result<&'a TensorInfo, ModelError> {
        let missing = || ModelError::MissingTensor { tensor: name.to_owned() };
        let tensor = self.file.tensor(name).ok_or_else(missing)?;
        // Dimensions of 1 beyond those given say nothing.
        let sizes = 0..tensor.shape.len().max(expected.len());
        let equal =
            |i: usize| tensor.shape.get(i).copied().unwrap_or(1) == expected.get(i).map_or(1, |&n| n as u64);
        if !sizes.into_iter().all(equal) {
            return Err(ModelError::TensorShape {
                tensor: name.to_owned(),
                expected: expected.iter().map(|&n| n as u64).collect(),
                found: tensor.shape.clone(),
            });
        }
        self.used.borrow_mut().insert(name.to_owned());
        Ok(tensor)
    }

    /// Refuses the file when it has tensors that no layer took.
    pub(crate) fn finish(&self) -> Result<(), ModelError> {
        let used = self.used.borrow();
        let unused: Vec<&String> = self.file.tensors().keys().filter(|name| !used.contains(*name)).collect();
        if unused.is_empty() {
            return Ok(());
        }
        Err(ModelError::UnusedTensors {
            architecture: self.file.architecture()?.to_owned(),
            count: unused.len(),
            examples: unused.into_iter().take(3).cloned().collect(),
        })
    }
}

/// Bytes of a file's weights that are in host memory at most.
fn bytes_in_memory(file: &GgufFile, split: &Split) -> usize {
    let whole = file.file_len();
    let bytes = split.expert_memory().map_or(whole, |limit| {
        let experts = file.tensors().values().filter(|t| matches!(Part::of(&t.name), Part::Experts(_)));
        let experts: u64 = experts.filter_map(TensorInfo::byte_len).sum();
        whole.saturating_sub(experts.saturating_sub(limit))
    });
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Matrices where they lie; a type without kernels is refused by the tensor's name.
fn unpacked(name: &str, ty: GgmlType, shape: MatrixShape, bytes: TensorBytes) -> Result<QMatrix, ModelError> {
    QMatrix::new(ty, shape, bytes).map_err(|error| match error {
        KernelError::UnsupportedType { ty } => {
            ModelError::UnsupportedTensorType { tensor: name.to_owned(), ty: ty.name() }
        }
        error => error.into(),
    })
}

/// A device has its own copy, so the file's pages that were read for it are let go.
fn release_uploaded(bytes: &TensorBytes, compute: &Compute) {
    if !compute.has_kernels() {
        bytes.release(0..bytes.len());
    }
}
