//! What two models read to be compared.

use lantern_protocol::{CompareText, Conversation, Message, Role};
use lantern_store::{Store, StoreError};

use crate::{App, AppError};

/// A few pages in five languages, of code, of data and of a conversation; written for this.
const BUILT_IN: &str = include_str!("text.txt");
/// Most characters of a person's own text; no comparison has the time for more.
const MOST: usize = 400_000;
/// Conversations that are looked through for prompts.
const MOST_CONVERSATIONS: usize = 200;

impl App {
    /// The text, and what it is in words.
    pub(super) async fn text_to_compare(&self, text: CompareText) -> Result<(String, String), AppError> {
        match text {
            CompareText::BuiltIn => Ok((BUILT_IN.into(), "the built-in text".into())),
            CompareText::Given { text } => {
                let text: String = text.chars().take(MOST).collect();
                let words = format!("a text of {} characters", text.chars().count());
                Ok((text, words))
            }
            CompareText::LastPrompts { count } => {
                let wanted = count.clamp(1, 1000) as usize;
                let (text, found) = self.0.db.run(move |store| last_prompts(store, wanted)).await?;
                if found == 0 {
                    let message = "There are no conversations whose prompts could be read.";
                    return Err(AppError::new(
                        "no_prompts",
                        message,
                        "Compare with the built-in text, or with a file.",
                    ));
                }
                let prompts = if found == 1 { "prompt" } else { "prompts" };
                Ok((text, format!("the last {found} {prompts}, with their answers")))
            }
        }
    }
}

/// The last prompts with their answers, those of the conversation used last at the end; and how many there are.
fn last_prompts(store: &mut Store, wanted: usize) -> Result<(String, usize), StoreError> {
    let (mut parts, mut found, mut len) = (Vec::new(), 0, 0);
    for Conversation { id, leaf_id, .. } in store.conversations()?.into_iter().take(MOST_CONVERSATIONS) {
        let Some(leaf) = leaf_id else { continue };
        for Message { role, content, .. } in store.branch(&leaf)?.into_iter().rev() {
            if found == wanted || len >= MOST {
                break;
            }
            if content.trim().is_empty() || !matches!(role, Role::User | Role::Assistant) {
                continue;
            }
            found += usize::from(role == Role::User);
            len += content.len();
            parts.push(content);
        }
        tracing::debug!(conversation = id, found, "prompts to compare with");
        if found == wanted || len >= MOST {
            break;
        }
    }
    parts.reverse();
    Ok((parts.join("\n\n"), found))
}
