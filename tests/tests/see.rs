//! A picture on its way from a conversation into a model and out as words: the template, the parts in the prompt, the
//! encoder, steps, the prefix cache, and the endpoint. The models are golden ones whose vocabulary was given the words around
//! pictures; what they must answer is computed here by decoder and encoder alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_app::{App, AppOptions};
use lantern_engine::text::{Sampler, SamplingParams};
use lantern_engine::{
    ChatMessage, ContentPart, Engine, EngineError, EngineOptions, GenerateRequest, GenerationEvent, KvType,
    Picture, Prompt, projector_beside,
};
use lantern_gguf::{GgufFile, GgufWriter, Value};
use lantern_models::{
    Compute, Device, EncodedPicture, ForwardBatch, KvCache, PlacedPicture, registry, vision,
};
use lantern_server::{ServeOptions, serve};
use lantern_tests::seeing::{OPEN, SHUT, TEMPLATE, write_model};
use serde_json::json;

/// Knows text alone.
const OLD_TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role + m.content | trim + '<end_of_turn>' }}{% endfor %}";
const ANSWER: usize = 12;

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

/// A folder with a model that sees, `see.gguf`, and its projector.
fn folder(template: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_model(folder.path(), template);
    folder
}

fn load(folder: &Path) -> Engine {
    let model = folder.join("see.gguf");
    let projector = projector_beside(&model);
    let options = EngineOptions { threads: 2, kv_type: KvType::F32, projector, ..EngineOptions::default() };
    Engine::load(&model, options).expect("the model loads")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(&format!("vision/{name}.png"))).expect("the picture is part of the repository")
}

fn picture(name: &str) -> Picture {
    Picture::decode(&bytes(name)).expect("a picture")
}

fn shown(name: &str, words: &str) -> ChatMessage {
    let parts = vec![ContentPart::Picture(picture(name)), ContentPart::Text(words.to_owned())];
    ChatMessage::of_parts("user", parts)
}

fn prompt(messages: &[ChatMessage]) -> Prompt {
    Prompt::Messages { messages: messages.to_vec(), tools: None }
}

/// Those of the settings, but hot: tokens then follow small differences. The seed makes them the same each time.
fn sampling() -> SamplingParams {
    SamplingParams {
        temperature: 2.0,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.05,
        seed: Some(7),
        ..SamplingParams::default()
    }
}

/// The answer's tokens, and how much of the prompt came from the cache.
fn answer(engine: &Engine, messages: &[ChatMessage]) -> (Vec<u32>, usize) {
    let request = GenerateRequest {
        sampling: sampling(),
        max_tokens: Some(ANSWER),
        ..GenerateRequest::new(prompt(messages))
    };
    let mut stream = engine.generate(request).expect("accepted");
    let (mut answer, mut cached) = (Vec::new(), 0);
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { tokens, .. } | GenerationEvent::Reasoning { tokens, .. } => {
                answer.extend(tokens)
            }
            GenerationEvent::Finished { usage, .. } => cached = usage.cached_tokens,
            GenerationEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    (answer, cached)
}

