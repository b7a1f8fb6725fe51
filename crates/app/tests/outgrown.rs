//! Conversations that outgrow their context: what each chooses, what the model reads of them, and summaries in a person's
//! hands. A real model in a small context; what it reads is compared with prompts that are put together here.

mod support;

use lantern_app::App;
use lantern_engine::{ChatMessage, Prompt};
use lantern_protocol::{
    AnswerSight, ChatEvent, Message, MessageStatus, NextSight, Overflow, Role, SettingsPatch,
};
use support::*;

/// What stands before a summary in the prompt.
const HEADING: &str = "What was said before, in short:";
const CONTEXT: u32 = 1024;

/// What an answer was told not to read: the last message of which it read a summary, with that, and the last one left out.
type Unseen = (Option<(String, String)>, Option<String>);

fn unseen(events: &[ChatEvent]) -> Unseen {
    let mut unseen = (None, None);
    for event in events {
        match event {
            ChatEvent::Summarised { message_ids, text, .. } => {
                unseen.0 = message_ids.last().map(|id| (id.clone(), text.clone()));
            }
            ChatEvent::Dropped { message_ids, .. } => unseen.1 = message_ids.last().cloned(),
            _ => {}
        }
    }
    unseen
}

async fn send(app: &App, id: &str, words: &str) -> Vec<ChatEvent> {
    drain(app.send_message(message(Some(id), words)).await.unwrap()).await
}

/// A conversation that does this when it no longer fits, after the first answer for which it had to.
async fn outgrown(app: &App, overflow: Overflow) -> (String, Vec<ChatEvent>) {
    let id = answer(app, None, "The first question, before all others").await.conversation_id;
    app.set_context_length(&id, Some(CONTEXT)).await.unwrap();
    app.set_overflow(&id, Some(overflow)).await.unwrap();
    let events = grow(app, &id).await;
    (id, events)
}

/// Asks on until something is left out, summarised or refused.
async fn grow(app: &App, id: &str) -> Vec<ChatEvent> {
    for question in 1..60 {
        let words = format!("Question {question} of the conversation, which is about nothing at all");
        let events = send(app, id, &words).await;
        if unseen(&events) != (None, None) || matches!(events.last(), Some(ChatEvent::Failed { .. })) {
            return events;
        }
    }
    panic!("60 questions and their answers fit into {CONTEXT} tokens");
}

/// Asks on until the model has written another summary: it serves for the next few questions.
async fn settled(app: &App, id: &str) -> (String, String) {
    for _ in 0..60 {
        let events = send(app, id, "Tell me more of it, and take as long as you like, please.").await;
        if events.contains(&ChatEvent::Summarising) {
            return unseen(&events).0.expect("a summary");
        }
    }
    panic!("60 questions took no other summary");
}

async fn small() -> (tempfile::TempDir, App) {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    (home, app)
}

/// Tokens of the prompt that has these words before the messages behind one of them, up to a question.
async fn prompt_tokens(
    app: &App,
    id: &str,
    summary: Option<&str>,
    behind: Option<&str>,
    question: &str,
) -> u32 {
    let messages = app.conversation(id).await.unwrap().messages;
    let begin = behind.map_or(0, |end| 1 + messages.iter().position(|message| message.id == end).unwrap());
    let end = messages.iter().position(|message| message.id == question).unwrap();
    let system = app.settings().await.unwrap().system_prompt;
    let system = summary.map_or(system.clone(), |text| format!("{system}\n\n{HEADING}\n{text}"));
    let said = messages[begin..=end].iter();
    let said = said.map(|message| ChatMessage::new(message.role.as_str(), message.content.clone()));
    let messages = [ChatMessage::new("system", system)].into_iter().chain(said).collect();
    let engine = app.engine(None).await.unwrap().engine;
    let count = move || engine.prompt_ids(Prompt::Messages { messages, tools: None }).unwrap().len();
    u32::try_from(tokio::task::spawn_blocking(count).await.unwrap()).unwrap()
}

/// Checks that the answer's model read exactly this.
async fn assert_read(app: &App, last: &Message, summary: Option<&str>, behind: Option<&str>) {
    let question = last.parent_id.clone().unwrap();
    let expected = prompt_tokens(app, &last.conversation_id, summary, behind, &question).await;
    assert_eq!(last.stats.unwrap().prompt_tokens, expected, "the model read something else");
}

