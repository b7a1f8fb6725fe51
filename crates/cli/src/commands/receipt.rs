//! `lantern receipt`: what an answer followed from, and having it again from that.

use std::path::Path;

use indicatif::ProgressBar;
use lantern_app::{App, ReplayStream};
use lantern_protocol::{Receipt, ReplayEvent, ReplayVerdict, Role};
use serde::Serialize;

use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::{output, place};

/// Larger files are no receipts.
const MOST_BYTES: u64 = 256 << 20;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print an answer's receipts as JSON: one for each message, of which there are several where tools were called
    Show {
        /// Id of the conversation
        conversation: String,
        /// Id of the answer's message [default: the last answer of the branch that is shown]
        message: Option<String>,
    },
    /// Generate an answer again from its receipt; ends with 0 if it is the same to the last token, else with 1
    Replay {
        /// A file that `receipt show` or the window wrote, or the id of a message
        #[arg(value_name = "FILE|MESSAGE")]
        what: String,
    },
}

/// What came of one message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    message_id: String,
    #[serde(flatten)]
    verdict: ReplayVerdict,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    let result = match args.action {
        Action::Show { conversation, message } => show(&app, &conversation, message).await,
        Action::Replay { what } => replay(&app, &what).await,
    };
    app.shutdown().await;
    result
}

async fn show(app: &App, conversation: &str, message: Option<String>) -> Result<(), CliError> {
    let view = app.conversation(conversation).await?;
    let message = match message {
        Some(id) if view.messages.iter().any(|message| message.id == id) => id,
        Some(id) => {
            let cause = format!("There is no message {id} in this conversation.");
            return Err(CliError::new("message_not_found", cause, "Leave it out for the last answer."));
        }
        None => last_answer(&view).ok_or_else(|| {
            let cause = "Nothing was answered in this conversation yet.";
            CliError::new("receipt_missing", cause, "Ask something first.")
        })?,
    };
    let found = app.receipts(&message).await?;
    if let Some(notice) = found.notice {
        output::note(format!("{} {}", notice.message, notice.next_step));
    }
    output::json(&found.receipts)
}

/// The last answer of the branch that is shown.
fn last_answer(view: &lantern_protocol::ConversationView) -> Option<String> {
    let mut at = view.conversation.leaf_id.clone()?;
    loop {
        let message = view.messages.iter().find(|message| message.id == at)?;
        if message.role == Role::Assistant {
            return Some(at);
        }
        at = message.parent_id.clone()?;
    }
}

async fn replay(app: &App, what: &str) -> Result<(), CliError> {
    let receipts = match Path::new(what).is_file() {
        true => read(Path::new(what))?,
        false => app.receipts(what).await?.receipts,
    };
    let mut replayed = Vec::new();
    for receipt in receipts {
        let message_id = receipt.message_id.clone();
        let verdict = follow(app.replay(receipt).await?).await?;
        replayed.push(Replayed { message_id, verdict });
    }
    output::json(&replayed)?;
    match replayed.iter().all(|one| one.verdict.identical) {
        true => Ok(()),
        false => Err(CliError::Different),
    }
}

/// One receipt, or a list of them.
fn read(path: &Path) -> Result<Vec<Receipt>, CliError> {
    let failed = |error| CliError::file("read", path, &error);
    let no_receipt = |cause: String| {
        let cause = format!("{} is no receipt: {cause}.", path.display());
        CliError::new("receipt_damaged", cause, "Take the receipt from the answer once more.")
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        return Err(no_receipt("it is too large".into()));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let one = || serde_json::from_slice::<Receipt>(&bytes).map(|receipt| vec![receipt]);
    let read = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(&bytes),
        _ => one(),
    };
    let receipts: Vec<Receipt> = read.map_err(|error| no_receipt(error.to_string()))?;
    if receipts.is_empty() { Err(no_receipt("the list is empty".into())) } else { Ok(receipts) }
}

/// Shows the progress until the end. Ctrl-C stops it.
async fn follow(mut stream: ReplayStream) -> Result<ReplayVerdict, CliError> {
    let bar = ProgressBar::new(0);
    let mut interrupts = Interrupts::listen()?;
    let end = loop {
        tokio::select! {
            event = stream.next() => match event {
                Some(ReplayEvent::Loading { model }) => bar.set_message(format!("{model} is loaded")),
                Some(ReplayEvent::Reading { done, total } | ReplayEvent::Writing { done, total }) => {
                    bar.set_length(total.into());
                    bar.set_position(done.into());
                }
                Some(ReplayEvent::Finished { verdict }) => break Ok(verdict),
                Some(ReplayEvent::Failed { error }) => break Err(error.into()),
                None => break Err(CliError::internal("the replay ended without a word")),
            },
            () = interrupts.next() => break Err(CliError::Interrupted),
        }
    };
    bar.finish_and_clear();
    end
}
