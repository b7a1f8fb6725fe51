//! What one render may spend.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use minijinja::{Error, ErrorKind};

/// The longest template that is accepted, in bytes. The longest in use have some 20,000.
pub const MAX_TEMPLATE: usize = 256 << 10;
/// The longest text that may come out, and the longest string that may arise on the way, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;
/// Steps of the template engine. A conversation of a thousand messages takes some 100,000.
pub const MAX_STEPS: u64 = 4_000_000;
/// Bytes of all strings put together on the way.
pub const MAX_WORK: usize = 512 << 20;
/// Lists in lists in mappings …
pub const MAX_NESTING: usize = 64;
/// Time for one render: the longest conversations take a tenth of it.
pub const MAX_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// Marks an error as a limit that was hit, through the template engine's error type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LimitHit(pub String);

/// Counts what a render spends. Shared by all functions of its sandbox.
#[derive(Debug)]
pub struct Budget {
    work: AtomicUsize,
    started: Instant,
}

impl Budget {
    /// A fresh budget; its time begins now.
    pub fn new() -> Self {
        Self { work: AtomicUsize::new(0), started: Instant::now() }
    }

    /// Refuses a value that is too large or nested too deeply.
    pub fn check(&self, bytes: usize, depth: usize) -> Result<(), Error> {
        if depth > MAX_NESTING {
            return Err(hit(format!("a value nested deeper than {MAX_NESTING}")));
        }
        if bytes > MAX_OUTPUT {
            return Err(hit(format!("a value of more than {MAX_OUTPUT} bytes")));
        }
        Ok(())
    }

    /// Charges for a string of `bytes` that is about to be made.
    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
        if bytes > MAX_OUTPUT {
            return Err(hit(format!("a string of {bytes} bytes, the limit is {MAX_OUTPUT}")));
        }
        if self.work.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MAX_WORK {
            return Err(hit(format!("it put together more than {MAX_WORK} bytes")));
        }
        if self.started.elapsed() > MAX_TIME {
            return Err(hit(format!("it ran for more than {} seconds", MAX_TIME.as_secs())));
        }
        Ok(())
    }
}

fn hit(limit: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, limit.clone()).with_source(LimitHit(limit))
}
