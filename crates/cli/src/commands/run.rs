//! `lantern run`: one prompt, one answer, nothing kept but what makes the next run faster, where the settings want it.

use std::io::Read;
use std::path::{Path, PathBuf};

use lantern_app::{AppOptions, Thoughts};
use lantern_engine::{
    ChatMessage, ContentPart, FinishReason, GenerateRequest, GenerationEvent, GenerationStream, Picture,
    Priority, Prompt, SamplingParams, Timings, Usage,
};

use lantern_protocol::SamplingSettings;

use crate::constraint::ConstraintArgs;
use crate::device_args::DeviceArgs;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model
    model: String,
    /// The prompt; `-`, or nothing, reads it from standard input
    prompt: Option<String>,
    #[command(flatten)]
    sampling: Sampling,
    /// Tokens the answer may have [default: up to the context]
    #[arg(long, short = 'n')]
    max_tokens: Option<usize>,
    /// Tokens that the prompt and its answer may have together [default: what the settings say]
    #[arg(long, value_parser = clap::value_parser!(u32).range(64..))]
    context: Option<u32>,
    /// Instructions that stand before the prompt [default: the system prompt of the settings]
    #[arg(long)]
    system: Option<String>,
    /// Continue the prompt as it is, without the chat template
    #[arg(long, conflicts_with = "system")]
    raw: bool,
    /// A picture to show before the prompt; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    image: Vec<PathBuf>,
    /// Ends the answer before this text; may be given several times
    #[arg(long)]
    stop: Vec<String>,
    /// Print counts and speeds to standard error at the end
    #[arg(long)]
    stats: bool,
    /// Keep a packed copy of the model on disk, as large as the model, so that later loads are faster
    #[arg(long)]
    keep_packed: bool,
    /// Write token by token, without guessing what comes next; the answer is the same
    #[arg(long)]
    no_guess: bool,
    /// A smaller model with the same tokens that guesses what comes next; the answer is the same
    #[arg(long, value_name = "MODEL", conflicts_with = "no_guess")]
    draft: Option<String>,
    #[command(flatten)]
    constraint: ConstraintArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(clap::Args)]
struct Sampling {
    /// 0 always takes the likeliest token [default: the model's or the settings']
    #[arg(long, allow_negative_numbers = true)]
    temp: Option<f32>,
    /// Keeps the k likeliest tokens; 0 keeps all
    #[arg(long)]
    top_k: Option<u32>,
    /// Keeps the likeliest tokens up to this probability in sum
    #[arg(long, allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Drops tokens less likely than this share of the likeliest
    #[arg(long, allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// Divides the logits of recent tokens; 1 is off
    #[arg(long, allow_negative_numbers = true)]
    repeat_penalty: Option<f32>,
    /// The same seed gives the same answer
    #[arg(long)]
    seed: Option<u64>,
}

