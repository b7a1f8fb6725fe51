//! A finder before a Hub that is played, and models whose headers are long.
#![allow(dead_code)]

use std::path::Path;
use std::time::Duration;

use lantern_gguf::{Array, GgmlType, GgufFile, GgufWriter, Value};
use lantern_hub::search::{Finder, TemplateSays};
use lantern_hub::{FreeSpace, Hub, HubOptions, RetryPolicy};
use lantern_test_hub::{Repo, TestHub};

pub const REPO: &str = "maker/Model-8B-GGUF";

pub fn finder_with(endpoint: &str, home: &Path, token: Option<&str>) -> Finder {
    let options = HubOptions {
        endpoint: endpoint.into(),
        token: token.map(str::to_owned),
        cache_dir: home.join("cache"),
        retry: RetryPolicy {
            tries: 4,
            first_wait: Duration::from_millis(10),
            longest_wait: Duration::from_secs(3),
            silence: Duration::from_secs(5),
        },
        free_space: FreeSpace::default(),
        ..HubOptions::from_env()
    };
    let says = |template: &str| TemplateSays {
        tools: template.contains("tools"),
        thinking: template.contains("<think>"),
    };
    Finder::new(Hub::new(options).unwrap(), home.join("headers"), says)
}

pub fn finder(hub: &TestHub, home: &Path) -> Finder {
    finder_with(&hub.endpoint(), home, None)
}

/// A model with a vocabulary of so many tokens, and `rows` rows of weights of this type in each of two tensors.
pub fn model(ty: GgmlType, vocabulary: usize, imatrix: bool) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String("llama".into()));
    if imatrix {
        writer.metadata.set("quantize.imatrix.file", Value::String("some/where/imatrix.dat".into()));
    }
    let tokens = (0..vocabulary).map(|i| format!("token number {i}")).collect();
    writer.metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    for i in 0..40 {
        let bytes = vec![7; 4 * ty.row_bytes(256).unwrap()];
        writer.tensor(&format!("blk.{i}.attn_q.weight"), &[256, 4], ty.id(), bytes);
    }
    writer.finish()
}

pub fn local(bytes: &[u8], folder: &Path) -> GgufFile {
    let path = folder.join("local.gguf");
    std::fs::write(&path, bytes).unwrap();
    GgufFile::open(&path).unwrap()
}

/// A repository with tags as the Hub gives them.
pub fn repo(id: &str, tags: &[&str]) -> Repo {
    let mut repo = Repo::new(id);
    repo.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    repo.tags.push("gguf".into());
    repo
}
