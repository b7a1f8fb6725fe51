//! Grammars as llama.cpp writes them (GBNF), turned into Lark's notation.
//!
//! GBNF knows only characters, Lark knows terminals. Whatever is regular in a grammar becomes a terminal, as large as it can be;
//! rules that lead to themselves stay rules. A terminal takes as much text as it can, so in grammars where that matters fewer
//! texts may be written than the grammar allows, and never others.

mod parse;

use std::fmt::Write;

use parse::{Alternatives, Item, Repeated, Rule, parse};

/// Bytes of a grammar.
pub(super) const LARGEST: usize = 256 << 10;

/// What is wrong with a GBNF grammar, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct GbnfError {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

/// The same grammar in Lark's notation.
pub(super) fn to_lark(grammar: &str) -> Result<String, GbnfError> {
    let rules = parse(grammar)?;
    let is_regular = regular(&rules);
    let mut lark = Lark { is_regular: &is_regular, out: String::new(), terminals: 0 };
    let root = rules.iter().position(|rule| rule.name == "root").unwrap_or_default();
    lark.out = format!("start: {}\n", lark.name(root));
    for (index, rule) in rules.iter().enumerate() {
        let body = match is_regular[index] {
            true => lark.terminal(&rule.alternatives),
            false => lark.rule(&rule.alternatives),
        };
        _ = writeln!(lark.out, "{}: {body}", lark.name(index));
    }
    Ok(lark.out)
}

/// Which rules are regular: those that name no token and never lead to themselves, nor to a rule that does.
fn regular(rules: &[Rule]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Unknown,
        Open,
        Regular(bool),
    }
    fn visit(index: usize, rules: &[Rule], states: &mut [State]) -> bool {
        match states[index] {
            State::Regular(is_regular) => return is_regular,
            // It leads to itself.
            State::Open => return false,
            State::Unknown => states[index] = State::Open,
        }
        let mut is_regular = !names_token(&rules[index].alternatives);
        let mut named = Vec::new();
        rules_in(&rules[index].alternatives, &mut named);
        for index in named {
            is_regular &= visit(index, rules, states);
        }
        states[index] = State::Regular(is_regular);
        is_regular
    }
    let mut states = vec![State::Unknown; rules.len()];
    (0..rules.len()).map(|index| visit(index, rules, &mut states)).collect()
}

fn names_token(alternatives: &Alternatives) -> bool {
    alternatives.iter().flatten().any(|repeated| match &repeated.item {
        Item::Token(_) => true,
        Item::Group(inner) => names_token(inner),
        _ => false,
    })
}

fn rules_in(alternatives: &Alternatives, found: &mut Vec<usize>) {
    for repeated in alternatives.iter().flatten() {
        match &repeated.item {
            Item::Rule(index) => found.push(*index),
            Item::Group(inner) => rules_in(inner, found),
            _ => {}
        }
    }
}

fn is_regular(item: &Item, rules: &[bool]) -> bool {
    match item {
        Item::Rule(index) => rules[*index],
        Item::Group(inner) => inner.iter().flatten().all(|repeated| is_regular(&repeated.item, rules)),
        Item::Token(_) => false,
        Item::Literal(_) | Item::Class { .. } => true,
    }
}

/// What is being written.
struct Lark<'a> {
    is_regular: &'a [bool],
    out: String,
    /// Terminals that have no name in the grammar.
    terminals: usize,
}

