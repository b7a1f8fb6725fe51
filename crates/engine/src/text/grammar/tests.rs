//! Grammars on small vocabularies: what may come, what must, and what is refused.

use std::sync::Arc;

use lantern_gguf::GgufFile;
use serde_json::json;

use super::*;
use crate::text::Tokenizer;

fn tokenizer(model: &str) -> Arc<Tokenizer> {
    let path = lantern_golden::path("models").join(model);
    let file = GgufFile::open(&path).expect("the golden model opens");
    Arc::new(Tokenizer::from_gguf(&file).expect("its tokenizer loads"))
}

fn grammars(model: &str) -> Grammars {
    Grammars::new(tokenizer(model))
}

fn error(grammars: &Grammars, constraint: Constraint) -> GrammarError {
    match grammars.matching(constraint.clone(), None, Some(3)) {
        Err(error) => error,
        Ok(_) => panic!("{constraint:?} is accepted"),
    }
}

/// Whether the grammar takes this text, and whether it may end there.
fn takes(grammars: &Grammars, tokenizer: &Tokenizer, constraint: Constraint, text: &str) -> bool {
    let mut matching = grammars.matching(constraint, None, Some(20)).expect("compiles");
    let tokens = tokenizer.encode(text, true, false).expect("encodes");
    let mut over = false;
    for token in tokens {
        let mut logits = vec![0.0; tokenizer.vocab_size()];
        if over {
            return false;
        }
        matching.mask(0).expect("a mask").apply(&mut logits);
        if logits[token as usize] != 0.0 {
            return false;
        }
        over = matching.accept(token).expect("accepted");
    }
    let mut logits = vec![0.0; tokenizer.vocab_size()];
    over || {
        matching.mask(0).expect("a mask").apply(&mut logits);
        tokenizer.eog_ids().iter().any(|&id| logits[id as usize] == 0.0)
    }
}

#[test]
fn gbnf_grammars_take_what_they_say() {
    let tokenizer = tokenizer("qwen3-Q8_0.gguf");
    let grammars = Grammars::new(tokenizer.clone());
    let json = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
# white space
ws ::= | " " | "\n" [ \t]{0,20}
"#;
    let takes =
        |grammar: &str, text: &str| takes(&grammars, &tokenizer, Constraint::Gbnf(grammar.into()), text);
    assert!(takes(json, "{\"a\": [1, -2.5e3, {\"b\": null}], \"c\":\n  \"x\\n\"}"));
    assert!(!takes(json, "{\"a\": [1, }"));
    assert!(!takes(json, "[]"));
    let list = "root ::= (\"- \" [^\\n]+ \"\\n\")+";
    assert!(takes(list, "- one\n- two\n"));
    assert!(!takes(list, "- one\n* two\n"));
    let sum = "root ::= expr \"=\" [0-9]+\nexpr ::= term ([-+] term)*\nterm ::= [0-9]+ | \"(\" expr \")\"";
    assert!(takes(sum, "(1+2)-(3+(4-5))=7"));
    assert!(!takes(sum, "(1+2-(3+(4-5))=7"));
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let grammars = grammars("qwen3-Q8_0.gguf");
    let code = |constraint| error(&grammars, constraint).code();
    assert_eq!(code(Constraint::Regex("(a".into())), "invalid_grammar");
    assert_eq!(code(Constraint::Regex("(?=a)b".into())), "invalid_grammar");
    assert_eq!(code(Constraint::Lark("start: nothing".into())), "invalid_grammar");
    assert_eq!(code(Constraint::Lark("start: <|no_such_token|>".into())), "invalid_grammar");
    assert_eq!(code(Constraint::Lark("start: %json {\"not\": {}}".into())), "invalid_schema");
    assert_eq!(code(Constraint::Gbnf("root ::= \"a".into())), "invalid_grammar");
    let schema = |schema| code(Constraint::JsonSchema(schema));
    assert_eq!(schema(json!({"type": "colour"})), "invalid_schema");
    assert_eq!(schema(json!({"enum": []})), "invalid_schema");
    assert_eq!(schema(json!({"type": "integer", "minimum": 3, "maximum": 2})), "invalid_schema");
    assert_eq!(schema(json!({"$ref": "#/$defs/missing"})), "invalid_schema");
    assert_eq!(schema(json!({"$ref": "https://example.com/x"})), "invalid_schema");
    assert_eq!(schema(json!({"type": "string", "pattern": "(?<!a)b"})), "invalid_schema");
    let both = json!({"oneOf": [{"type": "integer"}, {"type": "number"}]});
    let keyword = error(&grammars, Constraint::JsonSchema(both));
    assert!(matches!(&keyword, GrammarError::Keyword { keyword, .. } if keyword == "oneOf"), "{keyword}");
}

