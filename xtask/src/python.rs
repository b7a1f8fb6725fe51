//! A Python of our own in the cache folder: pip may fetch for it what the system's Python would refuse to install.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell::{cache, command, note, run, step, works};

/// What tests need: the official clients of the endpoint's protocol and of the Hub's.
const CLIENTS: [&str; 2] = ["openai==3.54.0", "huggingface_hub==2.4.0"];

/// A Python environment with nothing but pip in it.
pub fn environment() -> Result<PathBuf> {
    environment_at(&cache()?.join("python"))
}

/// The same in a folder of its own.
pub fn environment_at(folder: &Path) -> Result<PathBuf> {
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // An environment outlives the Python it was made from: try it instead of trusting that it is there.
    if !works(command(&python).args(["-m", "pip", "--version"])) {
        let system = if cfg!(windows) { "python" } else { "python3" };
        run(command(system).args(["-m", "venv", "--clear"]).arg(folder))
            .context("a Python environment is needed: install Python 3.9 or newer with its venv module")?;
    }
    Ok(python)
}

/// The environment with the clients that tests use.
pub fn with_client() -> Result<PathBuf> {
    step("The Python clients for the tests");
    let python = environment()?;
    let stamp = cache()?.join("python/.lantern-client");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == CLIENTS.join(" ")) {
        note("unchanged");
        return Ok(python);
    }
    run(command(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(CLIENTS))?;
    fs::write(stamp, CLIENTS.join(" ")).context("cannot note which client is installed")?;
    Ok(python)
}
