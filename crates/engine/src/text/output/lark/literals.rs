//! Values as Gemma 4 and Python write them, by their schemas.

use serde_json::Value as Json;

use super::{Lark, literal};
use crate::text::output::Tool;
use crate::text::output::literal::{Dialect, QUOTE};

/// Schemas in schemas that are followed; what is deeper may be anything.
const MAX_DEPTH: usize = 6;

impl Lark<'_> {
    /// A tool's arguments as keywords.
    pub(super) fn keywords(&mut self, tool: &Tool) -> String {
        let mut items = Vec::new();
        for name in tool.arguments() {
            let schema = tool.schema(name).cloned().unwrap_or_default();
            let value = self.value(tool, &schema, Dialect::Python, MAX_DEPTH);
            items.push((format!("{} {value}", literal(&format!("{name}="))), tool.requires(name)));
        }
        self.sequence(&items, "\", \"")
    }

    /// A tool's arguments as an object.
    pub(super) fn object(&mut self, tool: &Tool, schema: &Json, dialect: Dialect) -> String {
        self.fields(tool, schema, dialect, MAX_DEPTH)
    }

    fn fields(&mut self, tool: &Tool, schema: &Json, dialect: Dialect, depth: usize) -> String {
        let Some(fields) = schema.get("properties").and_then(Json::as_object) else {
            return self.any_object(dialect);
        };
        let required = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
        let mut names: Vec<&String> = fields.keys().collect();
        names.sort_by_key(|name| name.to_lowercase());
        let mut items = Vec::new();
        for name in names {
            let value = self.value(tool, &fields[name], dialect, depth);
            let head = match dialect {
                Dialect::Gemma => format!("{name}:"),
                Dialect::Python => format!("\"{name}\": "),
            };
            let is_required = required.iter().any(|required| required == name.as_str());
            items.push((format!("{} {value}", literal(&head)), is_required));
        }
        let inside = self.sequence(&items, separator(dialect));
        self.rule("object", &format!("\"{{\" {inside} \"}}\""))
    }

    /// Items in order, with a separator between those that are there.
    fn sequence(&mut self, items: &[(String, bool)], separator: &str) -> String {
        // From the end: what may follow a first item, and what may follow any other.
        let (mut first, mut next) = ("\"\"".to_owned(), "\"\"".to_owned());
        for (item, is_required) in items.iter().rev() {
            let or = |rest: &str| if *is_required { String::new() } else { format!(" | {rest}") };
            let begins = format!("{item} {next}{}", or(&first));
            let follows = format!("{separator} {item} {next}{}", or(&next));
            first = self.rule("first", &begins);
            next = self.rule("next", &follows);
        }
        first
    }

    fn value(&mut self, tool: &Tool, schema: &Json, dialect: Dialect, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return self.anything(dialect) };
        if let Some(words) = schema.get("enum").and_then(Json::as_array).filter(|words| !words.is_empty()) {
            let words: Option<Vec<String>> = words.iter().map(|word| self.word(word, dialect)).collect();
            return match words {
                Some(words) => format!("({})", words.join(" | ")),
                None => self.anything(dialect),
            };
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array) {
            let choices: Vec<String> =
                choices.iter().map(|choice| self.value(tool, choice, dialect, depth)).collect();
            return format!("({})", choices.join(" | "));
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("string") => self.text(dialect),
            Some("number" | "integer") => format!("%json {schema}"),
            Some("boolean") => words(&["true", "false"], dialect),
            Some("null") => words(&["null"], dialect),
            Some("array") => {
                let items = schema.get("items").cloned().unwrap_or_default();
                let item = self.value(tool, &items, dialect, depth);
                let separator = separator(dialect);
                self.rule("list", &format!("\"[\" ({item} ({separator} {item})*)? \"]\""))
            }
            Some("object") => self.fields(tool, schema, dialect, depth),
            _ => self.anything(dialect),
        }
    }

    /// A word of an enumeration.
    fn word(&mut self, word: &Json, dialect: Dialect) -> Option<String> {
        match (word, dialect) {
            (Json::String(text), Dialect::Gemma) => {
                let quote = self.marker(QUOTE);
                Some(format!("{quote} {} {quote}", literal(text)))
            }
            (Json::String(_), Dialect::Python) => Some(literal(&word.to_string())),
            (Json::Number(number), _) => Some(literal(&number.to_string())),
            _ => None,
        }
    }

    fn text(&mut self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Gemma => {
                let (open, text) = (self.marker(QUOTE), self.until(QUOTE));
                self.rule("text", &format!("{open} {text}"))
            }
            Dialect::Python => {
                self.once("PYTHON_TEXT", r#"/"([^"\\\n]|\\[^\n])*"|'([^'\\\n]|\\[^\n])*'/"#);
                "PYTHON_TEXT".to_owned()
            }
        }
    }

    /// Any value.
    fn anything(&mut self, dialect: Dialect) -> String {
        if !self.rules.iter().any(|rule| rule.starts_with("anything:")) {
            self.rules
                .push("anything: scalar | \"[\" (anything (between anything)*)? \"]\" | mapping".into());
            let text = self.text(dialect);
            let words = words(&["true", "false", "null"], dialect);
            self.rules.push(format!("scalar: {text} | %json {{\"type\": \"number\"}} | {words}"));
            self.rules.push(format!("between: {}", separator(dialect)));
            let field = match dialect {
                Dialect::Gemma => "/[a-zA-Z_][a-zA-Z0-9_-]*/ \":\" anything".to_owned(),
                Dialect::Python => format!("{text} \": \" anything"),
            };
            self.rules.push(format!("field: {field}"));
            self.rules.push("mapping: \"{\" (field (between field)*)? \"}\"".into());
        }
        "anything".to_owned()
    }

    fn any_object(&mut self, dialect: Dialect) -> String {
        self.anything(dialect);
        "mapping".to_owned()
    }

    /// Adds a terminal, if it is not there.
    fn once(&mut self, name: &str, body: &str) {
        let rule = format!("{name}: {body}");
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

fn separator(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemma => "\",\"",
        Dialect::Python => "\", \"",
    }
}

fn words(words: &[&str], dialect: Dialect) -> String {
    let word = |word: &&str| match (*word, dialect) {
        ("true", Dialect::Python) => literal("True"),
        ("false", Dialect::Python) => literal("False"),
        ("null", Dialect::Python) => literal("None"),
        (word, _) => literal(word),
    };
    format!("({})", words.iter().map(word).collect::<Vec<_>>().join(" | "))
}
