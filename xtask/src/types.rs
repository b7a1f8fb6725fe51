//! The UI's types, generated from `crates/protocol`.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, run, step};

/// The generated files: names and contents.
pub type Generated = BTreeMap<String, String>;

/// Writes `ui/src/backend/types` anew.
pub fn generate() -> Result<ExitCode> {
    step("The UI's types");
    // ts-rs writes a type's file in a test of its own; `.cargo/config.toml` says where.
    run(cargo().args(["test", "--quiet", "--package", "lantern-protocol", "export_bindings"]))?;
    Ok(ExitCode::SUCCESS)
}

/// The files as they are now.
pub fn snapshot() -> Result<Generated> {
    let folder = root().join("ui/src/backend/types");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Generated::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "ts") {
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}

/// An error that names the files which the tests have just written differently.
pub fn compare(before: &Generated, after: &Generated) -> Result<()> {
    let changed: Vec<_> =
        after.iter().filter(|(name, text)| before.get(*name) != Some(text)).map(|(n, _)| n).collect();
    if !changed.is_empty() {
        bail!(
            "ui/src/backend/types was out of date: {changed:?}. It has been written anew: look at it and commit it"
        );
    }
    Ok(())
}
