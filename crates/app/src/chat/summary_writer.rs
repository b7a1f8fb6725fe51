//! A summary as the model writes it: it reads the words, in as many pieces as its context wants, and tells them in short.

use std::sync::Arc;

use lantern_engine::{
    ChatMessage, Engine, FinishReason, GenerateRequest, GenerationEvent, Priority, Prompt, SamplingParams,
};

use super::summary::AROUND;
use crate::AppError;

/// What the model is told to do. Short, because small contexts need summaries first.
const INSTRUCTION: &str = "Summarise the conversation above in a few sentences, for somebody who takes it over. Keep names, numbers, decisions, wishes and open questions.";
/// A conversation that is read in more pieces than this is left to be cut: the model would be busy for too long.
const MOST_PIECES: usize = 16;

/// Lets the model read the words, behind what they follow, and tell them in short: in at most `longest` tokens, in a
/// context of so many.
pub(super) async fn write_summary(
    engine: &Arc<Engine>,
    context: usize,
    longest: usize,
    mut summary: String,
    words: &str,
) -> Result<String, AppError> {
    let (tokenizing, text) = (Arc::clone(engine), words.to_owned());
    let tokens = tokio::task::spawn_blocking(move || tokenizing.prompt_ids(Prompt::Text(text)));
    let tokens = tokens.await.map_err(AppError::internal)??.len();
    let around = INSTRUCTION.len() / 2 + 2 * AROUND;
    let room = context.saturating_sub(2 * longest + around).max(longest);
    // The parts of a text do not have the same tokens everywhere.
    let pieces = (tokens + tokens / 8).div_ceil(room).max(1);
    if pieces > MOST_PIECES {
        return Err(not_summarised(format!("{tokens} tokens are too many to be read again")));
    }
    for piece in split(words, pieces) {
        summary = write(engine, context, &summary, piece, longest).await?;
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
    context: usize,
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
        context_length: Some(context),
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

pub(super) fn not_summarised(why: String) -> AppError {
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
    fn thoughts_are_no_summary() {
        let said = |text| said(text, FinishReason::Stop);
        assert_eq!(said("<think>hm</think>\n They met. "), Ok("They met.".into()));
        assert_eq!(super::said("One. Two。 Thr", FinishReason::Length), Ok("One. Two。".into()));
        assert_eq!(super::said("no end", FinishReason::Length), Ok("no end".into()));
        assert_eq!(said("<think>hm, let me").map_err(|e| e.code), Err("not_summarised".into()));
        assert_eq!(said(" \n").map_err(|e| e.code), Err("not_summarised".into()));
    }
}
