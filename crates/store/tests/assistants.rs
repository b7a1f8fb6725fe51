//! Assistants, the conversations that have one, and the library of prompts.

mod support;

use lantern_protocol::{Assistant, AssistantSetup, ChosenTool, ChosenTools, SamplingDefaults};
use lantern_store::{Imported, Store};
use support::*;

fn tool(name: &str) -> ChosenTool {
    ChosenTool { server: "lantern".into(), tool: name.into(), hash: format!("hash of {name}") }
}

fn setup(name: &str) -> AssistantSetup {
    AssistantSetup {
        name: name.into(),
        mark: "🦊".into(),
        system_prompt: Some("Speak as a fox.".into()),
        model: Some("tiny".into()),
        sampling: SamplingDefaults { temperature: Some(0.1), ..Default::default() },
        tools: Some(ChosenTools { tools: vec![tool("calculator"), tool("date")], required: false }),
        unasked: vec![tool("calculator")],
        starters: vec!["Hello".into()],
        ..Default::default()
    }
}

/// A conversation with this assistant and one answer.
fn conversation(store: &mut Store, assistant: &Assistant) -> (String, String) {
    let asked = ask_new(store, "hello");
    store.set_assistant(&asked.conversation.id, Some(assistant)).unwrap();
    store.answer_as(&asked.assistant_message.id, assistant).unwrap();
    answer(store, &asked, "Yip.");
    (asked.conversation.id, asked.assistant_message.id)
}

#[test]
fn an_assistant_is_kept_as_it_is_and_each_change_is_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let fox = {
        let mut store = open(dir.path());
        let fox = store.add_assistant(&setup("Fox")).unwrap();
        assert_eq!((fox.version, &fox.setup), (1, &setup("Fox")));
        assert_eq!(store.add_assistant(&setup("fox")).unwrap_err().code(), "assistant_exists");
        assert_eq!(store.change_assistant(&fox.id, &setup("Fox")).unwrap().version, 1, "nothing changed");
        store.add_assistant(&setup("Ant")).unwrap();
        assert_eq!(store.change_assistant(&fox.id, &setup("ANT")).unwrap_err().code(), "assistant_exists");
        store.change_assistant(&fox.id, &setup("Red fox")).unwrap()
    };
    let mut store = open(dir.path());
    let names: Vec<String> = store.assistants().unwrap().into_iter().map(|one| one.setup.name).collect();
    assert_eq!(names, ["Ant", "Red fox"]);
    assert_eq!(store.assistant(&fox.id).unwrap(), fox);
    assert_eq!(fox.version, 2);
    store.delete_assistant(&fox.id).unwrap();
    for error in [
        store.assistant(&fox.id).unwrap_err(),
        store.delete_assistant(&fox.id).unwrap_err(),
        store.change_assistant(&fox.id, &setup("x")).unwrap_err(),
    ] {
        assert_eq!(error.code(), "assistant_not_found");
    }
}

#[test]
fn a_conversation_follows_its_assistant_and_keeps_it_when_it_goes() {
    let mut store = Store::in_memory().unwrap();
    let fox = store.add_assistant(&setup("Fox")).unwrap();
    let (id, message) = conversation(&mut store, &fox);
    let changed = store.change_assistant(&fox.id, &setup("Vixen")).unwrap();
    let named = store.assistant_of(&id).unwrap().unwrap();
    assert_eq!((named.assistant, named.is_here), (changed.clone(), true), "what it says now holds");
    let answers = store.answers_with_assistant(&id).unwrap();
    assert_eq!(
        (answers[0].message_id.as_str(), answers[0].name.as_str(), answers[0].version),
        (message.as_str(), "Fox", 1),
        "an answer says with what it was written"
    );

    store.delete_assistant(&fox.id).unwrap();
    let named = store.assistant_of(&id).unwrap().unwrap();
    assert_eq!((named.assistant, named.is_here), (changed, false), "the conversation goes on as before");
    assert_eq!(store.answers_with_assistant(&id).unwrap(), answers);
    store.set_assistant(&id, None).unwrap();
    assert_eq!(store.assistant_of(&id).unwrap(), None);
    assert_eq!(store.answers_with_assistant(&id).unwrap(), answers, "what was, was");
    assert_eq!(store.set_assistant("nowhere", None).unwrap_err().code(), "conversation_not_found");
}

