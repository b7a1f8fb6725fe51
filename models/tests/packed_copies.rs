//! Packed copies give the same logits bit for bit, and a copy that is not right is as good as none: the answer stays
//! the same, and the next writer puts it right.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use lantern_gguf::GgufFile;
use lantern_models::packed::{CopyWriter, Miss, Written};
use lantern_models::registry::{self, LoadedModel, PackedCopy};
use lantern_models::{CausalLm, Compute, Device, ForwardBatch, KvCache, KvType, PackedCopies, embedders};
use tempfile::TempDir;

const BLOCK: usize = 16;
/// The model that is used where one is enough: five types of tiles in some dozen matrices.
const MODEL: &str = "llama_k256-Q4_K_M.gguf";

fn golden() -> PathBuf {
    lantern_golden::path("models")
}

/// A folder with a copy of a golden model, and a folder of packed copies in it.
struct Home {
    folder: TempDir,
    model: PathBuf,
}

impl Home {
    fn with(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join(name);
        fs::copy(golden().join(name), &model).unwrap();
        Home { folder, model }
    }

    fn copies(&self) -> PackedCopies {
        PackedCopies::at(self.folder.path().join("packed"))
    }

    fn copy(&self) -> PathBuf {
        self.copies().path_of(&self.model).unwrap()
    }

    fn load_with(&self, packed_copies: Option<PackedCopies>) -> LoadedModel {
        let file = GgufFile::open(&self.model).unwrap();
        registry::load_with_copy(&file, Compute::kernels(2), packed_copies.as_ref())
            .unwrap_or_else(|error| panic!("{}: {error}", self.model.display()))
    }

    fn load(&self) -> LoadedModel {
        self.load_with(Some(self.copies()))
    }

    /// What is written when nothing is right yet.
    fn missed(&self) -> (Box<dyn CausalLm>, Miss, CopyWriter) {
        match self.load() {
            LoadedModel { model, copy: PackedCopy::Missed { miss, writer } } => (model, miss, writer),
            LoadedModel { copy, .. } => panic!("expected a miss, found {copy:?}"),
        }
    }

    /// Loads and writes the copy.
    fn keep(&self) {
        let (_model, _, writer) = self.missed();
        let bytes = fs::metadata(&self.model).unwrap().len();
        match writer.write() {
            Ok(Written::Kept(len)) => assert!(len > 0 && len < bytes + 500_000, "{len} of {bytes}"),
            other => panic!("the copy was not kept: {other:?}"),
        }
    }

    /// Names of files in the folder of copies.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.copies().folder()).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "lock").collect()
    }
}

/// Logits after a few tokens, as bits.
fn logits(model: &dyn CausalLm) -> Vec<u32> {
    let layout = &model.config().kv_layout;
    let groups = layout.groups().len();
    let mut kv = KvCache::new(layout, &vec![1; groups], BLOCK, KvType::F16, &Device::Cpu).unwrap();
    let tokens: Vec<u32> = (0..9).map(|i| i * 37 % 500).collect();
    let mut batch = ForwardBatch::default();
    batch.push(&tokens, 0, vec![&[0][..]; groups], BLOCK);
    batch.logit_rows = vec![0, tokens.len() as u32 - 1];
    let mut logits = Vec::new();
    model.forward(&batch, &mut kv, &mut logits).unwrap();
    logits.iter().map(|logit| logit.to_bits()).collect()
}

#[test]
fn every_golden_model_answers_the_same_from_its_copy() {
    let mut used = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let home = Home::with(&name);
        // Those that turn texts into vectors answer nothing, and are small enough to be packed anew; assistants answer nothing
        // alone.
        let file = GgufFile::open(&home.model).unwrap();
        if embedders::is_embedder(&file) || registry::is_assistant(&file) {
            continue;
        }
        let plain = home.load_with(None);
        assert!(matches!(plain.copy, PackedCopy::None), "{name}: nobody asked for a copy");
        match home.load().copy {
            PackedCopy::Missed { miss, .. } => assert_eq!(miss, Miss::Absent, "{name}"),
            PackedCopy::None => {
                let is_plain = ["F32", "F16", "BF16"].iter().any(|ty| name.contains(ty));
                assert!(is_plain, "{name} has quantised matrices");
                continue;
            }
            PackedCopy::Used => panic!("{name}: there is no copy yet"),
        }
        home.keep();
        let copied = home.load();
        assert!(matches!(copied.copy, PackedCopy::Used), "{name}: {:?}", copied.copy);
        assert!(logits(&*copied.model) == logits(&*plain.model), "{name}: other logits than without a copy");
        used += 1;
    }
    assert!(used > 25, "only {used} golden models have a copy");
}

