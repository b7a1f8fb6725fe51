//! Models of other programs, what the user keeps about models, deleting with an undo, and what a model's page tells.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::{
    AppEvent, CheckState, DiffSide, ModelDefaults, ModelNotes, PlaceOwner, ReclaimKind, SamplingDefaults,
    SettingsPatch, TemplateOrigin,
};
use sha2::{Digest, Sha256};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn put(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The tiny model as each program keeps it; gives the folders.
fn layouts(at: &Path) -> [(PathBuf, PlaceOwner); 4] {
    let bytes = fs::read(golden(MODEL)).unwrap();
    let hash = sha256(&bytes);
    put(at.join("lmstudio/o/r/m.gguf"), &bytes);
    put(at.join(format!("ollama/blobs/sha256-{hash}")), &bytes);
    let manifest = format!(
        r#"{{"schemaVersion":2,"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{hash}"}}]}}"#
    );
    put(at.join("ollama/manifests/registry.ollama.ai/library/tiny/1m"), manifest.as_bytes());
    put(at.join("jan/llamacpp/models/tiny/model.gguf"), &bytes);
    let description = b"model_path: llamacpp/models/tiny/model.gguf\nname: tiny\n";
    put(at.join("jan/llamacpp/models/tiny/model.yml"), description);
    let repo = at.join("hub/models--o--r");
    put(repo.join("blobs").join(&hash), &bytes);
    let snapshot = repo.join("snapshots").join("a".repeat(40));
    fs::create_dir_all(&snapshot).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(format!("../../blobs/{hash}"), snapshot.join("m.gguf")).unwrap();
    #[cfg(not(unix))]
    fs::hard_link(repo.join("blobs").join(&hash), snapshot.join("m.gguf")).unwrap();
    let folder = |name: &str, owner| (at.join(name), owner);
    [
        folder("lmstudio", PlaceOwner::Folder),
        folder("ollama", PlaceOwner::Ollama),
        folder("jan", PlaceOwner::Jan),
        folder("hub", PlaceOwner::Folder),
    ]
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        about if about.is_dir() => bytes_below(&entry.path()),
        about => about.len(),
    };
    entries.map(size).sum()
}

#[tokio::test]
async fn a_model_of_any_program_is_loaded_where_it_lies() {
    let others = tempfile::tempdir().unwrap();
    let size = fs::metadata(golden(MODEL)).unwrap().len();
    let folders = layouts(others.path());
    for (folder, owner) in &folders {
        let (folder, owner) = (folder.as_path(), *owner);
        let home = tempfile::tempdir().unwrap();
        let app = open(home.path()).await;
        assert_eq!(app.add_library_folder(folder).await.unwrap().owner, owner);
        let [model] = app.library().await.unwrap().try_into().expect("one model");
        assert!(Path::new(&model.path).starts_with(folder), "{}", model.path);
        app.engine(Some(&model.id)).await.unwrap();
        app.shutdown().await;
    }
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let before = bytes_below(home.path());
    let mut events = app.subscribe();
    for (folder, _) in &folders {
        app.add_library_folder(folder).await.unwrap();
    }
    assert_eq!(events.recv().await.unwrap(), AppEvent::LibraryChanged);
    let [model] = app.library().await.unwrap().try_into().expect("one content");
    assert_eq!(model.places.len(), 4);
    app.engine(Some("tiny:1m")).await.unwrap();
    assert!(bytes_below(home.path()) - before < size / 2, "something was copied");
    let used = app.disk_use().await.unwrap();
    assert_eq!((used.total_bytes, used.models[0].deletable_bytes), (4 * size, 0));
    app.remove_library_folder(others.path().join("jan")).await.unwrap();
    assert_eq!(app.library().await.unwrap()[0].places.len(), 3);
}

fn defaults(template: &str) -> ModelDefaults {
    ModelDefaults {
        sampling: SamplingDefaults {
            temperature: Some(0.0),
            max_tokens: Some(3),
            ..SamplingDefaults::default()
        },
        context_length: Some(100),
        system_prompt: Some("aaaa".into()),
        template: Some(template.into()),
        kv_type: Some("f32".into()),
        ..ModelDefaults::default()
    }
}