#[test]
fn a_conversations_own_choices_go_before_its_assistants() {
    let mut store = Store::in_memory().unwrap();
    let folder = store.add_knowledge_folder("/a").unwrap();
    let other = store.add_knowledge_folder("/b").unwrap();
    let folders = vec![folder.clone(), "gone".into()];
    let fox = store.add_assistant(&AssistantSetup { folders, ..setup("Fox") }).unwrap();
    let (id, _) = conversation(&mut store, &fox);
    assert_eq!(store.chosen_tools(Some(&id)).unwrap(), setup("Fox").tools.unwrap());
    assert_eq!(
        store.folders_of_conversation(&id).unwrap(),
        std::slice::from_ref(&folder),
        "a folder that is gone is left out"
    );

    let own = ChosenTools { tools: vec![tool("date")], required: true };
    store.choose_tools(Some(&id), &own).unwrap();
    assert_eq!(store.chosen_tools(Some(&id)).unwrap(), own);
    store.set_folders_of_conversation(&id, &[]).unwrap();
    assert_eq!(store.folders_of_conversation(&id).unwrap(), [""; 0], "none is a choice, too");
    store.set_folders_of_conversation(&id, std::slice::from_ref(&other)).unwrap();
    assert_eq!(store.folders_of_conversation(&id).unwrap(), std::slice::from_ref(&other));
    let ant = store.add_assistant(&setup("Ant")).unwrap();
    store.set_assistant(&id, Some(&ant)).unwrap();
    assert_eq!(store.folders_of_conversation(&id).unwrap(), [other], "and stays with another assistant");

    store.set_assistant(&id, Some(&fox)).unwrap();
    store.follow_assistant(&id, &fox).unwrap();
    assert_eq!(store.chosen_tools(Some(&id)).unwrap(), setup("Fox").tools.unwrap());
    assert_eq!(store.folders_of_conversation(&id).unwrap(), [folder], "the later choice holds");
    assert_eq!(store.conversation(&id).unwrap().model, None, "and its model answers");
}

#[test]
fn only_an_assistant_that_is_here_lets_tools_run_unasked() {
    let mut store = Store::in_memory().unwrap();
    let fox = store.add_assistant(&setup("Fox")).unwrap();
    let (id, _) = conversation(&mut store, &fox);
    let elsewhere = ask_new(&mut store, "other").conversation.id;
    assert!(store.may_run(&id, &tool("calculator")).unwrap());
    assert!(!store.may_run(&id, &tool("date")).unwrap());
    assert!(!store.may_run(&elsewhere, &tool("calculator")).unwrap());
    let changed = ChosenTool { hash: "another".into(), ..tool("calculator") };
    assert!(!store.may_run(&id, &changed).unwrap(), "a tool that changed is another one");

    store.ask_again("lantern", Some("date")).unwrap();
    assert!(store.may_run(&id, &tool("calculator")).unwrap());
    store.ask_again("lantern", None).unwrap();
    assert!(!store.may_run(&id, &tool("calculator")).unwrap(), "asking again holds for assistants, too");
    assert_eq!(store.assistant(&fox.id).unwrap().version, 1);

    let fox = store.change_assistant(&fox.id, &AssistantSetup { mark: "F".into(), ..setup("Fox") }).unwrap();
    assert!(store.may_run(&id, &tool("calculator")).unwrap());
    store.delete_assistant(&fox.id).unwrap();
    assert_eq!(store.chosen_tools(Some(&id)).unwrap().tools.len(), 2, "it still has its tools");
    assert!(!store.may_run(&id, &tool("calculator")).unwrap(), "but nobody vouches for them");
}