/// What decoder and encoder answer without an engine, piece by piece and from nothing.
fn expected(folder: &Path, ids: &[u32], names: &[&str]) -> Vec<u32> {
    let file = GgufFile::open(&folder.join("see.gguf")).expect("the model");
    let model = registry::load_with(&file, Compute::kernels(2)).expect("it loads");
    let projector = GgufFile::open(&folder.join("mmproj-see.gguf")).expect("the projector");
    let mut encoder = vision::load(&projector, 2).expect("it loads");
    let starts = ids.iter().enumerate().filter(|(_, id)| **id == OPEN).map(|(at, _)| at + 1);
    let pictures: Vec<PlacedPicture> = starts
        .zip(names)
        .map(|(start, name)| {
            let (pixels, target) = picture(name).prepared(encoder.as_ref()).expect("prepared");
            let vectors = encoder.encode(&pixels, target).expect("encoded");
            let picture = EncodedPicture { grid: encoder.grid(target), vectors, together: true };
            PlacedPicture { start, picture: Arc::new(picture) }
        })
        .collect();
    assert_eq!(pictures.len(), names.len());
    let layout = &model.config().kv_layout;
    let table: Vec<u32> = (0..40).collect();
    let mut kv = KvCache::new(layout, &vec![40; layout.groups().len()], 16, KvType::F32, &Device::Cpu)
        .expect("a cache");
    let mut sampler = Sampler::new(&sampling());
    let (mut ids, mut at, mut logits) = (ids.to_vec(), 0, Vec::new());
    let prompt = ids.len();
    while ids.len() < prompt + ANSWER {
        let next = pictures.iter().find(|picture| picture.end() > at);
        let end = match next {
            Some(picture) if picture.start == at => picture.end(),
            Some(picture) => picture.start,
            None => ids.len(),
        };
        let mut batch = ForwardBatch::default();
        let tables = layout.groups().into_iter().map(|_| table.as_slice());
        batch.push_with_pictures(&ids[at..end], at, tables, 16, &pictures);
        if end == ids.len() {
            batch.logit_rows = vec![(end - at - 1) as u32];
        }
        model.forward(&batch, &mut kv, &mut logits).expect("it runs");
        at = end;
        if !logits.is_empty() {
            ids.push(sampler.sample(&mut logits, &ids).expect("a token"));
        }
    }
    ids.split_off(prompt)
}

#[test]
fn parts_stand_between_the_words_that_the_model_was_trained_with() {
    for template in [TEMPLATE, OLD_TEMPLATE] {
        let folder = folder(template);
        let engine = load(folder.path());
        let ids = engine.prompt_ids(prompt(&[shown("waves", "cat")])).expect("a prompt");
        let open = ids.iter().position(|&id| id == OPEN).expect("the opening token");
        let (parts, behind) = ids[open + 1..].split_at(4);
        assert!(parts.iter().all(|&id| id >= 1 << 31), "four parts: {ids:?}");
        assert_eq!(behind[0], SHUT, "{ids:?}");
        let line = engine.tokenizer().token_id("\n\n").expect("a token for an empty line");
        assert_eq!((ids[open - 1], behind[1]), (line, line), "{ids:?}");
        let again = engine.prompt_ids(prompt(&[shown("waves", "cat")])).expect("a prompt");
        assert_eq!(again, ids, "the same picture has the same parts");
        let other = engine.prompt_ids(prompt(&[shown("bands", "cat")])).expect("a prompt");
        assert_eq!((&other[..=open], &other[open + 5..]), (&ids[..=open], &ids[open + 5..]));
        assert!(other[open + 1..open + 5].iter().zip(parts).all(|(a, b)| a != b));
    }
}

#[test]
fn a_mark_that_somebody_typed_is_no_picture() {
    let folder = folder(TEMPLATE);
    let engine = load(folder.path());
    let typed = ChatMessage::new("user", "a <start_of_image> b");
    let ids = engine.prompt_ids(prompt(std::slice::from_ref(&typed))).expect("a prompt");
    assert!(!ids.contains(&OPEN), "{ids:?}");
    let both = [typed, shown("waves", "<start_of_image>")];
    let ids = engine.prompt_ids(prompt(&both)).expect("a prompt");
    assert_eq!(ids.iter().filter(|&&id| id == OPEN).count(), 1, "{ids:?}");
}

