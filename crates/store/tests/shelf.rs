//! Folders, the archive, who gave a title, and chats that leave no trace.

mod support;

use lantern_protocol::{FindQuery, Folder};
use lantern_store::{Store, StoreError, is_temporary};
use support::*;

fn names(store: &Store) -> Vec<String> {
    store.folders().unwrap().into_iter().map(|folder| folder.name).collect()
}

#[test]
fn a_folder_that_goes_leaves_its_conversations() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let id = ask_new(&mut store, "recipes").conversation.id;
    let Folder { id: folder, .. } = store.create_folder("Kitchen").unwrap();
    assert_eq!(store.create_folder("kitchen").unwrap().id, folder, "there is one folder of a name");
    let moved = store.move_conversation(&id, Some(&folder)).unwrap();
    assert_eq!(moved.folder_id.as_ref(), Some(&folder));
    assert_eq!(store.conversations().unwrap()[0].folder_id.as_ref(), Some(&folder));

    store.create_folder("Archive").unwrap();
    assert_eq!(store.rename_folder(&folder, "archive").unwrap_err().code(), "folder_exists");
    store.rename_folder(&folder, "Cooking").unwrap();
    assert_eq!(names(&store), ["Archive", "Cooking"]);
    store.delete_folder(&folder).unwrap();
    assert_eq!(store.conversation(&id).unwrap().folder_id, None);
    for error in [
        store.delete_folder(&folder).unwrap_err(),
        store.move_conversation(&id, Some("nowhere")).unwrap_err(),
        store.rename_folder(&folder, "x").unwrap_err(),
    ] {
        assert_eq!(error.code(), "folder_not_found");
    }
}

#[test]
fn what_is_archived_is_found_only_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let id = ask_new(&mut store, "an old wombat").conversation.id;
    assert!(store.archive_conversation(&id, true).unwrap().archived);
    assert_eq!(store.search("wombat").unwrap(), []);
    let query = FindQuery { text: "wombat".into(), ..FindQuery::default() };
    assert_eq!(store.find(&query).unwrap().hits, []);
    let found = store.find(&FindQuery { archived: true, ..query }).unwrap();
    assert_eq!((found.hits.len(), found.messages), (2, 1), "its title and its message");
    assert!(!store.archive_conversation(&id, false).unwrap().archived);
    assert_eq!(store.search("wombat").unwrap().len(), 1);
}

#[test]
fn a_model_never_changes_the_title_that_a_person_gave() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let id = ask_new(&mut store, "what is the capital of france").conversation.id;
    assert!(store.wants_title(&id).unwrap());
    assert!(store.title_by_model(&id, "Capital of France").unwrap());
    assert!(!store.wants_title(&id).unwrap());
    assert!(!store.title_by_model(&id, "Another one").unwrap(), "a title is written once");
    assert_eq!(store.search("capital").unwrap()[0].conversation.title, "Capital of France");

    let other = ask_new(&mut store, "hello").conversation.id;
    store.rename_conversation(&other, "Mine").unwrap();
    assert!(!store.title_by_model(&other, "Theirs").unwrap());
    assert_eq!(store.conversation(&other).unwrap().title, "Mine");
    assert!(matches!(store.title_by_model("gone", "x"), Err(StoreError::NoConversation(_))));
}

#[test]
fn a_store_in_memory_does_everything_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::in_memory().unwrap();
    let asked = ask_new(&mut store, "xylophone");
    answer(&mut store, &asked, "glockenspiel");
    let conversation = store.conversation(&asked.conversation.id).unwrap();
    assert!(conversation.temporary && is_temporary(&conversation.id));
    assert!(is_temporary(&asked.assistant_message.id));
    assert_eq!(store.search("glocken").unwrap().len(), 1);
    store.delete_conversation(&conversation.id).unwrap();
    assert_eq!(store.search("glocken").unwrap(), []);
    drop(store);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let mut kept = open(dir.path());
    let id = ask_new(&mut kept, "kept").conversation.id;
    assert!(!is_temporary(&id) && !kept.conversation(&id).unwrap().temporary);
}
