//! Values as Python and Gemma 4 write them, turned into JSON as they arrive.

use super::MAX_NESTING;
use super::feed::{Feed, Found};
use super::json_scan::push_text;

/// Gemma's quotation mark, on both sides of a text.
pub const QUOTE: &str = "<|\"|>";

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Literals with `True`, `None`, tuples and two kinds of quotation marks.
    Python,
    /// Plain names for fields, and [`QUOTE`] around text.
    Gemma,
}

/// How far a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// It is whole.
    Done,
    /// This is no value.
    Bad,
}

/// A value on its way.
#[derive(Debug)]
pub struct Literal {
    dialect: Dialect,
    /// The signs that end what is open.
    open: Vec<char>,
    state: State,
    /// A comma was read, and nothing behind it yet.
    comma: bool,
}

#[derive(Debug)]
enum State {
    Value,
    Name,
    Colon,
    Next,
    /// In text that ends with this sign, or with [`QUOTE`].
    Text {
        end: Option<char>,
        is_name: bool,
    },
    Escape {
        end: char,
        is_name: bool,
    },
    Code {
        end: char,
        is_name: bool,
        digits: u32,
        code: u32,
    },
    /// A number, a word, or a plain name.
    Word {
        word: String,
        is_name: bool,
    },
}

/// The longest number, word or plain name.
const MAX_WORD: usize = 256;

impl Literal {
    /// In front of a value.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, open: Vec::new(), state: State::Value, comma: false }
    }

    /// Reads on and appends JSON. What ends the value from outside stays where it is.
    pub fn step(&mut self, feed: &mut Feed, out: &mut String) -> Progress {
        loop {
            if matches!(self.state, State::Text { end: None, .. }) {
                if !self.quoted(feed, out) {
                    return Progress::More;
                }
            } else {
                match self.is_quote(feed) {
                    None => return Progress::More,
                    Some(true) => {
                        feed.skip(QUOTE.len());
                        self.text(None, out);
                        continue;
                    }
                    Some(false) => {}
                }
                let Some(c) = feed.rest().chars().next() else { return Progress::More };
                if let State::Word { word, is_name } = &self.state
                    && let Some(json) = finished(word, c, *is_name, self.dialect)
                {
                    let (Some(json), is_name) = (json, *is_name) else { return Progress::Bad };
                    out.push_str(&json);
                    self.ended(is_name);
                } else {
                    feed.skip(c.len_utf8());
                    if !self.read(c, out) {
                        return Progress::Bad;
                    }
                }
            }
            if self.open.is_empty() && matches!(self.state, State::Next) {
                return Progress::Done;
            }
        }
    }

    fn is_quote(&self, feed: &Feed) -> Option<bool> {
        let may_be = self.dialect == Dialect::Gemma && matches!(self.state, State::Value | State::Name);
        if may_be { feed.begins(QUOTE) } else { Some(false) }
    }

    /// Text up to Gemma's quotation mark; false when more is needed.
    fn quoted(&mut self, feed: &mut Feed, out: &mut String) -> bool {
        let (found, length) = match feed.find(&[QUOTE]) {
            Found::At(at, _) => (true, at),
            Found::Not(safe) => (false, safe),
        };
        push_text(out, &feed.rest()[..length]);
        feed.skip(length);
        if found {
            feed.skip(QUOTE.len());
            self.end_text(out);
        }
        found
    }

    fn read(&mut self, c: char, out: &mut String) -> bool {
        match &mut self.state {
            State::Text { end, is_name } => match (end, c) {
                (Some(end), '\\') => self.state = State::Escape { end: *end, is_name: *is_name },
                (Some(end), c) if c == *end => self.end_text(out),
                _ => push_text(out, c.encode_utf8(&mut [0; 4])),
            },
            State::Escape { end, is_name } => {
                let (end, is_name) = (*end, *is_name);
                let digits = match c {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                self.state = match digits {
                    0 => State::Text { end: Some(end), is_name },
                    _ => State::Code { end, is_name, digits, code: 0 },
                };
                if digits == 0 {
                    push_text(out, &unescaped(c));
                }
            }
            State::Code { end, is_name, digits, code } => {
                let Some(digit) = c.to_digit(16) else { return false };
                (*digits, *code) = (*digits - 1, (*code << 4) | digit);
                if *digits == 0 {
                    push_code(out, *code);
                    self.state = State::Text { end: Some(*end), is_name: *is_name };
                }
            }
            State::Word { word, .. } => {
                word.push(c);
                return word.len() <= MAX_WORD;
            }
            _ if c.is_ascii_whitespace() => {}
            State::Value => return self.value(c, out),
            State::Name => return self.name(c, out),
            State::Colon => {
                self.state = State::Value;
                out.push_str(": ");
                return c == ':';
            }
            State::Next => match c {
                ',' => {
                    self.comma = true;
                    let in_object = self.open.last() == Some(&'}');
                    self.state = if in_object { State::Name } else { State::Value };
                }
                c => return self.close(c, out),
            },
        }
        true
    }

    fn value(&mut self, c: char, out: &mut String) -> bool {
        let is_python = self.dialect == Dialect::Python;
        match c {
            '{' => self.open('}', State::Name, out),
            '[' => self.open(']', State::Value, out),
            '(' if is_python => self.open(')', State::Value, out),
            ']' | ')' => self.close(c, out),
            '"' => self.text(Some(c), out),
            '\'' if is_python => self.text(Some(c), out),
            _ if c.is_alphanumeric() || "-+._".contains(c) => {
                self.comma(out);
                self.state = State::Word { word: c.to_string(), is_name: false };
                true
            }
            _ => false,
        }
    }

    fn name(&mut self, c: char, out: &mut String) -> bool {
        match c {
            '}' => self.close(c, out),
            '"' => self.text(Some(c), out),
            '\'' if self.dialect == Dialect::Python => self.text(Some(c), out),
            _ if self.dialect == Dialect::Gemma && !"{[]:,".contains(c) => {
                self.comma(out);
                self.state = State::Word { word: c.to_string(), is_name: true };
                true
            }
            _ => false,
        }
    }

    /// Text begins, up to `end`.
    fn text(&mut self, end: Option<char>, out: &mut String) -> bool {
        let is_name = matches!(self.state, State::Name);
        self.comma(out);
        out.push('"');
        self.state = State::Text { end, is_name };
        true
    }

    fn end_text(&mut self, out: &mut String) {
        out.push('"');
        let is_name = matches!(self.state, State::Text { is_name: true, .. });
        self.ended(is_name);
    }

    fn ended(&mut self, is_name: bool) {
        self.state = if is_name { State::Colon } else { State::Next };
    }

    fn open(&mut self, end: char, state: State, out: &mut String) -> bool {
        self.comma(out);
        self.open.push(end);
        self.state = state;
        out.push(if end == '}' { '{' } else { '[' });
        self.open.len() <= MAX_NESTING
    }

    fn close(&mut self, c: char, out: &mut String) -> bool {
        if self.open.pop() != Some(c) {
            return false;
        }
        // A comma in front of it is Python's, and not JSON's.
        self.comma = false;
        self.state = State::Next;
        out.push(if c == '}' { '}' } else { ']' });
        true
    }

    fn comma(&mut self, out: &mut String) {
        if std::mem::take(&mut self.comma) {
            out.push_str(", ");
        }
    }
}

