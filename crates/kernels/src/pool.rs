//! Threads that work on one operation at a time.
//!
//! A model step is a few hundred operations of some ten microseconds each, so a worker that has nothing to do spins
//! for a moment before it sleeps; a pool at rest uses no processor time. The calling thread takes part in the work.
//! This module knows nothing about what the tasks do.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker looks for the next operation before it sleeps.
const SPIN: Duration = Duration::from_micros(200);
/// How long a waiting thread keeps its core to itself before it lets others run between looks.
const HOLD: Duration = Duration::from_micros(20);
/// The task number that says that an operation is over.
const CLOSED: u32 = u32::MAX;

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// A fixed set of threads that run the tasks of one operation together.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    leader: Mutex<()>,
}

/// On lines of the processor's cache of their own: what all threads write on, and what the leader waits for.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    /// The operation's number in the upper half, the next task to claim in the lower one.
    state: Line<AtomicU64>,
    done: Line<AtomicU32>,
    job: AtomicPtr<Task<'static>>,
    tasks: AtomicU32,
    /// One of so many parts of what is left is claimed at a time, one task at least.
    parts: AtomicU32,
    sleepers: AtomicUsize,
    stop: AtomicBool,
    bed: Mutex<()>,
    bell: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

thread_local! {
    /// Set while this thread runs a task of some pool.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    /// A pool of `threads` threads, the caller of [`Pool::run`] included; 0 counts as 1.
    ///
    /// Where the system refuses a thread, the pool works with those it got.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: Line(AtomicU64::new(pack(0, CLOSED))),
            done: Line(AtomicU32::new(0)),
            job: AtomicPtr::new(std::ptr::null_mut()),
            tasks: AtomicU32::new(0),
            parts: AtomicU32::new(1),
            sleepers: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            bed: Mutex::new(()),
            bell: Condvar::new(),
            panic: Mutex::new(None),
        });
        let workers = (1..threads).filter_map(|i| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("lantern-{i}")).spawn(move || shared.work()).ok()
        });
        let workers = workers.collect();
        Pool { shared, workers, leader: Mutex::new(()) }
    }

    /// Number of threads that work, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `f(0)` … `f(tasks - 1)`, in any order and on any of the threads, and returns when all are done.
    ///
    /// A panic in a task reaches the caller once the other tasks are done; the pool stays usable. Called from
    /// inside a task, it runs everything on that thread.
    pub fn run(&self, tasks: usize, f: Task<'_>) {
        self.run_in(u32::MAX, tasks, f);
    }

    /// As [`Pool::run`] for tasks that all take about as long: a thread takes several neighbours at a time, fewer and
    /// fewer towards the end. That asks for less talk between cores, which costs as much as a short task where they are
    /// far apart, and lets a thread walk through memory in order.
    pub fn run_even(&self, tasks: usize, f: Task<'_>) {
        self.run_in(2 * self.threads() as u32, tasks, f);
    }

    /// Threads claim one of so many parts of what is left at a time, one task at least.
    fn run_in(&self, parts: u32, tasks: usize, f: Task<'_>) {
        if tasks <= 1 || self.workers.is_empty() || WORKING.get() || tasks >= CLOSED as usize {
            (0..tasks).for_each(f);
            return;
        }
        let turn = lock(&self.leader);
        self.shared.lead(tasks as u32, parts, f);
        let panic = lock(&self.shared.panic).take();
        drop(turn);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            // A worker catches every panic of a task, so this cannot fail; and a destructor must not panic.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Publishes an operation, works on it and waits until no thread is inside it any more.
    fn lead(&self, tasks: u32, parts: u32, f: Task<'_>) {
        // SAFETY: only the lifetime changes. Workers follow the pointer only after claiming a task, every claimed
        // task is counted in `done`, and this function does not return before all are counted.
        let job = unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(f) };
        self.job.store((&raw const job).cast_mut(), Ordering::Relaxed);
        self.tasks.store(tasks, Ordering::Relaxed);
        self.parts.store(parts, Ordering::Relaxed);
        self.done.0.store(0, Ordering::Relaxed);
        let number = operation(self.state.0.load(Ordering::Relaxed)).wrapping_add(1);
        self.state.0.store(pack(number, 0), Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
        self.help(number);
        let mut wait = Wait::new();
        while self.done.0.load(Ordering::Acquire) != tasks {
            wait.pause();
        }
        // From here on no late worker can claim anything, so the next operation may be written.
        self.state.0.store(pack(number, CLOSED), Ordering::SeqCst);
    }

    /// Claims and runs tasks of operation `number` until none is left.
    fn help(&self, number: u32) {
        let mut seen = self.state.0.load(Ordering::Acquire);
        loop {
            let (job, tasks) = (self.job.load(Ordering::Relaxed), self.tasks.load(Ordering::Relaxed));
            if operation(seen) != number || task(seen) >= tasks {
                return;
            }
            let take = ((tasks - task(seen)) / self.parts.load(Ordering::Relaxed)).max(1);
            let claimed = seen + u64::from(take);
            match self.state.0.compare_exchange_weak(seen, claimed, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.run_some(job, task(seen)..task(claimed));
                    seen = self.state.0.load(Ordering::Acquire);
                }
                Err(now) => seen = now,
            }
        }
    }

    fn run_some(&self, job: *const Task<'static>, tasks: Range<u32>) {
        // SAFETY: the claim succeeded, so the operation `job` was read for is still open: its leader waits for these
        // very tasks, and the pointer leads to a variable on the leader's stack.
        let f = unsafe { *job };
        let count = tasks.len() as u32;
        WORKING.set(true);
        for index in tasks {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(index as usize))) {
                lock(&self.panic).get_or_insert(payload);
            }
        }
        WORKING.set(false);
        self.done.0.fetch_add(count, Ordering::AcqRel);
    }

    /// The life of a worker.
    fn work(&self) {
        let mut last = 0;
        while let Some(number) = self.next_operation(last) {
            self.help(number);
            last = number;
        }
    }

    /// Waits for an operation other than `last`; `None` when the pool ends.
    fn next_operation(&self, last: u32) -> Option<u32> {
        let mut wait = Wait::new();
        loop {
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            let number = operation(self.state.0.load(Ordering::Acquire));
            if number != last {
                return Some(number);
            }
            if wait.pause() > SPIN {
                self.sleep(last);
                wait = Wait::new();
            }
        }
    }

    /// Sleeps until the bell rings. The count of sleepers and the operation's number are both sequentially
    /// consistent: either the leader sees the sleeper or the sleeper sees the operation.
    fn sleep(&self, last: u32) {
        let mut bed = lock(&self.bed);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while operation(self.state.0.load(Ordering::SeqCst)) == last && !self.stop.load(Ordering::SeqCst) {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        let _bed = lock(&self.bed);
        self.bell.notify_all();
    }
}

