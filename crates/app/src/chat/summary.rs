//! What stands in place of turns that no longer fit: a summary that the same model writes.
//!
//! The turns are those that would be left out otherwise, in the same steps of a quarter of the context, so that a summary
//! serves many answers. When the next step is due, the model reads the summary it wrote before and the turns since. It
//! writes at the lowest priority. The summary stands with the instructions, because templates want turns that alternate.

use std::sync::Arc;

use lantern_engine::{ChatMessage, Dropped, Engine, GenerateRequest, GenerationStream, Overflow, Prompt};

use super::summary_writer::{not_summarised, write_summary};
use crate::AppError;

/// What the model reads before a summary.
const HEADING: &str = "What was said before, in short:";
/// Longest summary, in tokens, and its largest part of the context.
const MOST_TOKENS: usize = 512;
const PART_OF_CONTEXT: usize = 8;
/// Tokens for headings, names and the template around them.
pub(super) const AROUND: usize = 64;
/// A summary of the first so many of the turns' messages, made before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) messages: usize,
    /// What the model wrote.
    pub(crate) text: String,
    /// What a person wrote: it stands before that, word for word, in this summary and in those that follow from it.
    pub(crate) edited: String,
}

impl Known {
    /// The whole of it.
    fn words(self) -> String {
        let parts = [self.edited.trim(), self.text.trim()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// Turns that were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summarised {
    /// Which of the request's messages, counted from 0, in rising order.
    pub messages: Vec<usize>,
    /// What stands in their place.
    pub text: String,
    /// Tokens of the whole prompt.
    pub tokens_before: usize,
}

/// A request whose conversation may have been shortened.
#[derive(Debug)]
pub struct Shortened {
    /// To be answered. What is still too long loses its oldest turns.
    pub request: GenerateRequest,
    /// What was replaced, if anything was.
    pub summarised: Option<Summarised>,
    /// For each of its messages, which of the original request's it was.
    origins: Vec<Option<usize>>,
    /// What its prompt lost before the engine saw it.
    pub(super) left_out: Option<Dropped>,
}

impl Shortened {
    /// A request as it is.
    pub fn as_it_is(request: GenerateRequest) -> Self {
        Self { request, summarised: None, origins: Vec::new(), left_out: None }
    }

    /// A request as it is, which loses its oldest turns where it is too long.
    pub(crate) fn untouched(request: GenerateRequest) -> Self {
        Self::as_it_is(GenerateRequest { overflow: Overflow::DropOldest, ..request })
    }

    /// Puts `text` in place of the messages at these places.
    fn replaced(request: GenerateRequest, summarised: Summarised) -> Self {
        let GenerateRequest { prompt: Prompt::Messages { messages, tools }, .. } = request else {
            return Self::untouched(request);
        };
        let is_gone = |at: &usize| summarised.messages.binary_search(at).is_ok();
        let kept = messages.into_iter().enumerate().filter(|(at, _)| !is_gone(at));
        let mut kept: Vec<(Option<usize>, ChatMessage)> = kept.map(|(at, m)| (Some(at), m)).collect();
        let words = format!("{HEADING}\n{}", summarised.text);
        match kept.iter_mut().find(|(_, message)| message.role == "system") {
            Some((_, system)) => {
                let content = format!("{}\n\n{words}", system.content);
                *system = ChatMessage { content, parts: None, ..system.clone() };
            }
            None => kept.insert(0, (None, ChatMessage::new("system", words))),
        }
        let (origins, messages) = kept.into_iter().unzip();
        Self {
            request: GenerateRequest {
                prompt: Prompt::Messages { messages, tools },
                overflow: Overflow::DropOldest,
                ..request
            },
            summarised: Some(summarised),
            origins,
            left_out: None,
        }
    }

    /// What was left out of the request without a summary.
    pub(super) fn left_out<'a>(&'a self, stream: &'a GenerationStream) -> Option<&'a Dropped> {
        stream.dropped().or(self.left_out.as_ref())
    }

    /// Which of the original request's messages were left out without a summary.
    pub fn dropped(&self, stream: &GenerationStream) -> Vec<usize> {
        let messages = self.left_out(stream).map_or(&[][..], |dropped| &dropped.messages);
        let origin = |&at: &usize| match self.summarised {
            Some(_) => self.origins.get(at).copied().flatten(),
            None => Some(at),
        };
        messages.iter().filter_map(origin).collect()
    }
}

/// What a conversation is to lose that does not fit a context of so many tokens, where so many stay free beside what the model
/// writes. `None` for one that fits, and for anything but a conversation.
pub(crate) async fn to_lose(
    engine: &Arc<Engine>,
    request: &GenerateRequest,
    context: usize,
    more: usize,
) -> Result<Option<Summarised>, AppError> {
    let (engine, request) = (Arc::clone(engine), request.clone());
    let planned = tokio::task::spawn_blocking(move || {
        // Whether it fits is one question; what goes if it does not is another, because the summary needs room too.
        if engine.overflowing_within(&request, context, 0)?.is_none() {
            return Ok(None);
        }
        engine.overflowing_within(&request, context, summary_tokens(context) + AROUND + more)
    });
    let dropped = planned.await.map_err(AppError::internal)?.map_err(AppError::from)?;
    Ok(dropped.map(|dropped| Summarised {
        messages: dropped.messages,
        text: String::new(),
        tokens_before: dropped.tokens_before,
    }))
}

/// Replaces the messages that `lost` names by a summary, of which the beginning may be known.
pub(crate) async fn summarise(
    engine: &Arc<Engine>,
    request: GenerateRequest,
    lost: Summarised,
    known: Known,
) -> Result<Shortened, AppError> {
    let Prompt::Messages { messages, .. } = &request.prompt else { return Ok(Shortened::untouched(request)) };
    let rest = lost.messages.get(known.messages..).unwrap_or_default();
    let rest = rest.iter().filter_map(|&at| messages.get(at));
    let text = go_on(engine, context(engine, &request), known, rest).await?;
    Ok(Shortened::replaced(request, Summarised { text, ..lost }))
}

/// A summary of what is known and of what follows it.
pub(super) async fn go_on<'a>(
    engine: &Arc<Engine>,
    context: usize,
    known: Known,
    rest: impl Iterator<Item = &'a ChatMessage>,
) -> Result<String, AppError> {
    let transcript = transcript(rest);
    if transcript.is_empty() {
        let words = known.words();
        return if words.is_empty() {
            Err(not_summarised("there is nothing to sum up".into()))
        } else {
            Ok(words)
        };
    }
    let text = write_summary(engine, context, summary_tokens(context), known.text, &transcript).await?;
    Ok(Known { text, ..known }.words())
}

/// Longest summary that the model writes for such a context.
pub(super) fn summary_tokens(context: usize) -> usize {
    (context / PART_OF_CONTEXT).clamp(1, MOST_TOKENS)
}

/// Tokens that a request and its answer may have.
pub(super) fn context(engine: &Engine, request: &GenerateRequest) -> usize {
    let there = engine.context_length();
    request.context_length.map_or(there, |asked| asked.min(there))
}

/// The words of a conversation, who speaks before each.
fn transcript<'a>(messages: impl Iterator<Item = &'a ChatMessage>) -> String {
    let lines = messages.map(|message| {
        let pictures = if message.pictures.is_empty() { "" } else { " [picture]" };
        format!("{}:{pictures} {}\n", message.role, message.content.trim())
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_stands_with_the_instructions() {
        let of = |roles: &[&str], gone: Vec<usize>| {
            let messages = roles.iter().map(|role| ChatMessage::new(*role, "words")).collect();
            let request = GenerateRequest::new(Prompt::Messages { messages, tools: None });
            let summarised = Summarised { messages: gone, text: "Short.".into(), tokens_before: 9 };
            let shortened = Shortened::replaced(request, summarised);
            let Prompt::Messages { messages, .. } = shortened.request.prompt else { panic!("no messages") };
            let messages: Vec<_> = messages.into_iter().map(|m| (m.role, m.content)).collect();
            (messages, shortened.origins)
        };
        let (messages, origins) = of(&["system", "user", "assistant", "user"], vec![1, 2]);
        assert_eq!(origins, [Some(0), Some(3)]);
        assert_eq!(messages[0].1, format!("words\n\n{HEADING}\nShort."));
        let (messages, origins) = of(&["user", "assistant", "user"], vec![0, 1]);
        assert_eq!(origins, [None, Some(2)]);
        assert_eq!(messages[0], ("system".into(), format!("{HEADING}\nShort.")));
    }
}
