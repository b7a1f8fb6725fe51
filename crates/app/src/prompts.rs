//! The library of prompts. What is between `{{` and `}}` is filled in by whoever puts a prompt into a message; here it is text.

use lantern_protocol::{AppEvent, SavedPrompt};

use crate::{App, AppError};

/// Longest name, in characters.
const LONGEST_NAME: usize = 80;
/// Longest prompt, in bytes.
const LONGEST_TEXT: usize = 256 << 10;

impl App {
    /// All prompts by name.
    pub async fn prompts(&self) -> Result<Vec<SavedPrompt>, AppError> {
        self.0.db.run(|store| store.prompts()).await
    }

    /// Changes a prompt, or makes one without an id.
    pub async fn save_prompt(
        &self,
        id: Option<String>,
        name: &str,
        text: String,
    ) -> Result<SavedPrompt, AppError> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = name.trim_start_matches('/').to_owned();
        let refused = |message: String, next_step: &str| Err(AppError::new("bad_prompt", message, next_step));
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            let message = format!("A prompt's name has 1 to {LONGEST_NAME} characters.");
            return refused(message, "Type another name.");
        }
        if text.trim().is_empty() {
            return refused("The prompt has no words.".into(), "Type some.");
        }
        if text.len() > LONGEST_TEXT {
            let message = format!("The prompt has {} bytes; it may have {LONGEST_TEXT}.", text.len());
            return refused(message, "Shorten it, or attach it to a message as a file.");
        }
        let save = move |store: &mut lantern_store::Store| store.save_prompt(id.as_deref(), &name, &text);
        let prompt = self.0.db.run(save).await?;
        self.emit(AppEvent::PromptsChanged);
        Ok(prompt)
    }

    /// Deletes a prompt.
    pub async fn delete_prompt(&self, id: &str) -> Result<(), AppError> {
        let id = id.to_owned();
        self.0.db.run(move |store| store.delete_prompt(&id)).await?;
        self.emit(AppEvent::PromptsChanged);
        Ok(())
    }
}
