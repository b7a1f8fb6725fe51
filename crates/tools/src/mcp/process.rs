//! A server's program: started without a shell and with few variables, and gone with whoever holds it, with all that it
//! started itself.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::CommandConfig;
use crate::ToolError;

/// Lines of what it writes beside the protocol that are kept.
const MOST_LINES: usize = 200;
/// Longest of these lines, in bytes.
const MOST_LINE: usize = 2000;

/// Variables of the user's that a program needs to find its way. Others, keys among them, are none of its business.
#[cfg(unix)]
const INHERITED: &[&str] =
    &["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "TZ"];
#[cfg(not(unix))]
const INHERITED: &[&str] = &[
    "PATH",
    "PATHEXT",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "COMSPEC",
    "USERPROFILE",
    "USERNAME",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMFILES",
    "PROGRAMDATA",
    "TEMP",
    "TMP",
    "PROCESSOR_ARCHITECTURE",
];

/// What a program wrote beside the protocol, its last lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<Mutex<VecDeque<String>>>);

impl Written {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        // Colours and the like are for terminals.
        let line: String = line.trim_end().chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// A running program. Dropping it kills it and what it started.
pub(super) struct Process(Box<dyn ChildWrapper>);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.0.start_kill();
    }
}

/// Starts a program. What it writes to its standard error goes to `written`.
pub(super) fn start(
    config: &CommandConfig,
    written: &Written,
) -> Result<(Process, ChildStdout, ChildStdin), ToolError> {
    let failed = |why: &dyn std::fmt::Display| ToolError::Start {
        command: config.command.clone(),
        why: why.to_string(),
    };
    let mut command = Command::new(config.command.trim());
    command.args(&config.args).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(&config.env).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let home = std::env::var_os(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    let folder = match &config.folder {
        Some(folder) if !folder.is_dir() => {
            return Err(failed(&format!("there is no folder {}", folder.display())));
        }
        Some(folder) => Some(folder.clone()),
        None => home.filter(|home| home.is_dir()),
    };
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut command = CommandWrap::from(command);
    command.wrap(KillOnDrop);
    #[cfg(unix)]
    command.wrap(process_wrap::tokio::ProcessGroup::leader());
    #[cfg(windows)]
    command.wrap(process_wrap::tokio::JobObject);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let (stdout, stdin, stderr) = (child.stdout().take(), child.stdin().take(), child.stderr().take());
    let process = Process(child);
    let (Some(stdout), Some(stdin), Some(stderr)) = (stdout, stdin, stderr) else {
        return Err(failed(&"it has no standard input and output"));
    };
    tokio::spawn(keep(stderr, written.clone()));
    Ok((process, stdout, stdin))
}

/// Keeps the last lines until there are no more. Longer ones are cut, so none of them becomes memory.
async fn keep(mut stderr: impl AsyncRead + Unpin, written: Written) {
    let mut line = Vec::new();
    let mut piece = [0u8; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        for &byte in &piece[..read] {
            if byte == b'\n' {
                written.push(&line);
                line.clear();
            } else if line.len() < MOST_LINE {
                line.push(byte);
            }
        }
    }
    if !line.is_empty() {
        written.push(&line);
    }
}
