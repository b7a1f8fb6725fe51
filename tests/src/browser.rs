//! The browser of the person at the desktop: what the system opens web pages with. This one writes down where it was sent, and
//! goes there when the test says so.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::eventually;
use crate::home::Home;

const PATIENCE: Duration = Duration::from_secs(60);

/// The browser that a home has.
#[derive(Debug)]
pub struct Browser {
    visits: PathBuf,
}

impl Browser {
    /// Makes it the home's: the system's own way of opening an address (`xdg-open`) ends here.
    pub fn of(home: &Home) -> Self {
        let write = |path: &Path, text: String| {
            std::fs::create_dir_all(path.parent().expect("it lies in the home"))
                .expect("a folder of the home");
            std::fs::write(path, text).expect("the home can be written");
        };
        let visits = home.path().join("visits");
        let program = home.path().join("browser");
        write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n", visits.display()));
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let entry =
            format!("[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\n", program.display());
        write(&home.path().join("data/applications/browser.desktop"), entry);
        let kinds =
            ["http", "https"].map(|kind| format!("x-scheme-handler/{kind}=browser.desktop\n")).concat();
        write(&home.path().join("config/mimeapps.list"), format!("[Default Applications]\n{kinds}"));
        Self { visits }
    }

    /// Where it was sent, once it was sent somewhere for the nth time, counted from 1.
    pub async fn visit(&self, nth: usize) -> String {
        eventually(&format!("the browser is opened, time {nth}"), PATIENCE, async || {
            std::fs::read_to_string(&self.visits).ok()?.lines().nth(nth - 1).map(str::to_owned)
        })
        .await
    }

    /// Goes to an address and on to where that leads; gives the page in the end.
    pub async fn go(&self, address: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let reply = client.get(address).send().await.expect("somebody answers");
        reply.text().await.expect("the page is text")
    }
}
