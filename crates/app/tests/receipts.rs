//! Receipts of real (tiny, random) models' answers: what they say, and having the answers again.

mod support;

use lantern_app::{App, ReplayStream};
use lantern_protocol::*;
use support::*;

/// At temperature 1, so that a seed is drawn and matters.
async fn hot(app: &App, max_tokens: u32) {
    let sampling =
        SamplingSettings { temperature: 1.0, max_tokens: Some(max_tokens), ..SamplingSettings::default() };
    app.update_settings(SettingsPatch { sampling: Some(sampling), ..Default::default() }).await.unwrap();
}

async fn verdict(mut replay: ReplayStream) -> ReplayVerdict {
    loop {
        match tokio::time::timeout(PATIENCE, replay.next()).await.expect("the end in time") {
            Some(ReplayEvent::Finished { verdict }) => return verdict,
            Some(ReplayEvent::Failed { error }) => panic!("{error:?}"),
            Some(_) => {}
            None => panic!("a replay without an end"),
        }
    }
}

fn local(receipt: &Receipt) -> (&Vec<ReceiptFile>, &ReceiptEngine) {
    match &receipt.facts.by {
        ReceiptBy::Local { files, engine, .. } => (files, engine),
        other => panic!("{other:?}"),
    }
}

/// An answer's only receipt, with the hash of its file.
async fn whole(app: &App, message_id: &str) -> Receipt {
    until("the hash is known", async || {
        let receipts = app.receipts(message_id).await.unwrap().receipts;
        let [receipt] = &receipts[..] else { panic!("one receipt") };
        local(receipt).0.iter().all(|file| file.sha256.is_some()).then(|| receipt.clone())
    })
    .await
}

