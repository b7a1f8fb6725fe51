//! Conversations with an assistant, from beginning to end: a real database, a real model.

mod support;

use lantern_app::App;
use lantern_protocol::{
    Assistant, AssistantSetup, BUILT_IN, ChatEvent, ChosenTool, ChosenTools, ExportFormat, Message,
    SamplingDefaults, SendMessage, SentWith, SettingsPatch, ToolCallState,
};
use support::*;

/// Another model, of which only the name is needed.
const OTHER: &str = "llama_untied-Q4_0";

fn setup(name: &str) -> AssistantSetup {
    AssistantSetup { name: name.into(), ..Default::default() }
}

async fn make(app: &App, setup: AssistantSetup) -> Assistant {
    app.save_assistant(None, setup).await.unwrap()
}

async fn send(app: &App, request: SendMessage, with: SentWith) -> Message {
    finished(&drain(app.send_message_with(request, with).await.unwrap()).await)
}

fn with(assistant: &Assistant) -> SentWith {
    SentWith { assistant: Some(assistant.id.clone()), ..Default::default() }
}

/// Tokens of an answer's prompt and of its words.
fn tokens(message: &Message) -> (u32, u32) {
    let stats = message.stats.unwrap();
    (stats.prompt_tokens, stats.completion_tokens)
}

#[tokio::test]
async fn an_assistant_says_how_its_answers_are_made_and_changes_hold_from_the_next_one_on() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(8)).await;
    let plain = answer(&app, None, "Hello").await;
    let sampling = SamplingDefaults { max_tokens: Some(3), ..Default::default() };
    let words = "You are a fox in a wood. Speak of nothing but the wood, its trees and its paths.";
    let fox =
        make(&app, AssistantSetup { sampling, system_prompt: Some(words.into()), ..setup("Fox") }).await;
    let first = send(&app, message(None, "Hello"), with(&fox)).await;
    let longer = tokens(&first).0.checked_sub(tokens(&plain).0).expect("its prompt has more words");
    assert!(longer > 5, "{longer} tokens more");
    assert!(tokens(&first).1 <= 3, "its sampling holds");

    let id = first.conversation_id.clone();
    let brief = AssistantSetup { system_prompt: Some(String::new()), ..setup("Fox") };
    app.save_assistant(Some(fox.id.clone()), brief).await.unwrap();
    let again = drain(app.regenerate(&first.id, None).await.unwrap()).await;
    let again = finished(&again);
    assert!(tokens(&again).0 < tokens(&plain).0, "an empty system prompt is none");
    let of = app.conversation_assistant(&id).await.unwrap().unwrap();
    let versions: Vec<(&str, u32)> =
        of.answers.iter().map(|answer| (answer.message_id.as_str(), answer.version)).collect();
    assert_eq!(
        versions,
        [(first.id.as_str(), 1), (again.id.as_str(), 2)],
        "each says with what it was written"
    );
    assert_eq!((of.assistant.version, of.is_here), (2, true));

    app.delete_assistant(&fox.id).await.unwrap();
    let after = answer(&app, Some(&id), "Still there?").await;
    let of = app.conversation_assistant(&id).await.unwrap().unwrap();
    assert_eq!((of.assistant.version, of.is_here), (2, false));
    assert_eq!(of.answers.last().unwrap().message_id, after.id, "it goes on as it was");
    assert_eq!(app.choose_assistant(&id, None).await.unwrap(), None);
    answer(&app, Some(&id), "And now?").await;
    let gone = app.choose_assistant(&id, Some(fox.id)).await.unwrap_err();
    assert_eq!(gone.code, "assistant_not_found");
}

