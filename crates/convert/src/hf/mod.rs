//! A model as the Hub keeps it: `config.json`, tokenizer and safetensors files in a folder.

mod config;
mod families;
mod rope;
mod tensors;
mod tokenizer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lantern_gguf::{GgmlType, Metadata, TensorBytes, Value};

use crate::source::{Source, SourceTensor};
use crate::{ConvertError, FileType};
use config::{Config, Keys};
use families::{Change, FAMILIES, Family};
use tensors::TensorFiles;

/// Parts of models that see or hear; only the language model is converted.
const OTHER_PARTS: [&str; 4] = ["vision_tower.", "vision_model.", "audio_tower.", "multi_modal_projector."];

/// A folder whose files were found to be a model that can be converted.
pub struct HfFolder {
    files: TensorFiles,
    metadata: Metadata,
    tensors: Vec<SourceTensor>,
    origins: Vec<Origin>,
    left_out: usize,
}

/// Where a tensor's values come from.
enum Origin {
    /// Matrices one behind the other, each changed in the same way.
    Stored { names: Vec<String>, rows: usize, change: Turn },
    /// They were computed.
    Values(Vec<f32>),
}

/// [`Change`] with the number of heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    None,
    Heads(usize),
    AddOne,
}

impl HfFolder {
    /// Reads everything but the weights, and finds a place for every tensor.
    pub fn open(folder: &Path) -> Result<Self, ConvertError> {
        let config = Config::read(folder)?;
        let family = FAMILIES.iter().find(|family| family.classes.contains(&config.class.as_str()));
        let Some(family) = family else {
            return Err(ConvertError::UnknownModel {
                found: config.class.clone(),
                supported: FAMILIES.iter().flat_map(|f| f.classes).map(|&name| name.to_owned()).collect(),
            });
        };
        let mut metadata = Metadata::default();
        metadata.set("general.architecture", Value::String(family.gguf.to_owned()));
        metadata.set("general.type", Value::String("model".to_owned()));
        metadata.set("general.name", Value::String(name_of(folder)));
        let rope_freqs =
            (family.keys)(&config, &mut Keys { architecture: family.gguf, metadata: &mut metadata })?;
        let files = TensorFiles::open(folder, &config.as_value())?;
        let mut model = HfFolder { files, metadata, tensors: Vec::new(), origins: Vec::new(), left_out: 0 };
        model.place_tensors(family, &config)?;
        if let Some(values) = rope_freqs {
            let shape = vec![values.len() as u64];
            let name = "rope_freqs.weight".to_owned();
            model.tensors.push(SourceTensor { name, shape, natural: GgmlType::F32 });
            model.origins.push(Origin::Values(values));
        }
        let vocab = model.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
        let vocab = vocab.map_or(0, SourceTensor::rows);
        tokenizer::write(folder, vocab, &mut model.metadata)?;
        sampling(folder, &mut model.metadata)?;
        model.set_file_type();
        Ok(model)
    }

