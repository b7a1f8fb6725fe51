//! `tojson` as Hugging Face defines it: Python's `json.dumps` with `ensure_ascii=False`.
//!
//! The engine's own filter escapes for HTML and writes numbers another way.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::budget::Budget;
use super::spelt::is_mark;

/// How `json.dumps` lays a value out.
struct Style {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    item: String,
    key: String,
}

impl Style {
    fn from_args(indent: Option<Value>, args: &Kwargs) -> Result<Self, Error> {
        let indent = match indent {
            Some(indent) => Some(indent),
            None => args.get::<Option<Value>>("indent")?,
        };
        let indent = match indent {
            Some(value) if value.is_none() || value.is_undefined() => None,
            Some(value) => Some(match value.as_str() {
                Some(text) => text.to_owned(),
                None => " ".repeat(usize::try_from(value)?.min(64)),
            }),
            None => None,
        };
        let separators: Option<Value> = args.get("separators")?;
        let (item, key) = match separators.filter(|value| !value.is_none()) {
            Some(pair) => (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string()),
            None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
            None => (", ".to_owned(), ": ".to_owned()),
        };
        let style = Self {
            ensure_ascii: args.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
            sort_keys: args.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
            indent,
            item,
            key,
        };
        args.assert_all_used()?;
        Ok(style)
    }
}

/// The filter: `value | tojson(indent=…, separators=…, ensure_ascii=…, sort_keys=…)`.
pub fn tojson(budget: &Budget, value: &Value, indent: Option<Value>, args: Kwargs) -> Result<String, Error> {
    let style = Style::from_args(indent, &args)?;
    let mut out = String::new();
    write(budget, &mut out, value, &style, 0)?;
    budget.charge(out.len())?;
    Ok(out)
}

const MAX_DEPTH: usize = 100;

fn write(budget: &Budget, out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(invalid(format!("a value nested deeper than {MAX_DEPTH} can't become JSON")));
    }
    if out.len() > super::budget::MAX_OUTPUT {
        return budget.charge(out.len());
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => write_number(out, value)?,
        ValueKind::String => write_string(out, value.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            write_items(out, '[', ']', &items, style, depth, |out, item| {
                write(budget, out, item, style, depth + 1)
            })?;
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            write_items(out, '{', '}', &keys, style, depth, |out, key| {
                write_key(out, key, style)?;
                out.push_str(&style.key);
                write(budget, out, &value.get_item(key)?, style, depth + 1)
            })?;
        }
        kind => return Err(invalid(format!("a value of type {kind} can't become JSON"))),
    }
    Ok(())
}

fn write_items(
    out: &mut String,
    open: char,
    close: char,
    items: &[Value],
    style: &Style,
    depth: usize,
    mut write: impl FnMut(&mut String, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let newline = |out: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(&style.item);
        }
        newline(out, depth + 1);
        write(out, item)?;
    }
    if !items.is_empty() {
        newline(out, depth);
    }
    out.push(close);
    Ok(())
}

/// A key: Python turns numbers, booleans and `None` into strings.
fn write_key(out: &mut String, key: &Value, style: &Style) -> Result<(), Error> {
    match key.kind() {
        ValueKind::String => write_string(out, key.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Number => {
            out.push('"');
            write_number(out, key)?;
            out.push('"');
        }
        ValueKind::Bool => out.push_str(if key.is_true() { "\"true\"" } else { "\"false\"" }),
        ValueKind::None => out.push_str("\"null\""),
        kind => return Err(invalid(format!("a value of type {kind} can't be a key in JSON"))),
    }
    Ok(())
}

fn write_number(out: &mut String, value: &Value) -> Result<(), Error> {
    if value.is_integer() {
        out.push_str(&value.to_string());
    } else {
        out.push_str(&python_float(f64::try_from(value.clone())?));
    }
    Ok(())
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

fn write_string(out: &mut String, text: &str, ensure_ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if ensure_ascii && (!c.is_ascii() || c == '\u{7f}') && !is_mark(c) => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn invalid(cause: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumps(value: serde_json::Value, args: &[(&'static str, Value)]) -> String {
        let args = args.iter().cloned().collect::<Kwargs>();
        tojson(&Budget::new(), &Value::from(minijinja::value::Serde(&value)), None, args).unwrap()
    }

    #[test]
    fn writes_what_python_writes() {
        let value = serde_json::json!({"b": [1, 2.0, true, null, "é\"\n<&'"], "a": {}, "c": []});
        assert_eq!(dumps(value.clone(), &[]), r#"{"b": [1, 2.0, true, null, "é\"\n<&'"], "a": {}, "c": []}"#);
        assert_eq!(
            dumps(value.clone(), &[("indent", Value::from(2))]),
            "{\n  \"b\": [\n    1,\n    2.0,\n    true,\n    null,\n    \"é\\\"\\n<&'\"\n  ],\n  \"a\": {},\n  \"c\": []\n}"
        );
        let compact = [("separators", Value::from(vec![",", ":"])), ("sort_keys", Value::from(true))];
        assert_eq!(dumps(value, &compact), r#"{"a":{},"b":[1,2.0,true,null,"é\"\n<&'"],"c":[]}"#);
        assert_eq!(dumps("é😀".into(), &[("ensure_ascii", Value::from(true))]), r#""\u00e9\ud83d\ude00""#);
    }

    #[test]
    fn floats_are_pythons() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (2.5, "2.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.25e-7, "1.25e-07"),
        ] {
            assert_eq!(python_float(number), text);
        }
    }
}
