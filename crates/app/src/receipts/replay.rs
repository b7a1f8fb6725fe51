//! Having an answer again: from the same tokens, by the same rules, and held against the first one token by token.

use std::collections::HashMap;
use std::sync::Arc;

use lantern_engine::{
    FinishReason, GenerateRequest, GenerationEvent, KvType, Picture, Priority, Prompt, SamplingParams,
    ToolChoice,
};
use lantern_protocol::{DocumentKind, Receipt, ReceiptBy, ReceiptFinish, ReplayEvent, ReplayVerdict};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::now::hex;
use crate::models::LoadedModel;
use crate::{App, AppError, lock};

/// An answer that goes another way is written so much further than the first one.
const FURTHER: usize = 64;
/// Whose tokens a replay's are.
const OWNER: &str = "replay";

/// The events of a replay. Dropping it ends the replay.
#[derive(Debug)]
pub struct ReplayStream {
    events: UnboundedReceiver<ReplayEvent>,
    _stop_on_drop: DropGuard,
}

impl ReplayStream {
    /// The next event; `None` after `finished` or `failed`. Cancel safe.
    pub async fn next(&mut self) -> Option<ReplayEvent> {
        self.events.recv().await
    }
}

struct Replay {
    app: App,
    receipt: Receipt,
    events: UnboundedSender<ReplayEvent>,
    stop: CancellationToken,
}

impl App {
    /// Generates once more what a receipt is of. What is wrong with it is an error here; whatever fails afterwards is the last
    /// event.
    pub async fn replay(&self, receipt: Receipt) -> Result<ReplayStream, AppError> {
        self.model_of_receipt(&receipt).await?;
        if receipt.answer.is_empty() || receipt.prompt.is_empty() {
            let cause = "Of this answer no token was written.";
            return Err(AppError::new("receipt_empty", cause, "Have the question answered again."));
        }
        let stop = self.0.closing.child_token();
        {
            let mut running = lock(&self.0.receipts.replaying);
            if running.is_some() {
                let cause = "An answer is being replayed already.";
                return Err(AppError::new("replay_busy", cause, "Wait until that is done, or stop it."));
            }
            *running = Some(stop.clone());
        }
        let (sender, events) = mpsc::unbounded_channel();
        let replay = Replay { app: self.clone(), receipt, events: sender, stop: stop.clone() };
        self.0.tasks.spawn_on(replay.run(), &self.0.runtime);
        Ok(ReplayStream { events, _stop_on_drop: stop.drop_guard() })
    }

    /// The same for a message of a conversation.
    pub async fn replay_message(&self, message_id: &str) -> Result<ReplayStream, AppError> {
        self.replay(self.receipt(message_id).await?).await
    }

    /// Ends the replay that runs, if there is one; its stream ends with `failed`.
    pub fn stop_replay(&self) {
        if let Some(stop) = &*lock(&self.0.receipts.replaying) {
            stop.cancel();
        }
    }

    /// The pictures of a receipt's prompt, in order, from the files of the conversation.
    async fn pictures_of(&self, receipt: &Receipt) -> Result<Vec<Picture>, AppError> {
        if receipt.facts.pictures.is_empty() {
            return Ok(Vec::new());
        }
        let id = receipt.message_id.clone();
        let read = move |store: &mut lantern_store::Store| {
            let mut attached = Vec::new();
            for message in store.branch(&id)? {
                attached.extend(store.attachments(&message.id)?);
            }
            Ok(attached)
        };
        let attached = self.0.db.of(&receipt.message_id).run(read).await.unwrap_or_default();
        let files: Vec<_> = attached
            .into_iter()
            .filter(|one| one.kind == DocumentKind::Image)
            .map(|one| self.0.knowledge.file(&one.document))
            .collect();
        let decode = move || {
            let pictures =
                files.into_iter().filter_map(|file| Picture::decode(&std::fs::read(file).ok()?).ok());
            pictures.map(|picture| (hex(picture.hash()), picture)).collect::<HashMap<_, _>>()
        };
        let known = tokio::task::spawn_blocking(decode).await.map_err(AppError::internal)?;
        let found = receipt.facts.pictures.iter().map(|seen| known.get(&seen.sha256).cloned());
        found.collect::<Option<_>>().ok_or_else(|| {
            AppError::new(
                "receipt_pictures",
                "The pictures that the model saw are not here any more.",
                "Replay it where the conversation and its files are.",
            )
        })
    }
}

impl Replay {
    async fn run(self) {
        let stop = self.stop.clone();
        let done = stop.run_until_cancelled(self.verdict()).await.unwrap_or_else(|| Err(stopped()));
        lock(&self.app.0.receipts.replaying).take();
        let _ = self.events.send(match done {
            Ok(verdict) => ReplayEvent::Finished { verdict },
            Err(error) => ReplayEvent::Failed { error: error.into() },
        });
    }

    async fn verdict(&self) -> Result<ReplayVerdict, AppError> {
        let ReceiptBy::Local { files, content_id, engine } = &self.receipt.facts.by else {
            return Err(AppError::internal("a remote receipt is replayed"));
        };
        let loaded = self.load(engine.context_length, &engine.kv_type).await?;
        let has_tools = self.receipt.tools.is_some();
        let now = self.app.as_it_is(&loaded, !self.receipt.facts.pictures.is_empty(), has_tools).await?;
        let (tokens, reason) = self.generate(&loaded, self.request(engine.context_length).await?).await?;
        let same = self.receipt.answer.iter().zip(&tokens).take_while(|(then, now)| then == now).count();
        let has_all = tokens.len() == self.receipt.answer.len() && same == tokens.len();
        let vocab_size = loaded.engine.info().vocab_size;
        let text = |ids: &[u32]| {
            let known: Vec<u32> = ids.iter().copied().filter(|&id| (id as usize) < vocab_size).collect();
            loaded.engine.tokenizer().decode(&known)
        };
        Ok(ReplayVerdict {
            identical: has_all && self.ends_alike(reason),
            differs_at: (!has_all).then(|| count(same)),
            tokens: count(tokens.len()),
            then: text(&self.receipt.answer),
            now: text(&tokens),
            changes: now.changes(files, content_id, engine),
        })
    }

