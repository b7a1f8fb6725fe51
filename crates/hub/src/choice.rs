//! Which files of a repository are meant: by a quantisation, by nothing at all, and those that belong to them.

use lantern_gguf::ShardName;

use crate::hub::RemoteFile;
use crate::{FilePath, HubError};

/// The file that stands for a folder of safetensors files in a request.
pub(crate) const FOLDER: &str = "config.json";

/// `owner/name:QUANT` or `owner/name/file` → (`owner/name`, the rest).
pub(crate) fn split_reference(text: &str) -> (&str, &str) {
    if let Some((repo, quant)) = text.split_once(':') {
        return (repo, quant);
    }
    match text.match_indices('/').nth(1) {
        Some((at, _)) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// A GGUF file that holds a language model, or the first of its pieces.
pub(crate) fn is_model(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.ends_with(".gguf")
        && !name.starts_with("mmproj")
        && !name.contains("imatrix")
        && !is_later_shard(&name)
}

/// The projector in a model's folder of its repository: that in 16 bits, if there are several.
pub(crate) fn projector_of<'f>(model: &str, files: &'f [RemoteFile]) -> Option<&'f RemoteFile> {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let name = |file: &RemoteFile| file.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let mut found: Vec<_> = files
        .iter()
        .filter(|file| folder(&file.path) == folder(model))
        .filter(|file| name(file).starts_with("mmproj") && name(file).ends_with(".gguf"))
        .collect();
    found.sort_by_key(|file| {
        let kinds = ["bf16", "f16", "q8_0", "f32"];
        let rank = [1, 0, 2, 3];
        let kind = kinds.iter().position(|kind| name(file).contains(kind));
        (kind.map_or(rank.len(), |kind| rank[kind]), file.path.clone())
    });
    found.first().copied()
}

/// `…-00002-of-00003.gguf`.
fn is_later_shard(name: &str) -> bool {
    ShardName::parse(name).is_some_and(|name| name.number() > 1)
}

/// Whether a file of a repository is part of a model's folder. The files of other programs' formats are not.
pub(crate) fn is_of_folder(path: &str) -> bool {
    const TEXTS: [&str; 6] = [
        FOLDER,
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    ];
    TEXTS.contains(&path)
        || (path.starts_with("model") && path.ends_with(".safetensors") && !path.contains('/'))
}

/// All pieces of the split model that a file belongs to; `None` for a file that is a whole model.
pub(crate) fn pieces(file: &FilePath) -> Result<Option<Vec<FilePath>>, HubError> {
    let (folder, name) = match file.as_str().rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), file.as_str()),
    };
    let Some(name) = ShardName::parse(name).filter(|name| name.count() > 1) else { return Ok(None) };
    let piece = |number| FilePath::parse(&format!("{folder}{}", name.sibling(number)));
    (1..=name.count()).map(piece).collect::<Result<_, _>>().map(Some)
}

/// The file with the wanted quantisation, or without a wish the one most people take.
pub(crate) fn choose(files: &[String], wanted: &str) -> Option<String> {
    const USUAL: [&str; 9] = ["Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_1", "Q4_0", "Q5_K_S", "Q6_K", "Q8_0", "F16"];
    let has = |quant: &str| files.iter().find(|file| has_quant(file, quant)).cloned();
    match (wanted, files) {
        ("", [only]) => Some(only.clone()),
        ("", _) => USUAL.iter().find_map(|quant| has(quant)).or_else(|| files.first().cloned()),
        (wanted, _) => has(wanted),
    }
}

/// Whether a file's name names this quantisation as a word of its own: `Q4_K` is not in `Q4_K_M`.
pub(crate) fn has_quant(file: &str, quant: &str) -> bool {
    let (file, quant) = (file.to_ascii_lowercase(), quant.to_ascii_lowercase());
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !quant.is_empty()
        && file.match_indices(&quant).any(|(at, _)| {
            !word(file[..at].chars().next_back()) && !word(file[at + quant.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projector_is_that_in_16_bits_beside_the_model() {
        let file = |path: &str| RemoteFile { path: path.into(), size: 1, sha256: None };
        let files =
            ["m-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F32.gguf", "mmproj-m-f16.gguf", "a/mmproj-x.gguf"];
        let files = files.map(file);
        let found = |model| projector_of(model, &files).map(|file| file.path.as_str());
        assert_eq!(found("m-Q4_K_M.gguf"), Some("mmproj-m-f16.gguf"));
        assert_eq!(found("a/m.gguf"), Some("a/mmproj-x.gguf"));
        assert_eq!(found("b/m.gguf"), None);
        assert_eq!(
            projector_of("m.gguf", &files[1..3]).map(|file| file.path.as_str()),
            Some("mmproj-BF16.gguf")
        );
    }

    #[test]
    fn a_file_is_chosen_by_its_quantisation() {
        let files: Vec<String> =
            ["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q4_K.gguf", "m.Q8_0.gguf"].map(String::from).into();
        assert_eq!(choose(&files, "").as_deref(), Some("m-Q4_K_M.gguf"));
        assert_eq!(choose(&files, "q4_k").as_deref(), Some("m-Q4_K.gguf"));
        assert_eq!(choose(&files, "Q8_0").as_deref(), Some("m.Q8_0.gguf"));
        assert_eq!(choose(&files, "Q5_K_M"), None);
        assert_eq!(choose(&files[..1], "").as_deref(), Some("m-Q2_K.gguf"));
    }

    #[test]
    fn references_split_into_repository_and_file() {
        assert_eq!(split_reference("o/n"), ("o/n", ""));
        assert_eq!(split_reference("o/n:Q4_0"), ("o/n", "Q4_0"));
        assert_eq!(split_reference("o/n/sub/f.gguf"), ("o/n", "sub/f.gguf"));
    }

    #[test]
    fn only_files_that_hold_a_model_count() {
        assert!(is_model("a/m-00001-of-00003.gguf") && is_model("M.GGUF"));
        for other in ["m-00002-of-00003.gguf", "mmproj-f16.gguf", "README.md", "imatrix.gguf"] {
            assert!(!is_model(other), "{other}");
        }
    }
}
