//! From a stored branch to what the model reads, and from a first message to a title.

use lantern_engine::ChatMessage;
use lantern_protocol::{Message, Role};

use super::tool_prompt::{self, Called};

/// Longest title, in characters.
const TITLE_LENGTH: usize = 60;

/// What the model reads of a branch.
pub(crate) struct BranchPrompt {
    /// Oldest first, behind the system prompt.
    pub(crate) messages: Vec<ChatMessage>,
    /// For each of them the ids of the stored messages that it is made of; none for the system prompt.
    pub(crate) sources: Vec<Vec<String>>,
}

/// The messages of a branch, oldest first, behind the system prompt.
///
/// An answer without a word or a call (it failed or was stopped at once) is left out, and questions that then follow each other
/// become one: templates insist on turns that alternate, and nothing of what the person wrote is lost.
pub(crate) fn messages(system_prompt: &str, branch: &[Message], calls: &Called) -> BranchPrompt {
    let mut messages: Vec<(Role, String)> = Vec::with_capacity(branch.len() + 1);
    let mut sources: Vec<Vec<String>> = Vec::with_capacity(branch.len() + 1);
    if !system_prompt.trim().is_empty() {
        messages.push((Role::System, system_prompt.to_owned()));
        sources.push(Vec::new());
    }
    for message in branch {
        let is_silent = message.content.is_empty() && !calls.contains_key(&message.id);
        if message.role == Role::Assistant && is_silent {
            continue;
        }
        match (messages.last_mut(), sources.last_mut()) {
            (Some((Role::User, words)), Some(source)) if message.role == Role::User => {
                words.push_str("\n\n");
                words.push_str(&message.content);
                source.push(message.id.clone());
            }
            // Other programs' answers come in several pieces; templates insist here, too.
            (Some((Role::Assistant, words)), Some(source)) if message.role == Role::Assistant => {
                words.push_str("\n\n");
                words.push_str(&message.content);
                source.push(message.id.clone());
            }
            _ => {
                messages.push((message.role, message.content.clone()));
                sources.push(vec![message.id.clone()]);
            }
        }
    }
    let messages = messages.into_iter().map(|(role, content)| ChatMessage::new(role.as_str(), content));
    tool_prompt::with_calls(BranchPrompt { messages: messages.collect(), sources }, calls)
}

/// The first line that has words, cut at a word's end.
pub(crate) fn title(content: &str) -> String {
    let line = content.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TITLE_LENGTH {
        return line;
    }
    // One place is for the ellipsis; a first word longer than the title is cut through.
    let head: String = line.chars().take(TITLE_LENGTH).collect();
    let cut = match head.rfind(' ') {
        Some(end) => &head[..end],
        None => &head[..head.char_indices().nth(TITLE_LENGTH - 1).map_or(head.len(), |(at, _)| at)],
    };
    format!("{}…", cut.trim_end_matches([' ', ',', ';', ':', '-']))
}

#[cfg(test)]
mod tests {
    use lantern_protocol::MessageStatus;

    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message {
            id: format!("id of {content}"),
            conversation_id: String::new(),
            parent_id: None,
            role,
            content: content.into(),
            status: MessageStatus::Complete,
            model: None,
            error: None,
            stats: None,
            created_at: 0,
        }
    }

    fn rendered(system: &str, branch: &[Message]) -> Vec<(String, String)> {
        messages(system, branch, &Called::new()).messages.into_iter().map(|m| (m.role, m.content)).collect()
    }

    #[test]
    fn turns_alternate_even_after_an_answer_without_words() {
        let branch = [message(Role::User, "One"), message(Role::Assistant, ""), message(Role::User, "Two")];
        assert_eq!(
            rendered("Be brief.", &branch),
            [("system".into(), "Be brief.".into()), ("user".into(), "One\n\nTwo".into())]
        );
        let sources = messages("Be brief.", &branch, &Called::new()).sources;
        assert_eq!(sources, [vec![], vec!["id of One".to_owned(), "id of Two".to_owned()]]);
    }

    #[test]
    fn no_system_prompt_is_no_system_message() {
        assert_eq!(rendered(" ", &[message(Role::User, "Hi")]), [("user".into(), "Hi".into())]);
    }

    #[test]
    fn titles_end_at_a_word() {
        assert_eq!(title("\n  Hello   there\nmore"), "Hello there");
        let long =
            title("Please explain to me, in some detail, why the sky looks blue at noon and red at dusk");
        assert_eq!(long, "Please explain to me, in some detail, why the sky looks…");
        let word = title(&"ä".repeat(100));
        assert_eq!(word.chars().count(), TITLE_LENGTH);
        assert!(word.ends_with('…'));
    }
}
