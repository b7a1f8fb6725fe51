//! How much room is left on the disk that holds a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Asks for the free bytes of a folder's disk; `None` when the system does not say.
#[derive(Clone)]
pub struct FreeSpace(Arc<Probe>);

/// The free bytes where a path lies, if the system says.
type Probe = dyn Fn(&Path) -> Option<u64> + Send + Sync;

impl FreeSpace {
    /// Another source of the figure, such as a quota.
    pub fn from_fn(probe: impl Fn(&Path) -> Option<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(probe))
    }

    /// Bytes that can still be written below `folder`, which need not exist yet.
    pub fn available(&self, folder: &Path) -> Option<u64> {
        (self.0)(folder)
    }
}

impl Default for FreeSpace {
    fn default() -> Self {
        Self::from_fn(system)
    }
}

impl fmt::Debug for FreeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreeSpace")
    }
}

/// The mount point with the longest common path is the one that holds the folder.
fn system(folder: &Path) -> Option<u64> {
    let folder = existing(folder)?;
    let disks = sysinfo::Disks::new_with_refreshed_list();
    disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(|disk| disk.available_space())
}

fn existing(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find_map(|path| path.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_yet_is_measured_by_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("not/yet/there");
        let (here, there) =
            (FreeSpace::default().available(dir.path()), FreeSpace::default().available(&deep));
        assert_eq!(here.is_some(), there.is_some());
        assert!(here.is_none_or(|bytes| bytes > 0), "the disk under a temporary folder seems to be full");
    }
}
