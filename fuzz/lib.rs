//! What the targets share: how bytes become the parts of an input, and where the golden files lie.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};

/// The largest piece of memory that any input justifies: all of them are a few kilobytes long, and the largest golden file
/// that a target reads has less than this.
const MAX_ALLOCATION: usize = 64 << 20;

/// The system's allocator, which ends the run where somebody asks for too much at once. It stands in for the limit of a
/// sanitizer, without which all the runs take half the time; what is fuzzed is safe Rust, so there is nothing else for one
/// to see.
struct Limited;

#[global_allocator]
static LIMITED: Limited = Limited;

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Aborts, which the fuzzer takes for a crash.
fn check(size: usize) {
    if size > MAX_ALLOCATION {
        eprintln!("{size} bytes at once");
        std::process::abort();
    }
}

/// Takes an input apart from its beginning; at its end come zeros.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next bytes, or as many as there are.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A text of up to 31 bytes.
    pub fn text(&mut self) -> String {
        let length = usize::from(self.byte() % 32);
        String::from_utf8_lossy(self.bytes(length)).into_owned()
    }

    /// All that is left, as text.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(self.bytes(self.0.len())).into_owned()
    }

    /// A number, now and then none that is finite.
    pub fn float(&mut self) -> f32 {
        match self.byte() {
            255 => f32::NAN,
            254 => f32::INFINITY,
            253 => f32::NEG_INFINITY,
            byte => -f32::from(byte) / 8.0,
        }
    }

    /// One of several.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }
}

/// The golden files of a folder that end so, in order.
pub fn golden(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the golden files lie beside the fuzz targets");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// Calls `work` with a file of these bytes, which lies in the folder for temporary files.
pub fn with_file(bytes: &[u8], work: impl FnOnce(&Path)) {
    let path = std::env::temp_dir().join(format!("lantern-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("room for a temporary file");
    work(&path);
    let _ = std::fs::remove_file(&path);
}
