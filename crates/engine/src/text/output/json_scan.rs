//! Follows a JSON value as it arrives (RFC 8259), so that nobody needs all of it to know where it ends.
//!
//! Models write line breaks into strings as they are, which JSON forbids: those are escaped on the way.

use super::MAX_NESTING;

/// A place in a JSON value.
#[derive(Debug, Clone)]
pub struct JsonScanner {
    /// What is open: `{` or `[`.
    open: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value, or also the end of a list.
    Value {
        or_end: bool,
    },
    /// A name, or also the end of an object.
    Name {
        or_end: bool,
    },
    Colon,
    /// Behind a value in an object or a list.
    Next,
    Text {
        is_name: bool,
        escape: Escape,
    },
    Number(Number),
    /// What must still follow of `true`, `false` or `null`.
    Word(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Any,
    /// Hexadecimal digits that must follow.
    Hex(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Power,
    PowerSign,
    PowerDigits,
}

/// How far a scan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// All of the text belongs to the value, which goes on.
    More,
    /// The value ends behind so many bytes.
    Done(usize),
    /// So many bytes are right, and what follows is not JSON.
    Bad(usize),
}

impl JsonScanner {
    /// At the beginning of an object or a list.
    pub fn new() -> Self {
        Self { open: Vec::new(), state: State::Value { or_end: false } }
    }

    /// In an object, behind one of its values.
    pub fn inside_object() -> Self {
        Self { open: vec![b'{'], state: State::Next }
    }

    /// Reads on; what was right is appended to `out`.
    pub fn scan(&mut self, text: &str, out: &mut String) -> Scan {
        for (at, c) in text.char_indices() {
            if !self.read(c) {
                return Scan::Bad(at);
            }
            match c {
                '\0'..='\x1f' if matches!(self.state, State::Text { .. }) => push_escaped(out, c),
                _ => out.push(c),
            }
            if self.open.is_empty() {
                return Scan::Done(at + c.len_utf8());
            }
        }
        Scan::More
    }

    /// Reads one character; false if it must not stand here.
    fn read(&mut self, c: char) -> bool {
        let is_space = matches!(c, ' ' | '\n' | '\r' | '\t');
        match self.state {
            State::Text { is_name, escape } => return self.read_text(c, is_name, escape),
            State::Number(number) => {
                if let Some(number) = number.read(c) {
                    self.state = State::Number(number);
                    return true;
                }
                if !number.may_end() {
                    return false;
                }
                self.state = State::Next;
                return is_space || self.read_next(c);
            }
            State::Word(rest) => {
                let Some(rest) = rest.strip_prefix(c) else { return false };
                self.state = if rest.is_empty() { State::Next } else { State::Word(rest) };
                return true;
            }
            _ if is_space => return !self.open.is_empty(),
            State::Value { or_end } => return self.read_value(c, or_end),
            State::Name { or_end } => match c {
                '"' => self.state = State::Text { is_name: true, escape: Escape::None },
                '}' if or_end => return self.close(b'{'),
                _ => return false,
            },
            State::Colon => match c {
                ':' => self.state = State::Value { or_end: false },
                _ => return false,
            },
            State::Next => return self.read_next(c),
        }
        true
    }

    fn read_value(&mut self, c: char, or_end: bool) -> bool {
        self.state = match c {
            '{' => return self.open(b'{', State::Name { or_end: true }),
            '[' => return self.open(b'[', State::Value { or_end: true }),
            ']' if or_end => return self.close(b'['),
            _ if self.open.is_empty() => return false,
            '"' => State::Text { is_name: false, escape: Escape::None },
            't' => State::Word("rue"),
            'f' => State::Word("alse"),
            'n' => State::Word("ull"),
            '-' => State::Number(Number::Minus),
            '0' => State::Number(Number::Zero),
            '1'..='9' => State::Number(Number::Whole),
            _ => return false,
        };
        true
    }

    fn read_next(&mut self, c: char) -> bool {
        match (c, self.open.last()) {
            (',', Some(b'{')) => self.state = State::Name { or_end: false },
            (',', Some(_)) => self.state = State::Value { or_end: false },
            ('}', _) => return self.close(b'{'),
            (']', _) => return self.close(b'['),
            _ => return false,
        }
        true
    }

    fn read_text(&mut self, c: char, is_name: bool, escape: Escape) -> bool {
        let escape = match (escape, c) {
            (Escape::None, '"') => {
                self.state = if is_name { State::Colon } else { State::Next };
                return true;
            }
            (Escape::None, '\\') => Escape::Any,
            (Escape::None, _) => Escape::None,
            (Escape::Any, 'u') => Escape::Hex(4),
            (Escape::Any, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Escape::None,
            (Escape::Hex(1), c) if c.is_ascii_hexdigit() => Escape::None,
            (Escape::Hex(left), c) if c.is_ascii_hexdigit() => Escape::Hex(left - 1),
            _ => return false,
        };
        self.state = State::Text { is_name, escape };
        true
    }

    fn open(&mut self, what: u8, state: State) -> bool {
        self.open.push(what);
        self.state = state;
        self.open.len() <= MAX_NESTING
    }

    fn close(&mut self, what: u8) -> bool {
        self.state = State::Next;
        self.open.pop() == Some(what)
    }
}

impl Number {
    fn read(self, c: char) -> Option<Self> {
        Some(match (self, c) {
            (Self::Minus, '0') => Self::Zero,
            (Self::Minus, '1'..='9') | (Self::Whole, '0'..='9') => Self::Whole,
            (Self::Zero | Self::Whole, '.') => Self::Point,
            (Self::Point | Self::Fraction, '0'..='9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, 'e' | 'E') => Self::Power,
            (Self::Power, '+' | '-') => Self::PowerSign,
            (Self::Power | Self::PowerSign | Self::PowerDigits, '0'..='9') => Self::PowerDigits,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::PowerDigits)
    }
}

/// Appends a piece of text as it stands between the quotes of a JSON string.
pub fn push_text(out: &mut String, text: &str) {
    text.chars().for_each(|c| push_escaped(out, c));
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        _ => out.push(c),
    }
}
