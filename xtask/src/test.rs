//! `cargo xtask test`: everything that can be tested on this machine, from nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::models::{self, STARTER};
use crate::shell::{cargo, note, program, programs, run, step};
use crate::{mcp, python, system, types, ui};

/// Installs, builds and tests; prints what came of it.
pub fn test() -> Result<ExitCode> {
    let start = Instant::now();
    system::install(system::Purpose::Test)?;
    ui::install()?;
    ui::check()?;
    ui::build()?;

    step("Lantern and its tests (the first build takes about ten minutes on two cores)");
    // Programs and tests together: asked for one after the other, they would not agree on their dependencies' features,
    // and half of these would be compiled twice.
    run(workspace("build").args(["--bins", "--tests"]))?;

    let lantern = program(false, "lantern");
    let model = models::fetch(&STARTER, &lantern)?;
    let python = python::with_client()?;
    let mcp_server = mcp::server()?;

    step("The tests");
    let before = types::snapshot()?;
    let mut tests = workspace("test");
    tests
        .arg("--no-fail-fast")
        .env("LANTERN_BIN_DIR", programs(false))
        .env("LANTERN_STARTER_MODEL", model)
        .env("LANTERN_PYTHON", python)
        .env("LANTERN_MCP_SERVER", mcp_server);
    let counts = count(&mut tests)?;

    step("Summary");
    types::compare(&before, &types::snapshot()?)?;
    note("the UI's types are up to date");
    note(&format!("took {} min", start.elapsed().as_secs().div_ceil(60)));
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if !counts.succeeded {
        bail!("some tests failed: look for 'FAILED' and 'panicked' above");
    }
    Ok(ExitCode::SUCCESS)
}

/// `cargo VERB` for all packages.
fn workspace(verb: &str) -> Command {
    let mut command = cargo();
    command.args([verb, "--workspace"]);
    // Windows does not replace a program that runs, and this one does.
    if cfg!(windows) {
        command.args(["--exclude", "xtask"]);
    }
    command
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    succeeded: bool,
}

/// Runs the tests, passes on what they print, and adds up their closing lines.
fn count(tests: &mut Command) -> Result<Counts> {
    let mut running = tests.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let printed = running.stdout.take().context("cargo's output is not to be had")?;
    let mut counts = Counts::default();
    for line in BufReader::new(printed).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        if let Some((passed, failed)) = closing_line(&line) {
            counts.passed += passed;
            counts.failed += failed;
        }
    }
    counts.succeeded = running.wait()?.success();
    Ok(counts)
}

/// The numbers in `test result: ok. 12 passed; 0 failed; …`.
fn closing_line(line: &str) -> Option<(u64, u64)> {
    let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut parts = numbers.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::closing_line;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(closing_line(line), Some((12, 3)));
        assert_eq!(closing_line("running 12 tests"), None);
    }
}
