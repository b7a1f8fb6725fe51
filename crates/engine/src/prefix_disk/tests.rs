//! Files, the index over them and the folder, without an engine.

use std::fs::{self, File};
use std::io::Cursor;
use std::time::{Duration, SystemTime};

use super::file::{Header, Miss, PieceSum};
use super::folder::{DiskCacheOptions, ModelFolder};
use super::index::{Index, Route, SegmentRead};
use super::name::FileName;
use super::point::{ModelKey, Point};

/// Tokens of a block here.
const SIZE: usize = 2;

struct Shelf {
    _home: tempfile::TempDir,
    folder: ModelFolder,
    options: DiskCacheOptions,
}

impl Shelf {
    fn new(quota_bytes: u64) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let options = DiskCacheOptions { folder: home.path().join("prefixes"), quota_bytes };
        Shelf { folder: ModelFolder::new(options.clone(), ModelKey::new("a")), options, _home: home }
    }

    fn root(&self) -> Point {
        Point::root(self.folder.model())
    }

    fn index(&self, needs_segments: bool, needs_snapshots: bool) -> Index {
        Index::new(self.folder.clone(), SIZE, needs_segments, needs_snapshots)
    }

    fn points(&self, tokens: &[u32]) -> Vec<Point> {
        self.root().chain(tokens, SIZE)
    }

    /// Writes the blocks `start..end` of these tokens as a segment.
    fn segment(&self, tokens: &[u32], start: usize, end: usize) -> FileName {
        let points = self.points(tokens);
        let (first, last) = (points[start + 1], points[end]);
        let name = FileName::Segment { first, last, blocks: (end - start) as u32 };
        let pieces: Vec<[u8; 10]> = (start..end).map(|block| [block as u8; 10]).collect();
        let tokens = &tokens[start * SIZE..end * SIZE];
        let header = header(self.folder.model(), name, points[start], tokens, &pieces);
        self.write(name, &header, &pieces.concat());
        name
    }

    fn snapshot(&self, tokens: &[u32], blocks: usize) -> FileName {
        let name = FileName::Snapshot { at: self.points(tokens)[blocks] };
        let tokens = &tokens[..blocks * SIZE];
        let header = header(self.folder.model(), name, self.root(), tokens, &[[7; 10]]);
        self.write(name, &header, &[7; 10]);
        name
    }

    fn write(&self, name: FileName, header: &Header, payload: &[u8]) {
        let head = header.encode().expect("small");
        assert!(self.folder.write(name, &[&head, payload], None).expect("written").is_kept);
    }

    fn is_there(&self, name: FileName) -> bool {
        self.folder.path(name).exists()
    }

    fn used(&self, name: FileName, minutes_ago: u64) {
        let file = File::options().write(true).open(self.folder.path(name)).expect("there");
        file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes_ago)).expect("marked");
    }
}

fn header(model: &ModelKey, name: FileName, parent: Point, tokens: &[u32], pieces: &[[u8; 10]]) -> Header {
    let pieces = pieces.iter().map(|piece| PieceSum::of(piece)).collect();
    Header { model: *model, kind: name.kind(), parent, tokens: tokens.to_vec(), pieces }
}

fn tokens(n: u32) -> Vec<u32> {
    (0..n).collect()
}

fn read(name: FileName, start: usize, skip: usize, blocks: usize) -> SegmentRead {
    SegmentRead { name, start, skip, blocks }
}