#[tokio::test]
async fn its_model_answers_unless_the_conversation_has_one() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(2)).await;
    app.import_model(golden(OTHER), false).await.unwrap();
    app.update_settings(SettingsPatch { default_model: Some(MODEL.into()), ..Default::default() })
        .await
        .unwrap();
    let fox = make(&app, AssistantSetup { model: Some(OTHER.into()), ..setup("Fox") }).await;
    let first = send(&app, message(None, "Hello"), with(&fox)).await;
    assert_eq!(first.model.as_deref(), Some(OTHER));
    let id = first.conversation_id.clone();
    assert_eq!(app.conversation(&id).await.unwrap().conversation.model, None, "it follows its assistant");

    let back = AssistantSetup { model: Some(MODEL.into()), ..setup("Fox") };
    app.save_assistant(Some(fox.id.clone()), back).await.unwrap();
    assert_eq!(answer(&app, Some(&id), "Next").await.model.as_deref(), Some(MODEL));
    let chosen = SendMessage { model: Some(OTHER.into()), ..message(Some(&id), "More") };
    send(&app, chosen, SentWith::default()).await;
    assert_eq!(answer(&app, Some(&id), "Last").await.model.as_deref(), Some(OTHER), "its own choice holds");
    app.choose_assistant(&id, Some(fox.id.clone())).await.unwrap();
    assert_eq!(answer(&app, Some(&id), "Again").await.model.as_deref(), Some(MODEL), "until a later one");
    let nobody = SentWith { assistant: Some("nobody".into()), ..Default::default() };
    let refused = app.send_message_with(message(None, "Hello"), nobody).await.unwrap_err();
    assert_eq!(refused.code, "assistant_not_found");
}

async fn calculator(app: &App) -> ChosenTool {
    let own = app.tool_servers().await.unwrap().into_iter().find(|server| server.name == BUILT_IN).unwrap();
    let tool = own.tools.into_iter().find(|tool| tool.name == "calculator").unwrap();
    ChosenTool { server: BUILT_IN.into(), tool: tool.name, hash: tool.hash }
}

#[tokio::test]
async fn its_tools_are_offered_and_run_unasked_where_it_says_so() {
    let (_home, app) = with_model().await;
    let tool = calculator(&app).await;
    let sampling = SamplingDefaults {
        temperature: Some(1.5),
        seed: Some(1),
        max_tokens: Some(400),
        ..Default::default()
    };
    let tools = ChosenTools { tools: vec![tool.clone()], required: true };
    let made =
        AssistantSetup { tools: Some(tools.clone()), unasked: vec![tool.clone()], sampling, ..setup("Fox") };
    let fox = make(&app, made).await;
    let mut stream = app.send_message_with(message(None, "What is 6*7?"), with(&fox)).await.unwrap();
    let mut conversation = String::new();
    let call = loop {
        match next(&mut stream).await {
            ChatEvent::Started { conversation: begun, .. } => conversation = begun.id,
            // Whatever a random model wants calculated: it ran, or it was no call.
            ChatEvent::ToolCall { call } => break call,
            ChatEvent::Finished { .. } | ChatEvent::Failed { .. } => panic!("nothing was called"),
            _ => {}
        }
    };
    assert_eq!(call.tool, "calculator");
    assert_ne!(call.state, ToolCallState::Asking, "the assistant's word is enough");
    drop(stream);
    assert_eq!(app.chosen_tools(Some(conversation)).await.unwrap(), tools);

    let own = SentWith { tools: Some(ChosenTools::default()), ..with(&fox) };
    let without = app.send_message_with(message(None, "Hello"), own).await.unwrap();
    let started = drain(without).await;
    let ChatEvent::Started { conversation, .. } = &started[0] else { panic!("{started:?}") };
    let chosen = app.chosen_tools(Some(conversation.id.clone())).await.unwrap();
    assert_eq!(chosen, ChosenTools::default(), "the chat chose none");
    let asked = started.iter().any(|event| matches!(event, ChatEvent::ToolCall { .. }));
    assert!(!asked, "so none was called");
}

#[tokio::test]
async fn a_temporary_chat_can_have_one_and_leaves_no_trace_of_it() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(3)).await;
    let fox = make(&app, AssistantSetup { system_prompt: Some("Yip. ".repeat(30)), ..setup("Fox") }).await;
    let id = app.begin_temporary_chat().await.unwrap().id;
    let plain = answer(&app, Some(&id), "Hello").await;
    app.choose_assistant(&id, Some(fox.id.clone())).await.unwrap();
    let other = app.begin_temporary_chat().await.unwrap().id;
    let asked = SendMessage { conversation_id: Some(other.clone()), ..message(None, "Hello") };
    let spoken = send(&app, asked, with(&fox)).await;
    assert!(tokens(&spoken).0 > tokens(&plain).0 + 30);
    let of = app.conversation_assistant(&other).await.unwrap().unwrap();
    assert_eq!((of.is_here, of.answers.len()), (true, 1));
    app.shutdown().await;
    for file in ["lantern.db", "lantern.db-wal"] {
        let text = std::fs::read(home.path().join(file)).unwrap_or_default();
        let needle = b"temporary-";
        assert!(!text.windows(needle.len()).any(|part| part == needle), "a temporary chat is in {file}");
    }
}

