//! Ollama's store: `manifests/<registry>/<namespace>/<name>/<tag>` says which of the `blobs` a model is made of.
//!
//! A manifest is an image manifest as container registries have it: layers with a media type and the SHA-256 of their bytes,
//! which is also the blob's name. The layer of the model is a GGUF file as it is; that of the projector another. Layers of
//! templates, parameters and licences are Ollama's own affair: the file has them as well. A model with an adapter is left
//! out, because its weights alone are another model.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::{ModelSource, PlaceOwner};
use serde::Deserialize;

use super::scan::{Found, Scan};
use crate::RepoId;

/// Longest manifest that is read; real ones have about a kilobyte.
const MAX_MANIFEST: u64 = 1 << 20;

const MODEL: &str = "application/vnd.ollama.image.model";
const PROJECTOR: &str = "application/vnd.ollama.image.projector";
const ADAPTER: &str = "application/vnd.ollama.image.adapter";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    digest: String,
}

/// Whether a folder is laid out like Ollama's.
pub(crate) fn is_store(folder: &Path) -> bool {
    folder.join("manifests").is_dir() && folder.join("blobs").is_dir()
}

/// Every model of a store whose bytes are there.
pub(crate) fn scan(store: &Path) -> Scan {
    let mut scan = Scan::default();
    let manifests = store.join("manifests");
    let mut files = Vec::new();
    list(&manifests, 4, &mut files, &mut scan);
    for file in files {
        let names: Vec<String> = match file.strip_prefix(&manifests) {
            Ok(path) => path.iter().map(|part| part.to_string_lossy().into_owned()).collect(),
            Err(_) => continue,
        };
        if let [registry, namespace, name, tag] = names.as_slice() {
            match read(store, &file) {
                Ok(Some((model, projector))) => {
                    scan.found.push(found(model, projector, [registry, namespace, name, tag]));
                }
                Ok(None) => {}
                Err(why) => scan.problem(
                    "bad_manifest",
                    format!("{} is no manifest of Ollama's: {why}.", file.display()),
                    "Pull that model again with Ollama, or remove it there.",
                ),
            }
        }
    }
    scan
}

/// Files exactly `depth` folders deep, sorted.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, scan: &mut Scan) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return scan.unreadable(folder, &error),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match depth {
            1 if path.is_file() => files.push(path),
            2.. if path.is_dir() => list(&path, depth - 1, files, scan),
            _ => {}
        }
    }
}

/// The model's blob and the projector's; `None` for what is no model of one file, or is not there.
fn read(store: &Path, manifest: &Path) -> Result<Option<(Blob, Option<Blob>)>, String> {
    let size = fs::metadata(manifest).map_err(|error| error.to_string())?.len();
    if size > MAX_MANIFEST {
        return Err(format!("it has {size} bytes"));
    }
    let bytes = fs::read(manifest).map_err(|error| error.to_string())?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let count = |kind: &str| manifest.layers.iter().filter(|layer| layer.media_type == kind).count();
    if count(ADAPTER) > 0 || count(MODEL) != 1 {
        return Ok(None);
    }
    let blob = |kind: &str| {
        let layer = manifest.layers.iter().find(|layer| layer.media_type == kind)?;
        Blob::of(store, &layer.digest)
    };
    Ok(blob(MODEL).map(|model| (model, blob(PROJECTOR))))
}

struct Blob {
    path: PathBuf,
    sha256: String,
}

impl Blob {
    /// The file of a digest; old versions have a colon in its name. Only a checked hash becomes part of a path.
    fn of(store: &Path, digest: &str) -> Option<Self> {
        let sha256 = crate::names::parse_sha256(digest.strip_prefix("sha256:")?)?;
        let name = |separator: char| store.join("blobs").join(format!("sha256{separator}{sha256}"));
        let path = [name('-'), name(':')].into_iter().find(|path| path.is_file())?;
        Some(Self { path, sha256 })
    }
}

fn found(model: Blob, projector: Option<Blob>, [registry, namespace, name, tag]: [&String; 4]) -> Found {
    let is_hub = registry == "hf.co" || registry == "huggingface.co";
    let repo = is_hub.then(|| RepoId::parse(&format!("{namespace}/{name}")).ok()).flatten();
    Found {
        path: model.path,
        source: ModelSource::InPlace,
        owner: PlaceOwner::Ollama,
        name: format!("{name}:{tag}"),
        repo: repo.map(|repo| repo.as_str().to_owned()),
        commit: None,
        sha256: Some(model.sha256),
        projector: projector.map(|blob| blob.path),
    }
}