/// What a copy becomes, and what is expected of it.
fn spoil(home: &Home, copy: &[u8], what: &str, spoilt: &[u8], expected: Option<Miss>, right: &[u32]) {
    fs::write(home.copy(), spoilt).unwrap();
    let (model, miss, _) = home.missed();
    match expected {
        Some(expected) => assert_eq!(miss, expected, "{what}"),
        None => assert!(matches!(miss, Miss::Damaged(_)), "{what}: {miss}"),
    }
    assert!(logits(&*model) == right, "{what}: another answer");
    fs::write(home.copy(), copy).unwrap();
}

#[test]
fn a_copy_that_is_not_right_is_as_good_as_none() {
    let home = Home::with(MODEL);
    home.keep();
    let copy = fs::read(home.copy()).unwrap();
    let right = logits(&*home.load_with(None).model);
    let spoil = |what: &str, spoilt: &[u8], miss| spoil(&home, &copy, what, spoilt, miss, &right);
    let flipped = |at: usize| {
        let mut flipped = copy.clone();
        flipped[at] ^= 16;
        flipped
    };
    spoil("empty", &[], None);
    for cut in [7, 40, 4096, copy.len() / 2, copy.len() - 1] {
        spoil(&format!("cut at {cut}"), &copy[..cut], None);
    }
    spoil("longer", &[&copy[..], &[0]].concat(), None);
    spoil("magic", &flipped(3), Some(Miss::Version));
    spoil("version of the header", &flipped(8), Some(Miss::Version));
    spoil("version of the tiles", &flipped(12), Some(Miss::Version));
    spoil("header", &flipped(200), None);
    spoil("last tile", &flipped(copy.len() - 1), None);
    spoil("tiles of zeros", &[&copy[..copy.len() - 512], &[0; 512]].concat(), None);
    assert!(matches!(home.load().copy, PackedCopy::Used), "and unspoilt it is used");
}

#[test]
fn every_tile_is_checked() {
    let home = Home::with(MODEL);
    home.keep();
    let copy = fs::read(home.copy()).unwrap();
    let file = GgufFile::open(&home.model).unwrap();
    let right = logits(&*home.load_with(None).model);
    let (mut missed, mut harmless) = (0, 0);
    // A stride that meets every matrix several times.
    for at in (4096..copy.len()).step_by(1009) {
        let mut flipped = copy.clone();
        flipped[at] ^= 1;
        fs::write(home.copy(), &flipped).unwrap();
        match home.load() {
            LoadedModel { copy: PackedCopy::Missed { .. }, .. } => missed += 1,
            // Between the tensors lies nothing.
            LoadedModel { model, .. } => {
                assert!(logits(&*model) == right, "byte {at} was changed and changed the answer");
                harmless += 1;
            }
        }
    }
    assert!(missed > 20 * harmless / 10 && missed > 100, "{missed} missed, {harmless} harmless");
    drop(file);
}

#[test]
fn a_copy_of_another_model_is_not_used_and_replaced() {
    let (home, other) = (Home::with(MODEL), Home::with("qwen3_k256-Q4_K_M.gguf"));
    other.keep();
    fs::create_dir_all(home.copies().folder()).unwrap();
    fs::copy(other.copy(), home.copy()).unwrap();
    let (model, miss, writer) = home.missed();
    assert_eq!(miss, Miss::OtherFile);
    assert!(matches!(writer.write(), Ok(Written::Kept(_))));
    let copied = home.load();
    assert!(matches!(copied.copy, PackedCopy::Used), "{:?}", copied.copy);
    assert!(logits(&*copied.model) == logits(&*model));
}

