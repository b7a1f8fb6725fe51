//! The whole engine with its prefix cache on disk: what another engine kept gives the tokens of a cold run, and so does
//! whatever a disk makes of it.

use std::fs;
use std::path::Path;

use super::*;
use crate::DiskCacheOptions;

/// Layers that see everything, with windows, and with states.
pub(super) const FILES: [&str; 3] = ["llama_untied-Q8_0.gguf", "gemma3-Q8_0.gguf", "qwen35_dense-Q8_0.gguf"];

/// A folder for prefixes.
pub(super) struct Disk(pub(super) tempfile::TempDir);

impl Disk {
    pub(super) fn new() -> Self {
        Disk(tempfile::tempdir().expect("a folder"))
    }

    pub(super) fn options(&self) -> DiskCacheOptions {
        DiskCacheOptions { folder: self.0.path().to_path_buf(), quota_bytes: 1 << 30 }
    }

    pub(super) fn engine(&self, file: &str) -> Engine {
        self.engine_with(file, options())
    }

    pub(super) fn engine_with(&self, file: &str, options: EngineOptions) -> Engine {
        let options = EngineOptions { prefix_disk: Some(self.options()), ..options };
        Engine::load(&golden("models").join(file), options).expect("the golden model loads")
    }

    /// The files of all models.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries(self.0.path()).filter(|entry| entry.path().is_dir());
        let mut files: Vec<_> =
            folders.flat_map(|folder| entries(&folder.path()).map(|entry| entry.path())).collect();
        files.sort();
        files
    }
}

/// What an engine answers that never saw anything else.
pub(super) fn cold(file: &str, prompt: &[u32], max_tokens: usize) -> Vec<u32> {
    let engine = Engine::load(&golden("models").join(file), options()).expect("the golden model loads");
    say(&engine, prompt, max_tokens).tokens
}

/// A prompt, the answer to it and something new.
fn next_turn(turn: &[u32], answer: &[u32], seed: u32) -> Vec<u32> {
    [turn, answer, &prompt(seed, 30)].concat()
}

#[test]
fn after_a_restart_a_conversation_goes_on_where_it_ended() {
    for file in FILES {
        let disk = Disk::new();
        let mut turn = prompt(90, 200);
        let mut cached = Vec::new();
        for more in 0..4 {
            let engine = disk.engine_with(file, EngineOptions { step_tokens: 64, ..options() });
            let warm = say(&engine, &turn, 150);
            assert_eq!(warm.tokens, cold(file, &turn, 150), "{file}, turn {more}");
            cached.push(warm.usage.cached_tokens);
            assert_eq!(engine.stats().loaded_tokens, *cached.last().expect("one") as u64, "{file}");
            turn = next_turn(&turn, &warm.tokens, 91 + more);
        }
        // All but the last of 350, 530 and 710 tokens were computed, in blocks of 32.
        assert_eq!(cached, [0, 320, 512, 704], "{file}");
    }
}

#[test]
fn every_kind_of_cache_comes_back() {
    for (kv_type, file) in [(KvType::F32, FILES[0]), (KvType::F16, FILES[1]), (KvType::F32, FILES[2])] {
        let (disk, question) = (Disk::new(), prompt(92, 200));
        let options = EngineOptions { kv_type, ..options() };
        let first = say(&disk.engine_with(file, options.clone()), &question, 20);
        let again = say(&disk.engine_with(file, options), &question, 20);
        assert_eq!((again.usage.cached_tokens, again.tokens), (192, first.tokens), "{file}");
        let other = if kv_type == KvType::F32 { KvType::F16 } else { KvType::F32 };
        let other = disk.engine_with(file, EngineOptions { kv_type: other, ..self::options() });
        assert_eq!(say(&other, &question, 20).usage.cached_tokens, 0, "{file}: another type of cache");
    }
}

