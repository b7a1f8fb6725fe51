//! The Model Context Protocol's own test server, which Lantern's tools are tried with: fetched once, in the versions that
//! `tests/mcp` names.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{cache, note, root, run, step};
use crate::ui;

/// The program, to be run by Node.
pub fn server() -> Result<PathBuf> {
    step("The test server for tools");
    let (wanted, place) = (root().join("tests/mcp"), cache()?.join("mcp-server"));
    let (files, stamp) = (["package.json", "package-lock.json"], place.join(".lantern-packages"));
    let sources: Vec<PathBuf> = files.iter().map(|name| wanted.join(name)).collect();
    let program = place.join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    if !ui::is_new(&sources, &stamp)? && program.exists() {
        note("unchanged");
        return Ok(program);
    }
    fs::create_dir_all(&place)?;
    for name in files {
        fs::copy(wanted.join(name), place.join(name))?;
    }
    run(ui::npm().current_dir(&place).args(["ci", "--no-audit", "--no-fund", "--silent"]))?;
    ui::note_done(&sources, &stamp)?;
    Ok(program)
}
