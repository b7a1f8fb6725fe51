//! Noting what an answer follows from while it is written, and keeping it.

use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;
use lantern_engine::{
    FinishReason, GenerateRequest, GenerationEvent, GenerationStream, Inputs, Prompt, SamplingParams,
    ToolChoice,
};
use lantern_protocol::{
    Omitted, RECEIPT_VERSION, Receipt, ReceiptBy, ReceiptFacts, ReceiptFinish, ReceiptPicture,
    ReceiptSampling,
};
use serde_json::Value;

use crate::models::Answering;
use crate::{App, AppError};

/// What is noted of one message while it is written.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    started_at: i64,
    sampling: SamplingParams,
    max_tokens: Option<usize>,
    tools: Option<Value>,
    must_call: bool,
    inputs: Option<Inputs>,
    answer: Vec<u32>,
    finish: Option<FinishReason>,
    dropped: Option<Omitted>,
    summarised: Option<Omitted>,
}

impl Witness {
    /// Of a request that is about to be made.
    pub(crate) fn new(request: &GenerateRequest) -> Self {
        let tools = match &request.prompt {
            Prompt::Messages { tools, .. } | Prompt::Rendered { tools, .. } => tools.clone(),
            Prompt::Text(_) | Prompt::Tokens(_) => None,
        };
        Self {
            started_at: Timestamp::now().as_millisecond(),
            sampling: request.sampling.clone(),
            max_tokens: request.max_tokens,
            tools,
            must_call: request.tool_choice == ToolChoice::Required,
            ..Self::default()
        }
    }

    /// What the engine made of the request.
    pub(crate) fn begin(&mut self, stream: &GenerationStream) {
        self.inputs = stream.inputs().cloned();
    }

    /// One of the engine's events.
    pub(crate) fn see(&mut self, event: &GenerationEvent) {
        match event {
            GenerationEvent::Text { tokens, .. }
            | GenerationEvent::Reasoning { tokens, .. }
            | GenerationEvent::ToolArguments { tokens, .. } => self.answer.extend(tokens),
            GenerationEvent::Finished { reason, .. } => self.finish = Some(*reason),
            _ => {}
        }
    }

    /// Messages that the model does not see, oldest first.
    pub(crate) fn dropped(&mut self, ids: &[String]) {
        self.dropped = omitted(ids);
    }

    /// Messages of which the model sees a summary, oldest first.
    pub(crate) fn summarised(&mut self, ids: &[String]) {
        self.summarised = omitted(ids);
    }

    fn sampling(&self) -> ReceiptSampling {
        let SamplingParams { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let SamplingParams { repeat_penalty, presence_penalty, frequency_penalty, .. } = self.sampling;
        let seed = self.inputs.as_ref().map(|inputs| inputs.seed).or(self.sampling.seed);
        ReceiptSampling {
            temperature,
            top_k,
            top_p,
            min_p,
            repeat_penalty,
            presence_penalty,
            frequency_penalty,
            repeat_last_n: count(self.sampling.repeat_last_n),
            seed: seed.map(|seed| seed.to_string()),
            max_tokens: self.max_tokens.map(count),
        }
    }

    fn finish(&self, failed: bool) -> ReceiptFinish {
        match self.finish {
            Some(FinishReason::Stop) => ReceiptFinish::Stop,
            Some(FinishReason::ToolCalls) => ReceiptFinish::ToolCalls,
            Some(FinishReason::Length) => ReceiptFinish::Length,
            Some(FinishReason::Cancelled) => ReceiptFinish::Stopped,
            None if failed => ReceiptFinish::Failed,
            None => ReceiptFinish::Stopped,
        }
    }
}

fn omitted(ids: &[String]) -> Option<Omitted> {
    ids.last().map(|last| Omitted { count: count(ids.len()), last_message_id: last.clone() })
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A request with a seed, where it has none. It is short enough for the settings, so that it can be used there.
pub(crate) fn seeded(mut request: GenerateRequest) -> GenerateRequest {
    let draw = || RandomState::new().hash_one(Timestamp::now().as_nanosecond()) & u64::from(u32::MAX);
    request.sampling.seed.get_or_insert_with(draw);
    request
}

impl App {
    /// Keeps the receipt of a message that has been written, as far as that came. Without it the answer stands all the same.
    pub(crate) async fn keep_receipt(
        &self,
        message_id: &str,
        answering: &Answering,
        witness: Witness,
        failed: bool,
    ) {
        match self.try_keep_receipt(message_id, answering, witness, failed).await {
            Ok(()) => {}
            // Its conversation was deleted.
            Err(error) if error.code == "message_not_found" => {}
            Err(error) => tracing::warn!(message = message_id, "no receipt was kept: {error}"),
        }
    }

    async fn try_keep_receipt(
        &self,
        message_id: &str,
        answering: &Answering,
        witness: Witness,
        failed: bool,
    ) -> Result<(), AppError> {
        let inputs = witness.inputs.as_ref();
        let pictures = inputs.map(|inputs| inputs.pictures.iter().map(picture).collect()).unwrap_or_default();
        let (by, unhashed) = match (answering, inputs) {
            (Answering::Local(loaded), Some(inputs)) => {
                let (sees, tools) = (!inputs.pictures.is_empty(), witness.tools.is_some());
                let mut now = self.as_it_is(loaded, sees, tools).await?;
                now.engine.context_length = count(inputs.context_length);
                let unhashed = now.unhashed();
                (now.into_by(), unhashed)
            }
            _ => {
                let server = answering.id().split('/').next().unwrap_or_default().to_owned();
                (ReceiptBy::Remote { server }, Vec::new())
            }
        };
        let facts = ReceiptFacts {
            model: answering.id().to_owned(),
            started_at: witness.started_at,
            finish: witness.finish(failed),
            sampling: witness.sampling(),
            must_call: witness.must_call,
            pictures,
            by,
        };
        let receipt = Receipt {
            version: RECEIPT_VERSION,
            message_id: message_id.to_owned(),
            facts,
            dropped: witness.dropped,
            summarised: witness.summarised,
            tools: witness.tools,
            prompt: witness.inputs.map(|inputs| inputs.tokens).unwrap_or_default(),
            answer: witness.answer,
        };
        let is_known = unhashed.is_empty();
        self.0.db.of(message_id).run(move |store| store.keep_receipt(&receipt, &unhashed)).await?;
        if !is_known {
            self.hash_later();
        }
        Ok(())
    }
}

fn picture(seen: &lantern_engine::SeenPicture) -> ReceiptPicture {
    ReceiptPicture {
        before: count(seen.before),
        parts: count(seen.parts),
        sha256: super::now::hex(&seen.sha256),
    }
}
