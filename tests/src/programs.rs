//! Where the things are that `cargo xtask test` made: programs, the starter model, Python with the OpenAI client.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::PathBuf;

/// The name by which the library knows the starter model.
pub const STARTER: &str = "SmolLM2-135M-Instruct-Q4_1";

/// A finished program of Lantern's: `lantern` or `lantern-desktop`.
pub fn program(name: &str) -> PathBuf {
    let folder = match env::var_os("LANTERN_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => lantern_golden::repository().join("target/debug"),
    };
    present(
        folder.join(format!("{name}{EXE_SUFFIX}")),
        "LANTERN_BIN_DIR",
        "the folder of the finished programs",
    )
}

/// The starter model's file.
pub fn starter_model() -> PathBuf {
    present(variable("LANTERN_STARTER_MODEL"), "LANTERN_STARTER_MODEL", "the starter model's file")
}

/// A Python that has the `openai` and `huggingface_hub` packages.
pub fn python() -> PathBuf {
    present(
        variable("LANTERN_PYTHON"),
        "LANTERN_PYTHON",
        "a Python with the `openai` and `huggingface_hub` packages",
    )
}

/// The Model Context Protocol's own test server, a program for Node.
pub fn mcp_server() -> PathBuf {
    present(
        variable("LANTERN_MCP_SERVER"),
        "LANTERN_MCP_SERVER",
        "`dist/index.js` of the npm package `@modelcontextprotocol/server-everything`",
    )
}

fn variable(name: &str) -> PathBuf {
    env::var_os(name).map(PathBuf::from).unwrap_or_default()
}

fn present(path: PathBuf, variable: &str, what: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{} is not there. `cargo xtask test` makes it; by hand, point {variable} to {what}.",
        if path.as_os_str().is_empty() { what.to_owned() } else { path.display().to_string() }
    );
    path
}