/// The JSON of a word that `c` ends: `None` if it does not, `Some(None)` if the word means nothing.
fn finished(word: &str, c: char, is_name: bool, dialect: Dialect) -> Option<Option<String>> {
    let is_plain = dialect == Dialect::Gemma;
    let goes_on = match (is_name, is_plain) {
        (true, _) => c != ':',
        (false, true) => !",]}<".contains(c),
        (false, false) => c.is_alphanumeric() || "-+._".contains(c),
    };
    if goes_on {
        return None;
    }
    let word = word.trim();
    let json = match word {
        _ if is_name => return Some(Some(in_quotes(word))),
        "True" | "true" => "true".to_owned(),
        "False" | "false" => "false".to_owned(),
        "None" | "null" => "null".to_owned(),
        _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => word.to_owned(),
        _ if is_plain => in_quotes(word),
        _ => return Some(None),
    };
    Some(Some(json))
}

fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    push_text(&mut out, text);
    out.push('"');
    out
}

/// What a sign behind a backslash means.
fn unescaped(c: char) -> String {
    match c {
        'n' => "\n".into(),
        't' => "\t".into(),
        'r' => "\r".into(),
        'b' => "\u{8}".into(),
        'f' => "\u{c}".into(),
        '0' => "\0".into(),
        '\n' => String::new(),
        '\\' | '\'' | '"' | '/' => c.into(),
        _ => format!("\\{c}"),
    }
}

/// A character by its number. Halves of pairs stay what they are in JSON.
fn push_code(out: &mut String, code: u32) {
    match char::from_u32(code) {
        Some(c) => push_text(out, c.encode_utf8(&mut [0; 4])),
        None if (0xD800..0xE000).contains(&code) => out.push_str(&format!("\\u{code:04x}")),
        None => out.push(char::REPLACEMENT_CHARACTER),
    }
}