async fn sight_of(app: &App, last: &Message) -> Option<AnswerSight> {
    let context = app.conversation_context(&last.conversation_id, None).await.unwrap();
    context.sights.into_iter().find(|sight| sight.message_id == last.id)
}

async fn next_of(app: &App, id: &str) -> NextSight {
    app.conversation_context(id, None).await.unwrap().next.expect("the model is in memory")
}

#[tokio::test]
async fn a_conversation_chooses_for_itself_and_others_follow_the_settings() {
    let (_home, app) = small().await;
    let (id, events) = outgrown(&app, Overflow::Error).await;
    let Some(ChatEvent::Failed { message: failed, error }) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.code, "context_overflow");
    let next = next_of(&app, &id).await;
    assert!(next.refused && next.dropped_to.is_none() && next.context == CONTEXT, "{next:?}");

    // There and then: another choice, and the same question again.
    app.set_overflow(&id, Some(Overflow::DropOldest)).await.unwrap();
    assert_eq!(app.conversation_context(&id, None).await.unwrap().overflow, Some(Overflow::DropOldest));
    let events = drain(app.regenerate(&failed.id, None).await.unwrap()).await;
    let (summarised, dropped) = unseen(&events);
    let last = finished(&events);
    assert!(summarised.is_none() && dropped.is_some(), "{events:?}");
    assert_read(&app, &last, None, dropped.as_deref()).await;

    app.set_overflow(&id, Some(Overflow::Summarise)).await.unwrap();
    let events = drain(app.regenerate(&last.id, None).await.unwrap()).await;
    let (summarised, dropped) = unseen(&events);
    assert!(summarised.is_some() && dropped.is_none(), "{events:?}");

    let strict = SettingsPatch { overflow: Some(Overflow::Error), ..SettingsPatch::default() };
    app.update_settings(strict).await.unwrap();
    assert!(matches!(send(&app, &id, "Still?").await.last(), Some(ChatEvent::Finished { .. })));
    app.set_overflow(&id, None).await.unwrap();
    assert!(matches!(send(&app, &id, "And now?").await.last(), Some(ChatEvent::Failed { .. })));
    assert_eq!(app.set_overflow("nobody", None).await.unwrap_err().code, "conversation_not_found");
}

#[tokio::test]
async fn a_temporary_chat_chooses_and_is_summarised_too() {
    let (home, app) = small().await;
    let chat = app.begin_temporary_chat().await.unwrap().id;
    app.set_context_length(&chat, Some(CONTEXT)).await.unwrap();
    app.set_overflow(&chat, Some(Overflow::Summarise)).await.unwrap();
    grow(&app, &chat).await;
    let (end, _) = settled(&app, &chat).await;
    app.edit_summary(&end, "They spoke of zyzzyvas.").await.unwrap();
    let events = send(&app, &chat, "Of what?").await;
    assert_eq!(unseen(&events).0, Some((end, "They spoke of zyzzyvas.".into())));
    let last = finished(&events);
    assert!(sight_of(&app, &last).await.is_some());
    for file in ["lantern.db", "lantern.db-wal"] {
        let bytes = std::fs::read(home.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"zyzzyva"), "it is in {file}");
    }
}

/// Before each question, what is planned for it; after it, what its answer was told.
#[tokio::test]
async fn what_is_planned_for_the_next_question_is_what_its_answer_reads() {
    let (_home, app) = small().await;
    for overflow in [Overflow::DropOldest, Overflow::Summarise] {
        let id = answer(&app, None, "The first question, before all others").await.conversation_id;
        app.set_context_length(&id, Some(CONTEXT)).await.unwrap();
        app.set_overflow(&id, Some(overflow)).await.unwrap();
        let mut lost = 0;
        while lost < 12 {
            let next = next_of(&app, &id).await;
            let events = send(&app, &id, "?").await;
            let (summarised, dropped) = unseen(&events);
            let last = finished(&events);
            let summary = summarised.as_ref().map(|(_, text)| text.clone());
            let end = summarised.map(|(end, _)| end);
            assert_eq!((&next.summarised_to, &next.dropped_to), (&end, &dropped), "planned otherwise");
            assert_eq!(next.summary_due, events.contains(&ChatEvent::Summarising));
            assert!(!next.refused);
            let sight = sight_of(&app, &last).await;
            if end.is_none() && dropped.is_none() {
                assert_eq!(sight, None);
                // Longer than the question that counts, so that the context fills up.
                send(&app, &id, "A longer question, which fills the context sooner than short ones do.")
                    .await;
                continue;
            }
            lost += 1;
            assert_read(&app, &last, summary.as_deref(), end.as_deref().or(dropped.as_deref())).await;
            let expected =
                AnswerSight { message_id: last.id, summarised_to: end, summary, dropped_to: dropped };
            assert_eq!(sight, Some(expected));
        }
    }
}

