//! What computes here now, in a receipt's words, and what of that is not as a receipt says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use lantern_hub::{ModelLibrary, model_files};
use lantern_protocol::{ReceiptBy, ReceiptChange, ReceiptEngine, ReceiptFile, ReceiptPart};
use lantern_store::Unhashed;

use crate::models::LoadedModel;
use crate::{App, AppError};

/// What computes, as it is.
pub(super) struct Now {
    /// With their places.
    files: Vec<(ReceiptFile, Unhashed)>,
    content_id: String,
    pub(super) engine: ReceiptEngine,
}

impl App {
    /// What a model in memory computes with, for prompts with pictures and tools or without.
    pub(super) async fn as_it_is(
        &self,
        loaded: &LoadedModel,
        sees: bool,
        tools: bool,
    ) -> Result<Now, AppError> {
        let info = loaded.engine.info();
        let template = loaded.engine.chat_template().ok().map(|template| template.sha256(tools).to_owned());
        let engine = ReceiptEngine {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("LANTERN_COMMIT").map(Into::into),
            isa: info.isa.into(),
            threads: u32::try_from(info.threads).unwrap_or(u32::MAX),
            device: info.device.to_string(),
            context_length: u32::try_from(loaded.context_length).unwrap_or(u32::MAX),
            kv_type: info.kv_type.name().into(),
            template_sha256: template,
        };
        let weights = info.path.clone();
        let others = [
            info.projector.clone().filter(|_| sees).map(|path| (ReceiptPart::Projector, path)),
            info.draft.clone().map(|path| (ReceiptPart::Draft, path)),
        ];
        let files = self.with_library(move |library| {
            let weights = model_files(&weights).into_iter().map(|path| (ReceiptPart::Weights, path));
            let all = weights.chain(others.into_iter().flatten());
            Ok(all.map(|(part, path)| file(library, part, path)).collect())
        });
        Ok(Now { files: files.await?, content_id: loaded.content_id.clone(), engine })
    }
}

fn file(library: &ModelLibrary, part: ReceiptPart, path: PathBuf) -> (ReceiptFile, Unhashed) {
    let stamp = stamp(&path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = library.known_sha256(&path);
    (ReceiptFile { part, name, bytes: stamp.bytes, sha256 }, stamp)
}

/// How a file is now.
pub(super) fn stamp(path: &Path) -> Unhashed {
    let about = fs::metadata(path).ok();
    let modified = about.as_ref().and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    Unhashed {
        path: path.to_string_lossy().into_owned(),
        bytes: about.map_or(0, |about| about.len()),
        modified: modified.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
    }
}

impl Now {
    /// Files whose hash is not known, by their places in the list.
    pub(super) fn unhashed(&self) -> Vec<(usize, Unhashed)> {
        let all = self.files.iter().enumerate();
        all.filter(|(_, (file, _))| file.sha256.is_none())
            .map(|(at, (_, place))| (at, place.clone()))
            .collect()
    }

    pub(super) fn into_by(self) -> ReceiptBy {
        let files = self.files.into_iter().map(|(file, _)| file).collect();
        ReceiptBy::Local { files, content_id: self.content_id, engine: self.engine }
    }

    /// What is not as it was.
    pub(super) fn changes(
        &self,
        files: &[ReceiptFile],
        content_id: &str,
        then: &ReceiptEngine,
    ) -> Vec<ReceiptChange> {
        let mut changes = Vec::new();
        for part in [ReceiptPart::Weights, ReceiptPart::Projector, ReceiptPart::Draft] {
            let then: Vec<&ReceiptFile> = files.iter().filter(|file| file.part == part).collect();
            let now: Vec<&ReceiptFile> =
                self.files.iter().map(|(file, _)| file).filter(|file| file.part == part).collect();
            let by_content = part == ReceiptPart::Weights && content_id != self.content_id;
            if by_content || are_others(&then, &now) {
                let matters = part != ReceiptPart::Draft;
                changes.push(ReceiptChange { part, matters, then: named(&then), now: named(&now) });
            }
        }
        let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
        let now = &self.engine;
        let engine = [
            (ReceiptPart::Version, true, then.version.clone(), now.version.clone()),
            (ReceiptPart::Commit, true, commit(then), commit(now)),
            (ReceiptPart::Isa, true, then.isa.clone(), now.isa.clone()),
            (ReceiptPart::Device, true, then.device.clone(), now.device.clone()),
            (ReceiptPart::KvType, true, then.kv_type.clone(), now.kv_type.clone()),
            (ReceiptPart::Template, false, of(&then.template_sha256), of(&now.template_sha256)),
            (ReceiptPart::Threads, false, then.threads.to_string(), now.threads.to_string()),
        ];
        let is_other = |(_, _, then, now): &(_, _, String, String)| then != now;
        let change = |(part, matters, then, now)| ReceiptChange { part, matters, then, now };
        changes.extend(engine.into_iter().filter(is_other).map(change));
        changes
    }
}

fn commit(engine: &ReceiptEngine) -> String {
    engine.commit.clone().unwrap_or_else(|| "a build for development".into())
}

/// Whether files are known to be others: by number, by length, or by hash where both are known.
fn are_others(then: &[&ReceiptFile], now: &[&ReceiptFile]) -> bool {
    let is_other = |(then, now): (&&ReceiptFile, &&ReceiptFile)| {
        let hashes = then.sha256.as_ref().zip(now.sha256.as_ref());
        then.bytes != now.bytes || hashes.is_some_and(|(then, now)| then != now)
    };
    then.len() != now.len() || then.iter().zip(now).any(is_other)
}

/// Names and hashes in words.
fn named(files: &[&ReceiptFile]) -> String {
    let name = |file: &&ReceiptFile| {
        let hash = file
            .sha256
            .as_deref()
            .map_or_else(|| "hash not known yet".into(), |hash| format!("sha256 {hash}"));
        format!("{} ({hash})", file.name)
    };
    if files.is_empty() { "none".into() } else { files.iter().map(name).collect::<Vec<_>>().join(", ") }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
