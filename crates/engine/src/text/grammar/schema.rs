//! JSON schemas before they become grammars: what would be ignored or misunderstood is found here, by name.

use serde_json::{Map, Value, json};

use super::GrammarError;

/// Values in values in values that a schema may have.
const DEEPEST: usize = 64;
/// Bounds of numbers are found with 64-bit integers.
const LARGEST_BOUND: f64 = 9.2e18;
/// Properties of a schema that counts them.
const MOST_COUNTED: usize = 128;
/// Bytes of a schema.
pub(super) const LARGEST: usize = 512 << 10;

/// Words that are enforced and whose value is no schema.
const ENFORCED: &[&str] = &[
    "$ref",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "type",
];
/// Words whose value is a list of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Words whose value has a schema for each name.
const MAPS: &[&str] = &["$defs", "definitions", "patternProperties", "properties"];
/// Words that say nothing about what is allowed.
const NOTES: &[&str] = &[
    "$anchor",
    "$comment",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "enumDescriptions",
    "enumNames",
    "example",
    "examples",
    "externalDocs",
    "markdownDescription",
    "propertyOrdering",
    "readOnly",
    "strict",
    "title",
    "writeOnly",
];
/// Words of JSON Schema that are not enforced.
const NOT_ENFORCED: &[&str] = &[
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "contains",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Values of `format` that are enforced.
const FORMATS: &[&str] =
    &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];

