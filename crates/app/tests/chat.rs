//! Questions and answers from beginning to end: real database files, a real model.

mod support;

use lantern_app::{App, ChatStream};
use lantern_protocol::{
    ChatEvent, Message, MessageStatus, ModelState, Overflow, Role, SendMessage, SettingsPatch,
};
use support::*;

#[tokio::test]
async fn an_answer_arrives_in_order_and_is_stored_as_it_arrived() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(40)).await;
    let stream = app.send_message(message(None, "Tell me a story\nabout a lantern")).await.unwrap();
    let answer_id = stream.message_id().to_owned();
    let events = drain(stream).await;

    let ChatEvent::Started { conversation, user_message: Some(question), assistant_message } = &events[0]
    else {
        panic!("the first event is {:?}", events[0]);
    };
    assert_eq!(conversation.title, "Tell me a story");
    assert_eq!(question.content, "Tell me a story\nabout a lantern");
    assert_eq!((&assistant_message.id, assistant_message.status), (&answer_id, MessageStatus::Streaming));
    assert_eq!(events[1], ChatEvent::Loading { model: MODEL.into() });
    let rank = |event: &ChatEvent| match event {
        ChatEvent::Started { .. } => 0,
        ChatEvent::Loading { .. } => 1,
        ChatEvent::Sources { .. } => 2,
        ChatEvent::Summarising | ChatEvent::Summarised { .. } | ChatEvent::Dropped { .. } => 2,
        ChatEvent::Queued { .. } => 3,
        ChatEvent::Prefill { .. } => 4,
        ChatEvent::Text { .. } | ChatEvent::ToolCall { .. } | ChatEvent::Round { .. } => 5,
        ChatEvent::Finished { .. } | ChatEvent::Failed { .. } => 6,
    };
    assert!(events.is_sorted_by_key(rank), "{events:?}");
    assert_eq!(events.iter().filter(|event| rank(event) == 6).count(), 1);

    let message = finished(&events);
    assert!(!message.content.is_empty());
    assert_eq!(message.content, text(&events));
    assert_eq!(message.model.as_deref(), Some(MODEL));
    let stats = message.stats.expect("a finished answer has its figures");
    assert!(stats.prompt_tokens > 10 && (1..=40).contains(&stats.completion_tokens), "{stats:?}");

    let view = app.conversation(&conversation.id).await.unwrap();
    assert_eq!(view.messages, [question.clone(), message.clone()]);
    drop(app);
    let after = open(home.path()).await.conversation(&conversation.id).await.unwrap();
    assert_eq!(after.messages, view.messages, "a restart lost something");
}

#[tokio::test]
async fn the_token_limit_shows_in_the_status() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(1)).await;
    let message = answer(&app, None, "Hi").await;
    // One token may happen to be the end of the turn.
    assert!(matches!(message.status, MessageStatus::Truncated | MessageStatus::Complete));
    assert_eq!(message.stats.unwrap().completion_tokens, 1);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answer() {
    let (_home, app) = with_model().await;
    let sampling = lantern_protocol::SamplingSettings {
        temperature: 1.0,
        seed: Some(7),
        max_tokens: Some(30),
        ..Default::default()
    };
    app.update_settings(SettingsPatch { sampling: Some(sampling), ..Default::default() }).await.unwrap();
    let first = answer(&app, None, "Hi").await;
    let second = answer(&app, None, "Hi").await;
    assert_eq!(first.content, second.content);
    assert_ne!(first.id, second.id);
}

/// Ends answers after their first text until one was still being written. The tiny model may finish first.
async fn end_early(app: &App, end: impl AsyncFn(ChatStream)) -> Message {
    for attempt in 0..30 {
        let mut stream = app.send_message(message(None, &format!("Story {attempt}"))).await.unwrap();
        let id = stream.message_id().to_owned();
        while !matches!(next(&mut stream).await, ChatEvent::Text { .. }) {}
        end(stream).await;
        let ended = until("the answer's end", async || {
            let message = find(app, &id).await;
            (message.status != MessageStatus::Streaming).then_some(message)
        })
        .await;
        if ended.status == MessageStatus::Stopped {
            return ended;
        }
        assert!(matches!(ended.status, MessageStatus::Complete | MessageStatus::Truncated), "{ended:?}");
    }
    panic!("the model was always faster");
}