#[tokio::test]
async fn an_answer_has_a_receipt_and_comes_again() {
    let (home, app) = with_model().await;
    hot(&app, 40).await;
    let first = answer(&app, None, "Say something.").await;
    let second = answer(&app, Some(&first.conversation_id), "And more.").await;
    let receipt = whole(&app, &second.id).await;
    let (files, engine) = local(&receipt);
    assert_eq!(files.len(), 1);
    assert_eq!((files[0].part, files[0].name.as_str()), (ReceiptPart::Weights, "llama_untied-Q8_0.gguf"));
    let bytes = std::fs::read(golden(MODEL)).unwrap();
    let sha256: String = {
        use sha2::Digest;
        sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!((files[0].bytes, files[0].sha256.as_ref()), (bytes.len() as u64, Some(&sha256)));
    assert_eq!(engine.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(engine.isa, lantern_kernels::isa().name());
    assert_eq!(engine.kv_type, "f16");
    assert!(engine.template_sha256.as_ref().is_some_and(|hash| hash.len() == 64));
    assert_eq!(receipt.facts.model, MODEL);
    assert!(receipt.facts.sampling.seed.is_some(), "one was drawn");
    let stats = second.stats.unwrap();
    assert_eq!(receipt.prompt.len(), stats.prompt_tokens as usize);
    assert_eq!(receipt.answer.len(), stats.completion_tokens as usize);

    let before = whole(&app, &first.id).await;
    assert!(receipt.prompt.len() > before.prompt.len());
    for message in [&first, &second] {
        let verdict = verdict(app.replay_message(&message.id).await.unwrap()).await;
        assert!(verdict.identical, "{verdict:?}");
        assert_eq!((verdict.differs_at, &verdict.changes[..]), (None, &[][..]));
        assert_eq!(verdict.then, verdict.now);
    }

    // Cold, in another process's words: nothing of it is in memory, and the receipt is a file.
    app.shutdown().await;
    drop(app);
    let app = open(home.path()).await;
    let text = serde_json::to_string(&receipt).unwrap();
    let read: Receipt = serde_json::from_str(&text).unwrap();
    assert_eq!(read, receipt);
    let verdict = verdict(app.replay(read).await.unwrap()).await;
    assert!(verdict.identical, "{verdict:?}");
}

#[tokio::test]
async fn what_is_different_is_found_and_named() {
    let (_home, app) = with_model().await;
    hot(&app, 30).await;
    let message = answer(&app, None, "Say something.").await;
    let receipt = whole(&app, &message.id).await;

    let mut other = receipt.clone();
    other.answer[7] ^= 1;
    other.facts.sampling.max_tokens = None;
    if let ReceiptBy::Local { files, engine, .. } = &mut other.facts.by {
        files[0].sha256 = Some("00".into());
        engine.isa = "abacus".into();
        engine.threads += 1;
        engine.commit = Some("1234".into());
    }
    let found = verdict(app.replay(other).await.unwrap()).await;
    assert!(!found.identical);
    assert_eq!(found.differs_at, Some(7));
    let parts: Vec<(ReceiptPart, bool)> = found.changes.iter().map(|one| (one.part, one.matters)).collect();
    use ReceiptPart::*;
    assert_eq!(parts, [(Weights, true), (Commit, true), (Isa, true), (Threads, false)]);

    // Another seed is another answer; a shorter one is not the same, although it begins alike.
    let mut other = receipt.clone();
    other.facts.sampling.seed = Some("5".into());
    assert!(!verdict(app.replay(other).await.unwrap()).await.identical);
    let mut other = receipt.clone();
    other.facts.finish = ReceiptFinish::Stop;
    other.facts.sampling.max_tokens = None;
    other.answer.truncate(9);
    let found = verdict(app.replay(other).await.unwrap()).await;
    assert_eq!((found.identical, found.differs_at), (false, Some(9)));
}

#[tokio::test]
async fn keys_and_values_are_kept_as_they_were() {
    let (_home, app) = with_model().await;
    hot(&app, 30).await;
    let message = answer(&app, None, "Say something.").await;
    let mut notes = app.model_notes(MODEL).await.unwrap();
    notes.defaults.kv_type = Some("f32".into());
    app.set_model_notes(MODEL, notes).await.unwrap();
    let other = answer(&app, None, "Say something.").await;
    assert_eq!(local(&app.receipt(&other.id).await.unwrap()).1.kv_type, "f32");
    for message in [message, other] {
        let verdict = verdict(app.replay_message(&message.id).await.unwrap()).await;
        assert!(verdict.identical, "{verdict:?}");
        assert_eq!(verdict.changes, []);
    }
}

#[tokio::test]
async fn an_answer_that_was_stopped_comes_again_as_far_as_it_came() {
    let (_home, app) = with_model().await;
    hot(&app, 4000).await;
    let mut stream = app.send_message(message(None, "Say something.")).await.unwrap();
    let id = stream.message_id().to_owned();
    while !matches!(next(&mut stream).await, ChatEvent::Text { .. }) {}
    app.stop(&id).await.unwrap();
    drain(stream).await;
    let receipt = app.receipt(&id).await.unwrap();
    assert!(!receipt.answer.is_empty());
    if receipt.facts.finish == ReceiptFinish::Stopped {
        let verdict = verdict(app.replay_message(&id).await.unwrap()).await;
        assert!(verdict.identical, "{verdict:?}");
        assert_eq!(verdict.tokens as usize, receipt.answer.len());
    }
}

#[tokio::test]
async fn temporary_chats_keep_receipts_in_memory_alone() {
    let (home, app) = with_model().await;
    hot(&app, 20).await;
    let chat = app.begin_temporary_chat().await.unwrap();
    let message = answer(&app, Some(&chat.id), "Say nothing.").await;
    let receipt = whole(&app, &message.id).await;
    let verdict = verdict(app.replay_message(&message.id).await.unwrap()).await;
    assert!(verdict.identical, "{verdict:?}");
    app.delete_conversation(&chat.id).await.unwrap();
    assert_eq!(app.receipt(&message.id).await.unwrap_err().code, "message_not_found");
    app.shutdown().await;
    let seed = receipt.facts.sampling.seed.unwrap();
    for name in ["lantern.db", "lantern.db-wal"] {
        let bytes = std::fs::read(home.path().join(name)).unwrap_or_default();
        assert!(!bytes.windows(seed.len()).any(|window| window == seed.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_says_why() {
    let (home, app) = with_model().await;
    hot(&app, 20).await;
    let message = answer(&app, None, "Say something.").await;
    let receipt = whole(&app, &message.id).await;
    let question = message.parent_id.clone().unwrap();
    assert_eq!(app.receipts(&question).await.unwrap_err().code, "receipt_missing");
    assert_eq!(app.receipt("nobody").await.unwrap_err().code, "message_not_found");

    let mut empty = receipt.clone();
    empty.answer.clear();
    assert_eq!(app.replay(empty).await.unwrap_err().code, "receipt_empty");
    let mut remote = receipt.clone();
    remote.facts.by = ReceiptBy::Remote { server: "work".into() };
    assert_eq!(app.replay(remote).await.unwrap_err().code, "receipt_remote");
    let mut odd = receipt.clone();
    odd.facts.pictures = vec![ReceiptPicture { before: 1, parts: 4, sha256: "00".into() }];
    let mut replay = app.replay(odd).await.unwrap();
    let error = loop {
        match replay.next().await {
            Some(ReplayEvent::Failed { error }) => break error,
            Some(ReplayEvent::Finished { verdict }) => panic!("{verdict:?}"),
            _ => {}
        }
    };
    assert_eq!(error.code, "receipt_pictures");

    // Another file under the same name.
    app.unload_model().await.unwrap();
    let place = home.path().join(format!("{MODEL}.gguf"));
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path()).await;
    std::fs::copy(golden("llama_untied-Q4_0"), &place).unwrap();
    assert_eq!(other.replay(receipt.clone()).await.unwrap_err().code, "model_missing");
    other.import_model(&place, false).await.unwrap();
    let found = verdict(other.replay(receipt.clone()).await.unwrap()).await;
    assert!(!found.identical);
    assert_eq!(found.changes[0].part, ReceiptPart::Weights);

    app.delete_model(MODEL).await.unwrap();
    let view = app.receipts(&message.id).await.unwrap();
    assert_eq!(view.notice.map(|notice| notice.code).as_deref(), Some("model_missing"));
    assert_eq!(view.receipts, [receipt], "what it says is still to be seen");
}

#[tokio::test]
async fn a_replay_can_be_stopped_and_one_runs_at_a_time() {
    let (_home, app) = with_model().await;
    hot(&app, 400).await;
    let message = answer(&app, None, "Say something long.").await;
    let mut replay = app.replay_message(&message.id).await.unwrap();
    assert_eq!(app.replay_message(&message.id).await.map(drop).unwrap_err().code, "replay_busy");
    app.stop_replay();
    let mut last = None;
    while let Some(event) = replay.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(ReplayEvent::Failed { error }) if error.code == "replay_stopped"));
    let found = verdict(app.replay_message(&message.id).await.unwrap()).await;
    assert!(found.identical, "{found:?}");
}
