//! What the system must bring: libraries to build against, programs to test with, Node.js.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::shell::{command, note, output, run, step, works};

/// What the packages are wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Building and running.
    Build,
    /// Testing too.
    Test,
}

/// Debian's names: the compiler, WebKit and the tray's library to build against, Python to fetch the starter model
/// where the Hub is out of reach.
const TO_BUILD: &[&str] = &[
    "build-essential",
    "pkg-config",
    "libwebkit2gtk-4.1-dev",
    "libayatana-appindicator3-dev",
    "librsvg2-dev",
    "python3",
    "python3-venv",
    "ca-certificates",
];

/// A display without a screen, the driver that operates a window, what presses keys outside of it, a session bus, fonts, `ps` for
/// looking after programs, what opens addresses, and a dictionary.
const TO_TEST: &[&str] = &[
    "xvfb",
    "xauth",
    "webkit2gtk-driver",
    "dbus-x11",
    "fonts-dejavu-core",
    "procps",
    "xdotool",
    "xdg-utils",
    "hunspell-en-us",
];

/// The oldest Node.js that builds the UI.
const NODE: u32 = 20;

/// Installs what is missing where that is known how, and says what to install elsewhere.
pub fn install(purpose: Purpose) -> Result<ExitCode> {
    step("System packages");
    match std::env::consts::OS {
        "linux" if works(command("dpkg-query").arg("--version")) => debian(purpose)?,
        "linux" => other_linux(purpose)?,
        "macos" => macos()?,
        _ => note("Windows needs Visual Studio's C++ build tools and WebView2, which Windows 11 brings."),
    }
    node()?;
    Ok(ExitCode::SUCCESS)
}

fn debian(purpose: Purpose) -> Result<()> {
    let mut wanted = TO_BUILD.to_vec();
    if purpose == Purpose::Test {
        wanted.extend(TO_TEST);
    }
    install_packages(&wanted)
}

/// Installs those of Debian's packages that are missing.
pub fn install_packages(wanted: &[&'static str]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        note("all there");
        return Ok(());
    }
    note(&format!("to be installed: {}", missing.join(" ")));
    let by_hand = format!("run: sudo apt-get install {}", missing.join(" "));
    run(apt()?.arg("update")).context(by_hand.clone())?;
    run(apt()?.args(["install", "-y", "--no-install-recommends"]).args(&missing)).context(by_hand)
}

/// Those of the packages that dpkg does not call installed.
fn missing(wanted: &[&'static str]) -> Vec<&'static str> {
    // It fails when it knows nothing of one of them, and tells about the others all the same.
    let told = command("dpkg-query")
        .args(["-W", "-f=${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let installed = |name: &str| told.lines().any(|line| line == format!("{name} installed"));
    wanted.iter().copied().filter(|name| !installed(name)).collect()
}

/// `apt-get` as root, asking no questions.
fn apt() -> Result<Command> {
    let root = output(command("id").arg("-u"))?.trim() == "0";
    if root {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(apt);
    }
    if !works(command("sudo").arg("--version")) {
        bail!("packages are missing, you are not root and there is no sudo");
    }
    let mut apt = command("sudo");
    apt.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    Ok(apt)
}

fn other_linux(purpose: Purpose) -> Result<()> {
    for library in ["webkit2gtk-4.1", "librsvg-2.0"] {
        if !works(command("pkg-config").args(["--exists", library])) {
            bail!(
                "{library} is missing. Install a C compiler, pkg-config and the development packages of WebKitGTK 4.1, \
                 librsvg and libayatana-appindicator (Fedora: webkit2gtk4.1-devel librsvg2-devel \
                 libappindicator-gtk3-devel; Arch: webkit2gtk-4.1 librsvg libayatana-appindicator), then try again"
            );
        }
    }
    for program in ["Xvfb", "WebKitWebDriver", "dbus-daemon", "xdotool"] {
        // None of them knows a common harmless option: being found is enough.
        if purpose == Purpose::Test && !works(command("sh").args(["-c", &format!("command -v {program}")])) {
            bail!(
                "{program} is missing: the window's tests need Xvfb, WebKitWebDriver, dbus-daemon and xdotool"
            );
        }
    }
    note("all there");
    Ok(())
}

fn macos() -> Result<()> {
    if !works(command("xcode-select").arg("-p")) {
        bail!("Apple's command line tools are missing: run xcode-select --install, then try again");
    }
    note("all there");
    Ok(())
}

fn node() -> Result<()> {
    let advice =
        format!("install Node.js {NODE} or newer, npm included (https://nodejs.org), then try again");
    let version =
        output(command("node").arg("--version")).context(advice.clone()).context("Node.js is missing")?;
    let major: u32 =
        version.trim_start_matches('v').split('.').next().unwrap_or_default().parse().unwrap_or(0);
    if major < NODE {
        bail!("Node.js here is {}: {advice}", version.trim());
    }
    output(crate::ui::npm().arg("--version")).context(advice).context("npm is missing")?;
    note(&format!("Node.js {}", version.trim()));
    Ok(())
}
