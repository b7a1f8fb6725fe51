//! Receipts: told by one another, and still whole.

mod support;

use lantern_protocol::*;
use lantern_store::{Asked, Imported, Store, Unhashed};
use serde_json::json;
use support::*;

fn facts(sha256: Option<&str>) -> ReceiptFacts {
    let file =
        |part, name: &str| ReceiptFile { part, name: name.into(), bytes: 7, sha256: sha256.map(Into::into) };
    ReceiptFacts {
        model: "tiny".into(),
        started_at: 1,
        finish: ReceiptFinish::Stop,
        sampling: ReceiptSampling {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.1,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repeat_last_n: 64,
            seed: Some(u64::MAX.to_string()),
            max_tokens: None,
        },
        must_call: false,
        pictures: vec![ReceiptPicture { before: 3, parts: 256, sha256: "ab".into() }],
        by: ReceiptBy::Local {
            files: vec![file(ReceiptPart::Weights, "a.gguf"), file(ReceiptPart::Projector, "b.gguf")],
            content_id: "c".into(),
            engine: ReceiptEngine {
                version: "1".into(),
                commit: None,
                isa: "avx2".into(),
                threads: 2,
                device: "none".into(),
                context_length: 4096,
                kv_type: "f16".into(),
                template_sha256: None,
            },
        },
    }
}

fn receipt(asked: &Asked, prompt: Vec<u32>, answer: Vec<u32>) -> Receipt {
    Receipt {
        version: RECEIPT_VERSION,
        message_id: asked.assistant_message.id.clone(),
        facts: facts(None),
        dropped: None,
        summarised: None,
        tools: None,
        prompt,
        answer,
    }
}

/// A conversation of so many turns, each of which goes on with all tokens before.
fn talk(store: &mut Store, turns: u32) -> (String, Vec<Receipt>) {
    let (mut receipts, mut tokens, mut conversation) = (Vec::new(), vec![1; 3000], String::new());
    for turn in 0..turns {
        let asked = match turn {
            0 => ask_new(store, "Q"),
            _ => ask_next(store, &conversation, "Q"),
        };
        conversation = asked.conversation.id.clone();
        answer(store, &asked, "A");
        tokens.extend((0..30).map(|at| 100_000 + turn * 30 + at));
        let mut receipt = receipt(&asked, tokens.clone(), vec![turn, 7, 8]);
        tokens.extend(&receipt.answer);
        // Tools come, stay and go.
        receipt.tools = (1..5).contains(&(turn % 7)).then(|| json!([{"name": turn / 7}]));
        receipt.dropped =
            (turn > 2).then(|| Omitted { count: turn, last_message_id: receipts_id(&receipts, 0) });
        store.keep_receipt(&receipt, &[]).unwrap();
        receipts.push(receipt);
    }
    (conversation, receipts)
}

fn receipts_id(receipts: &[Receipt], at: usize) -> String {
    receipts[at].message_id.clone()
}

#[test]
fn every_turn_s_tokens_come_back_and_cost_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (_, receipts) = talk(&mut store, 80);
    for receipt in &receipts {
        assert_eq!(store.receipt(&receipt.message_id).unwrap().as_ref(), Some(receipt));
    }
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("lantern.db")).unwrap();
    let bytes = |what: &str| -> u64 {
        conn.query_row(&format!("SELECT {what}(length(prompt)) FROM receipts"), [], |row| row.get(0)).unwrap()
    };
    assert!(bytes("max") < 16_000, "{}", bytes("max"));
    assert!(bytes("sum") < 40_000, "80 prompts of up to 5,600 tokens: {}", bytes("sum"));
    let deepest: i64 = conn.query_row("SELECT max(depth) FROM receipts", [], |row| row.get(0)).unwrap();
    assert_eq!(deepest, 32, "no chain is longer");
}