#[tokio::test]
async fn defaults_of_a_model_hold_over_the_settings_and_under_the_conversation() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let plain = answer(&app, None, "Hi").await.stats.unwrap();
    assert_eq!(plain.completion_tokens, 8);
    let first = app.engine(Some(MODEL)).await.unwrap();
    assert_eq!(first.context_length, 2048);
    // The prompt is the system prompt and nothing else, so its length tells which one it was.
    let notes =
        ModelNotes { favourite: true, defaults: defaults("{{ messages[0].content }}"), ..Default::default() };
    let kept = app.set_model_notes(MODEL, notes.clone()).await.unwrap();
    assert_eq!(app.model_notes(MODEL).await.unwrap(), kept);
    assert_eq!(kept.content_id, app.library().await.unwrap()[0].content_id);
    let loaded = app.engine(Some(MODEL)).await.unwrap();
    assert_eq!(loaded.context_length, 100);
    let info = loaded.engine.info();
    assert_eq!(info.template, Some(lantern_engine::TemplateSource::Given));
    let per_token = |engine: &lantern_engine::Engine| engine.info().kv_bytes / engine.context_length() as u64;
    assert!(per_token(&loaded.engine) >= per_token(&first.engine), "32 bits take more than 16");
    drop((first, loaded));

    let stats = answer(&app, None, "Hi").await.stats.unwrap();
    assert_eq!(stats.completion_tokens, 3, "the model's limit");
    let longer = ModelDefaults { system_prompt: Some("aaaa".repeat(8)), ..kept.defaults };
    app.set_model_notes(MODEL, ModelNotes { defaults: longer, ..notes }).await.unwrap();
    let own = answer(&app, None, "Hi").await.stats.unwrap();
    assert!(own.prompt_tokens > stats.prompt_tokens, "the model's system prompt is longer now");
    assert_eq!(app.engine_for(Some(MODEL), Some(64)).await.unwrap().context_length, 64, "the request's");

    let settings = app.settings_for(Some(MODEL)).await.unwrap();
    assert_eq!((settings.sampling.max_tokens, settings.context_length), (Some(3), Some(100)));
    assert_eq!(app.settings_for(None).await.unwrap().sampling.max_tokens, Some(3));
    assert_eq!(app.settings_for(Some("nobody")).await.unwrap(), app.settings().await.unwrap());
    app.set_model_notes(MODEL, ModelNotes::default()).await.unwrap();
    assert_eq!(app.settings_for(Some(MODEL)).await.unwrap(), app.settings().await.unwrap());
    assert!(app.all_model_notes().await.unwrap().is_empty());
}

#[tokio::test]
async fn defaults_that_cannot_hold_are_refused() {
    let (_home, app) = with_model().await;
    let code = async |edit: fn(&mut ModelDefaults)| {
        let mut notes = ModelNotes::default();
        edit(&mut notes.defaults);
        app.set_model_notes(MODEL, notes).await.unwrap_err().code
    };
    assert_eq!(code(|d| d.sampling.temperature = Some(f32::NAN)).await, "invalid_settings");
    assert_eq!(code(|d| d.context_length = Some(1)).await, "invalid_settings");
    assert_eq!(code(|d| d.kv_type = Some("q1".into())).await, "invalid_settings");
    assert_eq!(code(|d| d.template = Some("{% if %}".into())).await, "bad_template");
    let nobody = app.set_model_notes("nobody", ModelNotes::default()).await.unwrap_err();
    assert_eq!(nobody.code, "model_not_found");
}

#[tokio::test]
async fn what_was_deleted_comes_back_whole() {
    let (home, app) = with_model().await;
    let copy = app.import_model(golden("llama_tied-F16"), true).await.unwrap();
    let bytes = fs::read(&copy.path).unwrap();
    let removed = app.delete_model(&copy.id).await.unwrap();
    assert_eq!(removed.bytes, bytes.len() as u64);
    assert_eq!(app.removed_models().await.unwrap(), std::slice::from_ref(&removed));
    let kinds =
        |used: &lantern_protocol::DiskUse| -> Vec<_> { used.reclaimable.iter().map(|r| r.kind).collect() };
    assert_eq!(kinds(&app.disk_use().await.unwrap()), [ReclaimKind::Trash]);
    app.restore_model(Some(removed.id)).await.unwrap();
    assert_eq!(fs::read(&copy.path).unwrap(), bytes);
    assert_eq!(app.restore_model(None).await.unwrap_err().code, "not_removed");
    app.delete_model(&copy.id).await.unwrap();
    put(home.path().join("prefixes/m/x.kv"), b"12345");
    assert_eq!(kinds(&app.disk_use().await.unwrap()), [ReclaimKind::Trash, ReclaimKind::Prefixes]);
    assert_eq!(app.reclaim(ReclaimKind::Trash).await.unwrap(), bytes.len() as u64);
    assert!(app.removed_models().await.unwrap().is_empty());
    let checks = app.verify_model(MODEL).await.unwrap();
    assert_eq!(checks[0].state, CheckState::Recorded);
    assert_eq!(checks[0].sha256.as_deref(), Some(sha256(&fs::read(golden(MODEL)).unwrap()).as_str()));
}

