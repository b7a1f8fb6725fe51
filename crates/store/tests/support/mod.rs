//! Steps that several tests share.
#![allow(dead_code)]

use std::path::Path;

use lantern_protocol::{Message, MessageStatus};
use lantern_store::{Asked, Exchange, Finish, Place, Question, Store};

/// Opens a directory that must bring no notice.
pub fn open(dir: &Path) -> Store {
    let opened = Store::open(dir).unwrap();
    assert_eq!(opened.notice, None, "a healthy database brought a notice");
    opened.store
}

/// A question in a conversation of its own.
pub fn ask_new(store: &mut Store, content: &str) -> Asked {
    ask(store, Place::New { title: content.into() }, content)
}

/// A question at the end of the shown branch.
pub fn ask_next(store: &mut Store, conversation_id: &str, content: &str) -> Asked {
    ask(store, Place::End { conversation_id: conversation_id.into() }, content)
}

/// A question anywhere.
pub fn ask(store: &mut Store, place: Place, content: &str) -> Asked {
    let question = Question::New { place, content: content.into() };
    store.ask(&Exchange { question, model: Some("tiny".into()), keep_model: false }).unwrap()
}

/// Writes an answer in one piece and ends it.
pub fn answer(store: &mut Store, asked: &Asked, text: &str) -> Message {
    store.append(&asked.assistant_message.id, text).unwrap();
    complete(store, asked)
}

/// Ends an answer.
pub fn complete(store: &mut Store, asked: &Asked) -> Message {
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    store.finish(&asked.assistant_message.id, &finish).unwrap()
}

/// Copies the database as a crash would leave it: the file and its log, nothing else.
pub fn copy_as_after_a_crash(from: &Path, to: &Path) {
    for name in ["lantern.db", "lantern.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// The contents of a branch, first message first.
pub fn texts(store: &Store, leaf: &str) -> Vec<String> {
    store.branch(leaf).unwrap().into_iter().map(|m| m.content).collect()
}
