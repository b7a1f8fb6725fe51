//! How much of files a model has room for, and what is looked for in them.

use std::sync::Arc;

use lantern_engine::{ChatMessage, Engine, GenerateRequest, Prompt};

use crate::AppError;
use crate::models::Answering;

/// A server that does not tell its context has room for this many tokens.
const UNKNOWN_CONTEXT: usize = 8192;

/// Tokens that the marks around a document may take.
pub(super) const MARKS: usize = 64;

/// A question of fewer letters says little without the one before.
const SHORT_QUESTION: usize = 40;

/// Tokens that files may take: the context without what the conversation and its answer take.
pub(super) async fn room(answering: &Answering, request: &GenerateRequest) -> Result<usize, AppError> {
    let context = request.context_length.or(answering.context_length()).unwrap_or(UNKNOWN_CONTEXT);
    let answer = request.max_tokens.map_or(context / 4, |tokens| tokens.min(context / 2));
    let conversation = match (answering.local(), &request.prompt) {
        (Some(loaded), prompt) => {
            let (engine, prompt) = (Arc::clone(&loaded.engine), prompt.clone());
            let count = move || engine.prompt_ids(prompt).map(|ids| ids.len());
            tokio::task::spawn_blocking(count).await.map_err(AppError::internal)??
        }
        (None, Prompt::Messages { messages, .. }) => {
            messages.iter().map(|message| rough_tokens(&message.content) + 8).sum()
        }
        (None, _) => 0,
    };
    Ok(context.saturating_sub(answer).saturating_sub(conversation).saturating_sub(MARKS))
}

/// Counts the tokens of documents.
pub(super) struct Tokens(pub(super) Option<Arc<Engine>>);

impl Tokens {
    /// The tokens of a text that has at most so many; `None` for a longer one.
    pub(super) async fn of(&self, text: &str, most: usize) -> Result<Option<usize>, AppError> {
        // No vocabulary has words so long on average, and counting a whole book takes a while.
        if text.len() / 10 > most {
            return Ok(None);
        }
        let tokens = match &self.0 {
            None => rough_tokens(text),
            Some(engine) => {
                let (engine, text) = (Arc::clone(engine), text.to_owned());
                let count = move || engine.tokenizer().encode(&text, false, false).map(|ids| ids.len());
                let counted = tokio::task::spawn_blocking(count).await.map_err(AppError::internal)?;
                counted.map_err(lantern_engine::EngineError::from)?
            }
        };
        Ok(Some(tokens).filter(|tokens| tokens.saturating_add(MARKS) <= most))
    }
}

/// Tokens of a text, rather too many than too few: a token for three letters of an alphabet, and for each other character.
fn rough_tokens(text: &str) -> usize {
    let wide = text.chars().filter(|c| *c >= '\u{2E80}').count();
    (text.chars().count() - wide) / 3 + wide + 1
}

/// What is looked for: the last words of the person, with those before where they say little alone.
pub(super) fn question(messages: &[ChatMessage]) -> String {
    let mut asked = messages.iter().rev().filter(|message| message.role == "user");
    let last = asked.next().map(|message| message.content.as_str()).unwrap_or_default();
    match asked.next() {
        Some(before) if last.chars().count() < SHORT_QUESTION => format!("{}\n{last}", before.content),
        _ => last.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_question_is_looked_for_with_the_one_before() {
        let said = |role: &str, words: &str| ChatMessage::new(role, words);
        let all =
            [said("user", "How high is Cordouan?"), said("assistant", "67 m."), said("user", "And Kéréon?")];
        assert_eq!(question(&all), "How high is Cordouan?\nAnd Kéréon?");
        assert_eq!(question(&all[..1]), "How high is Cordouan?");
        assert_eq!(question(&[]), "");
    }

    #[test]
    fn tokens_are_rather_too_many() {
        assert_eq!(rough_tokens(""), 1);
        assert_eq!(rough_tokens("灯塔"), 3);
        assert!(rough_tokens("three letters each") >= 6);
    }
}
