//! Lantern's own form, archives, and files that mean no good.

mod support;

use std::io::Write;

use lantern_exchange::{Source, write};
use lantern_protocol::{ConversationRecord, ExportFormat, Folder, GenerationStats, MessageStatus};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::*;

/// What was drawn as a record with everything that a record can have.
fn record(tree: &Tree, number: f64) -> ConversationRecord {
    let id = |at: usize| format!("m{at}");
    let messages: Vec<Value> = tree
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let stats = GenerationStats {
                prompt_tokens: 1,
                cached_tokens: 2,
                completion_tokens: 3,
                first_token_seconds: number,
                tokens_per_second: number / 3.0,
                dropped_messages: 4,
                summarised_messages: 5,
            };
            json!({"id": id(at), "conversationId": "c", "parentId": node.parent.map(id), "role": node.role,
                   "content": node.text, "status": MessageStatus::Stopped, "model": node.model, "error": null,
                   "stats": stats, "createdAt": node.time})
        })
        .collect();
    let conversation = json!({"id": "c", "title": tree.title, "model": null, "systemPrompt": tree.system_prompt,
        "contextLength": 7, "pinned": true, "leafId": id(tree.leaf), "createdAt": 1, "updatedAt": 2, "folderId": "f",
        "archived": true, "temporary": false});
    let value = json!({"conversation": conversation, "titledBy": "model", "messages": messages,
        "summaries": [{"messageId": "m0", "text": "short"}], "origin": {"source": "Jan", "id": "x"},
        "kept": [{"messageId": "m0", "name": "n", "json": [number]}], "tables": {"t": [{"a": 1}]}});
    serde_json::from_value(value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn an_export_is_read_as_it_was(tree in tree(), number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let record = record(&tree, number);
        let folder = Folder { id: "f".into(), name: "Kitchen".into(), created_at: 3 };
        let records = [record.clone(), record];
        let bytes = write::to_bytes(std::slice::from_ref(&folder), &records).unwrap();
        let read = all(&bytes);
        prop_assert_eq!(read.codes(), Vec::<&str>::new());
        prop_assert_eq!(read.files[0].source, Some(Source::Lantern));
        prop_assert_eq!(&read.folders, &[folder]);
        prop_assert_eq!(&read.records, &records);
        prop_assert_eq!(write::to_bytes(&read.folders, &read.records).unwrap(), bytes);
    }

    /// No content, however cut or changed, does more than give an error.
    #[test]
    fn no_bytes_are_too_much(tree in tree(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = write::to_bytes(&[], &[record(&tree, 1.0)]).unwrap();
        let at = cut.index(bytes.len());
        all(&bytes[..at]);
        bytes[at] = byte;
        all(&bytes);
    }
}

#[test]
fn what_a_later_lantern_adds_is_kept() {
    let tree = Tree { title: "t".into(), system_prompt: None, nodes: vec![], leaf: 0 };
    let mut value = serde_json::to_value(record(&tree, 1.0)).unwrap();
    value["messages"] = json!([{"id": "m0", "conversationId": "c", "parentId": null, "role": "user", "content": "x",
        "status": "complete", "model": null, "error": null, "stats": null, "createdAt": 1, "colour": "red"}]);
    value["conversation"]["mood"] = json!("calm");
    value["weather"] = json!(1);
    let file = json!({"format": "lantern", "version": 1, "folders": [], "conversations": [value], "more": 1});
    let read = all(file.to_string().as_bytes());
    let names: Vec<_> =
        read.records[0].kept.iter().map(|part| (part.name.as_str(), part.json.to_string())).collect();
    assert_eq!(
        names[1..],
        [
            ("later record", r#"{"weather":1}"#.to_owned()),
            ("later conversation", r#"{"mood":"calm"}"#.to_owned()),
            ("later message", r#"{"colour":"red"}"#.to_owned())
        ]
    );
    assert_eq!(read.records[0].kept[3].message_id.as_deref(), Some("m0"));
}

#[test]
fn hostile_files_give_typed_errors() {
    let deep = "[".repeat(100_000);
    let cases: [(&[u8], &str); 9] = [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"hello", "not_json"),
        (deep.as_bytes(), "not_json"),
        (b"[{\"a\": 1}]", "unknown_export"),
        (b"[1, \"x\", null]", "unknown_export"),
        (b"{\"format\": \"lantern\", \"version\": 99, \"conversations\": []}", "newer_format"),
        (b"PK\x03\x04 not really", "bad_archive"),
        (b"\xff\xfe\x00\x00", "not_json"),
    ];
    for (content, code) in cases {
        let read = all(content);
        assert_eq!(read.codes(), [code], "{:?}", String::from_utf8_lossy(&content[..content.len().min(40)]));
        assert!(read.records.is_empty());
        let error = read.files[0].error.as_ref().unwrap();
        assert!(!error.next_step().is_empty());
    }
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut archive = zip::ZipWriter::new(&mut out);
    for (name, content) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
    out.into_inner()
}

#[test]
fn an_archive_is_all_that_is_in_it() {
    let chat = br#"[{"uuid": "c", "name": "Talk", "chat_messages": [{"uuid": "m", "sender": "human", "text": "hi"}]}]"#;
    let entries: [(&str, &[u8]); 5] = [
        ("deep/any.name", chat),
        ("user.json", br#"{"email": "x"}"#),
        ("photo.png", b"\x89PNG"),
        ("broken.json", b"[{"),
        ("../../../etc/passwd", b"root"),
    ];
    let read = all(&zip(&entries));
    assert_eq!(read.records.len(), 1);
    assert_eq!(read.codes(), ["not_json"], "of the broken file alone");
    assert_eq!(read.files[0].source, Some(Source::Claude));
    assert_eq!(read.files[0].name, "export: deep/any.name");
}

#[test]
fn a_bomb_is_not_unpacked() {
    let content = vec![b'['; 80 << 20];
    let read = all(&zip(&[("bomb.json", &content)]));
    assert_eq!(read.codes(), ["file_too_large"]);
}

#[test]
fn nothing_that_was_written_becomes_markup() {
    let text = "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> ![p](https://x/p.png) [l](javascript:alert(1)) \
                **bold** `<b>`\n\n| a | b |\n|---|---|\n| <i>1</i> | 2 |\n";
    let tree = Tree {
        title: "</title><script>".into(),
        system_prompt: Some("<style>".into()),
        nodes: vec![Node {
            parent: None,
            role: lantern_protocol::Role::Assistant,
            text: format!("<think>\n<b>hm</b>\n</think>\n\n{text}"),
            time: 0,
            model: Some("<m>".into()),
        }],
        leaf: 0,
    };
    let page = lantern_exchange::html(&record(&tree, 1.0));
    let body = page.split_once("<body>").unwrap().1;
    for bad in ["<script", "<img", "<i>", "<b>", "javascript:", "<style", "<m>"] {
        assert!(!body.contains(bad), "{bad} in {body}");
    }
    assert_eq!(page.matches("<script").count(), 0);
    assert!(
        body.contains("<strong>bold</strong>")
            && body.contains("<table>")
            && body.contains("<summary>Thoughts")
    );
    let markdown = lantern_exchange::markdown(&record(&tree, 1.0));
    assert!(
        markdown.contains("**bold**") && markdown.contains("## <m>") && markdown.contains("> <b>hm</b>"),
        "{markdown}"
    );
}

#[test]
fn files_get_names_of_their_own_that_every_system_takes() {
    for (title, name) in [
        ("../../etc/passwd", "etc passwd"),
        ("a: b? <c>", "a b c"),
        ("con", "Conversation con"),
        ("", "Conversation"),
        ("今天天气", "今天天气"),
        ("...", "Conversation"),
    ] {
        assert_eq!(write::file_name(title), name, "{title}");
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree { title: "Same".into(), system_prompt: None, nodes: vec![], leaf: 0 };
    let records = || {
        let mut record = record(&tree, 1.0);
        record.conversation.leaf_id = None;
        record
    };
    let two = [Ok(records()), Ok(records())];
    let written = write::folder(dir.path(), ExportFormat::Markdown, &mut two.into_iter()).unwrap();
    assert_eq!(written, 2);
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["Same 2.md", "Same.md"]);
}
