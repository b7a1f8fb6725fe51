//! The GGUF files of a repository, put together: pieces of one model, files of one quantisation, and what is no model.

use lantern_gguf::ShardName;
use lantern_protocol::{QuantGroup, RepositoryFile};

use super::quants::{quality_note, quant_of};
use crate::RemoteFile;

/// A repository's GGUF files by what they are.
#[derive(Debug, Default, PartialEq)]
pub struct Grouped {
    /// Model files by quantisation, smallest first.
    pub quants: Vec<QuantGroup>,
    /// Files that show pictures to the models.
    pub projectors: Vec<RepositoryFile>,
    /// Small models that guess for the others.
    pub drafts: Vec<RepositoryFile>,
    /// Bytes of all of them.
    pub total_bytes: u64,
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A file that shows pictures to a model.
pub(super) fn is_projector(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    name.ends_with(".gguf") && name.contains("mmproj")
}

/// A small model that guesses for another one, by its name.
fn is_draft(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    let words = name.split(['-', '_', '.', ' ']);
    name.starts_with("mtp-")
        || words.into_iter().any(|word| matches!(word, "draft" | "assistant" | "eagle" | "eagle3"))
}

/// Puts the files of a repository together.
pub(super) fn group(files: &[RemoteFile]) -> Grouped {
    let mut grouped = Grouped::default();
    for file in whole_files(files) {
        grouped.total_bytes = grouped.total_bytes.saturating_add(file.size_bytes);
        if is_projector(&file.file) {
            grouped.projectors.push(file);
        } else if is_draft(&file.file) {
            grouped.drafts.push(file);
        } else {
            let quant = file.quant.clone().unwrap_or_default();
            match grouped.quants.iter_mut().find(|group| group.quant == quant) {
                Some(group) => group.files.push(file),
                None => {
                    let note = quality_note(&quant).to_owned();
                    grouped.quants.push(QuantGroup { quant, note, files: vec![file] });
                }
            }
        }
    }
    grouped
}

/// Every GGUF file, the pieces of a split model as one, smallest first. Of a split model of which a piece is missing there
/// is nothing to fetch, so it is left out.
fn whole_files(files: &[RemoteFile]) -> Vec<RepositoryFile> {
    let is_gguf = |file: &&RemoteFile| {
        let name = file.path.to_ascii_lowercase();
        name.ends_with(".gguf") && !name.contains("imatrix")
    };
    let whole = |file: &RemoteFile| {
        let (size_bytes, pieces) = match ShardName::parse(file_name(&file.path)) {
            Some(name) if name.number() > 1 => return None,
            Some(name) if name.count() > 1 => (size_of_pieces(files, &file.path, &name)?, name.count()),
            _ => (file.size, 1),
        };
        Some(RepositoryFile {
            quant: quant_of(&file.path),
            file: file.path.clone(),
            size_bytes,
            pieces: u32::try_from(pieces).ok()?,
            sha256: file.sha256.clone().filter(|_| pieces == 1),
        })
    };
    let mut all: Vec<RepositoryFile> = files.iter().filter(is_gguf).filter_map(whole).collect();
    all.sort_by(|a, b| (a.size_bytes, &a.file).cmp(&(b.size_bytes, &b.file)));
    all
}

fn size_of_pieces(files: &[RemoteFile], first: &str, name: &ShardName) -> Option<u64> {
    let folder = &first[..first.len() - file_name(first).len()];
    // Few files mean few pieces, whatever a name claims.
    if name.count() > files.len() as u64 {
        return None;
    }
    let size = |number: u64| {
        let path = format!("{folder}{}", name.sibling(number));
        files.iter().find(|file| file.path == path).map(|file| file.size)
    };
    (1..=name.count()).map(size).try_fold(0u64, |sum, size| sum.checked_add(size?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64) -> RemoteFile {
        RemoteFile { path: path.into(), size, sha256: Some("ab".repeat(32)) }
    }

    #[test]
    fn files_are_put_together() {
        let files = [
            file("README.md", 9),
            file("m-Q8_0.gguf", 80),
            file("Q4_K_M/m-Q4_K_M-00002-of-00002.gguf", 21),
            file("Q4_K_M/m-Q4_K_M-00001-of-00002.gguf", 20),
            file("m-Q4_K_M.gguf", 40),
            file("BF16/m-00001-of-00003.gguf", 60),
            file("BF16/m-00002-of-00003.gguf", 60),
            file("mmproj-F16.gguf", 5),
            file("m-draft-Q8_0.gguf", 7),
            file("imatrix.gguf", 1),
            file("openassistant.gguf", 90),
        ];
        let grouped = group(&files);
        let told = |group: &QuantGroup| {
            let files = group.files.iter().map(|f| format!("{} {} {}", f.file, f.size_bytes, f.pieces));
            format!("{}: {}", group.quant, files.collect::<Vec<_>>().join(", "))
        };
        assert_eq!(
            grouped.quants.iter().map(told).collect::<Vec<_>>(),
            [
                "Q4_K_M: m-Q4_K_M.gguf 40 1, Q4_K_M/m-Q4_K_M-00001-of-00002.gguf 41 2",
                "Q8_0: m-Q8_0.gguf 80 1",
                ": openassistant.gguf 90 1",
            ]
        );
        assert_eq!(grouped.quants[0].files[1].sha256, None, "a hash is of one file");
        assert_eq!((grouped.projectors.len(), grouped.drafts.len()), (1, 1));
        assert_eq!(grouped.total_bytes, 40 + 41 + 80 + 90 + 5 + 7);
    }

    #[test]
    fn a_name_that_claims_many_pieces_costs_nothing() {
        assert_eq!(group(&[file("m-00001-of-99999.gguf", 5)]), Grouped::default());
    }
}