#[test]
fn answers_are_those_of_decoder_and_encoder_alone() {
    let folder = folder(TEMPLATE);
    let engine = load(folder.path());
    assert!(engine.info().sees);
    let words = ChatMessage::new("system", "Look closely. ".repeat(6));
    let about = |name| [words.clone(), shown(name, "What is this?")];
    let first = about("waves");
    let ids = engine.prompt_ids(prompt(&first)).expect("a prompt");
    let expected_first = expected(folder.path(), &ids, &["waves"]);
    assert_eq!(answer(&engine, &first), (expected_first.clone(), 0));
    let (again, cached) = answer(&engine, &first);
    assert_eq!(again, expected_first);
    assert!(cached > 0, "the same picture is found in the prefix cache");

    // Another picture in the same place shares nothing but what stands before it.
    let other = about("bands");
    let other_ids = engine.prompt_ids(prompt(&other)).expect("a prompt");
    let expected_other = expected(folder.path(), &other_ids, &["bands"]);
    assert_ne!(expected_other, expected_first, "the picture changes the answer");
    assert_eq!(answer(&engine, &other).0, expected_other);

    // A conversation that goes on with a second picture.
    let more = [ChatMessage::new("assistant", "A sea."), shown("bands", "And this?")];
    let turns = [&first[..], &more].concat();
    let ids = engine.prompt_ids(prompt(&turns)).expect("a prompt");
    let (found, cached) = answer(&engine, &turns);
    assert_eq!(found, expected(folder.path(), &ids, &["waves", "bands"]));
    assert!(cached >= 64, "{cached}: the first turn is not computed again");
}

#[test]
fn several_conversations_with_pictures_at_once_answer_as_each_alone() {
    let folder = folder(TEMPLATE);
    let engine = load(folder.path());
    let conversations: Vec<ChatMessage> = (0..6)
        .map(|i| shown(["waves", "bands"][i % 2], &format!("{} {i}", "word ".repeat(20 * i))))
        .collect();
    let alone: Vec<Vec<u32>> = conversations
        .iter()
        .map(|message| answer(&load(folder.path()), std::slice::from_ref(message)).0)
        .collect();
    std::thread::scope(|scope| {
        let engine = &engine;
        let ask = |message| scope.spawn(move || answer(engine, std::slice::from_ref(message)).0);
        let running: Vec<_> = conversations.iter().map(ask).collect();
        for (running, alone) in running.into_iter().zip(&alone) {
            assert_eq!(&running.join().expect("an answer"), alone);
        }
    });
}

#[test]
fn who_cannot_see_says_why() {
    let folder = folder(TEMPLATE);
    let attempt = |projector: Option<PathBuf>| {
        let options = EngineOptions { threads: 1, projector, ..EngineOptions::default() };
        let engine =
            Engine::load(&folder.path().join("see.gguf"), options).expect("the model loads all the same");
        let text = answer(&engine, &[ChatMessage::new("user", "Hi")]).0;
        assert!(!text.is_empty(), "text works in any case");
        let error = engine.prompt_ids(prompt(&[shown("waves", "Hi")])).expect_err("no pictures");
        assert!(!error.next_step().is_empty());
        error
    };
    assert!(matches!(attempt(None), EngineError::NoVision { reason } if reason.contains("no projector")));
    let other = attempt(Some(golden("vision/mmproj-qwen3vl-F32.gguf")));
    assert!(matches!(&other, EngineError::NoVision { reason } if reason.contains("Qwen3Vl")), "{other}");
    let model = attempt(Some(folder.path().join("see.gguf")));
    assert_eq!(model.code(), "unknown_architecture");
    let damaged = folder.path().join("mmproj-damaged.gguf");
    let whole = std::fs::read(golden("vision/mmproj-gemma3-F32.gguf")).expect("the golden file");
    std::fs::write(&damaged, &whole[..whole.len() / 2]).expect("written");
    assert!(!attempt(Some(damaged)).code().is_empty());
    assert_eq!(attempt(Some(folder.path().join("gone.gguf"))).code(), "file_not_found");
}

