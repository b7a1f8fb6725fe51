//! What becomes of conversations that outgrow their context, and a question with its files, over a real file.

mod support;

use lantern_protocol::{
    AnswerSight, AttachedFile, ChosenTool, ChosenTools, DocumentKind, Overflow, Place, SentWith, Summary,
};
use lantern_store::{Asked, Begun, Exchange, NewDocument, Question, QuestionFiles, Store};
use support::*;

/// A conversation of so many exchanges, and the ids of its answers.
fn conversation(store: &mut Store, exchanges: usize) -> (String, Vec<String>) {
    let first = ask_new(store, "0");
    let id = first.conversation.id.clone();
    let mut answers = vec![answer(store, &first, "a0").id];
    for number in 1..exchanges {
        let asked = ask_next(store, &id, &number.to_string());
        answers.push(answer(store, &asked, "a").id);
    }
    (id, answers)
}

#[test]
fn a_conversation_may_choose_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (id, _) = conversation(&mut store, 1);
    assert_eq!(store.overflow_choice(&id).unwrap(), None);
    for choice in [Overflow::Error, Overflow::Summarise, Overflow::DropOldest] {
        store.choose_overflow(&id, Some(choice)).unwrap();
        assert_eq!(store.overflow_choice(&id).unwrap(), Some(choice));
    }
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.overflow_choice(&id).unwrap(), Some(Overflow::DropOldest), "a restart lost it");
    store.choose_overflow(&id, None).unwrap();
    assert_eq!(store.overflow_choice(&id).unwrap(), None);
    assert_eq!(store.choose_overflow("nobody", None).unwrap_err().code(), "conversation_not_found");

    store.choose_overflow(&id, Some(Overflow::Error)).unwrap();
    store.delete_conversation(&id).unwrap();
    assert_eq!(store.overflow_choice(&id).unwrap(), None, "it goes with its conversation");
    let mut temporary = Store::in_memory().unwrap();
    let chat = temporary.begin_conversation("").unwrap();
    temporary.choose_overflow(&chat.id, Some(Overflow::Summarise)).unwrap();
    assert_eq!(temporary.overflow_choice(&chat.id).unwrap(), Some(Overflow::Summarise));
}

#[test]
fn what_an_answer_did_not_read_is_kept_as_it_was() {
    let mut store = Store::in_memory().unwrap();
    let (id, answers) = conversation(&mut store, 4);
    let sight = AnswerSight {
        message_id: answers[3].clone(),
        summarised_to: Some(answers[0].clone()),
        summary: Some("They met.".into()),
        dropped_to: Some(answers[1].clone()),
    };
    store.keep_sight(&sight).unwrap();
    store.keep_sight(&sight).unwrap();
    assert_eq!(store.sights(&id).unwrap(), std::slice::from_ref(&sight));
    let nobody = AnswerSight { message_id: "nobody".into(), ..sight };
    assert_eq!(store.keep_sight(&nobody).unwrap_err().code(), "message_not_found");
}

#[test]
fn what_a_person_wrote_stays_until_they_want_it_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (id, answers) = conversation(&mut store, 4);
    let summary = |text: &str, edited| Summary { message_id: answers[1].clone(), text: text.into(), edited };
    assert_eq!(
        store.change_summary(&answers[1], "Mine.", true).unwrap_err().code(),
        "summary_not_found",
        "there is none yet"
    );
    store.keep_summary(&answers[1], "The model's.").unwrap();
    assert_eq!(store.change_summary(&answers[1], "Mine.", true).unwrap(), summary("Mine.", true));
    store.keep_summary(&answers[1], "The model's again.").unwrap();
    drop(store);

    let mut store = open(dir.path());
    assert_eq!(store.summary(&answers[1]).unwrap(), Some(summary("Mine.", true)));
    assert_eq!(store.conversation_view(&id).unwrap().summaries, [summary("Mine.", true)]);
    store.change_summary(&answers[1], "Anew.", false).unwrap();
    assert_eq!(store.summary(&answers[1]).unwrap(), Some(summary("Anew.", false)));
    store.keep_summary(&answers[1], "The model's.").unwrap();
    assert_eq!(store.summary(&answers[1]).unwrap(), Some(summary("The model's.", false)));
}

