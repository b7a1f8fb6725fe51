//! Thoughts and calls of every family, over every way to cut the answer into pieces.

use std::path::Path;
use std::sync::Arc;

use lantern_engine::{OutputEvent, OutputFormat, OutputParser, ToolChoice, ToolSet};
use serde_json::{Value as Json, json};

/// A piece of an answer, and whether it is a marker's token.
type Piece<'t> = (&'t str, bool);

fn samples() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/output_samples.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the samples")).expect("they are JSON")
}

/// How a sample's answer is to be read.
struct Reading {
    format: OutputFormat,
    tools: Arc<ToolSet>,
    choice: ToolChoice,
    prompt_end: String,
}

impl Reading {
    fn parser(&self) -> OutputParser {
        self.format.parser(&self.tools, &self.choice, &self.prompt_end, 7)
    }

    /// The events of an answer in pieces, joined.
    fn read(&self, pieces: &[Piece<'_>]) -> Json {
        let mut parser = self.parser();
        let mut events = Vec::new();
        for (piece, is_marker) in pieces {
            events.extend(if *is_marker { parser.push_marker(piece) } else { parser.push_text(piece) });
        }
        events.extend(parser.finish());
        let calls = events.iter().filter(|event| matches!(event, OutputEvent::ToolCallStart { .. })).count();
        assert_eq!(parser.has_calls(), calls > 0);
        joined(events)
    }
}

/// Events as the samples have them. Checks that calls are numbered, closed, and have ids.
fn joined(events: Vec<OutputEvent>) -> Json {
    let (mut joined, mut open, mut calls): (Vec<(&str, String, String)>, Option<usize>, usize) =
        (Vec::new(), None, 0);
    for event in events {
        match event {
            OutputEvent::Content(text) => push(&mut joined, "content", &text),
            OutputEvent::Reasoning(text) => push(&mut joined, "reasoning", &text),
            OutputEvent::ToolCallStart { index, id, name } => {
                assert_eq!((open, index), (None, calls), "calls are numbered, one after the other");
                let random = id.strip_prefix("call_").expect("an id");
                assert!(random.len() == 24 && random.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
                (open, calls) = (Some(index), calls + 1);
                joined.push(("call", name, String::new()));
            }
            OutputEvent::ToolArguments { index, text } => {
                assert_eq!(open, Some(index), "arguments belong to the open call");
                joined.last_mut().expect("a call").2.push_str(&text);
            }
            OutputEvent::ToolCallEnd { index } => assert_eq!(open.take(), Some(index), "the open call ends"),
        }
    }
    assert_eq!(open, None, "every call ends");
    let event = |(kind, text, arguments): (&str, String, String)| match kind {
        "call" => json!([kind, text, arguments]),
        _ => json!([kind, text]),
    };
    joined.into_iter().map(event).collect()
}

fn push(joined: &mut Vec<(&'static str, String, String)>, kind: &'static str, text: &str) {
    assert!(!text.is_empty(), "no event says nothing");
    match joined.last_mut().filter(|last| last.0 == kind) {
        Some(last) => last.1.push_str(text),
        None => joined.push((kind, text.to_owned(), String::new())),
    }
}

/// Every place where a text may be cut.
fn borders(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

/// Calls `with` for every reading of every sample: its name, how it is read, its text, and the events.
fn each(mut with: impl FnMut(&str, &Reading, &str, &Json)) {
    let samples = samples();
    let tools = Arc::new(ToolSet::from_json(&samples["tools"]));
    for family in samples["formats"].as_array().expect("formats") {
        let template = family["template"].as_str().expect("a template");
        for sample in family["samples"].as_array().expect("samples") {
            let format = OutputFormat::detect(template, |_| None);
            assert_eq!(format.name(), family["format"].as_str().expect("a name"));
            let reading = Reading {
                format,
                tools: if sample["tools"] == false { Arc::default() } else { tools.clone() },
                choice: if sample["choice"] == "none" { ToolChoice::None } else { ToolChoice::Auto },
                prompt_end: sample["prompt_end"].as_str().unwrap_or_default().to_owned(),
            };
            let name = format!("{}: {}", family["format"], sample["name"]);
            with(&name, &reading, sample["text"].as_str().expect("a text"), &sample["events"]);
        }
    }
}

#[test]
fn every_split_of_every_sample_says_the_same() {
    each(|name, reading, text, events| {
        let whole = reading.read(&[(text, false)]);
        assert_eq!(whole, *events, "{name}");
        let borders = borders(text);
        for &cut in &borders {
            let pieces = [(&text[..cut], false), (&text[cut..], false)];
            assert_eq!(reading.read(&pieces), *events, "{name}, cut at {cut}");
        }
        let each: Vec<Piece<'_>> = borders.windows(2).map(|pair| (&text[pair[0]..pair[1]], false)).collect();
        assert_eq!(reading.read(&each), *events, "{name}, character by character");
        if text.len() > 70 {
            return;
        }
        for &first in &borders {
            for &second in borders.iter().filter(|&&second| second > first) {
                let pieces =
                    [(&text[..first], false), (&text[first..second], false), (&text[second..], false)];
                assert_eq!(reading.read(&pieces), *events, "{name}, cut at {first} and {second}");
            }
        }
    });
}
