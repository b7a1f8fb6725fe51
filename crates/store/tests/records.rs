//! Whole conversations out of one database and into another: nothing changes on the way.

mod support;

use lantern_protocol::{
    Conversation, ConversationRecord, ErrorInfo, GenerationStats, KeptPart, Message, MessageStatus, Origin,
    Role, Summary, TitledBy,
};
use lantern_store::{Imported, Store};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::*;

fn uuid(number: u128) -> String {
    uuid::Builder::from_u128(number).into_uuid().to_string()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,40}", "[a-z \n]{0,200}", Just("\u{2068}今天 <b>&\u{0}\u{200B}".to_owned())]
}

fn status() -> impl Strategy<Value = MessageStatus> {
    use MessageStatus::*;
    prop::sample::select(vec![Complete, Stopped, Interrupted, Failed, Truncated])
}

fn stats() -> impl Strategy<Value = GenerationStats> {
    (any::<u32>(), any::<u32>(), 0.0..1e9f64, 0.0..1e6f64).prop_map(|(a, b, seconds, speed)| {
        GenerationStats {
            prompt_tokens: a,
            cached_tokens: b,
            completion_tokens: a ^ b,
            first_token_seconds: seconds,
            tokens_per_second: speed,
            dropped_messages: 1,
            summarised_messages: 2,
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let role = prop::sample::select(vec![Role::System, Role::User, Role::Assistant, Role::Tool]);
    let error = prop::option::of(text().prop_map(|message| ErrorInfo {
        code: "code".into(),
        message,
        next_step: String::new(),
    }));
    (role, text(), status(), prop::option::of("[a-z/]{1,9}"), error, prop::option::of(stats()), any::<i64>())
        .prop_map(|(role, content, status, model, error, stats, created_at)| Message {
            id: String::new(),
            conversation_id: String::new(),
            parent_id: None,
            role,
            content,
            status,
            model,
            error,
            stats,
            created_at,
        })
}

/// A conversation whose messages answer any of those before them, or none.
fn record() -> impl Strategy<Value = ConversationRecord> {
    let messages = prop::collection::vec((message(), any::<prop::sample::Index>(), any::<bool>()), 0..12);
    (messages, text(), prop::option::of(text()), any::<(bool, bool, u32)>(), any::<prop::sample::Index>())
        .prop_map(|(drawn, title, system_prompt, (pinned, archived, length), leaf)| {
            let id = uuid(1 << 100);
            let mut messages: Vec<Message> = Vec::new();
            for (number, (message, parent, first)) in (1u128..).zip(drawn) {
                let parent = (!first && !messages.is_empty()).then(|| parent.get(&messages).id.clone());
                let id_of = (1 << 101) + number;
                messages.push(Message {
                    id: uuid(id_of),
                    conversation_id: id.clone(),
                    parent_id: parent,
                    ..message
                });
            }
            let leaf_id = (!messages.is_empty()).then(|| leaf.get(&messages).id.clone());
            let summary =
                |id: &String| Summary { message_id: id.clone(), text: title.clone(), edited: pinned };
            let summaries = leaf_id.iter().map(summary).collect();
            let part = |message_id| KeptPart {
                message_id,
                name: "metadata".into(),
                json: json!({"a": [1.5, null]}),
            };
            let kept = vec![part(None), part(leaf_id.clone())];
            ConversationRecord {
                conversation: Conversation {
                    id,
                    title,
                    model: system_prompt.clone(),
                    system_prompt,
                    context_length: Some(length),
                    pinned,
                    leaf_id,
                    created_at: i64::from(length),
                    updated_at: -5,
                    folder_id: None,
                    archived,
                    temporary: false,
                },
                titled_by: if pinned { TitledBy::User } else { TitledBy::Rule },
                messages,
                summaries,
                origin: archived.then(|| Origin { source: "ChatGPT".into(), id: "x".into() }),
                kept,
                tables: serde_json::Map::new(),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_goes_in_comes_out(record in record()) {
        let mut store = Store::in_memory().unwrap();
        let mut wanted = record.clone();
        store.import(std::slice::from_ref(&record)).unwrap();
        let out = store.record(&record.conversation.id).unwrap();
        // SQLite's texts end at no NUL, but FTS documents and JSON agree about everything else.
        wanted.conversation.temporary = false;
        prop_assert_eq!(&out, &wanted);
        prop_assert_eq!(store.import(&[out]).unwrap(), [Imported::Known]);
    }
}

fn simple(id: &str, parents: &[Option<usize>]) -> ConversationRecord {
    let name = |at: usize| format!("{id}-m{at}");
    let mut store = Store::in_memory().unwrap();
    let asked = ask_new(&mut store, "q");
    complete(&mut store, &asked);
    let mut record = store.record(&asked.conversation.id).unwrap();
    let one = record.messages[0].clone();
    record.conversation.id = id.to_owned();
    record.conversation.leaf_id = None;
    record.messages = parents
        .iter()
        .enumerate()
        .map(|(at, parent)| Message { id: name(at), parent_id: parent.map(name), ..one.clone() })
        .collect();
    record
}

#[test]
fn foreign_names_become_our_own_and_order_stays() {
    let mut store = Store::in_memory().unwrap();
    let mut record = simple("../x", &[None, Some(0), Some(1), Some(0), Some(0)]);
    record.origin = Some(Origin { source: "Jan".into(), id: "../x".into() });
    for (at, message) in record.messages.iter_mut().enumerate() {
        message.content = at.to_string();
    }
    let imported = store.import(&[record.clone()]).unwrap();
    let [Imported::New { conversation_id, rows_kept: 0 }] = imported.as_slice() else {
        panic!("{imported:?}")
    };
    let view = store.conversation_view(conversation_id).unwrap();
    let order: Vec<&str> = view.messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(order, ["0", "1", "2", "3", "4"]);
    assert_eq!(view.messages[4].parent_id.as_ref(), Some(&view.messages[0].id));
    record.conversation.id = "another name".into();
    assert_eq!(store.import(&[record]).unwrap(), [Imported::Known], "it came from the same place");
}

#[test]
fn what_is_no_tree_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let fine = simple("fine", &[None]);
    let mut cycle = simple("cycle", &[Some(1), Some(0)]);
    let twice = {
        let mut record = simple("twice", &[None, None]);
        record.messages[1].id = record.messages[0].id.clone();
        record
    };
    let mut no_leaf = simple("no leaf", &[None]);
    no_leaf.conversation.leaf_id = Some("nowhere".into());
    let mut no_message = simple("no message", &[None]);
    no_message.summaries.push(Summary { message_id: "nowhere".into(), text: "s".into(), edited: false });
    for bad in [cycle.clone(), twice, no_leaf, no_message] {
        let error = store.import(&[fine.clone(), bad]).unwrap_err();
        assert_eq!(error.code(), "not_a_conversation");
        assert_eq!(store.conversations().unwrap(), [], "half of an import stayed");
    }
    cycle.messages[0].parent_id = None;
    store.import(&[fine, cycle]).unwrap();
    assert_eq!(store.conversations().unwrap().len(), 2);
}

const SIDE: &str = "
CREATE TABLE side_marks (message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE, hash BLOB);
CREATE TABLE files (id INTEGER PRIMARY KEY, conversation_id TEXT NOT NULL, message_id TEXT,
    name TEXT NOT NULL, size REAL,
    FOREIGN KEY (conversation_id, message_id) REFERENCES messages (conversation_id, id));
CREATE TABLE pages (file_id INTEGER NOT NULL REFERENCES files, number INTEGER NOT NULL,
    PRIMARY KEY (file_id, number)) WITHOUT ROWID;
";

#[test]
fn tables_of_other_features_come_along_by_themselves() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(from.path());
    let asked = ask_new(&mut store, "q");
    answer(&mut store, &asked, "a");
    let (conversation, message) = (&asked.conversation.id, &asked.assistant_message.id);
    let raw = rusqlite::Connection::open(from.path().join("lantern.db")).unwrap();
    raw.execute_batch(SIDE).unwrap();
    raw.execute("INSERT INTO side_marks VALUES (?1, x'00ff')", [message]).unwrap();
    raw.execute("INSERT INTO files VALUES (7, ?1, ?2, 'a.txt', 1.5)", [conversation, message]).unwrap();
    raw.execute("INSERT INTO pages VALUES (7, 1), (7, 2)", []).unwrap();
    let mut record = store.record(conversation).unwrap();
    assert_eq!(record.tables["side_marks"], json!([{"message_id": message, "hash": {"base64": "AP8="}}]));
    assert_eq!(record.tables.len(), 3, "{:?}", record.tables);

    let mut other = open(to.path());
    let raw = rusqlite::Connection::open(to.path().join("lantern.db")).unwrap();
    raw.execute_batch(SIDE).unwrap();
    let mine = ask_new(&mut other, "mine");
    raw.execute("INSERT INTO files VALUES (7, ?1, NULL, 'b.txt', 1)", [&mine.conversation.id]).unwrap();
    record.tables.insert("unknown".into(), json!([{"x": 1}]));
    let imported = other.import(&[record.clone()]).unwrap();
    let expected = Imported::New { conversation_id: conversation.clone(), rows_kept: 1 };
    assert_eq!(imported, [expected]);
    let back = other.record(conversation).unwrap();
    assert_eq!(back.tables["side_marks"], record.tables["side_marks"]);
    let number = |value: &Value| value["files"][0]["id"].as_i64().unwrap();
    let tables = Value::Object(back.tables.clone());
    assert_ne!(number(&tables), 7, "the number was taken");
    assert_eq!(tables["pages"][1]["file_id"].as_i64(), Some(number(&tables)));
    assert_eq!(back.kept[0].name, "table unknown");
}
