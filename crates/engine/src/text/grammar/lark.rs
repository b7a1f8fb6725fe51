//! Lark grammars on their way to `llguidance`: names of tokens become ids, schemas are checked.

use serde_json::Value;

use super::{GrammarError, schema};
use crate::text::Tokenizer;

/// Bytes of a grammar.
const LARGEST: usize = 256 << 10;
const WHAT: &str = "Lark grammar";

/// A grammar with the ids of the tokens that it names, and with schemas that say how JSON is written.
pub(super) fn prepare(grammar: &str, tokenizer: &Tokenizer) -> Result<String, GrammarError> {
    if grammar.len() > LARGEST {
        return Err(GrammarError::TooLarge { what: WHAT, bytes: grammar.len(), limit: LARGEST });
    }
    name_tokens(grammar, tokenizer)
}

/// As [`prepare`], of a grammar that has its size for a reason.
pub(super) fn name_tokens(grammar: &str, tokenizer: &Tokenizer) -> Result<String, GrammarError> {
    let mut out = String::with_capacity(grammar.len() + 64);
    let mut rest = grammar;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => quoted(rest, '"'),
            '#' => line(rest),
            '/' if rest.starts_with("//") => line(rest),
            '/' => quoted(rest, '/'),
            '<' if named(rest).is_some() => {
                let name = named(rest).unwrap_or_default();
                out.push_str(&token(name, tokenizer)?);
                rest = &rest[name.len()..];
                continue;
            }
            '%' if rest.starts_with("%json") => {
                let (text, len) = json(&rest["%json".len()..])?;
                out.push_str("%json ");
                out.push_str(&text);
                rest = &rest["%json".len() + len..];
                continue;
            }
            first => first.len_utf8(),
        };
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    Ok(out)
}

/// The length of a string or a regular expression at the beginning of `text`, its marks included.
fn quoted(text: &str, mark: char) -> usize {
    let mut is_escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The name of a token at the beginning of `text`, in its angle brackets.
fn named(text: &str) -> Option<&str> {
    let end = text[1..].find(['<', '>'])? + 1;
    let name = &text[..=end];
    (name.ends_with('>') && name.len() > 2 && !name.contains(char::is_whitespace)).then_some(name)
}

/// A token's name as its id. Ids, lists of them and their negation stay what they are.
fn token(name: &str, tokenizer: &Tokenizer) -> Result<String, GrammarError> {
    let bare = &name[1..name.len() - 1];
    let ids = bare.strip_prefix('[').and_then(|bare| bare.strip_suffix(']'));
    if ids.is_some_and(|ids| ids.chars().all(|c| c.is_ascii_digit() || "^*,-".contains(c))) {
        return Ok(name.to_owned());
    }
    let id = tokenizer.token_id(name).or_else(|| ids.and_then(|_| tokenizer.token_id(bare)));
    let reason = || format!("the model's vocabulary has no token {name}");
    let id = id.ok_or_else(|| GrammarError::Grammar { what: WHAT, reason: reason() })?;
    Ok(format!("<[{id}]>"))
}

/// The schema at the beginning of `text`, checked, and the length of what was read.
fn json(text: &str) -> Result<(String, usize), GrammarError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok((schema::prepare(&value)?.to_string(), values.byte_offset())),
        Some(Err(error)) => Err(refused(format!("behind %json: {error}"))),
        None => Err(refused("nothing stands behind %json".to_owned())),
    }
}

fn refused(reason: String) -> GrammarError {
    GrammarError::Grammar { what: WHAT, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_expressions_and_comments_have_their_ends() {
        assert_eq!(quoted(r#""a\"b" c"#, '"'), 6);
        assert_eq!(quoted(r"/a\/b/ c", '/'), 6);
        assert_eq!(quoted("\"open", '"'), 5);
        assert_eq!(line("# a\nb"), 3);
        assert_eq!(named("<|a|> b"), Some("<|a|>"));
        assert_eq!(named("<a b>"), None);
        assert_eq!(named("< "), None);
        assert_eq!(named("<>"), None);
    }
}
