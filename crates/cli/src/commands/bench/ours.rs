//! Lantern's own bench in a process of its own, so that its memory and its start are those of a fresh program.

use std::path::PathBuf;
use std::process::Command;

use lantern_engine::bench::BenchReport;
use lantern_protocol::ErrorInfo;

use super::compare::{Round, Task};
use super::process;
use crate::error::CliError;

/// This very program.
pub struct Ours {
    program: PathBuf,
}

impl Ours {
    pub fn new() -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(|error| {
            CliError::internal(format!("Lantern could not find its own program: {error}."))
        })?;
        Ok(Self { program })
    }

    /// Runs a task once. The report tells the threads that were taken.
    pub fn run(&self, task: &Task) -> Result<(Round, BenchReport), CliError> {
        let mut command = Command::new(&self.program);
        command.arg("bench").arg("--model").arg(&task.model).args([
            "--threads",
            &task.threads.to_string(),
            "--prompt-tokens",
            &task.prompt.to_string(),
            "--gen-tokens",
            &task.generate.to_string(),
            "--depth",
            &task.depth_list(),
            "--kv-type",
            task.kv_type.name(),
            "--repetitions",
            "1",
            // Both programs are measured on the processor.
            "--gpu-layers",
            "0",
            "--json",
        ]);
        if task.keep_packed {
            command.arg("--keep-packed");
        }
        if !task.warm_up {
            command.arg("--no-warm-up");
        }
        let done = process::run(command)
            .map_err(|error| CliError::internal(format!("Lantern could not start itself: {error}.")))?;
        if !done.status.success() {
            return Err(failure(&done.stderr));
        }
        let report: BenchReport = serde_json::from_str(&done.stdout)
            .map_err(|error| CliError::internal(format!("Lantern does not understand itself: {error}.")))?;
        let mut round = Round::of_process(&done);
        for speed in &report.speeds {
            round.reading.extend(speed.prefill_samples.first().map(|sample| (speed.depth, *sample)));
            round.writing.extend(speed.decode_samples.first().map(|sample| (speed.depth, *sample)));
        }
        Ok((round, report))
    }
}

/// The error the other process told, as if it had happened here.
fn failure(stderr: &str) -> CliError {
    let told = stderr.lines().find_map(|line| {
        let (code, message) = line.strip_prefix("error[")?.split_once("]: ")?;
        Some((code, message))
    });
    let next = stderr.lines().find_map(|line| line.strip_prefix("next: "));
    match (told, next) {
        (Some((code, message)), Some(next)) => {
            CliError::Failed(ErrorInfo { code: code.into(), message: message.into(), next_step: next.into() })
        }
        _ => CliError::internal(format!("Lantern's own bench ended early: {}", stderr.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_other_process_is_told_as_it_was() {
        let told = "note: something\nerror[model_too_large]: It needs 3 GB: too much.\nnext: Choose a smaller one.\n";
        let CliError::Failed(info) = failure(told) else { panic!("another error") };
        assert_eq!(
            (info.code.as_str(), info.message.as_str()),
            ("model_too_large", "It needs 3 GB: too much.")
        );
        assert_eq!(info.next_step, "Choose a smaller one.");
        let CliError::Failed(info) = failure("thread panicked\n") else { panic!("another error") };
        assert!(info.code == "internal" && info.message.contains("thread panicked"));
    }
}
