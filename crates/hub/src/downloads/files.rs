//! What belongs to one download: a model with its projector, all pieces of a split model, a folder of safetensors files.

use std::path::{Path, PathBuf};

use crate::choice::{FOLDER, is_of_folder, pieces, projector_of};
use crate::hub::{RemoteFile, is_model};
use crate::transfer::Transfer;
use crate::{Commit, FilePath, Hub, HubError, Revision};

impl Hub {
    /// Fetches everything that the transfer's file stands for.
    pub(super) async fn fetch(&self, transfer: &Transfer) -> Result<PathBuf, HubError> {
        match (transfer.file.as_str(), pieces(&transfer.file)?) {
            (FOLDER, _) => self.fetch_folder(transfer).await,
            (_, Some(pieces)) => self.fetch_pieces(transfer, pieces, &self.files_of(transfer).await?).await,
            _ => self.fetch_model(transfer).await,
        }
    }

    /// Fetches a model, and the file that shows pictures to it if its repository has one.
    async fn fetch_model(&self, transfer: &Transfer) -> Result<PathBuf, HubError> {
        let meta = transfer.metadata().await?;
        let projector = async {
            let projector = self.projector(transfer, &meta.commit).await?;
            let own = (transfer.file.as_str().to_owned(), meta.size);
            let other = projector.iter().map(|projector| (projector.path.clone(), projector.size));
            transfer.progress.files([own].into_iter().chain(other));
            Ok::<_, HubError>(projector)
        };
        // The list comes while the first bytes do.
        let (path, projector) = tokio::join!(transfer.run(&meta), projector);
        let path = path?;
        if let Some(projector) = projector? {
            let (file, revision) =
                (FilePath::parse(&projector.path)?, Revision::parse(meta.commit.as_str())?);
            let progress = transfer.progress.of_file(1);
            let of_projector = Transfer { file, progress, revision, pinned: None, ..transfer.clone() };
            of_projector.run(&of_projector.metadata().await?).await?;
        }
        Ok(path)
    }

    /// The projector beside a model. A list that cannot be had is no reason to call the model missing: it then reads text.
    async fn projector(&self, transfer: &Transfer, commit: &Commit) -> Result<Option<RemoteFile>, HubError> {
        let list = self.files(transfer.repo.as_str(), Some(commit.as_str()));
        match transfer.unless_stopped(list).await {
            Ok(files) => Ok(projector_of(transfer.file.as_str(), &files).cloned()),
            Err(error @ HubError::Cancelled { .. }) => Err(error),
            Err(error) => {
                tracing::info!(code = error.code(), "whether the model can see is not known: {error}");
                Ok(None)
            }
        }
    }

    /// Fetches all pieces of a split model, of one commit, and gives the first one's path.
    async fn fetch_pieces(
        &self,
        transfer: &Transfer,
        pieces: Vec<FilePath>,
        files: &[RemoteFile],
    ) -> Result<PathBuf, HubError> {
        let size = |piece: &FilePath| {
            let listed = files.iter().find(|file| file.path == piece.as_str());
            listed.map(|file| (file.path.clone(), file.size)).ok_or_else(|| HubError::NoSuchFile {
                repo: transfer.repo.as_str().into(),
                wanted: piece.as_str().into(),
                candidates: files
                    .iter()
                    .map(|file| file.path.clone())
                    .filter(|path| is_model(path))
                    .collect(),
            })
        };
        transfer.progress.files(pieces.iter().map(size).collect::<Result<Vec<_>, _>>()?);
        let (mut first, mut revision) = (None, transfer.revision.clone());
        for (i, file) in pieces.into_iter().enumerate() {
            let progress = transfer.progress.of_file(i);
            let piece = Transfer { file, progress, revision, ..transfer.clone() };
            let meta = piece.metadata().await?;
            first.get_or_insert(piece.run(&meta).await?);
            revision = Revision::parse(meta.commit.as_str())?;
        }
        first.ok_or_else(|| HubError::Internal("a model of no pieces".into()))
    }

    /// Fetches everything that a folder of safetensors files is converted from, and gives the folder's path.
    async fn fetch_folder(&self, transfer: &Transfer) -> Result<PathBuf, HubError> {
        let files = self.files_of(transfer).await?;
        let wanted = files.iter().filter(|file| is_of_folder(&file.path));
        let wanted = wanted.map(|file| FilePath::parse(&file.path)).collect::<Result<Vec<_>, _>>()?;
        let first = self.fetch_pieces(transfer, wanted, &files).await?;
        Ok(first.parent().map_or_else(|| first.clone(), Path::to_owned))
    }

    async fn files_of(&self, transfer: &Transfer) -> Result<Vec<RemoteFile>, HubError> {
        let list = self.files(transfer.repo.as_str(), Some(transfer.revision.as_str()));
        transfer.unless_stopped(list).await
    }
}
