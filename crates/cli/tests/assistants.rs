//! `lantern assistant` and `lantern chat --assistant`.

mod support;

use support::{Home, golden};

const FOX: &str = r#"{"lantern": "assistant", "format": 1, "assistant": {"name": "Fox", "description": "Speaks as one.",
    "systemPrompt": "Yip.", "sampling": {"maxTokens": 3, "temperature": 0}, "folders": ["elsewhere"],
    "unasked": [{"server": "lantern", "tool": "calculator", "hash": "x"}]}}"#;

#[test]
fn an_assistant_comes_in_is_shown_and_goes_out() {
    let home = Home::new();
    let none = home.run(&["assistant", "list"]).good();
    assert!(none.out.is_empty() && none.err.contains("no assistant yet"), "{}", none.err);
    let file = home.file("fox.json", FOX.as_bytes());
    let imported = home.run(&["assistant", "import", &file]).good();
    assert_eq!(imported.out.trim(), "Fox");
    assert!(imported.err.contains("folders") && imported.err.contains("ask here"), "{}", imported.err);
    assert_eq!(home.run(&["assistant", "import", &file]).good().out.trim(), "Fox 2", "its name was taken");
    let list = home.run(&["assistant", "ls"]).good().out;
    assert!(list.contains("VERSION") && list.contains("Speaks as one."), "{list}");
    let all = home.run(&["assistant", "list", "--json"]).good().json();
    assert_eq!(all[1]["setup"]["name"], "Fox 2");

    let shown = home.run(&["assistant", "show", "fox"]).good();
    assert_eq!(shown.json()["assistant"]["systemPrompt"], "Yip.");
    let target = home.data().join("out.json");
    home.run(&["assistant", "export", "FOX", &target.to_string_lossy()]).good();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), shown.out);
    home.run(&["assistant", "show", "wolf"]).failed("assistant_not_found");
    let broken = home.file("broken.json", b"{");
    home.run(&["assistant", "import", &broken]).failed("not_an_assistant");
}

#[test]
fn a_chat_has_the_assistant_that_was_named() {
    let home = Home::new();
    let file = home.file("fox.json", FOX.as_bytes());
    home.run(&["assistant", "import", &file]).good();
    home.run(&["import", &golden("llama_untied-Q8_0.gguf")]).good();
    home.run(&["chat", "--assistant", "nobody"]).failed("assistant_not_found");
    home.pipe(&["chat", "--assistant", "fox"], "Hello\n/new\nHello again\n").good();
    let out = home.data().join("all.json");
    home.run(&["export", &out.to_string_lossy()]).good();
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let conversations = all["conversations"].as_array().unwrap();
    assert_eq!(conversations.len(), 2);
    for one in conversations {
        assert_eq!(one["tables"]["answer_assistants"][0]["name"], "Fox", "{one}");
        let tokens = &one["messages"][1]["stats"]["completionTokens"];
        assert!(tokens.as_u64().is_some_and(|tokens| tokens <= 3), "{tokens}");
    }
}