#[tokio::test]
async fn a_longer_context_is_planned_with_before_there_is_room_for_it() {
    let (_home, app) = small().await;
    let (id, _) = outgrown(&app, Overflow::DropOldest).await;
    assert!(next_of(&app, &id).await.dropped_to.is_some());
    app.set_context_length(&id, Some(2048)).await.unwrap();
    let next = next_of(&app, &id).await;
    assert_eq!((next.dropped_to, next.context), (None, 2048));
    let events = send(&app, &id, "?").await;
    assert_eq!(unseen(&events), (None, None));
    app.unload_model().await.unwrap();
    assert_eq!(app.conversation_context(&id, None).await.unwrap().next, None, "nothing is loaded for it");
}

#[tokio::test]
async fn what_a_person_wrote_is_what_the_model_reads_and_stays_in_later_summaries() {
    let (_home, app) = small().await;
    let (id, events) = outgrown(&app, Overflow::Summarise).await;
    let (end, text) = unseen(&events).0.expect("it is summarised");
    assert_read(&app, &finished(&events), Some(&text), Some(&end)).await;
    let (end, _) = settled(&app, &id).await;

    let mine = "Ada asked about the lamp of Cordouan; the keeper is called Heliotrope.";
    let edited = app.edit_summary(&end, &format!("  {mine}\n")).await.unwrap();
    assert_eq!((edited.text.as_str(), edited.edited), (mine, true));
    let events = send(&app, &id, "And now?").await;
    let now = unseen(&events).0.expect("it is summarised");
    assert!(!events.contains(&ChatEvent::Summarising), "the model wrote over it");
    assert_eq!(now.1, mine);
    assert_read(&app, &finished(&events), Some(mine), Some(&now.0)).await;
    // What an earlier answer read is told as it was.
    assert_eq!(sight_of(&app, &finished(&events)).await.unwrap().summary.as_deref(), Some(mine));

    // Twice the conversation moves on, and each time the model writes behind what the person wrote.
    let mut written = 0;
    let mut last = end;
    while written < 2 {
        let events = send(&app, &id, "Tell me more of it, and take as long as you like, please.").await;
        let (end, text) = unseen(&events).0.expect("it never fits again");
        assert!(text.starts_with(mine), "the person's words are gone: {text}");
        if events.contains(&ChatEvent::Summarising) {
            written += 1;
            assert!(end != last && text.len() > mine.len() + 2, "{text}");
            last.clone_from(&end);
        }
        assert_read(&app, &finished(&events), Some(&text), Some(&end)).await;
    }
    let view = app.conversation(&id).await.unwrap();
    let edited: Vec<bool> = view.summaries.iter().map(|summary| summary.edited).collect();
    assert_eq!(edited, [false, true, false, false]);
}

#[tokio::test]
async fn a_removed_summary_is_gone_and_the_messages_are_read_again() {
    let (_home, app) = small().await;
    let (id, events) = outgrown(&app, Overflow::Summarise).await;
    let (end, _) = unseen(&events).0.unwrap();
    app.edit_summary(&end, "Mine.").await.unwrap();
    app.remove_summary(&end).await.unwrap();
    assert!(app.conversation(&id).await.unwrap().summaries.is_empty());
    assert_eq!(app.remove_summary(&end).await.unwrap_err().code, "summary_not_found");
    assert_eq!(app.edit_summary(&end, "x").await.unwrap_err().code, "summary_not_found");
    // Where they fit, they are read as they stand.
    app.set_context_length(&id, Some(2048)).await.unwrap();
    let events = send(&app, &id, "Is all of it there?").await;
    assert_eq!(unseen(&events), (None, None));
    assert_read(&app, &finished(&events), None, None).await;
    // Where they do not, the model writes another one.
    app.set_context_length(&id, Some(CONTEXT)).await.unwrap();
    let events = send(&app, &id, "And now?").await;
    assert!(events.contains(&ChatEvent::Summarising));
    assert!(!unseen(&events).0.unwrap().1.contains("Mine."));
}

