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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

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
