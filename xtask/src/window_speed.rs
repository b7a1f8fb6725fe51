//! `cargo xtask window-speed`: how fast the window is with long conversations and long answers, in the real web view.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{cargo, programs, run, step};
use crate::{system, ui};

/// Builds what is shipped and measures it; prints figures and asserts nothing.
pub fn measure() -> Result<ExitCode> {
    system::install(system::Purpose::Test)?;
    ui::install()?;
    ui::build()?;
    step("Lantern");
    run(cargo().args(["build", "--release", "--package", "lantern-desktop", "--package", "lantern-cli"]))?;
    step("The window");
    let mut measuring = cargo();
    measuring.args(["run", "--release", "--package", "lantern-tests", "--example", "window_speed"]);
    measuring.env("LANTERN_BIN_DIR", programs(true));
    if !std::fs::exists("/dev/dri")? {
        // As users have it: without a graphics device Lantern has pages drawn plainly, but not where WebDriver takes pictures.
        measuring.env("WEBKIT_DISABLE_COMPOSITING_MODE", "1");
    }
    run(&mut measuring)?;
    Ok(ExitCode::SUCCESS)
}
