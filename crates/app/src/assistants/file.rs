//! Assistants as files, to be kept or given to others.
//!
//! A file says nothing that only the user of a computer can say there: which tools may run without asking. Folders are named by
//! their ids, which tell nobody where they are; what is not known where it is read is left out and counted.

use std::path::{Path, PathBuf};

use lantern_protocol::{AssistantSetup, ImportedAssistant};
use lantern_store::Store;
use serde::{Deserialize, Serialize};

use super::{add_under_free_name, checked};
use crate::{App, AppError};

/// What such a file says that it is.
const KIND: &str = "assistant";
/// The latest form of such a file.
const FORMAT: u32 = 1;
/// Largest file that is read, in bytes: some times what an assistant may have.
const LARGEST: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssistantFile {
    lantern: String,
    format: u32,
    assistant: AssistantSetup,
}

/// What is looked at first: a later form may have other fields.
#[derive(Deserialize)]
struct Head {
    lantern: Option<String>,
    format: Option<u32>,
}

impl App {
    /// Writes an assistant to a file.
    pub async fn export_assistant(&self, id: &str, path: impl Into<PathBuf>) -> Result<(), AppError> {
        let (text, path) = (self.assistant_as_json(id).await?, path.into());
        let write = move || {
            std::fs::write(&path, text).map_err(|error| unusable(&path, "written", &error.to_string()))
        };
        tokio::task::spawn_blocking(write).await.map_err(AppError::internal)?
    }

    /// The text of such a file.
    pub async fn assistant_as_json(&self, id: &str) -> Result<String, AppError> {
        let id = id.to_owned();
        let assistant = self.0.db.run(move |store| store.assistant(&id)).await?;
        let setup = AssistantSetup { unasked: Vec::new(), ..assistant.setup };
        let file = AssistantFile { lantern: KIND.into(), format: FORMAT, assistant: setup };
        let mut text = serde_json::to_string_pretty(&file).map_err(AppError::internal)?;
        text.push('\n');
        Ok(text)
    }

    /// Takes an assistant in from a file, under another name if its own is taken.
    pub async fn import_assistant(&self, path: impl Into<PathBuf>) -> Result<ImportedAssistant, AppError> {
        let path = path.into();
        let setup = tokio::task::spawn_blocking(move || read(&path)).await.map_err(AppError::internal)??;
        let unasked_left = u32::try_from(setup.unasked.len()).unwrap_or(u32::MAX);
        let mut setup = checked(AssistantSetup { unasked: Vec::new(), ..setup })?;
        let add = move |store: &mut Store| {
            let known: Vec<String> = store.knowledge_folders()?.into_iter().map(|folder| folder.id).collect();
            let before = setup.folders.len();
            setup.folders.retain(|id| known.contains(id));
            let left = before.saturating_sub(setup.folders.len());
            Ok((add_under_free_name(store, setup)?, left))
        };
        let (assistant, left) = self.changed_assistant(add).await?;
        let folders_left = u32::try_from(left).unwrap_or(u32::MAX);
        Ok(ImportedAssistant { assistant, folders_left, unasked_left })
    }
}

fn read(path: &Path) -> Result<AssistantSetup, AppError> {
    let failed = |error: std::io::Error| unusable(path, "read", &error.to_string());
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > LARGEST {
        return Err(unusable(
            path,
            "read",
            &format!("it has {size} bytes, and no assistant has over {LARGEST}"),
        ));
    }
    parse(&std::fs::read(path).map_err(failed)?).map_err(|why| {
        AppError::new(
            "not_an_assistant",
            format!("{} is no assistant: {why}.", path.display()),
            "Choose a file that Lantern wrote for an assistant, or update Lantern if it is newer.",
        )
    })
}

fn parse(bytes: &[u8]) -> Result<AssistantSetup, String> {
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if head.lantern.as_deref() != Some(KIND) {
        return Err("it does not say that it is one".into());
    }
    match head.format {
        Some(FORMAT) => {}
        Some(later) => return Err(format!("it has form {later}, and this Lantern knows form {FORMAT}")),
        None => return Err("it does not say its form".into()),
    }
    let file: AssistantFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(file.assistant)
}

fn unusable(path: &Path, done: &str, why: &str) -> AppError {
    AppError::new(
        "assistant_file",
        format!("{} cannot be {done}: {why}.", path.display()),
        "Choose another file, or check the disk and the file's permissions.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_assistant_says_why() {
        let good = br#"{"lantern": "assistant", "format": 1, "assistant": {"name": "Fox"}}"#;
        assert_eq!(parse(good).unwrap().name, "Fox");
        for (text, why) in [
            ("", "EOF"),
            ("[]", "form"),
            ("{}", "does not say that it is one"),
            (r#"{"lantern": "conversations", "format": 1}"#, "does not say that it is one"),
            (r#"{"lantern": "assistant"}"#, "does not say its form"),
            (r#"{"lantern": "assistant", "format": 2, "what": 1}"#, "form 2"),
            (r#"{"lantern": "assistant", "format": 1}"#, "assistant"),
            (r#"{"lantern": "assistant", "format": 1, "assistant": {"name": "x", "run": "ls"}}"#, "run"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why) || text == "[]", "{text}: {error}");
        }
        let deep = format!(r#"{{"lantern": "assistant", "format": 1, "assistant": {}"#, "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
    }
}
