//! Where in a prompt others may go on, beside its end: behind the instructions and tools that begin many conversations, and
//! here and there in long prompts, from which somebody may branch.
//!
//! Layers that see everything can be left at any block. Windows and states are kept at few places only, because they take
//! so much room: a step ends at a mark, and what these layers keep there is the last of theirs that memory gives up.

use crate::block_manager::BlockManager;

/// Tokens between marks near the end of a prompt; further back they are twice, four times, … as far apart.
const SPACING: usize = 2048;
/// Marks of that kind: enough for a prompt of 32 thousand tokens.
const MOST_SPACED: usize = 5;
/// Fewer tokens are computed faster than they are found.
const LEAST: usize = 128;

/// Places in a prompt of `prompt` tokens, of which the first `preamble` are instructions and tools, in rising order. Places
/// are whole blocks, and stay what they are as a conversation grows.
pub(crate) fn marks(preamble: usize, prompt: usize, blocks: &BlockManager) -> Vec<usize> {
    match blocks.keeps_all() {
        true => Vec::new(),
        false => places(preamble, prompt, blocks.block_size()),
    }
}

fn places(preamble: usize, prompt: usize, block_size: usize) -> Vec<usize> {
    // The last token is computed in any case.
    let last = prompt.saturating_sub(1);
    let behind_preamble = preamble.min(last) / block_size * block_size;
    let end = last / SPACING;
    let spaced = (0..MOST_SPACED).map(|back| match back {
        0 => end,
        _ => {
            let step = 1 << (back - 1);
            end.saturating_sub(step) / step * step
        }
    });
    let mut places: Vec<usize> = spaced
        .map(|place| place * SPACING)
        .chain([behind_preamble])
        .filter(|&place| place >= LEAST)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(thousands: usize) -> Vec<usize> {
        places(0, thousands * SPACING + 100, 32).iter().map(|place| place / SPACING).collect()
    }

    #[test]
    fn marks_are_dense_near_the_end_and_stay_as_a_prompt_grows() {
        assert!(spaced(0).is_empty());
        assert_eq!(spaced(1), [1]);
        assert_eq!(spaced(8), [4, 6, 7, 8]);
        assert_eq!(spaced(9), [4, 6, 8, 9]);
        assert_eq!(spaced(16), [8, 12, 14, 15, 16]);
        for end in 1..100 {
            let (before, after) = (spaced(end), spaced(end + 1));
            let new = after.iter().filter(|place| !before.contains(place)).collect::<Vec<_>>();
            assert_eq!(new, [&(end + 1)], "only the newest is made");
        }
    }

    #[test]
    fn a_preamble_has_a_mark_behind_its_last_whole_block() {
        assert_eq!(places(200, 300, 32), [192]);
        assert!(places(100, 300, 32).is_empty(), "hardly worth it");
        assert_eq!(places(224, 224, 32), [192], "the last token is computed");
        assert_eq!(places(3000, 5000, 32), [2048, 2976, 4096]);
    }
}
