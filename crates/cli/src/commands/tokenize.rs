//! `lantern tokenize`: the tokens that a text becomes, to find out what a model is really told.

use lantern_engine::{EngineError, Tokenizer};
use lantern_gguf::GgufFile;
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::{jsonl, output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model
    #[arg(long, short)]
    model: String,
    /// The text
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    text: Option<String>,
    /// Add the tokens that begin and end a text for this model
    #[arg(long, conflicts_with = "jsonl")]
    add_special: bool,
    /// Take control tokens spelt in the text for such
    #[arg(long, conflicts_with = "jsonl")]
    parse_special: bool,
    /// Answer lines of JSON on standard input
    #[arg(long)]
    jsonl: bool,
}

const AFTER_HELP: &str = "\
With --jsonl, lines of {\"text\": \"…\", \"add_special\": true, \"parse_special\": false} are answered by lines of \
{\"ids\": […], \"decoded\": \"…\"}, or {\"error\": \"…\"}.";

#[derive(Deserialize)]
struct Question {
    text: String,
    #[serde(default)]
    add_special: bool,
    #[serde(default)]
    parse_special: bool,
}

#[derive(Serialize)]
struct Answer {
    ids: Vec<u32>,
    /// The ids as text again, control tokens spelt out.
    decoded: String,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let file = GgufFile::open(&place::model_path(&args.model)?)?;
    let tokenizer = Tokenizer::from_gguf(&file).map_err(EngineError::from)?;
    match args.text {
        Some(text) => {
            let ids = tokenizer.encode(&text, args.parse_special, args.add_special);
            print(&tokenizer, &ids.map_err(EngineError::from)?)
        }
        None => jsonl::answer(|question: Question| {
            let ids = tokenizer.encode(&question.text, question.parse_special, question.add_special);
            let ids = ids.map_err(|error| error.to_string())?;
            Ok(Answer { decoded: tokenizer.decode(&ids), ids })
        }),
    }
}

fn print(tokenizer: &Tokenizer, ids: &[u32]) -> Result<(), CliError> {
    let mut rows = vec![["id", "token"].map(str::to_owned).to_vec()];
    rows.extend(ids.iter().map(|&id| {
        let text = String::from_utf8_lossy(tokenizer.token_bytes(id));
        let kind = if tokenizer.is_special(id) { " (control)" } else { "" };
        vec![id.to_string(), format!("{text:?}{kind}")]
    }));
    output::table(&rows)?;
    output::line(format!("{} tokens", ids.len()))
}
