//! What stands in place of turns that no longer fit: a summary that the same model writes.
//!
//! The turns are those that would be left out otherwise, in the same steps of a quarter of the context, so that a summary
//! serves many answers. When the next step is due, the model reads the summary it wrote before and the turns since. It
//! writes at the lowest priority. The summary stands with the instructions, because templates want turns that alternate.

use std::sync::Arc;

use lantern_engine::{
    ChatMessage, Engine, FinishReason, GenerateRequest, GenerationEvent, GenerationStream, Overflow,
    Priority, Prompt, SamplingParams,
};

use crate::AppError;

/// What the model is told to do. Short, because small contexts need summaries first.
const INSTRUCTION: &str = "Summarise the conversation above in a few sentences, for somebody who takes it over. Keep names, numbers, decisions, wishes and open questions.";
/// What the model reads before a summary.
const HEADING: &str = "What was said before, in short:";
/// Longest summary, in tokens, and its largest part of the context.
const MOST_TOKENS: usize = 512;
const PART_OF_CONTEXT: usize = 8;
/// Tokens for headings, names and the template around them.
const AROUND: usize = 64;
/// A conversation that is read in more pieces than this is left to be cut: the model would be busy for too long.
const MOST_PIECES: usize = 16;

/// A summary of the first so many of the turns' messages, made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) messages: usize,
    pub(crate) text: String,
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
}

impl Shortened {
    /// A request as it is.
    pub fn as_it_is(request: GenerateRequest) -> Self {
        Self { request, summarised: None, origins: Vec::new() }
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
        }
    }

    /// Which of the original request's messages were left out without a summary.
    pub fn dropped(&self, stream: &GenerationStream) -> Vec<usize> {
        let messages = stream.dropped().map_or(&[][..], |dropped| &dropped.messages);
        let origin = |&at: &usize| match self.summarised {
            Some(_) => self.origins.get(at).copied().flatten(),
            None => Some(at),
        };
        messages.iter().filter_map(origin).collect()
    }
}

