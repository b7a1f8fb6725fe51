//! Receipts: what each answer followed from, kept with it, and having it again from that.
//!
//! While an answer is written, a [`Witness`] notes what goes into it and what comes out; at the end that is stored
//! ([`record`]). Hashes of files that nobody knows are taken in the background and added ([`hashing`]). A replay generates once
//! more from the same tokens and holds both answers against each other ([`replay`]); [`now`] says what has changed since.

mod hashing;
mod now;
mod record;
mod replay;

use std::path::PathBuf;
use std::sync::Mutex;

use lantern_protocol::{AnswerReceipts, ErrorInfo, LibraryModel, Receipt, ReceiptBy};
use tokio_util::sync::CancellationToken;

use crate::{App, AppError};

pub(crate) use record::{Witness, seeded};
pub use replay::ReplayStream;

/// What goes on with receipts.
#[derive(Default)]
pub(crate) struct Receipts {
    /// Held while hashes are taken.
    hashing: tokio::sync::Mutex<()>,
    /// The replay that runs: one at a time.
    replaying: Mutex<Option<CancellationToken>>,
}

/// The model of a receipt, as it is found now.
struct Model {
    model: LibraryModel,
    /// It has the receipt's name, but other contents.
    is_another: bool,
}

impl App {
    /// The receipts of the answer that a message belongs to, up to that message: several where tools were called.
    pub async fn receipts(&self, message_id: &str) -> Result<AnswerReceipts, AppError> {
        let id = message_id.to_owned();
        let read = move |store: &mut lantern_store::Store| {
            let ids = store.messages_of_answer(&id)?;
            let receipts = ids.iter().map(|id| store.receipt(id)).collect::<Result<Vec<_>, _>>()?;
            Ok(receipts.into_iter().flatten().collect::<Vec<_>>())
        };
        let receipts = self.0.db.of(message_id).run(read).await?;
        let Some(last) = receipts.last() else { return Err(missing()) };
        let notice = self.notice(last).await?;
        self.hash_later();
        Ok(AnswerReceipts { receipts, notice })
    }

    /// The receipt of one message.
    pub async fn receipt(&self, message_id: &str) -> Result<Receipt, AppError> {
        let id = message_id.to_owned();
        let read = move |store: &mut lantern_store::Store| match store.receipt(&id)? {
            Some(receipt) => Ok(Some(receipt)),
            // Another error than that there is none, if the message is not here either.
            None => store.message(&id).map(|_| None),
        };
        self.0.db.of(message_id).run(read).await?.ok_or_else(missing)
    }

    /// Writes the receipts of an answer to a file, as `lantern receipt show` prints them.
    pub async fn save_receipts(&self, message_id: &str, path: PathBuf) -> Result<(), AppError> {
        let receipts = self.receipts(message_id).await?.receipts;
        let write = move || {
            let text = serde_json::to_vec_pretty(&receipts).map_err(AppError::internal)?;
            std::fs::write(&path, text).map_err(|error| {
                let cause = format!("{} cannot be written: {error}.", path.display());
                AppError::new("io_error", cause, "Choose another place.")
            })
        };
        tokio::task::spawn_blocking(write).await.map_err(AppError::internal)?
    }

    /// What is to be known before a replay.
    async fn notice(&self, receipt: &Receipt) -> Result<Option<ErrorInfo>, AppError> {
        Ok(match self.model_of_receipt(receipt).await {
            Ok(Model { model, is_another: true }) => Some(changed(&model.id).into()),
            Ok(_) => None,
            Err(error) if matches!(error.code.as_str(), "model_missing" | "receipt_remote") => {
                Some(error.into())
            }
            Err(error) => return Err(error),
        })
    }

    /// The model that a receipt names: the one with the same contents, whatever it is called now, or else that of its name.
    async fn model_of_receipt(&self, receipt: &Receipt) -> Result<Model, AppError> {
        let ReceiptBy::Local { content_id, .. } = &receipt.facts.by else {
            return Err(AppError::new(
                "receipt_remote",
                format!(
                    "{} runs on another server, and what goes on there is not known here.",
                    receipt.facts.model
                ),
                "Ask again to have another answer; only those of models on this computer can be replayed.",
            ));
        };
        let models = self.library().await?;
        let is_same = |model: &&LibraryModel| !content_id.is_empty() && model.content_id == *content_id;
        if let Some(model) = models.iter().find(is_same) {
            return Ok(Model { model: model.clone(), is_another: false });
        }
        // A file or folder that is named by its path is in no list.
        match self.find_model(&receipt.facts.model).await {
            Ok(model) => Ok(Model { is_another: model.content_id != *content_id, model }),
            Err(_) => Err(AppError::new(
                "model_missing",
                format!("{} is not on this computer any more.", receipt.facts.model),
                "Download or import the same file again; its hash is in the receipt.",
            )),
        }
    }
}

fn missing() -> AppError {
    AppError::new(
        "receipt_missing",
        "This answer has no receipt: it was written before there were receipts, elsewhere, or Lantern ended meanwhile.",
        "Have the question answered again: that answer gets a receipt.",
    )
}

fn changed(model: &str) -> AppError {
    AppError::new(
        "model_changed",
        format!("{model} is another file now than the one that wrote this answer."),
        "A replay says where the answers part. For the same answer bring back the file with the receipt's hash.",
    )
}
