//! How many threads compute best on this processor: one for each of its fast cores.
//!
//! The threads of an operation wait for each other at its end, so a thread on a slow core, or the second one on a core,
//! makes the others wait. Linux tells of Intel's two kinds of cores in `devices/cpu_core`, and of others by the
//! capacity of each in the device tree (kernel documentation, `sysfs-devices-system-cpu`); macOS by `sysctl`.

use std::collections::BTreeSet;
use std::path::Path;

/// Cores that are about as fast as the fastest, each counted once; `None` where all are alike or nobody tells.
pub(crate) fn fast_cores() -> Option<usize> {
    if cfg!(target_os = "macos") {
        let told =
            std::process::Command::new("sysctl").args(["-n", "hw.perflevel0.physicalcpu"]).output().ok()?;
        return String::from_utf8(told.stdout).ok()?.trim().parse().ok();
    }
    fast_cores_in(Path::new("/sys"))
}

fn fast_cores_in(sys: &Path) -> Option<usize> {
    let cpus = std::fs::read_to_string(sys.join("devices/cpu_core/cpus"))
        .ok()
        .and_then(|list| numbers(list.trim()))
        .or_else(|| most_capable(sys))?;
    let cores: BTreeSet<_> = cpus.iter().map(|&cpu| core_of(sys, cpu)).collect();
    (!cores.is_empty()).then_some(cores.len())
}

/// The processors with at least three quarters of the highest capacity, when there are others.
fn most_capable(sys: &Path) -> Option<Vec<usize>> {
    let capacity = |cpu: &usize| number_in(&cpu_dir(sys, *cpu).join("cpu_capacity"));
    let all: Vec<_> = (0..).map_while(|cpu| Some((cpu, capacity(&cpu)?))).collect();
    let highest = all.iter().map(|(_, capacity)| *capacity).max()?;
    let fast: Vec<_> = all.iter().filter(|(_, c)| 4 * c >= 3 * highest).map(|(cpu, _)| *cpu).collect();
    (fast.len() < all.len()).then_some(fast)
}

/// Package and core of a processor; one that nobody tells of is a core of its own.
fn core_of(sys: &Path, cpu: usize) -> (usize, usize) {
    let topology = cpu_dir(sys, cpu).join("topology");
    let number = |name: &str| number_in(&topology.join(name));
    match (number("physical_package_id"), number("core_id")) {
        (Some(package), Some(core)) => (package, core),
        _ => (usize::MAX, cpu),
    }
}

fn cpu_dir(sys: &Path, cpu: usize) -> std::path::PathBuf {
    sys.join(format!("devices/system/cpu/cpu{cpu}"))
}

fn number_in(file: &Path) -> Option<usize> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A list of the kernel's kind, such as `0-3,8`.
fn numbers(list: &str) -> Option<Vec<usize>> {
    /// Far above any machine's; a list is not to be believed beyond.
    const MOST: usize = 4096;
    let mut all = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/sys` with these files below `devices`.
    fn sys(files: &[(String, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = sys.path().join("devices").join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        sys
    }

    fn cpu(number: usize, file: &str) -> String {
        format!("system/cpu/cpu{number}/{file}")
    }

    #[test]
    fn two_threads_of_a_fast_core_are_one_and_slow_cores_none() {
        let mut files = vec![("cpu_core/cpus".to_owned(), "0-3\n"), ("cpu_atom/cpus".to_owned(), "4-7\n")];
        for (number, core) in ["0", "0", "4", "4", "8", "9", "10", "11"].into_iter().enumerate() {
            files.push((cpu(number, "topology/physical_package_id"), "0\n"));
            files.push((cpu(number, "topology/core_id"), core));
        }
        assert_eq!(fast_cores_in(sys(&files).path()), Some(2));
    }

    #[test]
    fn capacities_tell_the_fast_from_the_slow() {
        let capacities = |list: &[&'static str]| {
            let files: Vec<_> = list.iter().enumerate().map(|(i, c)| (cpu(i, "cpu_capacity"), *c)).collect();
            fast_cores_in(sys(&files).path())
        };
        assert_eq!(capacities(&["381", "381", "381", "381", "870", "870", "1024"]), Some(3));
        assert_eq!(capacities(&["1024", "1024"]), None, "all are alike");
    }

    #[test]
    fn what_is_not_told_or_not_understood_is_no_answer() {
        assert_eq!(fast_cores_in(sys(&[]).path()), None);
        for list in ["", "a", "3-", "0-99999999"] {
            assert_eq!(fast_cores_in(sys(&[("cpu_core/cpus".to_owned(), list)]).path()), None, "{list:?}");
        }
    }
}
