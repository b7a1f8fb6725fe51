//! How a model's authors want its tokens chosen: what the file says (`general.sampling.*`), and for the rest what they
//! publish for the family. Shown to people, who decide.
//!
//! Sources: the model cards and generation configurations of the families.

use lantern_gguf::Metadata;
use lantern_protocol::{RecommendationSource, RecommendedSampling};

/// What authors publish for a family.
struct Family {
    /// `general.architecture`.
    architectures: &'static [&'static str],
    /// A part of the model's name in lower case; empty for any.
    name: &'static str,
    sampling: Figures,
}

/// Temperature, top-k, top-p, min-p and repeat penalty, where they are stated.
type Figures = (f32, Option<u32>, Option<f32>, Option<f32>, Option<f32>);

const fn family(architectures: &'static [&'static str], name: &'static str, sampling: Figures) -> Family {
    Family { architectures, name, sampling }
}

const QWEN3: &[&str] = &["qwen3", "qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe"];

/// The first that fits is taken.
const FAMILIES: &[Family] = &[
    family(QWEN3, "coder", (0.7, Some(20), Some(0.8), None, Some(1.05))),
    family(QWEN3, "instruct", (0.7, Some(20), Some(0.8), Some(0.0), None)),
    family(QWEN3, "", (0.6, Some(20), Some(0.95), Some(0.0), None)),
    family(&["qwen35", "qwen35moe"], "", (1.0, Some(20), Some(0.95), Some(0.0), None)),
    family(&["qwen2", "qwen2moe"], "r1-distill", (0.6, None, Some(0.95), None, None)),
    family(&["qwen2", "qwen2moe"], "", (0.7, Some(20), Some(0.8), None, Some(1.05))),
    family(&["gemma3", "gemma3n", "gemma4"], "", (1.0, Some(64), Some(0.95), Some(0.0), None)),
    family(&["gpt-oss"], "", (1.0, Some(0), Some(1.0), None, None)),
    family(&["llama"], "smollm2", (0.2, None, Some(0.9), None, None)),
    family(&["llama"], "r1-distill", (0.6, None, Some(0.95), None, None)),
    family(&["llama"], "llama", (0.6, None, Some(0.9), None, None)),
    family(&["llama"], "nemo", (0.3, None, None, None, None)),
    family(&["mistral3"], "", (0.15, None, None, None, None)),
    family(&["smollm3"], "", (0.6, None, Some(0.95), None, None)),
    family(&["lfm2", "lfm2moe"], "", (0.3, None, None, Some(0.15), Some(1.05))),
    family(&["glm4moe"], "", (1.0, None, Some(0.95), None, None)),
    family(&["deepseek2"], "r1", (0.6, None, Some(0.95), None, None)),
    family(&["ernie4_5", "ernie4_5-moe"], "", (0.8, None, Some(0.8), None, None)),
];

/// What is recommended for the model of a file, if anything is. Values that cannot be right are left out.
pub fn recommended_sampling(metadata: &Metadata) -> Option<RecommendedSampling> {
    let text = |key| metadata.opt_str(key).ok().flatten().unwrap_or_default();
    let float = |key: &str, most: f32| {
        let value = metadata.opt_f32(&format!("general.sampling.{key}")).ok().flatten();
        value.filter(|value| (0.0..=most).contains(value))
    };
    let top_k = metadata.opt_u32("general.sampling.top_k").ok().flatten();
    let of_file = RecommendedSampling {
        temperature: float("temp", 2.0),
        top_k,
        top_p: float("top_p", 1.0).filter(|&top_p| top_p > 0.0),
        min_p: float("min_p", 1.0),
        repeat_penalty: float("penalty_repeat", 10.0).filter(|&penalty| penalty > 0.0),
        source: RecommendationSource::File,
    };
    if of_file.says_something() {
        return Some(of_file);
    }
    let (architecture, name) = (text("general.architecture"), text("general.name").to_lowercase());
    let fits = |family: &&Family| family.architectures.contains(&architecture) && name.contains(family.name);
    let (temperature, top_k, top_p, min_p, repeat_penalty) = FAMILIES.iter().find(fits)?.sampling;
    let source = RecommendationSource::Family;
    Some(RecommendedSampling { temperature: Some(temperature), top_k, top_p, min_p, repeat_penalty, source })
}

#[cfg(test)]
mod tests {
    use lantern_gguf::Value;

    use super::*;

    fn metadata(architecture: &str, name: &str) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.set("general.architecture", Value::String(architecture.into()));
        metadata.set("general.name", Value::String(name.into()));
        metadata
    }

    #[test]
    fn a_familys_recommendation_depends_on_the_name_where_authors_differ() {
        let of = |architecture, name| recommended_sampling(&metadata(architecture, name));
        let temperature = |architecture, name| of(architecture, name).and_then(|told| told.temperature);
        assert_eq!(temperature("qwen3", "Qwen3 8B"), Some(0.6));
        assert_eq!(temperature("qwen3", "Qwen3 4B Instruct 2507"), Some(0.7));
        assert_eq!(temperature("llama", "SmolLM2 135M Instruct"), Some(0.2));
        assert_eq!(temperature("llama", "Llama 3.2 3B Instruct"), Some(0.6));
        assert_eq!(of("llama", "Somebody's model"), None);
        assert_eq!(of("unheard-of", ""), None);
        assert_eq!(of("gemma3", "").map(|told| told.source), Some(RecommendationSource::Family));
    }

    #[test]
    fn the_file_has_the_word_and_nonsense_is_left_out() {
        let mut metadata = metadata("gemma3", "Gemma");
        metadata.set("general.sampling.temp", Value::F32(0.5));
        metadata.set("general.sampling.top_p", Value::F32(7.0));
        let told = recommended_sampling(&metadata).unwrap();
        assert_eq!((told.temperature, told.top_p, told.top_k), (Some(0.5), None, None));
        assert_eq!(told.source, RecommendationSource::File);
        metadata.set("general.sampling.temp", Value::F32(f32::NAN));
        let told = recommended_sampling(&metadata).unwrap();
        assert_eq!(told.source, RecommendationSource::Family, "nothing in the file is usable");
    }
}
