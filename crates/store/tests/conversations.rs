//! Conversations as trees: branches, alternatives, titles, settings, deletion, over real files.

mod support;

use std::fs;

use lantern_protocol::{ErrorInfo, GenerationStats, MessageStatus, Role, Theme};
use lantern_store::{Exchange, Finish, Place, Question};
use support::*;

#[test]
fn everything_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Why is the sky blue?");
    let question = asked.user_message.clone().unwrap();
    assert_eq!((question.role, question.status), (Role::User, MessageStatus::Complete));
    assert_eq!(asked.assistant_message.status, MessageStatus::Streaming);
    assert_eq!(asked.conversation.leaf_id.as_ref(), Some(&asked.assistant_message.id));

    store.append(&asked.assistant_message.id, "Rayleigh ").unwrap();
    store.append(&asked.assistant_message.id, "scattering.").unwrap();
    let stats = GenerationStats {
        prompt_tokens: 20,
        cached_tokens: 4,
        completion_tokens: 5,
        first_token_seconds: 0.25,
        tokens_per_second: 40.5,
        dropped_messages: 2,
        summarised_messages: 3,
    };
    let error = ErrorInfo { code: "c".into(), message: "m".into(), next_step: "n".into() };
    let finish = Finish { status: MessageStatus::Failed, error: Some(error), stats: Some(stats) };
    let finished = store.finish(&asked.assistant_message.id, &finish).unwrap();
    drop(store);

    let mut store = open(dir.path());
    let view = store.conversation_view(&asked.conversation.id).unwrap();
    assert_eq!(view.messages, [question, finished.clone()]);
    assert_eq!(finished.content, "Rayleigh scattering.");
    assert_eq!((finished.stats, finished.error), (finish.stats, finish.error));
}

#[test]
fn an_answer_being_written_shows_its_text_so_far() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Count");
    for piece in ["1 ", "2 ", "3"] {
        store.append(&asked.assistant_message.id, piece).unwrap();
    }
    assert_eq!(store.message(&asked.assistant_message.id).unwrap().content, "1 2 3");
    assert_eq!(store.conversation_view(&asked.conversation.id).unwrap().messages[1].content, "1 2 3");
}

#[test]
fn pieces_keep_their_order_beyond_ten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Count");
    let pieces: Vec<String> = (0..250).map(|n| format!("{n},")).collect();
    for piece in &pieces {
        store.append(&asked.assistant_message.id, piece).unwrap();
    }
    assert_eq!(complete(&mut store, &asked).content, pieces.concat());
}

#[test]
fn an_ended_answer_takes_no_more_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Hi");
    answer(&mut store, &asked, "Hello");
    let id = &asked.assistant_message.id;
    assert_eq!(store.append(id, "!").unwrap_err().code(), "message_not_streaming");
    let finish = Finish { status: MessageStatus::Stopped, error: None, stats: None };
    assert_eq!(store.finish(id, &finish).unwrap_err().code(), "message_not_streaming");
    assert_eq!(store.message(id).unwrap().content, "Hello");
}

#[test]
fn an_edited_question_opens_a_branch_and_both_can_be_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let first = ask_new(&mut store, "A");
    answer(&mut store, &first, "a");
    let id = first.conversation.id.clone();
    let second = ask_next(&mut store, &id, "B");
    let old_leaf = answer(&mut store, &second, "b").id;
    let question = second.user_message.unwrap();

    let edited = ask(&mut store, Place::InsteadOf { message_id: question.id.clone() }, "C");
    let new_leaf = answer(&mut store, &edited, "c").id;
    assert_eq!(edited.user_message.as_ref().unwrap().parent_id, question.parent_id);
    assert_eq!(texts(&store, &old_leaf), ["A", "a", "B", "b"]);
    assert_eq!(texts(&store, &new_leaf), ["A", "a", "C", "c"]);
    assert_eq!(store.conversation(&id).unwrap().leaf_id.as_ref(), Some(&new_leaf));

    // From the question one gets to the end of its branch.
    assert_eq!(store.select_branch(&id, &question.id).unwrap().leaf_id, Some(old_leaf));
    let root = first.user_message.unwrap().id;
    assert_eq!(store.select_branch(&id, &root).unwrap().leaf_id, Some(new_leaf));
    assert_eq!(store.conversation_view(&id).unwrap().messages.len(), 6);
}