#[test]
fn branches_have_receipts_of_their_own_and_deleting_deletes_them() {
    let mut store = Store::in_memory().unwrap();
    let first = ask_new(&mut store, "Q");
    answer(&mut store, &first, "A");
    assert_eq!(store.receipt(&first.assistant_message.id).unwrap(), None, "an old answer has none");
    let one = receipt(&first, vec![1, 2, 3], vec![4]);
    store.keep_receipt(&one, &[]).unwrap();
    store.keep_receipt(&one, &[]).unwrap();
    let id = &first.assistant_message.id;
    assert_eq!(store.messages_of_answer(id).unwrap(), std::slice::from_ref(id));
    store.delete_conversation(&first.conversation.id).unwrap();
    assert_eq!(store.receipt(id).unwrap(), None);
    assert_eq!(store.messages_of_answer(id).unwrap_err().code(), "message_not_found");
}

#[test]
fn hashes_come_later() {
    let mut store = Store::in_memory().unwrap();
    let asked = ask_new(&mut store, "Q");
    answer(&mut store, &asked, "A");
    let mut one = receipt(&asked, vec![1], vec![2]);
    let file = |path: &str| Unhashed { path: path.into(), bytes: 7, modified: -5 };
    store.keep_receipt(&one, &[(0, file("/a")), (1, file("/b"))]).unwrap();
    assert_eq!(store.unhashed().unwrap(), [file("/a"), file("/b")]);
    store.set_hash(&file("/b"), None).unwrap();
    store.set_hash(&Unhashed { bytes: 8, ..file("/a") }, Some("wrong")).unwrap();
    assert_eq!(store.unhashed().unwrap(), [file("/a")]);
    store.set_hash(&file("/a"), Some("right")).unwrap();
    assert_eq!(store.unhashed().unwrap(), []);
    if let ReceiptBy::Local { files, .. } = &mut one.facts.by {
        files[0].sha256 = Some("right".into());
    }
    assert_eq!(store.receipt(&one.message_id).unwrap(), Some(one));
}

#[test]
fn an_imported_conversation_brings_its_receipts() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (id, receipts) = talk(&mut store, 40);
    let waits = Unhashed { path: "/secret/place".into(), bytes: 7, modified: 1 };
    store.keep_receipt(receipts.last().unwrap(), &[(0, waits)]).unwrap();
    let record = store.record(&id).unwrap();
    assert!(!serde_json::to_string(&record).unwrap().contains("secret"), "no places of this machine");

    let mut other = Store::in_memory().unwrap();
    let imported = other.import(std::slice::from_ref(&record)).unwrap();
    let [Imported::New { conversation_id, rows_kept: 0 }] = &imported[..] else { panic!("{imported:?}") };
    let view = other.conversation_view(conversation_id).unwrap();
    let answers: Vec<&Message> = view.messages.iter().filter(|m| m.role == Role::Assistant).collect();
    assert_eq!(answers.len(), receipts.len());
    for (message, then) in answers.iter().zip(&receipts) {
        let now = other.receipt(&message.id).unwrap().expect("a receipt");
        let moved = |omitted: &Option<Omitted>| omitted.as_ref().map(|one| one.count);
        assert_eq!(moved(&now.dropped), moved(&then.dropped));
        if let Some(dropped) = &now.dropped {
            assert_eq!(dropped.last_message_id, answers[0].id, "it names the message by its new id");
        }
        let now = Receipt { message_id: then.message_id.clone(), dropped: then.dropped.clone(), ..now };
        assert_eq!(now, *then);
    }
}

#[test]
fn a_receipt_that_makes_no_sense_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (_, receipts) = talk(&mut store, 2);
    let last = receipts[1].message_id.clone();
    for sql in [
        "UPDATE receipts SET base_id = message_id",
        "UPDATE receipts SET base_id = 'nobody'",
        "UPDATE receipts SET base_id = NULL, prompt = x'ff'",
        "UPDATE receipts SET prompt = x'', facts = '{}'",
    ] {
        rusqlite::Connection::open(dir.path().join("lantern.db")).unwrap().execute(sql, []).unwrap();
        assert_eq!(store.receipt(&last).unwrap_err().code(), "receipt_damaged", "{sql}");
    }
}
