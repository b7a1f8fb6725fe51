//! `cargo xtask window-start`: how long the window takes until it can be used, what it costs when nobody uses it, and how much
//! memory it has; without a model, on a display without a screen.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{command, note, program, step};

/// A start that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is left to do after a start is done by then, and a caret that does not move has blinked for its ten seconds.
const REST: Duration = Duration::from_secs(12);
const WATCHED: Duration = Duration::from_secs(10);
/// Linux counts processor time in hundredths of a second for programs of every architecture that Lantern runs on.
const TICKS: f64 = 100.0;

/// Starts the built window `runs` times and prints medians; nothing is asserted.
pub fn measure(runs: usize, dev: bool) -> Result<ExitCode> {
    if std::env::consts::OS != "linux" {
        bail!("this measures through /proc, so on Linux alone");
    }
    let lantern = program(!dev, "lantern-desktop");
    if !lantern.exists() {
        bail!("{} is not built: run cargo xtask run --build-only", lantern.display());
    }
    let place = std::env::temp_dir().join(format!("lantern-window-start-{}", std::process::id()));
    fs::create_dir_all(place.join("run"))?;
    let measured = all(&lantern, &place, runs.max(1));
    // What lies there is of no use to anybody.
    let _ = fs::remove_dir_all(&place);
    measured.map(|()| ExitCode::SUCCESS)
}

fn all(lantern: &Path, place: &Path, runs: usize) -> Result<()> {
    step("Lantern's window, started again and again");
    let display = Helper::start(Command::new("Xvfb").args([
        "-displayfd",
        "1",
        "-screen",
        "0",
        "1280x900x24",
        "-nolisten",
        "tcp",
    ]))?;
    let mut bus = Command::new("dbus-daemon");
    bus.args(["--session", "--nofork", "--print-address=1"]);
    settle(&mut bus, place);
    let bus = Helper::start(&mut bus)?;
    let start = || Started::new(lantern, place, &format!(":{}", display.said), &bus.said);
    // The first makes the database and warms the disk.
    drop(start()?);
    let mut figures = Vec::with_capacity(runs);
    for run in 1..=runs {
        let window = start()?;
        thread::sleep(REST);
        let (app, all) = window.memory()?;
        let idle = window.busy()?;
        note(&format!(
            "start {run}: {} ms, then {:.2} % of a core, {} MB of the app's own, {} MB with WebKit's processes",
            window.took.as_millis(),
            idle * 100.0,
            app / 1000,
            all / 1000
        ));
        figures.push((window.took.as_secs_f64() * 1000.0, idle * 100.0, app / 1000, all / 1000));
    }
    step("Medians");
    note(&format!("until it can be used: {:.0} ms", median(figures.iter().map(|f| f.0))));
    note(&format!(
        "idle, over {} s, all processes: {:.2} % of a core",
        WATCHED.as_secs(),
        median(figures.iter().map(|f| f.1))
    ));
    note(&format!(
        "memory (PSS) of the app's process: {:.0} MB",
        median(figures.iter().map(|f| f64::from(f.2)))
    ));
    note(&format!(
        "memory (PSS) with WebKit's processes: {:.0} MB",
        median(figures.iter().map(|f| f64::from(f.3)))
    ));
    Ok(())
}

/// A home without a model, and no variable that leads out of it.
fn settle(command: &mut Command, place: &Path) {
    let at = |name: &str| -> PathBuf { place.join(name) };
    command
        .env("LANTERN_HOME", at("lantern"))
        .env("LANTERN_SECRETS", "file")
        .env("HOME", place)
        .env("XDG_CONFIG_HOME", at("config"))
        .env("XDG_DATA_HOME", at("data"))
        .env("XDG_CACHE_HOME", at("cache"))
        .env("XDG_RUNTIME_DIR", at("run"))
        .env("HF_HOME", at("huggingface"))
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("NO_AT_BRIDGE", "1")
        .env_remove("WAYLAND_DISPLAY");
}

/// A program that says on its first line where it is found, and ends with this value.
struct Helper {
    child: Child,
    said: String,
}

impl Helper {
    fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{name} is missing: run cargo xtask setup --test"))?;
        let mut said = String::new();
        if let Some(printed) = child.stdout.take() {
            BufReader::new(printed).read_line(&mut said)?;
        }
        if said.trim().is_empty() {
            bail!("{name} ended at once");
        }
        Ok(Self { child, said: said.trim().to_owned() })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A window that can be used.
struct Started {
    child: Child,
    took: Duration,
}

impl Started {
    fn new(lantern: &Path, place: &Path, display: &str, bus: &str) -> Result<Self> {
        let mut lantern = command(lantern);
        settle(&mut lantern, place);
        lantern
            .env("DISPLAY", display)
            .env("DBUS_SESSION_BUS_ADDRESS", bus)
            .env("LANTERN_LOG", "lantern_desktop=debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = lantern.spawn().context("lantern-desktop could not be started")?;
        let printed = child.stderr.take().context("its words are piped")?;
        let (tell, told) = mpsc::channel();
        // It goes on reading: a program whose words nobody takes stops at some point.
        thread::spawn(move || {
            for line in BufReader::new(printed).lines().map_while(Result::ok) {
                if line.contains("interactive after") {
                    let _ = tell.send(begun.elapsed());
                }
            }
        });
        let mut started = Self { child, took: Duration::ZERO };
        started.took = told.recv_timeout(PATIENCE).context("the window never said that it can be used")?;
        Ok(started)
    }

    /// Kilobytes of the app's process, and of it and all below it. Pages that several share count for each in part.
    fn memory(&self) -> Result<(u32, u32)> {
        let own = pss(self.child.id())?;
        let others: u32 = below(self.child.id()).into_iter().filter_map(|id| pss(id).ok()).sum();
        Ok((own, own + others))
    }

    /// Cores that the app and all below it take while nobody does anything.
    fn busy(&self) -> Result<f64> {
        let ticks = || -> u32 {
            let all = std::iter::once(self.child.id()).chain(below(self.child.id()));
            all.filter_map(ticks_of).sum()
        };
        let (before, begun) = (ticks(), Instant::now());
        thread::sleep(WATCHED);
        Ok(f64::from(ticks().saturating_sub(before)) / TICKS / begun.elapsed().as_secs_f64())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let all = below(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The next start must not share the processor with what is left of this one.
        let gone = Instant::now();
        while gone.elapsed() < REST && all.iter().any(|id| Path::new(&format!("/proc/{id}/exe")).exists()) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn pss(id: u32) -> Result<u32> {
    let told = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// What stands behind the name in `/proc/ID/stat`, which may itself hold anything.
fn stat(id: u32) -> Option<Vec<String>> {
    let told = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, behind) = told.rsplit_once(')')?;
    Some(behind.split_whitespace().map(str::to_owned).collect())
}

fn ticks_of(id: u32) -> Option<u32> {
    let fields = stat(id)?;
    let at = |place: usize| fields.get(place).and_then(|field| field.parse::<u32>().ok());
    Some(at(11)? + at(12)?)
}

/// The processes that a process started, and those that these started, and so on.
fn below(id: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|id| Some((id, stat(id)?.get(1)?.parse().ok()?)))
        .collect();
    let mut found = vec![id];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, above)| *above == parent).map(|(child, _)| *child));
        at += 1;
    }
    found.split_off(1)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
