//! Grammars for calls of tools: what each family's allows and what it does not, and that its parser reads what it allows.

use std::sync::Arc;

use lantern_engine::text::output::GrammarOptions;
use lantern_engine::{OutputEvent, OutputFormat, ToolChoice, ToolSet};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId};
use llguidance::{Matcher, ParserFactory};
use serde_json::json;

fn tools() -> ToolSet {
    ToolSet::from_json(&json!([
        {"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "additionalProperties": false,
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"type": "string", "enum": ["C", "F"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        }}},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}},
    ]))
}

/// A family by its template's signs; what its markers are; calls that it allows; and what it does not allow.
struct Family {
    template: &'static str,
    markers: &'static [&'static str],
    right: &'static [&'static str],
    wrong: &'static [&'static str],
    prompt_end: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        template: "tools <tool_call> <think> </think>",
        markers: &["<tool_call>", "</tool_call>", "<think>", "</think>"],
        right: &[
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 2}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
            "<think>\nHm\n</think>\n\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        ],
        wrong: &[
            "<tool_call>\n{\"name\": \"tomorrow\", \"arguments\": {}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"days\": 2}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": 1}}\n</tool_call>",
            "<tool_call>now",
            "{\"name\": \"weather\", \"arguments\": {\"days\": 2}}",
            "```json\n{\"name\": \"now\", \"arguments\": {\"days\": 2}}\n```",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <tool_call> <function= </think>",
        markers: &["<tool_call>", "</tool_call>", "<think>", "</think>"],
        right: &[
            "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n2\n</parameter>\n<parameter=unit>\nC\n</parameter>\n<parameter=tags>\n[\"a\"]\n</parameter>\n</function>\n</tool_call>",
            "<tool_call>\n<function=now>\n</function>\n</tool_call>",
        ],
        wrong: &[
            "<tool_call>\n<function=weather>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>",
            "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\ntwo\n</parameter>\n</function>\n</tool_call>",
            "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=unit>\nK\n</parameter>\n</function>\n</tool_call>",
            "<tool_call>\n<function=then>\n</function>\n</tool_call>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <tool_call> <arg_key> </think>",
        markers: &["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
        right: &[
            "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
            "<tool_call>now\n</tool_call>",
        ],
        wrong: &[
            "<tool_call>weather\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
            "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>x</arg_value>\n</tool_call>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <|tool_call> <|channel> <channel|>",
        markers: &["<|tool_call>", "<tool_call|>", "<|\"|>", "<|channel>", "<channel|>"],
        right: &[
            "<|tool_call>call:weather{city:<|\"|>Paris<|\"|>,days:2,tags:[<|\"|>a<|\"|>,<|\"|>b<|\"|>],unit:<|\"|>C<|\"|>}<tool_call|>",
            "<|channel>thought\nHm<channel|><|tool_call>call:weather{city:<|\"|>Paris<|\"|>}<tool_call|><|tool_call>call:now{}<tool_call|>",
        ],
        wrong: &[
            "<|tool_call>call:weather{days:2}<tool_call|>",
            "<|tool_call>call:weather{city:<|\"|>Paris<|\"|>,days:x}<tool_call|>",
            "<|tool_call>call:weather{city:<|\"|>Paris<|\"|>,unit:<|\"|>K<|\"|>}<tool_call|>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <|python_tag|>",
        markers: &["<|python_tag|>"],
        right: &["{\"name\": \"weather\", \"parameters\": {\"city\": \"Paris\"}}"],
        wrong: &["{\"name\": \"weather\", \"parameters\": {\"days\": 1}}"],
        prompt_end: "",
    },
    Family {
        template: "tools [TOOL_CALLS]",
        markers: &["[TOOL_CALLS]"],
        right: &[
            "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        ],
        wrong: &["[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {}}]", "[TOOL_CALLS] are tokens"],
        prompt_end: "",
    },
    Family {
        template: "tools [TOOL_CALLS] [ARGS]",
        markers: &["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
        right: &[
            "[TOOL_CALLS]weather[ARGS]{\"city\": \"Paris\"}",
            "[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]weather[ARGS]{\"city\": \"Paris\"}",
        ],
        wrong: &["[TOOL_CALLS]weather[ARGS]{}", "[TOOL_CALLS]then[ARGS]{}"],
        prompt_end: "",
    },
    Family {
        template: "tools <|channel|> <|message|>",
        markers: &["<|start|>", "<|end|>", "<|call|>", "<|channel|>", "<|message|>", "<|constrain|>"],
        right: &[
            "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"Paris\"}",
            " to=functions.now<|channel|>commentary json<|message|>{}",
        ],
        wrong: &[
            "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{}",
            "<|channel|>commentary to=functions.then <|constrain|>json<|message|>{}",
        ],
        prompt_end: "<|start|>assistant",
    },
    Family {
        template: "tools <|tool_list_start|>",
        markers: &["<|tool_call_start|>", "<|tool_call_end|>"],
        right: &[
            "<|tool_call_start|>[weather(city=\"Paris\", days=2, tags=[\"a\", 'b']), now()]<|tool_call_end|>",
            "<|tool_call_start|>[weather(city=\"P\", unit=\"C\")]<|tool_call_end|>",
        ],
        wrong: &[
            "<|tool_call_start|>[weather(days=2)]<|tool_call_end|>",
            "<|tool_call_start|>[weather(city=\"Paris\", days=\"2\")]<|tool_call_end|>",
            "<|tool_call_start|>[then()]<|tool_call_end|>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <｜tool▁call▁begin｜> ```json",
        markers: &[
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁calls▁end｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁sep｜>",
        ],
        right: &[
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ],
        wrong: &[
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <｜tool▁call▁begin｜>",
        markers: &[
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁calls▁end｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁sep｜>",
        ],
        right: &[
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ],
        wrong: &[
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ],
        prompt_end: "",
    },
    Family {
        template: "tools <|tool_calls_section_begin|>",
        markers: &[
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_end|>",
            "<|tool_call_begin|>",
            "<|tool_call_end|>",
            "<|tool_call_argument_begin|>",
        ],
        right: &[
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        ],
        wrong: &["<|tool_calls_section_begin|><|tool_call_begin|>functions.then:0"],
        prompt_end: "",
    },
    Family {
        template: "tools <|tool_call|>",
        markers: &["<|tool_call|>"],
        right: &["<|tool_call|>[{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}]"],
        wrong: &["<|tool_call|>[{\"name\": \"weather\", \"arguments\": {}}]"],
        prompt_end: "",
    },
];

/// A vocabulary of bytes, and a format's markers as control tokens if told.
struct Model {
    format: OutputFormat,
    markers: &'static [&'static str],
    factory: ParserFactory,
}

impl Model {
    fn new(family: &Family, has_tokens: bool) -> Self {
        let markers: &'static [&'static str] = if has_tokens { family.markers } else { &[] };
        let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        words.extend(markers.iter().map(|marker| [&[0xFF], marker.as_bytes()].concat()));
        words.push(b"\xFF<eos>".to_vec());
        let count = u32::try_from(words.len()).expect("few");
        let trie = TokTrie::from(&TokRxInfo::new(count, count - 1), &words);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &[]).expect("a factory");
        factory.quiet();
        let id =
            |marker| markers.iter().position(|m| *m == marker).and_then(|at| u32::try_from(256 + at).ok());
        Self { format: OutputFormat::detect(family.template, id), markers, factory }
    }

    fn tokens(&self, text: &str) -> Vec<TokenId> {
        let (mut tokens, mut rest) = (Vec::new(), text);
        while let Some(first) = rest.as_bytes().first() {
            match self.markers.iter().position(|marker| rest.starts_with(marker)) {
                Some(at) => {
                    tokens.push(u32::try_from(256 + at).expect("few"));
                    rest = &rest[self.markers[at].len()..];
                }
                None => {
                    let length = rest.chars().next().map_or(1, char::len_utf8);
                    tokens.extend(rest.as_bytes()[..length].iter().map(|byte| u32::from(*byte)));
                    let _ = first;
                    rest = &rest[length..];
                }
            }
        }
        tokens
    }

    /// Whether a grammar allows a text, and whether the answer may end there.
    fn allows(&self, grammar: &str, text: &str) -> (bool, bool) {
        let parser = self.factory.create_parser(TopLevelGrammar::from_lark(grammar.to_owned()));
        let mut matcher = Matcher::new(parser);
        assert!(!matcher.is_error(), "{:?}\n{grammar}", matcher.get_error());
        let tokens = self.tokens(text);
        let allowed = matcher.try_consume_tokens(&tokens).expect("it runs");
        if allowed < tokens.len() {
            return (false, false);
        }
        (true, matcher.is_accepting().unwrap_or(false) || matcher.is_stopped())
    }

    fn grammar(&self, choice: &ToolChoice, parallel: bool, prompt_end: &str) -> String {
        let tools = tools();
        let options = GrammarOptions { tools: &tools, choice, parallel, prompt_end, has_body: false };
        self.format.grammar(&options).expect("a grammar")
    }
}

fn each(with: impl Fn(&Family, &Model)) {
    for family in FAMILIES {
        for has_tokens in [true, false] {
            // Without tokens thoughts and messages cannot be told from text byte by byte in harmony.
            if has_tokens || !family.template.contains("<|message|>") {
                with(family, &Model::new(family, has_tokens));
            }
        }
    }
}

#[test]
fn calls_match_the_schema_once_they_begin() {
    each(|family, model| {
        for choice in [ToolChoice::Auto, ToolChoice::Required] {
            let grammar = model.grammar(&choice, true, family.prompt_end);
            for right in family.right {
                assert_eq!(
                    model.allows(&grammar, right),
                    (true, true),
                    "{} with {} tokens, {choice:?}: {right}\n{grammar}",
                    family.template,
                    model.markers.len()
                );
            }
            for wrong in family.wrong {
                assert_ne!(
                    model.allows(&grammar, wrong),
                    (true, true),
                    "{} with {} tokens, {choice:?}: {wrong}\n{grammar}",
                    family.template,
                    model.markers.len()
                );
            }
        }
    });
}

#[test]
fn text_is_free_unless_a_call_is_required() {
    each(|family, model| {
        let text = match family.template.contains("<|message|>") {
            true => "<|channel|>final<|message|>Hello {} <b>.",
            false => "Hello {\"a\": [1]} <b>.\n",
        };
        let auto = model.grammar(&ToolChoice::Auto, true, family.prompt_end);
        assert_eq!(model.allows(&auto, text), (true, true), "{}: {text}\n{auto}", family.template);
        let required = model.grammar(&ToolChoice::Required, true, family.prompt_end);
        assert!(!model.allows(&required, text).1, "{}: {text}\n{required}", family.template);
        // The tool that the family's first call does not call.
        let other = if family.right[0].contains("weather") { "now" } else { "weather" };
        let named = model.grammar(&ToolChoice::Named(other.into()), true, family.prompt_end);
        assert!(!model.allows(&named, family.right[0]).1, "{}\n{named}", family.template);
    });
}

#[test]
fn one_call_is_all_where_several_are_not_allowed() {
    let family = &FAMILIES[0];
    for has_tokens in [true, false] {
        let model = Model::new(family, has_tokens);
        for choice in [ToolChoice::Auto, ToolChoice::Required] {
            let grammar = model.grammar(&choice, false, "");
            assert_eq!(model.allows(&grammar, family.right[0]), (true, true), "{choice:?}\n{grammar}");
            assert_ne!(model.allows(&grammar, family.right[1]), (true, true), "{choice:?}\n{grammar}");
        }
    }
}

#[test]
fn what_is_allowed_is_read_as_calls() {
    each(|family, model| {
        let tools = Arc::new(tools());
        for right in family.right {
            let mut parser = model.format.parser(&tools, &ToolChoice::Auto, family.prompt_end, 1);
            let mut events = Vec::new();
            let mut bytes = Vec::new();
            for token in model.tokens(right) {
                match model.format.marker(token) {
                    Some(marker) => {
                        events.extend(
                            parser.push_text(&String::from_utf8(std::mem::take(&mut bytes)).expect("text")),
                        );
                        events.extend(parser.push_marker(marker));
                    }
                    None => bytes.push(u8::try_from(token).expect("a byte")),
                }
            }
            events.extend(parser.push_text(&String::from_utf8(bytes).expect("text")));
            events.extend(parser.finish());
            assert!(parser.has_calls(), "{right}: {events:?}");
            let text = events.iter().find(|event| matches!(event, OutputEvent::Content(_)));
            assert_eq!(text, None, "{right}");
        }
    });
}

#[test]
fn thoughts_come_before_what_is_required() {
    let family = &FAMILIES[0];
    for has_tokens in [true, false] {
        let model = Model::new(family, has_tokens);
        let call = family.right[0];
        // The prompt has opened a thought, has closed one, or leaves that to the model.
        let open = model.grammar(&ToolChoice::Required, true, "<think>\n");
        assert_eq!(model.allows(&open, &format!("Hm\n</think>\n\n{call}")), (true, true), "{open}");
        assert!(!model.allows(&open, call).1, "{open}");
        let closed = model.grammar(&ToolChoice::Required, true, "<think>\n\n</think>\n\n");
        assert_eq!(model.allows(&closed, call), (true, true), "{closed}");
        assert!(!model.allows(&closed, &format!("<think>\nHm\n</think>\n\n{call}")).0, "{closed}");
        // A call in a thought is none.
        let auto = model.grammar(&ToolChoice::Auto, true, "");
        let text = "<think>\nPerhaps <tool_call>?\n</think>\n\nNo.";
        if !has_tokens {
            assert_eq!(model.allows(&auto, text), (true, true), "{auto}");
        }
    }
}

#[test]
fn calls_without_a_marker_match_their_schema_too() {
    for has_tokens in [true, false] {
        let model = Model::new(&FAMILIES[0], has_tokens);
        let grammar = model.grammar(&ToolChoice::Auto, true, "");
        let call = "{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}";
        for text in [
            call.to_owned(),
            format!("```json\n{call}\n```"),
            format!("<think>\nHm\n</think>\n\n{call}"),
            "{\"name\": \"Bob\"}".to_owned(),
            format!("So: {call}"),
        ] {
            assert_eq!(model.allows(&grammar, &text), (true, true), "{text}\n{grammar}");
        }
    }
}
