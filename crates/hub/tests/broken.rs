//! What can be wrong with files and folders that are looked at: named, never half in the library, and nobody's end.

mod layouts;

use std::fs;
use std::path::Path;

use lantern_hub::{ImportMode, ModelLibrary};
use lantern_protocol::LibraryModel;
use layouts::{Layouts, gguf, sha256};

fn codes(models: &[LibraryModel]) -> Vec<(&str, &str)> {
    let code = |model: &LibraryModel| model.error.as_ref().map_or("", |error| &error.code).to_owned();
    let mut all: Vec<(&str, &str)> = Vec::new();
    for model in models {
        all.push((&model.id, Box::leak(code(model).into_boxed_str())));
    }
    all
}

#[test]
fn files_that_are_no_models_are_named_and_come_right_when_they_do() {
    let layouts = Layouts::new();
    layouts.file("a/half.gguf", &gguf(8)[..200]);
    layouts.file("a/page.gguf", b"\n<!DOCTYPE html><html><body>Log in</body></html>");
    layouts.file("a/text.gguf", b"some text");
    layouts.file("a/empty.gguf", b"");
    layouts.file("a/incomplete-x.gguf", &gguf(9)[..100]);
    layouts.file("a/whole.gguf", &gguf(9));
    let library = layouts.library();
    library.add_folder(&layouts.at("a")).unwrap();
    let models = library.list();
    assert_eq!(
        codes(&models),
        [
            ("empty", "not_gguf"),
            ("half", "truncated_file"),
            ("page", "web_page_instead_of_model"),
            ("text", "not_gguf"),
            ("whole", "")
        ]
    );
    assert!(models.iter().all(|model| model.content_id.is_empty() == model.error.is_some()));
    // A copy that was under way is whole now, and one that was listed has gone.
    layouts.file("a/half.gguf", &gguf(8));
    fs::remove_file(layouts.at("a/whole.gguf")).unwrap();
    let models = library.list();
    assert_eq!(codes(&models)[1], ("half", ""));
    assert_eq!(models.len(), 4);
    assert_eq!(library.remove("whole").unwrap_err().code(), "model_not_found");
    assert_eq!(library.verify("whole", |_, _| true).unwrap_err().code(), "model_not_found");
}

