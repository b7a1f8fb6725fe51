//! Models that are split over several files: `name-00001-of-00003.gguf` and its neighbours.
//!
//! Whichever file is opened, the others are looked for beside it by their names. The first holds the metadata; all hold a part
//! of the tensors. Every file says which piece of how many it is, and what it says is held against its name: a copy of
//! one piece under the name of another, or a piece of another model, would otherwise be a model that computes nonsense.

use std::path::{Path, PathBuf};

use crate::file::Header;
use crate::{FileMap, FileStamp, GgufError, Metadata};

/// Most files a model is split over: what five digits can say.
const MAX_SHARDS: u64 = 99_999;

/// A file's name taken apart: `name-00002-of-00003.gguf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardName {
    prefix: String,
    number: u64,
    count: u64,
}

impl ShardName {
    /// The parts of a file name; `None` for names of whole models.
    pub fn parse(name: &str) -> Option<Self> {
        let end = name.len().checked_sub(5).filter(|&end| name.is_char_boundary(end))?;
        let stem = name[end..].eq_ignore_ascii_case(".gguf").then(|| &name[..end])?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let five_digits = |text: &str| {
            (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
        };
        let (number, count) = (five_digits(number)?, five_digits(count)?);
        (1 <= number && number <= count).then(|| ShardName { prefix: prefix.to_owned(), number, count })
    }

    /// Which piece it is, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many pieces there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The model's name without the piece's number.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The file name of piece `number` of the same model.
    pub fn sibling(&self, number: u64) -> String {
        format!("{}-{number:05}-of-{:05}.gguf", self.prefix, self.count)
    }
}

/// One file of a model.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) content: Content,
    /// Where the data section starts, from the start of the file.
    pub(crate) data_start: usize,
}

/// What there is of a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Map(FileMap),
    /// Its header, and how long it is.
    Absent { len: u64 },
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Content::Map(map) => map.len() as u64,
            Content::Absent { len } => *len,
        }
    }

    pub(crate) fn stamp(&self) -> FileStamp {
        match self {
            Content::Map(map) => map.stamp(),
            Content::Absent { len } => FileStamp { len: *len, modified: 0, changed: 0, number: 0 },
        }
    }
}

/// All files of the model that `path` belongs to, in order, with the path of the first; `header` is what `path` holds.
pub(crate) fn open_all(
    path: &Path,
    map: FileMap,
    header: Header,
) -> Result<(PathBuf, Vec<(FileMap, Header)>), GgufError> {
    let count = split_count(&header.metadata)?;
    let bad = |path: &Path, reason: String| GgufError::BadShard { path: path.to_owned(), reason };
    if count > MAX_SHARDS {
        return Err(bad(path, format!("it says it is one of {count} pieces, the limit is {MAX_SHARDS}")));
    }
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(name) = ShardName::parse(&file_name).filter(|name| name.count == count) else {
        let like = format!("…-00001-of-{count:05}.gguf");
        return Err(bad(
            path,
            format!("it is one of {count} pieces, whose names end like {like}; its name does not"),
        ));
    };
    let mut given = Some((map, header));
    let mut all = Vec::new();
    for number in 1..=count {
        let path = path.with_file_name(name.sibling(number));
        let (map, header) = match given.take() {
            Some(given) if number == name.number => given,
            kept => {
                given = kept;
                open_one(&path, number, count)?
            }
        };
        check(&path, number, count, &header, all.first().map(|(_, first): &(FileMap, Header)| first))?;
        all.push((map, header));
    }
    let first = path.with_file_name(name.sibling(1));
    check_tensors(&first, all.iter().map(|(_, header)| header))?;
    Ok((first, all))
}

/// The headers of a whole model, or of each piece of a split one in order.
pub(crate) fn check_heads<'h>(
    path: &Path,
    headers: impl Iterator<Item = &'h Header> + Clone,
) -> Result<(), GgufError> {
    let there = headers.clone().count() as u64;
    let first = headers.clone().next();
    let announced = first.map_or(Ok(1), |first| split_count(&first.metadata))?;
    if announced != there {
        let reason = format!("it is one of {announced} pieces, and the headers of {there} are here");
        return Err(GgufError::BadShard { path: path.to_owned(), reason });
    }
    if there == 1 {
        return Ok(());
    }
    for (header, number) in headers.clone().zip(1..) {
        check(path, number, there, header, first.filter(|_| number > 1))?;
    }
    check_tensors(path, headers)
}

fn open_one(path: &Path, number: u64, count: u64) -> Result<(FileMap, Header), GgufError> {
    let map = FileMap::open(path).map_err(|error| match error {
        GgufError::Io { not_found: true, path, .. } => GgufError::MissingShard { path, number, count },
        other => other,
    })?;
    let header = Header::read(&map)
        .map_err(|error| GgufError::BadShard { path: path.to_owned(), reason: error.to_string() })?;
    Ok((map, header))
}

/// A piece is the one its name says and has nothing to say that the first does not.
fn check(
    path: &Path,
    number: u64,
    count: u64,
    header: &Header,
    first: Option<&Header>,
) -> Result<(), GgufError> {
    let bad = |reason| Err(GgufError::BadShard { path: path.to_owned(), reason });
    let says = (header.metadata.opt_u64("split.no")?, split_count(&header.metadata)?);
    match says {
        (Some(no), of) if no.saturating_add(1) == number && of == count => {}
        (Some(no), of) => {
            let no = no.saturating_add(1);
            return bad(format!("its name says piece {number} of {count}, its content says {no} of {of}"));
        }
        (None, _) => return bad("it does not say which piece of the model it is (split.no)".to_owned()),
    }
    let Some(first) = first else { return Ok(()) };
    for (key, value) in header.metadata.iter() {
        let own = matches!(key, "split.no" | "general.alignment");
        if !own && first.metadata.get(key) != Some(value) {
            return bad(format!("its metadata key {key:?} contradicts the first piece"));
        }
    }
    Ok(())
}

/// Every tensor is in one piece, and there are as many as announced.
fn check_tensors<'h>(first: &Path, all: impl Iterator<Item = &'h Header> + Clone) -> Result<(), GgufError> {
    let there: usize = all.clone().map(|header| header.tensors.len()).sum();
    let mut all = all;
    let announced = all.next().map_or(Ok(None), |header| header.metadata.opt_u64("split.tensors.count"))?;
    match announced.filter(|&announced| announced != there as u64) {
        Some(announced) => Err(GgufError::BadShard {
            path: first.to_owned(),
            reason: format!("it announces {announced} tensors, all pieces together have {there}"),
        }),
        None => Ok(()),
    }
}

/// Number of files the model is split over; 1 for a whole model.
pub(crate) fn split_count(metadata: &Metadata) -> Result<u64, GgufError> {
    Ok(metadata.opt_u64("split.count")?.unwrap_or(1).max(1))
}

#[cfg(test)]
mod tests;
