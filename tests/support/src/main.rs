//! The Hub for tests as a program, to be tried by hand and by other programs.
//!
//! ```text
//! lantern-test-hub --random owner/model/model-Q4_0.gguf=300000000 --latency 50 --rate 10000000
//! HF_ENDPOINT=http://127.0.0.1:… lantern pull owner/model
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use lantern_test_hub::{Fault, Repo, TestFile, TestHub, random_bytes};

/// A Hugging Face Hub for tests, on this machine alone.
#[derive(Parser)]
struct Cli {
    /// Port of the Hub; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A folder of repositories, as owner/name/files; they are read into memory
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A file of random bytes, as owner/name/file=BYTES; may be repeated
    #[arg(long)]
    random: Vec<String>,
    /// Milliseconds before a connection is taken and before each answer
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// Bytes a second for each connection
    #[arg(long)]
    rate: Option<u64>,
    /// Cuts this many requests for content after 1 MB each
    #[arg(long, default_value_t = 0)]
    cuts: usize,
    /// Prints what was asked for when this many seconds have passed, again and again
    #[arg(long)]
    report: Option<u64>,
}

fn main() -> std::io::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(cli))
}

async fn run(cli: Cli) -> std::io::Result<()> {
    let hub = TestHub::start_at(cli.port).await?;
    for repo in cli.folder.iter().flat_map(|folder| repositories(folder)) {
        hub.add(repo);
    }
    for (seed, random) in cli.random.iter().enumerate() {
        let (path, size) = random.rsplit_once('=').unwrap_or((random, "1000000"));
        let size =
            size.parse().map_err(|_| std::io::Error::other(format!("{size} is no number of bytes")))?;
        let (id, file) = split(path);
        let file_of_it = TestFile::new(file, random_bytes(size, seed as u64));
        hub.change(|state| {
            let repo = state.repos.entry(id.to_owned()).or_insert_with(|| Repo::new(id));
            repo.files.insert(file.to_owned(), file_of_it);
        });
    }
    hub.change(|state| {
        state.link.latency = Duration::from_millis(cli.latency);
        state.link.bytes_per_second = cli.rate;
        state.content_faults.extend(std::iter::repeat_n(Fault::CutAfter(1_000_000), cli.cuts));
    });
    println!("HF_ENDPOINT={}", hub.endpoint());
    loop {
        tokio::time::sleep(Duration::from_secs(cli.report.unwrap_or(3600))).await;
        if cli.report.is_some() {
            let (sent, most) = hub.change(|state| (state.sent, state.most_open));
            println!(
                "{} requests for content, {sent} bytes sent, most at once {most}",
                hub.seen_by_content().len()
            );
        }
    }
}

/// `owner/name/rest` → (`owner/name`, `rest`).
fn split(path: &str) -> (&str, &str) {
    match path.match_indices('/').nth(1) {
        Some((at, _)) => (&path[..at], &path[at + 1..]),
        None => (path, "model.gguf"),
    }
}

fn repositories(folder: &Path) -> Vec<Repo> {
    let mut repos = Vec::new();
    for owner in folders(folder) {
        for place in folders(&owner) {
            let id = format!("{}/{}", name(&owner), name(&place));
            let mut repo = Repo::new(&id);
            collect(&place, &place, &mut repo);
            repos.push(repo);
        }
    }
    repos
}

fn collect(folder: &Path, root: &Path, repo: &mut Repo) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, root, repo);
        } else if let (Ok(bytes), Ok(inner)) = (std::fs::read(&path), path.strip_prefix(root)) {
            let inner = inner.to_string_lossy().replace('\\', "/");
            repo.files.insert(inner.clone(), TestFile::new(&inner, bytes));
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
