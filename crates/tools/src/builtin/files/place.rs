//! The allowed folder, and what is in it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::ToolError;

/// The folder, followed to where it really is.
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    pub(super) fn new(folder: &Path) -> Result<Self, ToolError> {
        let root = folder.canonicalize().map_err(|error| {
            ToolError::Failed(format!("the allowed folder {} cannot be used: {error}", folder.display()))
        })?;
        Ok(Self { root })
    }

    /// Where a path really leads, which must be in the folder. It says no more of what is outside than that it is.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf, ToolError> {
        let path = path.trim();
        let given = Path::new(path);
        let inside = given.strip_prefix(&self.root).unwrap_or(given);
        let is_plain =
            inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_plain || path.contains('\0') {
            return Err(outside(path));
        }
        let real = self.root.join(inside).canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                ToolError::Failed(format!("there is no `{path}` in the allowed folder"))
            }
            _ => ToolError::Failed(format!("`{path}` cannot be reached: {error}")),
        })?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(outside(path)) }
    }

    /// Opens a file, and nothing else: a pipe or a device would never end. Between looking and opening it may have become
    /// another; what was opened is looked at once more.
    pub(super) fn open(&self, path: &Path) -> Result<File, ToolError> {
        let is_file = |known: &std::fs::Metadata| known.is_file();
        if !std::fs::symlink_metadata(path).as_ref().is_ok_and(is_file) {
            return Err(ToolError::Failed(format!("`{}` is no file", self.name(path))));
        }
        let opened = OpenOptions::new().read(true).open(path).map_err(|error| self.failed(path, &error))?;
        let still = path.canonicalize().is_ok_and(|real| real == path);
        match opened.metadata() {
            Ok(known) if known.is_file() && still => Ok(opened),
            _ => Err(ToolError::Failed(format!("`{}` changed while it was opened", self.name(path)))),
        }
    }

    /// The path as the user knows it.
    pub(super) fn name(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        inside.to_string_lossy().replace('\\', "/")
    }

    pub(super) fn failed(&self, path: &Path, error: &io::Error) -> ToolError {
        ToolError::Failed(format!("`{}` cannot be read: {error}", self.name(path)))
    }
}

fn outside(path: &str) -> ToolError {
    let path: String = path.chars().take(200).collect();
    ToolError::Failed(format!("`{path}` is not in the allowed folder"))
}
