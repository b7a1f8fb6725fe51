//! `tokenizer.json` and its companions as GGUF keeps them.
//!
//! Two kinds are known: byte-level BPE, whose merges are kept as they are and whose way of cutting text has a name in GGUF;
//! and BPE with byte fallback, which was made of a SentencePiece vocabulary and becomes one again: the rank of the merge that
//! makes a token is its score. Gemma 4's is of the second kind and keeps its merges.

use std::collections::HashMap;
use std::path::Path;

use lantern_gguf::{Array, Metadata, Value};
use serde_json::Value as Json;

use super::json::json;
use crate::ConvertError;

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// How text is cut, by the pattern in `tokenizer.json`, and GGUF's name for it.
const PATTERNS: &[(&str, &str)] = &[
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "llama-bpe",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen2",
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "tekken",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen35",
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "gpt-4o",
    ),
];

/// As [`PATTERNS`], for text that is cut in three steps (DeepSeek V3).
const THREE_PATTERNS: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥\u{3040}-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
];

/// The keys of a folder's tokenizer, for `vocab` rows of the embedding.
pub fn write(folder: &Path, vocab: usize, metadata: &mut Metadata) -> Result<(), ConvertError> {
    let file = json(&folder.join("tokenizer.json"))?;
    let settings = match folder.join("tokenizer_config.json") {
        path if path.exists() => json(&path)?,
        _ => Json::Null,
    };
    let model = &file["model"];
    if model["type"] != "BPE" {
        return Err(unsupported(format!("its model is {}, and only BPE is known", model["type"])));
    }
    let bytes = model["byte_fallback"] == true;
    let merges = merges(model)?;
    let mut tokens = Tokens::read(&file, bytes)?;
    tokens.fill(vocab);
    let joined = |merges: &[(String, String)]| {
        Value::Array(Array::String(merges.iter().map(|(a, b)| format!("{a} {b}")).collect()))
    };
    if bytes && metadata.str("general.architecture") == Ok("gemma4") {
        metadata.set("tokenizer.ggml.model", Value::String("gemma4".to_owned()));
        metadata.set("tokenizer.ggml.merges", joined(&merges));
        metadata.set("tokenizer.ggml.add_space_prefix", Value::Bool(prepends_space(&file)));
    } else if bytes {
        metadata.set("tokenizer.ggml.model", Value::String("llama".to_owned()));
        metadata.set("tokenizer.ggml.pre", Value::String("default".to_owned()));
        metadata.set("tokenizer.ggml.scores", Value::Array(Array::F32(tokens.scores(&merges))));
        metadata.set("tokenizer.ggml.add_space_prefix", Value::Bool(prepends_space(&file)));
    } else {
        metadata.set("tokenizer.ggml.model", Value::String("gpt2".to_owned()));
        metadata.set("tokenizer.ggml.pre", Value::String(way_of_cutting(&file)?.to_owned()));
        metadata.set("tokenizer.ggml.merges", joined(&merges));
    }
    special_tokens(&file, &settings, &tokens, metadata);
    metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens.texts)));
    metadata.set("tokenizer.ggml.token_type", Value::Array(Array::I32(tokens.types)));
    if let Some(template) = chat_template(folder, &settings)? {
        metadata.set("tokenizer.chat_template", Value::String(template));
    }
    Ok(())
}

/// The vocabulary by id.
struct Tokens {
    texts: Vec<String>,
    types: Vec<i32>,
    ids: HashMap<String, usize>,
}

impl Tokens {
    fn read(file: &Json, bytes: bool) -> Result<Self, ConvertError> {
        let mut tokens = Tokens { texts: Vec::new(), types: Vec::new(), ids: HashMap::new() };
        let vocabulary = file["model"]["vocab"].as_object();
        let vocabulary = vocabulary.ok_or_else(|| unsupported("it has no vocabulary".to_owned()))?;
        for (text, id) in vocabulary {
            let is_byte = bytes && text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
            let unknown = file["model"]["unk_token"] == **text;
            let ty = if is_byte {
                BYTE
            } else if unknown {
                UNKNOWN
            } else {
                NORMAL
            };
            tokens.put(id, text, ty)?;
        }
        for added in file["added_tokens"].as_array().into_iter().flatten() {
            let text = added["content"].as_str().unwrap_or_default();
            let unknown = file["model"]["unk_token"] == *text;
            let ty = if unknown {
                UNKNOWN
            } else if added["special"] == true {
                CONTROL
            } else {
                USER_DEFINED
            };
            tokens.put(&added["id"], text, ty)?;
        }
        Ok(tokens)
    }

    fn put(&mut self, id: &Json, text: &str, ty: i32) -> Result<(), ConvertError> {
        /// Far beyond any vocabulary.
        const MOST: u64 = 1 << 22;
        let id = id.as_u64().filter(|&id| id < MOST);
        let id = id.ok_or_else(|| unsupported(format!("the id of {text:?} cannot be right")))? as usize;
        if id >= self.texts.len() {
            self.fill(id + 1);
        }
        self.texts[id] = text.to_owned();
        self.types[id] = ty;
        self.ids.insert(text.to_owned(), id);
        Ok(())
    }

    /// Unused tokens up to `len`: embeddings often have more rows than there are tokens.
    fn fill(&mut self, len: usize) {
        for id in self.texts.len()..len {
            self.texts.push(format!("[PAD{id}]"));
            self.types.push(UNUSED);
        }
    }

