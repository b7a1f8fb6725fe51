//! A pool at rest costs nothing. Alone in its process, so that the process's clock is the pool's.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_kernels::Pool;

#[test]
fn a_pool_at_rest_uses_no_processor_time() {
    let pool = Pool::new(4);
    pool.run(64, &|_| {});
    std::thread::sleep(Duration::from_millis(100));
    let before = clock_ticks();
    std::thread::sleep(Duration::from_millis(600));
    let used = clock_ticks() - before;
    assert!(used <= 1, "sleeping workers used {used} clock ticks (of 10 ms) in 0.6 s");
    pool.run(64, &|_| {});
}

/// User and system time of this process, in clock ticks (proc(5), fields 14 and 15 of `stat`).
fn clock_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let after_name = stat.rsplit(')').next().expect("the name is in brackets");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11..13].iter().map(|f| f.parse::<u64>().expect("a number")).sum()
}
