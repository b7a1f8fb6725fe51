//! Files in conversations, with a real model: what it sees, what is told, what is kept.

mod support;

use std::path::PathBuf;

use lantern_app::App;
use lantern_protocol::{
    AnswerSources, AttachedFile, Attachment, ChatEvent, DocumentKind, KnowledgeState, Message, SearchedBy,
    Seen, SendMessage, SentWith, SettingsPatch,
};
use support::{drain, finished, golden, limit_tokens, message, until, with_model};

fn document(name: &str) -> PathBuf {
    lantern_golden::path("documents").join(name)
}

fn with(files: &[&Attachment]) -> SentWith {
    let file = |one: &&Attachment| AttachedFile { document: one.document.clone(), name: one.name.clone() };
    SentWith { attachments: files.iter().map(file).collect(), folders: None, ..Default::default() }
}

/// Sends, waits for the end. Gives the answer and what it saw of files.
async fn ask(app: &App, request: SendMessage, with: SentWith) -> (Message, Option<AnswerSources>) {
    let events = drain(app.send_message_with(request, with).await.unwrap()).await;
    let sources = events.iter().find_map(|event| match event {
        ChatEvent::Sources { sources } => Some(sources.clone()),
        _ => None,
    });
    (finished(&events), sources)
}

/// A text of numbered sentences, one of them about something else.
fn long_text() -> String {
    let mut text: String =
        (0..4000).map(|n| format!("Sentence {n} tells of the tide and the wind.\n")).collect();
    text.push_str("\nThe keeper's password is heliotrope, written on the oil can.\n");
    text
}

#[tokio::test]
async fn a_short_document_is_seen_whole_and_stays_with_its_question() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let pdf = app.attach_file(document("lighthouse.pdf")).await.unwrap();
    assert_eq!((pdf.kind, pdf.name.as_str()), (DocumentKind::Pdf, "lighthouse.pdf"));
    let kept = home.path().join("attachments").join(&pdf.document[..2]).join(&pdf.document);
    assert_eq!(std::fs::read(&kept).unwrap(), std::fs::read(document("lighthouse.pdf")).unwrap());

    let (answer, sources) = ask(&app, message(None, "When was it lit?"), with(&[&pdf])).await;
    let sources = sources.expect("it saw a file");
    assert_eq!((sources.seen[0].seen, sources.citations[0].number), (Seen::Whole, 1));
    let bare = support::answer(&app, None, "When was it lit?").await;
    let tokens = |message: &Message| message.stats.unwrap().prompt_tokens;
    assert!(tokens(&answer) > tokens(&bare) + 50, "{} and {}", tokens(&answer), tokens(&bare));

    // The next question sees it too, under the same number, and so does another version of the first.
    let conversation = answer.conversation_id.clone();
    let (_, next) =
        ask(&app, message(Some(&conversation), "And who lives there?"), SentWith::default()).await;
    assert_eq!(next.unwrap().citations[0].number, 1);
    let question = answer.parent_id.clone().unwrap();
    drain(app.edit_message(&question, "When was it built?", None).await.unwrap()).await;
    let files = app.conversation_files(&conversation).await.unwrap();
    assert_eq!((files.attachments.len(), files.sources.len()), (2, 3));

    let opened = app.citation(&answer.id, 1).await.unwrap();
    assert!(opened.preview.text.contains("lit in 1611"));
    app.delete_conversation(&conversation).await.unwrap();
    assert!(!kept.exists(), "the file outlived its last message");
    assert_eq!(app.document_preview(&pdf.document).await.unwrap_err().code, "document_gone");
}

#[tokio::test]
async fn of_a_long_document_passages_are_found_and_can_be_opened_later() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let patch = SettingsPatch { context_length: Some(4096), ..SettingsPatch::default() };
    app.update_settings(patch).await.unwrap();
    let long = app.attach_bytes("log/../notes.txt", long_text().into_bytes()).await.unwrap();
    assert_eq!(long.name, "notes.txt");
    let question = "What is the password of the keeper?";
    let (answer, sources) = ask(&app, message(None, question), with(&[&long])).await;
    let sources = sources.unwrap();
    let seen = &sources.seen[0];
    assert_eq!(
        (seen.seen, seen.total, sources.searched_by),
        (Seen::Passages, long.passages, Some(SearchedBy::Words))
    );
    assert_eq!(usize::try_from(seen.shown).unwrap(), sources.citations.len());
    assert!(sources.citations[0].text.contains("heliotrope"), "the best passage comes first");
    let opened = app.citation(&answer.id, 1).await.unwrap();
    let [begins, ends] = opened.preview.highlight.expect("it is still there");
    assert!(opened.preview.is_part && ends > begins);

    // The next question gets passages with numbers of their own.
    let next = message(Some(&answer.conversation_id), "Who wrote of the wind on line 2000?");
    let (_, sources) = ask(&app, next, SentWith::default()).await;
    assert!(sources.unwrap().citations[0].number > seen.shown);
    assert_eq!(app.citation(&answer.id, 99).await.unwrap_err().code, "citation_not_found");
}

