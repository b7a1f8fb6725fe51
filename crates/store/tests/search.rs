//! Full-text search: what people type finds what was written, in any script.

mod support;

use lantern_store::Store;
use support::*;

fn store_with(answers: &[&str]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for (n, text) in answers.iter().enumerate() {
        let asked = ask_new(&mut store, &format!("t{n}"));
        answer(&mut store, &asked, text);
    }
    (dir, store)
}

/// The snippets of what `query` finds.
fn snippets(store: &Store, query: &str) -> Vec<String> {
    let found = store.search(query).unwrap();
    found.into_iter().map(|summary| summary.snippet.expect("a search gives snippets")).collect()
}

#[test]
fn case_and_diacritics_do_not_matter() {
    let (_dir, store) = store_with(&["Ein Café in Zürich", "naïve Bäckerei"]);
    assert_eq!(snippets(&store, "cafe zurich"), ["Ein \u{2068}Café\u{2069} in \u{2068}Zürich\u{2069}"]);
    assert_eq!(snippets(&store, "NAÏVE"), ["\u{2068}naïve\u{2069} Bäckerei"]);
}

#[test]
fn the_beginning_of_a_word_is_enough() {
    let (_dir, store) = store_with(&["Photosynthesis turns light into sugar"]);
    assert_eq!(snippets(&store, "photo sug").len(), 1);
    assert_eq!(snippets(&store, "synthesis").len(), 0);
}

#[test]
fn words_are_found_inside_scripts_without_spaces() {
    let (_dir, store) =
        store_with(&["今天天气很好，我们去公园吧", "東京タワーの高さは", "학교에서 공부해요", "ภาษาไทย"]);
    assert_eq!(snippets(&store, "天气"), ["今天\u{2068}天气\u{2069}很好，我们去公园吧"]);
    assert_eq!(snippets(&store, "タワー"), ["東京\u{2068}タワー\u{2069}の高さは"]);
    assert_eq!(snippets(&store, "학교"), ["\u{2068}학교\u{2069}에서 공부해요"]);
    assert_eq!(snippets(&store, "ไทย").len(), 1);
    assert_eq!(snippets(&store, "气天").len(), 0, "the order of characters matters");
}

#[test]
fn titles_are_found_and_a_new_title_replaces_the_old() {
    let (_dir, mut store) = store_with(&["x"]);
    let id = store.conversations().unwrap()[0].id.clone();
    store.rename_conversation(&id, "Holiday plans").unwrap();
    assert_eq!(snippets(&store, "holiday"), ["\u{2068}Holiday\u{2069} plans"]);
    store.rename_conversation(&id, "Tax return").unwrap();
    assert_eq!(store.search("holiday").unwrap(), []);
}

#[test]
fn a_conversation_is_listed_once_and_the_better_one_first() {
    let (_dir, mut store) =
        store_with(&["apple", "pear pear and one apple among many other words that dilute it"]);
    let id = store.conversations().unwrap()[0].id.clone();
    let asked = ask_next(&mut store, &id, "apple apple");
    complete(&mut store, &asked);
    assert_eq!(store.search("apple").unwrap().len(), 2);
    assert_eq!(store.search("pear").unwrap()[0].conversation.id, id);
}

#[test]
fn an_answer_is_found_once_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "question");
    store.append(&asked.assistant_message.id, "wombat").unwrap();
    complete(&mut store, &asked);
    assert_eq!(snippets(&store, "wombat").len(), 1);
}

#[test]
fn nothing_that_is_typed_is_an_error() {
    let (_dir, store) = store_with(&["some \"quoted\" text AND more", "c++ and c#"]);
    for query in ["\"", "'", "a AND", "NEAR(", "*", "^", "-", "(", "body:", "%", "\u{2068}", "\0", "  ", "😀"]
    {
        assert!(store.search(query).is_ok(), "{query:?} is an error");
    }
    assert_eq!(snippets(&store, "\"quoted\"").len(), 1);
    assert_eq!(snippets(&store, "c++").len(), 1);
}
