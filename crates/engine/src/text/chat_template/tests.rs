//! Tests of the sandbox, of the dialect's corners and of the built-in templates.

use std::time::{Duration, Instant};

use super::*;

fn render(template: &str) -> Result<String, TemplateError> {
    let template = ChatTemplate::from_source(template, "<s>", "</s>")?;
    template.render(&[ChatMessage::new("user", " Hi ")], &TemplateOptions::default())
}

#[track_caller]
fn gives(template: &str, expected: &str) {
    assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
}

#[test]
fn speaks_the_dialect_of_hugging_face() {
    gives("{{ bos_token }}{{ messages[0].content | trim }}{{ eos_token }}", "<s>Hi</s>");
    gives("{% if true %}\n  a\n  {% endif %}\nb", "  a\nb");
    gives("{{ missing }}|{{ missing is defined }}|{{ tools is none }}", "|False|True");
    gives("{{ {'b': 1, 'a': [true, none, 1.5]} | tojson }}", r#"{"b": 1, "a": [true, null, 1.5]}"#);
    gives("{{ {'b': 'x'} }}", "{'b': 'x'}");
    gives("{{ 'a-b'.split('-') | join('+') }}{{ 'xay'.strip('xy') }}{{ 'abc'.removeprefix('a') }}", "a+babc");
    gives("{{ 'abc'[::-1] }}{{ messages[-1]['role'] }}{{ messages[0].get('nope') }}", "cbauserNone");
    gives(
        "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ loop.index0 }}{{ x }}{% endfor %}",
        "0123",
    );
    gives(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "1",
    );
    gives("{% macro m(a, b='y') %}{{ a }}{{ b }}{% endmacro %}{{ m('x') }}{{ m('1', b='2') }}", "xy12");
    gives("{% generation %}a{% endgeneration %}{%- generation -%} b {%- endgeneration -%} c", "abc");
    gives("{{ 'a\nb' | indent(2) }}|{{ 'a\nb' | indent(width=1, first=true) }}", "a\n  b| a\n b");
}

#[test]
fn the_clock_can_be_set() {
    let template = ChatTemplate::from_source("{{ strftime_now('%d %b %Y %H:%M') }}", "", "").unwrap();
    let now = Some(jiff::civil::datetime(2025, 1, 15, 12, 34, 56, 0));
    let text = template.render(&[], &TemplateOptions { now, ..TemplateOptions::default() });
    assert_eq!(text.as_deref(), Ok("15 Jan 2025 12:34"));
}

#[test]
fn failures_say_where_and_why() {
    assert_eq!(
        render("a\n{{ raise_exception('no system role') }}"),
        Err(TemplateError::Refused { message: "no system role".into(), line: 2 })
    );
    let Err(TemplateError::Syntax { line: 2, .. }) = render("a\n{% if %}") else {
        panic!("{:?}", render("a\n{% if %}"))
    };
    let Err(TemplateError::Render { line: 3, cause }) = render("\n\n{{ missing.field }}") else { panic!() };
    assert!(cause.contains("undefined"), "{cause}");
    assert_eq!(TemplateError::Limit { limit: String::new() }.code(), "template_error");
}

/// Each of these would run for ever, fill the memory or blow the stack.
const HOSTILE: &[&str] = &[
    "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' * 1000 }}{% endfor %}",
    "{{ 'x' * 90000000 }}",
    "{{ ('a' * 1000000) | replace('a', 'a' * 1000000) }}",
    "{{ ('a' * 1000000).replace('', 'a' * 1000000) }}",
    "{{ (['a' * 1000000] * 1000000) | join('a') }}",
    "{{ 'x'.join(['a' * 1000000] * 1000000) }}",
    "{{ ('\n' * 1000000) | indent(1000000, true, true) }}",
    "{{ '%999999999d' | format(1) }}",
    "{{ '{:>999999999}'.format('a') }}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% set ns = namespace(s='xx') %}{% for i in range(1000) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='xx') %}{% for i in range(1000) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    "{% macro m(s) %}{{ m(s ~ s) }}{% endmacro %}{{ m('xx') }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l | length }}",
    "{% for i in range(100000) %}{% set x = 'a' * 90000000 %}{% endfor %}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = ns.l[0:] %}{% endfor %}{{ ns.l == 1 }}",
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}{{ raise_exception(ns) }}",
    "{% set x %}{% for i in range(100000) %}RAW{% endfor %}{% endset %}",
    "{% macro m() %}RAW{% endmacro %}{% for i in range(100000) %}{% set x %}{{ m() }}{{ m() }}{% endset %}{% endfor %}",
    "{% set lantern_tick = 1 %}",
    "{% macro lantern_part(x) %}{% endmacro %}",
];