async fn find(app: &App, message_id: &str) -> Message {
    for summary in app.list_conversations(None).await.unwrap() {
        let view = app.conversation(&summary.conversation.id).await.unwrap();
        if let Some(message) = view.messages.into_iter().find(|m| m.id == message_id) {
            return message;
        }
    }
    panic!("no message {message_id}");
}

#[tokio::test]
async fn a_stopped_answer_keeps_its_text_and_its_figures() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, None).await;
    let message = end_early(&app, async |stream| {
        let id = stream.message_id().to_owned();
        app.stop(&id).await.unwrap();
        assert_eq!(finished(&drain(stream).await).id, id);
    })
    .await;
    assert!(!message.content.is_empty());
    assert!(message.stats.unwrap().completion_tokens > 0);
}

#[tokio::test]
async fn dropping_the_stream_stops_the_answer() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, None).await;
    let message = end_early(&app, async |stream| drop(stream)).await;
    assert!(!message.content.is_empty());
}

#[tokio::test]
async fn shutting_down_leaves_an_interrupted_answer() {
    for _ in 0..30 {
        let (_home, app) = with_model().await;
        limit_tokens(&app, None).await;
        let mut stream = app.send_message(message(None, "Story")).await.unwrap();
        while !matches!(next(&mut stream).await, ChatEvent::Text { .. }) {}
        app.shutdown().await;
        let ended = find(&app, stream.message_id()).await;
        assert_ne!(ended.status, MessageStatus::Streaming, "shutdown did not wait");
        assert!(!ended.content.is_empty());
        if ended.status == MessageStatus::Interrupted {
            return;
        }
    }
    panic!("the model was always faster");
}

#[tokio::test]
async fn another_answer_is_a_sibling_and_an_edit_a_branch() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(12)).await;
    let first = answer(&app, None, "A").await;
    let id = first.conversation_id.clone();
    let follow_up = answer(&app, Some(&id), "B").await;

    let again = finished(&drain(app.regenerate(&follow_up.id, None).await.unwrap()).await);
    assert_eq!(again.parent_id, follow_up.parent_id);
    assert_ne!(again.id, follow_up.id);

    let question_id = follow_up.parent_id.clone().unwrap();
    let events = drain(app.edit_message(&question_id, "C", None).await.unwrap()).await;
    let ChatEvent::Started { user_message: Some(edited), .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((edited.content.as_str(), edited.parent_id.as_ref()), ("C", Some(&first.id)));

    let view = app.select_branch(&id, &question_id).await.unwrap();
    assert_eq!(view.conversation.leaf_id.as_ref(), Some(&again.id), "the newest answer of that branch");
    drop(app);
    let view = open(home.path()).await.conversation(&id).await.unwrap();
    let contents: Vec<&str> =
        view.messages.iter().filter(|m| m.role == Role::User).map(|m| m.content.as_str()).collect();
    assert_eq!(contents, ["A", "B", "C"]);
    assert_eq!(view.messages.len(), 7);
    assert_eq!(view.conversation.leaf_id, Some(again.id));
}

