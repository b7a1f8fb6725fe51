//! What models take of the disk, and what nobody needs any more.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lantern_protocol::{
    DiskUse, LibraryModel, ModelDiskUse, ModelSource, OwnerDiskUse, PlaceOwner, ReclaimKind, Reclaimable,
};

use super::ModelLibrary;
use super::entries::identity;
use super::shards::{files_of, projectors_beside};
use crate::{FreeSpace, HubError, RepoId};

/// A download that nobody went on with for so long is abandoned.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A content without a name may be about to get one.
const SETTLED: Duration = Duration::from_secs(60 * 60);

impl ModelLibrary {
    /// What everything takes. Of what can be had back, that which lies in the shared cache and in the trash.
    pub fn disk_use(&self) -> DiskUse {
        let mut counted = HashSet::new();
        let mut owners: BTreeMap<PlaceOwner, OwnerDiskUse> = BTreeMap::new();
        let models = self.list();
        let mut uses: Vec<ModelDiskUse> =
            models.iter().map(|model| model_use(model, &mut counted, &mut owners)).collect();
        uses.sort_by_key(|used| std::cmp::Reverse(used.bytes));
        let mut owners: Vec<OwnerDiskUse> = owners.into_values().collect();
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.bytes));
        DiskUse {
            total_bytes: uses.iter().map(|used| used.bytes).sum(),
            models: uses,
            owners,
            reclaimable: self.reclaimable(),
            free_bytes: self.caches.first().and_then(|cache| FreeSpace::default().available(cache)),
        }
    }

    fn reclaimable(&self) -> Vec<Reclaimable> {
        let trash: u64 = self.removed().iter().map(|removed| removed.bytes).sum();
        let trash = Reclaimable { kind: ReclaimKind::Trash, bytes: trash, paths: Vec::new() };
        let kinds = [ReclaimKind::Parts, ReclaimKind::OldRevisions, ReclaimKind::OrphanBlobs];
        let of_kind = |kind| reclaimable(kind, self.unneeded(kind));
        let all = std::iter::once(trash).chain(kinds.into_iter().map(of_kind));
        all.filter(|some| some.bytes > 0 || !some.paths.is_empty()).collect()
    }

    /// Deletes what nobody needs of one kind, for good. Gives the bytes that the disk has back. What lies elsewhere than in the
    /// cache and the trash is not the library's to delete.
    pub fn reclaim(&self, kind: ReclaimKind) -> Result<u64, HubError> {
        if kind == ReclaimKind::Trash {
            return self.empty_trash(true);
        }
        let (_here, _held) = self.begin_change()?;
        let mut freed = 0;
        for file in self.unneeded(kind) {
            let size = fs::symlink_metadata(&file).map_or(0, |about| about.len());
            if kind == ReclaimKind::Parts && is_being_written(&file) {
                continue;
            }
            fs::remove_file(&file).map_err(HubError::io("delete", &file))?;
            freed += size;
            // Of a commit that is empty now; of anything else it fails.
            file.parent().map(fs::remove_dir);
        }
        Ok(freed)
    }

    fn unneeded(&self, kind: ReclaimKind) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for repo in self.caches.iter().flat_map(|cache| repos(cache)) {
            match kind {
                ReclaimKind::Parts => files.extend(parts(&repo.join("blobs"))),
                ReclaimKind::OldRevisions => files.extend(old_revisions(&repo)),
                ReclaimKind::OrphanBlobs => files.extend(orphans(&repo)),
                _ => {}
            }
        }
        if kind == ReclaimKind::Parts {
            files.extend(parts(&self.models_dir()));
        }
        files
    }
}

/// Files with their sizes.
pub(crate) fn reclaimable(kind: ReclaimKind, files: Vec<PathBuf>) -> Reclaimable {
    let size = |file: &PathBuf| fs::symlink_metadata(file).map_or(0, |about| about.len());
    Reclaimable {
        kind,
        bytes: files.iter().map(size).sum(),
        paths: files.iter().map(|file| file.to_string_lossy().into_owned()).collect(),
    }
}

fn model_use(
    model: &LibraryModel,
    counted: &mut HashSet<String>,
    owners: &mut BTreeMap<PlaceOwner, OwnerDiskUse>,
) -> ModelDiskUse {
    let mut used = ModelDiskUse {
        id: model.id.clone(),
        bytes: 0,
        duplicate_bytes: 0,
        deletable_bytes: 0,
        owners: model.places.iter().map(|place| place.owner).collect(),
    };
    used.owners.dedup();
    for (at, place) in model.places.iter().enumerate() {
        let mut files = files_of(Path::new(&place.path));
        if matches!(place.owner, PlaceOwner::HubCache | PlaceOwner::LmStudio | PlaceOwner::Jan) {
            files.extend(projectors_beside(Path::new(&place.path)));
        }
        let new = files.into_iter().filter(|file| counted.insert(identity(file)));
        let bytes: u64 = new.filter_map(|file| fs::metadata(file).ok()).map(|about| about.len()).sum();
        if used.bytes > 0 {
            used.duplicate_bytes += bytes;
        }
        if place.source != ModelSource::InPlace {
            used.deletable_bytes += bytes;
        }
        used.bytes += bytes;
        let empty = OwnerDiskUse { owner: place.owner, models: 0, bytes: 0 };
        let owner = owners.entry(place.owner).or_insert(empty);
        owner.models += u32::from(model.places[..at].iter().all(|other| other.owner != place.owner));
        owner.bytes += bytes;
    }
    used
}