/// What a conversation that does not fit is to lose. `None` for one that fits, and for anything but a conversation.
pub(crate) async fn to_lose(
    engine: &Arc<Engine>,
    request: &GenerateRequest,
) -> Result<Option<Summarised>, AppError> {
    let (engine, request) = (Arc::clone(engine), request.clone());
    let planned = tokio::task::spawn_blocking(move || {
        // Whether it fits is one question; what goes if it does not is another, because the summary needs room too.
        if engine.overflowing(&request, 0)?.is_none() {
            return Ok(None);
        }
        let reserve = summary_tokens(&engine, &request) + AROUND;
        engine.overflowing(&request, reserve)
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
    known: Option<Known>,
) -> Result<Shortened, AppError> {
    let known = known.unwrap_or(Known { messages: 0, text: String::new() });
    let Prompt::Messages { messages, .. } = &request.prompt else { return Ok(Shortened::untouched(request)) };
    let rest = lost.messages.get(known.messages..).unwrap_or_default();
    let transcript = transcript(rest.iter().filter_map(|&at| messages.get(at)));
    let text = match transcript.is_empty() {
        true => known.text,
        false => read(engine, &request, known.text, &transcript).await?,
    };
    Ok(Shortened::replaced(request, Summarised { text, ..lost }))
}

fn summary_tokens(engine: &Engine, request: &GenerateRequest) -> usize {
    (context(engine, request) / PART_OF_CONTEXT).clamp(1, MOST_TOKENS)
}

fn context(engine: &Engine, request: &GenerateRequest) -> usize {
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

/// Lets the model read the words, in as many pieces as its context wants, and tell them in short.
async fn read(
    engine: &Arc<Engine>,
    request: &GenerateRequest,
    mut summary: String,
    words: &str,
) -> Result<String, AppError> {
    let longest = summary_tokens(engine, request);
    let (tokenizing, text) = (Arc::clone(engine), words.to_owned());
    let tokens = tokio::task::spawn_blocking(move || tokenizing.prompt_ids(Prompt::Text(text)));
    let tokens = tokens.await.map_err(AppError::internal)??.len();
    let around = INSTRUCTION.len() / 2 + 2 * AROUND;
    let room = context(engine, request).saturating_sub(2 * longest + around).max(longest);
    // The parts of a text do not have the same tokens everywhere.
    let pieces = (tokens + tokens / 8).div_ceil(room).max(1);
    if pieces > MOST_PIECES {
        return Err(not_summarised(format!("{tokens} tokens are too many to be read again")));
    }
    for piece in split(words, pieces) {
        summary = write(engine, request, &summary, piece, longest).await?;
    }
    Ok(summary)
}

/// A text in so many pieces of about the same length, at ends of lines where there are any near.
fn split(text: &str, pieces: usize) -> Vec<&str> {
    let length = text.len().div_ceil(pieces).max(1);
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > length + length / 8 {
        let mut end = rest.floor_char_boundary(length);
        end = rest[..end].rfind('\n').filter(|line| *line > end / 2).map_or(end, |line| line + 1);
        end = if end == 0 { rest.ceil_char_boundary(1) } else { end };
        let (part, behind) = rest.split_at(end);
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

async fn write(
    engine: &Arc<Engine>,
    request: &GenerateRequest,
    before: &str,
    words: &str,
    longest: usize,
) -> Result<String, AppError> {
    let before = match before.is_empty() {
        true => String::new(),
        false => format!("Summary of what was said before:\n\n{before}\n\n"),
    };
    let question = ChatMessage::new("user", format!("{before}Conversation:\n\n{words}\n{INSTRUCTION}"));
    let request = GenerateRequest {
        // Small models fall into a loop easily.
        sampling: SamplingParams { repeat_penalty: 1.1, ..SamplingParams::greedy() },
        max_tokens: Some(longest),
        priority: Priority::Background,
        context_length: request.context_length,
        ..GenerateRequest::new(Prompt::Messages { messages: vec![question], tools: None })
    };
    let asked = Arc::clone(engine);
    let stream = tokio::task::spawn_blocking(move || asked.generate(request));
    let mut stream = stream.await.map_err(AppError::internal)??;
    let mut summary = String::new();
    while let Some(event) = stream.next().await {
        match event {
            GenerationEvent::Text { text, .. } => summary.push_str(&text),
            GenerationEvent::Finished { reason: FinishReason::Cancelled, .. } => break,
            GenerationEvent::Finished { reason, .. } => return said(&summary, reason),
            GenerationEvent::Failed(error) => return Err(error.into()),
            GenerationEvent::Queued { .. }
            | GenerationEvent::Prefill { .. }
            | GenerationEvent::Reasoning { .. }
            | GenerationEvent::ToolCall { .. }
            | GenerationEvent::ToolArguments { .. } => {}
        }
    }
    Err(not_summarised("the model was unloaded".to_owned()))
}

/// What a model said, without what it thought; without a sentence that was cut off, if there are others.
fn said(text: &str, reason: FinishReason) -> Result<String, AppError> {
    let mut said = text.rsplit("</think>").next().unwrap_or(text).trim();
    if reason == FinishReason::Length
        && let Some(end) = said.rfind(['.', '!', '?', '。', '\n'])
    {
        said = said[..said.ceil_char_boundary(end + 1)].trim();
    }
    if said.is_empty() || said.starts_with("<think>") {
        return Err(not_summarised("the model wrote none".to_owned()));
    }
    Ok(said.to_owned())
}

fn not_summarised(why: String) -> AppError {
    AppError::new(
        "not_summarised",
        format!("There is no summary of the oldest messages: {why}."),
        "Choose a longer context, or go on without the oldest messages.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_end_at_lines() {
        let text: String = (0..100).map(|line| format!("line {line} ä\n")).collect();
        for pieces in 1..8 {
            let parts = split(&text, pieces);
            assert_eq!(parts.concat(), text);
            assert!(parts.len() <= pieces + 1 && parts.iter().all(|part| part.ends_with('\n')), "{parts:?}");
        }
        assert_eq!(split("ääää", 4).concat(), "ääää");
        assert_eq!(split("", 1), [""]);
    }

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

    #[test]
    fn thoughts_are_no_summary() {
        let said = |text| said(text, FinishReason::Stop);
        assert_eq!(said("<think>hm</think>\n They met. "), Ok("They met.".into()));
        assert_eq!(super::said("One. Two。 Thr", FinishReason::Length), Ok("One. Two。".into()));
        assert_eq!(super::said("no end", FinishReason::Length), Ok("no end".into()));
        assert_eq!(said("<think>hm, let me").map_err(|e| e.code), Err("not_summarised".into()));
        assert_eq!(said(" \n").map_err(|e| e.code), Err("not_summarised".into()));
    }
}
