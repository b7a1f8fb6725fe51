//! Arguments that a model names one by one, as a JSON object: for families that write values as plain text.

use serde_json::Value as Json;

use super::json_scan::push_text;
use super::sink::Sink;
use super::tools::Kinds;

/// Writes the object, argument by argument.
#[derive(Debug, Default)]
pub struct Arguments {
    written: usize,
    /// What the argument may be, and its text as long as that has to be known whole.
    value: Option<(Kinds, String)>,
}

impl Arguments {
    /// The next argument begins. Text alone goes out as it comes.
    pub fn begin(&mut self, name: &str, kinds: Kinds, sink: &mut Sink) {
        let mut out = String::from(if self.written == 0 { "{\"" } else { ", \"" });
        push_text(&mut out, name);
        out.push_str(if kinds.is_text() { "\": \"" } else { "\": " });
        sink.arguments(&out);
        self.written += 1;
        self.value = Some((kinds, String::new()));
    }

    /// A piece of the argument's text.
    pub fn text(&mut self, text: &str, sink: &mut Sink) {
        let Some((kinds, whole)) = &mut self.value else { return };
        if kinds.is_text() {
            let mut out = String::new();
            push_text(&mut out, text);
            sink.arguments(&out);
        } else {
            whole.push_str(text);
        }
    }

    /// The argument is whole.
    pub fn end(&mut self, sink: &mut Sink) {
        match self.value.take() {
            Some((kinds, _)) if kinds.is_text() => sink.arguments("\""),
            Some((kinds, text)) => sink.arguments(&value(&text, kinds)),
            None => {}
        }
    }

    /// All arguments are there.
    pub fn finish(&mut self, sink: &mut Sink) {
        sink.arguments(if self.written == 0 { "{}" } else { "}" });
    }
}

/// The JSON of a value that was written as text: what it says where the schema allows that, and else the text.
fn value(text: &str, kinds: Kinds) -> String {
    let word = text.trim();
    let word = match word {
        "True" => "true",
        "False" => "false",
        "None" => "null",
        _ => word,
    };
    match serde_json::from_str::<Json>(word) {
        // In quotes it is not what these families write for text: the quotes are the text's own.
        Ok(Json::String(_)) | Err(_) => {}
        Ok(value) if kinds.allows(&value) => return word.to_owned(),
        Ok(_) => {}
    }
    let mut out = String::from("\"");
    push_text(&mut out, text);
    out.push('"');
    out
}
