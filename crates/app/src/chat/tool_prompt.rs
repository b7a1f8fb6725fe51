//! Calls of tools and their results, as the model reads them.

use std::collections::HashMap;

use lantern_engine::ChatMessage;
use lantern_protocol::{Role, ToolCall, ToolCallState};
use serde_json::json;

use super::prompt::BranchPrompt;

/// Most of a result that the model reads, in bytes. More is there for the user.
const MOST_RESULT: usize = 32 << 10;
/// The tags in which thoughts are stored.
const THOUGHT: (&str, &str) = ("<think>", "</think>");

/// The calls of messages, by their ids.
pub(super) type Called = HashMap<String, Vec<ToolCall>>;

/// Calls by the messages in which they were made.
pub(super) fn calls_of(calls: &[ToolCall]) -> Called {
    let mut called = Called::new();
    for call in calls {
        called.entry(call.message_id.clone()).or_default().push(call.clone());
    }
    called
}

/// What the model reads of a call that has ended.
pub(super) fn told(call: &ToolCall) -> String {
    let text = call.result.as_ref().map(|result| result.text.as_str()).unwrap_or_default();
    let words = match call.state {
        ToolCallState::Done if text.is_empty() => "Done; there is no output.",
        ToolCallState::Failed if text.is_empty() => "Error: it failed and did not say why.",
        ToolCallState::Done | ToolCallState::Failed => text,
        ToolCallState::Denied => "Error: the user did not allow this call.",
        ToolCallState::Stopped => "Error: the user stopped this call; it may have had effects.",
        ToolCallState::Interrupted => {
            "Error: this call was cut off; whether it had effects is not known. Do not repeat it without asking the user."
        }
        ToolCallState::NotRun | ToolCallState::Asking | ToolCallState::Running => {
            "Error: this call was not run."
        }
    };
    if words.len() <= MOST_RESULT {
        return words.to_owned();
    }
    let end = words.floor_char_boundary(MOST_RESULT);
    format!("{}\n[{} bytes more were left out]", &words[..end], words.len() - end)
}

/// The same conversation with calls at the messages that made them and a result behind each: templates insist on both. A call
/// without a stored result (it was cut off) gets one that says so.
pub(super) fn with_calls(prompt: BranchPrompt, calls: &Called) -> BranchPrompt {
    if calls.is_empty() {
        return prompt;
    }
    let mut made = BranchPrompt { messages: Vec::new(), sources: Vec::new() };
    let mut open: Vec<&ToolCall> = Vec::new();
    for (message, source) in prompt.messages.into_iter().zip(prompt.sources) {
        if message.role == Role::Tool.as_str() && !open.is_empty() {
            let call = open.remove(0);
            made.push(result(call, message.content), source);
            continue;
        }
        open.drain(..).for_each(|call| made.push(result(call, told(call)), Vec::new()));
        match source.first().and_then(|id| calls.get(id)).filter(|_| source.len() == 1) {
            Some(own) => {
                open.extend(own);
                made.push(calling(message, own), source);
            }
            None => made.push(message, source),
        }
    }
    open.drain(..).for_each(|call| made.push(result(call, told(call)), Vec::new()));
    made
}

impl BranchPrompt {
    fn push(&mut self, message: ChatMessage, source: Vec<String>) {
        self.messages.push(message);
        self.sources.push(source);
    }
}

/// A message with its calls. What the model thought before them is told apart, so that its template decides whether it is
/// shown again: most do as long as the user has said nothing since. Where words stand between, some templates refuse both; it
/// then stays in the text, as in answers without calls.
fn calling(message: ChatMessage, calls: &[ToolCall]) -> ChatMessage {
    let (reasoning, content) = match only_thought(&message.content) {
        Some(thought) => (Some(thought.to_owned()), String::new()),
        None => (None, message.content),
    };
    let made = calls.iter().map(|call| {
        json!({"id": call.call_id, "type": "function",
            "function": {"name": call.name, "arguments": arguments(call)}})
    });
    let tool_calls = Some(made.collect());
    ChatMessage { content, reasoning, tool_calls, parts: None, ..message }
}