#[test]
fn segments_follow_each_other_and_a_branch_begins_inside_one() {
    let shelf = Shelf::new(1 << 20);
    let trunk = tokens(20);
    let (a, b) = (shelf.segment(&trunk, 0, 6), shelf.segment(&trunk, 6, 10));
    let mut branch = trunk[..8].to_vec();
    branch.extend([90, 91, 92, 93, 94, 95]);
    let c = shelf.segment(&branch, 4, 7);
    let mut index = shelf.index(true, false);
    let mut route = |tokens: &[u32], from: usize| index.route(&shelf.points(tokens), from, from);
    let to = |to, reads: &[SegmentRead]| Some(Route { to, reads: reads.to_vec(), snapshot: None });
    assert_eq!(route(&trunk, 0), to(10, &[read(a, 0, 0, 6), read(b, 6, 0, 4)]));
    assert_eq!(route(&trunk, 3), to(10, &[read(a, 3, 3, 3), read(b, 6, 0, 4)]));
    assert_eq!(route(&trunk, 7), to(10, &[read(b, 7, 1, 3)]));
    assert_eq!(route(&trunk, 10), None, "there is no more than memory has");
    assert_eq!(route(&branch, 0), to(7, &[read(a, 0, 0, 4), read(c, 4, 0, 3)]));
    assert_eq!(route(&trunk[..9], 0), to(4, &[read(a, 0, 0, 4)]), "half a block is none");
    assert_eq!(route(&[9, 9, 9], 0), None);
    assert_eq!(index.saved(&shelf.points(&branch)), 7);
    assert_eq!(index.path(&shelf.points(&branch)), [a, c]);
    // The beginning is gone, but memory may have it.
    index.remove(a);
    assert_eq!(index.route(&shelf.points(&trunk), 0, 0), None);
    assert_eq!(index.route(&shelf.points(&trunk), 6, 6), to(10, &[read(b, 6, 0, 4)]));
}

#[test]
fn a_route_ends_where_there_is_a_snapshot() {
    let shelf = Shelf::new(1 << 20);
    let trunk = tokens(20);
    let a = shelf.segment(&trunk, 0, 8);
    shelf.snapshot(&trunk, 10);
    assert_eq!(shelf.index(true, true).route(&shelf.points(&trunk), 0, 0), None, "segments end before it");
    let five = shelf.snapshot(&trunk, 5);
    let mut index = shelf.index(true, true);
    let route = index.route(&shelf.points(&trunk), 2, 2);
    let expected = Route { to: 5, reads: vec![read(a, 2, 2, 3)], snapshot: Some(five) };
    assert_eq!(route, Some(expected));
    // After a miss behind it: six blocks are there, but only five of them are of use.
    let route = index.route(&shelf.points(&trunk), 6, 2);
    assert_eq!(route, Some(Route { to: 5, reads: vec![], snapshot: Some(five) }));
    assert_eq!(index.route(&shelf.points(&trunk), 6, 5), None);
    let only = shelf.index(false, true).route(&shelf.points(&trunk), 0, 0).expect("snapshots are enough");
    assert_eq!((only.to, only.reads.len()), (10, 0));
}

#[test]
fn a_file_under_another_name_is_found_out_and_removed() {
    let shelf = Shelf::new(1 << 20);
    let (trunk, other) = (tokens(12), [&tokens(2)[..], &[50; 10]].concat());
    let name = shelf.segment(&trunk, 0, 6);
    let wrong = shelf.segment(&other, 0, 6);
    fs::copy(shelf.folder.path(wrong), shelf.folder.path(name)).expect("copied");
    let mut index = shelf.index(true, false);
    // Only part of it is asked for, so its header is read.
    let route = index.route(&shelf.points(&trunk[..6]), 0, 0).expect("the other begins alike");
    assert_eq!((route.to, route.reads[0].name), (1, wrong));
    assert!(!shelf.is_there(name));
}

