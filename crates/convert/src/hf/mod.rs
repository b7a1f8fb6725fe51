//! A model as the Hub keeps it: `config.json`, tokenizer and safetensors files in a folder.

mod change;
mod config;
mod families;
mod json;
mod mxfp4;
mod names;
mod origin;
mod rope;
mod tensors;
mod tokenizer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use lantern_gguf::{GgmlType, Metadata, Value};

use crate::source::{Source, SourceTensor};
use crate::{ConvertError, FileType};
use change::Change;
use config::{Config, Keys};
use families::Family;
use json::json;
use origin::Origin;
use tensors::TensorFiles;

/// A folder whose files were found to be a model that can be converted.
pub struct HfFolder {
    files: TensorFiles,
    metadata: Metadata,
    tensors: Vec<SourceTensor>,
    origins: Vec<Origin>,
    left_out: usize,
}

/// What a tensor of the file is made of.
struct Parts {
    change: Change,
    /// Stored tensors; those of several experts by their numbers.
    names: BTreeMap<usize, String>,
    /// Whether the numbers count experts, whose matrices become one tensor.
    stacked: bool,
}

impl HfFolder {
    /// Reads everything but the weights, and finds a place for every tensor.
    pub fn open(folder: &Path) -> Result<Self, ConvertError> {
        let mut config = Config::read(folder)?;
        let family = families::of(&config)?;
        let files = TensorFiles::open(folder, &config.as_value())?;
        config.next_blocks = (family.next_blocks)(&config, &mut files.names());
        let mut metadata = Metadata::default();
        metadata.set("general.architecture", Value::String(family.gguf.to_owned()));
        metadata.set("general.type", Value::String("model".to_owned()));
        metadata.set("general.name", Value::String(name_of(folder)));
        let computed =
            (family.keys)(&config, &mut Keys { architecture: family.gguf, metadata: &mut metadata })?;
        let mut model = HfFolder { files, metadata, tensors: Vec::new(), origins: Vec::new(), left_out: 0 };
        model.place_tensors(family, &config)?;
        for (name, values) in computed {
            let shape = vec![values.len() as u64];
            model.tensors.push(SourceTensor { name: name.to_owned(), shape, natural: GgmlType::F32 });
            model.origins.push(Origin::Values(values));
        }
        let vocab = model.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
        let vocab = vocab.map_or(0, SourceTensor::rows);
        tokenizer::write(folder, vocab, &mut model.metadata)?;
        sampling(folder, &mut model.metadata)?;
        model.set_file_type();
        Ok(model)
    }

    /// Tensors that were left out because they belong to parts that see or hear, or predict tokens behind the next.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn place_tensors(&mut self, family: &Family, config: &Config) -> Result<(), ConvertError> {
        let tied = config.is("tie_word_embeddings") || config.is("tie_embedding");
        // By layer and name in the new file.
        let mut placed: BTreeMap<(usize, String), Parts> = BTreeMap::new();
        for stored in self.files.names() {
            let plain = names::plain(stored);
            let name = Some(plain).filter(|name| !names::is_of_other_part(name));
            let Some(name) = name.and_then(|name| (family.name)(config, name)) else {
                self.left_out += 1;
                continue;
            };
            if name.ends_with("rotary_emb.inv_freq") || (tied && name == "lm_head.weight") {
                continue;
            }
            let (pattern, numbers) = names::numbers_out(&name);
            let rules = family.rules_for(&pattern);
            if rules.is_empty() {
                return Err(ConvertError::UnknownTensor(stored.to_owned()));
            }
            for rule in rules {
                let of_layer = rule.1.contains('#');
                let layer = numbers.first().copied().filter(|_| of_layer).unwrap_or(0);
                let part = numbers.get(usize::from(of_layer)).copied();
                let parts = placed.entry((layer, rule.1.replace('#', &layer.to_string()))).or_insert(Parts {
                    change: rule.2,
                    names: BTreeMap::new(),
                    stacked: part.is_some(),
                });
                parts.names.insert(part.unwrap_or(0), stored.to_owned());
            }
        }
        for ((_, name), parts) in placed {
            self.place(name, parts, config)?;
        }
        Ok(())
    }

    /// Adds a tensor made of some stored ones, which must be alike.
    fn place(&mut self, name: String, parts: Parts, config: &Config) -> Result<(), ConvertError> {
        let bad = |reason: String| ConvertError::BadTensor { tensor: name.clone(), reason };
        let Parts { change, names, stacked } = parts;
        let count = names.len();
        if names.keys().enumerate().any(|(i, &expert)| i != expert) {
            return Err(bad(format!("has {count} experts, of which some are missing")));
        }
        let names: Vec<String> = names.into_values().collect();
        let mut sizes = self.files.shape(&names[0])?.to_vec();
        for other in &names[1..] {
            if self.files.shape(other)? != sizes {
                return Err(bad("has experts of different shapes".to_owned()));
            }
        }
        if change.packed {
            let scales = self.files.scales_of_blocks(&names[0])?;
            let half = sizes.pop().unwrap_or(0);
            sizes.last_mut().into_iter().for_each(|blocks| *blocks *= half);
            let plan = change.plan(&name, &sizes, config)?;
            let mut shape: Vec<u64> = plan.shape.iter().rev().map(|&n| n as u64).collect();
            // Two floats a byte.
            shape[0] *= 2;
            self.tensors.push(SourceTensor { name, shape, natural: GgmlType::MXFP4 });
            self.origins.push(Origin::Packed { blocks: names[0].clone(), scales, plan });
            return Ok(());
        }
        let plan = change.plan(&name, &sizes, config)?;
        let mut shape: Vec<u64> = plan.shape.iter().rev().map(|&n| n as u64).collect();
        if stacked {
            shape.push(count as u64);
        }
        let small = sizes.len() < 2 || name.ends_with(".bias");
        let natural = self.files.natural(&names[0])?;
        let natural = if small { GgmlType::F32 } else { natural };
        self.tensors.push(SourceTensor { name, shape, natural });
        self.origins.push(Origin::Stored { names, plan });
        Ok(())
    }

    /// `general.file_type` of the weights as they are: the type that most of them have.
    fn set_file_type(&mut self) {
        /// llama.cpp's number for experts of four-bit floats and the rest of other types.
        const MOSTLY_MXFP4: Option<u32> = Some(38);
        let values = |ty| {
            let of = self.tensors.iter().filter(|tensor| tensor.natural == ty);
            of.map(|tensor| tensor.shape.iter().product::<u64>()).sum::<u64>()
        };
        let types = [
            (GgmlType::F32, FileType::F32.id()),
            (GgmlType::F16, FileType::F16.id()),
            (GgmlType::BF16, FileType::BF16.id()),
            (GgmlType::MXFP4, MOSTLY_MXFP4),
        ];
        if let Some((_, Some(id))) = types.into_iter().max_by_key(|(ty, _)| values(*ty)) {
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
        self.origins[index].values(&self.files, rows, out)
    }

    fn bytes(&self, index: usize, rows: Range<usize>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        self.origins[index].packed(&self.files, rows, out)
    }
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
