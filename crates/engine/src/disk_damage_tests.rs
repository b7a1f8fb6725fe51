//! The whole engine on files that a disk, a person or another model has changed: never a wrong token, never a crash.

use std::fs;
use std::path::Path;

use super::disk::{Disk, FILES, cold};
use super::*;
use crate::DiskCacheOptions;

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // Xorshift*, by Vigna.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Does something to a file; `other` is another one.
fn damage(path: &Path, other: &Path, dice: &mut Dice) {
    let mut bytes = fs::read(path).expect("there");
    let at = dice.below(bytes.len());
    match dice.below(7) {
        0 | 1 => bytes[at] ^= 1 << dice.below(8),
        2 => bytes.truncate(at),
        3 => bytes.extend_from_slice(&[0; 40]),
        4 => {
            let end = (at + 1 + dice.below(5000)).min(bytes.len());
            bytes[at..end].fill(dice.below(256) as u8);
        }
        5 => bytes = fs::read(other).expect("there"),
        _ => return fs::remove_file(path).expect("removed"),
    }
    fs::write(path, bytes).expect("written");
}

#[test]
fn three_hundred_damages_change_no_token() {
    let mut dice = Dice(0x5eed);
    for file in FILES {
        let (disk, first, second) = (Disk::new(), prompt(110, 170), prompt(111, 170));
        let filled = disk.engine(file);
        let expected = [&first, &second].map(|prompt| say(&filled, prompt, 3).tokens);
        let long = [&first[..], &expected[0], &prompt(112, 160)].concat();
        let expected = [&expected[..], &[say(&filled, &long, 3).tokens]].concat();
        assert_eq!(expected[2], cold(file, &long, 3), "{file}");
        drop(filled);
        let whole: Vec<_> =
            disk.files().into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect();
        let mut loaded = 0;
        for round in 0..100 {
            whole.iter().for_each(|(bytes, path)| fs::write(path, bytes).expect("written"));
            for _ in 0..1 + dice.below(3) {
                let [one, other] = [(); 2].map(|()| &whole[dice.below(whole.len())].1);
                if one.exists() && other.exists() && fs::metadata(one).is_ok_and(|about| about.len() > 0) {
                    damage(one, other, &mut dice);
                }
            }
            let engine = disk.engine_with(file, EngineOptions { threads: 1, ..options() });
            for (prompt, expected) in [&first, &second, &long].into_iter().zip(&expected) {
                assert_eq!(&say(&engine, prompt, 3).tokens, expected, "{file}, round {round}");
            }
            loaded += engine.stats().loaded_tokens;
        }
        assert!(loaded > 100 * 100, "{file}: {loaded} tokens were of use after all");
    }
}

#[test]
fn another_model_s_files_are_no_use() {
    let (one, other) = ("llama_untied-Q8_0.gguf", "llama_untied-Q4_0.gguf");
    let (disk, question) = (Disk::new(), prompt(113, 200));
    say(&disk.engine(one), &question, 10);
    let of_one = disk.files();
    let expected = cold(other, &question, 10);
    let answer = say(&disk.engine(other), &question, 10);
    assert_eq!((answer.usage.cached_tokens, &answer.tokens), (0, &expected));
    // And under the names that the other looks for.
    let of_other: Vec<_> = disk.files().into_iter().filter(|path| !of_one.contains(path)).collect();
    assert_eq!((of_one.len(), of_other.len()), (1, 1));
    fs::copy(&of_one[0], &of_other[0]).expect("copied");
    let answer = say(&disk.engine(other), &question, 10);
    assert_eq!((answer.usage.cached_tokens, &answer.tokens), (0, &expected));
    // The wrong one was removed, and the right one written again.
    let answer = say(&disk.engine(other), &question, 10);
    assert_eq!((answer.usage.cached_tokens, &answer.tokens), (192, &expected));
}

#[test]
fn the_folder_never_outgrows_its_quota() {
    for file in FILES {
        let disk = Disk::new();
        say(&disk.engine(file), &prompt(120, 300), 10);
        let one = disk.options().bytes();
        let quota = DiskCacheOptions { quota_bytes: 2 * one + one / 2, ..disk.options() };
        let with = EngineOptions { prefix_disk: Some(quota.clone()), ..options() };
        let engine = Engine::load(&golden("models").join(file), with).expect("loads");
        for seed in 121..130 {
            let question = prompt(seed, 300);
            let stream = engine.generate(endless(&engine, &question, 10)).expect("accepted");
            assert_eq!(outcome(stream).expect("finished").tokens, cold(file, &question, 10), "{file}");
            assert!(quota.bytes() <= quota.quota_bytes, "{file}: {} of {}", quota.bytes(), quota.quota_bytes);
        }
        drop(engine);
        assert!(quota.bytes() > one && quota.bytes() <= quota.quota_bytes, "{file}: it is used");
        assert_eq!(
            say(&disk.engine(file), &prompt(129, 300), 10).usage.cached_tokens,
            288,
            "{file}: the last"
        );
        assert_eq!(
            say(&disk.engine(file), &prompt(121, 300), 10).usage.cached_tokens,
            0,
            "{file}: the first"
        );
    }
}