#[test]
fn every_damage_to_a_file_is_found() {
    let shelf = Shelf::new(1 << 20);
    let path = shelf.folder.path(shelf.segment(&tokens(12), 0, 6));
    let whole = fs::read(&path).expect("read");
    let read = |bytes: &[u8]| -> Result<(Header, Vec<u8>), Miss> {
        let mut file = Cursor::new(bytes);
        let header = Header::read(&mut file)?;
        let pieces = header.read_pieces(&mut file, 0..header.pieces.len())?;
        Ok((header, pieces))
    };
    let (header, pieces) = read(&whole).expect("it is whole");
    assert_eq!((header.tokens, pieces.len(), pieces[59]), (tokens(12), 60, 5));
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read(&[&whole[..], &[0]].concat()).is_err(), "longer than it was");
    let mut flipped = whole;
    for bit in 0..8 * flipped.len() {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn lies_with_a_good_checksum_are_refused() {
    let shelf = Shelf::new(1 << 20);
    let name = shelf.segment(&tokens(12), 0, 6);
    let whole = fs::read(shelf.folder.path(name)).expect("read");
    let header_len = u32::from_le_bytes(whole[12..16].try_into().expect("four bytes")) as usize;
    // Counts that nothing of the size of the file could have, and lengths that overflow in sum.
    let lies: [(usize, &[u8]); 5] = [
        (12, &u32::MAX.to_le_bytes()),
        (12, &9u32.to_le_bytes()),
        (76, &u32::MAX.to_le_bytes()),
        (80 + 48, &u32::MAX.to_le_bytes()),
        (84 + 48, &u64::MAX.to_le_bytes()),
    ];
    for (at, lie) in lies {
        let mut told = whole.clone();
        told[at..at + lie.len()].copy_from_slice(lie);
        let sum = twox_hash::XxHash3_64::oneshot(&told[..header_len - 8]);
        told[header_len - 8..header_len].copy_from_slice(&sum.to_le_bytes());
        assert!(Header::read(&mut Cursor::new(told)).is_err(), "{at}");
    }
}

#[test]
fn what_was_used_least_recently_goes_first() {
    let shelf = Shelf::new(1 << 20);
    let one = shelf.segment(&[1, 1, 1, 1], 0, 2);
    let bytes = shelf.options.bytes();
    let quota = 3 * bytes + bytes / 2;
    let tight = DiskCacheOptions { quota_bytes: quota, ..shelf.options.clone() };
    let tight =
        Shelf { folder: ModelFolder::new(tight.clone(), *shelf.folder.model()), options: tight, ..shelf };
    let (two, three) = (tight.segment(&[2, 2, 2, 2], 0, 2), tight.segment(&[3, 3, 3, 3], 0, 2));
    tight.used(one, 3);
    tight.used(two, 2);
    tight.used(three, 1);
    tight.folder.touch(&[three, one]);
    let four = tight.segment(&[4, 4, 4, 4], 0, 2);
    assert!(!tight.is_there(two), "the oldest, and no more than have to");
    assert!([one, three, four].iter().all(|name| tight.is_there(*name)) && tight.options.bytes() <= quota);
    tight.used(four, 9);
    tight.folder.touch(&[three, one]);
    tight.used(four, 0);
    let five = tight.segment(&[5, 5, 5, 5], 0, 2);
    assert!(!tight.is_there(one) && tight.is_there(three), "the end of a chain goes before its beginning");
    assert!([three, four, five].iter().all(|name| tight.is_there(*name)));
}

#[test]
fn a_folder_that_is_too_full_is_brought_to_its_quota() {
    let shelf = Shelf::new(1 << 20);
    let files: Vec<_> = (1..6).map(|n| shelf.segment(&[n; 4], 0, 2)).collect();
    files.iter().zip((1..6).rev()).for_each(|(name, minutes)| shelf.used(*name, minutes));
    let bytes = shelf.options.bytes();
    // What a writer left that was killed, and something that is nobody's business here.
    let draft = shelf.folder.path(files[0]).with_file_name("draft.tmp");
    let strange = shelf.folder.path(files[0]).with_file_name("notes.txt");
    fs::write(&draft, [0; 5000]).expect("written");
    fs::write(&strange, [0; 5000]).expect("written");
    let less = DiskCacheOptions { quota_bytes: bytes / 2, ..shelf.options.clone() };
    // Another model's engine finds them.
    let other = ModelFolder::new(less.clone(), ModelKey::new("b"));
    other.tidy().expect("tidied");
    assert!(less.bytes() <= bytes / 2 && !draft.exists() && strange.exists());
    let there: Vec<_> = files.iter().map(|name| shelf.is_there(*name)).collect();
    assert_eq!(there, [false, false, false, true, true]);
    let name = FileName::Snapshot { at: Point([0; 16]) };
    let written = other.write(name, &[&vec![0; bytes as usize]], None).expect("no error");
    assert!(!written.is_kept && written.evicted.is_empty(), "what can never fit drives nothing out");
    less.remove_all().expect("removed");
    assert_eq!((less.bytes(), shelf.is_there(files[4])), (0, false));
}

#[test]
fn another_process_s_write_is_waited_for() {
    let shelf = Shelf::new(1 << 20);
    let name = shelf.segment(&tokens(4), 0, 2);
    let lock = File::open(shelf.options.folder.join("lock")).expect("there");
    lock.lock().expect("locked");
    let (folder, options) = (shelf.folder.clone(), shelf.options.clone());
    let writer = std::thread::spawn(move || folder.write(name, &[&[1; 10]], None).expect("no error").is_kept);
    std::thread::sleep(Duration::from_millis(120));
    assert!(options.bytes() > 10, "it was not written under the other's hands");
    drop(lock);
    assert!(writer.join().expect("ended"));
    assert_eq!(options.bytes(), 10);
}

#[test]
fn lists_of_owners_are_not_trusted() {
    let shelf = Shelf::new(1 << 20);
    let name = shelf.segment(&tokens(4), 0, 2);
    let outside = shelf.options.folder.join("outside.segment");
    fs::write(&outside, "not of the cache").expect("written");
    shelf.folder.share("me", &[name]).expect("noted");
    let list = shelf.options.lists().remove(0);
    let mut text = fs::read(&list).expect("read");
    // A line that a crash has cut, and lies.
    text.extend(b"../outside.segment\n/etc/passwd\n\xff\xfe/x\n0011");
    fs::write(&list, text).expect("written");
    let other = shelf.segment(&[5; 4], 0, 2);
    shelf.folder.share("me", &[other, name]).expect("noted");
    assert_eq!(shelf.folder.forget("me").expect("forgotten").len(), 2);
    assert!(!shelf.is_there(name) && !shelf.is_there(other) && outside.exists() && !list.exists());
    shelf.folder.share("me", &[name]).expect("noted");
    shelf.folder.tidy().expect("tidied");
    assert!(shelf.options.lists().is_empty(), "none of its files is left");
}

#[test]
fn what_is_pinned_goes_last_and_the_oldest_pin_first() {
    let shelf = Shelf::new(1 << 20);
    let files: Vec<FileName> = (0..4).map(|n| shelf.snapshot(&[n, n], 1)).collect();
    for ((name, minutes), owner) in files.iter().zip([50, 40, 30, 20]).zip(["a", "b", "c", "d"]) {
        shelf.used(*name, minutes);
        shelf.folder.share(owner, &[*name]).expect("shared");
    }
    for owner in ["b", "a"] {
        shelf.options.pin(owner, true).expect("pinned");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Of an owner without files yet.
    shelf.options.pin("e", true).expect("pinned");
    let left = |quota_bytes| {
        let options = DiskCacheOptions { quota_bytes, ..shelf.options.clone() };
        ModelFolder::new(options, ModelKey::new("a")).tidy().expect("tidied");
        files.iter().map(|name| shelf.is_there(*name)).collect::<Vec<_>>()
    };
    let one = fs::metadata(shelf.folder.path(files[0])).expect("there").len();
    assert_eq!(left(shelf.options.bytes() - 1), [true, true, false, true], "the oldest that is not pinned");
    assert_eq!(left(shelf.options.bytes() - one), [true, true, false, false]);
    assert_eq!(left(shelf.options.bytes() - 1), [true, false, false, false], "then the oldest pin");
    shelf.options.pin("a", false).expect("let go");
    let newer = shelf.snapshot(&[9, 9], 1);
    shelf.used(newer, 60);
    shelf.folder.share("e", &[newer]).expect("shared");
    assert_eq!(left(shelf.options.bytes() - 1), [false; 4], "nobody pins it any more");
    assert!(shelf.is_there(newer), "what is pinned later is older, and stays");
    shelf.options.forget("e").expect("forgotten");
    assert!(!shelf.is_there(newer));
    let pins = fs::read_dir(shelf.options.folder.join("owners")).expect("there").flatten();
    let pins = pins.filter(|file| file.path().extension().is_some_and(|extension| extension == "pin"));
    assert_eq!(pins.count(), 1, "only that of b is left");
}
