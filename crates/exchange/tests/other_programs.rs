//! What other programs' exports can hold arrives whole: trees, order, times, models, system prompts. What has no place is
//! kept as it was.

mod support;

use lantern_exchange::Source;
use lantern_protocol::{ConversationRecord, MessageStatus, Role};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::*;

fn name(at: usize) -> String {
    format!("node-{at}")
}

fn children(tree: &Tree, at: Option<usize>) -> Vec<String> {
    (0..tree.nodes.len()).filter(|child| tree.nodes[*child].parent == at).map(name).collect()
}

#[expect(clippy::cast_precision_loss, reason = "times below 2^53")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

fn iso(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    // Days to a date, after Howard Hinnant's `civil_from_days`.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (s, ms) = (rest / 1000, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60)
}

/// Nodes without words lie between the messages, and the nodes are in no order.
fn chatgpt(tree: &Tree) -> Value {
    let mut mapping = Map::new();
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        let message = json!({
            "id": name(at),
            "author": {"role": node.role.as_str(), "metadata": {}},
            "create_time": seconds(node.time),
            "content": {"content_type": "text", "parts": [node.text]},
            "status": "finished_successfully",
            "metadata": {"model_slug": node.model},
        });
        let parent = node.parent.map_or("prompt".to_owned(), name);
        let node = json!({"id": name(at), "message": message, "parent": parent, "children": children(tree, Some(at))});
        mapping.insert(name(at), node);
    }
    let said = tree.system_prompt.clone().unwrap_or_default();
    let prompt = json!({"author": {"role": "system"}, "content": {"content_type": "text", "parts": [said]}});
    let below = children(tree, None);
    mapping.insert("prompt".into(), json!({"message": prompt, "parent": "root", "children": below}));
    mapping.insert("root".into(), json!({"message": null, "parent": null, "children": ["prompt"]}));
    json!([{"title": tree.title, "create_time": 1.5, "update_time": 2.5, "mapping": mapping,
            "current_node": name(tree.leaf), "conversation_id": "c", "is_archived": true}])
}

fn claude(tree: &Tree) -> Value {
    let message = |(at, node): (usize, &Node)| {
        let parent = node.parent.map_or("00000000-0000-4000-8000-000000000000".to_owned(), name);
        json!({"uuid": name(at), "parent_message_uuid": parent, "text": node.text, "created_at": iso(node.time),
               "sender": if node.role == Role::User { "human" } else { "assistant" }, "model": node.model,
               "content": [{"type": "text", "text": node.text}], "attachments": [], "files": []})
    };
    let messages: Vec<Value> = tree.nodes.iter().enumerate().map(message).collect();
    json!([{"uuid": "c", "name": tree.title, "created_at": iso(1500), "chat_messages": messages,
            "current_leaf_message_uuid": name(tree.leaf)}])
}

fn open_webui(tree: &Tree) -> Value {
    let mut messages = Map::new();
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        messages.insert(
            name(at),
            json!({"id": name(at), "parentId": node.parent.map(name), "childrenIds": children(tree, Some(at)),
                   "role": node.role.as_str(), "content": node.text, "timestamp": seconds(node.time), "model": node.model}),
        );
    }
    // Roots have no parent who could name them in order.
    let messages: Map<String, Value> = messages.into_iter().rev().collect();
    json!([{"id": "c", "title": tree.title, "created_at": 1, "updated_at": 2, "pinned": true,
            "chat": {"models": ["m"], "params": {"system": tree.system_prompt},
                     "history": {"messages": messages, "currentId": name(tree.leaf)}}}])
}

fn read_one(value: &Value, source: Source) -> Result<ConversationRecord, TestCaseError> {
    let mut read = all(value.to_string().as_bytes());
    prop_assert_eq!(read.files.len(), 1);
    prop_assert!(read.files[0].error.is_none(), "{:?}", read.files);
    prop_assert_eq!(read.files[0].source, Some(source));
    prop_assert_eq!(read.files[0].left.counted(), []);
    prop_assert_eq!(read.records.len(), 1);
    Ok(read.records.remove(0))
}

