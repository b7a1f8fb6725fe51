//! `lantern plan` for several models: each in a process of its own, whose peak is that of one model.

use std::process::Command;

use lantern_hub::human_bytes;
use serde_json::{Value, json};

use super::plan::Args;
use crate::error::CliError;
use crate::output;

/// Plans, and measures if that is wanted. A model that fails is told in its row, and ends nothing.
pub fn run(args: &Args) -> Result<(), CliError> {
    let program = std::env::current_exe()
        .map_err(|error| CliError::internal(format!("this program does not find itself: {error}")))?;
    let mut reports = Vec::with_capacity(args.models.len());
    for model in &args.models {
        let done = Command::new(&program).args(arguments(model, args)).output();
        let done =
            done.map_err(|error| CliError::internal(format!("it cannot be started again: {error}")))?;
        let report = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|_| json!({ "path": model, "error": last_error(&done.stderr) }));
        if !args.json {
            output::note(format!("{}/{} {model}", reports.len() + 1, args.models.len()));
        }
        reports.push(report);
    }
    if args.json { output::json(&reports) } else { print(&args.models, &reports) }
}

fn arguments(model: &str, args: &Args) -> Vec<String> {
    let mut all = vec!["plan".to_owned(), "--json".to_owned()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            all.push(format!("{name}={value}"));
        }
    };
    option("--context", args.context.map(|n| n.to_string()));
    option("--loaded", args.loaded.clone());
    option("--gpu-layers", args.device.gpu_layers.map(|n| n.to_string()));
    option("--experts-on-cpu", args.device.experts_on_cpu.map(|n| n.to_string()));
    option("--expert-memory", args.device.expert_memory.map(|n| n.to_string()));
    if args.measure {
        all.push("--measure".into());
    }
    all.extend(["--".to_owned(), model.to_owned()]);
    all
}

/// The line in which a command tells its error.
fn last_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error["));
    error.unwrap_or("it ended without a word").replacen("]: ", ": ", 1)
}

fn print(models: &[String], reports: &[Value]) -> Result<(), CliError> {
    let mut rows = vec![["MODEL", "CONTEXT", "PLANNED", "MEASURED", "RATIO", ""].map(String::from).to_vec()];
    let mut ratios = Vec::new();
    for (model, report) in models.iter().zip(reports) {
        let bytes = |value: &Value| value.as_u64().map_or("-".into(), human_bytes);
        let ratio = report["measured"]["ratio"].as_f64();
        ratios.extend(ratio);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.push(vec![
            model.clone(),
            report["plan"]["context_length"].as_u64().map_or("-".into(), |n| n.to_string()),
            bytes(&report["plan"]["one_conversation_bytes"]),
            bytes(&report["measured"]["peak_bytes"]),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.3}")),
            format!("{}{}", text(&report["error"]), text(&report["refused"]["message"])),
        ]);
    }
    output::table(&rows)?;
    let worst = ratios.iter().map(|ratio| (ratio - 1.0).abs()).reduce(f64::max);
    if let Some(worst) = worst {
        output::line(format!(
            "{} measured; none is further than {:.1} % from its plan",
            ratios.len(),
            100.0 * worst
        ))?;
    }
    Ok(())
}
