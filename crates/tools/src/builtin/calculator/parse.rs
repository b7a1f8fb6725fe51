//! Reads an expression and computes it on the way.

use super::number::Number;

/// Longest expression, in characters.
const MOST_CHARACTERS: usize = 2000;
/// Parentheses, signs and powers in each other.
const MOST_DEPTH: usize = 64;
/// Arguments of a function.
const MOST_ARGUMENTS: usize = 100;

type Result<T = Number> = std::result::Result<T, String>;

/// The value of an expression.
pub(super) fn evaluate(expression: &str) -> Result {
    if expression.chars().count() > MOST_CHARACTERS {
        return Err(format!("it has more than {MOST_CHARACTERS} characters"));
    }
    let mut reader = Reader { rest: expression, depth: 0 };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected()),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// The next character that is no space. Signs as people write them are taken for those of keyboards.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next().map(|c| match c {
            '×' | '·' | '∙' => '*',
            '÷' | ':' => '/',
            '−' | '–' => '-',
            other => other,
        })
    }

    fn skip(&mut self) {
        let mut characters = self.rest.chars();
        characters.next();
        self.rest = characters.as_str();
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.skip();
        }
        is_there
    }

    fn unexpected(&self) -> String {
        match self.rest.trim_start() {
            "" => "it ends too early".into(),
            rest => format!("`{}` does not belong there", rest.chars().take(20).collect::<String>()),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(format!("it is nested more than {MOST_DEPTH} deep"));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn sum(&mut self) -> Result {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                value = value.plus(&self.product()?)?;
            } else if self.take('-') {
                value = value.minus(&self.product()?)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result {
        let mut value = self.signed()?;
        loop {
            if self.take('*') {
                value = value.times(&self.signed()?)?;
            } else if self.take('/') {
                value = value.over(&self.signed()?)?;
            } else if self.take('%') {
                value = value.rest(&self.signed()?)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// A sign binds less than a power: -2^2 is -4.
    fn signed(&mut self) -> Result {
        if self.take('-') {
            return Ok(self.deeper(Self::signed)?.negated());
        }
        if self.take('+') {
            return self.deeper(Self::signed);
        }
        self.power()
    }

    fn power(&mut self) -> Result {
        let base = self.factorial()?;
        let doubled = self.peek() == Some('*') && self.rest.starts_with("**");
        if doubled {
            self.skip();
            self.skip();
        }
        if doubled || self.take('^') {
            // To the right: 2^3^2 is 2^9.
            let exponent = self.deeper(Self::signed)?;
            return base.power(&exponent);
        }
        Ok(base)
    }

    fn factorial(&mut self) -> Result {
        let mut value = self.atom()?;
        while self.take('!') {
            value = value.factorial()?;
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result {
        match self.peek() {
            Some('(') => {
                self.skip();
                let value = self.deeper(Self::sum)?;
                self.close()?;
                Ok(value)
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() => self.function(),
            _ => Err(self.unexpected()),
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.take(')') { Ok(()) } else { Err(format!("a `)` is missing: {}", self.unexpected())) }
    }

    fn digits(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.replace('_', "")
    }

    fn number(&mut self) -> Result {
        let whole = self.digits();
        let fraction = match self.rest.strip_prefix('.') {
            Some(rest) => {
                self.rest = rest;
                self.digits()
            }
            None => String::new(),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err("`.` alone is no number".into());
        }
        if self.rest.starts_with('.') {
            return Err(self.unexpected());
        }
        let exponent = self.exponent()?;
        Number::decimal(&whole, &fraction, exponent)
    }

    /// `e-3` behind a number.
    fn exponent(&mut self) -> Result<i32> {
        let Some(rest) = self.rest.strip_prefix(['e', 'E']) else { return Ok(0) };
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(0);
        }
        self.rest = rest;
        let digits = self.digits();
        digits
            .parse::<i32>()
            .map(|n| sign * n)
            .map_err(|_| "the numbers become longer than 4000 digits".into())
    }

    fn function(&mut self) -> Result {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.to_lowercase();
        self.rest = rest;
        if !self.take('(') {
            return Err(format!("`{}` is no number", name.chars().take(20).collect::<String>()));
        }
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.deeper(Self::sum)?);
            if arguments.len() > MOST_ARGUMENTS {
                return Err(format!("a function takes at most {MOST_ARGUMENTS} numbers"));
            }
            if !self.take(',') && !self.take(';') {
                break;
            }
        }
        self.close()?;
        call(&name, &arguments)
    }
}

fn call(name: &str, arguments: &[Number]) -> Result {
    match (name, arguments) {
        ("sqrt", [number]) => number.root(),
        ("abs", [number]) => Ok(number.abs()),
        ("floor", [number]) => Ok(number.floor()),
        ("ceil", [number]) => Ok(number.ceil()),
        ("round", [number]) => number.round(None),
        ("round", [number, places]) => number.round(Some(places)),
        ("min" | "max", [first, rest @ ..]) => {
            let better = |a: &Number, b: &Number| if name == "min" { b.is_less(a) } else { a.is_less(b) };
            let chosen = rest.iter().fold(first, |best, next| if better(best, next) { next } else { best });
            Ok(chosen.clone())
        }
        ("sqrt" | "abs" | "floor" | "ceil" | "round", _) => {
            Err(format!("`{name}` does not take {} numbers", arguments.len()))
        }
        _ => Err(format!("there is no function `{}`", name.chars().take(20).collect::<String>())),
    }
}