#[test]
fn alternatives_by_reference_are_told_apart() {
    let grammars = grammars("qwen3-Q8_0.gguf");
    let one = |kind: &str| json!({"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"], "additionalProperties": false});
    let schema = json!({
        "$defs": {"A": one("a"), "B": one("b")},
        "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
        "discriminator": {"propertyName": "kind"},
        "uniqueItems": false,
        "propertyNames": {"type": "string"},
    });
    grammars.matching(Constraint::JsonSchema(schema), None, None).map(drop).expect("compiles");
}

#[test]
fn control_tokens_are_no_text() {
    let tokenizer = tokenizer("qwen3-Q8_0.gguf");
    let grammars = Grammars::new(tokenizer.clone());
    let mut matching =
        grammars.matching(Constraint::Lark("start: /(?s:.*)/".into()), None, None).expect("compiles");
    let mut logits = vec![0.0; tokenizer.vocab_size()];
    matching.mask(0).expect("a mask").apply(&mut logits);
    for id in 0..tokenizer.vocab_size() as u32 {
        let is_allowed = logits[id as usize] == 0.0;
        assert!(!(tokenizer.is_special(id) && is_allowed) || tokenizer.is_eog(id), "token {id}");
    }
}

/// Random ways through a schema, with vocabularies that no model for answers has too.
#[test]
fn every_kind_of_vocabulary_can_write_json() {
    let folder = lantern_golden::path("tokenizers");
    let schema = json!({
        "type": "object",
        "properties": {"größe": {"type": "integer", "minimum": 0, "maximum": 500}, "b": {"enum": ["ja", "nein"]}},
        "required": ["größe", "b"],
        "additionalProperties": false,
    });
    let mut random = 7u64;
    let mut kinds = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let file = GgufFile::open(&path).expect("the golden file opens");
        let tokenizer = Arc::new(Tokenizer::from_gguf(&file).expect("its tokenizer loads"));
        let grammars = Grammars::new(tokenizer.clone());
        let Ok(mut matching) = grammars.matching(Constraint::JsonSchema(schema.clone()), None, Some(20))
        else {
            // WordPiece has no token for a brace in this file, which is said at once.
            assert!(path.ends_with("tiny-wordpiece.gguf"), "{path:?}");
            continue;
        };
        let mut tokens = Vec::new();
        for _ in 0..200 {
            let mut logits = vec![0.0; tokenizer.vocab_size()];
            matching.mask(0).expect("a mask").apply(&mut logits);
            let allowed: Vec<u32> =
                (0u32..).zip(&logits).filter(|(_, l)| **l == 0.0).map(|(id, _)| id).collect();
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let token = allowed[(random >> 33) as usize % allowed.len()];
            tokens.push(token);
            let is_over = matching.accept(token);
            if is_over.unwrap_or_else(|error| panic!("{path:?}: {error}: {tokens:?} of {allowed:?}")) {
                break;
            }
        }
        let bytes: Vec<u8> = tokens.iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect();
        let found: serde_json::Value =
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path:?}: {error}: {bytes:?}"));
        assert!(found["größe"].as_u64().is_some_and(|size| size <= 500), "{path:?}: {found}");
        kinds += 1;
    }
    assert!(kinds > 10, "{kinds}");
}