    /// Tensors that were left out because they belong to parts that see or hear.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn place_tensors(&mut self, family: &Family, config: &Config) -> Result<(), ConvertError> {
        let heads = config.u32("num_attention_heads")? as usize;
        let kv_heads = config.opt_u32("num_key_value_heads").map_or(heads, |n| n as usize);
        let tied = config.is("tie_word_embeddings");
        // By name in the new file: the change, and the tensors by the number of their expert.
        let mut placed: BTreeMap<(usize, String), (Turn, BTreeMap<usize, String>)> = BTreeMap::new();
        for stored in self.files.names() {
            let name = plain_name(stored);
            if OTHER_PARTS.iter().any(|part| name.contains(part)) {
                self.left_out += 1;
                continue;
            }
            if name.ends_with("rotary_emb.inv_freq") || (tied && name == "lm_head.weight") {
                continue;
            }
            let (pattern, numbers) = numbers_out(&name);
            let rule = family.rules.iter().copied().flatten().find(|rule| rule.0 == pattern);
            let Some(rule) = rule else { return Err(ConvertError::UnknownTensor(stored.to_owned())) };
            let turn = match rule.2 {
                Change::None => Turn::None,
                Change::AddOne => Turn::AddOne,
                Change::Queries => Turn::Heads(heads),
                Change::Keys => Turn::Heads(kv_heads),
            };
            let layer = numbers.first().copied().unwrap_or(0);
            let target = (layer, rule.1.replace('#', &layer.to_string()));
            let parts = &mut placed.entry(target).or_insert_with(|| (turn, BTreeMap::new())).1;
            parts.insert(numbers.get(1).copied().unwrap_or(0), stored.to_owned());
        }
        for ((_, name), (turn, parts)) in placed {
            self.place(name, turn, parts)?;
        }
        Ok(())
    }

    /// Adds a tensor made of some stored ones, which must be alike.
    fn place(
        &mut self,
        name: String,
        change: Turn,
        parts: BTreeMap<usize, String>,
    ) -> Result<(), ConvertError> {
        let bad = |reason: String| ConvertError::BadTensor { tensor: name.clone(), reason };
        let count = parts.len();
        if parts.keys().enumerate().any(|(i, &expert)| i != expert) {
            return Err(bad(format!("has {count} experts, of which some are missing")));
        }
        let names: Vec<String> = parts.into_values().collect();
        let sizes = self.files.shape(&names[0])?.to_vec();
        for other in &names[1..] {
            if self.files.shape(other)? != sizes {
                return Err(bad("has experts of different shapes".to_owned()));
            }
        }
        let mut shape: Vec<u64> = sizes.iter().rev().map(|&n| n as u64).collect();
        if count > 1 || name.contains("_exps.") {
            shape.push(count as u64);
        }
        let rows = sizes.iter().rev().skip(1).product::<usize>().max(1);
        let turned = if sizes.len() > 1 { rows } else { sizes.first().copied().unwrap_or(0) };
        if let Turn::Heads(heads) = change
            && (heads == 0 || !turned.is_multiple_of(2 * heads))
        {
            return Err(bad(format!("has {turned} rows for {heads} heads")));
        }
        let natural = if sizes.len() > 1 { self.files.natural(&names[0])? } else { GgmlType::F32 };
        self.tensors.push(SourceTensor { name, shape, natural });
        self.origins.push(Origin::Stored { names, rows, change });
        Ok(())
    }

    /// `general.file_type` of the weights as they are: the type that most of them have.
    fn set_file_type(&mut self) {
        let values = |ty| {
            let of = self.tensors.iter().filter(|tensor| tensor.natural == ty);
            of.map(|tensor| tensor.shape.iter().product::<u64>()).sum::<u64>()
        };
        let types = [FileType::F32, FileType::F16, FileType::BF16].into_iter();
        let most =
            types.zip([GgmlType::F32, GgmlType::F16, GgmlType::BF16]).max_by_key(|(_, ty)| values(*ty));
        if let Some(id) = most.and_then(|(file_type, _)| file_type.id()) {
            self.metadata.set("general.file_type", Value::U32(id));
        }
    }
}

impl Source for HfFolder {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[SourceTensor] {
        &self.tensors
    }

    fn values(&self, index: usize, rows: Range<usize>, out: &mut [f32]) -> Result<(), ConvertError> {
        let cols = self.tensors[index].cols();
        match &self.origins[index] {
            Origin::Values(values) => {
                out.copy_from_slice(&values[rows.start * cols..rows.end * cols]);
                Ok(())
            }
            Origin::Stored { names, rows: of_each, change } => {
                for (row, out) in rows.zip(out.chunks_exact_mut(cols)) {
                    let (part, row) = (row / of_each, row % of_each);
                    let row = change.source(row, *of_each);
                    self.files.row(&names[part], row, out)?;
                    change.apply(out, *of_each);
                }
                Ok(())
            }
        }
    }

    fn bytes(&self, _: usize) -> Option<TensorBytes> {
        None
    }
}

