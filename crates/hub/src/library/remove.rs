//! Taking a model out of the library. What is Lantern's or the shared cache's goes to the trash; what others own is only no
//! longer listed.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::{LibraryModel, ModelPlace, ModelSource, PlaceOwner, RemovedModel};

use super::ModelLibrary;
use super::disk::list;
use super::record::Hidden;
use super::shards::{files_of, projectors_beside};
use super::trash::{Move, Removal};
use crate::HubError;
use crate::hub::is_model;

impl ModelLibrary {
    /// Removes the model with this id from all its places; [`Self::restore`] takes it back.
    pub fn remove(&self, id: &str) -> Result<RemovedModel, HubError> {
        let (_here, held) = self.begin_change()?;
        let model = self.by_id(id)?;
        let mut removal = self.new_removal(&model.id);
        for place in &model.places {
            self.plan(&mut removal, &model, place)?;
        }
        self.carry_out(&removal)?;
        for step in &removal.moves {
            remove_empty_folders(&step.from);
        }
        self.record().change(&held, |content| {
            content.in_place.retain(|path| !removal.in_place.contains(path));
            content.hidden.extend(removal.hidden.iter().cloned());
        })?;
        Ok(removal.told())
    }

    /// Adds what removing one place means.
    fn plan(&self, removal: &mut Removal, model: &LibraryModel, place: &ModelPlace) -> Result<(), HubError> {
        let path = PathBuf::from(&place.path);
        match (place.source, place.owner) {
            (ModelSource::InPlace, PlaceOwner::File) => removal.in_place.push(path),
            (ModelSource::InPlace, _) => {
                let hidden = Hidden { path, content_id: model.content_id.clone() };
                if !removal.hidden.contains(&hidden) {
                    removal.hidden.push(hidden);
                }
            }
            (ModelSource::Imported, _) => {
                let aside = self.models_dir().join(".trash");
                for file in files_of(&path).iter().filter(|file| file.exists()) {
                    self.take(removal, file, &aside)?;
                }
            }
            (ModelSource::HubCache, _) => {
                for file in files_of(&path).iter().filter(|file| file.exists()) {
                    self.take_cached(removal, file)?;
                }
                if !serves_another(&path, removal) {
                    projectors_beside(&path).iter().try_for_each(|file| self.take_cached(removal, file))?;
                }
                self.take_refs(removal, &path)?;
            }
        }
        Ok(())
    }

    /// Adds a file; one that two names lead to, once.
    fn take(&self, removal: &mut Removal, file: &Path, aside: &Path) -> Result<(), HubError> {
        if removal.takes(file) {
            return Ok(());
        }
        let about = fs::symlink_metadata(file).map_err(HubError::io("read", file))?;
        if about.is_file() {
            removal.bytes = removal.bytes.saturating_add(about.len());
        }
        let to = self.place_in_trash(removal, file, aside);
        removal.moves.push(Move { from: file.to_owned(), to });
        Ok(())
    }

    /// Branches and tags that stand for a commit of which nothing is left: other tools take them for damage.
    fn take_refs(&self, removal: &mut Removal, path: &Path) -> Result<(), HubError> {
        let repo = Repo::of(path)?;
        let mut refs = Vec::new();
        list(&repo.folder.join("refs"), 4, &mut refs);
        for file in refs {
            let commit = fs::read_to_string(&file).map_err(HubError::io("read", &file))?;
            let mut left = Vec::new();
            list(&repo.snapshots.join(commit.trim()), 8, &mut left);
            if left.iter().all(|file| removal.takes(file)) {
                let to = self.place_in_trash(removal, &file, &repo.aside);
                removal.moves.push(Move { from: file, to });
            }
        }
        Ok(())
    }

    /// All names that the content has, under every commit, then the content.
    fn take_cached(&self, removal: &mut Removal, path: &Path) -> Result<(), HubError> {
        let Repo { folder: repo, snapshots, aside } = Repo::of(path)?;
        let blob = path.canonicalize().map_err(HubError::io("find", path))?;
        let blobs = repo.join("blobs");
        let is_in_store = blobs.canonicalize().is_ok_and(|blobs| blob.parent() == Some(&blobs));
        let mut links = Vec::new();
        match is_in_store {
            true => links_to(&snapshots, &blob, 8, &mut links),
            // A cache without links keeps the bytes under their name.
            false => links.push(path.to_owned()),
        }
        links.iter().try_for_each(|link| self.take(removal, link, &aside))?;
        if is_in_store {
            self.take(removal, &blob, &aside)?;
        }
        Ok(())
    }
}

/// A repository in a cache.
struct Repo {
    folder: PathBuf,
    snapshots: PathBuf,
    /// Where its files go when the data folder is on another disk.
    aside: PathBuf,
}

impl Repo {
    fn of(path: &Path) -> Result<Self, HubError> {
        let snapshots = path.ancestors().find(|folder| folder.ends_with("snapshots"));
        let (snapshots, folder) = snapshots
            .and_then(|snapshots| Some((snapshots, snapshots.parent()?)))
            .ok_or_else(|| HubError::Internal(format!("{} is not in a cache's layout", path.display())))?;
        let aside = folder.with_file_name(".locks").join("lantern-trash");
        Ok(Self { folder: folder.to_owned(), snapshots: snapshots.to_owned(), aside })
    }
}

/// Whether another model than those that go lies in the same folder, and may need the projector there.
fn serves_another(path: &Path, removal: &Removal) -> bool {
    let beside = path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let stays = |file: &PathBuf| !removal.takes(file);
    let is_model = |file: &PathBuf| is_model(&file.to_string_lossy());
    beside.map(|entry| entry.path()).any(|file| is_model(&file) && stays(&file))
}

fn links_to(folder: &Path, blob: &Path, depth: usize, links: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth > 0 {
                links_to(&path, blob, depth - 1, links);
            }
        } else if path.canonicalize().is_ok_and(|target| target == blob) {
            links.push(path);
        }
    }
}

/// Folders of commits that have nothing in them any more, and folders of models. One that is not empty refuses to go, and
/// that ends it.
fn remove_empty_folders(file: &Path) {
    let ends = |folder: &Path| ["snapshots", "models", "blobs"].iter().any(|name| folder.ends_with(name));
    for folder in file.ancestors().skip(1).take_while(|folder| !ends(folder)) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