/// A thread that looks again and again: at first without pause, later letting others run.
struct Wait {
    since: Option<Instant>,
    looks: u32,
    waited: Duration,
}

impl Wait {
    fn new() -> Self {
        Wait { since: None, looks: 0, waited: Duration::ZERO }
    }

    /// One pause; gives the time waited so far (the clock is read now and then only).
    fn pause(&mut self) -> Duration {
        std::hint::spin_loop();
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(32) {
            self.waited = self.since.get_or_insert_with(Instant::now).elapsed();
            if self.waited > HOLD {
                std::thread::yield_now();
            }
        }
        self.waited
    }
}

fn pack(operation: u32, task: u32) -> u64 {
    u64::from(operation) << 32 | u64::from(task)
}

fn operation(state: u64) -> u32 {
    (state >> 32) as u32
}

fn task(state: u64) -> u32 {
    state as u32
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        let pool = Pool::new(4);
        assert_eq!(pool.threads(), 4);
        for tasks in [0, 1, 2, 3, 64, 1000] {
            let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            let count = |i: usize| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            };
            pool.run(tasks, &count);
            pool.run_even(tasks, &count);
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 2), "{tasks} tasks");
        }
    }

    #[test]
    fn many_short_operations_lose_nothing() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        for round in 0..20_000 {
            let add = |i: usize| {
                sum.fetch_add(i + 1, Ordering::Relaxed);
            };
            if round % 2 == 0 {
                pool.run(1 + round % 7, &add);
            } else {
                pool.run_even(1 + round % 7, &add);
            }
        }
        let expected: usize = (0..20_000).map(|r| (1 + r % 7) * (2 + r % 7) / 2).sum();
        assert_eq!(sum.load(Ordering::Relaxed), expected);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for _ in 0..3 {
            let ran = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run_even(8, &|i| {
                    assert!(i != 5, "task five fails");
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }));
            assert_eq!(ran.load(Ordering::Relaxed), 7, "the others run all the same");
            let payload = result.expect_err("the panic must reach the caller");
            let text = payload.downcast_ref::<&str>().copied().unwrap_or_default();
            assert_eq!(text, "task five fails");
            let ran = AtomicUsize::new(0);
            pool.run(8, &|_| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(ran.load(Ordering::Relaxed), 8);
        }
    }

    #[test]
    fn callers_take_turns_and_nested_calls_stay_on_their_thread() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(5, &|_| {
                            pool.run(2, &|_| {
                                sum.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(sum.load(Ordering::Relaxed), 4 * 200 * 5 * 2);
    }
}
