//! A GGUF model, mapped into memory and checked as a whole when it is opened. The weights themselves are not touched.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::head::GgufHead;
use crate::shards::{self, Content, Shard};
use crate::tensor::bad;
use crate::{FileMap, FileStamp, GgufError, Metadata, TensorBytes, TensorInfo, reader::Reader};

const MAGIC: [u8; 4] = *b"GGUF";
const DEFAULT_ALIGNMENT: u32 = 32;
const MAX_ALIGNMENT: u32 = 1 << 20;
const MAX_TENSORS: u64 = 1 << 20;
/// Name length, dimensions, type and offset: the least a line of the tensor table takes.
const LEAST_TENSOR_BYTES: usize = 8 + 4 + 4 + 8;

/// An open GGUF file, or all files of a model that is split over several.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    /// The files, in order; one for most models.
    shards: Vec<Shard>,
    version: u32,
    metadata: Metadata,
    tensors: IndexMap<String, TensorInfo>,
}

impl GgufFile {
    /// Maps a file and reads its header. Every tensor of a known type lies inside the file afterwards.
    ///
    /// One piece of a split model opens the whole model; see [`ShardName`](crate::ShardName).
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let map = FileMap::open(path)?;
        let header = Header::read(&map)?;
        if shards::split_count(&header.metadata)? == 1 {
            return Self::of(path.to_owned(), vec![(Content::Map(map), header)]);
        }
        let (first, all) = shards::open_all(path, map, header)?;
        Self::of(first, all.into_iter().map(|(map, header)| (Content::Map(map), header)).collect())
    }

    /// A model of which only the headers are here: for plans. Everything can be asked of it but bytes. `path` names it in
    /// messages; of a split model there is a head of each piece, in order.
    pub fn from_heads(path: &Path, heads: Vec<GgufHead>) -> Result<Self, GgufError> {
        let all: Vec<_> = heads.into_iter().map(GgufHead::into_parts).collect();
        shards::check_heads(path, all.iter().map(|(_, header)| header))?;
        let absent = |(len, header)| (Content::Absent { len }, header);
        Self::of(path.to_owned(), all.into_iter().map(absent).collect())
    }

    /// A model of these files, at least one.
    fn of(path: PathBuf, all: Vec<(Content, Header)>) -> Result<Self, GgufError> {
        let mut file = GgufFile {
            path,
            shards: Vec::with_capacity(all.len()),
            version: 0,
            metadata: Metadata::default(),
            tensors: IndexMap::new(),
        };
        for (shard, (content, header)) in all.into_iter().enumerate() {
            for (name, tensor) in header.tensors {
                if file.tensors.insert(name.clone(), TensorInfo { shard, ..tensor }).is_some() {
                    return Err(bad(&name, "two pieces of the model have it".to_owned()));
                }
            }
            if shard == 0 {
                (file.version, file.metadata) = (header.version, header.metadata);
            }
            file.shards.push(Shard { content, data_start: header.data_start });
        }
        Ok(file)
    }

    /// The path it was opened with; of a split model the first piece's.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format's version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensor table in the file's order.
    pub fn tensors(&self) -> &IndexMap<String, TensorInfo> {
        &self.tensors
    }

    /// One line of the tensor table.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The bytes of a tensor of this file. Fails for an unknown type, whose length nobody knows, and where only the header
    /// is here.
    pub fn bytes(&self, tensor: &TensorInfo) -> Result<TensorBytes, GgufError> {
        tensor.ty()?;
        let outside = || bad(&tensor.name, "it does not belong to this file".to_owned());
        let len = tensor.byte_len().and_then(|len| usize::try_from(len).ok()).ok_or_else(outside)?;
        let shard = self.shards.get(tensor.shard).ok_or_else(outside)?;
        let start =
            usize::try_from(tensor.offset).ok().and_then(|offset| shard.data_start.checked_add(offset));
        let Content::Map(map) = &shard.content else {
            return Err(bad(&tensor.name, "only the header of its file is here".to_owned()));
        };
        map.bytes(start.ok_or_else(outside)?, len).ok_or_else(outside)
    }

    /// Length of the file, or of all files together, in bytes.
    pub fn file_len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.content.len()).fold(0, u64::saturating_add)
    }

    /// Number of files the model is split over; 1 for most.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// What the system said about the file as it was opened; about several, what changes when one of them does.
    pub fn stamp(&self) -> FileStamp {
        let stamps = self.shards.iter().map(|shard| shard.content.stamp());
        stamps.reduce(FileStamp::and).unwrap_or(FileStamp { len: 0, modified: 0, changed: 0, number: 0 })
    }

    /// The architecture's name, `general.architecture`.
    pub fn architecture(&self) -> Result<&str, GgufError> {
        self.metadata.str("general.architecture")
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) metadata: Metadata,
    pub(crate) tensors: IndexMap<String, TensorInfo>,
    /// Where the tensor table begins.
    pub(crate) table_start: usize,
    pub(crate) data_start: usize,
}

