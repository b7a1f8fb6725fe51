//! Models on disk, on their way, and in memory.

mod answering;
mod curated;
mod details;
mod disk;
mod downloads;
mod embedder;
mod endpoint;
mod fit;
mod folders;
mod hub_token;
mod library;
mod loading;
mod notes;
mod places;
mod prefixes;
mod remotes;
mod search;
mod slot;
mod template_diff;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lantern_engine::{Ledger, PackedCopies};
use lantern_hub::search::Finder;
use lantern_hub::{Hub, HubOptions, ModelLibrary};

use crate::AppError;

pub use answering::{Answering, RemoteModel};
pub use embedder::Texts;
pub use endpoint::MemoryUse;
pub use fit::PlannedFile;
pub use folders::{converted_folders, file_of_folder, model_folder};
pub use hub_token::hub_options;
pub use remotes::{Remote, RemoteModels};
pub use slot::{LoadedModel, Stay};

/// How models are loaded for as long as this application is open; the engine plans what is left open.
#[derive(Debug, Clone)]
pub(crate) struct Loading {
    pub(crate) gpu_layers: Option<u32>,
    pub(crate) cpu_expert_layers: Option<u32>,
    pub(crate) expert_memory: Option<u64>,
    pub(crate) guess: bool,
    pub(crate) draft: Option<PathBuf>,
}

/// What the use cases about models share.
pub(crate) struct Models {
    /// Asked for through `App::hub`, which sees to its token.
    hub: Hub,
    token: hub_token::Token,
    finder: Finder,
    library: Arc<ModelLibrary>,
    slot: slot::Slot,
    embedder: embedder::EmbedderSlot,
    loading: Loading,
    /// The books of everything that takes memory.
    pub(crate) ledger: Ledger,
    followed: downloads::Followed,
    packed: PackedCopies,
    described: endpoint::Described,
    remotes: remotes::Remotes,
    /// The folder of prefixes on disk.
    prefixes: PathBuf,
    /// Whether copies are kept whatever the settings say.
    always_keep_packed: bool,
}

/// The packed copies in a data directory.
pub fn packed_copies(home: &Path) -> PackedCopies {
    PackedCopies::at(home.join("packed"))
}

impl Models {
    pub(crate) fn open(
        home: &Path,
        options: HubOptions,
        loading: Loading,
        ledger: Ledger,
        always_keep_packed: bool,
        with_other_programs: bool,
    ) -> Result<Self, AppError> {
        let library = ModelLibrary::new(home, vec![options.cache_dir.clone()]);
        let token = hub_token::Token::new(options.token.clone());
        let library = if with_other_programs { library.with_other_programs() } else { library };
        let hub = Hub::new(options)?;
        let finder = Finder::new(hub.clone(), home.join("headers"), search::read_template);
        Ok(Self {
            hub,
            token,
            finder,
            library: Arc::new(library),
            slot: slot::Slot::default(),
            embedder: embedder::EmbedderSlot::default(),
            loading,
            ledger,
            followed: downloads::Followed::default(),
            packed: packed_copies(home),
            described: endpoint::Described::default(),
            remotes: remotes::Remotes::default(),
            prefixes: home.join("prefixes"),
            always_keep_packed,
        })
    }
}
