//! `cargo xtask fuzz`: random input for everything that reads what strangers made, until it has stood so many of them.
//!
//! Needs the nightly toolchain and cargo-fuzz. A crash leaves its input in `fuzz/artifacts`; `cargo +nightly fuzz tmin` makes
//! it smaller. Mended, it becomes a test beside the code that it broke.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::shell::{command, root, run, step, works};

/// A target, the longest input it gets, and its flags. Limits are in MB and seconds.
struct Target {
    name: &'static str,
    max_len: usize,
    limits: &'static [&'static str],
}

const TARGETS: [Target; 4] = [
    Target { name: "gguf_reader", max_len: 2 << 10, limits: &["-rss_limit_mb=1024", "-timeout=20"] },
    Target { name: "tokenizer", max_len: 512, limits: &["-rss_limit_mb=1024", "-timeout=20"] },
    Target { name: "template", max_len: 2 << 10, limits: &["-rss_limit_mb=2048", "-timeout=60"] },
    Target { name: "model", max_len: 64, limits: &["-rss_limit_mb=2048", "-timeout=20"] },
];

/// Runs one target, or all of them, so many times.
pub fn fuzz(only: Option<String>, runs: u64) -> Result<ExitCode> {
    if !works(command("cargo").args(["+nightly", "fuzz", "--version"])) {
        bail!("cargo-fuzz is missing: rustup toolchain install nightly; cargo install cargo-fuzz");
    }
    let chosen = |target: &&Target| only.as_deref().is_none_or(|only| only == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no such target; there are {}", names.join(", "));
    }
    step("Inputs to start from");
    write_seeds()?;
    for target in targets {
        step(&format!("{runs} runs of {}", target.name));
        let mut fuzz = command("cargo");
        fuzz.current_dir(root().join("fuzz")).args(["+nightly", "fuzz", "run", "--sanitizer", "none"]);
        fuzz.args([target.name, "--", &format!("-runs={runs}"), &format!("-max_len={}", target.max_len)]);
        run(fuzz.args(target.limits).arg("-print_final_stats=1"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the golden files into `fuzz/corpus`, in the form that each target takes apart.
fn write_seeds() -> Result<()> {
    let golden = root().join("tests/golden");
    let mut vocabularies: Vec<_> =
        fs::read_dir(golden.join("tokenizers"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    vocabularies.retain(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    vocabularies.sort();
    for (i, path) in vocabularies.iter().enumerate() {
        write("gguf_reader", &i.to_string(), &fs::read(path)?)?;
        for (j, case) in list(&read_json(&path.with_extension("json"))?["cases"]).enumerate() {
            let text = case["text"].as_str().unwrap_or_default();
            write("tokenizer", &format!("{i}-{j}"), &[&[i as u8], text.as_bytes()].concat())?;
        }
    }
    let templates = read_json(&golden.join("chat_templates.json"))?;
    for (i, (_, template)) in templates["templates"].as_object().into_iter().flatten().enumerate() {
        // Flags, a role, and five texts with their lengths.
        let head = b"\x0e\x00\x09Be brief.\x02Hi\x05Hello\x00\x01f";
        let text = template["template"].as_str().unwrap_or_default();
        write("template", &i.to_string(), &[head, text.as_bytes()].concat())?;
    }
    write("model", "0", b"\0")
}

fn write(target: &str, name: &str, seed: &[u8]) -> Result<()> {
    let folder = root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), seed)
        .with_context(|| format!("no seed in {}", folder.display()))
}

fn read_json(path: &Path) -> Result<Json> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}
