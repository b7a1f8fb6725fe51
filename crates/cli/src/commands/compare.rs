//! `lantern compare`: two files of a model held against each other on this machine.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use lantern_app::CompareStream;
use lantern_hub::human_bytes;
use lantern_protocol::{
    CompareEvent, CompareProgress, CompareRequest, CompareStage, CompareText, ComparedModel, Comparison,
    Measurement,
};

use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model that the other is held against: the larger one, usually
    a: String,
    /// The other
    b: String,
    /// What both read, in UTF-8 [default: a text that comes with Lantern]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Read the last prompts of the conversations here, with their answers
    #[arg(long, value_name = "COUNT", conflicts_with = "text", value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: Option<u32>,
    /// About how long it may take; less of the text is read when that is short
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(5..=3600))]
    seconds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Both must have the same tokens. They come into memory one after the other. Perplexity is over all tokens behind the first \
quarter of each window of 512, so it is not that of `lantern perplexity`. The divergence takes all but the 64 likeliest \
tokens as one.";

pub async fn run(args: Args) -> Result<(), CliError> {
    let text = match (&args.text, args.last) {
        (Some(path), _) => CompareText::Given {
            text: std::fs::read_to_string(path).map_err(|error| CliError::file("read", path, &error))?,
        },
        (None, Some(count)) => CompareText::LastPrompts { count },
        (None, None) => CompareText::BuiltIn,
    };
    let request = CompareRequest { a: args.a, b: args.b, text, seconds: Some(args.seconds) };
    let app = place::app().await?;
    let result = follow(app.compare(request).await?).await;
    app.shutdown().await;
    let comparison = result?;
    if args.json { output::json(&comparison) } else { print(&comparison) }
}

/// Shows the progress until the end. Ctrl-C stops it.
async fn follow(mut stream: CompareStream) -> Result<Comparison, CliError> {
    let bar = ProgressBar::new(1000);
    bar.set_style(
        ProgressStyle::with_template("{bar:32} {percent} %  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut interrupts = Interrupts::listen()?;
    let end = loop {
        tokio::select! {
            event = stream.next() => match event {
                Some(CompareEvent::Progress { progress }) => show(&bar, &progress),
                Some(CompareEvent::Done { comparison }) => break Ok(*comparison),
                Some(CompareEvent::Failed { error }) => break Err(error.into()),
                None => break Err(CliError::internal("the comparison ended without a word")),
            },
            () = interrupts.next() => break Err(CliError::Interrupted),
        }
    };
    bar.finish_and_clear();
    end
}

fn show(bar: &ProgressBar, progress: &CompareProgress) {
    let stage = match progress.stage {
        CompareStage::Loading => "is loaded",
        CompareStage::Speed => "is measured",
        CompareStage::Reading => "reads",
    };
    bar.set_position((f64::from(progress.done) * 1000.0).clamp(0.0, 1000.0) as u64);
    bar.set_message(format!("{} {stage}", progress.model));
}

fn print(comparison: &Comparison) -> Result<(), CliError> {
    let Comparison { a, b, .. } = comparison;
    let row = |name: &str, of: &dyn Fn(&ComparedModel) -> String| vec![name.to_owned(), of(a), of(b)];
    let told = |Measurement { value, error }: Measurement, decimals: usize| {
        format!("{value:.decimals$} ± {error:.decimals$}")
    };
    output::table(&[
        vec![String::new(), a.model.clone(), b.model.clone()],
        row("type", &|model| model.quantisation.clone()),
        row("file", &|model| human_bytes(model.file_bytes)),
        row("memory", &|model| human_bytes(model.memory_bytes)),
        row("loading", &|model| format!("{:.1} s", model.load_seconds)),
        row("reading", &|model| format!("{:.1} tokens/s", model.reading_tokens_per_second)),
        row("writing", &|model| format!("{:.1} tokens/s", model.writing_tokens_per_second)),
        row("perplexity", &|model| told(model.perplexity, 3)),
    ])?;
    output::line("")?;
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    output::table(&[
        row("same next token", format!("{} %", told(comparison.same_top_percent, 1))),
        row("change of perplexity", format!("{} %", told(comparison.perplexity_change_percent, 2))),
        row("KL divergence", told(comparison.divergence, 4)),
        row(
            "over",
            format!(
                "{} tokens of {}, in {:.0} s",
                comparison.scored_tokens, comparison.text, comparison.seconds
            ),
        ),
    ])?;
    output::line("")?;
    output::line(&comparison.summary)
}
