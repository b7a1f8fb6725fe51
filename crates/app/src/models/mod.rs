//! Models on disk, on their way, and in memory.

mod downloads;
mod library;
mod slot;

use std::path::Path;
use std::sync::Arc;

use lantern_hub::{Hub, HubOptions, ModelLibrary};

use crate::AppError;

pub use slot::LoadedModel;

/// What the use cases about models share.
pub(crate) struct Models {
    hub: Hub,
    library: Arc<ModelLibrary>,
    slot: slot::Slot,
    followed: downloads::Followed,
}

impl Models {
    pub(crate) fn open(home: &Path, options: HubOptions) -> Result<Self, AppError> {
        let library = ModelLibrary::new(home, vec![options.cache_dir.clone()]);
        let hub = Hub::new(options)?;
        Ok(Self {
            hub,
            library: Arc::new(library),
            slot: slot::Slot::default(),
            followed: downloads::Followed::default(),
        })
    }
}