/// A Hub that has these files, each with its entity tag, and nothing else.
async fn hub(files: &'static [(&'static str, &'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n = socket.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let found = files.iter().find(|(path, ..)| request.contains(&format!("/resolve/main/{path} ")));
            let answer = match found {
                Some((_, etag, body)) => format!(
                    "HTTP/1.1 200 OK\r\nx-repo-commit: {}\r\netag: \"{etag}\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
                    "b".repeat(40),
                    body.len(),
                    if request.starts_with("HEAD") { "" } else { body }
                ),
                None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_models_page_tells_all_and_its_template_is_compared_with_the_original() {
    let home = tempfile::tempdir().unwrap();
    let [.., (cache, _)] = layouts(home.path());
    fs::rename(cache, home.path().join("cache")).unwrap();
    let body = r#"{"chat_template": "{{ messages[0].content }}\nsecond"}"#;
    let files: &'static [_] = Box::leak(Box::new([
        (
            "tokenizer_config.json",
            "1111111111111111111111111111111111111111",
            &*Box::leak(body.to_owned().into_boxed_str()),
        ),
        ("m.gguf", "2222222222222222222222222222222222222222222222222222222222222222", "newer"),
    ]));
    let app = open_with(home.path(), &hub(files).await).await;
    let details = app.model_details("m").await.unwrap();
    let file = details.file.unwrap();
    assert_eq!(file.family.as_deref(), Some("llama"));
    assert!(file.parameters > 0 && file.active_parameters.is_none() && file.tokenizer.is_some());
    assert_eq!(file.types[0].name, "Q8_0");
    assert!(details.capabilities.chat && !details.capabilities.embedding && !details.capabilities.vision);
    let template = details.template.unwrap();
    assert_eq!(template.sha256, sha256(template.text.as_bytes()));
    assert!(details.memory.unwrap().weight_bytes > 0 && details.problems.is_empty());

    let mut defaults = defaults("{{ messages[0].content }}\nanother");
    defaults.kv_type = None;
    app.set_model_notes("m", ModelNotes { defaults, ..ModelNotes::default() }).await.unwrap();
    let template = app.model_details("m").await.unwrap().template.unwrap();
    assert_eq!((template.origin, template.text.lines().count()), (TemplateOrigin::User, 2));
    let diff = app.template_diff("m").await.unwrap();
    assert_eq!((diff.repo.as_str(), diff.file.as_str(), diff.same), ("o/r", "tokenizer_config.json", false));
    let sides: Vec<_> = diff.lines.iter().map(|line| line.side).collect();
    assert_eq!(sides, [DiffSide::Both, DiffSide::Original, DiffSide::Model]);

    let [update] = app.check_updates(None).await.unwrap().try_into().expect("a newer one");
    assert_eq!((update.model.as_str(), update.there.as_str()), ("m", "b".repeat(40).as_str()));
    assert_eq!(update.here, Some("a".repeat(40)));
}

#[tokio::test]
async fn offline_is_an_error_and_a_model_from_nowhere_is_up_to_date() {
    let (home, app) = with_model().await;
    assert_eq!(app.check_updates(None).await.unwrap(), []);
    let [.., (cache, _)] = layouts(home.path());
    fs::rename(cache, home.path().join("cache")).unwrap();
    let ids = Some(vec![app.library().await.unwrap()[0].id.clone()]);
    assert_eq!(app.check_updates(ids).await.unwrap_err().code, "hub_unreachable");
    assert_eq!(app.update_settings(SettingsPatch::default()).await.unwrap().sampling.top_k, 40);
}