impl Header {
    pub(crate) fn read(file: &[u8]) -> Result<Self, GgufError> {
        let header = Self::read_tables(file)?;
        header.check_layout(file.len() as u64)?;
        Ok(header)
    }

    /// Metadata and tensor table from a file's first bytes; where the tensors lie is not checked yet.
    pub(crate) fn read_tables(file: &[u8]) -> Result<Self, GgufError> {
        let mut reader = Reader::new(file);
        if file.len() < MAGIC.len() || reader.array::<4>("the magic")? != MAGIC {
            return Err(GgufError::NotGguf { found: file[..file.len().min(MAGIC.len())].to_vec() });
        }
        let version = reader.u32("the version")?;
        match version {
            2 | 3 => {}
            // The low half of a small number is empty only when its bytes are swapped.
            swapped if swapped & 0xffff == 0 && swapped != 0 => {
                return Err(GgufError::BigEndian { version });
            }
            _ => return Err(GgufError::UnsupportedVersion { version }),
        }
        let tensor_count = reader.count(LEAST_TENSOR_BYTES, MAX_TENSORS, "the tensor count")?;
        let key_count = reader.u64("the number of metadata keys")?;
        let metadata = Metadata::read(&mut reader, key_count)?;
        let table_start = reader.position();
        let tensors = read_tensors(&mut reader, tensor_count)?;
        let data_start = reader.position().next_multiple_of(alignment(&metadata)? as usize);
        Ok(Header { version, metadata, tensors, table_start, data_start })
    }

    /// Every tensor is aligned, inside the file, and shares no byte with another.
    pub(crate) fn check_layout(&self, file_len: u64) -> Result<(), GgufError> {
        check_layout(&self.tensors, self.data_start as u64, file_len, alignment(&self.metadata)?)
    }
}

pub(crate) fn read_tensors(
    reader: &mut Reader,
    count: usize,
) -> Result<IndexMap<String, TensorInfo>, GgufError> {
    let mut tensors = IndexMap::with_capacity(count);
    for _ in 0..count {
        let tensor = TensorInfo::read(reader)?;
        if tensors.contains_key(&tensor.name) {
            return Err(bad(&tensor.name, "it is there twice".to_owned()));
        }
        tensors.insert(tensor.name.clone(), tensor);
    }
    Ok(tensors)
}

pub(crate) fn alignment(metadata: &Metadata) -> Result<u32, GgufError> {
    let alignment = metadata.opt_u32("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
        return Err(GgufError::BadMetadata(format!(
            "the alignment is {alignment}; a power of two up to {MAX_ALIGNMENT} is allowed"
        )));
    }
    Ok(alignment)
}

/// See [`Header::check_layout`].
fn check_layout(
    tensors: &IndexMap<String, TensorInfo>,
    data_start: u64,
    file_len: u64,
    alignment: u32,
) -> Result<(), GgufError> {
    let available = file_len.saturating_sub(data_start);
    let mut by_offset: Vec<&TensorInfo> = tensors.values().collect();
    by_offset.sort_by_key(|tensor| tensor.offset);
    let mut previous: Option<(&TensorInfo, u64)> = None;
    for tensor in by_offset {
        if !tensor.offset.is_multiple_of(alignment.into()) {
            return Err(bad(
                &tensor.name,
                format!("offset {} is not a multiple of {alignment}", tensor.offset),
            ));
        }
        if let Some((before, end)) = previous
            && tensor.offset < end
        {
            return Err(bad(&tensor.name, format!("its bytes overlap those of {:?}", before.name)));
        }
        // Nobody knows how long an unknown type is, so only its start can be checked.
        let end = tensor.end()?.unwrap_or(tensor.offset);
        if end > available {
            return Err(GgufError::Truncated {
                what: format!("tensor {:?}", tensor.name),
                needed: end.saturating_add(data_start),
                available: file_len,
            });
        }
        previous = Some((tensor, end));
    }
    Ok(())
}
