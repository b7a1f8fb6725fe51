//! What schemas may say.

use super::*;

fn refused(schema: Value) -> (String, String) {
    match prepare(&schema) {
        Err(GrammarError::Keyword { keyword, at, .. }) => (keyword, at),
        other => panic!("{schema}: {other:?}"),
    }
}

#[test]
fn words_without_effect_are_named_with_their_place() {
    let name = |keyword: &str, at: &str| (keyword.to_owned(), at.to_owned());
    for word in NOT_ENFORCED {
        assert_eq!(refused(json!({"type": "object", *word: {"maxLength": 2}})), name(word, "#"));
    }
    let nested = json!({"properties": {"a/b": {"items": [{}, {"minLenght": 3}]}}});
    assert_eq!(refused(nested), name("minLenght", "#/properties/a~1b/items/1"));
    assert_eq!(refused(json!({"anyOf": [{"format": "colour"}]})), name("format", "#/anyOf/0"));
    assert_eq!(refused(json!({"uniqueItems": true})), name("uniqueItems", "#"));
    assert_eq!(refused(json!({"nullable": true})), name("nullable", "#"));
    assert_eq!(refused(json!({"$defs": {"a": {"not": {}}}})), name("not", "#/$defs/a"));
    assert_eq!(refused(json!({"minProperties": 2, "required": ["a"]})), name("minProperties", "#"));
    assert_eq!(refused(json!({"items": {}, "additionalItems": false})), name("additionalItems", "#"));
}

#[test]
fn names_and_values_are_no_words() {
    let schema = json!({
        "properties": {"not": {"const": {"if": 1}}, "contains": {"enum": [{"then": 2}]}},
        "minProperties": 1,
        "additionalProperties": false,
        "uniqueItems": false,
        "propertyNames": {"type": "string"},
        "x-order": 3,
    });
    let prepared = prepare(&schema).expect("nothing is refused");
    assert_eq!(prepared["properties"], schema["properties"]);
    assert!(prepared.get("uniqueItems").is_none() && prepared.get("propertyNames").is_none());
}

#[test]
fn nesting_and_size_have_limits() {
    let mut deep = json!({});
    (0..70).for_each(|_| deep = json!({"items": deep}));
    assert_eq!(prepare(&deep), Err(GrammarError::TooDeep { limit: DEEPEST }));
    let large = json!({"enum": vec!["x".repeat(100); 6000]});
    assert!(matches!(prepare(&large), Err(GrammarError::TooLarge { .. })));
    assert!(matches!(prepare(&json!(false)), Err(GrammarError::Schema(_))));
    assert!(matches!(prepare(&json!([1])), Err(GrammarError::Schema(_))));
}