#[tokio::test]
async fn an_assistant_goes_to_a_file_and_comes_back_without_what_only_its_user_may_say() {
    let (home, app) = with_model().await;
    let tool = calculator(&app).await;
    let made = AssistantSetup {
        mark: "🦊".into(),
        system_prompt: Some("Yip.".into()),
        sampling: SamplingDefaults { temperature: Some(0.25), ..Default::default() },
        tools: Some(ChosenTools { tools: vec![tool.clone()], required: false }),
        unasked: vec![tool],
        folders: vec!["elsewhere".into()],
        starters: vec!["Hello".into()],
        ..setup("Fox")
    };
    let fox = make(&app, made.clone()).await;
    let path = home.path().join("fox.json");
    app.export_assistant(&fox.id, &path).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let imported = app.import_assistant(&path).await.unwrap();
    let wanted = AssistantSetup { name: "Fox 2".into(), unasked: Vec::new(), folders: Vec::new(), ..made };
    assert_eq!(imported.assistant.setup, wanted);
    assert_eq!((imported.folders_left, imported.unasked_left), (1, 0), "the file says nothing of consent");

    let vouching = text.replacen(
        "\"unasked\": []",
        "\"unasked\": [{\"server\": \"lantern\", \"tool\": \"x\", \"hash\": \"\"}]",
        1,
    );
    std::fs::write(&path, vouching).unwrap();
    let imported = app.import_assistant(&path).await.unwrap();
    assert_eq!((imported.unasked_left, imported.assistant.setup.unasked.len()), (1, 0));
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(app.import_assistant(&path).await.unwrap_err().code, "not_an_assistant");
    assert_eq!(app.import_assistant(home.path().join("no.json")).await.unwrap_err().code, "assistant_file");
    assert_eq!(app.assistant("fox").await.unwrap().id, fox.id, "found by its name");
    assert_eq!(app.duplicate_assistant(&fox.id).await.unwrap().setup.name, "Fox 4");
    let error = app.assistant("wolf").await.unwrap_err();
    assert!(error.next_step.contains("Fox 2"), "{error:?}");
}

#[tokio::test]
async fn an_exported_conversation_says_elsewhere_with_what_it_was_written() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(3)).await;
    let fox = make(&app, AssistantSetup { system_prompt: Some("Yip.".into()), ..setup("Fox") }).await;
    let first = send(&app, message(None, "Hello"), with(&fox)).await;
    let path = home.path().join("all.json");
    app.export_conversations(None, ExportFormat::Json, path.clone()).await.unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path()).await;
    let report = other.import_conversations(vec![path]).await.unwrap();
    assert_eq!((report.files[0].conversations, report.files[0].kept.len()), (1, 0), "{report:?}");
    let of = other.conversation_assistant(&first.conversation_id).await.unwrap().unwrap();
    assert_eq!((of.assistant, of.is_here), (fox, false));
    assert_eq!(of.answers[0].message_id, first.id);
}

#[tokio::test]
async fn prompts_are_kept_as_they_are_written() {
    let (_home, app) = with_model().await;
    let text = "Translate {{text}} into {{language|German}}. {{clipboard}}\n";
    let prompt = app.save_prompt(None, " /Translate  it ", text.into()).await.unwrap();
    assert_eq!((prompt.name.as_str(), prompt.text.as_str()), ("Translate it", text));
    assert_eq!(app.prompts().await.unwrap(), std::slice::from_ref(&prompt));
    for (name, text) in [("", "x"), ("x", " \n"), (&*"x".repeat(81), "x")] {
        assert_eq!(app.save_prompt(None, name, text.into()).await.unwrap_err().code, "bad_prompt");
    }
    app.delete_prompt(&prompt.id).await.unwrap();
    assert_eq!(app.delete_prompt(&prompt.id).await.unwrap_err().code, "prompt_not_found");
}
