//! What Hugging Face's classes are in GGUF: names of tensors, hyper-parameters, and how weights change on the way.
//!
//! One file a family, with short tables; numbers in names are written `#`, and come in the same order on both sides. A
//! number more on the left counts experts, whose matrices become one tensor. Names and keys are those of llama.cpp's converter.

mod deepseek;
mod ernie;
mod gemma;
mod gemma3n;
mod gemma4;
mod glm;
mod gpt_oss;
mod granite;
mod lfm2;
mod llama;
mod mistral3;
mod nemotron_h;
mod olmo;
mod phi;
mod qwen;
mod qwen35;
mod sizes;
mod tables;

use super::change::Change;
use super::config::{Config, Keys};
use crate::ConvertError;

/// A tensor's name here and there.
#[derive(Debug)]
pub struct Rule(pub &'static str, pub &'static str, pub Change);

/// Tensors that are computed: their names and values.
pub type Computed = Vec<(&'static str, Vec<f32>)>;

/// A kind of model.
pub struct Family {
    /// Hugging Face's classes.
    pub classes: &'static [&'static str],
    /// Which models of those classes it is.
    pub is_it: fn(&Config) -> bool,
    /// GGUF's architecture.
    pub gguf: &'static str,
    /// Tables of tensors. A stored tensor becomes what the first table that knows it says; that may be several.
    pub rules: &'static [&'static [Rule]],
    /// Writes the hyper-parameters; gives the tensors that follow from them.
    pub keys: fn(&Config, &mut Keys) -> Result<Computed, ConvertError>,
    /// What the tables call a stored tensor; `None` for one that is left out.
    pub name: fn(&Config, String) -> Option<String>,
    /// Blocks that predict further tokens, by the names of all stored tensors.
    pub next_blocks: fn(&Config, &mut dyn Iterator<Item = &str>) -> u32,
}

impl Family {
    const PLAIN: Family = Family {
        classes: &[],
        is_it: |_| true,
        gguf: "",
        rules: &[],
        keys: |_, _| Ok(Computed::new()),
        name: |_, name| Some(name),
        next_blocks: |_, _| 0,
    };

    /// The rules for a tensor.
    pub fn rules_for(&self, pattern: &str) -> Vec<&'static Rule> {
        let in_table = |table: &&'static [Rule]| {
            let rules: Vec<_> = table.iter().filter(|rule| rule.0 == pattern).collect();
            (!rules.is_empty()).then_some(rules)
        };
        self.rules.iter().find_map(in_table).unwrap_or_default()
    }
}

/// All that can be converted.
const FAMILIES: &[&[Family]] = &[
    llama::FAMILIES,
    qwen::FAMILIES,
    qwen35::FAMILIES,
    gemma::FAMILIES,
    gemma3n::FAMILIES,
    gemma4::FAMILIES,
    gpt_oss::FAMILIES,
    phi::FAMILIES,
    granite::FAMILIES,
    lfm2::FAMILIES,
    olmo::FAMILIES,
    glm::FAMILIES,
    deepseek::FAMILIES,
    ernie::FAMILIES,
    nemotron_h::FAMILIES,
    mistral3::FAMILIES,
];

/// The family of a model.
pub fn of(config: &Config) -> Result<&'static Family, ConvertError> {
    let all = || FAMILIES.iter().copied().flatten();
    let fits = |family: &&Family| family.classes.contains(&config.class.as_str()) && (family.is_it)(config);
    all().find(fits).ok_or_else(|| {
        let mut supported: Vec<String> =
            all().flat_map(|family| family.classes).map(|&name| name.to_owned()).collect();
        supported.dedup();
        ConvertError::UnknownModel { found: config.class.clone(), supported }
    })
}