impl Sampling {
    /// What was asked for, and for the rest what holds for the model.
    fn over(&self, settings: &SamplingSettings) -> SamplingParams {
        SamplingParams {
            temperature: self.temp.unwrap_or(settings.temperature),
            top_k: self.top_k.unwrap_or(settings.top_k),
            top_p: self.top_p.unwrap_or(settings.top_p),
            min_p: self.min_p.unwrap_or(settings.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(settings.repeat_penalty),
            presence_penalty: settings.presence_penalty,
            frequency_penalty: settings.frequency_penalty,
            seed: self.seed.or(settings.seed.map(u64::from)),
            ..SamplingParams::default()
        }
    }
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let pictures = args.image.iter().map(|path| picture(path)).collect::<Result<Vec<_>, _>>()?;
    let text = prompt_text(args.prompt)?;
    let options = AppOptions {
        keep_packed: args.keep_packed,
        no_guess: args.no_guess,
        draft: args.draft.as_deref().map(place::model_path).transpose()?,
        ..AppOptions::default()
    };
    let constraint = args.constraint.read()?;
    let app = place::app_on(args.device, options).await?;
    let name = place::name_in(&app, &args.model).await?;
    let answering = app.answering(Some(&name), args.context).await?;
    let engine = answering.local().map(|loaded| &loaded.engine);
    if let Some(engine) = engine {
        place::note_slow_types(engine.info());
        place::note_template(engine.info());
    }
    let settings = app.settings_for(Some(answering.id())).await?;
    let system = args.system.unwrap_or(settings.system_prompt);
    let prompt = if args.raw { Prompt::Text(text) } else { chat(text, pictures, &system) };
    let request = GenerateRequest {
        constraint,
        sampling: args.sampling.over(&settings.sampling),
        max_tokens: args.max_tokens,
        stop: args.stop,
        priority: Priority::Chat,
        context_length: answering.context_length(),
        ..GenerateRequest::new(prompt)
    };
    let stream = answering.generate(request).await?;
    let (reason, usage, timings) = print(stream).await?;
    if args.stats {
        output::note(stats(&usage, &timings));
        match engine {
            Some(engine) => output::note(format!("GPU: {}", engine.info().device)),
            None => output::note(format!("{} answered on its server", answering.id())),
        }
    }
    // The answer is there already; a copy that is left half done would be begun anew each time.
    if let Some(engine) = engine {
        tokio::task::block_in_place(|| engine.finish_packed_copy());
    }
    app.shutdown().await;
    match reason {
        FinishReason::Cancelled => Err(CliError::Interrupted),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Length => Ok(()),
    }
}

fn prompt_text(given: Option<String>) -> Result<String, CliError> {
    match given {
        Some(text) if text != "-" => Ok(text),
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                CliError::new(
                    "bad_input",
                    format!("Standard input could not be read: {error}."),
                    "Pipe UTF-8 text into the command.",
                )
            })?;
            Ok(text)
        }
    }
}

fn picture(path: &Path) -> Result<Picture, CliError> {
    let bytes = std::fs::read(path).map_err(|error| {
        CliError::new(
            "bad_input",
            format!("{} could not be read: {error}.", path.display()),
            "Name a file that is a picture.",
        )
    })?;
    Ok(Picture::decode(&bytes)?)
}

fn chat(text: String, pictures: Vec<Picture>, system: &str) -> Prompt {
    let system = (!system.trim().is_empty()).then(|| ChatMessage::new("system", system));
    let pictures = pictures.into_iter().map(ContentPart::Picture);
    let question = ChatMessage::of_parts("user", pictures.chain([ContentPart::Text(text)]).collect());
    Prompt::Messages { messages: system.into_iter().chain([question]).collect(), tools: None }
}

/// Writes the answer as it comes. Ctrl-C ends it and keeps what was written.
async fn print(mut stream: GenerationStream) -> Result<(FinishReason, Usage, Timings), CliError> {
    let mut interrupts = Interrupts::listen()?;
    let (mut at_line_start, mut thoughts) = (true, Thoughts::default());
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = interrupts.next() => {
                stream.cancel();
                continue;
            }
        };
        match event {
            Some(GenerationEvent::Text { text, .. }) if !text.is_empty() => {
                at_line_start = text.ends_with('\n');
                output::piece(&thoughts.said(text))?;
            }
            Some(GenerationEvent::Reasoning { text, .. }) if !text.is_empty() => {
                at_line_start = text.ends_with('\n');
                output::piece(&thoughts.thought(&text))?;
            }
            Some(GenerationEvent::Finished { reason, usage, timings, .. }) => {
                if !at_line_start {
                    output::piece("\n")?;
                }
                return Ok((reason, usage, timings));
            }
            Some(GenerationEvent::Failed(error)) => return Err(error.into()),
            Some(_) => {}
            None => return Err(CliError::internal("the answer ended without an end")),
        }
    }
}

fn stats(usage: &Usage, timings: &Timings) -> String {
    let read = usage.prompt_tokens.saturating_sub(usage.cached_tokens);
    let prefill = timings.prefill.as_secs_f64();
    format!(
        "{} tokens read ({:.1}/s), {} written ({:.1}/s), first after {:.2} s",
        usage.prompt_tokens,
        if prefill > 0.0 { read as f64 / prefill } else { 0.0 },
        usage.completion_tokens,
        timings.decode_tokens_per_second(usage.completion_tokens),
        timings.first_token.as_secs_f64(),
    )
}
