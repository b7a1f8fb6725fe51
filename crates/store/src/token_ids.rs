//! Token ids in few bytes: those that another list has, too, are named by their place there. Turns of a conversation begin
//! with the turns before, so of each only what is new takes room.
//!
//! The bytes are runs. Each begins with a number (LEB128) that is twice the run's length, plus one for a copy: a copy goes on
//! with its start in the other list, any other run with its ids, a number each.

use std::collections::HashMap;

/// Shorter runs are not worth being named.
const SHORTEST: usize = 8;
/// More tokens than any context has.
const MOST_TOKENS: usize = 1 << 24;

/// Writes ids, with what `base` has of them named by its place.
pub(crate) fn encode(ids: &[u32], base: &[u32]) -> Vec<u8> {
    let mut places: HashMap<&[u32], usize> = HashMap::new();
    for (at, window) in base.windows(SHORTEST).enumerate() {
        places.entry(window).or_insert(at);
    }
    let (mut bytes, mut literal, mut at) = (Vec::new(), 0, 0);
    while at < ids.len() {
        let found = ids.get(at..at + SHORTEST).and_then(|window| places.get(window));
        let Some(&start) = found else {
            at += 1;
            continue;
        };
        write_literal(&mut bytes, &ids[literal..at]);
        let run = ids[at..].iter().zip(&base[start..]).take_while(|(a, b)| a == b).count();
        write(&mut bytes, run as u64 * 2 + 1);
        write(&mut bytes, start as u64);
        at += run;
        literal = at;
    }
    write_literal(&mut bytes, &ids[literal..]);
    bytes
}

/// Reads what [`encode`] wrote with the same `base`; `None` for anything else.
pub(crate) fn decode(mut bytes: &[u8], base: &[u32]) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    while !bytes.is_empty() {
        let head = read(&mut bytes)?;
        let run = usize::try_from(head / 2).ok()?;
        if ids.len().checked_add(run)? > MOST_TOKENS {
            return None;
        }
        if head % 2 == 1 {
            let start = usize::try_from(read(&mut bytes)?).ok()?;
            ids.extend_from_slice(base.get(start..start.checked_add(run)?)?);
            continue;
        }
        for _ in 0..run {
            ids.push(u32::try_from(read(&mut bytes)?).ok()?);
        }
    }
    Some(ids)
}

fn write_literal(bytes: &mut Vec<u8>, ids: &[u32]) {
    if !ids.is_empty() {
        write(bytes, ids.len() as u64 * 2);
        ids.iter().for_each(|&id| write(bytes, id.into()));
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        bytes.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    bytes.push(low);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids as a vocabulary of 128k has them.
    fn ids(seed: u32, count: u32) -> Vec<u32> {
        (0..count).map(|at| (seed ^ at).wrapping_mul(2_654_435_761) % 128_000).collect()
    }

    #[test]
    fn a_turn_costs_what_is_new_in_it() {
        let before = ids(1, 10_000);
        let alone = encode(&before, &[]);
        assert!(alone.len() < 30_010, "three bytes an id: {}", alone.len());
        assert_eq!(decode(&alone, &[]), Some(before.clone()));
        let turn = [&before[..], &ids(2, 40)].concat();
        let bytes = encode(&turn, &before);
        assert!(bytes.len() < 130, "{}", bytes.len());
        // The oldest turns are gone, and an answer has lost its thoughts.
        let shorter = [&turn[..60], &turn[3_000..7_000], &turn[7_500..], &ids(3, 30)].concat();
        let bytes = encode(&shorter, &turn);
        assert!(bytes.len() < 120, "{}", bytes.len());
        assert_eq!(decode(&bytes, &turn), Some(shorter));
    }

    #[test]
    fn foreign_bytes_give_nothing() {
        let base = ids(1, 20);
        for bytes in
            [&[1][..], &[0x80], &[0xff; 12], &[41, 1], &[3, 20], &[4, 1], &[0xfe, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert_eq!(decode(bytes, &base), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_ids_come_back(
            ids in prop::collection::vec(any::<u32>(), 0..60),
            base in prop::collection::vec(0u32..4, 0..60),
            like in prop::collection::vec(0u32..4, 0..60),
        ) {
            for ids in [&ids, &like, &base] {
                prop_assert_eq!(decode(&encode(ids, &base), &base), Some(ids.clone()));
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes, &[1, 2, 3]);
        }
    }
}
