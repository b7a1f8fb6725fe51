//! An answer in one piece.

use lantern_engine::TokenLogprob;

use super::run::{resolved, start};
use super::{Ask, Event, Reason, Run, ShortenedMessages, Tokens};
use crate::ApiError;
use crate::server::Server;

/// All choices of a request.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Library id of the model.
    pub model: String,
    pub report: Option<ShortenedMessages>,
    pub choices: Vec<Choice>,
    pub tokens: Tokens,
    /// What is told before each choice; empty where nobody asked.
    pub echoes: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub text: String,
    pub reasoning: String,
    pub calls: Vec<Call>,
    pub logprobs: Vec<TokenLogprob>,
    pub reason: Reason,
    /// The stop string that ended it.
    pub stop_string: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub id: String,
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

impl Choice {
    /// Takes in what happened.
    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::Text { text, logprobs } => {
                self.text.push_str(text);
                self.logprobs.extend_from_slice(logprobs);
            }
            Event::Reasoning { text } => self.reasoning.push_str(text),
            Event::Call { id, name, .. } => {
                self.calls.push(Call { id: id.clone(), name: name.clone(), arguments: String::new() });
            }
            Event::Arguments { index, text } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.arguments.push_str(text);
                }
            }
            Event::Finished { reason, stop_string, .. } => {
                (self.reason, self.stop_string) = (*reason, stop_string.clone());
            }
            Event::Failed(_) => {}
        }
    }
}

/// The answer, once it is there.
pub(crate) async fn whole(server: &Server, ask: Ask) -> Result<Whole, ApiError> {
    let ask = resolved(server, ask).await?;
    collected(start(server.clone(), ask).await?).await
}

async fn collected(mut run: Run) -> Result<Whole, ApiError> {
    let mut choices = vec![Choice::default(); run.choices];
    while let Some((choice, event)) = run.next().await {
        if let Event::Failed(error) = event {
            return Err(error);
        }
        if let Some(choice) = choices.get_mut(choice) {
            choice.add(&event);
        }
    }
    let tokens = run.tokens();
    Ok(Whole { model: run.model, report: run.report, choices, tokens, echoes: run.echoes })
}
