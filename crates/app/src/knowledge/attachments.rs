//! Files on their way into a message, and out of the data folder again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_engine::{Picture, capabilities};
use lantern_knowledge::{ExtractError, Limits, extract};
use lantern_protocol::{AppEvent, AttachedFile, Attachment, ConversationFiles, DocumentKind};

use super::{about_file, hash_of, is_hash, read_document};
use crate::{App, AppError};

/// The largest file of a picture.
const MAX_PICTURE: u64 = 20 << 20;

/// Files that go with one message.
const MOST_FILES: usize = 50;

/// A file that was read and not sent is kept for so long: it may wait in an open window.
const UNSENT: Duration = Duration::from_secs(24 * 60 * 60);

impl App {
    /// Reads a file that is to go with a message. It is kept as it is now, whatever becomes of the original.
    pub async fn attach_file(&self, path: impl Into<PathBuf>) -> Result<Attachment, AppError> {
        let path = path.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (shown, limit) = (name.clone(), Limits::default().file_bytes);
        let read = move || read_file(&path, limit).map_err(|error| about_file(&shown, &error));
        let bytes = tokio::task::spawn_blocking(read).await.map_err(AppError::internal)??;
        self.attach_bytes(&name, bytes).await
    }

    /// The same for a file that is nowhere on the disk, such as a pasted picture.
    pub async fn attach_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Attachment, AppError> {
        let name = shown_name(name);
        let (hash, bytes) = tokio::task::spawn_blocking(move || (hash_of(&bytes), bytes))
            .await
            .map_err(AppError::internal)?;
        let reader = extract::VERSION;
        let (known, called) = (hash.clone(), name.clone());
        let known = self.0.db.run(move |store| store.document(&known, &called, reader)).await?;
        if let Some(known) = known
            && self.0.knowledge.file(&known.document).is_file()
        {
            return Ok(known);
        }
        let (called, target) = (name.clone(), self.0.knowledge.file(&hash));
        let read = move || {
            let (document, bytes) = read_document(hash, &called, bytes, Limits::default())
                .map_err(|error| about_file(&called, &error))?;
            if document.kind == DocumentKind::Image {
                check_picture(&called, &bytes)?;
            }
            keep(&target, &bytes).map_err(|error| not_kept(&target, &error))?;
            Ok::<_, AppError>(document)
        };
        let document = tokio::task::spawn_blocking(read).await.map_err(AppError::internal)??;
        let hash = document.hash.clone();
        let kept = self.0.db.run(move |store| {
            store.keep_document(&document)?;
            store.document(&hash, &name, reader)
        });
        kept.await?.ok_or_else(|| AppError::internal("a document was deleted as it was kept"))
    }

    /// The same for a file in base64.
    pub async fn attach_base64(&self, name: &str, content: String) -> Result<Attachment, AppError> {
        let decode = move || STANDARD.decode(content);
        let decoded = tokio::task::spawn_blocking(decode).await.map_err(AppError::internal)?;
        let broken = |error| ExtractError::Damaged(format!("it is no base64: {error}"));
        self.attach_bytes(name, decoded.map_err(|error| about_file(name, &broken(error)))?).await
    }

    /// Whether the model with this name is shown pictures.
    pub async fn model_sees(&self, id: &str) -> Result<bool, AppError> {
        if let Some(remote) = self.remote_named(id).await? {
            return Ok(remote.sees());
        }
        let model = self.find_model(id).await?;
        let has_projector = model.projector.is_some();
        let look = move || {
            capabilities(Path::new(&model.path)).is_ok_and(|can| can.vision || can.chat && has_projector)
        };
        tokio::task::spawn_blocking(look).await.map_err(AppError::internal)
    }

    /// Checks that files can go with a message.
    pub(crate) async fn check_attachments(&self, files: &[AttachedFile]) -> Result<(), AppError> {
        if files.len() > MOST_FILES {
            return Err(AppError::new(
                "too_many_attachments",
                format!("The message has {} files; at most {MOST_FILES} go with one.", files.len()),
                "Add their folder under Knowledge and let the conversation search it.",
            ));
        }
        for file in files {
            let hash = file.document.clone();
            let text = self.0.db.run(move |store| store.document_text(&hash)).await?;
            if !is_hash(&file.document) || text.is_none() {
                return Err(AppError::new(
                    "attachment_gone",
                    format!("{} is no longer kept.", file.name),
                    "Add the file again.",
                ));
            }
        }
        Ok(())
    }