#[test]
fn branches_share_their_trunk_on_disk() {
    for file in FILES {
        let (disk, trunk) = (Disk::new(), prompt(93, 260));
        let branches = [94, 95].map(|seed| [&trunk[..250], &prompt(seed, 190)].concat());
        for branch in &branches {
            say(&disk.engine(file), branch, 10);
        }
        let bytes = disk.options().bytes();
        for branch in &branches {
            // Each of them is opened by an engine that has not seen the other.
            let warm = say(&disk.engine(file), branch, 10);
            assert_eq!(warm.usage.cached_tokens, 416, "{file}: thirteen whole blocks of 440 tokens");
            assert_eq!(warm.tokens, cold(file, branch, 10), "{file}");
        }
        let both = disk.engine(file);
        let warm = branches.each_ref().map(|branch| say(&both, branch, 10).usage.cached_tokens);
        assert_eq!((warm, disk.options().bytes()), ([416, 416], bytes), "{file}: nothing was new");
        if file == FILES[0] {
            // Of 449 tokens that were computed, fourteen blocks.
            let block = 32 * 384;
            assert!(
                (bytes as usize) < (14 + 14 - 7) * block + 10_000,
                "{bytes}: seven blocks lie there once"
            );
        }
    }
}

#[test]
fn what_was_read_is_in_memory_for_all() {
    for file in FILES {
        let (disk, question) = (Disk::new(), prompt(96, 300));
        let expected = say(&disk.engine(file), &question, 20).tokens;
        let engine = disk.engine(file);
        assert_eq!(say(&engine, &question, 20).usage.cached_tokens, 288, "{file}");
        disk.options().remove_all().expect("removed");
        let streams = [(); 3].map(|()| engine.generate(endless(&engine, &question, 20)).expect("accepted"));
        for stream in streams {
            let answer = outcome(stream).expect("finished");
            assert_eq!((answer.usage.cached_tokens, &answer.tokens), (288, &expected), "{file}");
        }
        assert_eq!((engine.stats().loaded_tokens, engine.stats().blocks_used), (288, 0), "{file}");
    }
}

#[test]
fn others_go_on_while_one_is_loaded() {
    for file in FILES {
        let (disk, question, other) = (Disk::new(), prompt(97, 400), prompt(98, 40));
        let expected = say(&disk.engine(file), &question, 20).tokens;
        let engine = disk.engine_with(file, EngineOptions { step_tokens: 64, ..options() });
        let mut running = engine.generate(endless(&engine, &other, 100)).expect("accepted");
        while !matches!(running.blocking_next(), Some(GenerationEvent::Text { .. })) {}
        let streams = [(); 2].map(|()| engine.generate(endless(&engine, &question, 20)).expect("accepted"));
        for stream in streams {
            let answer = outcome(stream).expect("finished");
            assert_eq!((answer.usage.cached_tokens, &answer.tokens), (384, &expected), "{file}");
        }
        let rest = outcome(running).expect("finished").tokens;
        assert!(cold(file, &other, 100).ends_with(&rest), "{file}");
    }
}

#[test]
fn who_gives_way_or_leaves_while_loading_leaves_nothing_behind() {
    for file in FILES {
        let disk = Disk::new();
        let prompts = [99, 100, 101, 102].map(|seed| prompt(seed, 200));
        let filled = disk.engine(file);
        let expected = prompts.each_ref().map(|prompt| say(&filled, prompt, 60).tokens);
        drop(filled);
        // Room for one of them where layers see everything.
        let small =
            EngineOptions { context_length: Some(288), prefix_disk: Some(disk.options()), ..options() };
        let mut parts = Parts::load(&golden("models").join(file), &small).expect("loads");
        parts.plan.n_blocks[0] = 9;
        let engine = Engine::start(parts, &small).expect("the engine starts");
        for round in 0..4 {
            let stream = |prompt: &Vec<u32>| engine.generate(endless(&engine, prompt, 60)).expect("accepted");
            let mut streams: Vec<_> = prompts.iter().map(stream).collect();
            drop(streams.remove(round));
            let chat = GenerateRequest { priority: Priority::Chat, ..endless(&engine, &prompts[round], 60) };
            streams.insert(round, engine.generate(chat).expect("accepted"));
            for (stream, expected) in streams.into_iter().zip(&expected) {
                assert_eq!(&outcome(stream).expect("finished").tokens, expected, "{file}, round {round}");
            }
        }
        wait_until(&engine, "all blocks are free", |stats| stats.blocks_used == 0);
        assert!(engine.stats().loaded_tokens > 0, "{file}");
    }
}

#[test]
fn an_engine_that_ends_in_the_middle_of_an_answer_keeps_what_it_computed() {
    for file in FILES {
        let (disk, question) = (Disk::new(), prompt(103, 250));
        let engine = disk.engine(file);
        let mut stream = engine.generate(endless(&engine, &question, 1000)).expect("accepted");
        while !matches!(stream.blocking_next(), Some(GenerationEvent::Text { .. })) {}
        drop(engine);
        let warm = say(&disk.engine(file), &question, 30);
        assert_eq!((warm.usage.cached_tokens, warm.tokens), (224, cold(file, &question, 30)), "{file}");
    }
}

