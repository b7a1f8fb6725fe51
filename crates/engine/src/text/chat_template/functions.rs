//! What templates may call besides the engine's own: Hugging Face's globals, and checked versions of the filters
//! that can blow a string up.

use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use super::budget::Budget;
use super::json;

/// Carries the message of `raise_exception` through the engine's error type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Raised(pub String);

/// Adds everything to a sandbox.
pub fn add(env: &mut Environment<'_>, budget: &Arc<Budget>, now: Option<jiff::civil::DateTime>) {
    env.add_function("raise_exception", |message: Value| -> Result<Value, Error> {
        let message = message.to_string();
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    env.add_function("strftime_now", move |format: &str| strftime(format, now));

    let of = budget.clone();
    env.add_filter("tojson", move |value: &Value, indent: Option<Value>, args: Kwargs| {
        json::tojson(&of, value, indent, args)
    });
    let of = budget.clone();
    env.add_filter("replace", move |text: &Value, old: &str, new: &str, count: Option<i64>| {
        replace(&of, &text.to_string(), old, new, count)
    });
    let of = budget.clone();
    env.add_filter(
        "join",
        move |state: &mut State,
              items: &Value,
              joiner: Option<&str>,
              attribute: Option<&str>,
              args: Kwargs| {
            let attribute = match attribute {
                Some(attribute) => Some(attribute.to_owned()),
                None => args.get::<Option<String>>("attribute")?,
            };
            let joiner = match joiner {
                Some(joiner) => joiner.to_owned(),
                None => args.get::<Option<String>>("d")?.unwrap_or_default(),
            };
            args.assert_all_used()?;
            join(&of, state, items, &joiner, attribute.as_deref())
        },
    );
    let of = budget.clone();
    env.add_filter("indent", move |text: &Value, rest: Rest<Value>, args: Kwargs| {
        indent(&of, text, &rest, &args)
    });
    let of = budget.clone();
    env.add_filter("format", move |state: &mut State, text: &str, rest: Rest<Value>| {
        check_format(&of, text, &rest)?;
        filters::format(state, &Value::from(text), Rest(rest.0.into_iter().map(Into::into).collect()))
    });
    // Python's notions: text and mappings are sequences too, and nothing is not iterable.
    env.add_test("iterable", |value: &Value| {
        !matches!(value.kind(), ValueKind::None | ValueKind::Number | ValueKind::Bool)
    });
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Undefined)
    });
    let of = budget.clone();
    env.add_function("lantern_part", move |value: Value| measured(&of, value));
    let of = budget.clone();
    env.add_function("lantern_flat", move |value: Value| measured(&of, value));
    let of = budget.clone();
    env.add_function("lantern_held", move |value: Value| {
        if is_namespace(&value) { Err(failed(NESTED.into())) } else { measured(&of, value) }
    });
    let of = budget.clone();
    env.add_function("lantern_tick", move |bytes: usize| of.charge(bytes).map(|()| ""));
    // Filters that multiply or nest what they are given and that no chat template uses.
    for name in ["batch", "slice", "sum", "pprint", "urlencode", "chain", "zip", "groupby"] {
        env.remove_filter(name);
    }
}

/// The value, if it is of a size and depth that an honest template has.
fn measured(budget: &Budget, value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => budget.charge(value.as_str().map_or(0, str::len))?,
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let mut bytes = 0;
            measure(budget, &value, 0, &mut bytes)?;
            budget.charge(bytes)?;
        }
        _ => {}
    }
    Ok(value)
}

/// A namespace is the one thing that can change, so the one that could hold itself.
const NESTED: &str = "a namespace can't be part of another value";

fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

/// Adds up what `value` would take as text, shared parts each time they occur.
fn measure(budget: &Budget, value: &Value, depth: usize, bytes: &mut usize) -> Result<(), Error> {
    if depth > 0 && is_namespace(value) {
        return Err(failed(NESTED.into()));
    }
    *bytes += value.as_str().map_or(8, str::len);
    budget.check(*bytes, depth)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|item| measure(budget, &item, depth + 1, bytes))
        }
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            measure(budget, &key, depth + 1, bytes)?;
            measure(budget, &value.get_item(&key)?, depth + 1, bytes)
        }),
        _ => Ok(()),
    }
}

fn strftime(format: &str, now: Option<jiff::civil::DateTime>) -> Result<String, Error> {
    let now = match now {
        Some(now) => now.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| failed(error.to_string()))?,
        None => jiff::Zoned::now(),
    };
    jiff::fmt::strtime::format(format, &now)
        .map_err(|error| failed(format!("strftime_now({format:?}): {error}")))
}

/// `str.replace`, charged for before it is made.
pub fn replace(
    budget: &Budget,
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
) -> Result<String, Error> {
    let limit = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let hits = text.matches(old).take(limit).count();
    budget.charge(text.len().saturating_add(hits.saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, limit))
}

/// `sep.join(items)`, charged for as it grows.
pub fn join(
    budget: &Budget,
    state: &mut State,
    items: &Value,
    joiner: &str,
    attribute: Option<&str>,
) -> Result<String, Error> {
    let mut out = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let item = match attribute {
            Some(attribute) => state.apply_filter("attr", &[item, Value::from(attribute)])?,
            None => item,
        };
        let length = out.len();
        if i > 0 {
            out.push_str(joiner);
        }
        match item.as_str() {
            Some(text) => out.push_str(text),
            None => out.push_str(&item.to_string()),
        }
        budget.charge(out.len() - length)?;
        if out.len() > super::budget::MAX_OUTPUT {
            budget.charge(out.len())?;
        }
    }
    Ok(out)
}

/// `indent(width=4, first=false, blank=false)`; the width may also be a string.
fn indent(budget: &Budget, text: &Value, rest: &[Value], args: &Kwargs) -> Result<String, Error> {
    let argument = |at: usize, name: &str| -> Result<Option<Value>, Error> {
        let named = args.get::<Option<Value>>(name)?;
        Ok(rest.get(at).cloned().or(named))
    };
    let (width, first, blank) = (argument(0, "width")?, argument(1, "first")?, argument(2, "blank")?);
    args.assert_all_used()?;
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (flag(first), flag(blank));
    let text = text.to_string();
    let prefix = match width {
        None => "    ".to_owned(),
        Some(width) => match width.as_str() {
            Some(prefix) => prefix.to_owned(),
            None => {
                let width = usize::try_from(width)?;
                budget.charge(width)?;
                " ".repeat(width)
            }
        },
    };
    let lines = text.matches('\n').count() + 1;
    budget.charge(text.len().saturating_add(lines.saturating_mul(prefix.len())))?;
    let mut out = String::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if i == 0 && first || i > 0 && (blank || !line.is_empty()) {
            out.push_str(&prefix);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// Refuses field widths that no prompt needs (`%1000000000d`), and charges for the arguments.
pub fn check_format(budget: &Budget, format: &str, args: &[Value]) -> Result<(), Error> {
    let digits = format.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if digits > 3 || format.contains('*') {
        return Err(failed("a format with such a width is not allowed".into()));
    }
    let fields = format.matches(['%', '{']).count();
    let longest = args.iter().map(|arg| arg.as_str().map_or(64, str::len)).max().unwrap_or(0);
    budget.charge(format.len().saturating_add(fields.saturating_mul(longest.saturating_add(1000))))
}

fn failed(cause: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, cause)
}
