//! Runs one template with limits on steps, time, size and depth, and without any way out.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

use super::budget::{Budget, LimitHit, MAX_OUTPUT, MAX_STEPS, MAX_TEMPLATE};
use super::functions::Raised;
use super::{TemplateError, functions, methods};

const NAME: &str = "chat_template";

/// Checks a template's length and syntax and returns the form that [`render`] takes.
pub fn prepare(template: &str) -> Result<String, TemplateError> {
    if template.len() > MAX_TEMPLATE {
        let limit = format!("it has {} bytes, the limit is {MAX_TEMPLATE}", template.len());
        return Err(TemplateError::Limit { limit });
    }
    let template = without_generation_tags(template);
    let env = environment(&Arc::new(Budget::new()), None);
    env.template_from_named_str(NAME, &template).map_err(|error| explain(&error))?;
    Ok(template)
}

/// Renders a prepared template.
pub fn render(
    template: &str,
    variables: Value,
    now: Option<jiff::civil::DateTime>,
) -> Result<String, TemplateError> {
    let env = environment(&Arc::new(Budget::new()), now);
    let template = env.template_from_named_str(NAME, template).map_err(|error| explain(&error))?;
    let mut out = Limited(Vec::new());
    let result = template.render_captured_to(variables, &mut out).map(|_| ());
    if out.0.len() >= MAX_OUTPUT {
        return Err(TemplateError::Limit { limit: format!("it wrote more than {MAX_OUTPUT} bytes") });
    }
    result.map_err(|error| explain(&error))?;
    String::from_utf8(out.0).map_err(|error| TemplateError::Render { line: 0, cause: error.to_string() })
}

/// Hugging Face's dialect.
fn environment(budget: &Arc<Budget>, now: Option<jiff::civil::DateTime>) -> Environment<'static> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.expect("the default delimiters are valid"));
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(MAX_STEPS));
    env.set_recursion_limit(100);
    functions::add(&mut env, budget, now);
    let of = budget.clone();
    env.set_unknown_method_callback(move |state, value, method, args| {
        methods::call(&of, state, value, method, args)
    });
    let of = budget.clone();
    env.set_formatter(move |out, state, value| {
        of.charge(value.as_str().map_or(64, str::len))?;
        escape_formatter(out, state, value)
    });
    env
}

/// Output that ends at the limit.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MAX_OUTPUT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(io::Error::other("the output is too long")) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn explain(error: &Error) -> TemplateError {
    let line = error.line().unwrap_or(0);
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return TemplateError::Refused { message: message.clone(), line };
        }
        if let Some(LimitHit(limit)) = inner.downcast_ref() {
            return TemplateError::Limit { limit: limit.clone() };
        }
        source = inner.source();
    }
    let cause = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.kind() {
        ErrorKind::OutOfFuel => {
            TemplateError::Limit { limit: format!("it took more than {MAX_STEPS} steps") }
        }
        ErrorKind::SyntaxError => TemplateError::Syntax { line, cause },
        _ if error.detail().is_some_and(|detail| detail.contains("recursion limit")) => {
            TemplateError::Limit { limit: "it calls itself too deeply".into() }
        }
        _ => TemplateError::Render { line, cause },
    }
}

/// Replaces `{% generation %}` and `{% endgeneration %}`, which mark the assistant's tokens for training, by an
/// `if true` of the same effect on white space.
fn without_generation_tags(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open + 2);
        out.push_str(before);
        let Some(close) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inner = &tag[..close];
        let word = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        match word {
            "generation" => out.push_str(&inner.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&inner.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(inner),
        }
        rest = &tag[close..];
    }
    out + rest
}
