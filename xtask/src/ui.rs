//! The interface: its packages, its checks, its build. Nothing is done twice for the same sources.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::shell::{command, note, root, run, step};

/// npm, to be run in `ui/`.
pub fn npm() -> Command {
    let mut npm = command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(folder());
    npm
}

/// Installs the packages that the lock file names, unless they are those of the last time.
pub fn install() -> Result<()> {
    step("The interface's packages");
    let stamp = folder().join("node_modules/.lantern-packages");
    let lock = [folder().join("package-lock.json")];
    if !is_new(&lock, &stamp)? {
        note("unchanged");
        return Ok(());
    }
    run(npm().args(["ci", "--no-audit", "--no-fund"]))?;
    note_done(&lock, &stamp)
}

/// Whether files are others than when something was done for them last, which `stamp` says.
pub fn is_new(files: &[PathBuf], stamp: &Path) -> Result<bool> {
    let now = digest(files)?;
    Ok(!fs::read_to_string(stamp).is_ok_and(|earlier| earlier == now))
}

/// Notes that what was to be done for files is done.
pub fn note_done(files: &[PathBuf], stamp: &Path) -> Result<()> {
    fs::write(stamp, digest(files)?).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Checks types and style, and runs the interface's own tests.
pub fn check() -> Result<()> {
    step("The interface's checks and tests");
    run(npm().args(["run", "check"]))?;
    run(npm().args(["run", "test"]))
}

/// Builds `ui/dist`, which the desktop program embeds, unless its sources are those of the last time.
pub fn build() -> Result<()> {
    step("The interface");
    let stamp = folder().join("node_modules/.lantern-build");
    let sources = digest(&sources(&folder())?)?;
    let built = folder().join("dist/index.html").exists();
    if built && fs::read_to_string(&stamp).is_ok_and(|earlier| earlier == sources) {
        note("unchanged");
        return Ok(());
    }
    run(npm().args(["run", "build"]))?;
    fs::write(stamp, sources).context("cannot note what the interface was built from")
}

fn folder() -> PathBuf {
    root().join("ui")
}

/// Every file below the folder that is written by hand.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    const MADE: [&str; 4] = ["node_modules", "dist", "coverage", "shots"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if MADE.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            found.extend(sources(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// One hash over names and contents, in hex.
pub fn digest(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(hex(&hash.finalize()))
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
