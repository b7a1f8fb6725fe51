//! The bandwidth that all downloads of a process may take together: a bucket that fills at the chosen rate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who waits looks again after this time, so that another rate has an effect at once.
const LOOK: Duration = Duration::from_millis(200);

/// Seconds of the rate that the bucket holds.
const HOLDS: f64 = 0.25;

#[derive(Debug)]
struct Bucket {
    /// Bytes a second; `None` lets everything pass.
    rate: Option<u64>,
    /// Bytes that may pass now; below zero after more passed than there was.
    tokens: f64,
    at: Instant,
}

/// Shared by everything that receives bytes.
#[derive(Debug)]
pub(crate) struct Limiter(Mutex<Bucket>);

impl Limiter {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self(Mutex::new(Bucket { rate, tokens: 0.0, at: Instant::now() }))
    }

    /// Another rate, for bytes from now on.
    pub(crate) fn set(&self, rate: Option<u64>) {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *bucket = Bucket { rate: rate.filter(|rate| *rate > 0), tokens: 0.0, at: Instant::now() };
    }

    /// Returns when this many bytes may have been received.
    pub(crate) async fn pass(&self, bytes: usize) {
        while let Some(wait) = self.wait(bytes, Instant::now()) {
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }

    /// Takes the bytes out of the bucket, or says how long to wait.
    fn wait(&self, bytes: usize, now: Instant) -> Option<Duration> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = bucket.rate? as f64;
        let filled = bucket.tokens + rate * now.duration_since(bucket.at).as_secs_f64();
        bucket.tokens = filled.min(rate * HOLDS);
        bucket.at = now;
        if bucket.tokens < 0.0 {
            return Some(Duration::from_secs_f64((-bucket.tokens / rate).max(0.001)));
        }
        bucket.tokens -= bytes as f64;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_the_rate_whoever_asks() {
        let (limiter, start) = (Limiter::new(Some(1_000_000)), Instant::now());
        let mut passed = 0;
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for size in [10_000, 300, 70_000] {
                if limiter.wait(size, now).is_none() {
                    passed += size;
                }
            }
        }
        assert!((9_900_000..10_400_000).contains(&passed), "{passed} bytes in ten seconds");
        limiter.set(None);
        assert_eq!(limiter.wait(usize::MAX, start), None);
    }
}
