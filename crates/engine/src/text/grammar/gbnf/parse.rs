//! The notation of GBNF.

use std::collections::HashMap;

use super::GbnfError;

/// Groups in groups.
const DEEPEST: usize = 20;
/// How often something may be repeated.
const MOST: u32 = 10_000;
const MOST_RULES: usize = 10_000;

/// One of which a text must be.
pub(super) type Alternatives = Vec<Vec<Repeated>>;

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) alternatives: Alternatives,
}

#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) item: Item,
    pub(super) min: u32,
    /// `None`: any number.
    pub(super) max: Option<u32>,
}

#[derive(Debug)]
pub(super) enum Item {
    Literal(String),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Rule(usize),
    Group(Alternatives),
    /// A token by its name or id, in angle brackets.
    Token(String),
}

/// The rules of a grammar, every one of them defined and one of them `root`.
pub(super) fn parse(grammar: &str) -> Result<Vec<Rule>, GbnfError> {
    let mut parser = Parser { text: grammar, at: 0, names: HashMap::new(), rules: Vec::new() };
    parser.space(true);
    while !parser.rest().is_empty() {
        parser.rule()?;
        parser.space(true);
    }
    parser.finish()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: HashMap<&'a str, usize>,
    /// Where each rule was first named, and what it is.
    rules: Vec<(usize, &'a str, Option<Alternatives>)>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, what: &str) -> bool {
        let is_there = self.rest().starts_with(what);
        if is_there {
            self.at += what.len();
        }
        is_there
    }

    fn error<T>(&self, at: usize, reason: impl Into<String>) -> Result<T, GbnfError> {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        Err(GbnfError { line, column: before[line_start..].chars().count() + 1, reason: reason.into() })
    }

    /// Passes spaces and comments, and ends of lines where they mean nothing.
    fn space(&mut self, newlines: bool) {
        loop {
            let is_space = |c: char| c == ' ' || c == '\t' || newlines && (c == '\n' || c == '\r');
            let rest = self.rest().trim_start_matches(is_space);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn name(&mut self) -> Result<&'a str, GbnfError> {
        let rest = self.rest();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if len == 0 {
            return self.error(self.at, "a name is expected");
        }
        self.at += len;
        Ok(&rest[..len])
    }

    /// The number of a rule.
    fn number(&mut self, name: &'a str, at: usize) -> Result<usize, GbnfError> {
        if self.rules.len() >= MOST_RULES {
            return self.error(at, format!("there are more than {MOST_RULES} rules"));
        }
        let (rules, next) = (&mut self.rules, self.names.len());
        Ok(*self.names.entry(name).or_insert_with(|| {
            rules.push((at, name, None));
            next
        }))
    }

    fn rule(&mut self) -> Result<(), GbnfError> {
        let start = self.at;
        let name = self.name()?;
        self.space(false);
        if !self.take("::=") {
            return self.error(self.at, "`::=` is expected");
        }
        self.space(true);
        let number = self.number(name, start)?;
        if self.rules[number].2.is_some() {
            return self.error(start, format!("`{name}` is defined twice"));
        }
        let alternatives = self.alternatives(0)?;
        self.rules[number].2 = Some(alternatives);
        match self.peek() {
            None | Some('\n' | '\r') => Ok(()),
            Some(other) => self.error(self.at, format!("`{other}` is not expected here")),
        }
    }

    fn alternatives(&mut self, depth: usize) -> Result<Alternatives, GbnfError> {
        if depth > DEEPEST {
            return self.error(self.at, format!("groups are nested more than {DEEPEST} levels deep"));
        }
        let mut alternatives = Vec::new();
        loop {
            let mut items = Vec::new();
            while let Some(item) = self.item(depth)? {
                let (min, max) = self.repetition()?;
                items.push(Repeated { item, min, max });
                self.space(depth > 0);
            }
            alternatives.push(items);
            // A line that begins so goes on with the rule before.
            let before = self.at;
            self.space(true);
            if !self.take("|") {
                self.at = before;
                return Ok(alternatives);
            }
            self.space(true);
        }
    }

    fn item(&mut self, depth: usize) -> Result<Option<Item>, GbnfError> {
        let start = self.at;
        let item = match self.peek() {
            Some('"') => self.literal()?,
            Some('[') => self.class()?,
            Some('.') => {
                self.at += 1;
                Item::Class { negated: false, ranges: vec![('\0', char::MAX)] }
            }
            Some('(') => {
                self.at += 1;
                self.space(true);
                let inner = self.alternatives(depth + 1)?;
                self.space(true);
                if !self.take(")") {
                    return self.error(start, "this group has no end");
                }
                Item::Group(inner)
            }
            Some('<') => {
                let rest = self.rest();
                let Some(end) = rest.find(['>', '\n', ' ']).filter(|&end| rest[end..].starts_with('>'))
                else {
                    return self.error(start, "this token's name has no end");
                };
                self.at += end + 1;
                Item::Token(rest[..=end].to_owned())
            }
            Some('!') => return self.error(start, "all tokens but one cannot be named"),
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
                let name = self.name()?;
                Item::Rule(self.number(name, start)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(item))
    }

    fn literal(&mut self) -> Result<Item, GbnfError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => return self.error(start, "this text has no end"),
                Some('"') => {
                    self.at += 1;
                    return Ok(Item::Literal(text));
                }
                Some(_) => text.push(self.character()?),
            }
        }
    }

    fn class(&mut self) -> Result<Item, GbnfError> {
        let start = self.at;
        self.at += 1;
        let negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            if matches!(self.peek(), None | Some('\n')) {
                return self.error(start, "this list of characters has no end");
            }
            let at = self.at;
            let from = self.character()?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            let to = if is_range {
                self.at += 1;
                self.character()?
            } else {
                from
            };
            if from > to {
                return self.error(at, "the range runs backwards");
            }
            ranges.push((from, to));
        }
        match (ranges.is_empty(), negated) {
            (true, false) => self.error(start, "this list of characters is empty"),
            (true, true) => Ok(Item::Class { negated: false, ranges: vec![('\0', char::MAX)] }),
            (false, _) => Ok(Item::Class { negated, ranges }),
        }
    }

    /// A character of a text or a list, which may be written with a backslash.
    fn character(&mut self) -> Result<char, GbnfError> {
        let start = self.at;
        let Some(first) = self.peek() else { return self.error(start, "a character is expected") };
        self.at += first.len_utf8();
        if first != '\\' {
            return Ok(first);
        }
        let Some(escaped) = self.peek() else { return self.error(start, "a character is expected") };
        self.at += escaped.len_utf8();
        let digits = match escaped {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' | '\'' => return Ok(escaped),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return self.error(start, format!("`\\{escaped}` has no meaning")),
        };
        let code = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => {
                self.at += digits;
                Ok(c)
            }
            None => self.error(start, format!("{digits} hexadecimal digits of a character are expected")),
        }
    }

    fn repetition(&mut self) -> Result<(u32, Option<u32>), GbnfError> {
        for (sign, range) in [("*", (0, None)), ("+", (1, None)), ("?", (0, Some(1)))] {
            if self.take(sign) {
                return Ok(range);
            }
        }
        let start = self.at;
        if !self.take("{") {
            return Ok((1, Some(1)));
        }
        let Some((inside, _)) = self.rest().split_once('}') else {
            return self.error(start, "this repetition has no end");
        };
        self.at += inside.len() + 1;
        let count = |text: &str| text.trim().parse::<u32>().ok().filter(|&count| count <= MOST);
        let range = match inside.split_once(',') {
            None => count(inside).map(|count| (count, Some(count))),
            Some((min, max)) if max.trim().is_empty() => count(min).map(|min| (min, None)),
            Some((min, max)) => count(min).zip(count(max)).map(|(min, max)| (min, Some(max))),
        };
        match range {
            Some((min, max)) if max.is_none_or(|max| min <= max) => Ok((min, max)),
            _ => self.error(start, format!("how often is not a range of numbers up to {MOST}")),
        }
    }

    fn finish(self) -> Result<Vec<Rule>, GbnfError> {
        if !self.names.contains_key("root") {
            return self.error(0, "there is no rule named root");
        }
        let undefined = self.rules.iter().find(|(_, _, alternatives)| alternatives.is_none());
        if let Some((at, name, _)) = undefined {
            return self.error(*at, format!("the rule `{name}` is named and not defined"));
        }
        let rule = |(_, name, alternatives): (usize, &str, Option<Alternatives>)| Rule {
            name: name.to_owned(),
            alternatives: alternatives.unwrap_or_default(),
        };
        Ok(self.rules.into_iter().map(rule).collect())
    }
}