    /// The best score for the token of the first merge, and so on; those that no merge makes come last.
    fn scores(&self, merges: &[(String, String)]) -> Vec<f32> {
        let mut scores = vec![-1e6; self.texts.len()];
        for (rank, (a, b)) in merges.iter().enumerate().rev() {
            if let Some(&id) = self.ids.get(&format!("{a}{b}")) {
                scores[id] = -(rank as f32);
            }
        }
        let none = self.types.iter().map(|ty| matches!(*ty, CONTROL | UNKNOWN | BYTE));
        scores.iter_mut().zip(none).filter(|(_, none)| *none).for_each(|(score, _)| *score = 0.0);
        scores
    }
}

/// Pairs in the order of their rank; files have them as pairs or as texts with a space between.
fn merges(model: &Json) -> Result<Vec<(String, String)>, ConvertError> {
    let pair = |merge: &Json| {
        let (a, b) = match merge {
            Json::String(text) => text.split_once(' ')?,
            other => (other.get(0)?.as_str()?, other.get(1)?.as_str()?),
        };
        Some((a.to_owned(), b.to_owned()))
    };
    let merges = model["merges"].as_array().into_iter().flatten();
    merges.map(|merge| pair(merge).ok_or_else(|| unsupported(format!("{merge} is no merge")))).collect()
}

/// GGUF's name for how byte-level text is cut before it is merged.
fn way_of_cutting(file: &Json) -> Result<&'static str, ConvertError> {
    let pre = &file["pre_tokenizer"];
    let parts: Vec<&Json> = match pre["pretokenizers"].as_array() {
        Some(parts) => parts.iter().collect(),
        None => vec![pre],
    };
    let kinds: Vec<&str> = parts.iter().filter_map(|part| part["type"].as_str()).collect();
    let own_pattern = parts.iter().any(|part| part["type"] == "ByteLevel" && part["use_regex"] != false);
    let patterns: Vec<&str> = parts.iter().filter_map(|part| part["pattern"]["Regex"].as_str()).collect();
    let pattern = patterns.first().copied();
    let named = |pattern| PATTERNS.iter().find(|(known, _)| *known == pattern).map(|(_, name)| *name);
    let name = match (kinds.as_slice(), pattern) {
        (["Split", "ByteLevel"], Some(pattern)) if !own_pattern => named(pattern),
        (["Split", "Split", "Split", "ByteLevel"], _) if !own_pattern && patterns == THREE_PATTERNS => {
            Some("deepseek-v3")
        }
        (["Digits", "ByteLevel"], None) if own_pattern && parts[0]["individual_digits"] == true => {
            Some("smollm")
        }
        (["ByteLevel"], None) if own_pattern => Some("gpt-2"),
        _ => None,
    };
    name.ok_or_else(|| unsupported(format!("its way of cutting text is not known: {pre}")))
}

/// Whether a space is put before a text.
fn prepends_space(file: &Json) -> bool {
    let normalizer = &file["normalizer"];
    let parts = normalizer["normalizers"].as_array().map_or(std::slice::from_ref(normalizer), Vec::as_slice);
    parts.iter().any(|part| part["type"] == "Prepend")
        || matches!(file["pre_tokenizer"]["prepend_scheme"].as_str(), Some("always" | "first"))
}

fn special_tokens(file: &Json, settings: &Json, tokens: &Tokens, metadata: &mut Metadata) {
    let id_of = |name: &str| {
        let token = &settings[name];
        tokens.ids.get(token.as_str().or_else(|| token["content"].as_str())?).copied()
    };
    let names =
        [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")];
    for (theirs, ours) in names {
        if let Some(id) = id_of(theirs) {
            metadata.set(format!("tokenizer.ggml.{ours}_token_id"), Value::U32(id as u32));
        }
    }
    let (bos, eos) = (id_of("bos_token"), id_of("eos_token"));
    let adds = |name: &str, id: Option<usize>| {
        let stated = settings[name].as_bool();
        id.is_some_and(|id| {
            stated.unwrap_or_else(|| processor_adds(&file["post_processor"], &tokens.texts[id]))
        })
    };
    metadata.set("tokenizer.ggml.add_bos_token", Value::Bool(adds("add_bos_token", bos)));
    metadata.set("tokenizer.ggml.add_eos_token", Value::Bool(adds("add_eos_token", eos)));
}

/// Whether the last step of tokenizing puts this token around a text.
fn processor_adds(processor: &Json, token: &str) -> bool {
    let parts = processor["processors"].as_array().map_or(std::slice::from_ref(processor), Vec::as_slice);
    let single = parts.iter().filter_map(|part| part["single"].as_array()).flatten();
    single.into_iter().any(|part| part["SpecialToken"]["id"] == *token)
}

/// From its own file, or from the settings: one text, or several with names.
fn chat_template(folder: &Path, settings: &Json) -> Result<Option<String>, ConvertError> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        return Ok(Some(std::fs::read_to_string(&path).map_err(ConvertError::io(&path, "read"))?));
    }
    Ok(match &settings["chat_template"] {
        Json::String(template) => Some(template.clone()),
        Json::Array(named) => {
            let default = named.iter().find(|entry| entry["name"] == "default");
            default.and_then(|entry| entry["template"].as_str()).map(str::to_owned)
        }
        _ => None,
    })
}

fn unsupported(reason: String) -> ConvertError {
    ConvertError::UnsupportedTokenizer(reason)
}