#[test]
fn another_answer_stands_beside_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let first = ask_new(&mut store, "A");
    answer(&mut store, &first, "a");
    let again = |message_id: &str| Exchange {
        question: Question::Again { message_id: message_id.into() },
        model: Some("other".into()),
        keep_model: true,
    };
    let second = store.ask(&again(&first.assistant_message.id)).unwrap();
    assert_eq!(second.user_message, None);
    assert_eq!(second.assistant_message.parent_id, first.assistant_message.parent_id);
    assert_eq!(second.conversation.model.as_deref(), Some("other"));
    answer(&mut store, &second, "a2");

    let third = store.ask(&again(&first.user_message.unwrap().id)).unwrap();
    assert_eq!(third.assistant_message.parent_id, first.assistant_message.parent_id);
}

#[test]
fn nothing_follows_half_an_answer_and_answers_cannot_be_edited() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "A");
    let code = |store: &mut lantern_store::Store, question: Question| {
        store.ask(&Exchange { question, model: None, keep_model: false }).unwrap_err().code()
    };
    let conversation_id = asked.conversation.id.clone();
    let message_id = asked.assistant_message.id.clone();
    let next =
        Question::New { place: Place::End { conversation_id: conversation_id.clone() }, content: "B".into() };
    assert_eq!(code(&mut store, next), "answer_in_progress");
    assert_eq!(code(&mut store, Question::Again { message_id: message_id.clone() }), "answer_in_progress");
    let edit =
        Question::New { place: Place::InsteadOf { message_id: message_id.clone() }, content: "B".into() };
    assert_eq!(code(&mut store, edit), "wrong_role");
    assert_eq!(
        store.conversation_view(&conversation_id).unwrap().messages.len(),
        2,
        "a refused question stayed"
    );

    complete(&mut store, &asked);
    let other = ask_new(&mut store, "Elsewhere");
    let place = Place::Below { conversation_id: other.conversation.id, parent_id: message_id };
    let across = Question::New { place, content: "B".into() };
    assert_eq!(code(&mut store, across), "message_not_found");
}

#[test]
fn the_latest_changed_conversation_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let pause = || std::thread::sleep(std::time::Duration::from_millis(3));
    let a = ask_new(&mut store, "A");
    answer(&mut store, &a, "a");
    pause();
    let b = ask_new(&mut store, "B");
    answer(&mut store, &b, "b");
    pause();
    let titles = |store: &lantern_store::Store| -> Vec<String> {
        store.conversations().unwrap().into_iter().map(|c| c.title).collect()
    };
    assert_eq!(titles(&store), ["B", "A"]);
    ask_next(&mut store, &a.conversation.id, "A again");
    assert_eq!(titles(&store), ["A", "B"]);
    store.rename_conversation(&b.conversation.id, "Renamed").unwrap();
    assert_eq!(titles(&store), ["A", "Renamed"], "a new title is no new message");
}

#[test]
fn deleting_leaves_nothing_behind_not_even_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let keep = ask_new(&mut store, "kept words");
    answer(&mut store, &keep, "kept answer");
    let asked = ask_new(&mut store, "secretquestion");
    answer(&mut store, &asked, "secretanswer and more");
    let streaming = ask_next(&mut store, &asked.conversation.id, "secretsecond");
    store.append(&streaming.assistant_message.id, "secretjournal").unwrap();
    store.keep_summary(&asked.assistant_message.id, "secretsummary").unwrap();

    store.delete_conversation(&asked.conversation.id).unwrap();
    assert_eq!(store.conversation(&asked.conversation.id).unwrap_err().code(), "conversation_not_found");
    assert_eq!(store.message(&asked.assistant_message.id).unwrap_err().code(), "message_not_found");
    assert_eq!(store.append(&streaming.assistant_message.id, "x").unwrap_err().code(), "message_not_found");
    assert_eq!(store.search("secretanswer").unwrap(), []);
    assert_eq!(store.search("kept").unwrap().len(), 1);
    for entry in fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        let found = bytes.windows(6).any(|w| w == b"secret");
        assert!(!found, "deleted text is still in {}", entry.path().display());
    }
    assert_eq!(
        store.delete_conversation(&asked.conversation.id).unwrap_err().code(),
        "conversation_not_found"
    );
}

