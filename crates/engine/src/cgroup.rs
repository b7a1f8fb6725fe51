//! What the control groups of this process leave of memory (Linux, versions 1 and 2).
//!
//! A process is in a group, that group in another, and each may have a limit. Pages of files count as used, but the system
//! takes them back before it refuses anything, so here they count as free.

use std::fs;
use std::path::{Component, Path};

/// Names of one version's files and of what they say.
struct Version {
    folder: &'static str,
    limit: &'static str,
    used: &'static str,
    /// Lines of `memory.stat` about pages of files.
    pages: [&'static str; 2],
}

const V1: Version = Version {
    folder: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    pages: ["total_inactive_file", "total_active_file"],
};

const V2: Version = Version {
    folder: "sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    pages: ["inactive_file", "active_file"],
};

/// Bytes that the groups of this process leave, where `root` is the root of the file system; `None` where nothing is limited.
pub(crate) fn bytes_left(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let left = groups.lines().filter_map(|line| {
        // number:controllers:path; the one group of version 2 names no controllers.
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        match (number, controllers) {
            ("0", "") => V2.bytes_left(root, path),
            _ if controllers.split(',').any(|name| name == "memory") => V1.bytes_left(root, path),
            _ => None,
        }
    });
    left.min()
}

impl Version {
    /// What the group at `path` and those above it leave.
    fn bytes_left(&self, root: &Path, path: &str) -> Option<u64> {
        let top = root.join(self.folder);
        let below = Path::new(path.trim_start_matches('/'));
        // Within a container the path may be one that only the outside has.
        let visible = below.components().all(|part| matches!(part, Component::Normal(_)));
        let group = if visible { top.join(below) } else { top.clone() };
        let groups = group.ancestors().take_while(|group| group.starts_with(&top));
        groups.filter_map(|group| self.left_in(group)).min()
    }

    /// What one group leaves; `None` when it has no limit.
    fn left_in(&self, group: &Path) -> Option<u64> {
        let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        let limit = number(self.limit)?;
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let pages = stat.lines().filter_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            if self.pages.contains(&name) { bytes.trim().parse::<u64>().ok() } else { None }
        });
        let used = number(self.used).unwrap_or(0).saturating_sub(pages.sum());
        Some(limit.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn a_limit_of_version_1_less_what_is_used_and_no_page_of_a_file() {
        let root = tree(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "20000\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "9000\n"),
            (
                "sys/fs/cgroup/memory/a/memory.stat",
                "cache 3000\ntotal_inactive_file 2000\ntotal_active_file 500\n",
            ),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "30000\n"),
            ("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "8000\n"),
        ]);
        assert_eq!(bytes_left(root.path()), Some(20000 - 9000 + 2500), "the one above is tighter");
        fs::write(root.path().join("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes"), "9000")
            .expect("writes");
        assert_eq!(bytes_left(root.path()), Some(1000));
        fs::write(root.path().join("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes"), "9500")
            .expect("writes");
        assert_eq!(bytes_left(root.path()), Some(0), "more than there may be");
    }

    #[test]
    fn a_limit_of_version_2() {
        let group = "sys/fs/cgroup/user.slice/app.scope";
        let file = |name: &str| format!("{group}/{name}");
        let (max, current, stat) = (file("memory.max"), file("memory.current"), file("memory.stat"));
        let root = tree(&[
            ("proc/self/cgroup", "0::/user.slice/app.scope\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            (&max, "5000\n"),
            (&current, "3000\n"),
            (&stat, "anon 1500\nfile 1500\ninactive_file 700\nactive_file 300\n"),
        ]);
        assert_eq!(bytes_left(root.path()), Some(3000));
        fs::write(root.path().join(&max), "max\n").expect("writes");
        assert_eq!(bytes_left(root.path()), None);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_top() {
        for path in ["/docker/0123", "/../.."] {
            let root = tree(&[
                ("proc/self/cgroup", &format!("0::{path}\n")),
                ("sys/fs/cgroup/memory.max", "7000\n"),
                ("sys/fs/cgroup/memory.current", "1000\n"),
            ]);
            assert_eq!(bytes_left(root.path()), Some(6000), "{path}");
        }
        assert_eq!(bytes_left(tree(&[]).path()), None, "another system");
        assert_eq!(bytes_left(tree(&[("proc/self/cgroup", "what is this\n:::\n")]).path()), None);
    }
}