#[test]
fn removing_a_summary_removes_those_it_was_made_from() {
    let mut store = Store::in_memory().unwrap();
    let (id, answers) = conversation(&mut store, 5);
    for at in [0, 1, 3] {
        store.keep_summary(&answers[at], &format!("to {at}")).unwrap();
    }
    store.change_summary(&answers[0], "mine", true).unwrap();
    let texts = |store: &Store, end: &str| {
        store.summaries_to(end).unwrap().into_iter().map(|summary| summary.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&store, &answers[4]), ["to 3", "to 1", "mine"], "the one that reaches furthest first");
    assert_eq!(texts(&store, &answers[2]), ["to 1", "mine"]);
    store.remove_summaries(&answers[1]).unwrap();
    assert_eq!(texts(&store, &answers[4]), ["to 3"]);
    assert_eq!(store.remove_summaries(&answers[1]).unwrap_err().code(), "summary_not_found");
    store.keep_summary(&answers[0], "the model's").unwrap();
    assert!(!store.summary(&answers[0]).unwrap().unwrap().edited, "the mark goes with the summary");
    assert_eq!(store.conversation_view(&id).unwrap().summaries.len(), 2);
}

#[test]
fn the_choice_the_marks_and_the_edit_travel_with_the_conversation() {
    let mut store = Store::in_memory().unwrap();
    let (id, answers) = conversation(&mut store, 3);
    store.choose_overflow(&id, Some(Overflow::Summarise)).unwrap();
    store.keep_summary(&answers[0], "s").unwrap();
    store.change_summary(&answers[0], "mine", true).unwrap();
    let sight = AnswerSight {
        message_id: answers[2].clone(),
        summarised_to: Some(answers[0].clone()),
        summary: Some("s".into()),
        dropped_to: None,
    };
    store.keep_sight(&sight).unwrap();
    let record = store.record(&id).unwrap();

    let mut other = Store::in_memory().unwrap();
    // Taken: every id has to be another one there.
    other.import(std::slice::from_ref(&record)).unwrap();
    let there = other.conversations().unwrap()[0].id.clone();
    assert_eq!(other.overflow_choice(&there).unwrap(), Some(Overflow::Summarise));
    let view = other.conversation_view(&there).unwrap();
    assert_eq!((view.summaries[0].text.as_str(), view.summaries[0].edited), ("mine", true));
    let sights = other.sights(&there).unwrap();
    let answer = view.messages.last().unwrap();
    assert_eq!((&sights[0].message_id, sights.len()), (&answer.id, 1));
    assert_eq!(sights[0].summarised_to.as_ref(), Some(&view.summaries[0].message_id));
}

fn document(store: &mut Store, hash: &str) {
    let passages = vec![(0, 4, Place::default())];
    let kind = DocumentKind::Text;
    let new = NewDocument { hash: hash.into(), kind, bytes: 4, reader: 1, text: "lamp".into(), passages };
    store.keep_document(&new).unwrap();
}

fn sent(
    store: &mut Store,
    place: lantern_store::Place,
    files: &[&str],
) -> Result<Asked, lantern_store::StoreError> {
    let attachments = files.iter().map(|hash| AttachedFile { document: (*hash).into(), name: "f".into() });
    let with = SentWith { attachments: attachments.collect(), ..SentWith::default() };
    let exchange = Exchange {
        question: Question::New { place, content: "What is in it?".into() },
        model: None,
        keep_model: false,
    };
    store.ask_with(&exchange, &QuestionFiles::Sent(with), &Begun::default())
}

#[test]
fn a_question_and_its_files_are_there_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    document(&mut store, "a");
    let chosen = ChosenTools {
        tools: vec![ChosenTool { server: "lantern".into(), tool: "calculator".into(), hash: "h".into() }],
        required: false,
    };
    store.choose_tools(None, &chosen).unwrap();
    let place = || lantern_store::Place::New { title: "T".into() };
    // The second file cannot be attached; by then the question, its answer and the first file have been written.
    assert!(sent(&mut store, place(), &["a", "missing"]).is_err());
    assert!(store.conversations().unwrap().is_empty(), "a question without its files");

    let asked = sent(&mut store, place(), &["a"]).unwrap();
    let question = asked.user_message.clone().unwrap();
    // As a crash at this moment leaves it: what was written is there with everything, in the log that was not closed.
    let crashed = tempfile::tempdir().unwrap();
    copy_as_after_a_crash(dir.path(), crashed.path());
    let after = Store::open(crashed.path()).unwrap().store;
    assert_eq!(after.attachments(&question.id).unwrap().len(), 1);
    assert_eq!(after.chosen_tools(Some(&asked.conversation.id)).unwrap(), chosen);

    complete(&mut store, &asked);
    let again = Exchange {
        question: Question::New {
            place: lantern_store::Place::InsteadOf { message_id: question.id.clone() },
            content: "And otherwise?".into(),
        },
        model: None,
        keep_model: false,
    };
    let edited = store.ask_with(&again, &QuestionFiles::Of(question.id), &Begun::default()).unwrap();
    assert_eq!(store.attachments(&edited.user_message.unwrap().id).unwrap().len(), 1);
    assert_eq!(edited.conversation.id, asked.conversation.id);
}
