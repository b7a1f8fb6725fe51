//! Folders laid out as other programs lay them out, with the files they keep beside the models.
#![allow(dead_code)] // Each test uses some.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_gguf::{GgmlType, GgufWriter, Value};
use lantern_hub::ModelLibrary;
use sha2::{Digest, Sha256};

pub struct Layouts {
    pub dir: tempfile::TempDir,
}

impl Layouts {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn library(&self) -> ModelLibrary {
        ModelLibrary::new(self.at("home"), vec![self.at("cache")])
    }

    pub fn file(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A blob, a link to it under a commit, and the branch that stands for the commit.
    pub fn hub_cache(&self, repo: &str, commit: char, file: &str, bytes: &[u8]) -> PathBuf {
        let folder = format!("cache/models--{}", repo.replace('/', "--"));
        let (blob, commit) = (sha256(bytes), String::from(commit).repeat(40));
        self.file(&format!("{folder}/blobs/{blob}"), bytes);
        self.file(&format!("{folder}/refs/main"), commit.as_bytes());
        let link = self.at(&format!("{folder}/snapshots/{commit}/{file}"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        #[cfg(unix)]
        std::os::unix::fs::symlink(Path::new("../../blobs").join(&blob), &link).unwrap();
        #[cfg(not(unix))]
        fs::hard_link(self.at(&format!("{folder}/blobs/{blob}")), &link).unwrap();
        link
    }

    pub fn lm_studio(&self, repo: &str, file: &str, bytes: &[u8]) -> PathBuf {
        self.file(&format!("lmstudio/models/{repo}/{file}"), bytes)
    }

    /// A manifest with all kinds of layers, and their blobs. `name` is `registry/namespace/name/tag`.
    pub fn ollama(&self, name: &str, model: &[u8], projector: Option<&[u8]>) -> PathBuf {
        let blob = |kind: &str, bytes: &[u8]| {
            let hash = sha256(bytes);
            let path = self.file(&format!("ollama/models/blobs/sha256-{hash}"), bytes);
            let media_type = format!("application/vnd.ollama.image.{kind}");
            let layer = serde_json::json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": bytes.len()});
            (path, layer)
        };
        let (path, layer) = blob("model", model);
        let mut layers = vec![layer];
        layers.extend(projector.map(|bytes| blob("projector", bytes).1));
        layers.extend([
            blob("license", b"MIT").1,
            blob("template", b"{{ .Prompt }}").1,
            blob("params", b"{}").1,
        ]);
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": format!("sha256:{}", sha256(b"{}")), "size": 2},
            "layers": layers,
        });
        self.file(&format!("ollama/models/manifests/{name}"), manifest.to_string().as_bytes());
        path
    }

    /// As versions since 0.6 keep models.
    pub fn jan(&self, id: &str, bytes: &[u8]) -> PathBuf {
        let path = format!("llamacpp/models/{id}/model.gguf");
        let text = format!("model_path: {path}\nname: {id}\nsize_bytes: {}\nembedding: false\n", bytes.len());
        self.file(&format!("jan/data/llamacpp/models/{id}/model.yml"), text.as_bytes());
        self.file(&format!("jan/data/{path}"), bytes)
    }

    pub fn gpt4all(&self, file: &str, bytes: &[u8]) -> PathBuf {
        self.file(&format!("gpt4all/incomplete-{file}"), &bytes[..bytes.len() / 2]);
        self.file(&format!("gpt4all/{file}"), bytes)
    }

    /// Every file with its content and time of change, so that a test can say that nothing was touched.
    pub fn state(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
        let (mut all, mut folders) = (Vec::new(), vec![self.at(folder)]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let about = entry.metadata().unwrap();
                        all.push((entry.path(), fs::read(entry.path()).unwrap(), about.modified().unwrap()));
                    }
                }
            }
        }
        all.sort();
        all
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A real GGUF file; `size` makes files differ.
pub fn gguf(size: usize) -> Vec<u8> {
    of_kind("llama", None, size)
}

pub fn of_kind(architecture: &str, kind: Option<&str>, size: usize) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String(architecture.into()));
    if let Some(kind) = kind {
        writer.metadata.set("general.type", Value::String(kind.into()));
    }
    writer.metadata.set("llama.context_length", Value::U32(2048));
    writer.tensor("a.weight", &[32, size as u64], GgmlType::Q4_0.id(), vec![7; size * 18]);
    writer.finish()
}

/// Half a megabyte and more, so that it is not read whole; `at` is a byte of its weights that differs.
pub fn large(at: Option<usize>) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String("llama".into()));
    let mut weights: Vec<u8> = (0..1u32 << 21).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    if let Some(at) = at {
        weights[at] ^= 1;
    }
    writer.tensor("a.weight", &[1 << 19], GgmlType::F32.id(), weights);
    writer.finish()
}