#[tokio::test]
async fn what_came_before_is_part_of_the_prompt() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let first = answer(&app, None, "A").await;
    let second = answer(&app, Some(&first.conversation_id), "B").await;
    let (first, second) = (first.stats.unwrap(), second.stats.unwrap());
    assert!(second.prompt_tokens > first.prompt_tokens + first.completion_tokens, "{first:?} {second:?}");

    let prompt_tokens = async |system_prompt: &str| {
        let patch = SettingsPatch { system_prompt: Some(system_prompt.into()), ..Default::default() };
        app.update_settings(patch).await.unwrap();
        answer(&app, None, "A").await.stats.unwrap().prompt_tokens
    };
    assert!(prompt_tokens("You are a lantern.").await > prompt_tokens("").await);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_fails_with_both_numbers_and_keeps_the_question() {
    let (_home, app) = with_model().await;
    let long = "word ".repeat(6000);
    let events = drain(app.send_message(message(None, &long)).await.unwrap()).await;
    let Some(ChatEvent::Failed { message, error }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(error.code, "context_overflow");
    assert!(error.message.contains("2048"), "{}", error.message);
    assert_eq!((message.status, message.error.as_ref()), (MessageStatus::Failed, Some(error)));
    let view = app.conversation(&message.conversation_id).await.unwrap();
    assert_eq!(view.messages[0].content, long);
    assert_eq!(view.messages[1], *message);
}

/// A conversation in a context of 256 tokens after so many questions, and the events of its last answer.
async fn outgrown(app: &App) -> (String, Vec<ChatEvent>) {
    let small = SettingsPatch { context_length: Some(256), ..Default::default() };
    app.update_settings(small).await.unwrap();
    limit_tokens(app, Some(8)).await;
    let id = answer(app, None, "The first question, before all others").await.conversation_id;
    for question in 1..40 {
        let text = format!("Question {question} of the conversation");
        let events = drain(app.send_message(message(Some(&id), &text)).await.unwrap()).await;
        let over = |event: &ChatEvent| matches!(event, ChatEvent::Dropped { .. } | ChatEvent::Failed { .. });
        if events.iter().any(over) {
            return (id, events);
        }
    }
    panic!("40 questions and their answers fit into 256 tokens");
}

#[tokio::test]
async fn a_chat_that_outgrows_the_context_goes_on_and_says_what_the_model_does_not_see() {
    let (home, app) = with_model().await;
    let (id, events) = outgrown(&app).await;
    let told = events.iter().find_map(|event| match event {
        ChatEvent::Dropped { message_ids, tokens_before, tokens_after } => {
            Some((message_ids, *tokens_before, *tokens_after))
        }
        _ => None,
    });
    let (message_ids, before, after) = told.expect("it is told");
    let last = finished(&events);
    let stats = last.stats.expect("figures");
    assert_eq!((stats.dropped_messages as usize, stats.prompt_tokens), (message_ids.len(), after));
    assert!(before > after && after + 8 <= 256, "{before} {after}");

    let stored = app.conversation(&id).await.unwrap().messages;
    let oldest: Vec<&String> = stored.iter().map(|message| &message.id).take(message_ids.len()).collect();
    assert_eq!(message_ids.iter().collect::<Vec<_>>(), oldest, "the oldest messages, and nothing is deleted");
    drop(app);
    let stored = open(home.path()).await.conversation(&id).await.unwrap().messages;
    assert_eq!(stored.iter().find(|message| message.id == last.id), Some(&last), "the notice lasts");
}

#[tokio::test]
async fn a_chat_that_outgrows_the_context_is_an_error_where_the_settings_want_one() {
    let (_home, app) = with_model().await;
    let patch = SettingsPatch { overflow: Some(Overflow::Error), ..Default::default() };
    app.update_settings(patch).await.unwrap();
    let (_, events) = outgrown(&app).await;
    let Some(ChatEvent::Failed { error, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(error.code, "context_overflow");
}

#[tokio::test]
async fn a_model_file_that_is_broken_fails_the_answer_and_can_be_replaced() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let broken = home.path().join("broken.gguf");
    std::fs::copy(golden(MODEL), &broken).unwrap();
    app.import_model(&broken, false).await.unwrap();
    std::fs::File::options().write(true).open(&broken).unwrap().set_len(3000).unwrap();

    let request = SendMessage { model: Some("broken".into()), ..message(None, "Hi") };
    let events = drain(app.send_message(request).await.unwrap()).await;
    let Some(ChatEvent::Failed { message: failed, error }) = events.last() else { panic!("{events:?}") };
    assert!(!error.code.is_empty() && !error.next_step.is_empty());
    assert!(matches!(app.model_state().await, ModelState::Failed { model, .. } if model == "broken"));
    assert_eq!(find(&app, &failed.id).await.status, MessageStatus::Failed);

    // The conversation is not lost: the same question goes to another model.
    let retry =
        SendMessage { model: Some(MODEL.into()), ..message(Some(&failed.conversation_id), "And now?") };
    let events = drain(app.send_message(retry).await.unwrap()).await;
    assert_eq!(finished(&events).model.as_deref(), Some(MODEL));
    assert_eq!(
        app.conversation(&failed.conversation_id).await.unwrap().conversation.model.as_deref(),
        Some(MODEL)
    );
}

#[tokio::test]
async fn refusals_store_nothing() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let code = async |request: SendMessage| app.send_message(request).await.map(|_| ()).unwrap_err().code;
    assert_eq!(code(message(None, "Hi")).await, "no_model");
    assert_eq!(code(message(None, " \n\t")).await, "empty_message");
    assert_eq!(code(message(Some("nowhere"), "Hi")).await, "conversation_not_found");
    assert_eq!(app.regenerate("nothing", None).await.map(|_| ()).unwrap_err().code, "message_not_found");
    assert!(app.list_conversations(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_conversation_can_be_deleted_under_its_answer() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, None).await;
    let mut stream = app.send_message(message(None, "Hi")).await.unwrap();
    let ChatEvent::Started { conversation, .. } = next(&mut stream).await else { panic!("not started") };
    app.delete_conversation(&conversation.id).await.unwrap();
    let events = drain(stream).await;
    assert!(matches!(events.last(), Some(ChatEvent::Finished { .. })), "{:?}", events.last());
    assert!(app.list_conversations(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_process_leaves_the_first_ones_answer_alone() {
    let (home, app) = with_model().await;
    limit_tokens(&app, None).await;
    let stream = app.send_message(message(None, "Hi")).await.unwrap();
    let id = stream.message_id().to_owned();
    let other = open(home.path()).await;
    assert_ne!(find(&other, &id).await.status, MessageStatus::Interrupted);
    let message = finished(&drain(stream).await);
    assert_eq!(find(&other, &id).await, message);
}

#[tokio::test]
async fn text_reaches_the_database_while_it_is_being_written() {
    let (home, app) = with_model().await;
    limit_tokens(&app, None).await;
    let other = open(home.path()).await;
    for attempt in 0..30 {
        let mut stream = app.send_message(message(None, &format!("Story {attempt}"))).await.unwrap();
        let id = stream.message_id().to_owned();
        let mut seen = None;
        let last = loop {
            match next(&mut stream).await {
                ChatEvent::Text { .. } if seen.is_none() => {
                    let stored = find(&other, &id).await;
                    let being_written = stored.status == MessageStatus::Streaming;
                    seen = Some(stored.content).filter(|text| being_written && !text.is_empty());
                }
                ChatEvent::Finished { message } => break message,
                ChatEvent::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        };
        if let Some(seen) = seen {
            assert!(last.content.starts_with(&seen), "the journal differs from the answer");
            return;
        }
    }
    panic!("no word was in the database before the answer's end");
}

#[tokio::test]
async fn conversations_are_found_renamed_and_told() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let mut events = app.subscribe();
    let answer = answer(&app, None, "Photosynthesis, please").await;
    let id = answer.conversation_id;
    let found = app.list_conversations(Some("photosyn".into())).await.unwrap();
    assert_eq!(found[0].conversation.id, id);
    assert!(found[0].snippet.as_ref().unwrap().contains("\u{2068}Photosynthesis\u{2069}"));
    assert_eq!(app.rename_conversation(&id, "  Green\n leaves ").await.unwrap().title, "Green leaves");
    assert_eq!(app.rename_conversation(&id, " ").await.unwrap_err().code, "empty_title");
    assert_eq!(app.list_conversations(Some("  ".into())).await.unwrap().len(), 1, "blank is no search");
    let changed = std::iter::from_fn(|| events.try_recv().ok())
        .filter(|event| matches!(event, lantern_protocol::AppEvent::ConversationsChanged))
        .count();
    assert!(changed >= 3, "asked, answered, renamed: told {changed} times");
}

#[tokio::test]
async fn a_conversation_has_its_own_context_and_loads_nothing_for_it() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let first = answer(&app, None, "Hello").await;
    let id = &first.conversation_id;
    let engine = app.engine(None).await.unwrap().engine;
    let strict = SettingsPatch { overflow: Some(lantern_protocol::Overflow::Error), ..Default::default() };
    app.update_settings(strict).await.unwrap();

    let short = app.set_context_length(id, Some(64)).await.unwrap();
    assert_eq!(short.context_length, Some(64));
    let long = "word ".repeat(100);
    let events = drain(app.send_message(message(Some(id), &long)).await.unwrap()).await;
    let Some(ChatEvent::Failed { error, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.code, "context_overflow");
    assert!(error.message.contains("64"), "both numbers: {}", error.message);
    assert_eq!(answer(&app, None, &long).await.status, MessageStatus::Truncated, "others have more");

    app.set_context_length(id, None).await.unwrap();
    assert_eq!(answer(&app, Some(id), &long).await.status, MessageStatus::Truncated);
    assert!(std::sync::Arc::ptr_eq(&engine, &app.engine(None).await.unwrap().engine), "loaded again");
    assert_eq!(app.set_context_length(id, Some(3)).await.unwrap_err().code, "invalid_settings");
}

/// A conversation in a context of so many tokens that summarises, up to its first answer for which it had to.
async fn summarised(app: &App, context: u32) -> (String, Vec<ChatEvent>) {
    let patch = SettingsPatch { overflow: Some(Overflow::Summarise), ..Default::default() };
    app.update_settings(patch).await.unwrap();
    limit_tokens(app, Some(8)).await;
    let id = answer(app, None, "The first question, before all others").await.conversation_id;
    app.set_context_length(&id, Some(context)).await.unwrap();
    for question in 1..60 {
        let text = format!("Question {question} of the conversation, which is about nothing at all");
        let events = drain(app.send_message(message(Some(&id), &text)).await.unwrap()).await;
        let is_over = |event: &ChatEvent| {
            matches!(
                event,
                ChatEvent::Summarised { .. } | ChatEvent::Dropped { .. } | ChatEvent::Failed { .. }
            )
        };
        if events.iter().any(is_over) {
            return (id, events);
        }
    }
    panic!("60 questions and their answers fit into {context} tokens");
}

fn summary_of(events: &[ChatEvent]) -> Option<(Vec<String>, String, u32, u32)> {
    events.iter().find_map(|event| match event {
        ChatEvent::Summarised { message_ids, text, tokens_before, tokens_after } => {
            Some((message_ids.clone(), text.clone(), *tokens_before, *tokens_after))
        }
        _ => None,
    })
}

#[tokio::test]
async fn a_chat_that_outgrows_the_context_goes_on_with_a_summary_that_is_kept() {
    let (_home, app) = with_model().await;
    let (id, events) = summarised(&app, 1024).await;
    assert!(events.contains(&ChatEvent::Summarising), "{events:?}");
    let (message_ids, text, before, after) = summary_of(&events).expect("it is told");
    let stats = finished(&events).stats.expect("figures");
    assert_eq!((stats.summarised_messages as usize, stats.dropped_messages), (message_ids.len(), 0));
    assert!(stats.prompt_tokens == after && after < before && after + 8 <= 1024, "{before} {after}");

    let view = app.conversation(&id).await.unwrap();
    let oldest: Vec<&String> =
        view.messages.iter().map(|message| &message.id).take(message_ids.len()).collect();
    assert_eq!(message_ids.iter().collect::<Vec<_>>(), oldest, "the oldest, and nothing is deleted");
    assert_eq!(view.summaries.len(), 1);
    assert_eq!(
        (&view.summaries[0].message_id, &view.summaries[0].text),
        (message_ids.last().unwrap(), &text)
    );

    // As long as the same turns are gone, what was written once is read again; then it grows.
    let (mut last, mut written) = ((message_ids, text), 1);
    for question in 0..20 {
        let events =
            drain(app.send_message(message(Some(&id), &format!("More {question}?"))).await.unwrap()).await;
        let (ids, text, ..) = summary_of(&events).expect("it never fits again");
        match events.contains(&ChatEvent::Summarising) {
            true => {
                written += 1;
                assert!(ids.len() > last.0.len() && ids.starts_with(&last.0), "{ids:?} behind {last:?}");
            }
            false => {
                assert_eq!((&ids, &text), (&last.0, &last.1), "another summary of the same");
                assert!(finished(&events).stats.unwrap().cached_tokens > 0, "the beginning is the same");
            }
        }
        last = (ids, text);
    }
    assert!((2..10).contains(&written), "{written} summaries for 21 answers");
    assert_eq!(app.conversation(&id).await.unwrap().summaries.len(), written);
    app.delete_conversation(&id).await.unwrap();
}

#[tokio::test]
async fn without_a_summary_the_oldest_turns_are_left_out_and_somebody_says_why() {
    let (_home, app) = with_model().await;
    let mut told = app.subscribe();
    let (_, events) = summarised(&app, 128).await;
    assert_eq!(summary_of(&events), None);
    assert!(events.iter().any(|event| matches!(event, ChatEvent::Dropped { .. })), "{events:?}");
    assert_eq!(finished(&events).status, MessageStatus::Truncated);
    let mut notices = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let lantern_protocol::AppEvent::Notice { notice } = event {
            notices.push(notice.code);
        }
    }
    assert!(notices.contains(&"not_summarised".to_owned()), "{notices:?}");
}
