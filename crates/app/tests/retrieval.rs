//! Ranking by words and by meaning against what `tests/golden/tools/retrieval.py` computed by itself.

use std::path::Path;

use lantern_knowledge::search::{Best, from_bytes, fuse, likeness, to_bytes};
use lantern_protocol::{DocumentKind, Place};
use lantern_store::{NewDocument, Store};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    passages: Vec<String>,
    vectors: Vec<Vec<f32>>,
    subjects: usize,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
struct Query {
    query: String,
    vector: Vec<f32>,
    subject: usize,
    by_words: Vec<usize>,
    by_meaning: Vec<usize>,
    fused: Vec<usize>,
}

fn golden() -> Golden {
    let path = lantern_golden::path("documents/retrieval.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A database with the passages as one document, and the number of each passage.
fn stored(golden: &Golden, dir: &Path) -> (Store, Vec<i64>) {
    let mut store = Store::open(dir).unwrap().store;
    let (mut text, mut passages) = (String::new(), Vec::new());
    for passage in &golden.passages {
        let begins = text.len();
        text.push_str(passage);
        text.push('\n');
        passages.push((begins, text.len(), Place::default()));
    }
    let new = NewDocument { hash: "d".into(), kind: DocumentKind::Text, bytes: 1, reader: 1, text, passages };
    store.keep_document(&new).unwrap();
    let all = store.passages_without_vector(&["d".into()], "m", 1000).unwrap();
    let ids: Vec<i64> = all.iter().map(|passage| passage.id).collect();
    let vectors: Vec<_> =
        ids.iter().zip(&golden.vectors).map(|(id, vector)| (*id, to_bytes(vector))).collect();
    store.keep_vectors("m", &vectors).unwrap();
    (store, ids)
}

#[test]
fn rankings_are_those_of_an_independent_implementation() {
    let (golden, dir) = (golden(), tempfile::tempdir().unwrap());
    let (store, ids) = stored(&golden, dir.path());
    let documents = ["d".to_owned()];
    let places = |found: &[i64]| -> Vec<usize> {
        found.iter().map(|id| ids.iter().position(|other| other == id).unwrap()).collect()
    };
    let mut right = [0_usize; 3];
    for query in &golden.queries {
        let by_words = store.passages_by_words(&documents, &query.query, 50).unwrap();
        assert_eq!(places(&by_words), query.by_words, "{}", query.query);

        let (mut best, mut vector) = (Best::new(50), Vec::new());
        let see = |id: i64, bytes: &[u8]| {
            from_bytes(bytes, &mut vector);
            best.offer(likeness(&query.vector, &vector), id);
        };
        store.each_vector(&documents, "m", see).unwrap();
        let by_meaning: Vec<i64> = best.into_vec().into_iter().map(|(_, id)| id).collect();
        assert_eq!(places(&by_meaning), query.by_meaning, "{}", query.query);

        let fused = places(&fuse(&[by_words, by_meaning]));
        assert_eq!(fused[..query.fused.len()], query.fused, "{}", query.query);
        for (count, ranking) in right.iter_mut().zip([&query.by_words, &query.by_meaning, &fused]) {
            *count += ranking.iter().take(10).filter(|at| **at % golden.subjects == query.subject).count();
        }
    }
    let [words, meaning, joined] = right;
    assert!(
        joined > words.max(meaning),
        "of the ten best: {words} by words, {meaning} by meaning, {joined} joined"
    );
}
