//! The reader against any bytes: a file or a typed error, and every tensor inside the file.
#![no_main]

use lantern_fuzz::with_file;
use lantern_gguf::GgufFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    with_file(data, |path| match GgufFile::open(path) {
        Err(error) => assert!(!error.to_string().is_empty() && !error.next_step().is_empty()),
        Ok(file) => {
            for tensor in file.tensors().values() {
                if let Ok(bytes) = file.bytes(tensor) {
                    assert!(bytes.len() as u64 <= file.file_len(), "{tensor:?} is longer than its file");
                }
            }
        }
    });
});
