//! Runs one template with limits on steps, time, size and depth, and without any way out.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

use super::budget::{Budget, LimitHit, MAX_OUTPUT, MAX_STEPS, MAX_TEMPLATE};
use super::functions::Raised;
use super::{TemplateError, functions, guard, methods};

const NAME: &str = "chat_template";

/// Stack for one render: a value nested by the steps of a hostile template must not end the program. Only what is
/// used becomes memory.
const STACK: usize = 256 << 20;

/// The name of threads with so much stack.
const THREAD: &str = "chat-template";

/// Checks a template's length and syntax and returns the form that [`render`] takes.
pub fn prepare(template: &str) -> Result<String, TemplateError> {
    if template.len() > MAX_TEMPLATE {
        let limit = format!("it has {} bytes, the limit is {MAX_TEMPLATE}", template.len());
        return Err(TemplateError::Limit { limit });
    }
    let template = without_generation_tags(template);
    on_large_stack(|| {
        let tree = parse(&template, NAME, syntax(true)).map_err(|error| explain(&error))?;
        let template =
            guard::rewrite(&tree).map_err(|(line, cause)| TemplateError::Syntax { line, cause })?;
        let env = environment(&Arc::new(Budget::new()), None);
        env.template_from_named_str(NAME, &template).map_err(|error| explain(&error))?;
        Ok(template)
    })
}

/// Renders a prepared template.
pub fn render(
    template: &str,
    variables: Value,
    now: Option<jiff::civil::DateTime>,
) -> Result<String, TemplateError> {
    on_large_stack(|| {
        let env = environment(&Arc::new(Budget::new()), now);
        let template = env.template_from_named_str(NAME, template).map_err(|error| explain(&error))?;
        let mut out = Limited(Vec::new());
        let result = template.render_captured_to(variables, &mut out).map(|_| ());
        if out.0.len() >= MAX_OUTPUT {
            return Err(TemplateError::Limit { limit: format!("it wrote more than {MAX_OUTPUT} bytes") });
        }
        result.map_err(|error| explain(&error))?;
        String::from_utf8(out.0).map_err(|error| TemplateError::Render { line: 0, cause: error.to_string() })
    })
}

/// Runs `work` on a thread of its own and waits for it; on a thread by that name, which whoever renders much can keep, at
/// once.
fn on_large_stack<T: Send>(
    work: impl FnOnce() -> Result<T, TemplateError> + Send,
) -> Result<T, TemplateError> {
    if std::thread::current().name() == Some(THREAD) {
        return work();
    }
    let failed = |cause: &str| TemplateError::Render { line: 0, cause: cause.into() };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(THREAD.into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| failed(&error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(failed("the template engine panicked")))
    })
}

/// The delimiters and white space of templates as they come, or of those the guard has written.
fn syntax(original: bool) -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.trim_blocks(original).lstrip_blocks(original);
    builder.build().expect("the default delimiters are valid")
}

/// Hugging Face's dialect.
fn environment(budget: &Arc<Budget>, now: Option<jiff::civil::DateTime>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_syntax(syntax(false));
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
