//! What tells whether two models have the same content without reading all of them.
//!
//! A fingerprint is the beginning of a SHA-256 over each file's length, its header and 32 pieces of 16 KiB that lie evenly
//! over the rest; small files are read whole. Two files have the same one by mistake only if they agree in every
//! hyper-parameter, every token, the template and every line of the tensor table, in length to the byte, and in all the
//! pieces. Another quantisation differs in the table. A fine-tune that changes a share s of the weights, evenly spread, is
//! missed with a probability of (1 − s)³²: one in four billion at a half, 3 % at a tenth; those almost always have another
//! name in their header as well. Where full hashes are known, they decide ([`super::entries`]), and `verify` learns them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::shards::files_of;

/// Raised when the same content gets another fingerprint.
const VERSION: &[u8] = b"lantern content 1";

const PIECE: u64 = 16 << 10;
const PIECES: u64 = 32;

/// Most bytes of a header that are read. The longest known have some 20 MiB.
const MAX_HEADER: u64 = 64 << 20;

/// Read of files whose header's length is not known.
const USUAL_HEADER: u64 = 1 << 20;

/// The fingerprint of a model, in hex; `header` is the length of the first file's header, as far as it is known.
pub(crate) fn of(path: &Path, header: Option<u64>) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(VERSION);
    for (at, path) in files_of(path).iter().enumerate() {
        let header = header.filter(|_| at == 0).unwrap_or(USUAL_HEADER);
        add(&mut hash, &mut File::open(path)?, header.min(MAX_HEADER))?;
    }
    Ok(format!("{:x}", hash.finalize())[..32].to_owned())
}

fn add(hash: &mut Sha256, file: &mut File, header: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    let header = header.min(length);
    let rest = length - header;
    if rest <= PIECE * PIECES {
        return add_range(hash, file, 0, length);
    }
    add_range(hash, file, 0, header)?;
    for piece in 0..PIECES {
        // The first begins behind the header, the last ends with the file.
        let start = (rest - PIECE) / (PIECES - 1) * piece;
        let start = if piece + 1 == PIECES { rest - PIECE } else { start };
        add_range(hash, file, header + start, PIECE)?;
    }
    Ok(())
}

fn add_range(hash: &mut Sha256, file: &mut File, start: u64, length: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    let mut buffer = vec![0; 256 << 10];
    let mut part = file.take(length);
    loop {
        match part.read(&mut buffer)? {
            0 => return Ok(()),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_in_the_header_the_length_and_each_piece() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n >> 3) as u8).collect();
        let fingerprint = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            of(&path, Some(1000)).unwrap()
        };
        let first = fingerprint(&bytes);
        assert_eq!(first.len(), 32);
        assert_eq!(first, fingerprint(&bytes));
        let last_piece = bytes.len() - 1;
        for at in [0, 999, 1000, 1000 + PIECE as usize - 1, last_piece] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(first, fingerprint(&changed), "byte {at}");
        }
        assert_ne!(first, fingerprint(&bytes[..bytes.len() - 1]));
        let small = fingerprint(&bytes[..300_000]);
        let mut changed = bytes[..300_000].to_vec();
        changed[150_001] ^= 1;
        assert_ne!(small, fingerprint(&changed), "small files are read whole");
    }
}
