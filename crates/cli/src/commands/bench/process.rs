//! A program run in a process of its own, with what it printed, how long it lived and the most memory it held.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running process is asked for its memory. Its answer is a peak that never falls, so that only what it
/// took in its last moments can be missed; and asking takes microseconds.
const INTERVAL: Duration = Duration::from_millis(5);

/// A process that has ended.
pub struct Finished {
    pub status: ExitStatus,
    /// From just before its start until it had ended.
    pub seconds: f64,
    pub stdout: String,
    pub stderr: String,
    /// Linux only; `None` elsewhere.
    pub peak_rss_bytes: Option<u64>,
}

/// Runs a program to its end. Fails only when it cannot be started or watched.
pub fn run(mut command: Command) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (id, ended) = (child.id(), AtomicBool::new(false));
    thread::scope(|scope| {
        let out = scope.spawn(|| text(stdout));
        let err = scope.spawn(|| text(stderr));
        let peak = scope.spawn(|| watch(id, &ended));
        let status = child.wait();
        let seconds = begin.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        let gone = |_| io::Error::other("a thread that watched it has died");
        Ok(Finished {
            stdout: out.join().map_err(gone)??,
            stderr: err.join().map_err(gone)??,
            peak_rss_bytes: peak.join().map_err(gone)?,
            status: status?,
            seconds,
        })
    })
}

fn text(stream: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The highest peak seen until the process has ended.
fn watch(id: u32, ended: &AtomicBool) -> Option<u64> {
    let mut peak = None;
    while !ended.load(Ordering::Relaxed) {
        peak = peak.max(lantern_engine::peak_rss_bytes_of(id));
        thread::sleep(INTERVAL);
    }
    peak
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Finished {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command).expect("there is a shell")
    }

    #[test]
    fn what_a_process_does_is_kept_apart() {
        let done = shell("echo out; echo err >&2; sleep 0.1; exit 3");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(done.status.code(), Some(3));
        assert!((0.1..10.0).contains(&done.seconds), "it took {} s", done.seconds);
    }

    #[test]
    fn a_process_that_says_a_lot_does_not_hang() {
        let done = shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done");
        assert_eq!(done.stdout.lines().count(), 20000);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_was_given_back_still_counts() {
        let held = shell("x=$(head -c 30000000 /dev/zero | tr '\\0' a); x=; sleep 0.1").peak_rss_bytes;
        let little = shell("sleep 0.1").peak_rss_bytes;
        let (held, little) = (held.expect("Linux tells"), little.expect("Linux tells"));
        assert!(held > 30_000_000 && little < 20_000_000, "{held} and {little}");
    }
}
