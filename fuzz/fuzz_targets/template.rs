//! The renderer against any template and conversation: text within the limits, or a typed error, in bounded time.
#![no_main]

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

use lantern_engine::{ChatMessage, ChatTemplate, TemplateOptions, Tokenizer};
use lantern_fuzz::{Cursor, golden};
use lantern_gguf::GgufFile;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value as Json, json};

/// The longest text that a render may give.
const MAX_OUTPUT: usize = 16 << 20;

/// Renders need a large stack. One thread that has it serves all of them, for a new one each time would take longer than
/// they do.
struct Renderer {
    inputs: SyncSender<Vec<u8>>,
    done: Mutex<std::sync::mpsc::Receiver<()>>,
}

fn renderer() -> &'static Renderer {
    static RENDERER: OnceLock<Renderer> = OnceLock::new();
    RENDERER.get_or_init(|| {
        let (inputs, asked) = sync_channel::<Vec<u8>>(1);
        let (told, done) = sync_channel(1);
        let thread = std::thread::Builder::new().name("chat-template".into()).stack_size(256 << 20);
        let work = move || {
            for data in asked {
                render(&data);
                if told.send(()).is_err() {
                    break;
                }
            }
        };
        thread.spawn(work).expect("a thread");
        Renderer { inputs, done: Mutex::new(done) }
    })
}

fuzz_target!(|data: &[u8]| {
    let renderer = renderer();
    renderer.inputs.send(data.to_vec()).expect("the renderer waits");
    renderer.done.lock().expect("nobody panicked with it").recv().expect("the renderer answers");
});

fn render(data: &[u8]) {
    let mut input = Cursor(data);
    let flags = input.byte();
    let role = input.one_of(&["system", "user", "tool"]);
    let (first, second) = (input.text(), input.text());
    let parts = |text: &str| (flags & 1 > 0).then(|| json!([{"type": "text", "text": text}]));
    let messages = [
        ChatMessage { parts: parts(&first), ..ChatMessage::new(role, first) },
        ChatMessage::new("user", second),
        ChatMessage {
            content: input.text(),
            reasoning: Some(input.text()).filter(|text| !text.is_empty()),
            tool_calls: (flags & 2 > 0).then(|| calls(input.text())),
            ..ChatMessage::new("assistant", "")
        },
    ];
    let parameters = json!({"type": "object", "properties": {"a": {"type": "array"}}});
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}]);
    let options = TemplateOptions {
        add_generation_prompt: flags & 4 > 0,
        tools: (flags & 8 > 0).then_some(tools),
        now: Some("2025-01-15T12:34:56".parse().expect("a date")),
        ..TemplateOptions::default()
    };
    let template = match ChatTemplate::from_source(&input.rest(), "<s>", "</s>") {
        Ok(template) => template,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.next_step().is_empty()),
    };
    match template.prompt(&messages, &options, tokenizer()) {
        Ok(prompt) => assert!(prompt.text().len() <= MAX_OUTPUT, "{} bytes came out", prompt.text().len()),
        Err(error) => assert!(!error.to_string().is_empty() && !error.next_step().is_empty()),
    }
}

fn calls(name: String) -> Json {
    json!([{"id": "1", "type": "function", "function": {"name": name, "arguments": "{\"a\": [1.5]}"}}])
}

/// Whose control tokens a conversation may spell.
fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let path = golden("tokenizers", "gguf").swap_remove(0);
        let file = GgufFile::open(&path).expect("a golden vocabulary");
        Tokenizer::from_gguf(&file).expect("a golden vocabulary")
    })
}
