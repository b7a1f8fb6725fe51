//! `cargo xtask clients`: programs that people point at Lantern, each with its own client, against a real model. What each
//! does is written in `tests/clients`.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::models::{self, CODER};
use crate::shell::{cache, cargo, command, note, program, root, run, step};
use crate::{python, ui};

/// Lantern while clients talk to it.
struct Endpoint {
    process: Child,
    port: u16,
    model: String,
    home: PathBuf,
}

const KEY: &str = "a-key-for-the-clients";
/// How long the endpoint may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the clients of these names, or all; says of each whether it got what it expects.
pub fn run_all(names: &[String], model: Option<PathBuf>) -> Result<ExitCode> {
    let scripts = chosen(names)?;
    let python = python_environment()?;
    let javascript = javascript_environment()?;
    step("Lantern");
    run(cargo().args(["build", "--release", "--package", "lantern-cli"]))?;
    let lantern = program(true, "lantern");
    let model = model.map_or_else(|| models::fetch(&CODER, &lantern), Ok)?;
    let endpoint = Endpoint::start(&lantern, &model)?;
    step("The clients");
    let mut failed = Vec::new();
    for script in &scripts {
        let name = client_name(script);
        let started = Instant::now();
        let is_python = script.extension() == Some(OsStr::new("py"));
        let mut client = if is_python { command(&python) } else { command("node") };
        // A module finds its packages beside itself.
        let place =
            if is_python { script.clone() } else { javascript.join(script.file_name().unwrap_or_default()) };
        let succeeded = endpoint.show(client.arg(place)).status().context("cannot start a client")?.success();
        note(&format!(
            "{name}: {} ({} s)",
            if succeeded { "ok" } else { "FAILED" },
            started.elapsed().as_secs()
        ));
        failed.extend((!succeeded).then_some(name));
    }
    println!("{} of {} clients got what they expect", scripts.len() - failed.len(), scripts.len());
    if !failed.is_empty() {
        bail!("these did not: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn folder() -> PathBuf {
    root().join("tests/clients")
}

/// `openai` for `openai_client.py`.
fn client_name(script: &Path) -> String {
    let stem = script.file_stem().unwrap_or_default().to_string_lossy();
    stem.trim_end_matches("_client").to_owned()
}

/// The scripts of these names, or all of them, in alphabetical order.
fn chosen(names: &[String]) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder())?.flatten().map(|entry| entry.path());
    let is_client =
        |path: &PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_client"));
    let mut all: Vec<PathBuf> = files.filter(is_client).collect();
    all.sort();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|script| client_name(script) != **name)) {
        let known: Vec<_> = all.iter().map(|script| client_name(script)).collect();
        bail!("there is no client `{unknown}`; there are {}", known.join(", "));
    }
    all.retain(|script| names.is_empty() || names.contains(&client_name(script)));
    Ok(all)
}

/// A Python of their own: what they depend on would not go together with other things.
fn python_environment() -> Result<PathBuf> {
    step("The Python clients");
    let python = python::environment_at(&cache()?.join("clients-python"))?;
    let wanted = folder().join("requirements.txt");
    if ui::is_new(std::slice::from_ref(&wanted), &cache()?.join("clients-python/.lantern-clients"))? {
        run(command(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&wanted))?;
        ui::note_done(&[wanted], &cache()?.join("clients-python/.lantern-clients"))?;
    }
    Ok(python)
}

/// A folder with the packages and the scripts that need them.
fn javascript_environment() -> Result<PathBuf> {
    step("The JavaScript clients");
    let place = cache()?.join("clients-javascript");
    fs::create_dir_all(&place)?;
    for name in ["package.json", "package-lock.json", "ai_sdk_client.mjs"] {
        fs::copy(folder().join(name), place.join(name))?;
    }
    run(ui::npm().current_dir(&place).args(["ci", "--no-audit", "--no-fund", "--silent"]))?;
    Ok(place)
}

impl Endpoint {
    fn start(lantern: &Path, model: &Path) -> Result<Self> {
        let home = std::env::temp_dir().join(format!("lantern-clients-{}", std::process::id()));
        fs::create_dir_all(&home)?;
        let own = |arguments: &[&OsStr]| {
            let mut command = command(lantern);
            command.env("LANTERN_HOME", &home).env("LANTERN_SECRETS", "file").args(arguments);
            command
        };
        run(&mut own(&["import".as_ref(), model.as_os_str()]))?;
        // Free now, and hardly taken by another within a moment.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let number = port.to_string();
        let serve = ["serve", "--port", &number, "--api-key", KEY].map(AsRef::as_ref);
        let process = own(&serve).stdout(Stdio::null()).spawn().context("cannot start lantern")?;
        let model = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let endpoint = Endpoint { process, port, model, home };
        let (address, start) = (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Instant::now());
        while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
            if start.elapsed() > PATIENCE {
                bail!("lantern serve did not listen within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(endpoint)
    }

    /// Tells a client where the endpoint is.
    fn show<'a>(&self, client: &'a mut Command) -> &'a mut Command {
        client
            .env("LANTERN_URL", format!("http://127.0.0.1:{}/v1", self.port))
            .env("LANTERN_KEY", KEY)
            .env("LANTERN_MODEL", &self.model)
            // A proxy of the machine's would be asked for 127.0.0.1 too.
            .env("NO_PROXY", "127.0.0.1")
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // It is over either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}
