//! Writes the file: tensor by tensor, a few rows at a time, under a draft's name until it was checked.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use lantern_gguf::quantize::quantize_on;
use lantern_gguf::{GgmlType, GgufFile, GgufStream, Metadata, PlannedTensor, Value, dequantize};
use twox_hash::XxHash3_64;

use crate::source::Source;
use crate::{ConvertError, FileType};

/// Values that are converted at once: 16 MiB of floats.
const PIECE: usize = 4 << 20;

/// How far a conversion is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Tensors written, and all there are.
    pub tensors: (usize, usize),
    /// The one that was written last.
    pub last: &'a TensorReport,
}

/// What became of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// Its type in the new file.
    pub ty: GgmlType,
    /// Bytes in the new file.
    pub bytes: u64,
    /// Root of the mean square of what was lost, relative to that of the values; 0 when nothing was.
    pub error: f64,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The file's size.
    pub bytes: u64,
    /// Every tensor.
    pub tensors: Vec<TensorReport>,
}

/// Writes `source` to `out` as `file_type`, on so many threads, and tells of each tensor.
///
/// The file gets its name only after it was read back; an older file of that name stays until then.
pub fn convert(
    source: &dyn Source,
    out: &Path,
    file_type: FileType,
    threads: usize,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Converted, ConvertError> {
    let plan = plan(source, file_type);
    let metadata = metadata(source, file_type);
    let draft = draft_of(out);
    let written = (|| {
        let (tensors, sums) = write(source, &draft, &metadata, &plan, threads, &mut progress)?;
        let bytes = check(&draft, &plan, &sums)?;
        fs::rename(&draft, out).map_err(ConvertError::io(out, "written"))?;
        Ok(Converted { bytes, tensors })
    })();
    if written.is_err() {
        // Half a file is of no use; it may also not be there.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn draft_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    out.with_file_name(name)
}

fn plan(source: &dyn Source, file_type: FileType) -> Vec<PlannedTensor> {
    let tensors = source.tensors();
    let has_output = tensors.iter().any(|tensor| tensor.name == "output.weight");
    let layer = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<usize>().ok();
    let n_layers = tensors.iter().filter_map(|tensor| layer(&tensor.name)).max().map_or(0, |last| last + 1);
    let planned = |tensor: &crate::SourceTensor| PlannedTensor {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        ty: file_type.of(tensor, n_layers, has_output),
    };
    tensors.iter().map(planned).collect()
}

fn metadata(source: &dyn Source, file_type: FileType) -> Metadata {
    let mut metadata = source.metadata().clone();
    if let Some(id) = file_type.id() {
        metadata.set("general.file_type", Value::U32(id));
    }
    metadata.set("general.quantization_version", Value::U32(2));
    metadata
}

/// Gives what became of each tensor, and a checksum of its bytes.
fn write(
    source: &dyn Source,
    draft: &Path,
    metadata: &Metadata,
    plan: &[PlannedTensor],
    threads: usize,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<(Vec<TensorReport>, Vec<u64>), ConvertError> {
    let io = ConvertError::io(draft, "written");
    let file = BufWriter::with_capacity(1 << 20, File::create(draft).map_err(&io)?);
    let mut stream = GgufStream::begin(file, metadata, plan).map_err(&io)?;
    let (mut reports, mut sums) = (Vec::new(), Vec::new());
    for (index, planned) in plan.iter().enumerate() {
        let mut sum = XxHash3_64::new();
        let error = each_piece(source, index, planned, threads, |bytes| {
            sum.write(bytes);
            stream.write(bytes).map_err(&io)
        })?;
        let report =
            TensorReport { name: planned.name.clone(), ty: planned.ty, bytes: planned.byte_len(), error };
        progress(Progress { tensors: (index + 1, plan.len()), last: &report });
        reports.push(report);
        sums.push(sum.finish());
    }
    let file = stream.finish().and_then(|file| file.into_inner().map_err(|error| error.into_error()));
    file.and_then(|file| file.sync_all()).map_err(&io)?;
    Ok((reports, sums))
}

/// Hands a tensor's bytes in their new type to `write`, and gives the relative error.
fn each_piece(
    source: &dyn Source,
    index: usize,
    planned: &PlannedTensor,
    threads: usize,
    mut write: impl FnMut(&[u8]) -> Result<(), ConvertError>,
) -> Result<f64, ConvertError> {
    let tensor = &source.tensors()[index];
    let (cols, rows) = (tensor.cols(), tensor.rows());
    let at_once = (PIECE / cols.max(1)).clamp(1, rows.max(1));
    let (mut lost, mut all, mut not_finite) = (0f64, 0f64, 0u64);
    let (mut values, mut back, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..rows).step_by(at_once) {
        let part = first..rows.min(first + at_once);
        if tensor.natural == planned.ty && source.bytes(index, part.clone(), &mut bytes)? {
            write(&bytes)?;
            continue;
        }
        values.resize(part.len() * cols, 0.0);
        back.resize(part.len() * cols, 0.0);
        source.values(index, part, &mut values)?;
        not_finite += values.iter().filter(|value| !value.is_finite()).count() as u64;
        bytes.resize(planned.ty.row_bytes(values.len()).unwrap_or(0), 0);
        quantize_on(planned.ty, &values, &mut bytes, threads)?;
        dequantize(planned.ty, &bytes, &mut back)?;
        for (value, back) in values.iter().zip(&back) {
            lost += f64::from(value - back).powi(2);
            all += f64::from(*value).powi(2);
        }
        write(&bytes)?;
    }
    match not_finite {
        0 => Ok(if all > 0.0 { (lost / all).sqrt() } else { 0.0 }),
        count => Err(ConvertError::NotFinite { tensor: tensor.name.clone(), count }),
    }
}

/// Reads the file as anybody else would, and compares every byte with what was to be written. Gives its length.
fn check(draft: &Path, plan: &[PlannedTensor], sums: &[u64]) -> Result<u64, ConvertError> {
    let wrong = |what: String| Err(ConvertError::WrittenWrongly(what));
    let file = GgufFile::open(draft)?;
    if file.tensors().len() != plan.len() {
        return wrong(format!("{} tensors instead of {}", file.tensors().len(), plan.len()));
    }
    for ((tensor, planned), sum) in file.tensors().values().zip(plan).zip(sums) {
        if (&tensor.name, &tensor.shape, tensor.type_id) != (&planned.name, &planned.shape, planned.ty.id()) {
            return wrong(format!("{:?} stands where {:?} belongs", tensor.name, planned.name));
        }
        let bytes = file.bytes(tensor)?;
        let found = XxHash3_64::oneshot(&bytes);
        bytes.release(0..bytes.len());
        if found != *sum {
            return wrong(format!("{:?} has other bytes", tensor.name));
        }
    }
    Ok(file.file_len())
}
