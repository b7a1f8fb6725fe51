//! From files to models: one entry for each content, with all places where it lies.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use lantern_protocol::{LibraryModel, ModelPlace, PlaceOwner};
use sha2::{Digest, Sha256};

use super::header::Known;
use super::scan::Found;
use super::shards::ModelStamp;

/// A file with what its header says.
pub(crate) struct Seen {
    pub(crate) found: Found,
    pub(crate) stamp: ModelStamp,
    pub(crate) known: Known,
}

/// One model for each content, ids that are unique and stay the same while files stay.
pub(crate) fn entries(mut seen: Vec<Seen>) -> Vec<LibraryModel> {
    // Stable: of one owner's files the first found stays the first.
    seen.sort_by_key(|seen| rank(seen.found.owner));
    let mut groups: Vec<Group> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    let ids = content_ids(&seen);
    for (file, id) in seen.into_iter().zip(ids) {
        let key = if id.is_empty() { identity(&file.found.path) } else { id.clone() };
        match at.get(&key) {
            Some(&group) => groups[group].others.push(file.found),
            None => {
                at.insert(key, groups.len());
                groups.push(Group { content_id: id, first: file, others: Vec::new() });
            }
        }
    }
    let mut models: Vec<LibraryModel> = groups.into_iter().map(Group::entry).collect();
    models.sort_by(|a, b| (a.id.to_lowercase(), &a.path).cmp(&(b.id.to_lowercase(), &b.path)));
    make_unique(&mut models);
    models
}

/// The model of a file without a library around it.
pub(crate) fn alone(seen: Seen) -> LibraryModel {
    Group { content_id: seen.known.content_id.clone(), first: seen, others: Vec::new() }.entry()
}

/// Whose file is loaded when several have it: what is Lantern's to keep first, then what people look after themselves.
fn rank(owner: PlaceOwner) -> usize {
    use PlaceOwner::{File, Folder, Gpt4all, HubCache, Jan, Lantern, LmStudio, Ollama};
    let order = [HubCache, Lantern, File, Folder, LmStudio, Jan, Gpt4all, Ollama];
    order.iter().position(|other| *other == owner).unwrap_or(order.len())
}

/// The content of each file. Fingerprints decide, unless full hashes are known that differ: then each hash is a content of
/// its own, and so is each file of which none is known.
fn content_ids(seen: &[Seen]) -> Vec<String> {
    let mut hashes: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for file in seen.iter().filter(|file| !file.known.content_id.is_empty()) {
        hashes.entry(&file.known.content_id).or_default().extend(file.found.sha256.as_deref());
    }
    let id = |file: &Seen| {
        let id = &file.known.content_id;
        if hashes.get(id.as_str()).is_none_or(|hashes| hashes.len() < 2) {
            return id.clone();
        }
        match &file.found.sha256 {
            Some(sha256) => format!("{id}-{}", &sha256[..8.min(sha256.len())]),
            None => format!("{id}-{}", short_hash(&identity(&file.found.path))),
        }
    };
    seen.iter().map(id).collect()
}

/// What is the same for two names of one file: hard links, symbolic links, the same path twice.
pub(crate) fn identity(path: &Path) -> String {
    #[cfg(unix)]
    if let Ok(about) = fs::metadata(path) {
        use std::os::unix::fs::MetadataExt;
        return format!("{}:{}", about.dev(), about.ino());
    }
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Files of one content.
struct Group {
    content_id: String,
    /// The one that is loaded.
    first: Seen,
    others: Vec<Found>,
}

impl Group {
    fn entry(self) -> LibraryModel {
        let Self { content_id, first: Seen { found, stamp, known }, others } = self;
        let places = places(&found, &others);
        let all = || std::iter::once(&found).chain(&others);
        let projector = all().find_map(|found| found.projector.as_deref());
        let header = known.header;
        LibraryModel {
            content_id,
            path: found.path.to_string_lossy().into_owned(),
            source: found.source,
            places,
            projector: projector.map(|path| path.to_string_lossy().into_owned()),
            repo: all().find_map(|found| found.repo.clone()),
            id: found.name,
            size_bytes: stamp.size,
            architecture: header.architecture,
            quantisation: header.quantisation,
            context_length: header.context_length,
            parameters: header.parameters,
            has_chat_template: header.has_chat_template,
            recommended: header.recommended,
            error: header.error,
        }
    }
}

/// Each owner's file once for each name: the same one under several commits is one place, under two tags it is two.
fn places(first: &Found, others: &[Found]) -> Vec<ModelPlace> {
    let mut places: Vec<ModelPlace> = Vec::new();
    let mut files: Vec<(PlaceOwner, &str, String)> = Vec::new();
    for found in std::iter::once(first).chain(others) {
        let file = (found.owner, found.name.as_str(), identity(&found.path));
        if !files.contains(&file) {
            let is_link = files.iter().any(|(.., other)| *other == file.2);
            files.push(file);
            places.push(place(found, is_link));
        }
    }
    places
}

fn place(found: &Found, is_link: bool) -> ModelPlace {
    ModelPlace {
        path: found.path.to_string_lossy().into_owned(),
        source: found.source,
        owner: found.owner,
        name: found.name.clone(),
        repo: found.repo.clone(),
        commit: found.commit.clone(),
        sha256: found.sha256.clone(),
        is_link,
    }
}

/// Files of the same name in different places: the later ones carry their owner, or a number.
fn make_unique(models: &mut [LibraryModel]) {
    for at in 1..models.len() {
        let taken =
            |id: &str, before: &[LibraryModel]| before.iter().any(|model| model.id.eq_ignore_ascii_case(id));
        let (before, rest) = models.split_at_mut(at);
        let model = &mut rest[0];
        if !taken(&model.id, before) {
            continue;
        }
        let base = match model.repo.as_deref().and_then(|repo| repo.split('/').next()) {
            Some(owner) => format!("{}@{owner}", model.id),
            None => format!("{}@{}", model.id, short_hash(&model.path)),
        };
        let mut id = base.clone();
        for number in 2.. {
            if !taken(&id, before) {
                break;
            }
            id = format!("{base}-{number}");
        }
        model.id = id;
    }
}

fn short_hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))[..6].to_owned()
}
