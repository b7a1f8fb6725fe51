//! Thoughts and calls of every family, over every way to cut the answer into pieces.

use std::sync::Arc;

use lantern_engine::{OutputEvent, OutputFormat, OutputParser, ToolChoice, ToolSet};
use serde_json::{Value as Json, json};

/// A piece of an answer, and whether it is a marker's token.
type Piece<'t> = (&'t str, bool);

fn samples() -> Json {
    let path = lantern_golden::repository().join("crates/engine/tests/data/output_samples.json");
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

/// What kind of event, whose it is, and its text.
type Joined<'a> = (&'a str, String, String);

/// Events as the samples have them. Checks that calls are numbered, closed, and have ids.
fn joined(events: Vec<OutputEvent>) -> Json {
    let (mut joined, mut open, mut calls): (Vec<Joined<'_>>, Option<usize>, usize) = (Vec::new(), None, 0);
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
fn samples_mean_what_they_should() {
    let mut wrong = Vec::new();
    each(|name, reading, text, events| {
        let whole = reading.read(&[(text, false)]);
        if whole != *events {
            wrong.push(format!("{name}\n  is        {whole}\n  should be {events}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_split_of_every_sample_says_the_same() {
    each(|name, reading, text, events| {
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

/// All markers of all formats, as a vocabulary might have them.
const MARKERS: &[&str] = &[
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<|channel>",
    "<channel|>",
    "<tool_call>",
    "</tool_call>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<|tool_call>",
    "<tool_call|>",
    "<|\"|>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|constrain|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
    "<|tool_call_start|>",
    "<|tool_call_end|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_end|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call|>",
    "<|/tool_call|>",
];

/// A format whose markers are all tokens.
fn with_tokens(template: &str) -> OutputFormat {
    OutputFormat::detect(template, |marker| {
        let at = MARKERS.iter().position(|known| *known == marker)?;
        u32::try_from(at).ok()
    })
}

/// Cuts a text at the markers of a format.
fn tokens<'t>(format: &OutputFormat, text: &'t str) -> Vec<Piece<'t>> {
    let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let is_it = |id: &u32| format.marker(*id).is_some_and(|marker| text[at..].starts_with(marker));
        let found = (0..100).find(is_it).and_then(|id| format.marker(id));
        match found {
            Some(marker) => {
                pieces.push((&text[start..at], false));
                pieces.push((&text[at..at + marker.len()], true));
                at += marker.len();
                start = at;
            }
            None => at += text[at..].chars().next().expect("a character").len_utf8(),
        }
    }
    pieces.push((&text[start..], false));
    pieces.retain(|(text, _)| !text.is_empty());
    pieces
}

#[test]
fn markers_that_are_tokens_say_the_same() {
    each(|name, reading, text, events| {
        let family = name.split('"').nth(1).expect("a family");
        if family == "generic" {
            // That vocabulary shows whose it is.
            return;
        }
        let samples = samples();
        let is_it = |format: &&Json| format["format"] == family;
        let template = samples["formats"].as_array().expect("formats").iter().find(is_it).expect("it");
        let format = with_tokens(template["template"].as_str().expect("a template"));
        let pieces = tokens(&format, text);
        let reading = Reading {
            format,
            tools: reading.tools.clone(),
            choice: reading.choice.clone(),
            prompt_end: reading.prompt_end.clone(),
        };
        // Half a marker is no token.
        assert_eq!(reading.read(&pieces), *events, "{name}");
        let each: Vec<Piece<'_>> = pieces
            .iter()
            .flat_map(|(text, is_marker)| match is_marker {
                true => vec![(*text, true)],
                false => borders(text).windows(2).map(|pair| (&text[pair[0]..pair[1]], false)).collect(),
            })
            .collect();
        assert_eq!(reading.read(&each), *events, "{name}, character by character");
    });
}

#[test]
fn a_spelling_is_no_marker_where_the_vocabulary_has_a_token() {
    let samples = samples();
    let tools = Arc::new(ToolSet::from_json(&samples["tools"]));
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let format = with_tokens("<tool_call>");
    let reading = Reading { format, tools, choice: ToolChoice::Auto, prompt_end: String::new() };
    let text = format!("<think>x</think> {call}");
    assert_eq!(reading.read(&[(&text, false)]), json!([["content", text]]));
    let marked = tokens(&reading.format, call);
    let mut pieces = vec![("Spelt: <tool_call>. ", false)];
    pieces.extend(marked);
    assert_eq!(reading.read(&pieces), json!([["content", "Spelt: <tool_call>."], ["call", "now", "{}"]]));
}

/// A small generator (Knuth's MMIX constants), the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "=",
    "\"",
    "'",
    "\\",
    "\n",
    " ",
    "\n\n",
    "é",
    "a",
    "1",
    "-",
    "true",
    "null",
    "{\"name\": \"add\", \"arguments\": {\"a\": 1}}",
    "{\"name\": \"now\", \"arguments\": {",
    "\"a\": 1",
    "now",
    "add",
    "now()",
    "a=1",
    "call:add{",
    "function",
    "```json",
    "```",
    "thought\n",
    "analysis",
    "final",
    "commentary to=functions.add ",
    "assistant",
    " to=functions.now",
    "json",
    "<function=add>",
    "</function>",
    "<parameter=a>",
    "</parameter>",
    "<",
    "<|",
    "|>",
    "tool_call",
    "functions.now:0",
    "Hello, world. ",
];

#[test]
fn whatever_comes_every_split_says_the_same_and_no_text_is_lost() {
    let samples = samples();
    let tools = Arc::new(ToolSet::from_json(&samples["tools"]));
    let mut random = Random(1);
    for family in samples["formats"].as_array().expect("formats") {
        let template = family["template"].as_str().expect("a template");
        let format = OutputFormat::detect(template, |_| None);
        let own: Vec<&str> = (0..100).filter_map(|id| with_tokens(template).marker(id)).collect();
        for round in 0..400 {
            let mut text = String::new();
            for _ in 0..1 + random.below(14) {
                let from = if random.below(2) == 0 { &own } else { PIECES };
                text.push_str(from[random.below(from.len())]);
            }
            let tools = if round % 4 == 0 { Arc::default() } else { tools.clone() };
            let reading = Reading {
                format: format.clone(),
                tools,
                choice: ToolChoice::Auto,
                prompt_end: String::new(),
            };
            let whole = reading.read(&[(&text, false)]);
            let borders = borders(&text);
            let each: Vec<Piece<'_>> =
                borders.windows(2).map(|pair| (&text[pair[0]..pair[1]], false)).collect();
            assert_eq!(reading.read(&each), whole, "{template}: {text:?} in characters");
            for _ in 0..8 {
                let mut cuts = [borders[random.below(borders.len())], borders[random.below(borders.len())]];
                cuts.sort_unstable();
                let pieces =
                    [(&text[..cuts[0]], false), (&text[cuts[0]..cuts[1]], false), (&text[cuts[1]..], false)];
                assert_eq!(reading.read(&pieces), whole, "{template}: {text:?} cut at {cuts:?}");
            }
            assert_nothing_lost(&whole, &text, &own);
        }
    }
}

/// Where nothing was called, all that is missing from the text is markers, names of channels, and white space.
fn assert_nothing_lost(events: &Json, text: &str, markers: &[&str]) {
    let events = events.as_array().expect("events");
    if events.iter().any(|event| event[0] == "call") {
        return;
    }
    let said: String = events.iter().filter_map(|event| event[1].as_str()).collect();
    let bare = |text: &str| {
        let words = ["analysis", "final", "commentary", "assistant", "thought"];
        let without = |text: String, word: &&str| text.replace(word, "");
        let text = markers.iter().chain(&words).fold(text.to_owned(), without);
        text.split_whitespace().collect::<String>()
    };
    // What stands in a header of harmony's is for the parser alone.
    if !text.contains("<|message|>") {
        assert_eq!(bare(&said), bare(text), "{text:?} became {said:?}");
    }
}
