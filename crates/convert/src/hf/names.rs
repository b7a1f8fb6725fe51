//! Names of stored tensors: what wraps them, which belong to other parts of a model, and the numbers in them.

/// Parts of models that see or hear; only the language model is converted.
const OTHER_PARTS: [&str; 9] = [
    "vision_tower.",
    "vision_model.",
    "audio_tower.",
    "multi_modal_projector.",
    "visual.",
    "embed_vision.",
    "embed_audio.",
    "vision_embedder.",
    "vision_encoder.",
];

/// Whether a tensor belongs to a part that sees or hears.
pub fn is_of_other_part(name: &str) -> bool {
    OTHER_PARTS.iter().any(|part| name.contains(part))
}

/// A tensor's name without what wraps the language model of a model with several parts.
pub fn plain(name: &str) -> String {
    let name = name.replacen("model.language_model.", "model.", 1);
    name.strip_prefix("language_model.").unwrap_or(&name).to_owned()
}

/// The layer of a tensor, where its name has one.
pub fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("model.layers.")?.split('.').next()?.parse().ok()
}

/// A name with `#` for its numbers, and the numbers.
pub fn numbers_out(name: &str) -> (String, Vec<usize>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_out_of_names() {
        let (pattern, numbers) = numbers_out("model.layers.3.mlp.experts.12.up_proj.weight");
        assert_eq!((pattern.as_str(), numbers), ("model.layers.#.mlp.experts.#.up_proj.weight", vec![3, 12]));
        assert_eq!(plain("language_model.model.norm.weight"), "model.norm.weight");
        assert_eq!(plain("model.language_model.norm.weight"), "model.norm.weight");
        assert_eq!((layer_of("model.layers.7.mlp"), layer_of("model.norm")), (Some(7), None));
    }
}
