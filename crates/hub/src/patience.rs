//! Whether to try again, and when: waits that double, what servers ask for, and an end.

use std::time::{Duration, SystemTime};

use crate::http::Failure;
use crate::{HubError, RetryPolicy};

/// Counts tries and says how long to wait before the next.
pub(crate) struct Patience {
    policy: RetryPolicy,
    failures: u32,
}

impl Patience {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// New bytes came: start counting anew.
    pub(crate) fn restore(&mut self) {
        self.failures = 0;
    }

    /// The wait before another try, or the error to give up with.
    pub(crate) fn after(&mut self, failure: Failure) -> Result<(Duration, HubError), HubError> {
        let (error, asked) = match failure {
            Failure::Fatal(error) => return Err(error),
            Failure::Transient { error, wait } => (error, wait),
        };
        self.failures += 1;
        let error = match error {
            HubError::Unreachable { host, why, .. } => {
                HubError::Unreachable { host, tries: self.failures, why }
            }
            HubError::HttpStatus { host, status: 429, .. }
                if asked.is_some_and(|wait| wait > self.policy.longest_wait) =>
            {
                return Err(HubError::RateLimited { host, seconds: asked.unwrap_or_default().as_secs() });
            }
            other => other,
        };
        if self.failures >= self.policy.tries {
            return Err(error);
        }
        let doubled = self.policy.first_wait.saturating_mul(1 << (self.failures - 1).min(16));
        let spread = doubled.mul_f64(0.75 + 0.5 * jitter());
        Ok((spread.max(asked.unwrap_or_default()).min(self.policy.longest_wait), error))
    }
}

/// From 0 to 1, so that many clients do not come back at the same moment.
fn jitter() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    f64::from(now.subsec_micros() % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::http::broken;

    #[test]
    fn waits_double_honour_the_server_and_end() {
        let policy = RetryPolicy {
            tries: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            ..RetryPolicy::default()
        };
        let url = Url::parse("https://x.example").unwrap();
        let mut patience = Patience::new(policy);
        let waits: Vec<f64> =
            (0..3).map(|_| patience.after(broken(&url, "cut".into())).unwrap().0.as_secs_f64()).collect();
        for (wait, base) in waits.iter().zip([1.0, 2.0, 4.0]) {
            assert!((base * 0.75..=base * 1.25).contains(wait), "{waits:?}");
        }
        assert!(matches!(
            patience.after(broken(&url, "cut".into())),
            Err(HubError::Unreachable { tries: 4, .. })
        ));

        let limited = |seconds| Failure::Transient {
            error: HubError::HttpStatus { host: "x".into(), what: "y".into(), status: 429 },
            wait: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(Patience::new(policy).after(limited(30)).unwrap().0, Duration::from_secs(30));
        assert!(matches!(
            Patience::new(policy).after(limited(600)),
            Err(HubError::RateLimited { seconds: 600, .. })
        ));
    }
}