#[tokio::test]
async fn with_an_embedding_model_passages_are_found_by_meaning_too() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    app.import_model(golden("bert-F32"), false).await.unwrap();
    let patch = SettingsPatch { context_length: Some(2048), ..SettingsPatch::default() };
    app.update_settings(patch).await.unwrap();
    let text: String = (0..400).map(|n| format!("Sentence {n} of the log.\n")).collect();
    let long = app.attach_bytes("log.txt", text.into_bytes()).await.unwrap();
    let (_, sources) = ask(&app, message(None, "Which sentence of the log?"), with(&[&long])).await;
    assert_eq!(sources.unwrap().searched_by, Some(SearchedBy::WordsAndMeaning));
    assert_eq!(app.knowledge().await.unwrap().embedding_model.as_deref(), Some("bert-F32"));

    let none = SettingsPatch { embedding_model: Some("none".into()), ..SettingsPatch::default() };
    app.update_settings(none).await.unwrap();
    let (_, sources) = ask(&app, message(None, "Which sentence of the log?"), with(&[&long])).await;
    assert_eq!(sources.unwrap().searched_by, Some(SearchedBy::Words));
}

#[tokio::test]
async fn a_model_without_eyes_says_so() {
    let (_home, app) = with_model().await;
    let picture = app.attach_file(document("../vision/waves.png")).await.unwrap();
    assert_eq!(picture.kind, DocumentKind::Image);
    assert!(app.thumbnail(&picture.document).await.unwrap().starts_with("data:image/png;base64,"));
    let stream = app.send_message_with(message(None, "What is this?"), with(&[&picture])).await.unwrap();
    match drain(stream).await.pop() {
        Some(ChatEvent::Failed { error, message }) => {
            assert_eq!(error.code, "model_cannot_see");
            assert_eq!(message.error.unwrap().code, "model_cannot_see");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_anything_is_stored() {
    let (home, app) = with_model().await;
    let code = async |name: &str| app.attach_file(document(name)).await.unwrap_err().code;
    assert_eq!(code("locked.pdf").await, "document_encrypted");
    assert_eq!(code("missing.pdf").await, "document_unreadable");
    assert_eq!(code("").await, "document_unreadable");
    let broken = app.attach_bytes("a.png", b"\x89PNG\r\n\x1a\n and no more".to_vec()).await;
    assert_eq!(broken.unwrap_err().code, "bad_picture");
    let nobody = AttachedFile { document: "../../etc/passwd".into(), name: "x".into() };
    let with = SentWith { attachments: vec![nobody], folders: None, ..Default::default() };
    let refused = app.send_message_with(message(None, "Hi"), with).await.unwrap_err();
    assert_eq!(refused.code, "attachment_gone");
    assert!(app.list_conversations(None).await.unwrap().is_empty());
    assert!(!home.path().join("attachments").exists());
}

#[tokio::test]
async fn a_folder_is_read_searched_and_kept_current() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let notes = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(notes.path().join(name), text).unwrap();
    write("keeper.md", "# Keeper\n\nThe keeper is called Augustin.\n");
    write("boat.txt", "The boat is called Argo.\n");
    std::fs::copy(document("locked.pdf"), notes.path().join("locked.pdf")).unwrap();
    let id = app.add_knowledge_folder(notes.path()).await.unwrap();
    assert_eq!(
        app.add_knowledge_folder(notes.path().join("missing")).await.unwrap_err().code,
        "folder_unreadable"
    );
    app.watch_knowledge();
    let ready = async || {
        let folder = app.knowledge().await.unwrap().folders.pop()?;
        (folder.state == KnowledgeState::Ready).then_some(folder)
    };
    let folder = until("the folder is read", ready).await;
    assert_eq!((folder.files, folder.failed, folder.passages), (2, 1, 2));
    assert_eq!(app.failed_files(&id).await.unwrap()[0].error.code, "document_encrypted");

    let with = SentWith { attachments: Vec::new(), folders: Some(vec![id.clone()]), ..Default::default() };
    let (answer, sources) = ask(&app, message(None, "What is the keeper called?"), with).await;
    let sources = sources.unwrap();
    assert_eq!((sources.seen[0].seen, sources.seen[0].document.as_ref()), (Seen::Passages, None));
    assert_eq!(sources.citations[0].name, "keeper.md");
    assert_eq!(sources.citations[0].place.heading.as_deref(), Some("Keeper"));

    // A file that changes is read anew, one that goes is forgotten, and the answer keeps what it saw.
    write("keeper.md", "# Keeper\n\nThe keeper is called Henriette now.\n");
    std::fs::remove_file(notes.path().join("boat.txt")).unwrap();
    app.reread_knowledge();
    let fresh = async || {
        let folder = app.knowledge().await.unwrap().folders.pop()?;
        (folder.files == 1 && folder.state == KnowledgeState::Ready).then_some(())
    };
    until("the change is seen", fresh).await;
    let next = message(Some(&answer.conversation_id), "What is the keeper called now?");
    let (_, sources) = ask(&app, next, SentWith::default()).await;
    assert!(sources.unwrap().citations[0].text.contains("Henriette"));
    let old = app.citation(&answer.id, 1).await.unwrap();
    assert!(old.preview.text.contains("Augustin") && old.preview.highlight.is_none());

    app.remove_knowledge_folder(&id).await.unwrap();
    assert!(app.knowledge().await.unwrap().folders.is_empty());
    assert!(app.conversation_files(&answer.conversation_id).await.unwrap().folders.is_empty());
}
