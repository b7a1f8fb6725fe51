//! `cargo xtask fetching`: how fast `lantern pull` is on a slow link and what it costs on a fast one, beside one connection and
//! aria2c, all from the Hub for tests on this machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, command, note, program, run, step, works};

const FILE: &str = "owner/model/model-Q4_0.gguf";

/// What one way of fetching took.
struct Figures {
    megabytes_per_second: f64,
    /// Seconds of a core for each second.
    cores: f64,
}

/// Measures and prints; nothing is asserted.
pub fn measure(megabytes: u64) -> Result<ExitCode> {
    step("Lantern and the Hub for tests");
    run(cargo().args(["build", "--release", "--package", "lantern-cli", "--package", "lantern-test-hub"]))?;
    let place = std::env::temp_dir().join(format!("lantern-fetching-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let measured = all(&place, megabytes);
    // What lies there is of no use to anybody.
    let _ = fs::remove_dir_all(&place);
    measured.map(|()| ExitCode::SUCCESS)
}

fn all(place: &Path, megabytes: u64) -> Result<()> {
    step("A link with 50 ms latency and 10 MB/s for each connection");
    let hub = Hub::start(megabytes, &["--latency", "50", "--rate", "10000000"])?;
    let one = hub.pull(place, &["--connections", "1"])?;
    one.tell("lantern, 1 connection");
    let eight = hub.pull(place, &["--connections", "8"])?;
    eight.tell("lantern, up to 8");
    note(&format!("{:.1} times one connection", eight.megabytes_per_second / one.megabytes_per_second));
    match hub.aria2(place)? {
        Some(aria2) => {
            aria2.tell("aria2c -x8");
            note(&format!("{:.2} of aria2c", eight.megabytes_per_second / aria2.megabytes_per_second));
        }
        None => note("aria2c is not installed (apt-get install aria2)"),
    }
    drop(hub);
    step("A link without limits");
    let hub = Hub::start(megabytes, &[])?;
    hub.pull(place, &["--limit", "200MB"])?.tell("lantern, at 200 MB/s");
    hub.pull(place, &[])?.tell("lantern, as fast as it can");
    Ok(())
}

impl Figures {
    fn tell(&self, what: &str) {
        note(&format!("{what}: {:.1} MB/s, {:.2} cores", self.megabytes_per_second, self.cores));
    }
}

/// The running Hub.
struct Hub {
    process: Child,
    endpoint: String,
    megabytes: u64,
}

impl Hub {
    fn start(megabytes: u64, link: &[&str]) -> Result<Self> {
        let random = format!("{FILE}={}", megabytes * 1_000_000);
        let mut hub = command(program(true, "lantern-test-hub"));
        hub.args(["--random", &random]).args(link).stdout(Stdio::piped());
        let mut process = hub.spawn().context("cannot start the Hub for tests")?;
        let printed = process.stdout.take().context("the Hub's output is not to be had")?;
        let mut line = String::new();
        BufReader::new(printed).read_line(&mut line)?;
        let endpoint = line.trim().strip_prefix("HF_ENDPOINT=").context("the Hub did not say where it is")?;
        Ok(Self { process, endpoint: endpoint.to_owned(), megabytes })
    }

    fn pull(&self, place: &Path, arguments: &[&str]) -> Result<Figures> {
        let folder = place.join("cache");
        let mut words = vec![program(true, "lantern"), "pull".into(), FILE.into()];
        words.extend(arguments.iter().map(PathBuf::from));
        self.timed(&words, &folder)
    }

    /// With as many pieces as connections, and none smaller than what Lantern asks for.
    fn aria2(&self, place: &Path) -> Result<Option<Figures>> {
        if !works(Command::new("aria2c").arg("--version")) {
            return Ok(None);
        }
        let folder = place.join("aria2");
        let (owner_name, file) = FILE.rsplit_once('/').unwrap_or_default();
        let url = format!("{}/{owner_name}/resolve/main/{file}", self.endpoint);
        let mut words: Vec<PathBuf> =
            ["aria2c", "-q", "-x8", "-s8", "-k1M", "-d"].into_iter().map(PathBuf::from).collect();
        words.extend([folder.clone(), url.into()]);
        self.timed(&words, &folder).map(Some)
    }

    /// Runs a program until its end, and deletes what it fetched. The shell tells the processor's time of its children.
    fn timed(&self, words: &[PathBuf], folder: &Path) -> Result<Figures> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let mut shell = command("sh");
        shell.args(["-c", "\"$@\" >/dev/null 2>&1 || echo failed; times", "sh"]).args(words);
        shell.env("HF_ENDPOINT", &self.endpoint).env("HF_HOME", folder).env("NO_PROXY", "127.0.0.1");
        shell.env("LANTERN_HOME", folder.join("data"));
        let start = Instant::now();
        let output = shell.output().context("cannot start a shell")?;
        let seconds = start.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        fs::remove_dir_all(folder)?;
        if text.contains("failed") {
            bail!(
                "{} did not end well",
                words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            );
        }
        let times = text.lines().last().unwrap_or_default();
        let busy: f64 = times.split_whitespace().filter_map(seconds_of).sum();
        Ok(Figures { megabytes_per_second: self.megabytes as f64 / seconds, cores: busy / seconds })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It is over either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `1m2.5s` → 62.5.
fn seconds_of(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::seconds_of;

    #[test]
    fn a_shell_s_times_are_read() {
        assert_eq!(seconds_of("1m2.5s"), Some(62.5));
        assert_eq!(seconds_of("0m0.010000s"), Some(0.01));
        assert_eq!(seconds_of("later"), None);
    }
}
