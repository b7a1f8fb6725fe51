//! `lantern logits`: the raw numbers behind every next token, for comparing with other implementations.

use std::collections::HashMap;
use std::path::PathBuf;

use lantern_engine::{Engine, EngineOptions};
use safetensors::tensor::{Dtype, TensorView};

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model
    #[arg(long, short)]
    model: String,
    /// Token ids, in order
    #[arg(long, value_delimiter = ',', required = true)]
    ids: Vec<u32>,
    /// Safetensors file to write: one f32 tensor `logits` of [ids, vocabulary]
    #[arg(long, short)]
    out: PathBuf,
    /// Threads; 0 takes the fast cores
    #[arg(long, short, default_value_t = 0)]
    threads: usize,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let path = place::model_path(&args.model)?;
    let context = u32::try_from(args.ids.len() + 1).unwrap_or(u32::MAX);
    let options = EngineOptions {
        threads: args.threads,
        context_length: Some(context.max(64)),
        max_sequences: 1,
        ..EngineOptions::default()
    };
    let engine = Engine::load(&path, options)?;
    let logits = engine.logits(&args.ids)?;
    let bytes: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = vec![args.ids.len(), engine.info().vocab_size];
    let odd = |error: safetensors::SafeTensorError| {
        CliError::internal(format!("the logits do not fit their shape: {error}"))
    };
    let view = TensorView::new(Dtype::F32, shape.clone(), &bytes).map_err(odd)?;
    let data = safetensors::serialize(HashMap::from([("logits".to_owned(), view)]), None).map_err(odd)?;
    std::fs::write(&args.out, data).map_err(|error| CliError::file("write", &args.out, &error))?;
    output::note(format!("{} × {} logits in {}", shape[0], shape[1], args.out.display()));
    Ok(())
}