impl Turn {
    /// Which of the stored rows becomes row `row` of `rows`: pairs of a head, one from each half, become neighbours.
    fn source(self, row: usize, rows: usize) -> usize {
        match self {
            Turn::Heads(heads) if rows > 1 => {
                let width = rows / heads;
                let (head, i) = (row / width, row % width);
                head * width + i % 2 * (width / 2) + i / 2
            }
            _ => row,
        }
    }

    /// Changes the values of a row; a vector of heads is turned within it.
    fn apply(self, values: &mut [f32], rows: usize) {
        match self {
            Turn::AddOne => values.iter_mut().for_each(|value| *value += 1.0),
            Turn::Heads(_) if rows == 1 => {
                let stored = values.to_vec();
                for (i, value) in values.iter_mut().enumerate() {
                    *value = stored[self.source(i, stored.len())];
                }
            }
            _ => {}
        }
    }
}

/// A tensor's name without what wraps the language model of a model with several parts.
fn plain_name(name: &str) -> String {
    let name = name.replacen("model.language_model.", "model.", 1);
    name.strip_prefix("language_model.").unwrap_or(&name).to_owned()
}

/// A name with `#` for its numbers, and the numbers.
fn numbers_out(name: &str) -> (String, Vec<usize>) {
    let mut numbers = Vec::new();
    let parts: Vec<&str> = name
        .split('.')
        .map(|part| match part.parse() {
            Ok(number) => {
                numbers.push(number);
                "#"
            }
            Err(_) => part,
        })
        .collect();
    (parts.join("."), numbers)
}

/// The folder's name; of a snapshot in the Hub's cache the repository's.
fn name_of(folder: &Path) -> String {
    let repo = folder
        .ancestors()
        .filter_map(Path::file_name)
        .map(|name| name.to_string_lossy())
        .find_map(|name| Some(name.strip_prefix("models--")?.split_once("--")?.1.to_owned()));
    let own = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    repo.or_else(own).unwrap_or_default()
}

/// What the authors recommend for sampling, from `generation_config.json`.
fn sampling(folder: &Path, metadata: &mut Metadata) -> Result<(), ConvertError> {
    let path = folder.join("generation_config.json");
    if !path.exists() {
        return Ok(());
    }
    let settings = json(&path)?;
    let keys = [
        ("temperature", "temp"),
        ("top_p", "top_p"),
        ("min_p", "min_p"),
        ("repetition_penalty", "penalty_repeat"),
    ];
    for (theirs, ours) in keys {
        if let Some(value) = settings.get(theirs).and_then(serde_json::Value::as_f64) {
            metadata.set(format!("general.sampling.{ours}"), Value::F32(value as f32));
        }
    }
    if let Some(k) = settings.get("top_k").and_then(serde_json::Value::as_i64).and_then(|k| k.try_into().ok())
    {
        metadata.set("general.sampling.top_k", Value::I32(k));
    }
    Ok(())
}

/// A JSON file.
fn json(path: &Path) -> Result<serde_json::Value, ConvertError> {
    let bytes = std::fs::read(path).map_err(ConvertError::io(path, "read"))?;
    let bad = |error: serde_json::Error| ConvertError::BadFile {
        path: PathBuf::from(path),
        reason: format!("it is not JSON: {error}"),
    };
    serde_json::from_slice(&bytes).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_become_neighbours() {
        // Two heads of four rows: 0 1 | 2 3 and 4 5 | 6 7.
        let rows: Vec<usize> = (0..8).map(|row| Turn::Heads(2).source(row, 8)).collect();
        assert_eq!(rows, [0, 2, 1, 3, 4, 6, 5, 7]);
        let mut bias = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        Turn::Heads(2).apply(&mut bias, 1);
        assert_eq!(bias, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }

    #[test]
    fn numbers_are_taken_out_of_names() {
        let (pattern, numbers) = numbers_out("model.layers.3.mlp.experts.12.up_proj.weight");
        assert_eq!((pattern.as_str(), numbers), ("model.layers.#.mlp.experts.#.up_proj.weight", vec![3, 12]));
        assert_eq!(plain_name("language_model.model.norm.weight"), "model.norm.weight");
        assert_eq!(plain_name("model.language_model.norm.weight"), "model.norm.weight");
    }
}
