//! How many tokens a conversation shares with every other that begins with the same instructions and tools.
//!
//! Templates say that nowhere, so the beginning is rendered once more with another question behind it, and the tokens are
//! compared. Instructions that were seen before are remembered by their hash.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::prompt::ChatPrompt;
use crate::text::ChatMessage;

/// Beginnings that are remembered.
const MOST: usize = 32;

/// The lengths of beginnings.
#[derive(Default)]
pub(super) struct Preambles {
    hasher: RandomState,
    known: Mutex<VecDeque<(u64, usize)>>,
}

impl Preambles {
    /// Tokens of the prompt `ids` that belong to instructions and tools; 0 without any, and where nobody can tell.
    pub(super) fn tokens(
        &self,
        chat: &ChatPrompt<'_>,
        messages: &[ChatMessage],
        tools: Option<&Value>,
        ids: &[u32],
    ) -> usize {
        let count = messages.iter().take_while(|message| message.role == "system").count();
        let (instructions, rest) = messages.split_at(count);
        let has_pictures = instructions.iter().any(|message| !message.pictures.is_empty());
        let Some(first) = rest.first().filter(|first| first.role == "user") else { return 0 };
        if has_pictures || (count == 0 && tools.is_none()) {
            return 0;
        }
        let words: Vec<&str> = instructions.iter().map(|message| message.content.as_str()).collect();
        let variables: Vec<String> =
            chat.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = self.hasher.hash_one((words, tools.map(Value::to_string), variables));
        if let Some(tokens) = self.find(name) {
            return tokens.min(ids.len());
        }
        let tokens = shared(chat, instructions, first, tools, ids);
        self.keep(name, tokens);
        tokens
    }

    fn find(&self, name: u64) -> Option<usize> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(other, _)| *other == name).map(|(_, tokens)| *tokens)
    }

    fn keep(&self, name: u64, tokens: usize) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back((name, tokens));
        if known.len() > MOST {
            known.pop_front();
        }
    }
}

fn shared(
    chat: &ChatPrompt<'_>,
    instructions: &[ChatMessage],
    first: &ChatMessage,
    tools: Option<&Value>,
    ids: &[u32],
) -> usize {
    // Something that no word of the question begins with.
    let other = if first.content.starts_with('?') { "!" } else { "?" };
    let mut messages = instructions.to_vec();
    messages.push(ChatMessage::new("user", other));
    // A template that fails here costs no more than a mark.
    let Ok(probe) = chat.plan(&messages, tools) else { return 0 };
    ids.iter().zip(&probe.ids).take_while(|(id, other)| id == other).count()
}
