//! `lantern quantize`: a model with another type of weights, from a GGUF file or a folder of safetensors files.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use lantern_convert::{Converted, FileType, GgufSource, HfFolder, Source, convert, is_model_folder};
use lantern_gguf::GgufFile;
use lantern_hub::human_bytes;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model: any MODEL on this computer, or a folder with config.json, tokenizer.json and *.safetensors
    input: String,
    /// The GGUF file to write
    output: PathBuf,
    /// The type of the weights; keep leaves them as they are
    #[arg(long, short = 't', value_parser = file_types())]
    r#type: FileType,
    /// Threads; 0 takes all
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Replaces a file that is there already
    #[arg(long)]
    force: bool,
}

const AFTER_HELP: &str = "\
Each line names a tensor, its new type and what the change loses: the root of the mean square of the differences, relative \
to that of the values. A file that is quantised already loses once more. Norms, biases and what chooses experts stay exact.";

fn file_types() -> impl TypedValueParser<Value = FileType> {
    let names = FileType::ALL.map(FileType::name);
    PossibleValuesParser::new(names).try_map(|name| FileType::from_name(&name).ok_or("no such type"))
}

pub fn run(args: Args) -> Result<(), CliError> {
    if args.output.exists() && !args.force {
        return Err(CliError::new(
            "file_exists",
            format!("{} is there already.", args.output.display()),
            "Choose another name, or replace it with --force.",
        ));
    }
    let source = source(&args.input, &args.output)?;
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
        threads => threads,
    };
    let done = convert(&*source, &args.output, args.r#type, threads, |progress| {
        let ((number, all), last) = (progress.tensors, progress.last);
        output::note(format!("{number}/{all} {} {} {:.4}", last.name, last.ty, last.error));
    })?;
    output::line(summary(&done, &args.output))
}

fn source(input: &str, out: &Path) -> Result<Box<dyn Source>, CliError> {
    if is_model_folder(Path::new(input)) {
        let folder = HfFolder::open(Path::new(input))?;
        if folder.left_out() > 0 {
            output::note(format!(
                "note: {} tensors of parts that see, hear or predict tokens behind the next are left out; the language \
                 model is written.",
                folder.left_out()
            ));
        }
        return Ok(Box::new(folder));
    }
    let path = place::model_path(input)?;
    let same = matches!((path.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same {
        return Err(lantern_convert::ConvertError::SameFile { path }.into());
    }
    Ok(Box::new(GgufSource::new(GgufFile::open(&path)?)?))
}

/// Size, bits a weight, and the error of all quantised tensors together, each as heavy as its bytes.
fn summary(done: &Converted, path: &Path) -> String {
    let lossy = done.tensors.iter().filter(|tensor| tensor.error > 0.0);
    let (bytes, squares) = lossy.fold((0.0, 0.0), |(bytes, squares), tensor| {
        (bytes + tensor.bytes as f64, squares + tensor.bytes as f64 * tensor.error.powi(2))
    });
    let error = if bytes > 0.0 { (squares / bytes).sqrt() } else { 0.0 };
    format!("{}: {}, relative error {error:.4}", path.display(), human_bytes(done.bytes))
}
