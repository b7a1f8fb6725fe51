//! Another program's bench: how it is called and what its answer means. This is all Lantern knows of llama-bench.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use lantern_engine::bench::median;
use serde::Deserialize;

use super::compare::{Round, Task};
use super::process::{self, Finished};
use crate::error::CliError;

/// Lines of its complaint that are shown.
const LAST_LINES: usize = 5;

/// A program that takes llama-bench's options.
pub struct Other {
    pub program: PathBuf,
    pub flash_attention: bool,
}

/// One test in its answer; what else it tells is not needed.
#[derive(Deserialize)]
struct Test {
    n_prompt: usize,
    n_gen: usize,
    /// Older builds have no depth.
    #[serde(default)]
    n_depth: usize,
    /// Tokens per second, one for each repetition.
    #[serde(default)]
    samples_ts: Vec<f64>,
    /// Their mean, for builds that give no samples.
    avg_ts: Option<f64>,
}

impl Other {
    /// Its name in tables.
    pub fn name(&self) -> String {
        let name = self.program.file_stem().unwrap_or(self.program.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Runs a task once.
    pub fn run(&self, task: &Task) -> Result<Round, CliError> {
        let done = process::run(self.command(task)).map_err(|error| self.not_started(&error))?;
        if !done.status.success() {
            return Err(self.failed(task, &done));
        }
        let tests = tests(&done.stdout).map_err(|error| self.not_understood(&error))?;
        let mut round = Round::of_process(&done);
        for depth in &task.depths {
            if task.prompt > 0 {
                round.reading.push((*depth, self.speed(&tests, (task.prompt, 0, *depth))?));
            }
            if task.generate > 0 {
                round.writing.push((*depth, self.speed(&tests, (0, task.generate, *depth))?));
            }
        }
        Ok(round)
    }

    fn command(&self, task: &Task) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-m").arg(&task.model);
        command.args(["-t", &task.threads.to_string()]);
        command.args(["-p", &task.prompt.to_string(), "-n", &task.generate.to_string()]);
        // Left out where it says nothing, for builds that do not know it.
        if task.depths != [0] {
            command.args(["-d", &task.depth_list()]);
        }
        command.args(["-ctk", task.kv_type.name(), "-ctv", task.kv_type.name()]);
        // Zero and one are understood by every build, words only by newer ones.
        command.args(["-fa", if self.flash_attention { "1" } else { "0" }]);
        command.args(["-r", "1", "-o", "json"]);
        if !task.warm_up {
            command.arg("--no-warmup");
        }
        command
    }

    fn speed(&self, tests: &[Test], wanted: (usize, usize, usize)) -> Result<f64, CliError> {
        let (prompt, generate, depth) = wanted;
        let name = || format!("-p {prompt} -n {generate} -d {depth}");
        let test = tests
            .iter()
            .find(|test| (test.n_prompt, test.n_gen, test.n_depth) == wanted)
            .ok_or_else(|| self.not_understood(&format!("no result for {}", name())))?;
        let speed = match test.samples_ts.as_slice() {
            [] => test.avg_ts,
            samples => Some(median(samples)),
        };
        speed
            .filter(|speed| speed.is_finite() && *speed > 0.0)
            .ok_or_else(|| self.not_understood(&format!("no speed for {}", name())))
    }

    fn not_started(&self, error: &io::Error) -> CliError {
        let program = self.program.display();
        match error.kind() {
            io::ErrorKind::NotFound => CliError::new(
                "compare_program_missing",
                format!("There is no program {program} to compare with."),
                "Give the path of llama-bench, as in --compare llama.cpp/build/bin/llama-bench.",
            ),
            _ => CliError::new(
                "compare_program_failed",
                format!("{program} could not be started: {error}."),
                "Check that it is a program for this computer, and that it may be executed.",
            ),
        }
    }

    fn failed(&self, task: &Task, done: &Finished) -> CliError {
        let (program, model) = (self.program.display(), task.model.display());
        let lines: Vec<&str> = done.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = match &lines[lines.len().saturating_sub(LAST_LINES)..] {
            [] => "It said nothing.".to_owned(),
            last => format!("Its last words:\n  {}", last.join("\n  ")),
        };
        // It has one exit code for every failure; what went wrong is only in its words.
        if done.stderr.contains("failed to load model") {
            return CliError::new(
                "compare_model_unreadable",
                format!("{program} could not read {model}. {last}"),
                "Compare on a file that both programs read, or with a newer build of the other.",
            );
        }
        let next_step = match done.stderr.contains("-ctk") {
            true => "It may not know this kind of cache; choose one that both know, as in --kv-type f16.",
            false => "Run it by hand to see what it needs; it must take the options of llama-bench.",
        };
        CliError::new(
            "compare_program_failed",
            format!("{program} ended with {}. {last}", done.status),
            next_step,
        )
    }

    fn not_understood(&self, why: &dyn std::fmt::Display) -> CliError {
        CliError::new(
            "compare_output_unknown",
            format!("The answer of {} was not understood: {why}.", self.program.display()),
            "Compare with llama-bench of llama.cpp, a build that knows -o json.",
        )
    }
}

/// The tests in what it printed: a JSON array, perhaps behind other lines.
fn tests(stdout: &str) -> Result<Vec<Test>, serde_json::Error> {
    let is_start = |line: &str| line.starts_with('[');
    let skipped: usize = stdout.split_inclusive('\n').take_while(|line| !is_start(line)).map(str::len).sum();
    serde_json::from_str(&stdout[skipped..])
}

#[cfg(test)]
mod tests;
