//! Conversations that outgrow the context, with a real template and a real cache.

use super::*;
use crate::overflow::{Dropped, Overflow};

const CONTEXT: usize = 512;

fn small() -> Engine {
    engine(EngineOptions { context_length: Some(CONTEXT as u32), ..options() })
}

/// Instructions, then questions and answers that are not alike, and a question at the end.
fn conversation(turns: usize) -> Vec<ChatMessage> {
    let mut messages = vec![ChatMessage::new("system", "Be brief.")];
    for turn in 1..turns {
        messages.push(ChatMessage::new("user", format!("Question {turn}: {}", "why? ".repeat(turn % 4))));
        messages.push(ChatMessage::new("assistant", format!("Answer {turn}: {}", "so. ".repeat(turn % 3))));
    }
    messages.push(ChatMessage::new("user", "And now?"));
    messages
}

fn request(messages: Vec<ChatMessage>, overflow: Overflow) -> GenerateRequest {
    let prompt = Prompt::Messages { messages, tools: None };
    GenerateRequest { prompt, overflow, ..greedy(&[], 16) }
}

fn asked(engine: &Engine, messages: Vec<ChatMessage>) -> (Option<Dropped>, Answer) {
    let stream = engine.generate(request(messages, Overflow::DropOldest)).expect("accepted");
    let dropped = stream.dropped().cloned();
    (dropped, outcome(stream).expect("finished"))
}

fn tokens(engine: &Engine, messages: Vec<ChatMessage>) -> usize {
    engine.prompt_ids(Prompt::Messages { messages, tools: None }).expect("it renders").len()
}

#[test]
fn a_conversation_that_does_not_fit_is_an_error_unless_the_caller_said_otherwise() {
    let engine = small();
    let error = engine.generate(request(conversation(60), Overflow::default())).expect_err("refused");
    assert_eq!(error.code(), "context_overflow");
    let (dropped, _) = asked(&engine, conversation(2));
    assert_eq!(dropped, None, "what fits is left whole");
}

#[test]
fn the_prompt_is_that_of_the_messages_that_stay() {
    let engine = small();
    let messages = conversation(60);
    let (dropped, answer) = asked(&engine, messages.clone());
    let dropped = dropped.expect("it does not fit");
    assert!(dropped.messages.iter().copied().eq(1..=dropped.messages.len()), "{dropped:?}");
    assert_eq!(messages[dropped.messages.len() + 1].role, "user", "turns go whole");
    assert_eq!(dropped.tokens_before, tokens(&engine, messages.clone()));
    let left: Vec<_> = messages
        .iter()
        .enumerate()
        .filter(|(at, _)| !dropped.messages.contains(at))
        .map(|(_, message)| message.clone())
        .collect();
    assert_eq!(dropped.tokens_after, tokens(&engine, left.clone()));
    assert_eq!(answer.usage.prompt_tokens, dropped.tokens_after);
    assert!(dropped.tokens_after + 16 <= CONTEXT && dropped.tokens_after > CONTEXT / 2, "{dropped:?}");
    let alone = outcome(small().generate(request(left, Overflow::Error)).expect("accepted"));
    assert_eq!(alone.expect("finished").tokens, answer.tokens);
}

#[test]
fn what_stays_is_found_in_the_cache_turn_after_turn() {
    let engine = small();
    let (mut cuts, mut before) = (Vec::new(), None);
    for turns in 40..70 {
        let (dropped, answer) = asked(&engine, conversation(turns));
        let dropped = dropped.expect("it does not fit").messages.len();
        if let Some((cut, prompt)) = before
            && cut == dropped
        {
            // Its last question is another one now; a block is as much as it may cost.
            let cached = answer.usage.cached_tokens;
            assert!(cached + 64 > prompt, "{turns} turns: {cached} of {prompt} tokens were cached");
        }
        before = Some((dropped, answer.usage.prompt_tokens));
        cuts.push(dropped);
    }
    assert!(cuts.is_sorted(), "{cuts:?}");
    let grown = tokens(&engine, conversation(69)) - tokens(&engine, conversation(40));
    cuts.dedup();
    assert!(cuts.len() > 1 && cuts.len() <= grown / (CONTEXT / 4) + 2, "{grown} tokens: {cuts:?}");
}

#[test]
fn a_last_turn_that_fills_the_context_is_an_error_all_the_same() {
    let engine = small();
    let mut messages = conversation(20);
    messages.pop();
    messages.push(ChatMessage::new("user", "long ".repeat(600)));
    let error = engine.generate(request(messages.clone(), Overflow::DropOldest)).expect_err("refused");
    let kept = tokens(&engine, vec![messages[0].clone(), messages[messages.len() - 1].clone()]);
    assert!(
        matches!(error, EngineError::ContextOverflow { prompt, context: CONTEXT, .. } if prompt == kept),
        "{error:?}, {kept}"
    );
    let tokens = GenerateRequest { overflow: Overflow::DropOldest, ..greedy(&prompt(1, 600), 5) };
    assert_eq!(engine.generate(tokens).expect_err("tokens have no turns").code(), "context_overflow");
}