#[tokio::test]
async fn a_summary_is_written_anew_from_the_messages() {
    let (_home, app) = small().await;
    let (id, events) = outgrown(&app, Overflow::Summarise).await;
    let (end, first) = unseen(&events).0.unwrap();
    app.edit_summary(&end, "Mine.").await.unwrap();
    let anew = app.rewrite_summary(&end, None).await.unwrap();
    // The same model, the same messages, and none of them at random.
    assert_eq!((anew.text.as_str(), anew.edited), (first.as_str(), false));
    let (end, _) = settled(&app, &id).await;
    let anew = app.rewrite_summary(&end, None).await.unwrap();
    let events = send(&app, &id, "And now?").await;
    assert_eq!(unseen(&events).0.unwrap().1, anew.text);
    assert_read(&app, &finished(&events), Some(&anew.text), Some(&end)).await;

    // A later one is written behind what the person wrote into an earlier one.
    app.edit_summary(&end, "Mine.").await.unwrap();
    let (later, _) = settled(&app, &id).await;
    app.edit_summary(&later, "Something else.").await.unwrap();
    let anew = app.rewrite_summary(&later, None).await.unwrap();
    assert!(anew.text.starts_with("Mine.\n\n") && !anew.edited, "{}", anew.text);

    for (message, code) in
        [(id.as_str(), "message_not_found"), (&first_message(&app, &id).await, "summary_not_found")]
    {
        assert_eq!(app.rewrite_summary(message, None).await.unwrap_err().code, code);
    }
    assert_eq!(app.edit_summary(&end, " \n").await.unwrap_err().code, "empty_summary");
    assert_eq!(app.edit_summary(&end, &"x".repeat(70_000)).await.unwrap_err().code, "summary_too_long");
}

async fn first_message(app: &App, id: &str) -> String {
    app.conversation(id).await.unwrap().messages[0].id.clone()
}

#[tokio::test]
async fn a_summary_that_leaves_no_room_is_told_and_the_oldest_are_left_out() {
    let (_home, app) = small().await;
    let (id, events) = outgrown(&app, Overflow::Summarise).await;
    let (end, _) = unseen(&events).0.unwrap();
    app.edit_summary(&end, &"Every lamp of every lighthouse. ".repeat(60)).await.unwrap();
    let mut told = app.subscribe();
    let events = send(&app, &id, "And now?").await;
    let (summarised, dropped) = unseen(&events);
    assert!(summarised.is_none() && dropped.is_some(), "{events:?}");
    assert_eq!(finished(&events).status, MessageStatus::Truncated);
    let notice = std::iter::from_fn(|| told.try_recv().ok()).find_map(|event| match event {
        lantern_protocol::AppEvent::Notice { notice } => Some(notice),
        _ => None,
    });
    let notice = notice.expect("somebody says why");
    assert!(notice.message.contains("1024") && notice.next_step.contains("Shorten"), "{notice:?}");
    let view = app.conversation(&id).await.unwrap();
    assert!(view.messages.iter().any(|message| message.role == Role::Assistant));
}

#[tokio::test]
async fn an_answer_that_was_cut_goes_on_in_a_conversation_that_does_not_fit() {
    let (_home, app) = small().await;
    for overflow in [Overflow::DropOldest, Overflow::Summarise] {
        let (_, events) = outgrown(&app, overflow).await;
        let cut = finished(&events);
        let events = drain(app.continue_answer(&cut.id).await.unwrap()).await;
        let more = finished(&events);
        assert!(more.content.starts_with(&cut.content) && more.content.len() > cut.content.len());
        assert_ne!(unseen(&events), (None, None), "it is told what the model does not read");
        let sight = sight_of(&app, &more).await.expect("it is kept");
        assert_eq!(sight.dropped_to.is_some(), overflow == Overflow::DropOldest, "{sight:?}");
        assert!(more.stats.unwrap().prompt_tokens < CONTEXT);
    }
}
