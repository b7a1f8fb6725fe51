//! The tools of a request, as far as parsers and grammars need to know them.

use serde_json::{Value as Json, json};

/// Tools in the order of the request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolSet {
    tools: Vec<Tool>,
}

/// A tool that can be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// The JSON schema of its arguments, an object.
    pub parameters: Json,
}

/// What a value may be. Nothing said means anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// `string`.
    pub text: bool,
    /// `number` or `integer`.
    pub number: bool,
    /// `boolean`.
    pub boolean: bool,
    /// `null`.
    pub null: bool,
    /// `array` or `object`.
    pub nested: bool,
}

impl ToolSet {
    /// The tools of a list in OpenAI's form (`{"type": "function", "function": {…}}`, or the function alone). What has no
    /// name is left out.
    pub fn from_json(tools: &Json) -> Self {
        let function = |tool: &Json| {
            let function = tool.get("function").unwrap_or(tool);
            let name = function.get("name")?.as_str()?.to_owned();
            let parameters = function.get("parameters").filter(|schema| schema.is_object()).cloned();
            Some(Tool { name, parameters: parameters.unwrap_or_else(|| json!({"type": "object"})) })
        };
        Self { tools: tools.as_array().into_iter().flatten().filter_map(function).collect() }
    }

    /// The same tools, whose arguments may be anything.
    pub fn without_schemas(&self) -> Self {
        let bare = |tool: &Tool| Tool { name: tool.name.clone(), parameters: json!({"type": "object"}) };
        Self { tools: self.tools.iter().map(bare).collect() }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// A tool by its name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// What an argument may be.
    pub fn kinds(&self, tool: &str, argument: &str) -> Kinds {
        self.get(tool).map_or(Kinds::default(), |tool| tool.kinds(argument))
    }
}

impl Tool {
    /// The schema of an argument.
    pub fn schema(&self, argument: &str) -> Option<&Json> {
        self.parameters.get("properties")?.get(argument)
    }

    /// The names of its arguments, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &String> {
        self.parameters.get("properties").and_then(Json::as_object).into_iter().flat_map(|all| all.keys())
    }

    /// Whether an argument must be there.
    pub fn requires(&self, argument: &str) -> bool {
        let required = self.parameters.get("required").and_then(Json::as_array);
        required.into_iter().flatten().any(|name| name == argument)
    }

    /// The schema of an argument with the definitions that it may refer to; anything where there is none.
    pub fn whole_schema(&self, argument: &str) -> Json {
        let mut schema = self.schema(argument).cloned().unwrap_or_else(|| json!({}));
        if let Some(fields) = schema.as_object_mut() {
            for key in ["$defs", "definitions"] {
                if let Some(definitions) = self.parameters.get(key) {
                    fields.entry(key).or_insert_with(|| definitions.clone());
                }
            }
        }
        schema
    }

    /// What an argument may be.
    pub fn kinds(&self, argument: &str) -> Kinds {
        let mut kinds = Kinds::default();
        if let Some(schema) = self.schema(argument) {
            self.collect(schema, &mut kinds, 8);
        }
        kinds
    }

    /// Adds what the schema allows; `depth` limits schemas that refer to themselves.
    fn collect(&self, schema: &Json, kinds: &mut Kinds, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match schema.get("type") {
            Some(Json::String(name)) => kinds.add_type(name),
            Some(Json::Array(names)) => {
                names.iter().filter_map(Json::as_str).for_each(|n| kinds.add_type(n));
            }
            _ => {
                let values = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
                values.chain(schema.get("const")).for_each(|value| kinds.add_value(value));
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let choices = schema.get(key).and_then(Json::as_array).into_iter().flatten();
            choices.for_each(|choice| self.collect(choice, kinds, depth));
        }
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|place| place.strip_prefix('#'));
        if let Some(schema) = target.and_then(|place| self.parameters.pointer(place)) {
            self.collect(schema, kinds, depth);
        }
    }
}

impl Kinds {
    /// Whether only text is allowed.
    pub fn is_text(self) -> bool {
        self == Self { text: true, ..Self::default() }
    }

    /// Whether a value may be of its kind.
    pub fn allows(self, value: &Json) -> bool {
        let mut kind = Self::default();
        kind.add_value(value);
        self == Self::default()
            || kind.text && self.text
            || kind.number && self.number
            || kind.boolean && self.boolean
            || kind.null && self.null
            || kind.nested && self.nested
    }

    fn add_type(&mut self, name: &str) {
        match name {
            "string" => self.text = true,
            "number" | "integer" => self.number = true,
            "boolean" => self.boolean = true,
            "null" => self.null = true,
            _ => self.nested = true,
        }
    }

    fn add_value(&mut self, value: &Json) {
        self.add_type(match value {
            Json::String(_) => "string",
            Json::Number(_) => "number",
            Json::Bool(_) => "boolean",
            Json::Null => "null",
            Json::Array(_) | Json::Object(_) => "object",
        });
    }
}