#[test]
fn a_hostile_template_is_stopped() {
    for template in HOSTILE {
        let started = Instant::now();
        let result = render(&template.replace("RAW", &"long ".repeat(20_000)));
        assert!(result.is_err(), "{template} gives {:?}", result.map(|text| text.len()));
        assert!(started.elapsed() < Duration::from_secs(15), "{template} took {:?}", started.elapsed());
    }
    let long = "x".repeat(super::budget::MAX_TEMPLATE + 1);
    assert!(matches!(render(&long), Err(TemplateError::Limit { .. })));
    let deep = format!("{}1{}", "(".repeat(50_000), ")".repeat(50_000));
    assert!(render(&format!("{{{{ {deep} }}}}")).is_err());
}

#[test]
fn there_is_no_way_out() {
    for template in [
        "{{ ''.__class__ }}",
        "{% include 'x' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ open('/etc/passwd') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__ }}",
        "{{ messages.append(1) }}",
    ] {
        match render(template) {
            Ok(text) => assert_eq!(text, "", "{template}"),
            Err(error) => assert_eq!(error.code(), "template_error"),
        }
    }
}

#[test]
fn built_in_templates_render_a_dialogue() {
    let messages = [
        ChatMessage::new("system", "Be brief."),
        ChatMessage::new("user", "Hi"),
        ChatMessage::new("assistant", "Hello"),
        ChatMessage::new("user", "Bye"),
    ];
    let text = |template| {
        let template = ChatTemplate::from_source(template, "<bos>", "<eos>").unwrap();
        template.render(&messages, &TemplateOptions::default()).unwrap()
    };
    assert_eq!(
        text(fallback::by_name("chatml")),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n\
         <|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        text(fallback::by_name("gemma")),
        "<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n\
         <start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    );
    assert_eq!(
        text(fallback::by_name("llama3")),
        "<bos><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n\
         Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>user\
         <|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    );
    assert_eq!(
        text(fallback::by_name("plain")),
        "Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:"
    );
}

/// Where a family's own template is among the golden ones, Lantern's writes the same for a conversation with nothing
/// special in it.
#[test]
fn built_in_templates_write_what_the_families_own_do() {
    let path = lantern_golden::path("chat_templates.json");
    let golden: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (name, family, conversation) in [
        ("chatml", "Qwen-Qwen3-0.6B", "multi_turn_system"),
        ("gemma4", "google-gemma-4-31B-it", "multi_turn_system"),
        ("mistral", "mistralai-Mistral-Nemo-Instruct-2407", "multi_turn"),
        ("phi3", "microsoft-Phi-3.5-mini-instruct", "multi_turn_system"),
        ("deepseek", "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "ends_with_assistant"),
    ] {
        let is_it = |case: &&Json| case["template"] == family && case["conversation"] == conversation;
        let case =
            golden["cases"].as_array().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("{family}"));
        let of_family = &golden["templates"][family];
        let token = |key: &str| of_family[key].as_str().unwrap();
        let source = fallback::by_name(name);
        let template = ChatTemplate::from_source(source, token("bos_token"), token("eos_token")).unwrap();
        let conversation = &golden["conversations"][conversation];
        let options = TemplateOptions {
            add_generation_prompt: conversation["add_generation_prompt"].as_bool().unwrap_or(true),
            ..TemplateOptions::default()
        };
        let messages = conversation["messages"].as_array().unwrap().clone();
        let text = template.render_json(messages, &options).unwrap();
        assert_eq!(text, case["expected"].as_str().unwrap(), "{name} beside {family}");
    }
}

/// The metadata of a tiny golden vocabulary with a chat template put in.
fn with_template(vocabulary: &str, template: &str) -> (Metadata, Tokenizer) {
    let path = lantern_golden::path(format!("tokenizers/{vocabulary}.gguf"));
    let file = GgufFile::open(std::path::Path::new(&path)).unwrap();
    let mut metadata = file.metadata().clone();
    metadata.set("tokenizer.chat_template", lantern_gguf::Value::String(template.into()));
    (metadata, Tokenizer::from_gguf(&file).unwrap())
}

#[test]
fn a_template_that_does_not_work_is_replaced_by_its_familys() {
    let (metadata, tokenizer) = with_template("tiny-qwen2", "{% if %}");
    let template = ChatTemplate::from_metadata(&metadata, &tokenizer).unwrap();
    assert_eq!(template.source(), TemplateSource::Replaced("chatml"));
    assert!(
        matches!(template.fault(), Some(TemplateError::Syntax { line: 1, .. })),
        "{:?}",
        template.fault()
    );

    let (metadata, tokenizer) = with_template("tiny-qwen2", " \n");
    let template = ChatTemplate::from_metadata(&metadata, &tokenizer).unwrap();
    assert_eq!((template.source(), template.fault()), (TemplateSource::BuiltIn("chatml"), None));

    let (metadata, tokenizer) = with_template("tiny-unigram", "{% if %}");
    let refused = ChatTemplate::from_metadata(&metadata, &tokenizer);
    assert!(
        matches!(refused, Err(TemplateError::Syntax { .. })),
        "{refused:?} for a vocabulary of no family"
    );
}
