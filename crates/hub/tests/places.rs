//! One content at several places: folders of other programs, indexed where they lie.

mod layouts;

use std::fs;

use lantern_hub::ImportMode;
use lantern_protocol::{CheckState, ModelSource, PlaceOwner, ReclaimKind};
use layouts::{Layouts, gguf, large, of_kind, sha256};

const OTHERS: [&str; 4] = ["lmstudio", "ollama", "jan", "gpt4all"];

/// The same weights as five programs keep them, and one model that only one has.
fn five() -> Layouts {
    let layouts = Layouts::new();
    layouts.hub_cache("o/m-GGUF", 'a', "m-Q4_0.gguf", &gguf(8));
    layouts.lm_studio("o/m-GGUF", "m-Q4_0.gguf", &gguf(8));
    layouts.ollama("registry.ollama.ai/library/m/1b", &gguf(8), None);
    layouts.jan("m-1b", &gguf(8));
    layouts.gpt4all("m.Q4_0.gguf", &gguf(8));
    layouts.ollama("registry.ollama.ai/someone/only/latest", &gguf(9), None);
    layouts
}

#[test]
fn one_content_at_five_places_is_one_model_and_nothing_is_touched() {
    let layouts = five();
    let before: Vec<_> = OTHERS.iter().map(|folder| layouts.state(folder)).collect();
    let library = layouts.library();
    for folder in ["lmstudio/models", "ollama", "jan/data", "gpt4all"] {
        library.add_folder(&layouts.at(folder)).unwrap();
    }
    let models = library.list();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["m-Q4_0", "only:latest"]);
    let owners: Vec<PlaceOwner> = models[0].places.iter().map(|place| place.owner).collect();
    use PlaceOwner::{Folder, HubCache, Jan, Ollama};
    assert_eq!(owners, [HubCache, Folder, Folder, Jan, Ollama]);
    assert!(models[0].places.iter().all(|place| !place.is_link));
    assert_eq!(models[0].places[0].sha256.as_deref(), Some(sha256(&gguf(8)).as_str()));
    for name in ["m-Q4_0", "m:1b", "m-1b", "m.Q4_0", "o/m-GGUF", "o/m-GGUF:Q4_0"] {
        assert_eq!(library.find(name).map(|model| model.id).unwrap(), "m-Q4_0", "{name}");
    }
    library.verify("m-Q4_0", |_, _| true).unwrap();
    library.disk_use();
    let models = library.list();
    library.remove("m-Q4_0").unwrap();
    library.remove("only:latest").unwrap();
    assert!(library.list().is_empty());
    let after: Vec<_> = OTHERS.iter().map(|folder| layouts.state(folder)).collect();
    assert!(before == after, "somebody else's file was changed");
    library.restore(None).unwrap();
    library.restore(None).unwrap();
    assert_eq!(library.list(), models);
}

#[test]
fn a_model_of_ollamas_is_found_as_ollama_names_it() {
    let layouts = Layouts::new();
    layouts.ollama("registry.ollama.ai/library/m/latest", &gguf(8), None);
    layouts.ollama("registry.ollama.ai/library/m/1b", &gguf(9), None);
    layouts.ollama("registry.ollama.ai/library/m/2b", &gguf(9), None);
    let library = layouts.library();
    library.add_folder(&layouts.at("ollama/models")).unwrap();
    let found = |name: &str| library.find(name).map(|model| model.id).map_err(|error| error.code());
    assert_eq!(found("m").as_deref(), Ok("m:latest"));
    assert_eq!(found("m:latest").as_deref(), Ok("m:latest"));
    assert_eq!(found("m:1b"), found("m:2b"), "two names of one content");
    assert_eq!(found("m:8b"), Err("model_not_found"));
}

