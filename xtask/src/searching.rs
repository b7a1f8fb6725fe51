//! `cargo xtask searching`: how long searches take in a database of 50,000 messages.

use std::process::ExitCode;

use crate::shell::{cargo, run};

/// Builds the database in a temporary folder, times searches in it, and deletes it.
pub fn measure(messages: u64) -> anyhow::Result<ExitCode> {
    println!("Builds a database of {messages} messages, which takes minutes, and times searches in it.");
    let messages = messages.to_string();
    let arguments = ["run", "--release", "--package", "lantern-store", "--example", "searching", "--"];
    run(cargo().args(arguments).arg(messages))?;
    Ok(ExitCode::SUCCESS)
}