    /// Whether the end is the same, where the model or a limit made it.
    fn ends_alike(&self, reason: FinishReason) -> bool {
        match self.receipt.facts.finish {
            ReceiptFinish::Stop | ReceiptFinish::ToolCalls => {
                matches!(reason, FinishReason::Stop | FinishReason::ToolCalls)
            }
            ReceiptFinish::Length => reason == FinishReason::Length,
            ReceiptFinish::Stopped | ReceiptFinish::Failed => true,
        }
    }

    /// The model, with keys and values kept as they were.
    async fn load(&self, context: u32, kv_type: &str) -> Result<LoadedModel, AppError> {
        let seen = self.app.loads_so_far();
        let model = self.app.model_of_receipt(&self.receipt).await?.model;
        let settings = self.app.settings().await?;
        let kv_type = KvType::ALL.iter().copied().find(|known| known.name() == kv_type);
        if !self.app.is_ready(&model, &settings).await? {
            let _ = self.events.send(ReplayEvent::Loading { model: model.id.clone() });
        }
        let loaded = self.app.load_like(model, &settings, Some(context), seen, kv_type).await?;
        let needed = self.receipt.prompt.len() + self.receipt.answer.len();
        if loaded.context_length < needed {
            return Err(AppError::new(
                "replay_context",
                format!(
                    "Memory allows {} tokens of context; the answer took {needed}.",
                    loaded.context_length
                ),
                "Close other programs and try again.",
            ));
        }
        Ok(loaded)
    }

    async fn request(&self, context_length: u32) -> Result<GenerateRequest, AppError> {
        let Receipt { facts, prompt, answer, tools, .. } = &self.receipt;
        let sampling = &facts.sampling;
        let seed = sampling.seed.as_ref().map(|seed| seed.parse());
        let seed = seed.transpose().map_err(|_| damaged("seed"))?;
        let limit = sampling.max_tokens.map_or(usize::MAX, |tokens| tokens as usize);
        let most = match facts.finish {
            ReceiptFinish::Stop | ReceiptFinish::ToolCalls => limit.min(answer.len() + FURTHER),
            _ => answer.len(),
        };
        let pictures = self.app.pictures_of(&self.receipt).await?;
        Ok(GenerateRequest {
            sampling: SamplingParams {
                temperature: sampling.temperature,
                top_k: sampling.top_k,
                top_p: sampling.top_p,
                min_p: sampling.min_p,
                repeat_penalty: sampling.repeat_penalty,
                presence_penalty: sampling.presence_penalty,
                frequency_penalty: sampling.frequency_penalty,
                repeat_last_n: sampling.repeat_last_n as usize,
                seed,
                ..SamplingParams::default()
            },
            max_tokens: Some(most),
            priority: Priority::Api,
            owner: Some(OWNER.into()),
            context_length: Some(context_length as usize),
            tool_choice: if facts.must_call { ToolChoice::Required } else { ToolChoice::Auto },
            parallel_tool_calls: !facts.must_call,
            ..GenerateRequest::new(Prompt::Rendered {
                tokens: prompt.clone(),
                pictures,
                tools: tools.clone(),
            })
        })
    }

    async fn generate(
        &self,
        loaded: &LoadedModel,
        request: GenerateRequest,
    ) -> Result<(Vec<u32>, FinishReason), AppError> {
        let engine = Arc::clone(&loaded.engine);
        let stream = tokio::task::spawn_blocking(move || {
            // Whoever the answer belongs to, and be it a temporary chat: nothing of this goes to the disk.
            engine.forget_prefixes(OWNER);
            engine.generate(request)
        });
        let mut stream = stream.await.map_err(AppError::internal)??;
        let (mut written, total) = (Vec::new(), count(self.receipt.answer.len()));
        while let Some(event) = stream.next().await {
            match event {
                GenerationEvent::Prefill { processed, total, .. } => {
                    let event = ReplayEvent::Reading { done: count(processed), total: count(total) };
                    let _ = self.events.send(event);
                }
                GenerationEvent::Text { tokens, .. }
                | GenerationEvent::Reasoning { tokens, .. }
                | GenerationEvent::ToolArguments { tokens, .. } => {
                    written.extend(tokens);
                    let _ = self.events.send(ReplayEvent::Writing { done: count(written.len()), total });
                }
                GenerationEvent::Finished { reason, .. } => return Ok((written, reason)),
                GenerationEvent::Failed(error) => return Err(error.into()),
                GenerationEvent::Queued { .. } | GenerationEvent::ToolCall { .. } => {}
            }
        }
        Err(AppError::internal("a replay ended without an end"))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn stopped() -> AppError {
    AppError::new("replay_stopped", "The replay was stopped.", "Start it again when you like.")
}

fn damaged(what: &str) -> AppError {
    let cause = format!("The receipt cannot be read: its {what} makes no sense.");
    AppError::new("receipt_damaged", cause, "Take the receipt from the answer once more.")
}