#[test]
fn a_chosen_folder_shows_whose_it_is() {
    let layouts = five();
    let library = layouts.library();
    let owner = |path: &str| library.add_folder(&layouts.at(path)).unwrap().owner;
    assert_eq!(owner("ollama"), PlaceOwner::Ollama);
    assert_eq!(owner("ollama/models"), PlaceOwner::Ollama);
    assert_eq!(owner("jan/data"), PlaceOwner::Jan);
    assert_eq!(owner("gpt4all"), PlaceOwner::Folder);
    assert_eq!(library.folders().len(), 3, "each folder once");
    assert!(library.remove_folder(&layouts.at("jan/data")).unwrap());
    assert!(!library.remove_folder(&layouts.at("jan/data")).unwrap());
    assert_eq!(library.add_folder(&layouts.at("nowhere")).unwrap_err().code(), "io_error");
    // A cache of the Hub somewhere else is used, and stays as it is.
    fs::rename(layouts.at("cache"), layouts.at("elsewhere")).unwrap();
    library.add_folder(&layouts.at("elsewhere")).unwrap();
    let model = library.find("o/m-GGUF").unwrap();
    assert_eq!((model.source, model.places[0].owner), (ModelSource::InPlace, PlaceOwner::Folder));
}

#[test]
fn links_are_places_that_take_no_room() {
    let layouts = Layouts::new();
    let file = layouts.file("a/m.gguf", &gguf(8));
    fs::create_dir_all(layouts.at("b")).unwrap();
    fs::hard_link(&file, layouts.at("b/hard.gguf")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&file, layouts.at("b/soft.gguf")).unwrap();
    let library = layouts.library();
    let copy = library.import(&file, ImportMode::Copy).unwrap();
    library.import(&file, ImportMode::InPlace).unwrap();
    library.add_folder(&layouts.at("b")).unwrap();
    let [model] = library.list().try_into().expect("one content");
    assert_eq!(model.path, copy.path);
    let links: Vec<_> = model.places.iter().map(|place| (place.owner, place.is_link)).collect();
    use PlaceOwner::{File, Folder, Lantern};
    assert_eq!(links[..3], [(Lantern, false), (File, true), (Folder, true)]);
    assert_eq!(links.len(), if cfg!(unix) { 4 } else { 3 });
    let used = library.disk_use();
    assert_eq!((used.total_bytes, used.models[0].duplicate_bytes), (gguf(8).len() as u64, 0));
}

#[test]
fn what_goes_with_a_model_is_joined_and_not_listed() {
    let layouts = Layouts::new();
    let projector = of_kind("clip", Some("mmproj"), 3);
    layouts.ollama("registry.ollama.ai/library/sees/4b", &gguf(8), Some(&projector));
    layouts.ollama("hf.co/o/hub-GGUF/Q4_0", &gguf(9), None);
    layouts.lm_studio("o/r", "adapter.gguf", &of_kind("llama", Some("adapter"), 3));
    layouts.lm_studio("o/r", "vision.gguf", &projector);
    let library = layouts.library();
    library.add_folder(&layouts.at("ollama/models")).unwrap();
    library.add_folder(&layouts.at("lmstudio/models")).unwrap();
    let models = library.list();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["hub-GGUF:Q4_0", "sees:4b"]);
    assert_eq!(models[0].repo.as_deref(), Some("o/hub-GGUF"));
    assert!(models[1].projector.as_ref().unwrap().ends_with(&sha256(&projector)));
}

#[test]
fn a_projector_goes_with_the_last_model_that_needs_it() {
    let layouts = Layouts::new();
    layouts.hub_cache("o/r", 'a', "m-Q4_0.gguf", &gguf(8));
    layouts.hub_cache("o/r", 'a', "m-Q8_0.gguf", &gguf(9));
    let projector = layouts.hub_cache("o/r", 'a', "mmproj-f16.gguf", &of_kind("clip", Some("mmproj"), 3));
    let size = fs::metadata(&projector).unwrap().len();
    let library = layouts.library();
    assert_eq!(library.disk_use().total_bytes, (gguf(8).len() + gguf(9).len()) as u64 + size);
    library.remove("m-Q4_0").unwrap();
    assert!(projector.exists());
    let removed = library.remove("m-Q8_0").unwrap();
    assert!(!projector.is_symlink() && removed.bytes == gguf(9).len() as u64 + size);
    library.restore(None).unwrap();
    assert!(projector.exists());
}