/// The schema as it is compiled, with how JSON is written: on one line, a space behind commas and colons, so that an answer can
/// never go on in white space.
pub(super) fn prepare(schema: &Value) -> Result<Value, GrammarError> {
    let bytes = schema.to_string().len();
    if bytes > LARGEST {
        return Err(GrammarError::TooLarge { what: "JSON schema", bytes, limit: LARGEST });
    }
    check_depth(schema, DEEPEST)?;
    check(schema, "#")?;
    check_counts(schema)?;
    let mut prepared = schema.clone();
    simplify(&mut prepared, schema);
    let mut prepared = match prepared {
        Value::Bool(true) => Map::new(),
        Value::Object(words) => words,
        Value::Bool(false) => return Err(GrammarError::Schema("it allows nothing".into())),
        _ => return Err(GrammarError::Schema("it is neither an object nor true or false".into())),
    };
    // One meaning for all words, whatever the year: what differs was checked.
    prepared.remove("$schema");
    let writing = json!({"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false});
    prepared.insert("x-guidance".into(), writing);
    let bytes = Value::Object(prepared.clone()).to_string().len();
    if bytes > 2 * LARGEST {
        return Err(GrammarError::TooLarge { what: "JSON schema", bytes, limit: 2 * LARGEST });
    }
    Ok(Value::Object(prepared))
}

fn check_depth(value: &Value, left: usize) -> Result<(), GrammarError> {
    let deeper = |value| match left.checked_sub(1) {
        Some(left) => check_depth(value, left),
        None => Err(GrammarError::TooDeep { limit: DEEPEST }),
    };
    match value {
        Value::Array(values) => values.iter().try_for_each(deeper),
        Value::Object(values) => values.values().try_for_each(deeper),
        _ => Ok(()),
    }
}

/// Checks the words of a schema, at this place, and of all schemas in it.
fn check(schema: &Value, at: &str) -> Result<(), GrammarError> {
    let Some(words) = schema.as_object() else {
        return Ok(());
    };
    for (word, value) in words {
        let inside = format!("{at}/{}", word.replace('~', "~0").replace('/', "~1"));
        let refuse = |reason: &str| {
            Err(GrammarError::Keyword { keyword: word.clone(), at: at.to_owned(), reason: reason.into() })
        };
        match word.as_str() {
            word if MAPS.contains(&word) => check_each(value.as_object().map(Map::iter), &inside)?,
            word if LISTS.contains(&word) => check_all(value, &inside)?,
            "items" if value.is_array() && words.contains_key("prefixItems") => {
                return refuse("`prefixItems` says the same");
            }
            "items" if value.is_array() => check_all(value, &inside)?,
            "additionalItems" if !words.get("items").is_some_and(Value::is_array) => {
                return refuse("it has no meaning unless `items` is a list");
            }
            "items" | "additionalItems" | "additionalProperties" => check(value, &inside)?,
            "format" if value.as_str().is_some_and(|format| !FORMATS.contains(&format)) => {
                return refuse(&format!("the format {value} is not known"));
            }
            "minProperties" if !counts_required(words) => {
                return refuse("only required properties can be counted on");
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
                if value.as_f64().is_some_and(|bound| bound.abs() > LARGEST_BOUND) =>
            {
                return refuse("the number is too large");
            }
            word if says_nothing(word, value) => {}
            "uniqueItems" => return refuse("it is not supported"),
            "$id" | "id" if at != "#" => return refuse("references could mean something else below it"),
            "format" | "minProperties" | "$id" | "id" => {}
            word if ENFORCED.contains(&word) || NOTES.contains(&word) || word.starts_with("x-") => {}
            word if NOT_ENFORCED.contains(&word) => return refuse("it is not supported"),
            _ => return refuse("it is not a word of JSON Schema"),
        }
    }
    Ok(())
}

/// What counts properties takes every one of them together with every other.
fn check_counts(schema: &Value) -> Result<(), GrammarError> {
    fn look(value: &Value, properties: &mut usize, counts: &mut Option<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| look(value, properties, counts)),
            Value::Object(words) => {
                *properties += words.get("properties").and_then(Value::as_object).map_or(0, Map::len);
                *properties += words.get("required").and_then(Value::as_array).map_or(0, Vec::len);
                let count =
                    ["minProperties", "maxProperties"].into_iter().find(|word| words.contains_key(*word));
                *counts = counts.take().or(count.map(str::to_owned));
                words.values().for_each(|value| look(value, properties, counts));
            }
            _ => {}
        }
    }
    let (mut properties, mut counts) = (0, None);
    look(schema, &mut properties, &mut counts);
    match counts {
        Some(keyword) if properties > MOST_COUNTED => Err(GrammarError::Keyword {
            keyword,
            at: "#".into(),
            reason: format!("beside it a schema can have at most {MOST_COUNTED} properties"),
        }),
        _ => Ok(()),
    }
}

fn check_each<'v>(
    schemas: Option<impl Iterator<Item = (&'v String, &'v Value)>>,
    at: &str,
) -> Result<(), GrammarError> {
    let mut schemas = schemas.into_iter().flatten();
    schemas.try_for_each(|(name, schema)| {
        check(schema, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")))
    })
}

fn check_all(schemas: &Value, at: &str) -> Result<(), GrammarError> {
    let mut schemas = schemas.as_array().into_iter().flatten().enumerate();
    schemas.try_for_each(|(index, schema)| check(schema, &format!("{at}/{index}")))
}

/// Whether so many properties as `minProperties` says are there in any case. Names that the schema leaves open may be written
/// twice, and then count once.
fn counts_required(words: &Map<String, Value>) -> bool {
    let least = words.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    let required = words.get("required").and_then(Value::as_array).map_or(0, Vec::len);
    let is_closed = words.get("additionalProperties") == Some(&Value::Bool(false))
        && !words.contains_key("patternProperties");
    least <= required as u64 || (least == 1 && is_closed)
}

/// Leaves out what allows everything, and puts what references in a `oneOf` mean in their place: only then can be seen that no
/// two of them allow the same.
fn simplify(schema: &mut Value, root: &Value) {
    let Some(words) = schema.as_object_mut() else { return };
    for (word, value) in words.iter_mut() {
        match (word.as_str(), value) {
            (word, Value::Object(schemas)) if MAPS.contains(&word) => {
                schemas.values_mut().for_each(|schema| simplify(schema, root));
            }
            (word, Value::Array(schemas)) if LISTS.contains(&word) || word == "items" => {
                schemas.iter_mut().for_each(|schema| simplify(schema, root));
            }
            ("items" | "additionalItems" | "additionalProperties", schema) => simplify(schema, root),
            _ => {}
        }
    }
    words.retain(|word, value| !says_nothing(word, value));
    let options = words.get_mut("oneOf").and_then(Value::as_array_mut);
    for option in options.into_iter().flatten() {
        let meant = match option.as_object() {
            Some(words) if words.len() == 1 => words.get("$ref").and_then(Value::as_str),
            _ => None,
        };
        let meant = meant.and_then(|path| root.pointer(path.strip_prefix('#')?));
        if let Some(meant) = meant.filter(|meant| meant.is_object()) {
            *option = meant.clone();
        }
    }
}

/// Whether a word that is not enforced would allow everything anyway.
fn says_nothing(word: &str, value: &Value) -> bool {
    match word {
        "uniqueItems" | "nullable" => *value == Value::Bool(false),
        // Names are strings.
        "propertyNames" => {
            *value == Value::Bool(true) || *value == json!({}) || *value == json!({"type": "string"})
        }
        _ => false,
    }
}

/// What the compiler says about a schema, in words that name the keyword where there is one.
pub(super) fn refusal(reason: &str) -> GrammarError {
    let keyword = |keyword: &str, reason: &str| GrammarError::Keyword {
        keyword: keyword.into(),
        at: "#".into(),
        reason: reason.into(),
    };
    match reason {
        reason if reason.contains("oneOf constraints are not supported") => {
            keyword("oneOf", "more than one of its schemas may allow the same; use anyOf")
        }
        reason if reason.contains("min/maxProperties only supported") => {
            keyword("maxProperties", "not all properties are required")
        }
        reason if reason.contains("patternProperty regexes") => {
            keyword("patternProperties", "a name may match two of its patterns")
        }
        reason => GrammarError::Schema(reason.to_owned()),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
