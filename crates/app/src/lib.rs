//! What Lantern does, as one type: [`App`]. The desktop, the endpoint and the command line are faces of it.
//!
//! It joins the engine (answers), the hub (model files) and the store (what is remembered): each method is a use case
//! from beginning to end, and what changes is told to every subscriber as an [`AppEvent`]. It knows no window toolkit,
//! no HTTP and no wire format beyond `lantern-protocol`.
#![forbid(unsafe_code)]

mod access;
mod assistants;
mod chat;
mod compare;
mod conversations;
mod database;
mod error;
mod exchange;
mod folders;
mod home;
mod knowledge;
mod machine;
mod models;
mod prompts;
mod receipts;
mod secrets;
mod settings;
mod status;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lantern_engine::Ledger;
use lantern_hub::HubOptions;
use lantern_protocol::{AppEvent, EndpointStatus, ErrorInfo};
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::{Caller, Refusal};
pub use chat::{ChatStream, Shortened, Summarised, Thoughts};
pub use compare::CompareStream;
pub use error::AppError;
pub use home::data_dir;
pub use lantern_kernels::{let_go_of_code, let_go_of_freed};
pub use machine::machine;
pub use models::{
    Answering, LoadedModel, MemoryUse, PlannedFile, Remote, RemoteModel, RemoteModels, Stay, Texts,
    converted_folders, file_of_folder, hub_options, model_folder, packed_copies,
};
pub use receipts::ReplayStream;

/// How to open an [`App`].
#[derive(Debug, Clone, Default)]
pub struct AppOptions {
    /// The data directory; `None` takes `LANTERN_HOME`, or else the system's place for application data.
    pub home: Option<PathBuf>,
    /// Where models come from and lie; `None` follows the environment (`HF_ENDPOINT`, `HF_HOME`, …) and looks for the folders
    /// of other programs, too.
    pub hub: Option<HubOptions>,
    /// Keeps packed copies of models even if the settings do not ask for it.
    pub keep_packed: bool,
    /// Layers of models that compute on the GPU, see [`lantern_engine::EngineOptions::gpu_layers`].
    pub gpu_layers: Option<u32>,
    /// Layers whose experts stay on the CPU, see [`lantern_engine::EngineOptions::cpu_expert_layers`].
    pub cpu_expert_layers: Option<u32>,
    /// The books in which models charge the memory they take; by default those of the process.
    pub ledger: Ledger,
    /// Bytes of memory for experts, see [`lantern_engine::EngineOptions::expert_memory`].
    pub expert_memory: Option<u64>,
    /// Writes token by token, see [`lantern_engine::EngineOptions::guess`].
    pub no_guess: bool,
    /// Keeps keys in a file even where there is a keyring; `LANTERN_SECRETS=file` does the same.
    pub secrets_in_file: bool,
    /// A file with a smaller model that guesses for all others, see [`lantern_engine::EngineOptions::draft`].
    pub draft: Option<PathBuf>,
}

/// Lantern without a face. Clones are the same application.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    home: PathBuf,
    runtime: Handle,
    db: database::Database,
    models: models::Models,
    knowledge: knowledge::Knowledge,
    secrets: secrets::Secrets,
    answers: chat::Answers,
    receipts: receipts::Receipts,
    summaries: chat::Summaries,
    access: access::Access,
    comparing: compare::Comparing,
    tools: tools::Tools,
    endpoint: Mutex<EndpointStatus>,
    notices: Mutex<Vec<ErrorInfo>>,
    events: broadcast::Sender<AppEvent>,
    /// Answers and downloads; waited for when closing.
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl App {
    /// Opens the data directory, recovers what a crash left behind, and makes the endpoint's key at the first start.
    ///
    /// Tasks run on the runtime this is called on. Loads no model.
    pub async fn open(options: AppOptions) -> Result<Self, AppError> {
        let home = home::resolve(options.home)?;
        let (db, notice) = database::Database::open(home.clone()).await?;
        db.run(settings::make_key).await?;
        let with_other_programs = options.hub.is_none();
        let hub = options.hub.unwrap_or_else(HubOptions::from_env);
        let loading = models::Loading {
            gpu_layers: options.gpu_layers,
            cpu_expert_layers: options.cpu_expert_layers,
            expert_memory: options.expert_memory,
            guess: !options.no_guess,
            draft: options.draft,
        };
        let secrets = secrets::Secrets::new(&home, options.secrets_in_file);
        let models = models::Models::open(
            &home,
            hub,
            loading,
            options.ledger,
            options.keep_packed,
            with_other_programs,
        )?;
        let knowledge = knowledge::Knowledge::new(&home);
        let app = Self(Arc::new(Inner {
            home,
            runtime: Handle::current(),
            db,
            models,
            knowledge,
            secrets,
            answers: chat::Answers::default(),
            receipts: receipts::Receipts::default(),
            summaries: chat::Summaries::default(),
            access: access::Access::default(),
            comparing: compare::Comparing::default(),
            tools: tools::Tools::default(),
            endpoint: Mutex::new(EndpointStatus { running: false, url: None, error: None }),
            notices: Mutex::new(notice.into_iter().collect()),
            events: broadcast::channel(256).0,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        app.limit_downloads(&app.settings().await?);
        app.watch_memory();
        app.read_hub_token();
        app.watch_library();
        Ok(app)
    }

    /// The data directory.
    pub fn home(&self) -> &Path {
        &self.0.home
    }

    /// Ends answers (as `interrupted`, with their text) and downloads (resumable), and waits until both are on disk.
    /// Without it nothing is lost either: the next start finds the journal.
    pub async fn shutdown(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.stop_tool_servers();
        self.save_prefixes().await;
    }

    /// Tells every subscriber. That nobody listens is no error.
    fn emit(&self, event: AppEvent) {
        let _ = self.0.events.send(event);
    }
}

/// Locks a mutex that is never held across a panic-prone call; what a panicking holder left is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
