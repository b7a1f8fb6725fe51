//! Documents, what goes with messages, and folders, over a real file.

mod support;

use lantern_protocol::{AnswerSources, AttachedFile, Citation, DocumentKind, Place, Seen, SeenDocument};
use lantern_store::{NewDocument, Store, StoredFile};
use support::*;

/// A document of passages, each a line.
fn keep(store: &mut Store, hash: &str, passages: &[&str]) {
    let (mut text, mut cut) = (String::new(), Vec::new());
    for passage in passages {
        let begins = text.len();
        text.push_str(passage);
        text.push('\n');
        cut.push((begins, text.len(), Place::default()));
    }
    let kind = DocumentKind::Text;
    let new = NewDocument { hash: hash.into(), kind, bytes: 9, reader: 1, text, passages: cut };
    store.keep_document(&new).unwrap();
}

fn file(document: &str) -> AttachedFile {
    AttachedFile { document: document.into(), name: format!("{document}.txt") }
}

fn texts_of(store: &Store, ids: &[i64]) -> Vec<String> {
    store.passages(ids).unwrap().into_iter().map(|passage| passage.text.trim().to_owned()).collect()
}

#[test]
fn a_document_goes_with_the_last_message_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    keep(&mut store, "a", &["One lamp."]);
    keep(&mut store, "b", &["Two lamps."]);
    let first = ask_new(&mut store, "First");
    let second = ask_new(&mut store, "Second");
    let id = |asked: &lantern_store::Asked| asked.user_message.clone().unwrap().id;
    store.attach(&id(&first), &[file("a"), file("b")]).unwrap();
    store.attach(&id(&second), &[file("a"), file("b")]).unwrap();
    let names = |store: &Store, asked| {
        store.attachments(&id(asked)).unwrap().into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&store, &second), ["a.txt", "b.txt"]);
    assert!(store.attach(&id(&first), &[file("missing")]).is_err(), "a document that is not kept");

    assert!(store.forget_documents(None, i64::MAX).unwrap().is_empty());
    store.delete_conversation(&first.conversation.id).unwrap();
    assert!(store.forget_documents(None, i64::MAX).unwrap().is_empty(), "the second message has them");
    store.delete_conversation(&second.conversation.id).unwrap();
    assert!(store.forget_documents(None, 0).unwrap().is_empty(), "they are too young");
    let mut gone = store.forget_documents(None, i64::MAX).unwrap();
    gone.sort();
    assert_eq!(gone, ["a", "b"]);
    assert!(store.passages_by_words(&["a".into()], "lamp", 9).unwrap().is_empty());
}

#[test]
fn what_an_answer_saw_is_kept_word_by_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Q");
    let citation = Citation {
        number: 3,
        name: "a.pdf".into(),
        document: "gone".into(),
        place: Place { page: Some(2), ..Place::default() },
        text: "Words.".into(),
    };
    let seen = SeenDocument {
        name: "a.pdf".into(),
        document: Some("gone".into()),
        seen: Seen::Passages,
        shown: 1,
        total: 340,
    };
    let sources = AnswerSources {
        message_id: asked.assistant_message.id.clone(),
        seen: vec![seen],
        searched_by: Some(lantern_protocol::SearchedBy::Words),
        citations: vec![citation],
    };
    store.keep_sources(&sources).unwrap();
    store.keep_sources(&sources).unwrap();
    drop(store);
    let mut store = open(dir.path());
    let files = store.conversation_files(&asked.conversation.id).unwrap();
    assert_eq!(files.sources, [sources]);
    assert!(files.attachments.is_empty() && files.folders.is_empty());
}

#[test]
fn words_are_found_in_any_form_and_only_in_these_documents() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    keep(&mut store, "a", &["The keepers were lighting lamps.", "Nothing here.", "今天天气很好"]);
    keep(&mut store, "b", &["A lamp elsewhere."]);
    let find = |question: &str| {
        let ids = store.passages_by_words(&["a".into()], question, 9).unwrap();
        texts_of(&store, &ids)
    };
    assert_eq!(find("Who lights the lamp?"), ["The keepers were lighting lamps."]);
    assert_eq!(find("天气"), ["今天天气很好"]);
    assert_eq!(find("\"OR* -("), Vec::<String>::new());
}

#[test]
fn vectors_of_another_model_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    keep(&mut store, "a", &["One.", "Two."]);
    let all = ["a".to_owned()];
    let missing = |store: &Store, model: &str| {
        let found = store.passages_without_vector(&all, model, 9).unwrap();
        found.into_iter().map(|passage| passage.id).collect::<Vec<_>>()
    };
    let ids = missing(&store, "m");
    assert_eq!(ids.len(), 2);
    store.keep_vectors("m", &[(ids[0], vec![0; 8]), (9999, vec![0; 8])]).unwrap();
    assert_eq!(missing(&store, "m"), ids[1..]);
    store.keep_vectors("n", &[(ids[0], vec![1; 8])]).unwrap();
    assert_eq!(missing(&store, "m"), ids, "the vector of the other model went");
    let mut seen = Vec::new();
    store.each_vector(&all, "n", |id, vector| seen.push((id, vector.to_vec()))).unwrap();
    assert_eq!(seen, [(ids[0], vec![1; 8])]);
}

#[test]
fn a_folder_knows_its_files_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    keep(&mut store, "a", &["One.", "Two."]);
    let folder = store.add_knowledge_folder("/notes").unwrap();
    assert_eq!(store.add_knowledge_folder("/notes").unwrap(), folder);
    let stored = |path: &str, document: Option<&str>| StoredFile {
        path: path.into(),
        size: 1,
        modified: 2,
        reader: 1,
        document: document.map(Into::into),
        error: document.is_none().then(|| lantern_protocol::ErrorInfo {
            code: "document_damaged".into(),
            message: "No.".into(),
            next_step: "Mend it.".into(),
        }),
    };
    for file in [stored("one.md", Some("a")), stored("same.md", Some("a")), stored("bad.pdf", None)] {
        store.keep_knowledge_file(&folder, &file).unwrap();
    }
    let counted = store.count_knowledge(&folder, None).unwrap();
    assert_eq!((counted.files, counted.passages, counted.embedded, counted.failed), (2, 2, 0, 1));
    assert_eq!(store.documents_of_folder(&folder).unwrap(), [("a".into(), "one.md".into())]);
    assert_eq!(store.failed_files(&folder).unwrap()[0].path, "bad.pdf");

    let asked = ask_new(&mut store, "Q");
    store.set_folders_of_conversation(&asked.conversation.id, &[folder.clone(), "missing".into()]).unwrap();
    assert_eq!(store.folders_of_conversation(&asked.conversation.id).unwrap(), std::slice::from_ref(&folder));
    assert!(store.forget_documents(None, i64::MAX).unwrap().is_empty());
    store.remove_knowledge_folder(&folder).unwrap();
    assert!(store.folders_of_conversation(&asked.conversation.id).unwrap().is_empty());
    assert_eq!(store.forget_documents(None, i64::MAX).unwrap(), ["a"]);
}
