//! `lantern template`: the text that a chat template makes of a conversation, to find out what a model is really told.

use lantern_engine::{ChatTemplate, EngineError, TemplateError, TemplateOptions, Tokenizer};
use lantern_gguf::GgufFile;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::error::CliError;
use crate::{jsonl, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Answer lines of JSON on standard input
    #[arg(long, required = true)]
    jsonl: bool,
    /// The model whose template is meant where a line has none
    #[arg(long, short)]
    model: Option<String>,
}

const AFTER_HELP: &str = "\
Lines of {\"template\": \"…\", \"bos_token\": \"…\", \"eos_token\": \"…\", \"messages\": […], \"tools\": […], \
\"add_generation_prompt\": true, \"now\": \"2025-01-15T12:34:56\", \"kwargs\": {…}} are answered by lines of \
{\"text\": \"…\"}, or {\"error\": \"…\"}. Only messages are required, and the template or --model.";

#[derive(Deserialize)]
struct Question {
    template: Option<String>,
    #[serde(default, deserialize_with = "jsonl::null_is_default")]
    bos_token: String,
    #[serde(default, deserialize_with = "jsonl::null_is_default")]
    eos_token: String,
    messages: Vec<Json>,
    tools: Option<Json>,
    /// Hugging Face's renderer takes `false` for granted, people who ask a model want `true`.
    add_generation_prompt: Option<bool>,
    /// What the template's clock shows.
    now: Option<String>,
    #[serde(default, deserialize_with = "jsonl::null_is_default")]
    kwargs: Map<String, Json>,
}

#[derive(Serialize)]
struct Answer {
    text: String,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let of_model = args.model.as_deref().map(of_model).transpose()?;
    jsonl::answer(|question| Ok(Answer { text: render(question, of_model.as_ref())? }))
}

fn of_model(name: &str) -> Result<ChatTemplate, CliError> {
    let file = GgufFile::open(&place::model_path(name)?)?;
    let tokenizer = Tokenizer::from_gguf(&file).map_err(EngineError::from)?;
    Ok(ChatTemplate::from_gguf(&file, &tokenizer).map_err(EngineError::from)?)
}

fn render(question: Question, of_model: Option<&ChatTemplate>) -> Result<String, String> {
    let now = question.now.as_deref().map(str::parse).transpose();
    let options = TemplateOptions {
        add_generation_prompt: question.add_generation_prompt.unwrap_or(true),
        tools: question.tools,
        now: now.map_err(|error| format!("`now` is not a date and time: {error}"))?,
        variables: question.kwargs,
    };
    let own = question
        .template
        .map(|text| ChatTemplate::from_source(&text, &question.bos_token, &question.eos_token).map_err(told));
    let template = match &own {
        Some(template) => template.as_ref().map_err(String::clone)?,
        None => of_model.ok_or("the line has no template, and no model was named with --model")?,
    };
    template.render_json(question.messages, &options).map_err(told)
}

/// What a template says itself, in its own words.
fn told(error: TemplateError) -> String {
    match error {
        TemplateError::Refused { message, .. } => message,
        error => error.to_string(),
    }
}
