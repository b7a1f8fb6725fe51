//! The files of a folder that are worth reading: none that are hidden or that `.gitignore` leaves out, within limits.
//!
//! Links are not followed, so there are no loops and nothing from outside is read.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ignore::WalkBuilder;

/// So many files of one folder are read.
pub const MOST_FILES: usize = 20_000;
/// Folders may be so deep in each other.
const DEEPEST: usize = 32;

/// A file, and what tells whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// Within the folder, with `/` between its parts.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was changed, in milliseconds since the Unix epoch.
    pub modified: i64,
}

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their names.
    pub files: Vec<FoundFile>,
    /// Whether there are more files than are read.
    pub is_cut: bool,
}

/// Files of programs, pictures, sounds, films and packed files, by the ends of their names: they have no text, and reading
/// them all to find out takes long.
const WITHOUT_TEXT: &[&str] = &[
    "7z",
    "a",
    "avi",
    "bin",
    "bmp",
    "bz2",
    "class",
    "db",
    "deb",
    "dll",
    "dmg",
    "dylib",
    "eot",
    "exe",
    "flac",
    "gguf",
    "gif",
    "gz",
    "heic",
    "icns",
    "ico",
    "img",
    "iso",
    "jar",
    "jpeg",
    "jpg",
    "lib",
    "lock",
    "m4a",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "msi",
    "o",
    "obj",
    "ogg",
    "onnx",
    "otf",
    "parquet",
    "pdb",
    "png",
    "pyc",
    "rar",
    "rlib",
    "rpm",
    "safetensors",
    "so",
    "sqlite",
    "svg",
    "tar",
    "tgz",
    "tif",
    "tiff",
    "ttf",
    "wasm",
    "wav",
    "webm",
    "webp",
    "woff",
    "woff2",
    "xz",
    "zip",
    "zst",
];

/// Lists a folder. Fails where the folder itself cannot be read; what cannot be read in it is left out.
pub fn list(folder: &Path) -> std::io::Result<Listing> {
    std::fs::read_dir(folder)?;
    let mut walk = WalkBuilder::new(folder);
    // Only what lies in the folder decides, whether or not it is a repository.
    walk.parents(false).git_global(false).require_git(false).follow_links(false).max_depth(Some(DEEPEST));
    walk.sort_by_file_path(Path::cmp);
    let mut listing = Listing::default();
    for entry in walk.build().flatten() {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || has_no_text(entry.path()) {
            continue;
        }
        if listing.files.len() == MOST_FILES {
            listing.is_cut = true;
            break;
        }
        let (Ok(within), Ok(about)) = (entry.path().strip_prefix(folder), entry.metadata()) else { continue };
        let parts: Vec<_> = within.iter().map(|part| part.to_string_lossy()).collect();
        let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
        let name = parts.join("/");
        listing.files.push(FoundFile { path: entry.path().to_owned(), name, size: about.len(), modified });
    }
    Ok(listing)
}

fn has_no_text(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    end.is_some_and(|end| WITHOUT_TEXT.contains(&end.as_str()))
}
