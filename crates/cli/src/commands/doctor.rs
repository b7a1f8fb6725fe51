//! `lantern doctor`: looks at this computer and at Lantern's data, and says how to mend what is wrong.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use lantern_app::{App, AppOptions};
use lantern_engine::CopyOnDisk;
use lantern_hub::{FreeSpace, Hub, HubOptions, ModelLibrary, default_cache_dir, human_bytes};
use lantern_models::devices::{self, DeviceInfo};
use serde::Serialize;

use crate::error::CliError;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Also ask whether the Hub can be reached
    #[arg(long)]
    online: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    Attention,
    Broken,
}

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, state: State::Good, detail: detail.into(), next_step: None }
    }

    fn attention(check: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, state: State::Attention, detail: detail.into(), next_step: Some(next.into()) }
    }

    fn broken(check: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, state: State::Broken, detail: detail.into(), next_step: Some(next.into()) }
    }
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let mut findings = vec![version(), processor(), memory(), graphics()];
    findings.extend(data(args.online).await);
    if args.json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Good => "ok    ",
                State::Attention => "note  ",
                State::Broken => "BROKEN",
            };
            output::line(format!("{mark}  {:<10} {}", finding.check, finding.detail))?;
            if let Some(next) = &finding.next_step {
                output::line(format!("                   next: {next}"))?;
            }
        }
    }
    match findings.iter().filter(|finding| finding.state == State::Broken).count() {
        0 => Ok(()),
        n => Err(CliError::new(
            "doctor_found_problems",
            format!("{n} of {} checks found something broken.", findings.len()),
            "Follow the steps above, then run lantern doctor again.",
        )),
    }
}

fn version() -> Finding {
    Finding::good(
        "version",
        format!(
            "Lantern {}, {} on {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    )
}

fn processor() -> Finding {
    let system = sysinfo::System::new_with_specifics(
        sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing()),
    );
    let brand =
        system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = sysinfo::System::physical_core_count().unwrap_or(threads);
    let isa = lantern_kernels::isa().name();
    let detail = format!(
        "{}, {cores} cores, {threads} threads, kernels: {isa}",
        brand.unwrap_or_else(|| "unknown processor".into())
    );
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) && isa == "scalar" {
        let next = match std::env::var_os("LANTERN_ISA") {
            Some(_) => "Unset LANTERN_ISA to use the processor's own instructions.",
            None => "This processor has no AVX2; choose small models.",
        };
        return Finding::attention("processor", detail, next);
    }
    Finding::good("processor", detail)
}

fn memory() -> Finding {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = lantern_engine::available_bytes();
    let detail =
        format!("{} in all, {} free for a model", human_bytes(system.total_memory()), human_bytes(free));
    match free {
        0..1_000_000_000 => {
            Finding::attention("memory", detail, "Close other programs, or choose a model below 500 MB.")
        }
        _ => Finding::good("memory", detail),
    }
}

fn graphics() -> Finding {
    let found = match devices::devices() {
        Ok(found) => found,
        Err(reason) if !cfg!(any(feature = "cuda", feature = "metal")) => {
            return Finding::good("graphics", reason);
        }
        Err(reason) => {
            let next = "Models compute on the processor meanwhile. Install the maker's driver, or look whether it sees the \
                        device.";
            return Finding::attention("graphics", reason, next);
        }
    };
    let told = |info: &DeviceInfo| {
        let (free, total) = (human_bytes(info.free_bytes), human_bytes(info.total_bytes));
        format!("{} {}, {}: {free} of {total} free", info.kind, info.index, info.name)
    };
    let detail = found.iter().map(told).collect::<Vec<_>>().join("; ");
    // The first is the one that models use.
    match found.first().map(devices::open) {
        Some(Err(reason)) => Finding::attention(
            "graphics",
            format!("{detail}; it cannot be used: {reason}"),
            "Models compute on the processor meanwhile. Update the driver, or use a build for this device.",
        ),
        _ => Finding::good("graphics", detail),
    }
}

/// Everything that lies in the data directory or depends on its settings.
async fn data(online: bool) -> Vec<Finding> {
    let home = match lantern_app::data_dir() {
        Ok(home) => home,
        Err(error) => return vec![Finding::broken("data", error.message, error.next_step)],
    };
    let folder = writable(&home);
    if folder.state == State::Broken {
        return vec![folder];
    }
    let mut findings = vec![folder];
    match App::open(AppOptions { home: Some(home.clone()), ..AppOptions::default() }).await {
        Ok(app) => {
            findings.push(database(&app).await);
            findings.push(port(&app).await);
        }
        Err(error) => findings.push(Finding::broken("database", error.message, error.next_step)),
    }
    let library = ModelLibrary::from_env(&home);
    findings.extend(
        library
            .take_notices()
            .into_iter()
            .map(|notice| Finding::attention("library", notice.message, notice.next_step)),
    );
    findings.push(models(&library));
    findings.push(packed(&home));
    findings.push(room(&default_cache_dir()));
    if online {
        findings.push(hub().await);
    }
    findings
}

