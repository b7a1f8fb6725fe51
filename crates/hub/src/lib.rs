//! Models on this machine and models on the Hugging Face Hub.
//!
//! [`Hub`] lists and fetches files: it resumes after any interruption, checks hashes while writing, and leaves the file
//! in the cache layout that every Hugging Face tool shares. [`ModelLibrary`] knows which model files are here, wherever
//! they lie. [`catalogue`] is the short list of models Lantern recommends, and
//! [`recommended_sampling`] what authors recommend for their models.
//!
//! Nothing here loads a model, stores settings or draws progress bars.
#![forbid(unsafe_code)]

mod cache;
mod catalogue;
mod choice;
mod downloads;
mod error;
mod facts;
mod http;
mod hub;
mod library;
mod names;
mod options;
mod part;
mod patience;
mod public;
mod recommended;
mod remote;
mod revisions;
pub mod search;
mod space;
mod transfer;

pub use catalogue::{STARTER, StaticEntry, catalogue, find_in_catalogue};
pub use downloads::Download;
pub use error::{HubError, human_bytes};
pub use facts::{ExpertFacts, ModelFacts};
pub use hub::{Hub, RemoteFile};
pub use library::{ImportMode, ModelLibrary, file_details, model_files};
pub use names::{Commit, FilePath, RepoId, Revision};
pub use options::{DEFAULT_CONNECTIONS, HubOptions, RetryPolicy, default_cache_dir};
pub use public::fetch_public;
pub use recommended::recommended_sampling;
pub use revisions::Origin;
pub use space::FreeSpace;
