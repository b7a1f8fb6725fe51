//! Loading against damaged models: a golden file with some bytes of its header changed is a model or a typed error.
#![no_main]

use std::sync::OnceLock;

use lantern_fuzz::{Cursor, golden, with_file};
use lantern_gguf::GgufFile;
use lantern_models::{Device, LoadOptions, registry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Cursor(data);
    let models = models();
    let mut file = models[usize::from(input.byte()) % models.len()].clone();
    while !input.0.is_empty() {
        // The header is the first 64 KiB; keys and sizes lie at its two ends.
        let at = usize::from(u16::from_le_bytes([input.byte(), input.byte()])) % file.len();
        file[at] = input.byte();
    }
    with_file(&file, |path| {
        let Ok(file) = GgufFile::open(path) else { return };
        let options = LoadOptions { device: Device::Cpu, threads: 1 };
        if let Err(error) = registry::load(&file, &options) {
            assert!(!error.to_string().is_empty() && !error.next_step().is_empty());
        }
    });
});

/// The smallest golden models, one of each family.
fn models() -> &'static [Vec<u8>] {
    static MODELS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let small = |path: &std::path::PathBuf| path.to_string_lossy().contains("-Q4_0");
        let read = |path| std::fs::read(path).expect("a golden model");
        golden("models", "gguf").into_iter().filter(small).map(read).collect()
    })
}
