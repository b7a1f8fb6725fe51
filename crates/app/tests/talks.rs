//! Titles by the model, chats that leave no trace, folders, and conversations out and in.

mod support;

use std::path::Path;

use lantern_app::App;
use lantern_protocol::{AttachedFile, ExportFormat, FindQuery, SentWith, SettingsPatch};
use support::*;

/// Whether any file of a data directory holds these bytes.
fn is_anywhere(home: &Path, needle: &str) -> bool {
    let entries = std::fs::read_dir(home).unwrap().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => is_anywhere(&path, needle),
            false => {
                std::fs::read(&path).unwrap_or_default().windows(needle.len()).any(|w| w == needle.as_bytes())
            }
        }
    })
}

async fn titles(app: &App) -> Vec<String> {
    let rows = app.list_conversations(None).await.unwrap();
    rows.into_iter().map(|row| row.conversation.title).collect()
}

#[tokio::test]
async fn a_temporary_chat_leaves_no_trace() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(12)).await;
    let chat = app.begin_temporary_chat().await.unwrap();
    assert!(chat.temporary);
    let secret = format!("{} zyzzyvas", "Tell me everything about zyzzyvas. ".repeat(20));
    let first = answer(&app, Some(&chat.id), &secret).await;
    let second = answer(&app, Some(&chat.id), "And their zyzzyvalings?").await;
    let again = drain(app.regenerate(&second.id, None).await.unwrap()).await;
    assert_eq!(finished(&again).conversation_id, chat.id);
    let view = app.conversation(&chat.id).await.unwrap();
    assert_eq!(view.messages.len(), 5);
    assert!(view.messages.iter().any(|message| message.id == first.id));
    app.pin_conversation(&chat.id, true).await.unwrap();
    assert_eq!(titles(&app).await, [""; 0], "it is not listed");
    let query = FindQuery { text: "zyzzyvas".into(), ..FindQuery::default() };
    assert_eq!(app.find_messages(query).await.unwrap().hits, []);

    assert!(!is_anywhere(home.path(), "zyzzyva"), "while it is open");
    app.delete_conversation(&chat.id).await.unwrap();
    assert_eq!(app.conversation(&chat.id).await.unwrap_err().code, "conversation_not_found");
    app.shutdown().await;
    drop(app);
    assert!(!is_anywhere(home.path(), "zyzzyva") && !is_anywhere(home.path(), &chat.id));
    let prefixes = lantern_engine::DiskCacheOptions { folder: home.path().join("prefixes"), quota_bytes: 0 };
    assert_eq!(prefixes.bytes(), 0, "what was computed of it went to the disk");
}

#[tokio::test]
async fn a_temporary_chat_has_no_files_and_says_so() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let chat = app.begin_temporary_chat().await.unwrap();
    let kept = app.attach_bytes("notes.txt", b"Of zyzzyvas.".to_vec()).await.unwrap();
    let file = AttachedFile { document: kept.document, name: kept.name };
    for with in [
        SentWith { attachments: vec![file], ..SentWith::default() },
        SentWith { folders: Some(vec!["folder".into()]), ..SentWith::default() },
    ] {
        let sent = app.send_message_with(message(Some(&chat.id), "What is in it?"), with).await;
        assert_eq!(sent.map(|_| ()).unwrap_err().code, "temporary_without_files");
    }
    let folders = app.set_conversation_folders(&chat.id, vec!["folder".into()]).await;
    assert_eq!(folders.unwrap_err().code, "temporary_without_files");
    assert!(app.conversation(&chat.id).await.unwrap().messages.is_empty(), "the question was stored");
    // None is no file: the same chat answers.
    let none = SentWith { folders: Some(vec![]), ..SentWith::default() };
    let sent = app.send_message_with(message(Some(&chat.id), "Hello"), none).await.unwrap();
    assert_eq!(finished(&drain(sent).await).conversation_id, chat.id);
}

#[tokio::test]
async fn a_stopped_answer_of_a_temporary_chat_goes_on() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let chat = app.begin_temporary_chat().await.unwrap();
    let cut = answer(&app, Some(&chat.id), "Tell me a story").await;
    let more = finished(&drain(app.continue_answer(&cut.id).await.unwrap()).await);
    assert!(more.content.starts_with(&cut.content) && more.content.len() > cut.content.len());
    let opened = app.open_conversation(&chat.id).await.unwrap();
    assert_eq!(opened.view.messages.len(), 3);
}

#[tokio::test]
async fn a_title_never_takes_a_persons_place_and_can_be_switched_off() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let off = SettingsPatch { write_titles: Some(false), ..SettingsPatch::default() };
    app.update_settings(off).await.unwrap();
    let first = answer(&app, None, "Hello there").await;
    app.rename_conversation(&first.conversation_id, "Mine").await.unwrap();
    let on = SettingsPatch { write_titles: Some(true), ..SettingsPatch::default() };
    app.update_settings(on).await.unwrap();
    answer(&app, Some(&first.conversation_id), "Go on").await;
    // Closing waits for what writes titles.
    app.shutdown().await;
    assert_eq!(titles(&app).await, ["Mine"]);
}

#[tokio::test]
async fn conversations_go_out_and_come_in_as_they_were() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let first = answer(&app, None, "One").await;
    drain(app.regenerate(&first.id, None).await.unwrap()).await;
    let folder = app.create_folder(" Kitchen ").await.unwrap();
    assert_eq!(app.create_folder("  ").await.unwrap_err().code, "bad_folder_name");
    app.move_conversation(&first.conversation_id, Some(folder.id)).await.unwrap();
    let second = answer(&app, None, "Two").await;
    app.archive_conversation(&second.conversation_id, true).await.unwrap();
    let file = home.path().join("all.json");
    assert_eq!(app.export_conversations(None, ExportFormat::Json, file.clone()).await.unwrap(), 2);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path()).await;
    let report = other.import_conversations(vec![file.clone()]).await.unwrap();
    let [told] = report.files.as_slice() else { panic!("{report:?}") };
    assert_eq!((told.source.as_deref(), told.conversations, told.messages), (Some("Lantern"), 2, 5));
    assert_eq!((&told.kept, &told.left, &told.error), (&vec![], &vec![], &None));
    for id in [&first.conversation_id, &second.conversation_id] {
        let (mut here, there) = (app.conversation(id).await.unwrap(), other.conversation(id).await.unwrap());
        // The folder has a name of its own there.
        assert_eq!(here.conversation.folder_id.is_some(), there.conversation.folder_id.is_some());
        here.conversation.folder_id.clone_from(&there.conversation.folder_id);
        assert_eq!(here, there);
    }
    assert_eq!(other.folders().await.unwrap()[0].name, "Kitchen");
    let again = other.import_conversations(vec![file, home.path().join("nowhere")]).await.unwrap();
    assert_eq!((again.files[0].conversations, again.files[0].known), (0, 2));
    assert_eq!(again.files[1].error.as_ref().unwrap().code, "io_error");

    let pages = home.path().join("pages");
    assert_eq!(other.export_conversations(None, ExportFormat::Html, pages.clone()).await.unwrap(), 2);
    assert_eq!(std::fs::read_dir(pages).unwrap().count(), 2);
    let page = other.conversation_as(&first.conversation_id, ExportFormat::Markdown).await.unwrap();
    assert!(page.starts_with("# One\n"), "{page}");
}
