//! What the models of a process have promised themselves of the host's memory, all together.
//!
//! Memory that a model has been promised is not taken at once: weights are packed while they are loaded, a cache's pages
//! come as they are first written. Until then the system still calls it free, and a second load would see the same free
//! bytes again. So each model charges what its plan says before it allocates anything, and gives it back when it is
//! dropped; free is what the system has, less what was promised and not taken yet.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::memory::{available_bytes, total_bytes};

/// What the system says at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// What this process may still take.
    pub available: u64,
    /// What this process has taken and no other can have: memory that is no part of any file.
    pub held: u64,
    /// When less than this is available, caches shrink for the sake of other programs.
    pub reserve: u64,
}

/// The books of a process. Clones are the same books.
#[derive(Clone)]
pub struct Ledger(Arc<Books>);

struct Books {
    limit: Option<u64>,
    look: Box<dyn Fn() -> HostMemory + Send + Sync>,
    /// Taken for a plan and its charge, so that no two plans see the same free bytes.
    turn: Mutex<()>,
    charged: AtomicU64,
    /// What the process held when nothing was charged.
    held_before: AtomicU64,
}

/// Memory that somebody has been promised, until this is dropped.
#[derive(Debug)]
pub struct Charge {
    ledger: Ledger,
    bytes: u64,
}

impl Ledger {
    /// The books of this process, for the memory of this machine.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Ledger> = LazyLock::new(|| Ledger::with(None, host_memory));
        SHARED.clone()
    }

    /// Books of their own, with a limit for everything charged, and another look at the system: for tests, and for whoever
    /// lets a process have no more than a part of the machine.
    pub fn with(limit: Option<u64>, look: impl Fn() -> HostMemory + Send + Sync + 'static) -> Self {
        let (turn, charged, held_before) = Default::default();
        Self(Arc::new(Books { limit, look: Box::new(look), turn, charged, held_before }))
    }

    /// Books over the memory of this machine in which no more than `limit` bytes may be charged.
    pub fn limited(limit: u64) -> Self {
        Self::with(Some(limit), host_memory)
    }

    /// Books in which so many bytes are free, whatever the system says.
    pub(crate) fn of_bytes(free: u64) -> Self {
        Self::with(Some(free), || HostMemory { available: u64::MAX, ..HostMemory::default() })
    }

    /// Bytes that may still be charged.
    pub fn available(&self) -> u64 {
        let charged = self.charged();
        let HostMemory { available, held, .. } = (self.0.look)();
        let taken = held.saturating_sub(self.0.held_before.load(Ordering::Relaxed));
        let free = available.saturating_sub(charged.saturating_sub(taken));
        self.0.limit.map_or(free, |limit| free.min(limit.saturating_sub(charged)))
    }

    /// Bytes that are charged.
    pub fn charged(&self) -> u64 {
        self.0.charged.load(Ordering::Relaxed)
    }

    /// Whether the system has less left than its reserve.
    pub fn is_low(&self) -> bool {
        let HostMemory { available, reserve, .. } = self.host_memory();
        available < reserve
    }

    /// What the system says now.
    pub(crate) fn host_memory(&self) -> HostMemory {
        (self.0.look)()
    }

    /// Charges what a plan says it needs. Nobody else plans meanwhile, so what [`Self::available`] says stays true.
    pub(crate) fn charge<T, E>(&self, plan: impl FnOnce() -> Result<(T, u64), E>) -> Result<(T, Charge), E> {
        let _turn = self.turn();
        if self.charged() == 0 {
            self.0.held_before.store((self.0.look)().held, Ordering::Relaxed);
        }
        let (planned, bytes) = plan()?;
        self.0.charged.fetch_add(bytes, Ordering::Relaxed);
        Ok((planned, Charge { ledger: self.clone(), bytes }))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::shared()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("limit", &self.0.limit).field("charged", &self.charged()).finish()
    }
}

impl Charge {
    /// Bytes charged.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that would be free without this charge.
    pub(crate) fn free_without(&self) -> u64 {
        self.ledger.available().saturating_add(self.bytes)
    }