fn is_whole(tree: &Tree, value: &Value, source: Source) -> Result<ConversationRecord, TestCaseError> {
    let record = read_one(value, source)?;
    prop_assert_eq!(shape(&record), drawn_shape(tree));
    prop_assert_eq!(siblings(&record), drawn_siblings(tree));
    prop_assert_eq!(&record.conversation.title, &tree.title);
    let leaf =
        record.messages.iter().find(|message| Some(&message.id) == record.conversation.leaf_id.as_ref());
    prop_assert_eq!(&leaf.unwrap().content, &tree.nodes[tree.leaf].text);
    Ok(record)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chatgpt_arrives_whole(tree in tree()) {
        let record = is_whole(&tree, &chatgpt(&tree), Source::ChatGpt)?;
        prop_assert_eq!(&record.conversation.system_prompt, &tree.system_prompt);
        prop_assert!(record.conversation.archived);
        prop_assert_eq!((record.conversation.created_at, record.conversation.updated_at), (1500, 2500));
    }

    #[test]
    fn claude_arrives_whole(tree in tree()) {
        // The form has no system prompt.
        let mut tree = tree;
        // The models of people are nobody's.
        tree.system_prompt = None;
        let record = is_whole(&tree, &claude(&tree), Source::Claude)?;
        prop_assert_eq!(record.conversation.created_at, 1500);
    }

    #[test]
    fn open_webui_arrives_whole(tree in tree()) {
        let record = is_whole(&tree, &open_webui(&tree), Source::OpenWebUi)?;
        prop_assert_eq!(&record.conversation.system_prompt, &tree.system_prompt);
        prop_assert!(record.conversation.pinned);
    }

    /// Turns in a row, each with versions of which one is selected.
    #[test]
    fn lm_studio_arrives_whole(
        turns in prop::collection::vec((prop::collection::vec("\\PC{1,9}", 1..4), any::<prop::sample::Index>()), 1..8),
        prompt in "[a-z]{1,9}",
    ) {
        let turn = |(at, (versions, selected)): (usize, &(Vec<String>, prop::sample::Index))| {
            let version = |text: &String| match at % 2 {
                0 => json!({"type": "singleStep", "role": "user", "content": [{"type": "text", "text": text}],
                            "preprocessed": {"timestamp": 1_700_000_000_000i64}}),
                _ => json!({"type": "multiStep", "role": "assistant", "steps": [
                    {"type": "contentBlock", "style": {"type": "thinking"}, "content": [{"type": "text", "text": "hm"}]},
                    {"type": "contentBlock", "content": [{"type": "text", "text": text}],
                     "genInfo": {"indexedModelIdentifier": "maker/model", "stats": {"stopReason": "eosFound"}}}]}),
            };
            json!({"versions": versions.iter().map(version).collect::<Vec<_>>(),
                   "currentlySelected": selected.index(versions.len())})
        };
        let messages: Vec<Value> = turns.iter().enumerate().map(turn).collect();
        let value = json!({"name": "Talk", "createdAt": 1_700_000_000_000i64, "systemPrompt": prompt, "messages": messages});
        let record = read_one(&value, Source::LmStudio)?;
        prop_assert_eq!(record.conversation.system_prompt.as_ref(), Some(&prompt));
        prop_assert_eq!(record.messages.len(), turns.iter().map(|(versions, _)| versions.len()).sum::<usize>());
        let mut at = record.conversation.leaf_id.clone();
        for (number, (versions, selected)) in turns.iter().enumerate().rev() {
            let message = record.messages.iter().find(|message| Some(&message.id) == at.as_ref()).unwrap();
            let text = selected.get(versions);
            let expected = if number % 2 == 0 { text.clone() } else { format!("<think>\nhm\n</think>\n\n{text}") };
            prop_assert_eq!(&message.content, &expected);
            prop_assert_eq!(message.model.as_deref(), (number % 2 == 1).then_some("maker/model"));
            at = message.parent_id.clone();
        }
        prop_assert_eq!(at, None);
    }

    #[test]
    fn jan_arrives_whole(texts in prop::collection::vec("\\PC{1,30}", 1..9)) {
        let thread = json!({"id": "t1", "object": "thread", "title": "Talk", "created": 1_700_000_000, "updated": 1_700_000_009,
            "assistants": [{"model": {"id": "m"}, "instructions": "Be kind."}], "metadata": {"x": 1}});
        let line = |(at, text): (usize, &String)| json!({"id": format!("m{at}"), "thread_id": "t1", "object": "thread.message",
            "role": if at % 2 == 0 { "user" } else { "assistant" }, "status": "ready", "created_at": 1_700_000_000 + at,
            "content": [{"type": "text", "text": {"value": text, "annotations": []}}]}).to_string();
        let lines: Vec<String> = texts.iter().enumerate().map(line).collect();
        let folder = tempfile::tempdir().unwrap();
        // Names say nothing.
        std::fs::write(folder.path().join("a"), thread.to_string()).unwrap();
        std::fs::write(folder.path().join("b"), lines.join("\n")).unwrap();
        for path in [folder.path().to_owned(), folder.path().join("a"), folder.path().join("b")] {
            let mut read = AllRead::default();
            lantern_exchange::read(&path, &mut |item| read.take(item));
            prop_assert_eq!(read.codes(), Vec::<&str>::new());
            prop_assert_eq!(read.records.len(), 1);
            let record = &read.records[0];
            let read: Vec<&String> = record.messages.iter().map(|message| &message.content).collect();
            prop_assert_eq!(read, texts.iter().collect::<Vec<_>>());
            prop_assert_eq!(record.conversation.system_prompt.as_deref(), Some("Be kind."));
            prop_assert_eq!(record.messages[0].created_at, 1_700_000_000_000);
        }
    }
}