#[test]
fn what_comes_goes_and_changes_in_a_watched_folder_shows() {
    let layouts = Layouts::new();
    let file = layouts.file("a/m.gguf", &gguf(8));
    let library = layouts.library();
    library.add_folder(&layouts.at("a")).unwrap();
    let mut seen = vec![library.signature()];
    assert_eq!(seen[0], layouts.library().signature(), "of another program, too");
    layouts.file("a/notes.txt", b"no model");
    assert_eq!(seen[0], library.signature());
    fs::write(&file, gguf(9)).unwrap();
    seen.push(library.signature());
    let second = layouts.file("a/deep/n.gguf", &gguf(10));
    seen.push(library.signature());
    fs::remove_file(second).unwrap();
    fs::remove_file(file).unwrap();
    seen.push(library.signature());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_file_that_was_deleted_behind_our_back_is_named_and_can_be_taken_off_the_list() {
    let layouts = Layouts::new();
    let file = layouts.file("a/m.gguf", &gguf(8));
    let library = layouts.library();
    library.import(&file, ImportMode::InPlace).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(codes(&library.list()), [("m", "file_not_found")]);
    library.remove("m").unwrap();
    assert!(library.list().is_empty());
}

#[cfg(unix)]
#[test]
fn circles_of_links_end_and_links_to_folders_are_followed() {
    use std::os::unix::fs::symlink;
    let layouts = Layouts::new();
    layouts.file("a/deep/m.gguf", &gguf(8));
    layouts.file("elsewhere/n.gguf", &gguf(9));
    symlink(layouts.at("a"), layouts.at("a/deep/up")).unwrap();
    symlink(layouts.at("a/self.gguf"), layouts.at("a/self.gguf")).unwrap();
    symlink(layouts.at("nowhere.gguf"), layouts.at("a/gone.gguf")).unwrap();
    symlink(layouts.at("elsewhere"), layouts.at("a/linked")).unwrap();
    let library = layouts.library();
    let folder = library.add_folder(&layouts.at("a")).unwrap();
    assert_eq!((folder.models, folder.error), (2, None));
    assert_eq!(codes(&library.list()), [("m", ""), ("n", "")]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named_and_the_rest_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let layouts = Layouts::new();
    layouts.file("a/m.gguf", &gguf(8));
    layouts.file("a/locked/n.gguf", &gguf(9));
    let library = layouts.library();
    library.add_folder(&layouts.at("a")).unwrap();
    let allow = |mode| fs::set_permissions(layouts.at("a/locked"), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    let is_root = fs::read_dir(layouts.at("a/locked")).is_ok();
    let folder = library.folders().remove(0);
    allow(0o755);
    // Nothing is locked for the system's administrator.
    if !is_root {
        assert_eq!((folder.models, folder.error.unwrap().code.as_str()), (1, "folder_unreadable"));
    }
    fs::remove_dir_all(layouts.at("a")).unwrap();
    let folder = library.folders().remove(0);
    assert_eq!((folder.models, folder.error.unwrap().code.as_str()), (0, "folder_unreadable"));
    assert!(library.list().is_empty());
}

#[test]
fn manifests_lead_nowhere_but_into_their_store() {
    let layouts = Layouts::new();
    layouts.ollama("registry.ollama.ai/library/good/1b", &gguf(8), None);
    let secret = layouts.file("secret.gguf", &gguf(9));
    let manifest = |name: &str, text: &str| {
        layouts
            .file(&format!("ollama/models/manifests/registry.ollama.ai/library/{name}/1b"), text.as_bytes());
    };
    let layer = |digest: &str| {
        format!(r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"{digest}"}}]}}"#)
    };
    manifest("up", &layer(&format!("sha256:../../../{}", secret.file_name().unwrap().to_string_lossy())));
    manifest("absolute", &layer(&secret.to_string_lossy()));
    manifest("gone", &layer(&format!("sha256:{}", sha256(b"gone"))));
    manifest("adapted", &{
        let model = layer(&format!("sha256:{}", sha256(&gguf(8))));
        model.replace("]}", r#",{"mediaType":"application/vnd.ollama.image.adapter","digest":"x"}]}"#)
    });
    manifest("damaged", "{\"layers\": [");
    manifest("other", "[]");
    let library = layouts.library();
    let folder = library.add_folder(&layouts.at("ollama/models")).unwrap();
    assert_eq!((folder.models, folder.error.unwrap().code.as_str()), (1, "bad_manifest"));
    assert_eq!(codes(&library.list()), [("good:1b", "")]);
}

