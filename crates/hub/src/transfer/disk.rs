//! Three threads between the connections and the disk: one writes what arrives, one makes it durable and says so in the
//! journal, one hashes from the beginning as far as there is no hole.
//!
//! What a kill can cost is bounded: once [`MOST_AT_RISK`] bytes are written and not yet in the journal, the writer waits, and
//! with it the connections. Hashing reads what was just written, so it costs no disk, and the hash is of what lies there.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ranges::Ranges;
use crate::HubError;
use crate::downloads::Progress;
use crate::part::{Part, read_at, write_all_at};

/// Bytes after which the journal is brought up to date.
const KEEP_AFTER: u64 = 4 << 20;
/// Time after which it is, if anything came.
const KEEP_LATEST: Duration = Duration::from_secs(1);
/// Most bytes that are written and not in the journal.
const MOST_AT_RISK: u64 = 12 << 20;
/// Blocks between connections and writer.
const BACKLOG: usize = 32;
const HASH_STEP: usize = 1 << 20;

/// Bytes and their place.
pub(super) type Block = (u64, Bytes);

struct State {
    have: Ranges,
    /// Bytes that the journal has.
    kept: u64,
    /// When the oldest byte that it does not have was written.
    unkept_since: Option<Instant>,
    /// No more bytes will come.
    closing: bool,
    /// Nobody wants the hash any more.
    abandoned: bool,
    error: Option<HubError>,
}

struct Shared {
    file: Arc<File>,
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

/// The running threads of one part.
pub(super) struct Disk {
    sender: mpsc::Sender<Block>,
    shared: Arc<Shared>,
    writer: JoinHandle<()>,
    keeper: JoinHandle<Part>,
    hasher: JoinHandle<Option<String>>,
}

/// A part that nobody writes to any more.
pub(super) struct Closed {
    pub(super) part: Part,
    /// SHA-256 in hex, if all bytes are there and were hashed.
    pub(super) sha256: Option<String>,
    pub(super) error: Option<HubError>,
}

impl Disk {
    pub(super) fn start(part: Part, progress: Progress) -> Self {
        let have = part.journal.have.clone();
        let state = State {
            kept: have.total(),
            have,
            unkept_since: None,
            closing: false,
            abandoned: false,
            error: None,
        };
        let shared = Arc::new(Shared {
            file: part.file.clone(),
            total: part.journal.total,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (for_writer, for_keeper, for_hasher) = (shared.clone(), shared.clone(), shared.clone());
        let path = part.path().to_owned();
        Self {
            sender,
            writer: tokio::task::spawn_blocking(move || {
                let written = write(&for_writer, receiver, &progress);
                for_writer.close(written.map_err(HubError::write("write to", &path)));
            }),
            keeper: tokio::task::spawn_blocking(move || keep(&for_keeper, part)),
            hasher: tokio::task::spawn_blocking(move || hash(&for_hasher)),
            shared,
        }
    }

    /// Where connections put what they receive. It is closed when the disk fails.
    pub(super) fn sender(&self) -> mpsc::Sender<Block> {
        self.sender.clone()
    }

    /// Bytes that are there.
    pub(super) fn have(&self) -> Ranges {
        self.shared.lock().have.clone()
    }

    /// Waits until everything that was sent is in the journal, and hashed if it is all. All other senders must be gone.
    pub(super) async fn close(self, stopped: impl Future<Output = ()>) -> Result<Closed, HubError> {
        drop(self.sender);
        let died = |error: tokio::task::JoinError| HubError::Internal(error.to_string());
        self.writer.await.map_err(died)?;
        let part = self.keeper.await.map_err(died)?;
        let mut hasher = self.hasher;
        let sha256 = tokio::select! {
            hashed = &mut hasher => hashed.map_err(died)?,
            () = stopped => {
                self.shared.lock().abandoned = true;
                self.shared.changed.notify_all();
                hasher.await.map_err(died)?;
                None
            }
        };
        let error = self.shared.lock().error.take();
        Ok(Closed { part, sha256, error })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure counts.
    fn fail(&self, error: HubError) {
        self.lock().error.get_or_insert(error);
        self.changed.notify_all();
    }

    fn close(&self, written: Result<(), HubError>) {
        if let Err(error) = written {
            self.fail(error);
        }
        self.lock().closing = true;
        self.changed.notify_all();
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, most: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Ends when all senders are gone, or with the first failure, its own or the keeper's.
fn write(shared: &Shared, mut receiver: mpsc::Receiver<Block>, progress: &Progress) -> io::Result<()> {
    while let Some((at, bytes)) = receiver.blocking_recv() {
        write_all_at(&shared.file, &bytes, at)?;
        let mut state = shared.lock();
        state.have.insert(at..at + bytes.len() as u64);
        state.unkept_since.get_or_insert_with(Instant::now);
        progress.received(state.have.total());
        shared.changed.notify_all();
        while state.have.total() - state.kept > MOST_AT_RISK && state.error.is_none() {
            state = shared.wait(state, KEEP_LATEST);
        }
        if state.error.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

/// Gives the part back when all that was written is in the journal.
fn keep(shared: &Shared, mut part: Part) -> Part {
    loop {
        let mut state = shared.lock();
        let have = loop {
            let risk = state.have.total() - state.kept;
            let waited = state.unkept_since.map_or(Duration::ZERO, |since| since.elapsed());
            if state.closing && risk == 0 {
                return part;
            }
            if state.closing || risk >= KEEP_AFTER || (risk > 0 && waited >= KEEP_LATEST) {
                state.unkept_since = None;
                break state.have.clone();
            }
            state = shared.wait(state, KEEP_LATEST.saturating_sub(waited).max(Duration::from_millis(10)));
        };
        drop(state);
        let total = have.total();
        if let Err(error) = part.keep(have) {
            shared.fail(error);
            return part;
        }
        shared.lock().kept = total;
        shared.changed.notify_all();
    }
}

/// The hash of the whole file, or nothing if it does not become whole.
fn hash(shared: &Shared) -> Option<String> {
    let (mut hash, mut at) = (Sha256::new(), 0);
    let mut buffer = vec![0; HASH_STEP];
    while at < shared.total {
        let mut state = shared.lock();
        let front = loop {
            let front = state.have.front();
            let hopeless = state.closing && state.have.total() < shared.total;
            if state.abandoned || state.error.is_some() || hopeless {
                return None;
            }
            if front > at {
                break front;
            }
            state = shared.wait(state, KEEP_LATEST);
        };
        drop(state);
        let most = usize::try_from(front - at).unwrap_or(usize::MAX).min(HASH_STEP);
        match read_at(&shared.file, &mut buffer[..most], at) {
            Ok(0) => return None,
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
            Err(error) => {
                shared.fail(HubError::Io {
                    action: "read",
                    path: std::path::PathBuf::from("the part file"),
                    source: Arc::new(error),
                });
                return None;
            }
        }
    }
    Some(format!("{:x}", hash.finalize()))
}