    /// The files of a conversation's messages, what its answers saw of files, and the folders that it searches.
    pub async fn conversation_files(&self, id: &str) -> Result<ConversationFiles, AppError> {
        let id = id.to_owned();
        self.0.db.of(&id).run(move |store| store.conversation_files(&id)).await
    }

    /// Deletes those of these documents that nothing names any more, with their files.
    pub(crate) async fn forget_documents(&self, documents: Vec<String>) -> Result<(), AppError> {
        if documents.is_empty() {
            return Ok(());
        }
        let forget = move |store: &mut lantern_store::Store| {
            store.forget_documents(Some(&documents), i64::MAX)?;
            let mut unused = Vec::new();
            for document in documents {
                if !store.is_attached(&document)? {
                    unused.push(document);
                }
            }
            Ok(unused)
        };
        let files = self.0.db.run(forget).await?;
        let files: Vec<PathBuf> = files.iter().map(|hash| self.0.knowledge.file(hash)).collect();
        let delete = move || files.iter().for_each(|file| drop(fs::remove_file(file)));
        tokio::task::spawn_blocking(delete).await.map_err(AppError::internal)
    }

    /// Deletes what was read and never sent, and what a crash left.
    pub(crate) async fn sweep_documents(&self) -> Result<(), AppError> {
        let before = SystemTime::now() - UNSENT;
        let since = before.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let before_ms = i64::try_from(since.as_millis()).unwrap_or(0);
        self.0.db.run(move |store| store.forget_documents(None, before_ms)).await?;
        let folder = self.0.knowledge.files.clone();
        let old = tokio::task::spawn_blocking(move || old_files(&folder, before));
        for (hash, file) in old.await.map_err(AppError::internal)? {
            if !self.0.db.run(move |store| store.is_attached(&hash)).await? {
                let _ = fs::remove_file(file);
            }
        }
        Ok(())
    }

    /// Has a conversation search these folders and no others.
    pub async fn set_conversation_folders(&self, id: &str, folders: Vec<String>) -> Result<(), AppError> {
        if lantern_store::is_temporary(id) {
            return Err(AppError::files_leave_traces());
        }
        let id = id.to_owned();
        self.0.db.run(move |store| store.set_folders_of_conversation(&id, &folders)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(())
    }
}

/// A regular file of at most so many bytes.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ExtractError> {
    use std::io::Read;
    let io = |error: std::io::Error| ExtractError::Io(error.to_string());
    let about = fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(ExtractError::Io("it is no file".into()));
    }
    if about.len() > limit {
        return Err(ExtractError::TooLarge { bytes: about.len(), limit });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    fs::File::open(path).map_err(io)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn check_picture(name: &str, bytes: &[u8]) -> Result<(), AppError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > MAX_PICTURE {
        return Err(about_file(name, &ExtractError::TooLarge { bytes: size, limit: MAX_PICTURE }));
    }
    Picture::decode(bytes)?;
    Ok(())
}

/// A name as it is shown: on one line, not too long, without what only a path has.
fn shown_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    if plain.trim().is_empty() { "file".into() } else { plain }
}

/// Under its name only when it is whole.
fn keep(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let partial = target.with_added_extension(format!("{}.part", uuid::Uuid::new_v4().simple()));
    let mut file = fs::File::create(&partial)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&partial, target)).inspect_err(|_| drop(fs::remove_file(&partial)))
}

fn not_kept(target: &Path, error: &std::io::Error) -> AppError {
    AppError::new(
        "attachment_not_kept",
        format!("The file could not be copied to {}: {error}.", target.display()),
        "Free some disk space, and check that Lantern may write to its data directory.",
    )
}

/// Files that have lain there since before a time, by their contents.
fn old_files(folder: &Path, before: SystemTime) -> Vec<(String, PathBuf)> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let files = entries(folder).flat_map(|sub| entries(&sub.path()).collect::<Vec<_>>());
    let is_old = |file: &fs::DirEntry| {
        file.metadata().and_then(|about| about.modified()).is_ok_and(|time| time < before)
    };
    let named = |file: fs::DirEntry| (file.file_name().to_string_lossy().into_owned(), file.path());
    files.filter(is_old).map(named).collect()
}