#[test]
fn an_export_carries_the_assistant_of_a_conversation_and_of_its_answers() {
    let mut store = Store::in_memory().unwrap();
    let fox = store.add_assistant(&setup("Fox")).unwrap();
    let (id, _) = conversation(&mut store, &fox);
    let record = store.record(&id).unwrap();
    let mut other = Store::in_memory().unwrap();
    let imported = other.import(std::slice::from_ref(&record)).unwrap();
    let [Imported::New { conversation_id, rows_kept: 0 }] = &imported[..] else { panic!("{imported:?}") };
    let named = other.assistant_of(conversation_id).unwrap().unwrap();
    assert_eq!((named.assistant, named.is_here), (fox, false));
    assert_eq!(other.answers_with_assistant(conversation_id).unwrap()[0].version, 1);
    assert_eq!(other.chosen_tools(Some(conversation_id)).unwrap().tools.len(), 2);
    assert!(!other.may_run(conversation_id, &tool("calculator")).unwrap(), "a file cannot allow anything");
    let again = other.record(conversation_id).unwrap();
    for table in ["conversation_assistants", "answer_assistants"] {
        let without_ids = |record: &lantern_protocol::ConversationRecord| {
            let mut row = record.tables[table][0].clone();
            row.as_object_mut().unwrap().retain(|name, _| name != "conversation_id" && name != "message_id");
            row
        };
        assert_eq!(without_ids(&again), without_ids(&record), "{table}");
    }
}

#[test]
fn a_record_says_nothing_of_what_may_run_or_of_other_conversations() {
    let mut store = Store::in_memory().unwrap();
    let id = ask_new(&mut store, "hello").conversation.id;
    store.let_run(Some(&id), &tool("date")).unwrap();
    let mut record = store.record(&id).unwrap();
    assert!(!record.tables.contains_key("tool_consents"), "a consent is no part of a conversation");
    let consent = |conversation: Option<&str>| {
        serde_json::json!({"conversation_id": conversation, "server": "lantern", "tool": "date",
            "hash": "hash of date", "created_at": 1})
    };
    record.tables.insert("tool_consents".into(), serde_json::json!([consent(None), consent(Some(&id))]));
    let choice = serde_json::to_string(&setup("x").tools).unwrap();
    let choices = serde_json::json!([{"conversation_id": null, "choice": choice}]);
    record.tables.insert("tool_choices".into(), choices);
    let mut other = Store::in_memory().unwrap();
    let imported = other.import(&[record]).unwrap();
    let [Imported::New { conversation_id, rows_kept: 3 }] = &imported[..] else { panic!("{imported:?}") };
    assert!(!other.may_run(conversation_id, &tool("date")).unwrap());
    assert_eq!(other.always_run().unwrap(), []);
    assert_eq!(other.chosen_tools(None).unwrap(), ChosenTools::default(), "new chats begin as before");
}

#[test]
fn an_assistant_that_is_not_understood_is_none() {
    let mut store = Store::in_memory().unwrap();
    let fox = store.add_assistant(&setup("Fox")).unwrap();
    let (id, _) = conversation(&mut store, &fox);
    let mut record = store.record(&id).unwrap();
    record.tables["conversation_assistants"][0]["assistant"] = "{\"of\": \"a later version\"}".into();
    let mut other = Store::in_memory().unwrap();
    other.import(&[record]).unwrap();
    let id = other.conversations().unwrap()[0].id.clone();
    assert_eq!(other.assistant_of(&id).unwrap(), None);
    assert_eq!(other.chosen_tools(Some(&id)).unwrap(), ChosenTools::default());
}

#[test]
fn prompts_are_found_by_names_that_no_two_share() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Translate {{text}} into {{language|German}}.";
    let prompt = open(dir.path()).save_prompt(None, "Translate", text).unwrap();
    let mut store = open(dir.path());
    assert_eq!(store.prompts().unwrap(), std::slice::from_ref(&prompt));
    assert_eq!(prompt.text, text);
    assert_eq!(store.save_prompt(None, "translate", "").unwrap_err().code(), "prompt_exists");
    store.save_prompt(None, "Correct", "Correct this.").unwrap();
    assert_eq!(store.save_prompt(Some(&prompt.id), "correct", "").unwrap_err().code(), "prompt_exists");
    let changed = store.save_prompt(Some(&prompt.id), "translate", "T {{text}}").unwrap();
    assert_eq!((changed.id.as_str(), changed.text.as_str()), (prompt.id.as_str(), "T {{text}}"));
    store.delete_prompt(&prompt.id).unwrap();
    assert_eq!(store.delete_prompt(&prompt.id).unwrap_err().code(), "prompt_not_found");
    assert_eq!(store.save_prompt(Some(&prompt.id), "x", "").unwrap_err().code(), "prompt_not_found");
    assert_eq!(store.prompts().unwrap().len(), 1);
}
