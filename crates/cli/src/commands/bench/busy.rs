//! How much of the processor other programs took while something was measured. Two programs in turns are both slowed by
//! a busy machine, but not equally: threads that wait for each other by spinning lose far more.

use std::fs;

/// Counts of processor time up to a moment, in the system's ticks.
pub struct Busy {
    /// Of everybody, work and idleness.
    total: u64,
    /// Of everybody, work.
    busy: u64,
    /// Of this process and those it has started and seen end.
    own: u64,
}

impl Busy {
    /// `None` where the system does not tell; only Linux does.
    pub fn now() -> Option<Self> {
        let all = fs::read_to_string("/proc/stat").ok()?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        Self::read(&all, &own)
    }

    fn read(all: &str, own: &str) -> Option<Self> {
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of the first two.
        let counts = all.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let counts = counts.map(|count| count.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let total: u64 = counts.iter().sum();
        let idle: u64 = counts.get(3..5)?.iter().sum();
        // The name may hold anything, also spaces and brackets; behind it the 12th to 15th field are the times.
        let fields = own.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        let times = fields.map(|time| time.parse().ok()).collect::<Option<Vec<u64>>>()?;
        (times.len() == 4).then(|| Self { total, busy: total - idle, own: times.iter().sum() })
    }

    /// The share of the whole processor, 0 to 1, that others took since then.
    pub fn others_since(&self) -> Option<f64> {
        Some(self.others_until(&Self::now()?))
    }

    fn others_until(&self, later: &Self) -> f64 {
        let busy = later.busy.saturating_sub(self.busy);
        let others = busy.saturating_sub(later.own.saturating_sub(self.own));
        others as f64 / later.total.saturating_sub(self.total).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_others() {
        let read = |all, own| Busy::read(all, own).expect("both are whole");
        let before =
            read("cpu  100 0 20 300 10 0 0 5 0 0\ncpu0 ", "7 (a ) b) R 1 1 1 0 -1 0 0 0 0 0 10 5 50 5 20");
        let after =
            read("cpu  200 0 20 350 10 0 0 55 7 0\ncpu0 ", "7 (a ) b) R 1 1 1 0 -1 0 0 0 0 0 10 5 130 5 20");
        // 200 ticks passed, 150 of them at work, 80 of those ours.
        assert_eq!(before.others_until(&after), 0.35);
        assert!(Busy::read("cpu  1 2", "7 (x) R").is_none() && Busy::read("", "").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells() {
        let share = Busy::now().and_then(|busy| busy.others_since()).expect("Linux tells");
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}
