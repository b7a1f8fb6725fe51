//! Starting once more, when another Lantern was ending just as this one handed over to it: a user who closes the window and
//! opens it at once, or whose Lantern was killed, wants a window and not an error.

use std::process::{Command, ExitCode};
use std::time::Duration;

/// Tells the second attempt that it is the second.
const MARK: &str = "LANTERN_STARTED_AGAIN";

/// How long a program that is ending may need to be gone.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether this start failed because the other instance went away meanwhile, and none was made for that reason before.
pub fn is_worth_it(error: &tauri::Error) -> bool {
    let handing_over =
        matches!(error, tauri::Error::PluginInitialization(plugin, _) if plugin == "single-instance");
    handing_over && std::env::var_os(MARK).is_none()
}

/// Starts this program again with the same arguments.
pub fn start() -> ExitCode {
    std::thread::sleep(PAUSE);
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failure(&error),
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(MARK, "1");
    replace(&mut command)
}

/// In the place of this process, so that who started it keeps the right number.
#[cfg(unix)]
fn replace(command: &mut Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    failure(&command.exec())
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> ExitCode {
    match command.spawn() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn failure(error: &std::io::Error) -> ExitCode {
    eprintln!("Lantern could not be started again: {error}");
    ExitCode::FAILURE
}
