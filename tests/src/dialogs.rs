//! The system's own windows on the desktop, as a person at the keyboard operates them: dialogs for choosing files.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::desktop::Desktop;
use crate::eventually;

/// How long a dialog may take to open, and to go once it was answered.
const SOON: Duration = Duration::from_secs(60);

impl Desktop {
    /// Chooses a file or a folder in the dialog with this title, or the place that a file is saved at; `ask` does what opens the
    /// dialog. Who is not heard, because the page moved under the mouse or the dialog was not ready, says it again.
    pub async fn choose(&self, title: &str, path: &Path, mut ask: impl AsyncFnMut()) {
        let path = path.to_str().expect("tests choose paths that can be typed");
        eventually(&format!("the dialog {title:?} opens"), SOON, async || {
            ask().await;
            for _ in 0..100 {
                if self.is_visible(title) {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        })
        .await;
        eventually(&format!("the dialog {title:?} takes {path}"), SOON, async || {
            self.focus_window(title);
            // Away from what was used last, of which a dialog for folders accepts nothing; then its field for a path, empty.
            self.xdotool(&["key", "alt+Home", "ctrl+l", "ctrl+a"]);
            self.xdotool(&["type", "--delay", "5", path]);
            // What the dialog would add to it by itself goes first.
            self.xdotool(&["key", "Delete", "Return"]);
            for _ in 0..30 {
                if !self.is_visible(title) {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        })
        .await;
    }

    /// Whether a window with exactly this title can be seen.
    pub fn is_visible(&self, title: &str) -> bool {
        self.xdotool(&["search", "--onlyvisible", "--name", &format!("^{title}$")])
    }

    /// Gives the keyboard to the window with this title.
    pub fn focus_window(&self, title: &str) {
        let name = format!("^{title}$");
        self.xdotool(&["search", "--onlyvisible", "--name", &name, "windowfocus", "--sync"]);
    }

    /// What `xdotool` does; whether it could.
    pub fn xdotool(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new("xdotool");
        self.place(&mut command);
        let output =
            command.args(arguments).output().expect("xdotool is installed: cargo xtask setup --test");
        output.status.success()
    }
}
