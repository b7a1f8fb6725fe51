//! Where Lantern keeps its data.

use std::path::PathBuf;

use crate::AppError;

/// `LANTERN_HOME`, or the system's place for application data (`~/.local/share/lantern` on Linux). Nothing is created.
pub fn data_dir() -> Result<PathBuf, AppError> {
    resolve(None)
}

/// The directory asked for, or the usual one, as an absolute path.
pub(crate) fn resolve(asked: Option<PathBuf>) -> Result<PathBuf, AppError> {
    let from_env = || std::env::var_os("LANTERN_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    // Local, not roaming: gigabytes of weights do not belong in a profile that is copied at every log-in.
    let usual =
        || directories::ProjectDirs::from("", "", "Lantern").map(|dirs| dirs.data_local_dir().to_owned());
    let path = asked.or_else(from_env).or_else(usual).ok_or_else(|| {
        AppError::new(
            "no_data_dir",
            "The system names no home directory, so Lantern does not know where to keep its data.",
            "Set LANTERN_HOME to a directory.",
        )
    })?;
    std::path::absolute(&path).map_err(|e| {
        AppError::new(
            "no_data_dir",
            format!("The data directory {} cannot be found: {e}.", path.display()),
            "Set LANTERN_HOME to an existing directory.",
        )
    })
}
