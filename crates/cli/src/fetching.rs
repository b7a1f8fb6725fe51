//! How far downloads have come: bars for a person at a terminal, a line now and then for a log, lines of JSON for programs.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lantern_hub::{Download, human_bytes};
use lantern_protocol::{DownloadProgress, DownloadState};
use serde_json::json;

use crate::error::CliError;
use crate::output;

/// Between two lines of a log.
const LINE_PACE: Duration = Duration::from_secs(5);

/// Where and how it is shown.
pub enum Display {
    Bars { all: MultiProgress, bars: HashMap<String, ProgressBar> },
    Lines { last: HashMap<String, (DownloadState, Instant)> },
    Json { last: HashMap<String, DownloadProgress> },
}

impl Display {
    /// Between two looks.
    pub const PACE: Duration = Duration::from_millis(100);

    pub fn new(json: bool) -> Self {
        if json {
            Self::Json { last: HashMap::new() }
        } else if stderr().is_terminal() {
            Self::Bars { all: MultiProgress::new(), bars: HashMap::new() }
        } else {
            Self::Lines { last: HashMap::new() }
        }
    }

    /// Shows how far they are now.
    pub fn show(&mut self, downloads: &[Download]) -> Result<(), CliError> {
        for progress in downloads.iter().map(Download::latest) {
            match self {
                Self::Bars { all, bars } => show_bars(all, bars, &progress),
                Self::Lines { last } => show_line(last, &progress),
                Self::Json { last } => {
                    if last.get(&progress.id) != Some(&progress) {
                        output::line(json!({ "download": progress }).to_string())?;
                        last.insert(progress.id.clone(), progress);
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves nothing on the screen.
    pub fn close(&self) {
        if let Self::Bars { all, .. } = self {
            // A terminal that went away needs no cleaning.
            let _ = all.clear();
        }
    }
}

/// One bar a file, and one for all of them if there are several.
fn show_bars(all: &MultiProgress, bars: &mut HashMap<String, ProgressBar>, progress: &DownloadProgress) {
    let several = progress.files.len() > 1;
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut show = |key: String, name: String, received: u64, total: Option<u64>, message: String| {
        let bar = bars.entry(key).or_insert_with(|| all.add(ProgressBar::no_length().with_style(style())));
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_prefix(name);
        bar.set_position(received);
        bar.set_message(message);
    };
    for file in &progress.files {
        let message = if several { String::new() } else { state(progress) };
        let key = format!("{} {}", progress.id, file.path);
        show(key, name(&file.path), file.received_bytes, file.total_bytes, message);
    }
    if several {
        let total = progress.total_bytes;
        show(progress.id.clone(), "total".into(), progress.received_bytes, total, state(progress));
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:32!} {bar:24} {decimal_bytes:>9} of {decimal_total_bytes:9} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A new state at once, and how far it is now and then.
fn show_line(last: &mut HashMap<String, (DownloadState, Instant)>, progress: &DownloadProgress) {
    let due = |(state, at): &(DownloadState, Instant)| *state != progress.state || at.elapsed() >= LINE_PACE;
    if progress.state == DownloadState::Queued || !last.get(&progress.id).is_none_or(due) {
        return;
    }
    last.insert(progress.id.clone(), (progress.state, Instant::now()));
    let whole = progress.total_bytes.map_or(String::new(), |total| {
        let percent = (progress.received_bytes as f64 / total.max(1) as f64 * 100.0).floor();
        format!(" of {} ({percent} %)", human_bytes(total))
    });
    let received = human_bytes(progress.received_bytes);
    output::note(format!("{}: {received}{whole} {}", progress.request.file, state(progress)));
}

/// What it does, how fast, and how long it will take.
fn state(progress: &DownloadProgress) -> String {
    match (progress.state, &progress.error) {
        (DownloadState::Queued, _) => "waits".into(),
        (DownloadState::Retrying, Some(error)) => format!("trying again: {}", error.message),
        (DownloadState::Verifying, _) => "checking".into(),
        (DownloadState::Done, _) => "whole".into(),
        (DownloadState::Running, _) if progress.bytes_per_second >= 1.0 => {
            let rate = human_bytes(progress.bytes_per_second as u64);
            let left =
                progress.eta_seconds.map_or(String::new(), |seconds| format!(", {} left", time(seconds)));
            format!("{rate}/s{left}")
        }
        _ => String::new(),
    }
}

/// `4 s`, `3:07 min`, `2:05 h`.
fn time(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        assert_eq!([4, 187, 7500].map(time), ["4 s", "3:07 min", "2:05 h"]);
    }
}
