//! `lantern export` and `lantern import --conversations`.

mod support;

use std::fs;

use support::Home;

const CLAUDE: &str = r#"[{"uuid": "c", "name": "Tea", "created_at": "2026-01-02T03:04:05Z", "chat_messages": [
    {"uuid": "a", "sender": "human", "text": "Why <b>tea</b>?", "files": [{"file_name": "leaf.png"}]},
    {"uuid": "b", "sender": "assistant", "text": "**Warmth.**"}]}]"#;

#[test]
fn another_programs_conversations_come_in_and_go_out() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name).to_string_lossy().into_owned();
    fs::write(path("export"), CLAUDE).unwrap();

    let report = home.run(&["import", "--conversations", "--json", &path("export")]).good().json();
    let file = &report["files"][0];
    assert_eq!((file["source"].as_str(), file["conversations"].as_u64()), (Some("Claude"), Some(1)));
    assert_eq!(file["kept"], serde_json::json!([{"what": "files", "count": 1}]));
    let again = home.run(&["import", "--conversations", &path("export")]).good();
    assert!(again.err.contains("1 were here already"), "{}", again.err);

    home.run(&["export", &path("all.json")]).good();
    let all: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path("all.json")).unwrap()).unwrap();
    assert_eq!(all["format"], "lantern");
    let id = all["conversations"][0]["conversation"]["id"].as_str().unwrap();
    home.run(&["export", "--format", "markdown", &path("tea.md"), id]).good();
    let markdown = fs::read_to_string(path("tea.md")).unwrap();
    assert!(markdown.starts_with("# Tea\n") && markdown.contains("**Warmth.**"), "{markdown}");
    home.run(&["export", "--format", "html", &path("pages")]).good();
    let page = fs::read_to_string(outside.path().join("pages/Tea.html")).unwrap();
    assert!(page.contains("&lt;b&gt;tea&lt;/b&gt;") && page.contains("<strong>Warmth.</strong>"), "{page}");

    let other = Home::new();
    let report = other.run(&["import", "--conversations", "--json", &path("all.json")]).good().json();
    assert_eq!(report["files"][0]["messages"], 2);
    other.run(&["export", &path("again.json")]).good();
    assert_eq!(
        fs::read(path("all.json")).unwrap(),
        fs::read(path("again.json")).unwrap(),
        "something was lost"
    );
}

#[test]
fn what_is_no_export_is_an_error() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("x.json");
    fs::write(&path, "{\"a\": 1}").unwrap();
    home.run(&["import", "--conversations", &path.to_string_lossy()]).failed("unknown_export");
    home.run(&["export", &path.to_string_lossy(), "no-such-conversation"]).failed("conversation_not_found");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\": 1}", "a failed export destroyed a file");
}