#[test]
fn a_model_that_was_changed_in_its_place_gets_another_copy() {
    let home = Home::with(MODEL);
    home.keep();
    let before = logits(&*home.load().model);
    let modified = fs::metadata(&home.model).unwrap().modified().unwrap();
    // One byte in the middle of a matrix, which no sample sees, and a clock that was set back.
    let (mut bytes, at) = (fs::read(&home.model).unwrap(), middle_of_a_matrix(&home.model));
    bytes[at] ^= 0x7f;
    fs::write(&home.model, bytes).unwrap();
    File::options().write(true).open(&home.model).unwrap().set_modified(modified).unwrap();
    if cfg!(unix) {
        let (model, miss, _) = home.missed();
        assert_eq!(miss, Miss::OtherFile);
        assert!(logits(&*model) != before, "the change changes nothing, so this test shows nothing");
    }
}

fn middle_of_a_matrix(model: &Path) -> usize {
    let (file, bytes) = (GgufFile::open(model).unwrap(), fs::read(model).unwrap());
    let matrix = file.bytes(file.tensor("blk.0.ffn_up.weight").unwrap()).unwrap();
    let start = bytes.windows(matrix.len()).position(|window| window == &*matrix).unwrap();
    // Behind the first blocks, at an integer and not at a scale.
    start + matrix.len() / 2 / 144 * 144 + 100
}

#[test]
fn a_write_that_was_cut_short_leaves_nothing_that_is_used() {
    let home = Home::with(MODEL);
    home.keep();
    let whole = fs::read(home.copy()).unwrap();
    fs::remove_file(home.copy()).unwrap();
    // What a process leaves that is killed while it writes: tiles without a header, under the draft's name.
    let draft = home.copy().with_extension("part");
    fs::write(&draft, [&[0; 4096], &whole[4096..whole.len() / 2]].concat()).unwrap();
    let (_model, miss, writer) = home.missed();
    assert_eq!(miss, Miss::Absent);
    assert!(matches!(writer.write(), Ok(Written::Kept(_))));
    assert_eq!(home.files().len(), 1, "the draft is gone: {:?}", home.files());
    assert!(matches!(home.load().copy, PackedCopy::Used));
}

#[test]
fn a_copy_of_a_model_that_was_unloaded_is_given_up() {
    let home = Home::with(MODEL);
    let (model, _, writer) = home.missed();
    drop(model);
    assert!(matches!(writer.write(), Ok(Written::Abandoned)));
    assert_eq!(home.files(), Vec::<String>::new());
}

#[test]
fn one_process_writes_at_a_time() {
    let home = Home::with(MODEL);
    let (_model, _, writer) = home.missed();
    fs::create_dir_all(home.copies().folder()).unwrap();
    let lock = File::create(home.copies().folder().join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(writer.write(), Ok(Written::Busy)));
    assert_eq!(home.files(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let home = Home::with(MODEL);
    // The copy's place is taken by a folder, so that renaming fails when all else has gone well.
    fs::create_dir_all(home.copy().join("in the way")).unwrap();
    let (_model, miss, writer) = home.missed();
    assert!(matches!(miss, Miss::Unreadable(_)), "{miss}");
    writer.write().expect_err("a folder is in the way");
    assert_eq!(home.files().len(), 1, "only the folder is there: {:?}", home.files());
    // And a folder that cannot be made.
    let (_model, _, writer) = home.missed();
    fs::remove_dir_all(home.copies().folder()).unwrap();
    fs::write(home.copies().folder(), "a file").unwrap();
    writer.write().expect_err("a file is where the folder should be");
    assert!(matches!(home.load().copy, PackedCopy::Missed { .. }), "and models load all the same");
}

#[test]
fn copies_are_listed_and_removed() {
    let home = Home::with(MODEL);
    assert_eq!(home.copies().list().unwrap(), []);
    assert_eq!(home.copies().remove(&home.model).unwrap(), 0, "there is none yet");
    home.keep();
    let listed = home.copies().list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].path, home.copy());
    assert_eq!(listed[0].model.as_deref(), Some(&*home.model));
    assert_eq!(home.copies().remove(&home.model).unwrap(), listed[0].bytes);
    home.keep();
    fs::remove_file(&home.model).unwrap();
    assert_eq!(home.copies().remove(&home.model).unwrap(), listed[0].bytes, "of a model that is gone");
    assert_eq!(home.copies().list().unwrap(), []);
}
