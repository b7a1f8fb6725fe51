//! Pictures that go with messages, with a real (tiny) model that sees, and with one that does not.

mod support;

use std::path::{Path, PathBuf};

use lantern_app::App;
use lantern_gguf::{Array, GgufFile, GgufWriter, Value};
use lantern_protocol::{
    AttachedFile, ChatEvent, Receipt, ReceiptBy, ReceiptPart, ReplayEvent, SamplingSettings, Seen,
    SendMessage, SentWith, SettingsPatch,
};
use support::{MODEL, drain, finished, limit_tokens, message, with_model};

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role }}{% if m.content is string %}\
{{ m.content | trim }}{% else %}{% for part in m.content %}{% if part.type == 'image' %}{{ '<start_of_image>' }}{% else %}\
{{ part.text | trim }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>' }}{% endfor %}{{ '<start_of_turn>model' }}";

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

/// Puts a model that sees and its projector into a folder: a golden one whose vocabulary gets the words around pictures.
fn seeing_model(folder: &Path) -> PathBuf {
    let file = GgufFile::open(&golden("pictures/gemma3_pictures-F32.gguf")).unwrap();
    let mut writer = GgufWriter::copy_of(&file).unwrap();
    let list = |key: &str| writer.metadata.get(key).cloned();
    let (Some(Value::Array(Array::String(mut tokens))), Some(Value::Array(Array::I32(mut types)))) =
        (list("tokenizer.ggml.tokens"), list("tokenizer.ggml.token_type"))
    else {
        panic!("a golden vocabulary")
    };
    for (id, spelling) in [(509, "<start_of_image>"), (510, "<end_of_image>")] {
        (tokens[id], types[id]) = (spelling.to_owned(), 3);
    }
    writer.metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    writer.metadata.set("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    writer.metadata.set("tokenizer.chat_template", Value::String(TEMPLATE.to_owned()));
    let model = folder.join("see.gguf");
    std::fs::write(&model, writer.finish()).unwrap();
    std::fs::copy(golden("vision/mmproj-gemma3-F32.gguf"), folder.join("mmproj-see.gguf")).unwrap();
    model
}

/// Sends, waits for the end. Gives the conversation, the tokens of the prompt, and how much was seen of the first file.
async fn ask(app: &App, request: SendMessage, with: SentWith) -> (String, u32, Option<Seen>) {
    let events = drain(app.send_message_with(request, with).await.unwrap()).await;
    let seen = events.iter().find_map(|event| match event {
        ChatEvent::Sources { sources } => sources.seen.first().map(|first| first.seen),
        _ => None,
    });
    let answer = finished(&events);
    (answer.conversation_id, answer.stats.unwrap().prompt_tokens, seen)
}

#[tokio::test]
async fn a_model_that_sees_is_shown_the_picture_and_one_that_does_not_is_told_of_it_later() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let models = tempfile::tempdir().unwrap();
    let see = app.import_model(seeing_model(models.path()), false).await.unwrap().id;
    assert!(app.model_sees(&see).await.unwrap());
    assert!(!app.model_sees(MODEL).await.unwrap());

    let picture = app.attach_file(golden("vision/waves.png")).await.unwrap();
    let file = AttachedFile { document: picture.document, name: picture.name };
    let with = SentWith { attachments: vec![file], folders: None, ..Default::default() };
    let asked = || SendMessage { model: Some(see.clone()), ..message(None, "What is this?") };
    let (_, bare, seen) = ask(&app, asked(), SentWith::default()).await;
    assert_eq!(seen, None);
    let (conversation, shown, seen) = ask(&app, asked(), with).await;
    assert_eq!(seen, Some(Seen::Picture));
    assert!(shown > bare, "the picture takes tokens: {shown} and {bare}");

    let next = SendMessage { model: Some(MODEL.into()), ..message(Some(&conversation), "And now?") };
    let (_, _, seen) = ask(&app, next, SentWith::default()).await;
    assert_eq!(seen, Some(Seen::Nothing));
}

#[tokio::test]
async fn an_answer_about_a_picture_comes_again() {
    let (_home, app) = with_model().await;
    // Hot: tokens then follow small differences.
    let hot = SamplingSettings { temperature: 2.0, seed: Some(7), ..SamplingSettings::default() };
    let sampling = SamplingSettings { max_tokens: Some(24), ..hot };
    let patch = SettingsPatch { sampling: Some(sampling), ..SettingsPatch::default() };
    app.update_settings(patch).await.unwrap();
    let models = tempfile::tempdir().unwrap();
    let see = app.import_model(seeing_model(models.path()), false).await.unwrap().id;
    let file = async |name: &str| {
        let picture = app.attach_file(golden(&format!("vision/{name}.png"))).await.unwrap();
        AttachedFile { document: picture.document, name: picture.name }
    };
    let with =
        SentWith { attachments: vec![file("waves").await, file("bands").await], ..SentWith::default() };
    let asked = SendMessage { model: Some(see), ..message(None, "What is this?") };
    let answer = finished(&drain(app.send_message_with(asked, with).await.unwrap()).await);

    let receipt = app.receipt(&answer.id).await.unwrap();
    let [waves, bands] = &receipt.facts.pictures[..] else { panic!("{:?}", receipt.facts.pictures) };
    assert_ne!(waves.sha256, bands.sha256);
    assert!(bands.before > waves.before);
    assert_eq!(
        answer.stats.unwrap().prompt_tokens,
        receipt.prompt.len() as u32 + waves.parts + bands.parts,
        "parts of pictures are no tokens"
    );
    let ReceiptBy::Local { files, .. } = &receipt.facts.by else { panic!("a local model") };
    assert!(files.iter().any(|file| file.part == ReceiptPart::Projector));
    let replayed = async |receipt: Receipt| {
        let mut replay = app.replay(receipt).await.unwrap();
        let mut last = None;
        while let Some(event) = replay.next().await {
            last = Some(event);
        }
        last
    };
    let same = replayed(receipt.clone()).await;
    assert!(matches!(&same, Some(ReplayEvent::Finished { verdict }) if verdict.identical), "{same:?}");
    let mut swapped = receipt;
    swapped.facts.pictures.swap(0, 1);
    let other = replayed(swapped).await;
    assert!(matches!(&other, Some(ReplayEvent::Finished { verdict }) if !verdict.identical), "{other:?}");
}
