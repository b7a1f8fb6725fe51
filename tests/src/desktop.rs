//! The real window on a display of its own: started, operated, closed and killed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use crate::eventually;
use crate::home::{Home, free_port};
use crate::page::Page;
use crate::processes::{Running, descendants, is_alive, kill, name};
use crate::programs::program;
use crate::webdriver::Session;

/// One window at a time: two would take each other's processor time, and a slow one looks like a broken one.
static TURN: Mutex<()> = Mutex::const_new(());

/// A display without a screen, a session bus, and a home; what a person's desktop session would be.
#[derive(Debug)]
pub struct Desktop {
    // The first to go: they may still write to the home.
    _programs: [Running; 2],
    /// Where the programs live.
    pub home: Home,
    display: String,
    bus: String,
    _turn: MutexGuard<'static, ()>,
}

impl Desktop {
    /// A desktop session for the home.
    pub async fn start(home: Home) -> Self {
        let turn = TURN.lock().await;
        // The server picks a free number itself and tells it: asking for one first would race with others.
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]);
        let (server, number) = start_and_read(&mut server);
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1"]);
        home.settle(&mut bus);
        let (bus, address) = start_and_read(&mut bus);
        Self { home, display: format!(":{number}"), bus: address, _programs: [server, bus], _turn: turn }
    }

    /// The desktop program, to be started without a driver.
    pub fn program(&self) -> Command {
        let mut command = self.home.command("lantern-desktop");
        self.place(&mut command);
        command
    }

    /// Starts Lantern and waits until its page is ready.
    pub async fn open(&self) -> Window {
        let port = free_port();
        let mut driver = Command::new("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg("--host=127.0.0.1").stdout(Stdio::null());
        self.home.settle(&mut driver);
        self.place(&mut driver);
        // What a program writes where it was started is in the home, too.
        driver.current_dir(self.home.path());
        driver.env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = Running::start(&mut driver);
        eventually("WebKitWebDriver listens", Duration::from_secs(10), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        let session = Session::start(port, &program("lantern-desktop").to_string_lossy()).await;
        let session = session.unwrap_or_else(|error| panic!("the window did not open: {error}"));
        let own = |id: &u32| name(*id) == "lantern-desktop";
        let app = descendants(driver.id()).into_iter().find(own).expect("the driver started lantern-desktop");
        let window = Window { page: Page::new(session), app, _driver: driver };
        window.page.ready().await;
        window
    }

    /// The name of its display, as in `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Where its session bus is found.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Puts any program on this desktop.
    pub fn place(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("NO_AT_BRIDGE", "1")
            .env("LANTERN_LOG", "warn")
            .env_remove("WAYLAND_DISPLAY");
    }
}

/// Lantern's window, open. Dropping it kills the program.
#[derive(Debug)]
pub struct Window {
    /// What is in it.
    pub page: Page,
    app: u32,
    _driver: Running,
}

impl Window {
    /// The number of Lantern's process.
    pub fn id(&self) -> u32 {
        self.app
    }

    /// Closes it as a person would, and waits until the program has ended.
    pub async fn close(self) {
        // The driver lets go of the program and may leave it running: what counts is that it ends.
        let _ = self.page.session().close().await;
        if !self.ends_within(Duration::from_secs(5)).await {
            let _ = Command::new("kill").arg(self.app.to_string()).status();
            assert!(self.ends_within(Duration::from_secs(10)).await, "Lantern does not end when asked to");
        }
    }

    /// `kill -9`, in the middle of whatever it does.
    pub async fn kill(self) {
        kill(self.app);
        assert!(self.ends_within(Duration::from_secs(10)).await, "Lantern outlives kill -9");
    }

    async fn ends_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while is_alive(self.app) {
            if start.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

/// Where pictures of the window are kept for people to look at.
pub fn pictures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| lantern_golden::repository().join("target"));
    let folder = target.join("screenshots");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Starts a program that tells on its first line where it can be reached.
fn start_and_read(command: &mut Command) -> (Running, String) {
    let mut running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let printed = running.child().stdout.take().expect("its output is piped");
    let mut line = String::new();
    BufReader::new(printed).read_line(&mut line).expect("its output can be read");
    assert!(!line.trim().is_empty(), "{:?} ended at once", command.get_program());
    (running, line.trim().to_owned())
}
