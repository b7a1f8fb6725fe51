//! Fills a folder with model files that are alike to nothing but in size of header: for measuring how fast a library of many
//! is looked through. `cargo run --release --package lantern-hub --example many_models -- FOLDER [COUNT]`, then
//! `lantern import FOLDER` and `lantern list --time`, once without `library-index.json` in the data folder and once with it.

use std::path::Path;

use lantern_gguf::{Array, GgmlType, GgufWriter, Value};

/// Tokens of a vocabulary, as Qwen 2.5 has.
const TOKENS: usize = 151_936;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("name a folder")?;
    let count: usize = args.next().map_or(Ok(200), |count| count.parse())?;
    std::fs::create_dir_all(&folder)?;
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String("qwen2".into()));
    writer.metadata.set("tokenizer.ggml.model", Value::String("gpt2".into()));
    let tokens = (0..TOKENS).map(|n| format!("token{n}")).collect();
    writer.metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    writer.metadata.set("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![1; TOKENS])));
    let merges = (0..TOKENS).map(|n| format!("to ken{n}")).collect();
    writer.metadata.set("tokenizer.ggml.merges", Value::Array(Array::String(merges)));
    for layer in 0..290 {
        writer.tensor(&format!("blk.{layer}.weight"), &[32, 8], GgmlType::Q4_0.id(), vec![0; 8 * 18]);
    }
    for number in 0..count {
        writer.metadata.set("general.name", Value::String(format!("Model {number}")));
        std::fs::write(Path::new(&folder).join(format!("model-{number}.gguf")), writer.finish())?;
    }
    println!("{count} files of {} bytes", writer.finish().len());
    Ok(())
}
