//! Python's methods of strings, mappings and lists, as templates call them.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::budget::Budget;
use super::functions;

/// Calls `value.method(args)`: our own where the library has none or has no limit, else the library's.
pub fn call(
    budget: &Budget,
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if value.kind() == ValueKind::String
        && let Some(text) = value.as_str()
        && let Some(result) = string(budget, state, text, method, args)
    {
        return result;
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

fn string(
    budget: &Budget,
    state: &mut State,
    text: &str,
    method: &str,
    args: &[Value],
) -> Option<Result<Value, Error>> {
    Some(match method {
        "replace" => from_args::<(&str, &str, Option<i64>)>(args)
            .and_then(|(old, new, count)| functions::replace(budget, text, old, new, count).map(Value::from)),
        "join" => from_args::<(&Value,)>(args)
            .and_then(|(items,)| functions::join(budget, state, items, text, None).map(Value::from)),
        "format" => functions::check_format(budget, text, args)
            .and_then(|()| pycompat::unknown_method_callback(state, &Value::from(text), method, args)),
        "removeprefix" => {
            from_args::<(&str,)>(args).map(|(prefix,)| text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            from_args::<(&str,)>(args).map(|(suffix,)| text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "partition" => from_args::<(&str,)>(args).map(|(sep,)| match text.split_once(sep) {
            Some((left, right)) => strings([left, sep, right]),
            None => strings([text, "", ""]),
        }),
        "rpartition" => from_args::<(&str,)>(args).map(|(sep,)| match text.rsplit_once(sep) {
            Some((left, right)) => strings([left, sep, right]),
            None => strings(["", "", text]),
        }),
        "rsplit" => from_args::<(&str, Option<usize>)>(args).map(|(sep, max)| {
            let mut parts: Vec<&str> = match max {
                Some(max) => text.rsplitn(max + 1, sep).collect(),
                None => text.rsplit(sep).collect(),
            };
            parts.reverse();
            strings(parts)
        }),
        "index" => from_args::<(&str,)>(args).and_then(|(what,)| match text.find(what) {
            Some(at) => Ok(Value::from(text[..at].chars().count())),
            None => Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
        }),
        _ => return None,
    })
}

fn strings<'a>(parts: impl IntoIterator<Item = &'a str>) -> Value {
    parts.into_iter().map(Value::from).collect()
}