impl Lark<'_> {
    fn name(&self, index: usize) -> String {
        if self.is_regular[index] { format!("R{index}") } else { format!("r{index}") }
    }

    /// Alternatives of which all is regular.
    fn terminal(&self, alternatives: &Alternatives) -> String {
        let sequence = |items: &Vec<Repeated>| self.sequence(items);
        alternatives.iter().map(sequence).collect::<Vec<_>>().join(" | ")
    }

    fn sequence(&self, items: &[Repeated]) -> String {
        if items.is_empty() {
            return "\"\"".to_owned();
        }
        items.iter().map(|repeated| repeat(self.atom(&repeated.item), repeated)).collect::<Vec<_>>().join(" ")
    }

    fn atom(&self, item: &Item) -> String {
        match item {
            Item::Literal(text) => {
                serde_json::Value::from(text.as_str()).to_string().replace('\u{7F}', "\\u007F")
            }
            Item::Class { negated, ranges } => class(*negated, ranges),
            Item::Rule(index) => self.name(*index),
            Item::Group(inner) => format!("({})", self.terminal(inner)),
            Item::Token(name) => name.clone(),
        }
    }

    /// Alternatives of a rule, where what is regular becomes terminals.
    fn rule(&mut self, alternatives: &Alternatives) -> String {
        let (rules, mut written) = (self.is_regular, Vec::new());
        for items in alternatives {
            let mut parts = Vec::new();
            for run in items.chunk_by(|a, b| is_regular(&a.item, rules) == is_regular(&b.item, rules)) {
                match run {
                    [Repeated { item: Item::Rule(index), min: 1, max: Some(1) }] => {
                        parts.push(self.name(*index))
                    }
                    run if is_regular(&run[0].item, rules) => parts.push(self.unnamed(run)),
                    run => {
                        for repeated in run {
                            let atom = match &repeated.item {
                                Item::Group(inner) => format!("({})", self.rule(inner)),
                                item => self.atom(item),
                            };
                            parts.push(repeat(atom, repeated));
                        }
                    }
                }
            }
            written.push(if parts.is_empty() { "\"\"".to_owned() } else { parts.join(" ") });
        }
        written.join(" | ")
    }

    /// A terminal of its own for a run of regular items.
    fn unnamed(&mut self, run: &[Repeated]) -> String {
        let name = format!("T{}", self.terminals);
        self.terminals += 1;
        let body = self.sequence(run);
        _ = writeln!(self.out, "{name}: {body}");
        name
    }
}

fn repeat(atom: String, repeated: &Repeated) -> String {
    match (repeated.min, repeated.max) {
        (1, Some(1)) => atom,
        (0, Some(1)) => format!("{atom}?"),
        (0, None) => format!("{atom}*"),
        (1, None) => format!("{atom}+"),
        (min, None) => format!("({atom}~{min} {atom}*)"),
        (min, Some(max)) => format!("{atom}~{min}..{max}"),
    }
}

fn class(negated: bool, ranges: &[(char, char)]) -> String {
    let mut out = String::from(if negated { "/[^" } else { "/[" });
    for &(from, to) in ranges {
        _ = write!(out, "\\u{{{:X}}}-\\u{{{:X}}}", u32::from(from), u32::from(to));
    }
    out + "]/"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_regular_becomes_a_terminal() {
        let lark = to_lark("root ::= \"a\"+ ws | [^x-z\\n]{2,3}\nws ::= [ \\t]*").expect("a grammar");
        assert_eq!(
            lark,
            "start: R0\nR0: \"a\"+ R1 | /[^\\u{78}-\\u{7A}\\u{A}-\\u{A}]/~2..3\nR1: /[\\u{20}-\\u{20}\\u{9}-\\u{9}]/*\n"
        );
        let lark = to_lark("root ::= \"(\" ws root? \")\" | <|end|>\nws ::= \" \"*").expect("a grammar");
        assert_eq!(lark, "start: r0\nT0: \"(\" R1\nT1: \")\"\nr0: T0 r0? T1 | <|end|>\nR1: \" \"*\n");
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let place = |grammar: &str| {
            let error = to_lark(grammar).expect_err(grammar);
            (error.line, error.column, error.reason)
        };
        assert_eq!(place("root ::= \"a\"\nb ::= c").0, 2);
        assert!(place("root ::= c").2.contains("`c`"));
        assert!(place("a ::= \"x\"").2.contains("root"));
        assert_eq!((place("root ::= \"open").0, place("root ::= \"open").1), (1, 10));
        for bad in ["root", "root ::= (", "root ::= [z-a]", "root ::= \"a\"{3,2}", "root ::= *", "root = a"] {
            to_lark(bad).expect_err(bad);
        }
        for bad in
            ["root ::= \"a\"{1000000}", "root ::= \"\\q\"", "root ::= [a", "root ::= \"a\"\nroot ::= \"b\""]
        {
            to_lark(bad).expect_err(bad);
        }
        to_lark(&format!("root ::= {}\"a\"{}", "(".repeat(100), ")".repeat(100))).expect_err("too deep");
    }
}
