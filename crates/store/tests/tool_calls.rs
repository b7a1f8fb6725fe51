//! Calls of tools: their rounds in the tree, what a crash leaves of them, and what may run without asking.

mod support;

use lantern_protocol::{
    ChosenTool, ChosenTools, MessageStatus, Role, ToolCall, ToolCallState, ToolImage, ToolResult,
};
use lantern_store::{Asked, Exchange, Finish, NewToolCall, Question, Store};
use support::*;

fn new_call(name: &str, state: ToolCallState) -> NewToolCall {
    NewToolCall {
        call_id: format!("call_{name}"),
        server: "lantern".into(),
        tool: name.into(),
        name: name.into(),
        arguments: "{\"a\": 1}".into(),
        state,
    }
}

/// An answer that ended with calls of these tools.
fn called(store: &mut Store, names: &[&str]) -> (Asked, Vec<ToolCall>) {
    let asked = ask_new(store, "What is 6 × 7?");
    store.append(&asked.assistant_message.id, "I calculate.").unwrap();
    let calls: Vec<_> = names.iter().map(|name| new_call(name, ToolCallState::Asking)).collect();
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    let (message, calls) = store.finish_with_calls(&asked.assistant_message.id, &finish, &calls).unwrap();
    assert_eq!((message.content.as_str(), message.status), ("I calculate.", MessageStatus::Complete));
    (asked, calls)
}

fn states(store: &Store, conversation: &str) -> Vec<ToolCallState> {
    store.tool_calls(conversation).unwrap().into_iter().map(|call| call.state).collect()
}

#[test]
fn a_round_is_a_line_of_messages() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (asked, calls) = called(&mut store, &["a", "b"]);
    let ran = store.begin_tool_call(&calls[0].id).unwrap();
    assert!(ran.state == ToolCallState::Running && ran.started_at.is_some());
    let image = ToolImage { mime_type: "image/png".into(), data: "AAAA".into() };
    let result = ToolResult { text: "42".into(), structured: Some("42".into()), images: vec![image] };
    store.end_tool_call(&calls[0].id, ToolCallState::Done, Some(&result)).unwrap();
    let denied = store.end_tool_call(&calls[1].id, ToolCallState::Denied, None).unwrap();
    assert!(denied.state == ToolCallState::Denied && denied.ended_at.is_some());

    let results = [(calls[0].id.clone(), "42".to_owned()), (calls[1].id.clone(), "denied".to_owned())];
    let round = store.next_round(&asked.assistant_message.id, &results, Some("tiny")).unwrap();
    store.append(&round.assistant_message.id, "It is 42.").unwrap();
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    let end = store.finish(&round.assistant_message.id, &finish).unwrap();
    let branch = store.branch(&end.id).unwrap();
    let roles: Vec<_> = branch.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool, Role::Assistant]);
    assert_eq!(store.conversation(&asked.conversation.id).unwrap().leaf_id, Some(end.id.clone()));
    let of_result = store.call_of_result(&branch[2].id).unwrap().unwrap();
    assert_eq!((of_result.id.as_str(), of_result.result), (calls[0].id.as_str(), Some(result)));
    assert_eq!(store.tool_calls_of(&asked.assistant_message.id).unwrap().len(), 2);

    // Another end beside this one leaves the results where they are.
    let question = Question::Again { message_id: end.id };
    let again = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
    assert_eq!(again.assistant_message.parent_id, Some(branch[3].id.clone()));

    store.delete_conversation(&asked.conversation.id).unwrap();
    assert!(store.tool_call(&calls[0].id).is_err());
}

#[test]
fn a_call_runs_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (_, calls) = called(&mut store, &["a"]);
    store.begin_tool_call(&calls[0].id).unwrap();
    assert!(store.begin_tool_call(&calls[0].id).is_err(), "it runs already");
    store.end_tool_call(&calls[0].id, ToolCallState::Done, None).unwrap();
    assert!(store.begin_tool_call(&calls[0].id).is_err(), "it has run");
    let late = store.end_tool_call(&calls[0].id, ToolCallState::Failed, None).unwrap();
    assert_eq!(late.state, ToolCallState::Done, "an end is the end");
}

#[test]
fn a_crash_leaves_calls_that_nobody_runs_again() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(dir.path());
    let (asked, calls) = called(&mut store, &["asked", "ran", "done"]);
    store.begin_tool_call(&calls[1].id).unwrap();
    store.begin_tool_call(&calls[2].id).unwrap();
    store.end_tool_call(&calls[2].id, ToolCallState::Done, None).unwrap();
    copy_as_after_a_crash(dir.path(), crashed.path());

    let mut after = open(crashed.path());
    let conversation = asked.conversation.id.as_str();
    let expected = [ToolCallState::NotRun, ToolCallState::Interrupted, ToolCallState::Done];
    assert_eq!(states(&after, conversation), expected);
    assert!(after.begin_tool_call(&calls[1].id).is_err(), "it may have run");
    // What was never run may be asked about again.
    assert_eq!(after.reopen_tool_call(&calls[0].id).unwrap().state, ToolCallState::Asking);
    assert_eq!(after.reopen_tool_call(&calls[1].id).unwrap().state, ToolCallState::Interrupted);
    // The process that still lives is not disturbed.
    let second = open(dir.path());
    assert_eq!(states(&second, conversation)[..2], [ToolCallState::Asking, ToolCallState::Running]);
}

#[test]
fn an_answer_and_its_calls_are_stored_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (asked, calls) = called(&mut store, &["a"]);
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    let more = [new_call("b", ToolCallState::Asking)];
    assert!(store.finish_with_calls(&asked.assistant_message.id, &finish, &more).is_err());
    assert_eq!(store.tool_calls(&asked.conversation.id).unwrap(), calls);
}

#[test]
fn choices_and_consents_are_of_a_tool_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let one = ask_new(&mut store, "One").conversation.id;
    let two = ask_new(&mut store, "Two").conversation.id;
    let tool = ChosenTool { server: "s".into(), tool: "t".into(), hash: "1".into() };
    let changed = ChosenTool { hash: "2".into(), ..tool.clone() };

    let chosen = ChosenTools { tools: vec![tool.clone()], required: true };
    store.choose_tools(None, &chosen).unwrap();
    store.choose_tools(None, &chosen).unwrap();
    assert_eq!(store.chosen_tools(None).unwrap(), chosen);
    assert_eq!(store.chosen_tools(Some(&one)).unwrap(), ChosenTools::default());
    store.choose_tools(Some(&one), &chosen).unwrap();
    assert_eq!(store.chosen_tools(Some(&one)).unwrap(), chosen);
    assert!(store.choose_tools(Some("no such"), &chosen).is_err());

    assert!(!store.may_run(&one, &tool).unwrap());
    store.let_run(Some(&one), &tool).unwrap();
    assert!(store.may_run(&one, &tool).unwrap() && !store.may_run(&two, &tool).unwrap());
    assert!(!store.may_run(&one, &changed).unwrap(), "it says something else now");
    store.let_run(None, &tool).unwrap();
    assert!(store.may_run(&two, &tool).unwrap());
    assert_eq!(store.always_run().unwrap(), std::slice::from_ref(&tool));
    store.ask_again("s", Some("t")).unwrap();
    assert!(!store.may_run(&one, &tool).unwrap() && store.always_run().unwrap().is_empty());
}