#[test]
fn ten_thousand_messages_in_one_line_are_read_searched_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let id = long_conversation(&dir.path().join("lantern.db"), 10_000);
    let mut store = open(dir.path());

    let view = store.conversation_view(&id).unwrap();
    assert_eq!(view.messages.len(), 10_000);
    let first = &view.messages[0].id;
    let leaf = store.select_branch(&id, first).unwrap().leaf_id.unwrap();
    let branch = store.branch(&leaf).unwrap();
    assert_eq!(branch.len(), 10_000);
    assert_eq!(
        (branch[0].content.as_str(), branch[9_999].content.as_str()),
        ("word number 0", "word number 9999")
    );
    let found = store.search("9876").unwrap();
    assert_eq!(found[0].snippet.as_deref(), Some("word number \u{2068}9876\u{2069}"));
    store.delete_conversation(&id).unwrap();
    assert_eq!(store.search("number").unwrap(), []);
}

/// A conversation without branches, written straight into the file in one transaction.
fn long_conversation(path: &std::path::Path, length: usize) -> String {
    let mut conn = rusqlite::Connection::open(path).unwrap();
    let transaction = conn.transaction().unwrap();
    transaction
        .execute(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('long', 'Long', 1, 1)",
            [],
        )
        .unwrap();
    for n in 0..length {
        let (id, parent) = (format!("{n:06}"), (n > 0).then(|| format!("{:06}", n - 1)));
        let (role, text) = (if n % 2 == 0 { "user" } else { "assistant" }, format!("word number {n}"));
        transaction
            .execute(
                "INSERT INTO messages (id, conversation_id, parent_id, role, content, status, created_at)
                 VALUES (?1, 'long', ?2, ?3, ?4, 'complete', ?5)",
                rusqlite::params![id, parent, role, text, n as i64],
            )
            .unwrap();
        transaction
            .execute(
                "INSERT INTO search_documents (conversation_id, message_id, body) VALUES ('long', ?1, ?2)",
                [id, text],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
    "long".into()
}

#[test]
fn settings_are_kept_and_a_refused_change_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!(store.settings().unwrap(), Default::default());
    let dark = |mut s: lantern_protocol::Settings| {
        s.theme = Theme::Dark;
        Ok::<_, String>(s)
    };
    store.change_settings(dark).unwrap().unwrap();
    let refused = store.change_settings(|_| Err::<lantern_protocol::Settings, _>("no")).unwrap();
    assert_eq!(refused, Err("no"));
    drop(store);
    assert_eq!(open(dir.path()).settings().unwrap().theme, Theme::Dark);
}

#[test]
fn a_conversation_has_a_context_a_pin_and_summaries_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Question");
    let (id, message) = (asked.conversation.id.clone(), asked.assistant_message.id.clone());
    assert_eq!((asked.conversation.context_length, asked.conversation.pinned), (None, false));
    assert_eq!(store.set_context_length(&id, Some(4096)).unwrap().context_length, Some(4096));
    assert!(store.pin_conversation(&id, true).unwrap().pinned);
    assert_eq!(store.pinned_conversations().unwrap(), std::slice::from_ref(&id));
    store.keep_summary(&message, "They met.").unwrap();
    store.keep_summary(&message, "They met again.").unwrap();
    assert_eq!(
        store.summary(&message).unwrap().map(|summary| summary.text).as_deref(),
        Some("They met again.")
    );
    assert_eq!(store.summary(&asked.user_message.unwrap().id).unwrap(), None);
    drop(store);

    let mut store = open(dir.path());
    let view = store.conversation_view(&id).unwrap();
    assert_eq!((view.conversation.context_length, view.conversation.pinned), (Some(4096), true));
    assert_eq!(view.summaries.len(), 1);
    assert_eq!(view.summaries[0].text, "They met again.");
    assert!(store.keep_summary("nobody", "").is_err());
    assert!(
        store.set_context_length("nobody", None).is_err() && store.pin_conversation("nobody", true).is_err()
    );
    store.delete_conversation(&id).unwrap();
    assert_eq!(store.summary(&message).unwrap(), None);
    assert!(store.pinned_conversations().unwrap().is_empty());
}