/// The thought of a message that has nothing else.
fn only_thought(content: &str) -> Option<&str> {
    let (thought, rest) = content.trim_start().strip_prefix(THOUGHT.0)?.split_once(THOUGHT.1)?;
    rest.trim().is_empty().then(|| thought.trim())
}

/// JSON text of an object, whatever the model wrote: templates would fail at anything else.
fn arguments(call: &ToolCall) -> String {
    let is_object =
        serde_json::from_str::<serde_json::Value>(&call.arguments).is_ok_and(|json| json.is_object());
    if is_object { call.arguments.clone() } else { "{}".to_owned() }
}

fn result(call: &ToolCall, content: String) -> ChatMessage {
    ChatMessage {
        tool_call_id: Some(call.call_id.clone()),
        name: Some(call.name.clone()),
        ..ChatMessage::new(Role::Tool.as_str(), content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(message: &str, id: &str, state: ToolCallState) -> ToolCall {
        ToolCall {
            id: format!("row of {id}"),
            message_id: message.into(),
            call_id: id.into(),
            server: "lantern".into(),
            tool: "calculator".into(),
            name: "calculator".into(),
            arguments: "{\"expression\": \"6*7\"}".into(),
            state,
            result: None,
            created_at: 0,
            started_at: None,
            ended_at: None,
        }
    }

    fn made(messages: &[(&str, &str)], calls: &[ToolCall]) -> Vec<ChatMessage> {
        let (messages, sources) = messages
            .iter()
            .enumerate()
            .map(|(at, (role, text))| (ChatMessage::new(*role, *text), vec![at.to_string()]))
            .unzip();
        with_calls(BranchPrompt { messages, sources }, &calls_of(calls)).messages
    }

    #[test]
    fn each_call_has_its_result_behind_it() {
        let calls = [call("1", "a", ToolCallState::Done), call("1", "b", ToolCallState::Denied)];
        let messages = [
            ("user", "6*7?"),
            ("assistant", "<think>\nhm\n</think>\n\n"),
            ("tool", "42"),
            ("tool", "no"),
            ("assistant", "42."),
        ];
        let made = made(&messages, &calls);
        let roles: Vec<_> = made.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "tool", "assistant"]);
        assert_eq!((made[1].content.as_str(), made[1].reasoning.as_deref()), ("", Some("hm")));
        assert_eq!(made[1].tool_calls.as_ref().unwrap()[1]["id"], "b");
        let ids: Vec<_> = made[2..4].iter().map(|message| message.tool_call_id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_call_that_was_cut_off_has_a_result_too() {
        let calls = [call("1", "a", ToolCallState::Interrupted)];
        for rest in [&[][..], &[("user", "And now?")][..]] {
            let messages = [&[("user", "6*7?"), ("assistant", "")][..], rest].concat();
            let made = made(&messages, &calls);
            assert_eq!((made[2].role.as_str(), made[2].tool_call_id.as_deref()), ("tool", Some("a")));
            assert!(made[2].content.contains("cut off"), "{}", made[2].content);
            assert_eq!(made.len(), messages.len() + 1);
        }
    }

    #[test]
    fn templates_get_objects_and_no_more_than_fits() {
        let broken = ToolCall { arguments: "{\"a\": ".into(), ..call("1", "a", ToolCallState::Failed) };
        let made = made(&[("user", "?"), ("assistant", "")], &[broken]);
        assert_eq!(made[1].tool_calls.as_ref().unwrap()[0]["function"]["arguments"], "{}");
        let result = lantern_protocol::ToolResult { text: "ä".repeat(100_000), ..Default::default() };
        let long = ToolCall { result: Some(result), ..call("1", "a", ToolCallState::Done) };
        assert!(told(&long).len() < MOST_RESULT + 100 && told(&long).contains("left out"));
    }
}
