//! Which model a person means.

use std::path::Path;
use std::sync::Arc;

use lantern_gguf::GgufError;
use lantern_protocol::{LibraryModel, ModelPlace};

use super::ModelLibrary;
use crate::HubError;
use crate::hub::{has_quant, split_reference};

/// The result of comparing a query with names.
pub(crate) enum Match {
    None,
    One(usize),
    Many(Vec<usize>),
}

/// Compares without case, from strict to loose: the whole of a key, its beginning, a part of it. The strictest level at
/// which anything fits decides.
pub(crate) fn best_match<'a>(query: &str, items: impl Iterator<Item = &'a [&'a str]>) -> Match {
    let items: Vec<Vec<String>> = items.map(|keys| keys.iter().map(|key| fold(key)).collect()).collect();
    let query = fold(query);
    if query.is_empty() {
        return Match::None;
    }
    let levels: [&dyn Fn(&String) -> bool; 3] =
        [&|key| *key == query, &|key| key.starts_with(&query), &|key| key.contains(&query)];
    for fits in levels {
        let hits: Vec<usize> = (0..items.len()).filter(|&at| items[at].iter().any(fits)).collect();
        match hits.as_slice() {
            [] => {}
            [one] => return Match::One(*one),
            _ => return Match::Many(hits),
        }
    }
    Match::None
}

/// Lower case, with one separator for all: people mix `-`, `_`, `.` and spaces.
fn fold(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text = text.strip_suffix(".gguf").unwrap_or(&text);
    text.chars().map(|c| if matches!(c, '_' | ' ' | '.' | ':') { '-' } else { c }).collect()
}

impl ModelLibrary {
    /// By id, path, `owner/name`, `owner/name/file.gguf`, `owner/name:QUANT`, or the unique beginning or part of an id.
    /// A path, of a file or of a folder of safetensors files, need not be in the library, so this is for the person at this
    /// computer; see [`Self::find_listed`].
    pub fn find(&self, query: &str) -> Result<LibraryModel, HubError> {
        let models = self.list();
        let exact = models.iter().any(|model| model.id == query);
        match self.find_path(&models, query).filter(|_| !exact) {
            Some(model) => model,
            None => Self::find_among(models, query),
        }
    }

    /// Like [`Self::find`], for names that come from elsewhere: looks at nothing but the library, so that nobody can
    /// learn about or open other files.
    pub fn find_listed(&self, query: &str) -> Result<LibraryModel, HubError> {
        Self::find_among(self.list(), query)
    }

    fn find_among(models: Vec<LibraryModel>, query: &str) -> Result<LibraryModel, HubError> {
        let is_exact = |model: &&LibraryModel| {
            model.id == query || model.places.iter().any(|place| place.path == query || place.name == query)
        };
        // As Ollama's users name its models.
        let latest = format!("{query}:latest");
        let is_latest = |model: &&LibraryModel| model.places.iter().any(|place| place.name == latest);
        // A name that two have at different places is nobody's.
        let by_id = models.iter().find(|model| model.id == query);
        let by_name = || one(models.iter().filter(is_exact)).or_else(|| one(models.iter().filter(is_latest)));
        if let Some(model) = by_id.or_else(by_name) {
            return Ok(model.clone());
        }
        let ids: Vec<Vec<&str>> = models.iter().map(names).collect();
        let hits = match find_reference(&models, query) {
            hits if !hits.is_empty() => hits,
            _ => match best_match(query, ids.iter().map(Vec::as_slice)) {
                Match::One(at) => vec![at],
                Match::Many(all) => all,
                Match::None => Vec::new(),
            },
        };
        match hits.as_slice() {
            [one] => Ok(models[*one].clone()),
            [] => Err(HubError::ModelNotFound { query: query.into(), suggestions: suggest(&models, query) }),
            many => Err(HubError::ModelAmbiguous {
                query: query.into(),
                candidates: many.iter().map(|&at| models[at].id.clone()).collect(),
            }),
        }
    }

    /// A file that exists is meant as a file; a name that looks like nothing but a path is missed as one.
    fn find_path(&self, models: &[LibraryModel], query: &str) -> Option<Result<LibraryModel, HubError>> {
        let path = Path::new(query);
        if path.is_file() || lantern_convert::is_model_folder(path) {
            let real = path.canonicalize().ok();
            let same = |model: &&LibraryModel| {
                model.places.iter().any(|place| Path::new(&place.path).canonicalize().ok() == real)
            };
            return Some(Ok(models.iter().find(same).cloned().unwrap_or_else(|| self.describe_path(path))));
        }
        let explicit =
            path.is_absolute() || query.starts_with("./") || query.starts_with("../") || query.contains('\\');
        explicit.then(|| {
            let reason = "no such file".to_owned();
            let error = GgufError::Io { path: path.to_owned(), reason, not_found: true };
            Err(HubError::Gguf { path: path.to_owned(), source: Arc::new(error) })
        })
    }
}

/// Positions of the models of a repository that a reference fits.
fn find_reference(models: &[LibraryModel], query: &str) -> Vec<usize> {
    if !query.contains('/') {
        return Vec::new();
    }
    let (repo, rest) = split_reference(query);
    let fits = |place: &ModelPlace| {
        let name = Path::new(&place.path).file_name().unwrap_or_default().to_string_lossy();
        let wanted = rest.rsplit('/').next().unwrap_or(rest);
        place.repo.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(repo))
            && (rest.is_empty() || name.eq_ignore_ascii_case(wanted) || has_quant(&name, rest))
    };
    (0..models.len()).filter(|&at| models[at].places.iter().any(fits)).collect()
}

/// The id, and what its owners call it elsewhere.
fn names(model: &LibraryModel) -> Vec<&str> {
    let others = model.places.iter().map(|place| place.name.as_str());
    std::iter::once(model.id.as_str()).chain(others).collect()
}

/// The only one, if there is only one.
fn one<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Up to five ids, those that share most of their beginning with the query first.
fn suggest(models: &[LibraryModel], query: &str) -> Vec<String> {
    let query = fold(query.rsplit('/').next().unwrap_or(query));
    let common = |id: &str| fold(id).chars().zip(query.chars()).take_while(|(a, b)| a == b).count();
    let mut ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    ids.sort_by_key(|id| std::cmp::Reverse(common(id)));
    ids.into_iter().take(5).map(str::to_owned).collect()
}
