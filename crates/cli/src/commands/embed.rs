//! `lantern embed`: the vectors that texts become, for programs that compare or search texts.

use lantern_engine::EmbeddingModel;
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::{jsonl, output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model; one that was made for embeddings
    #[arg(long, short)]
    model: String,
    /// The texts
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    texts: Vec<String>,
    /// Numbers of each vector to keep, from the first
    #[arg(long)]
    dimensions: Option<usize>,
    /// Threads; 0 takes the fast cores
    #[arg(long, short, default_value_t = 0)]
    threads: usize,
    /// Answer lines of JSON on standard input
    #[arg(long)]
    jsonl: bool,
}

const AFTER_HELP: &str = "\
Prints one line of JSON for each text, a list of numbers. With --jsonl, lines of {\"text\": \"…\"} are answered by lines \
of {\"embedding\": […], \"tokens\": 7}, or {\"error\": \"…\"}. Vectors have the length one, so that the sum of the products \
of two is their cosine.";

#[derive(Deserialize)]
struct Question {
    text: String,
}

#[derive(Serialize)]
struct Answer {
    embedding: Vec<f32>,
    tokens: usize,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let model = EmbeddingModel::load(&place::model_path(&args.model)?, args.threads)?;
    let kept = args.dimensions.unwrap_or(model.dimensions());
    if kept == 0 || kept > model.dimensions() {
        let most = model.dimensions();
        let message = format!("--dimensions is {kept}, but this model's vectors have {most} numbers.");
        return Err(CliError::new("invalid_options", message, "Ask for fewer, or leave it out."));
    }
    if args.jsonl {
        return jsonl::answer(|question: Question| {
            let embedded = model.embed(&[question.text]).map_err(|error| error.to_string())?;
            let embedded = embedded.shortened(kept);
            Ok(Answer { tokens: embedded.tokens, embedding: embedded.vectors })
        });
    }
    for vector in model.embed(&args.texts)?.shortened(kept).iter() {
        let line = serde_json::to_string(vector).map_err(|error| CliError::internal(error.to_string()))?;
        output::line(line)?;
    }
    Ok(())
}
