//! Random JSON schemas whose answers end: everything in them is bounded.

use serde_json::{Map, Value, json};

/// A small generator with a fixed seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// A schema with definitions that it may refer to.
pub fn schema(random: &mut Random) -> Value {
    let mut root = match value(random, 3) {
        Value::Object(words) if random.below(4) == 0 => words,
        _ => object(random, 3),
    };
    let list = json!({
        "type": "object",
        "properties": {"item": leaf(random), "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/list"}]}},
        "required": ["item", "next"],
        "additionalProperties": false,
    });
    root.insert("$defs".into(), json!({"leaf": leaf(random), "list": list, "pair": object(random, 1)}));
    Value::Object(root)
}

fn value(random: &mut Random, depth: u64) -> Value {
    if depth == 0 {
        return leaf(random);
    }
    match random.below(12) {
        0..=2 => Value::Object(object(random, depth)),
        3 | 4 => array(random, depth),
        5 | 6 => json!({"anyOf": [value(random, depth - 1), value(random, depth - 1), leaf(random)]}),
        7 => json!({"oneOf": [integer(random), {"type": "string", "maxLength": 4}, {"type": "null"}]}),
        8 => json!({"$ref": *random.pick(&["#/$defs/leaf", "#/$defs/list", "#/$defs/pair"])}),
        _ => leaf(random),
    }
}

fn object(random: &mut Random, depth: u64) -> Map<String, Value> {
    const NAMES: [&str; 9] =
        ["a", "name", "größe", "with space", "q\"uote", "id", "nested/one", "日本", "x_y-z"];
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..1 + random.below(4) {
        let name = *random.pick(&NAMES);
        properties.insert(name.into(), value(random, depth - 1));
        if random.below(3) > 0 && !required.contains(&name) {
            required.push(name);
        }
    }
    let mut words = Map::new();
    words.insert("type".into(), json!("object"));
    words.insert("properties".into(), Value::Object(properties));
    words.insert("required".into(), json!(required));
    if random.below(8) == 0 {
        words.insert("patternProperties".into(), json!({"^k[0-9]{1,3}$": {"type": "boolean"}}));
    }
    words.insert("additionalProperties".into(), json!(false));
    words
}

fn array(random: &mut Random, depth: u64) -> Value {
    let least = random.below(3);
    match random.below(4) {
        0 => json!({
            "type": "array",
            "prefixItems": [value(random, depth - 1), leaf(random)],
            "items": false,
            "minItems": least,
        }),
        _ => json!({
            "type": "array",
            "items": value(random, depth - 1),
            "minItems": least,
            "maxItems": least + random.below(3),
        }),
    }
}

fn leaf(random: &mut Random) -> Value {
    const PATTERNS: [&str; 5] = ["^[a-z]{2,5}$", r"^\d{3}-\d{4}$", "^(foo|bär)[A-F]?$", "^x+y?$", "[0-9]"];
    match random.below(12) {
        0 => json!({"type": "boolean"}),
        1 => json!({"type": "null"}),
        2 | 3 => integer(random),
        4 => {
            let least = random.below(50) as f64 / 4.0 - 5.0;
            json!({"type": "number", "minimum": least, "maximum": least + 10.5})
        }
        5 => json!({"type": "string", "pattern": *random.pick(&PATTERNS), "maxLength": 12}),
        6 => json!({"type": "string", "format": *random.pick(&["uuid", "ipv4"])}),
        7 => json!({"enum": ["red", 3, null, true, "größer", {"k": [1, "v"]}, -2.5]}),
        8 => json!({"const": *random.pick(&["one", "zwei \" drei", "四"])}),
        9 => json!({"type": ["integer", "null", "boolean"], "minimum": -5, "exclusiveMaximum": 100}),
        10 => json!({"allOf": [{"type": "integer", "minimum": 0}, {"maximum": 300, "multipleOf": 5}]}),
        _ => {
            let least = random.below(4);
            json!({"type": "string", "minLength": least, "maxLength": least + random.below(9)})
        }
    }
}

fn integer(random: &mut Random) -> Value {
    let least = random.below(2000) as i64 - 1000;
    json!({"type": "integer", "minimum": least, "maximum": least + random.below(5000) as i64})
}
