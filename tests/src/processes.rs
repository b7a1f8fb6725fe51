//! Programs that end with the test that started them, by their number, whatever happens.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running program; dropping this kills it and everything it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a program. What it prints is dropped unless the command says otherwise.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("cannot start {name}: {error}. Run `cargo xtask test`."));
        Self { child, name }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, to read what it prints.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(start.elapsed() < limit, "{} did not end within {} s", self.name, limit.as_secs_f64());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for id in descendants(self.id()) {
            kill(id);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `kill -9`: the process gets no chance to write anything more.
pub fn kill(id: u32) {
    // The program instead of the system call: the call would be the only unsafe code here.
    let _ = Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status();
}

/// The numbers of the processes that a process started, and of those that these started, and so on.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let parents = parents();
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(_, theirs)| *theirs == parent).map(|(id, _)| *id));
        next += 1;
    }
    family.split_off(1)
}

/// Whether a process is there and not merely waiting to be reaped. One that is killed looks like that while its last
/// threads still hold its files and sockets, so these are counted too.
pub fn is_alive(id: u32) -> bool {
    let Some(fields) = stat(id) else { return false };
    let reaped = fields.first().is_some_and(|state| state == "Z" || state == "X");
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    !reaped || threads > 1
}

/// The program's name, as the kernel keeps it: at most 15 bytes.
pub fn name(id: u32) -> String {
    std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim().to_owned()
}

/// Every process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    ids.filter_map(|id| Some((id, stat(id)?.get(1)?.parse().ok()?))).collect()
}

/// The fields of `/proc/ID/stat` after the name: state, parent, …
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may itself hold brackets and spaces.
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}