#[test]
fn a_damaged_index_is_made_anew() {
    let layouts = Layouts::new();
    layouts.hub_cache("o/r", 'a', "m.gguf", &gguf(8));
    let good = layouts.library().list();
    let index = layouts.at("home/library-index.json");
    let bytes = fs::read(&index).unwrap();
    let digit = bytes.iter().rposition(|byte| *byte == b'2').unwrap();
    let mut flipped = bytes.clone();
    flipped[digit] = b'3';
    for damaged in [&b""[..], b"{}", b"\xff\xfe", &bytes[..bytes.len() / 2], &flipped] {
        fs::write(&index, damaged).unwrap();
        assert_eq!(layouts.library().list(), good);
        assert_eq!(fs::read(&index).unwrap().len(), bytes.len(), "it was written anew");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_home_lists_and_refuses_changes_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let layouts = Layouts::new();
    layouts.hub_cache("o/r", 'a', "m.gguf", &gguf(8));
    fs::create_dir_all(layouts.at("home")).unwrap();
    let allow = |mode| fs::set_permissions(layouts.at("home"), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let is_root = fs::write(layouts.at("home/probe"), b"").is_ok();
    let library = layouts.library();
    assert_eq!(library.list().len(), 1);
    let removed = library.remove("m");
    allow(0o755);
    if !is_root {
        assert_eq!(removed.unwrap_err().code(), "io_error");
        assert_eq!(layouts.library().list().len(), 1);
    }
}

#[test]
fn a_removal_that_was_cut_short_is_taken_back_whole() {
    let layouts = Layouts::new();
    let link = layouts.hub_cache("o/r", 'a', "m.gguf", &gguf(8));
    let library = layouts.library();
    let removed = library.remove("m").unwrap();
    // As if the program had ended between two of its steps: the content is back, its name is not.
    let note = fs::read(layouts.at(&format!("home/trash/{}.json", removed.id))).unwrap();
    let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
    let of_blob = |step: &&serde_json::Value| step["from"].as_str().unwrap().contains("blobs");
    let step = note["moves"].as_array().unwrap().iter().find(of_blob).unwrap();
    let (from, to) = (step["from"].as_str().unwrap(), step["to"].as_str().unwrap());
    fs::rename(to, from).unwrap();
    assert!(library.list().is_empty());
    library.restore(None).unwrap();
    assert_eq!(fs::read(&link).unwrap(), gguf(8));
    assert_eq!(codes(&library.list()), [("m", "")]);
    assert!(!Path::new(to).exists() && library.removed().is_empty());
}

/// Where the data folder is on another disk, if this machine has two.
#[cfg(target_os = "linux")]
#[test]
fn a_model_on_another_disk_is_removed_and_restored_without_being_copied() {
    use std::os::unix::fs::MetadataExt;
    let layouts = Layouts::new();
    let link = layouts.hub_cache("o/r", 'a', "m.gguf", &gguf(8));
    let inode = fs::metadata(&link).unwrap().ino();
    let memory = tempfile::tempdir_in("/dev/shm");
    let home = memory.as_ref().map_or_else(|_| layouts.at("home"), |dir| dir.path().join("home"));
    fs::create_dir_all(&home).unwrap();
    let library = ModelLibrary::new(home, vec![layouts.at("cache")]);
    library.remove("m").unwrap();
    assert!(library.list().is_empty() && !link.exists());
    library.restore(None).unwrap();
    assert_eq!(fs::metadata(&link).unwrap().ino(), inode, "the same file");
    assert_eq!(codes(&library.list()), [("m", "")]);
    library.remove("m").unwrap();
    assert_eq!(library.empty_trash(true).unwrap(), gguf(8).len() as u64);
    assert_eq!(layouts.state("cache"), [], "what stands for nothing any more went with it");
}

#[test]
fn the_trash_keeps_what_is_young() {
    let layouts = Layouts::new();
    layouts.file("home/models/m.gguf", &gguf(8));
    layouts.file("home/models/n.gguf", &gguf(9));
    let library = layouts.library();
    let old = library.remove("m").unwrap();
    library.remove("n").unwrap();
    let note = layouts.at(&format!("home/trash/{}.json", old.id));
    let text = fs::read_to_string(&note).unwrap();
    let long_ago = old.removed_at - 15 * 24 * 60 * 60 * 1000;
    fs::write(&note, text.replace(&old.removed_at.to_string(), &long_ago.to_string())).unwrap();
    assert_eq!(library.empty_trash(false).unwrap(), gguf(8).len() as u64);
    let left: Vec<String> = library.removed().into_iter().map(|removed| removed.model).collect();
    assert_eq!(left, ["n"]);
}

#[test]
fn two_lanterns_remove_and_restore_at_once_and_nothing_is_lost() {
    let layouts = Layouts::new();
    for size in 8..16 {
        layouts.file(&format!("home/models/m{size}.gguf"), &gguf(size));
        layouts.file(&format!("a/n{size}.gguf"), &gguf(size + 100));
    }
    let libraries: Vec<ModelLibrary> = (0..2).map(|_| layouts.library()).collect();
    libraries[0].add_folder(&layouts.at("a")).unwrap();
    let before = libraries[0].list();
    assert_eq!(before.len(), 16);
    std::thread::scope(|scope| {
        for (at, library) in libraries.iter().enumerate() {
            scope.spawn(move || {
                for size in (8..16).filter(|size| size % 2 == at) {
                    library.remove(&format!("m{size}")).unwrap();
                    library.remove(&format!("n{size}")).unwrap();
                }
            });
        }
    });
    assert!(libraries[0].list().is_empty());
    std::thread::scope(|scope| {
        for library in &libraries {
            scope.spawn(move || (0..8).for_each(|_| drop(library.restore(None).unwrap())));
        }
    });
    assert_eq!(libraries[1].list(), before);
}