    /// Gives a part back.
    pub(crate) fn lower(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.ledger.0.charged.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }

    /// Replaces the charge by what another plan says, which is told the bytes that are free without this one. An error
    /// leaves it as it is.
    pub(crate) fn change<T, E>(&mut self, plan: impl FnOnce(u64) -> Result<(T, u64), E>) -> Result<T, E> {
        let ledger = self.ledger.clone();
        let _turn = ledger.turn();
        let (planned, bytes) = plan(self.free_without())?;
        ledger.0.charged.fetch_add(bytes, Ordering::Relaxed);
        ledger.0.charged.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(planned)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.0.charged.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What this machine has for this process.
fn host_memory() -> HostMemory {
    HostMemory { available: available_bytes(), held: held_bytes(), reserve: *RESERVE }
}

/// Less than what a plan leaves to others, or an engine that takes what it was promised would raise the alarm.
static RESERVE: LazyLock<u64> = LazyLock::new(|| (total_bytes() / 64).min(512 << 20));

/// On Linux, pages of files do not count: the system calls those free, whoever reads them.
#[cfg(target_os = "linux")]
fn held_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    ["RssAnon:", "RssShmem:"].into_iter().filter_map(kib).map(|kib| kib * 1024).sum()
}

#[cfg(not(target_os = "linux"))]
fn held_bytes() -> u64 {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
    let own = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, memory);
    system.process(own).map_or(0, |process| process.memory())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn charged(ledger: &Ledger, bytes: u64) -> Charge {
        let Ok(((), charge)) = ledger.charge(|| Ok::<_, Infallible>(((), bytes)));
        charge
    }

    /// A machine with so much free memory, of which a test takes some.
    fn machine(free: u64) -> (Arc<AtomicU64>, impl Fn() -> HostMemory + Send + Sync) {
        let taken = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&taken);
        let look = move || {
            let held = seen.load(Ordering::Relaxed);
            HostMemory { available: free - held, held: 7 + held, reserve: 0 }
        };
        (taken, look)
    }

    #[test]
    fn what_was_promised_is_not_free_whether_it_was_taken_or_not() {
        let (taken, look) = machine(1000);
        let ledger = Ledger::with(None, look);
        let first = charged(&ledger, 600);
        assert_eq!(ledger.available(), 400, "promised, not taken");
        taken.store(450, Ordering::Relaxed);
        assert_eq!(ledger.available(), 400, "some of it taken");
        taken.store(600, Ordering::Relaxed);
        assert_eq!(ledger.available(), 400, "all of it taken");
        let second = charged(&ledger, 300);
        assert_eq!((ledger.available(), ledger.charged()), (100, 900));
        taken.store(0, Ordering::Relaxed);
        drop(first);
        assert_eq!(ledger.available(), 700);
        drop(second);
        assert_eq!((ledger.available(), ledger.charged()), (1000, 0));
    }

    #[test]
    fn a_limit_counts_for_all_together() {
        let ledger = Ledger::with(Some(500), machine(1000).1);
        let _first = charged(&ledger, 300);
        assert_eq!(ledger.available(), 200);
        let _second = charged(&ledger, 300);
        assert_eq!(ledger.available(), 0);
    }

    #[test]
    fn a_charge_that_changes_may_use_what_it_had() {
        let ledger = Ledger::with(Some(500), machine(1000).1);
        let _other = charged(&ledger, 100);
        let mut charge = charged(&ledger, 300);
        assert_eq!(charge.change(|free| Ok::<_, Infallible>((free, 350))), Ok(400));
        assert_eq!((charge.bytes(), ledger.available()), (350, 50));
        assert_eq!(charge.change(|_| Err::<((), u64), _>("no")), Err("no"));
        assert_eq!((charge.bytes(), ledger.available()), (350, 50));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_this_process_writes_to_is_held() {
        let before = held_bytes();
        let pages = vec![1_u8; 64 << 20];
        let more = held_bytes().saturating_sub(before);
        assert!(more > 48 << 20, "{more} bytes more with {} bytes in use", pages.len());
    }
}