/// Folders of repositories in a cache.
fn repos(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let is_repo = |entry: &fs::DirEntry| RepoId::from_folder(&entry.file_name().to_string_lossy()).is_some();
    entries.filter(is_repo).map(|entry| entry.path()).collect()
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_older(file: &Path, age: Duration) -> bool {
    let modified = fs::symlink_metadata(file).and_then(|about| about.modified()).ok();
    let old = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    old.is_some_and(|old| old >= age)
}

/// Files of downloads and copies that were begun and not ended, with their journals.
fn parts(folder: &Path) -> Vec<PathBuf> {
    files_in(folder).filter(|file| is_part(file) && file.is_file() && is_older(file, ABANDONED)).collect()
}

/// `<content>.incomplete` with whatever stands between or behind, such as the journal's ending; `<name>.part`.
fn is_part(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".incomplete") || name.contains(".incomplete.") || name.ends_with(".part")
}

/// Whether a program holds the lock of the content that a part belongs to.
fn is_being_written(part: &Path) -> bool {
    let lock = || {
        let (repo, name) = (part.parent()?.parent()?, part.file_name()?.to_str()?);
        let content = name.split('.').next()?;
        let locks = repo.with_file_name(".locks").join(repo.file_name()?);
        File::open(locks.join(format!("{content}.lock"))).ok()
    };
    lock().is_some_and(|lock| lock.try_lock().is_err())
}

/// Files of commits that no branch or tag stands for, whose name a commit of one has with another content: the links, and
/// the contents that have no other.
fn old_revisions(repo: &Path) -> Vec<PathBuf> {
    let mut current = HashSet::new();
    refs(&repo.join("refs"), 4, &mut current);
    let mut links: Vec<(bool, PathBuf, PathBuf)> = Vec::new();
    for commit in files_in(&repo.join("snapshots")).filter(|path| path.is_dir()) {
        let is_current =
            current.contains(&commit.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let mut files = Vec::new();
        list(&commit, 8, &mut files);
        for file in files {
            let name = file.strip_prefix(&commit).unwrap_or(&file).to_owned();
            links.push((is_current, name, file));
        }
    }
    let real = |file: &Path| file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let now: HashSet<PathBuf> =
        links.iter().filter(|(is_current, ..)| *is_current).map(|(_, _, file)| real(file)).collect();
    let has_newer = |name: &Path| links.iter().any(|(is_current, other, _)| *is_current && other == name);
    let old = links
        .iter()
        .filter(|(is_current, name, file)| !*is_current && has_newer(name) && !now.contains(&real(file)));
    let mut files: Vec<PathBuf> = old.map(|(.., file)| file.clone()).collect();
    let kept: HashSet<PathBuf> =
        links.iter().filter(|(.., file)| !files.contains(file)).map(|(.., file)| real(file)).collect();
    let mut contents: Vec<PathBuf> = files.iter().map(|file| real(file)).collect();
    contents.sort();
    contents.dedup();
    files.extend(
        contents
            .into_iter()
            .filter(|file| !kept.contains(file) && file.starts_with(real(repo).join("blobs"))),
    );
    files
}

/// The commits that branches and tags stand for.
fn refs(folder: &Path, depth: usize, commits: &mut HashSet<String>) {
    for path in files_in(folder) {
        if path.is_dir() && depth > 0 {
            refs(&path, depth - 1, commits);
        } else if let Ok(commit) = fs::read_to_string(&path) {
            commits.insert(commit.trim().to_owned());
        }
    }
}

/// Everything below a folder that is no folder.
pub(super) fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for path in files_in(folder) {
        match path.symlink_metadata() {
            Ok(about) if about.is_dir() && depth > 0 => list(&path, depth - 1, files),
            Ok(about) if !about.is_dir() => files.push(path),
            _ => {}
        }
    }
}

/// Contents that no link leads to. Only where names are links: in caches of systems without them nothing tells.
fn orphans(repo: &Path) -> Vec<PathBuf> {
    let mut links = Vec::new();
    list(&repo.join("snapshots"), 9, &mut links);
    if !links.iter().all(|link| link.is_symlink()) {
        return Vec::new();
    }
    let used: HashSet<PathBuf> = links.iter().filter_map(|link| link.canonicalize().ok()).collect();
    let Ok(blobs) = repo.join("blobs").canonicalize() else { return Vec::new() };
    let is_orphan =
        |file: &PathBuf| file.is_file() && !is_part(file) && !used.contains(file) && is_older(file, SETTLED);
    files_in(&blobs).filter(is_orphan).collect()
}
