//! `cargo xtask lint`: everything that can be found without running Lantern.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{cargo, note, run, step, works};
use crate::{system, ui};

/// Formatting, lints, licences and advisories.
pub fn lint() -> Result<ExitCode> {
    system::install(system::Purpose::Build)?;
    ui::install()?;
    step("Formatting");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    step("Lints");
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    step("The interface's checks");
    run(ui::npm().args(["run", "check"]))?;
    step("Licences and advisories");
    if works(cargo().args(["deny", "--version"])) {
        run(cargo().args(["deny", "check"]))?;
    } else {
        note("left out: cargo-deny is not installed (cargo install cargo-deny)");
    }
    Ok(ExitCode::SUCCESS)
}
