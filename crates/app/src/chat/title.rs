//! Titles that a model writes: after the first answer of a conversation, behind everything else that wants the engine. What
//! makes no title (too long, nothing but thoughts, an error) leaves the first line in its place.

use std::sync::Arc;

use lantern_engine::{
    ChatMessage, Engine, FinishReason, GenerateRequest, GenerationEvent, Priority, Prompt, SamplingParams,
};
use lantern_protocol::{AppEvent, Conversation, Message, MessageStatus};

use super::thoughts::without_thoughts;
use crate::{App, AppError};

/// Longest title, in characters.
const LONGEST: usize = 60;
/// Tokens for it; a model that cannot be kept from thinking gets no further.
const MOST_TOKENS: usize = 48;
/// Of a question and an answer so many characters are read.
const READ: usize = 1200;
const INSTRUCTION: &str = "Write a title for this conversation: at most six words, in the language of the conversation, \
                           without quotation marks. Answer with the title alone.";

impl App {
    /// Lets the model that answered write a title, if this was the first answer and nobody gave one. Returns at once.
    pub(super) fn title_later(&self, conversation: &Conversation, answer: &Message) {
        let is_whole = matches!(answer.status, MessageStatus::Complete | MessageStatus::Truncated);
        if conversation.temporary || !is_whole {
            return;
        }
        let (app, answer) = (self.clone(), answer.clone());
        let closing = self.0.closing.child_token();
        let task = async move {
            if let Some(Err(error)) = closing.run_until_cancelled(app.write_title(&answer)).await {
                tracing::debug!(code = error.code, "a conversation keeps its first line as title: {error}");
            }
        };
        self.0.tasks.spawn_on(task, &self.0.runtime);
    }

    async fn write_title(&self, answer: &Message) -> Result<(), AppError> {
        let settings = self.settings().await?;
        let (id, leaf) = (answer.conversation_id.clone(), answer.id.clone());
        let wanted = self.0.db.run(move |store| Ok((store.wants_title(&id)?, store.branch(&leaf)?))).await?;
        let (true, true, [question, answer]) = (settings.write_titles, wanted.0, wanted.1.as_slice()) else {
            return Ok(());
        };
        let Some(model) = answer.model.as_deref() else { return Ok(()) };
        // A server elsewhere may count every token, and a model that has left memory is not brought back for a title.
        if self.remote_named(model).await?.is_some() {
            return Ok(());
        }
        let Some(engine) = self.engine_in_memory(model) else { return Ok(()) };
        let Some(title) = write(&engine, &question.content, &answer.content).await? else { return Ok(()) };
        let id = answer.conversation_id.clone();
        if self.0.db.run(move |store| store.title_by_model(&id, &title)).await? {
            self.emit(AppEvent::ConversationsChanged);
        }
        Ok(())
    }

    fn engine_in_memory(&self, model: &str) -> Option<Arc<Engine>> {
        self.engines_in_memory().into_iter().find(|(id, _)| id == model).map(|(_, engine)| engine)
    }
}

async fn write(engine: &Arc<Engine>, question: &str, answer: &str) -> Result<Option<String>, AppError> {
    let cut = |text: &str| text.chars().take(READ).collect::<String>();
    let words =
        format!("User: {}\n\nAssistant: {}\n\n{INSTRUCTION}", cut(question), cut(without_thoughts(answer)));
    let messages = vec![ChatMessage::new("user", words)];
    let mut request = GenerateRequest {
        sampling: SamplingParams::greedy(),
        max_tokens: Some(MOST_TOKENS),
        priority: Priority::Background,
        ..GenerateRequest::new(Prompt::Messages { messages, tools: None })
    };
    request.template_vars.insert("enable_thinking".into(), false.into());
    let asked = Arc::clone(engine);
    let stream = tokio::task::spawn_blocking(move || asked.generate(request));
    let mut stream = stream.await.map_err(AppError::internal)??;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            GenerationEvent::Text { text: piece, .. } => text.push_str(&piece),
            GenerationEvent::Finished { reason: FinishReason::Stop, .. } => return Ok(title(&text)),
            GenerationEvent::Finished { .. } => return Ok(None),
            GenerationEvent::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(None)
}

/// What a model wrote as a title; `None` where it is none.
fn title(text: &str) -> Option<String> {
    let text = without_thoughts(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = line.trim_start_matches(['#', ' ']).trim_start_matches("Title:");
    let line = line.trim().trim_matches(['"', '\'', '*', '“', '”', '„', '«', '»', '`']);
    let line = line.trim_end_matches(['.', ' ']);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_title = line.chars().any(char::is_alphanumeric)
        && !line.chars().any(|c| c.is_control() || c == '\u{FFFD}')
        && line.chars().count() <= LONGEST;
    is_title.then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_a_short_line_of_words() {
        assert_eq!(title("**\"Why the sky is blue\"**\n"), Some("Why the sky is blue".into()));
        assert_eq!(title("# Title: Tea.\nMore"), Some("Tea".into()));
        assert_eq!(title("<think>hm</think>\n今天天气"), Some("今天天气".into()));
        for none in ["", " \n", "***", "<think>hm", &"word ".repeat(20), "a\u{FFFD}b"] {
            assert_eq!(title(none), None, "{none:?}");
        }
    }
}