fn writable(home: &Path) -> Finding {
    let probe = home.join(".doctor");
    let result = fs::create_dir_all(home)
        .and_then(|()| fs::write(&probe, b"probe"))
        .and_then(|()| fs::remove_file(&probe));
    match result {
        Ok(()) => Finding::good("data", format!("{} can be written", home.display())),
        Err(error) => Finding::broken(
            "data",
            format!("{} cannot be written: {error}", home.display()),
            "Correct the folder's owner and permissions, or set LANTERN_HOME to another folder.",
        ),
    }
}

async fn database(app: &App) -> Finding {
    let notices = app.status().await.map(|status| status.notices).unwrap_or_default();
    if let Some(notice) = notices.into_iter().next() {
        return Finding::attention("database", notice.message, notice.next_step);
    }
    match app.list_conversations(None).await {
        Ok(list) => Finding::good("database", format!("readable, {} conversations", list.len())),
        Err(error) => Finding::broken("database", error.message, error.next_step),
    }
}

async fn port(app: &App) -> Finding {
    let endpoint = match app.settings().await {
        Ok(settings) => settings.endpoint,
        Err(error) => return Finding::broken("endpoint", error.message, error.next_step),
    };
    let port = endpoint.port;
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Finding::good("endpoint", format!("port {port} is free")),
        Err(error) => Finding::attention(
            "endpoint",
            format!("port {port} cannot be taken: {error}"),
            "If Lantern is running this is its own; else choose another port in the settings or with serve --port.",
        ),
    }
}

fn models(library: &ModelLibrary) -> Finding {
    let models = library.list();
    let broken: Vec<_> = models.iter().filter_map(|model| Some((model, model.error.as_ref()?))).collect();
    match (models.len(), broken.first()) {
        (0, _) => {
            Finding::attention("models", "there is none yet", "Fetch the starter: lantern pull smollm2")
        }
        (n, None) => Finding::good(
            "models",
            format!("{n}, {} on disk", human_bytes(models.iter().map(|m| m.size_bytes).sum())),
        ),
        (n, Some((model, error))) => Finding::attention(
            "models",
            format!("{} of {n} cannot be used; {}: {}", broken.len(), model.id, error.message),
            error.next_step.clone(),
        ),
    }
}

fn packed(home: &Path) -> Finding {
    let copies = lantern_app::packed_copies(home);
    let folder = copies.folder().display();
    let all = match copies.list() {
        Ok(all) => all,
        Err(error) => {
            let next =
                "Correct the folder's permissions, or delete it: it holds nothing that is not made again.";
            return Finding::attention("packed", format!("{folder} cannot be read: {error}"), next);
        }
    };
    let bytes = |copies: &[&CopyOnDisk]| human_bytes(copies.iter().map(|copy| copy.bytes).sum());
    let total = bytes(&all.iter().collect::<Vec<_>>());
    // A model on a disk that is not there at the moment looks the same; its copy is made again.
    let useless: Vec<_> =
        all.iter().filter(|copy| copy.model.as_ref().is_none_or(|model| !model.exists())).collect();
    match (all.len(), useless.len()) {
        (0, _) => Finding::good("packed", "no packed copies are kept"),
        (n, 0) => Finding::good("packed", format!("copies of {n}, {total} on disk")),
        (n, useless_count) => {
            let files: Vec<_> = useless.iter().map(|copy| copy.path.display().to_string()).collect();
            Finding::attention(
                "packed",
                format!("{useless_count} of {n} packed copies belong to no model, {}", bytes(&useless)),
                format!("Delete them: {}", files.join(" ")),
            )
        }
    }
}

fn room(cache: &Path) -> Finding {
    match FreeSpace::default().available(cache) {
        Some(free) if free < 1_000_000_000 => Finding::attention(
            "disk",
            format!("{} free where downloads go ({})", human_bytes(free), cache.display()),
            "Free some room, or set HF_HOME to a larger disk.",
        ),
        Some(free) => Finding::good(
            "disk",
            format!("{} free where downloads go ({})", human_bytes(free), cache.display()),
        ),
        None => Finding::good("disk", format!("downloads go to {}", cache.display())),
    }
}

async fn hub() -> Finding {
    let hub = match Hub::new(HubOptions::from_env()) {
        Ok(hub) => hub,
        Err(error) => return Finding::broken("hub", error.to_string(), error.next_step()),
    };
    match hub.ping().await {
        Ok(()) => Finding::good("hub", format!("{} answers", hub.host())),
        Err(error) => Finding::broken("hub", error.to_string(), error.next_step()),
    }
}
