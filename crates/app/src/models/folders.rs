//! Models that are folders of Hugging Face's files: converted when they are first used, and kept as a file of our own.

use std::path::{Path, PathBuf};

use lantern_convert::{ConvertedFolders, FileType, is_model_folder};
use lantern_protocol::LibraryModel;

use crate::{App, AppError};

/// The files that were made of folders, in a data directory.
pub fn converted_folders(home: &Path) -> ConvertedFolders {
    ConvertedFolders::at(home.join("converted"))
}

/// The folder that a name means, and what its weights become: `FOLDER` as they are, `FOLDER:Q8_0` quantised. `None` for
/// names of anything else.
pub fn model_folder(name: &str) -> Option<(PathBuf, FileType)> {
    if is_model_folder(Path::new(name)) {
        return Some((PathBuf::from(name), FileType::Keep));
    }
    let (folder, file_type) = name.rsplit_once(':')?;
    let file_type = FileType::from_name(file_type)?;
    is_model_folder(Path::new(folder)).then(|| (PathBuf::from(folder), file_type))
}

/// The file made of a folder; made now, which takes its time, if it is not there yet.
pub fn file_of_folder(home: &Path, folder: &Path, file_type: FileType) -> Result<PathBuf, AppError> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let told = |progress: lantern_convert::Progress<'_>| {
        tracing::info!(tensor = progress.last.name, of = progress.tensors.1, "converted");
    };
    Ok(converted_folders(home).get(folder, file_type, threads, told)?)
}

impl App {
    /// The model of a folder, under the name it was asked for by.
    pub(crate) async fn model_of_folder(
        &self,
        name: &str,
        (folder, file_type): (PathBuf, FileType),
    ) -> Result<LibraryModel, AppError> {
        let (home, library) = (self.0.home.clone(), self.0.models.library.clone());
        let converted = tokio::task::spawn_blocking(move || {
            let path = file_of_folder(&home, &folder, file_type)?;
            Ok::<_, AppError>(library.describe_path(&path))
        });
        let model = converted.await.map_err(AppError::internal)??;
        Ok(LibraryModel { id: name.to_owned(), ..model })
    }
}
