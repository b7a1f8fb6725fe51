//! Whether this process may use the tile registers.
//!
//! Three parties must agree: the processor has them, the system saves them when it switches between threads, and,
//! because they make that costly, Linux wants to be asked once by each process. Other systems are not asked: there AMX
//! stays unused.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

use super::tiles::{TILE_ROW_BYTES, TILE_ROWS, TILES};

/// True when all agree. Asks once; the answer holds for all threads.
pub fn available() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| processor_has_tiles() && system_saves_tiles() && system_permits_tiles())
}

/// AMX-TILE and AMX-INT8, with tiles of the size that the kernels are written for.
fn processor_has_tiles() -> bool {
    const PALETTES: u32 = 0x1d;
    if __cpuid(0).eax < PALETTES || __cpuid_count(7, 0).edx >> 24 & 3 != 3 {
        return false;
    }
    let palette = __cpuid_count(PALETTES, 1);
    let (tile_bytes, row_bytes, tiles, rows) =
        (palette.eax >> 16, palette.ebx & 0xffff, palette.ebx >> 16, palette.ecx & 0xffff);
    tile_bytes as usize == TILE_ROWS * TILE_ROW_BYTES
        && row_bytes as usize == TILE_ROW_BYTES
        && tiles as usize == TILES
        && rows as usize == TILE_ROWS
}

/// The system has switched on both parts of the tiles' state: shapes (17) and contents (18).
fn system_saves_tiles() -> bool {
    let uses_xsave = __cpuid(1).ecx >> 27 & 1 == 1;
    if !uses_xsave {
        return false;
    }
    let enabled: u32;
    // SAFETY: the bit above says that this register can be read. The upper half of it is not needed.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nostack, preserves_flags, nomem));
    }
    enabled >> 17 & 3 == 3
}

#[cfg(target_os = "linux")]
fn system_permits_tiles() -> bool {
    /// `ARCH_REQ_XCOMP_PERM` of `asm/prctl.h`; kernels before 5.16 know neither it nor AMX.
    const REQUEST: libc::c_long = 0x1023;
    const TILE_CONTENTS: libc::c_long = 18;
    // SAFETY: asks for a permission and touches no memory. What it changes: from now on a signal stack must have room for
    // the tiles. The standard library's own stacks do, and where another is too small the request is refused.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_CONTENTS) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn system_permits_tiles() -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_as_the_system_reads_it() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo can be read");
        let flags = info.lines().find(|line| line.starts_with("flags")).expect("a line of flags");
        let listed = |name: &str| flags.split_whitespace().any(|flag| flag == name);
        let here = processor_has_tiles() && system_saves_tiles();
        assert_eq!(here, listed("amx_tile") && listed("amx_int8"), "not as in: {flags}");
        assert!(here || !available(), "available, though the processor has no tiles");
    }
}