#[test]
fn the_projector_that_fits_is_found() {
    let folder = folder(TEMPLATE);
    let at = |name: &str| folder.path().join(name);
    let model = at("see.gguf");
    assert_eq!(projector_beside(&model), Some(at("mmproj-see.gguf")));
    // Closer in name, but of another width; and one that is no projector at all.
    let file = GgufFile::open(&at("mmproj-see.gguf")).expect("the projector");
    let mut wide = GgufWriter::copy_of(&file).expect("a copy");
    wide.metadata.set("clip.vision.projection_dim", Value::U32(4096));
    std::fs::write(at("see-mmproj-see.gguf"), wide.finish()).expect("written");
    std::fs::write(at("mmproj-see-f16.gguf"), b"nothing").expect("written");
    assert_eq!(projector_beside(&model), Some(at("mmproj-see.gguf")));
    assert_eq!(projector_beside(&golden("models/gemma3-F32.gguf")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_shows_pictures() {
    let folder = folder(TEMPLATE);
    let home = tempfile::tempdir().expect("a temporary folder");
    let app = App::open(AppOptions { home: Some(home.path().into()), ..AppOptions::default() })
        .await
        .expect("an app");
    app.import_model(folder.path().join("see.gguf"), false).await.expect("imported");
    let server = serve(app.clone(), ServeOptions { key: "key".into(), ..ServeOptions::default() })
        .await
        .expect("the endpoint");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{}/v1/chat/completions", server.address());
    let ask = |image: serde_json::Value| {
        let content =
            json!([{"type": "image_url", "image_url": image}, {"type": "text", "text": "What is this?"}]);
        // A system prompt of its own, for the settings' is not that of the engine below.
        let messages = json!([{"role": "system", "content": "Look."}, {"role": "user", "content": content}]);
        let body =
            json!({"model": "see", "messages": messages, "temperature": 2, "seed": 7, "max_tokens": ANSWER});
        let request = client.post(&url).bearer_auth("key").json(&body);
        async move {
            let response = request.send().await.expect("a response");
            (response.status().as_u16(), response.json::<serde_json::Value>().await.expect("JSON"))
        }
    };
    let data = |name: &str| format!("data:image/png;base64,{}", STANDARD.encode(bytes(name)));
    let (status, waves) = ask(json!({"url": data("waves"), "detail": "high"})).await;
    assert_eq!(status, 200, "{waves}");
    let (_, bands) = ask(json!(data("bands"))).await;
    let text =
        |answer: &serde_json::Value| answer["choices"][0]["message"]["content"].as_str().map(str::to_owned);
    assert!(text(&waves).is_some() && text(&waves) != text(&bands), "{waves} {bands}");
    let engine = app.engine(Some("see")).await.expect("it is loaded").engine;
    let expected = tokio::task::spawn_blocking(move || {
        let system = ChatMessage::new("system", "Look.");
        let tokens = answer(&engine, &[system, shown("waves", "What is this?")]).0;
        engine.tokenizer().decode(&tokens)
    });
    let expected = expected.await.expect("an answer");
    let found = text(&waves).expect("words");
    assert!(expected.trim_start().starts_with(found.trim_start()), "{found} is not {expected}");

    let code =
        |answer: (u16, serde_json::Value)| (answer.0, answer.1["error"]["code"].as_str().map(str::to_owned));
    let refusals = [
        (json!({"url": "http://127.0.0.1:9/cat.png"}), "pictures_not_fetched"),
        (json!({"url": "data:image/png;base64,AAAA"}), "bad_picture"),
        (json!({"url": "cat.png"}), "unsupported_picture_address"),
    ];
    for (image, expected) in refusals {
        assert_eq!(code(ask(image).await), (400, Some(expected.to_owned())));
    }
    let mut endpoint = app.settings().await.expect("settings").endpoint;
    endpoint.fetch_pictures = true;
    let patch = lantern_protocol::SettingsPatch { endpoint: Some(endpoint), ..Default::default() };
    app.update_settings(patch).await.expect("changed");
    let local = ask(json!({"url": "http://127.0.0.1:9/cat.png"})).await;
    assert_eq!(code(local), (400, Some("bad_address".to_owned())), "nothing is fetched from this computer");
}