#[test]
fn what_has_no_place_is_kept_with_its_message() {
    let message = |role: &str, extra: Value| {
        let mut message =
            json!({"author": {"role": role}, "content": {"content_type": "text", "parts": ["x"]}});
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        message
    };
    let picture = json!({"content": {"content_type": "multimodal_text",
        "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "file-service://1"}, "Look"]}});
    let mapping = json!({
        "a": {"message": message("user", picture), "parent": null, "children": ["b"]},
        "b": {"message": message("assistant", json!({"recipient": "python"})), "parent": "a", "children": ["c"]},
        "c": {"message": message("tool", json!({})), "parent": "b", "children": ["d"]},
        "d": {"message": message("assistant", json!({"status": "in_progress", "weight": 0.5})), "parent": "c", "children": []},
    });
    let read = all(json!({"mapping": mapping, "current_node": "c", "gizmo_id": "g"}).to_string().as_bytes());
    let record = &read.records[0];
    let texts: Vec<&str> = record.messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts, ["Look", "x"]);
    assert_eq!(record.messages[1].parent_id.as_deref(), Some("a"));
    assert_eq!(record.messages[1].status, MessageStatus::Interrupted);
    assert_eq!(record.conversation.leaf_id.as_deref(), Some("a"), "what the leaf stands on");
    let kept: Vec<_> =
        record.kept.iter().map(|part| (part.message_id.as_deref(), part.name.as_str())).collect();
    assert_eq!(
        kept,
        [
            (None, "details"),
            (Some("a"), "calls of tools"),
            (Some("a"), "results of tools"),
            (Some("a"), "pictures and other parts"),
            (Some("d"), "details"),
        ]
    );
    assert_eq!(record.kept[0].json, json!({"gizmo_id": "g"}));
}

#[test]
fn broken_links_are_mended_and_told() {
    let node = |parent: &str| {
        json!({"message": {"author": {"role": "user"},
        "content": {"content_type": "text", "parts": [parent]}}, "parent": parent, "children": []})
    };
    let mapping = json!({"a": node("b"), "b": node("a"), "c": node("gone"), "d": node("d")});
    let read = all(json!({"mapping": mapping}).to_string().as_bytes());
    assert_eq!(read.records[0].messages.len(), 4);
    let left: Vec<String> =
        read.files[0].left.counted().iter().map(|one| format!("{} {}", one.count, one.what)).collect();
    assert_eq!(left, ["2 links that lead in a circle", "1 links to messages that are not there"]);
}
