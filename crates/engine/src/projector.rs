//! Which file beside a model turns pictures into its vectors.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_gguf::GgufFile;

/// Whether a file's name says that it belongs to a model and is none itself.
fn is_projector(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.ends_with(".gguf") && name.contains("mmproj")
}

/// The projector in a model's folder whose vectors are as wide as the model, if there is one. Of several the one whose name
/// has most in common with the model's; of those the smallest, which is the one in 16 bits. Reads headers only.
pub fn projector_beside(model: &Path) -> Option<PathBuf> {
    let folder = model.parent()?;
    let beside = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut candidates: Vec<PathBuf> = beside.filter(|path| is_projector(path) && path != model).collect();
    if candidates.is_empty() {
        return None;
    }
    let width = hidden_size(model)?;
    candidates.retain(|path| vector_size(path) == Some(width));
    let size = |path: &PathBuf| fs::metadata(path).map_or(u64::MAX, |file| file.len());
    candidates.into_iter().max_by_key(|path| (in_common(path, model), std::cmp::Reverse(size(path))))
}

fn hidden_size(model: &Path) -> Option<u32> {
    let file = GgufFile::open(model).ok()?;
    let key = format!("{}.embedding_length", file.architecture().ok()?);
    file.metadata().opt_u32(&key).ok()?
}

fn vector_size(projector: &Path) -> Option<u32> {
    let file = GgufFile::open(projector).ok()?;
    file.metadata().opt_u32("clip.vision.projection_dim").ok()?
}

/// Words of one name that are in the other.
fn in_common(projector: &Path, model: &Path) -> usize {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let (projector, model) = (name(projector), name(model));
    let words = |name: &str| -> Vec<String> {
        name.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let known = words(&model);
    words(&projector).iter().filter(|word| known.contains(word)).count()
}
