//! The header as a disk might give it back: whole, cut at every byte, with flipped bits, and with lies in it.

use lantern_gguf::FileStamp;
use lantern_kernels::MatrixShape;

use super::Miss;
use super::header::{Header, Model, Tensor, checksum};

fn header() -> Header {
    let tensor = |name: &str, offset, len, checksums: &[u64]| Tensor {
        name: name.to_owned(),
        type_id: 12,
        shape: MatrixShape { count: 2, rows: 3, cols: 4 },
        offset,
        len,
        checksums: checksums.to_vec(),
    };
    Header {
        file_len: 16384 + (2 << 20) + 5,
        model: Model {
            path: "/models/a.gguf".into(),
            stamp: FileStamp { len: 1, modified: 2, changed: 3, number: u64::MAX },
            fingerprint: "00ff".into(),
        },
        tensors: vec![
            tensor("a", 4096, 100, &[7]),
            tensor("b", 8192, 0, &[]),
            tensor("ß", 16384, (2 << 20) + 5, &[8, 9]),
        ],
    }
}

/// A file of the right length that begins with the header.
fn file(header: &Header) -> Vec<u8> {
    let mut file = header.encode();
    file.resize(header.file_len as usize, 0);
    file
}

/// The header's bytes after a change, with a checksum that fits.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = header().encode();
    bytes.truncate(bytes.len() - 8);
    change(&mut bytes);
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes.resize(header().file_len as usize, 0);
    bytes
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(Header::decode(&file(&header())), Ok(header()));
    assert_eq!(Header::decode(&changed(|_| ())), Ok(header()), "a change of nothing");
}

#[test]
fn every_prefix_and_every_flipped_bit_is_a_miss() {
    let (whole, len) = (file(&header()), header().encode().len());
    for cut in (0..len + 8).chain([whole.len() - 1]) {
        assert!(Header::decode(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let mut flipped = whole;
    for bit in 0..8 * len {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn versions_that_are_not_ours_are_told_apart_from_damage() {
    for at in [0, 8, 12] {
        assert_eq!(Header::decode(&changed(|bytes| bytes[at] ^= 2)), Err(Miss::Version), "byte {at}");
    }
}

#[test]
fn lies_with_a_good_checksum_are_refused() {
    let bytes = header().encode();
    let find = |needle: &[u8]| {
        bytes.windows(needle.len()).position(|window| window == needle).expect("the needle is there")
    };
    let count = find(b"00ff") + 4;
    // The name "a" is followed by type, three sizes, offset and length.
    let offset = count + 4 + 4 + 1 + 4 + 3 * 8;
    let lies: [(&str, usize, &[u8]); 8] = [
        ("more tensors than bytes", count, &u32::MAX.to_le_bytes()),
        ("one tensor more", count, &4u32.to_le_bytes()),
        ("a name longer than the file", count + 4, &u32::MAX.to_le_bytes()),
        ("tiles inside the header", offset, &0u64.to_le_bytes()),
        ("tiles at no multiple of a page", offset, &4097u64.to_le_bytes()),
        ("tiles behind the end", offset, &(1u64 << 40).to_le_bytes()),
        ("an end that overflows", offset + 8, &u64::MAX.to_le_bytes()),
        ("a header longer than the file", 16, &u64::MAX.to_le_bytes()),
    ];
    for (what, at, lie) in lies {
        let told = changed(|bytes| bytes[at..at + lie.len()].copy_from_slice(lie));
        assert!(matches!(Header::decode(&told), Err(Miss::Damaged(_))), "{what}");
    }
}