#[test]
fn a_hash_decides_what_samples_cannot() {
    let layouts = Layouts::new();
    // Between two samples of these two megabytes.
    let (one, other) = (large(None), large(Some(20_000)));
    layouts.file("a/one.gguf", &one);
    layouts.file("a/other.gguf", &other);
    let library = layouts.library();
    library.add_folder(&layouts.at("a")).unwrap();
    let [model] = library.list().try_into().expect("nobody has read them whole");
    let checks = library.verify(&model.id, |_, _| true).unwrap();
    assert!(checks.iter().all(|check| check.state == CheckState::Recorded));
    let models = library.list();
    assert_eq!(models.len(), 2, "now they are known to differ");
    assert_ne!(models[0].content_id, models[1].content_id);
    // A change that a sample sees makes another content at once.
    layouts.file("a/third.gguf", &large(Some(0)));
    assert_eq!(library.list().len(), 3);
}

#[test]
fn bytes_that_rot_are_found() {
    let layouts = Layouts::new();
    let link = layouts.hub_cache("o/r", 'a', "m.gguf", &large(None));
    let copy = layouts.file("a/n.gguf", &gguf(8));
    let library = layouts.library();
    library.import(&copy, ImportMode::InPlace).unwrap();
    let states = |id: &str| -> Vec<_> {
        let checks = library.verify(id, |_, _| true).unwrap();
        checks.into_iter().map(|check| (check.state, check.known_from)).collect()
    };
    assert_eq!(states("m"), [(CheckState::Right, Some("file name".into()))]);
    assert_eq!(states("n"), [(CheckState::Recorded, None)]);
    assert_eq!(states("n"), [(CheckState::Right, Some("earlier check".into()))]);
    let blob = link.canonicalize().unwrap();
    fs::write(&blob, large(Some(20_000))).unwrap();
    let mut changed = gguf(8);
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&copy, changed).unwrap();
    assert_eq!(states("m"), [(CheckState::Wrong, Some("file name".into()))]);
    assert_eq!(states("n"), [(CheckState::Wrong, Some("earlier check".into()))]);
    assert_eq!(library.verify("m", |_, _| false).unwrap_err().code(), "check_stopped");
}

#[test]
fn what_nobody_needs_is_found_and_given_back() {
    let layouts = Layouts::new();
    layouts.hub_cache("o/r", 'a', "m.gguf", &gguf(8));
    layouts.hub_cache("o/r", 'a', "only-old.gguf", &gguf(10));
    layouts.hub_cache("o/r", 'b', "m.gguf", &gguf(9));
    let orphan = layouts.file(&format!("cache/models--o--r/blobs/{}", sha256(b"x")), b"x");
    let young = layouts.file("cache/models--o--r/blobs/young.incomplete", b"part");
    let part = layouts.file("cache/models--o--r/blobs/old.lantern.incomplete", b"part");
    let journal = layouts.file("cache/models--o--r/blobs/old.lantern.incomplete.json", b"{}");
    let held = layouts.file("cache/models--o--r/blobs/held.lantern.incomplete", b"part");
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 60 * 60);
    for file in [&orphan, &part, &journal, &held] {
        fs::File::options().write(true).open(file).unwrap().set_modified(past).unwrap();
    }
    let lock = fs::File::create(layouts.file("cache/.locks/models--o--r/held.lock", b"")).unwrap();
    lock.lock().unwrap();
    let library = layouts.library();
    let kinds = || -> Vec<_> {
        library.disk_use().reclaimable.into_iter().map(|some| (some.kind, some.bytes)).collect()
    };
    let old = kinds();
    assert_eq!(old[0], (ReclaimKind::Parts, 4 + 2 + 4));
    assert!(old[1].0 == ReclaimKind::OldRevisions && old[1].1 >= gguf(8).len() as u64);
    assert_eq!(old[2], (ReclaimKind::OrphanBlobs, 1));
    for kind in [ReclaimKind::Parts, ReclaimKind::OldRevisions, ReclaimKind::OrphanBlobs] {
        assert!(library.reclaim(kind).unwrap() > 0);
    }
    assert!(young.exists() && held.exists() && !part.exists() && !journal.exists() && !orphan.exists());
    let mut sizes: Vec<u64> = library.list().iter().map(|model| model.size_bytes).collect();
    sizes.sort();
    assert_eq!(sizes, [gguf(9).len() as u64, gguf(10).len() as u64], "the newer, and what has no newer");
}
