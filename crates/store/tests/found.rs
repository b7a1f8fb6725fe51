//! The search for messages: filters, order, passages.

mod support;

use lantern_protocol::{FindQuery, Found, Role};
use lantern_store::Store;
use support::*;

fn query(text: &str) -> FindQuery {
    FindQuery { text: text.into(), ..FindQuery::default() }
}

/// Who speaks in each hit (`-` for a title), and its passage.
fn hits(found: &Found) -> Vec<(String, String)> {
    let role = |role: Option<Role>| role.map_or("-", Role::as_str).to_owned();
    let plain = |text: &str| text.replace('\u{2068}', "[").replace('\u{2069}', "]");
    found.hits.iter().map(|hit| (role(hit.role), plain(&hit.snippet))).collect()
}

fn found(store: &Store, query: &FindQuery) -> Vec<(String, String)> {
    hits(&store.find(query).unwrap())
}

fn hit(role: &str, passage: &str) -> (String, String) {
    (role.to_owned(), passage.to_owned())
}

#[test]
fn every_message_that_matches_is_a_hit_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Lemon cake");
    answer(&mut store, &asked, "A lemon cake needs lemons");
    let all = store.find(&query("lemon")).unwrap();
    assert_eq!((all.messages, all.more), (2, false));
    assert_eq!(
        hits(&all),
        [
            hit("-", "[Lemon] cake"),
            hit("assistant", "A [lemon] cake needs [lemons]"),
            hit("user", "[Lemon] cake")
        ]
    );
    assert_eq!(all.hits[1].message_id.as_ref(), Some(&asked.assistant_message.id));
    assert_eq!(all.hits[1].model.as_deref(), Some("tiny"));
    assert_eq!(found(&store, &query("lemon needs")).len(), 1);
    assert_eq!(found(&store, &query("++")), []);
}

#[test]
fn filters_leave_what_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "pear one");
    let message = answer(&mut store, &asked, "pear two");
    let other = ask_new(&mut store, "pear three");
    let folder = store.create_folder("Fruit").unwrap().id;
    store.move_conversation(&other.conversation.id, Some(&folder)).unwrap();

    let by = |query: FindQuery| found(&store, &query);
    let role = FindQuery { role: Some(Role::Assistant), ..query("pear") };
    assert_eq!(by(role), [hit("assistant", "[pear] two")]);
    assert_eq!(by(FindQuery { model: Some("tiny".into()), ..query("pear") }).len(), 1);
    assert_eq!(by(FindQuery { model: Some("other".into()), ..query("pear") }), []);
    let in_folder = FindQuery { folder: Some(folder), ..query("pear") };
    assert_eq!(by(in_folder), [hit("-", "[pear] three"), hit("user", "[pear] three")]);
    assert_eq!(by(FindQuery { to: Some(message.created_at - 60_000), ..query("pear") }), []);
    assert_eq!(by(FindQuery { from: Some(message.created_at + 60_000), ..query("pear") }), []);
    let around = FindQuery { from: Some(1), to: Some(i64::MAX), ..query("pear") };
    assert_eq!(by(around).len(), 5);
}

#[test]
fn without_words_the_filters_alone_decide_and_the_latest_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for text in ["one", "two", "three"] {
        let asked = ask_new(&mut store, text);
        answer(&mut store, &asked, &format!("answer {text}"));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let answers = FindQuery { role: Some(Role::Assistant), ..query("") };
    let expected = ["answer three", "answer two", "answer one"].map(|text| hit("assistant", text));
    assert_eq!(found(&store, &answers), expected);
}

#[test]
fn a_common_word_is_cut_at_a_number_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "begin");
    let mut record = {
        complete(&mut store, &asked);
        store.record(&asked.conversation.id).unwrap()
    };
    record.conversation.id = "many".into();
    record.conversation.leaf_id = None;
    let one = record.messages[0].clone();
    record.messages = (0..2100)
        .map(|n| lantern_protocol::Message {
            id: format!("m{n}"),
            content: format!("the {n}"),
            ..one.clone()
        })
        .collect();
    store.import(&[record]).unwrap();
    let all = store.find(&query("the")).unwrap();
    assert_eq!((all.messages, all.more, all.hits.len()), (2000, true, 60));
    let latest = store.find(&FindQuery { latest_first: true, ..query("the") }).unwrap();
    assert_eq!(hits(&latest)[0], hit("user", "[the] 2099"));
}

#[test]
fn an_old_database_is_searchable_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let old = include_str!("data/format4.sql");
    rusqlite::Connection::open(dir.path().join("lantern.db")).unwrap().execute_batch(old).unwrap();
    let mut store = open(dir.path());
    assert_eq!(
        found(&store, &query("wom")),
        [hit("-", "About [wombats]"), hit("assistant", "[Wombats] dig.")]
    );
    assert!(store.wants_title("01900000-0000-7000-8000-000000000001").unwrap());
    store.rename_conversation("01900000-0000-7000-8000-000000000001", "Else").unwrap();
    assert_eq!(found(&store, &query("wom")).len(), 1);
}
