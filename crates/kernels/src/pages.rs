//! Memory back to the system without giving up its address.

/// Gives the whole pages in a piece of memory back to the system, which brings others when they are next touched. What the
/// memory holds afterwards is anything: zeros, or what it held before. Linux only; elsewhere nothing happens.
pub fn give_back(memory: &mut [u8]) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let Ok(page) = usize::try_from(page) else { return };
        if !page.is_power_of_two() {
            return;
        }
        let before = memory.as_ptr().addr().wrapping_neg() % page;
        let Some(inner) = memory.get_mut(before..) else { return };
        let len = inner.len() - inner.len() % page;
        if len > 0 {
            // SAFETY: these pages lie in memory that nobody else can see as long as it is borrowed here, and any bytes that
            // are read from them later are valid: zeros for memory of no file, the file's otherwise.
            unsafe { libc::madvise(inner.as_mut_ptr().cast(), len, libc::MADV_DONTNEED) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Lets go of the program's code and constants, of which a start uses much that is not used again: what is wanted comes back
/// from the file, a piece at a time. Gives the bytes that were let go of, resident or not. Linux only; elsewhere nothing
/// happens.
pub fn let_go_of_code() -> usize {
    #[cfg(target_os = "linux")]
    {
        let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe())
        else {
            return 0;
        };
        let pieces = maps.lines().filter_map(|line| code_in(line, program.to_str()?));
        let mut sum = 0;
        for (start, len) in pieces {
            // SAFETY: a private mapping of a file that was never written to, as its protection says (`proc_pid_maps(5)`):
            // what is read from it later is the same.
            let done =
                unsafe { libc::madvise(std::ptr::without_provenance_mut(start), len, libc::MADV_DONTNEED) };
            sum += if done == 0 { len } else { 0 };
        }
        sum
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Gives memory that was used and freed back to the system; the allocator keeps it for the next use otherwise. GNU's C
/// library only (`malloc_trim(3)`); elsewhere nothing happens.
pub fn let_go_of_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: only memory that the allocator knows as free is given back.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Where a line of `/proc/self/maps` says that the program's code or constants lie, and how long they are. The constants
/// that were changed when the program was loaded, its addresses, lie further behind in the file.
#[cfg(target_os = "linux")]
fn code_in(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (protection, at) = (fields.next()?, fields.next()?);
    let is_code = protection == "r-xp" || protection == "r--p" && at.bytes().all(|digit| digit == b'0');
    let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).ok());
    (is_code && line.ends_with(program)).then_some((start?, end?.checked_sub(start?)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn code_that_was_let_go_of_runs_again() {
        assert!(let_go_of_code() > 4096);
        assert!(let_go_of_code() > 4096);
        let line = "55e0-66e0 r-xp 00f4b000 fe:00 10408452                   /a b/c";
        assert_eq!(code_in(line, "/a b/c"), Some((0x55e0, 0x1100)));
        let constants = line.replace("r-xp", "r--p");
        assert_eq!(code_in(&constants.replace("00f4b000", "00000000"), "/a b/c"), Some((0x55e0, 0x1100)));
        for other in [constants, line.replace("/a b/c", "/a b/d"), String::new()] {
            assert_eq!(code_in(&other, "/a b/c"), None, "{other}");
        }
    }

    #[test]
    fn freed_memory_leaves() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
            status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0)
        };
        // Too small each for a mapping of their own; the last one keeps the heap from shrinking by itself.
        let mut pieces: Vec<_> = (0..2000).map(|_| vec![1_u8; 16_000]).collect();
        let last = pieces.pop();
        drop(pieces);
        let before = resident();
        let_go_of_freed();
        if cfg!(target_env = "gnu") {
            assert!(resident() + 4000 < before, "{before} pages, then {}", resident());
        }
        drop(last);
    }

    #[test]
    fn only_whole_pages_inside_are_given_back() {
        const LEN: usize = 1 << 20;
        let mut memory = vec![7_u8; LEN + 4096];
        let odd = 4096 - memory.as_ptr().addr() % 4096 + 100;
        give_back(&mut memory[odd..odd + LEN - 8192]);
        assert!(memory[..odd].iter().all(|&byte| byte == 7), "what lies before");
        assert!(memory[odd + LEN - 8192..].iter().all(|&byte| byte == 7), "what lies behind");
        assert!(
            memory[odd + 65536..odd + LEN - 65536 - 8192].iter().all(|&byte| byte == 0),
            "what lies inside"
        );
        give_back(&mut memory[odd..odd + 10]);
        give_back(&mut []);
        memory.fill(1);
        assert!(memory.iter().all(|&byte| byte == 1), "and all of it can be used again");
    }
}
