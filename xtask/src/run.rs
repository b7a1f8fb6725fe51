//! `cargo xtask run`: from a fresh clone to a conversation.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::shell::{cargo, command, note, program, run as run_command, step};
use crate::{models, system, ui};

/// Builds Lantern, brings the starter model and opens the window, or the chat of the terminal where there is no display.
pub fn run(dev: bool, build_only: bool) -> Result<ExitCode> {
    system::install(system::Purpose::Build)?;
    ui::install()?;
    ui::build()?;

    let release = !dev;
    step(if release {
        "Lantern (the first build takes 15 to 25 minutes on two cores)"
    } else {
        "Lantern, unoptimised"
    });
    let mut build = cargo();
    build.args(["build", "--package", "lantern-desktop", "--package", "lantern-cli", "--bins"]);
    if release {
        build.arg("--release");
    }
    run_command(&mut build)?;

    let lantern = program(release, "lantern");
    // Without it Lantern opens all the same, and offers to fetch one.
    if let Err(error) =
        models::fetch(&models::STARTER, &lantern).and_then(|file| models::import(&lantern, &file))
    {
        note(&format!("{error:#}"));
        note("Lantern opens without a model and offers to fetch one.");
    }
    if build_only {
        return Ok(ExitCode::SUCCESS);
    }

    let mut lantern = if has_display() {
        step("Lantern's window");
        command(program(release, "lantern-desktop"))
    } else {
        step("No display: chatting in this terminal");
        note("DISPLAY and WAYLAND_DISPLAY are not set. In a desktop session this command opens the window.");
        let mut chat = command(lantern);
        chat.arg("chat");
        chat
    };
    let status = lantern.stdin(Stdio::inherit()).status().context("Lantern could not be started")?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    })
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::env::consts::OS != "linux" || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
