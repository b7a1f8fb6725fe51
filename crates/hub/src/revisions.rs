//! What a repository has now: whether a file was changed since it was fetched, and its small files.

use lantern_protocol::{CheckState, FileCheck, LibraryModel, ModelPlace, ModelUpdate, PlaceOwner};
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::http::{Failure, broken, chain};
use crate::{FilePath, Hub, HubError, RepoId, Revision};

/// Where a model's file came from, and what tells its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `owner/name`.
    pub repo: String,
    /// Path in the repository.
    pub file: String,
    /// Commit that it was fetched at.
    pub commit: Option<String>,
    /// SHA-256, or the entity tag under which the Hub knew it.
    pub content: Option<String>,
    /// Bytes.
    pub size: u64,
}

impl Origin {
    /// Of the first place that tells it: the shared cache, or LM Studio's folders.
    pub fn of(model: &LibraryModel) -> Option<Self> {
        // The size of a split model is that of all its files, of which this is one.
        let size = std::fs::metadata(&model.path).map_or(model.size_bytes, |about| about.len());
        model.places.iter().find_map(|place| {
            let file = file_in_repo(place)?;
            let blob = std::fs::read_link(&place.path).ok();
            let blob = blob.and_then(|target| Some(target.file_name()?.to_string_lossy().into_owned()));
            Some(Self {
                repo: place.repo.clone()?,
                file: FilePath::parse(&file).ok()?.as_str().to_owned(),
                commit: place.commit.clone(),
                content: blob.filter(|_| place.commit.is_some()).or_else(|| place.sha256.clone()),
                size,
            })
        })
    }
}

/// Behind `snapshots/<commit>` in a cache, behind the repository's name in LM Studio's folders.
fn file_in_repo(place: &ModelPlace) -> Option<String> {
    let after = match (&place.commit, place.owner) {
        (Some(commit), _) => format!("snapshots/{commit}/"),
        (None, PlaceOwner::LmStudio) => format!("{}/", place.repo.as_ref()?),
        _ => return None,
    };
    let path = place.path.replace('\\', "/");
    path.rsplit_once(&after).map(|(_, file)| file.to_owned())
}

impl Hub {
    /// The newer revision of a model's file, if its repository has one under the same name; `None` for models of which no
    /// repository is known, too.
    pub async fn update_of(&self, model: &LibraryModel) -> Result<Option<ModelUpdate>, HubError> {
        let Some(origin) = Origin::of(model) else { return Ok(None) };
        let (repo, file) = (RepoId::parse(&origin.repo)?, FilePath::parse(&origin.file)?);
        let meta = self.http().metadata(&repo, &Revision::default(), &file).await.map_err(error_of)?;
        let is_same = match &origin.content {
            Some(content) => content == meta.blob.as_str(),
            None => meta.size == origin.size,
        };
        Ok((!is_same).then(|| ModelUpdate {
            model: model.id.clone(),
            repo: origin.repo,
            file: origin.file,
            here: origin.commit,
            there: meta.commit.as_str().to_owned(),
            size_bytes: Some(meta.size),
        }))
    }

    /// Asks the Hub about files of which nobody here knew what they should be: where its hash is the one that was found, they
    /// are right. Where it is another, nothing is said, for they may be of an earlier revision.
    pub async fn confirm(&self, model: &LibraryModel, checks: &mut [FileCheck]) -> Result<(), HubError> {
        for check in checks.iter_mut().filter(|check| check.state == CheckState::Recorded) {
            let place = model.places.iter().find(|place| place.path == check.path);
            let Some((place, file)) = place.and_then(|place| Some((place, file_in_repo(place)?))) else {
                continue;
            };
            let Some(repo) = &place.repo else { continue };
            let (repo, file) = (RepoId::parse(repo)?, FilePath::parse(&file)?);
            let revision = place.commit.as_deref().map(Revision::parse).transpose()?.unwrap_or_default();
            let meta = self.http().metadata(&repo, &revision, &file).await.map_err(error_of)?;
            if meta.blob.sha256().is_some() && meta.blob.sha256() == check.sha256 {
                check.state = CheckState::Right;
                check.expected = check.sha256.clone();
                check.known_from = Some("hub".into());
            }
        }
        Ok(())
    }

    /// A file of up to `most` bytes, as the repository's main branch has it.
    pub async fn small_file(&self, repo: &str, file: &str, most: usize) -> Result<Vec<u8>, HubError> {
        let (repo, file) = (RepoId::parse(repo)?, FilePath::parse(file)?);
        let url = self.http().file_url(&repo, Revision::default().as_str(), &file);
        let what = format!("{}/{}", repo.as_str(), file.as_str());
        let answer = self.http().send(Method::GET, url.clone(), HeaderMap::new(), |_| false).await;
        let mut response = self.http().check(answer.map_err(error_of)?, &what).map_err(error_of)?;
        let mut bytes = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|error| error_of(broken(&url, chain(&error))))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > most {
                let why = format!("{what} has more than {most} bytes");
                return Err(HubError::MalformedResponse { host: self.host(), why });
            }
        }
        Ok(bytes)
    }
}

fn error_of(failure: Failure) -> HubError {
    match failure {
        Failure::Fatal(error) | Failure::Transient { error, .. } => error,
    }
}
