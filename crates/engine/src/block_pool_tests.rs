//! Who holds which block, what is found again, and what goes first.

use super::*;

fn link<'a>(hash: BlockHash, parent: Option<BlockHash>, tokens: &'a [u32]) -> Link<'a> {
    Link { hash, parent, tokens }
}

#[test]
fn equal_hashes_with_other_tokens_are_a_miss() {
    let mut pool = BlockPool::new(4, usize::MAX);
    let block = pool.allocate().expect("free blocks");
    assert!(pool.publish(&link(7, None, &[1, 2]), block));
    assert_eq!(pool.find(&link(7, None, &[1, 2])), Some(block));
    assert_eq!(pool.find(&link(7, None, &[7, 8])), None, "the tokens are compared, not only the hash");
    assert_eq!(pool.find(&link(7, Some(1), &[1, 2])), None, "and what stands before them");
    let other = pool.allocate().expect("free blocks");
    assert!(!pool.publish(&link(7, None, &[7, 8]), other), "a taken hash is refused");
}

#[test]
fn a_copy_computed_at_the_same_time_stays_private() {
    let mut pool = BlockPool::new(4, usize::MAX);
    let [one, two] = [(); 2].map(|()| pool.allocate().expect("free blocks"));
    for block in [one, two] {
        assert!(pool.publish(&link(7, None, &[1, 2]), block), "the same tokens are no conflict");
    }
    pool.release(&[two]);
    assert_eq!(pool.idle(), 0, "the copy is blank after its release");
    pool.release(&[one]);
    assert_eq!(pool.find(&link(7, None, &[1, 2])), Some(one));
}

#[test]
fn what_is_pinned_goes_last() {
    let mut pool = BlockPool::new(4, usize::MAX);
    let blocks: Vec<u32> = (0..4).map(|_| pool.allocate().expect("free blocks")).collect();
    for (&block, hash) in blocks.iter().zip(0..) {
        assert!(pool.publish(&link(hash, None, &[hash as u32]), block));
    }
    let [one, two]: [Arc<str>; 2] = ["one".into(), "two".into()];
    let pinned = |name, is_pinned| Owner { name, is_pinned };
    pool.release_of(&blocks[..1], Some(pinned(&one, true)));
    pool.release_of(&blocks[1..3], Some(pinned(&two, false)));
    pool.release(&blocks[3..]);
    // A pinned conversation keeps what it shares with one that is not.
    pool.hold(blocks[0]);
    pool.release_of(&blocks[..1], Some(pinned(&two, false)));
    assert_eq!(pool.allocate(), Some(blocks[2]), "the oldest that is not pinned");
    pool.pin(pinned(&two, true));
    pool.pin(pinned(&one, false));
    assert_eq!(
        [(); 4].map(|()| pool.allocate()),
        [Some(blocks[3]), Some(blocks[0]), Some(blocks[1]), None],
        "and what is pinned last of all"
    );
}

#[test]
fn what_is_marked_goes_after_the_rest_but_not_too_much_of_it() {
    let mut pool = BlockPool::new(9, usize::MAX);
    let blocks: Vec<u32> = (0..9).map(|_| pool.allocate().expect("free blocks")).collect();
    for (&block, hash) in blocks.iter().zip(0..) {
        assert!(pool.publish(&link(hash, None, &[hash as u32]), block));
    }
    blocks[..4].iter().for_each(|&block| pool.mark(block));
    blocks.iter().for_each(|&block| pool.release(&[block]));
    let all = blocks.iter().map(|_| pool.allocate().expect("there are idle ones"));
    let order: Vec<usize> = all.map(|block| block as usize).collect();
    assert_eq!(order, [0, 4, 5, 6, 7, 8, 1, 2, 3], "a third may be marked; the oldest is one too many");
}

#[test]
fn the_least_recently_used_tail_is_emptied_first() {
    let mut pool = BlockPool::new(4, usize::MAX);
    let blocks: Vec<u32> = (0..4).map(|_| pool.allocate().expect("free blocks")).collect();
    for (&block, hash) in blocks.iter().zip(0..) {
        assert!(pool.publish(&link(hash, None, &[hash as u32]), block));
    }
    pool.release(&blocks[..2]);
    pool.release(&blocks[2..]);
    assert_eq!(pool.allocate(), Some(blocks[1]), "the end of the older sequence goes first");
    assert_eq!(pool.find(&link(1, None, &[1])), None, "and what it held with it");
    // What is used again becomes the youngest.
    pool.hold(blocks[0]);
    pool.release(&blocks[..1]);
    assert_eq!([pool.allocate(), pool.allocate()], [Some(blocks[3]), Some(blocks[2])]);
    assert_eq!(pool.allocate(), Some(blocks[0]));
    assert_eq!(pool.allocate(), None, "everything is held now");
}