#[test]
fn a_prompt_has_a_snapshot_before_its_answer() {
    let (file, disk, question) = (FILES[2], Disk::new(), prompt(104, 700));
    let first = say(&disk.engine(file), &question, 300);
    let again = say(&disk.engine(file), &question, 300);
    assert_eq!((again.usage.cached_tokens, again.tokens), (672, first.tokens));
}

#[test]
fn nobody_keeps_what_nobody_waits_for() {
    let (disk, engine) = (Disk::new(), Disk::new());
    let engine_on = |disk: &Disk| disk.engine(FILES[0]);
    let request =
        |engine: &Engine, priority| GenerateRequest { priority, ..endless(engine, &prompt(105, 200), 5) };
    let background = engine_on(&disk);
    answer(&background, request(&background, Priority::Background));
    background.save_prefixes();
    assert_eq!(disk.files(), Vec::<PathBuf>::new());
    let chat = engine_on(&engine);
    answer(&chat, request(&chat, Priority::Chat));
    chat.save_prefixes();
    assert_eq!(engine.files().len(), 1, "it is there before the engine ends");
}

#[test]
fn a_folder_that_cannot_be_written_is_no_error() {
    let disk = Disk::new();
    let in_the_way = disk.0.path().join("file");
    fs::write(&in_the_way, "no folder").expect("written");
    let folder = DiskCacheOptions { folder: in_the_way.join("prefixes"), quota_bytes: 1 << 20 };
    let engine = engine(EngineOptions { prefix_disk: Some(folder), ..options() });
    let (first, again) = (say(&engine, &prompt(106, 200), 20), say(&engine, &prompt(106, 200), 20));
    engine.save_prefixes();
    assert_eq!((again.usage.cached_tokens, again.tokens), (192, first.tokens));
}

#[test]
fn what_belongs_to_one_conversation_goes_with_it() {
    for file in FILES {
        let disk = Disk::new();
        let trunk = prompt(107, 260);
        let branches = [108, 109].map(|seed| [&trunk[..250], &prompt(seed, 190)].concat());
        let ask = |engine: &Engine, branch: usize| {
            let owner = Some(format!("conversation {branch}"));
            answer(engine, GenerateRequest { owner, ..endless(engine, &branches[branch], 10) })
        };
        let engine = disk.engine(file);
        (0..2).for_each(|branch| drop(ask(&engine, branch)));
        engine.save_prefixes();
        let both = disk.options().bytes();
        engine.forget_prefixes("nobody's");
        assert_eq!(disk.options().bytes(), both, "{file}");
        engine.forget_prefixes("conversation 1");
        // What is said in it from now on is not kept either.
        ask(&engine, 1);
        engine.save_prefixes();
        let one = disk.options().bytes();
        assert!(one < both, "{file}");
        drop(engine);
        let engine = disk.engine(file);
        assert_eq!(ask(&engine, 0).usage.cached_tokens, 416, "{file}: the trunk is the other's too");
        assert!(ask(&engine, 1).usage.cached_tokens <= 224, "{file}");
        engine.save_prefixes();
        drop(engine);
        // Without an engine, and both of them: nothing is left, whatever model it was of.
        (0..2)
            .for_each(|branch| disk.options().forget(&format!("conversation {branch}")).expect("forgotten"));
        assert_eq!((disk.options().bytes(), disk.files()), (0, vec![]), "{file}");
    }
}

#[test]
fn an_engine_that_was_told_to_leaves_the_disk_alone() {
    let (disk, question) = (Disk::new(), prompt(140, 300));
    let expected = say(&disk.engine(FILES[0]), &question, 10).tokens;
    let engine = disk.engine(FILES[0]);
    let asked = engine.generate(endless(&engine, &question, 10)).expect("accepted");
    engine.leave_prefixes();
    assert_eq!(outcome(asked).expect("finished").tokens, expected, "with or without");
    disk.options().remove_all().expect("removed");
    say(&engine, &prompt(141, 300), 10);
    engine.save_prefixes();
    drop(engine);
    assert_eq!(disk.options().bytes(), 0);
}
