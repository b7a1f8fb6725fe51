//! One cache file, to bytes and back. What is read comes from a disk and is not trusted.
//!
//! Numbers are little-endian.
//!
//! ```text
//! magic          8 bytes, "LANTPREF"
//! version        u32, of this table
//! header length  u32, checksum included
//! file length    u64
//! model          32 bytes, SHA-256 of what the numbers mean    [`ModelKey`]
//! kind           u32: 0 segment, 1 snapshot
//! parent         16 bytes: the prefix that the tokens follow   [`Point`]
//! tokens         u32: how many, then u32 each
//! pieces         u32: how many, then for each u64: length, u64: its XXH3
//! checksum       u64: XXH3 of the header up to here
//! pieces         one behind the other: a block of a segment, or of a snapshot a block of one group of layers
//! ```

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use twox_hash::XxHash3_64;

use super::point::{ModelKey, Point};

/// The version of the table above. What the numbers mean has versions of its own.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"LANTPREF";
/// Magic, version and both lengths.
const FIXED: usize = 8 + 4 + 4 + 8;

/// Why a file is not used. None of these is an error: the tokens are computed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Miss {
    /// It is gone, or the system refuses it.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Its bytes are not those that were written, or it is something else.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It holds something else than its name says.
    #[error("it is of another model or of other tokens")]
    Other,
}

/// What a file holds; the name says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Snapshot,
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) model: ModelKey,
    pub(crate) kind: Kind,
    pub(crate) parent: Point,
    pub(crate) tokens: Vec<u32>,
    pub(crate) pieces: Vec<PieceSum>,
}

/// The length of a piece and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PieceSum {
    len: u64,
    sum: u64,
}

impl PieceSum {
    /// Those of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        PieceSum { len: bytes.len() as u64, sum: XxHash3_64::oneshot(bytes) }
    }
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => CUT,
            _ => Miss::Unreadable(error.to_string()),
        }
    }
}

const CUT: Miss = Miss::Damaged("it is cut short");
const WRONG_SUM: Miss = Miss::Damaged("a checksum is wrong");

impl Header {
    /// The header's bytes; the pieces follow them. `None` when it is larger than a file may say.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let len = FIXED + 32 + 4 + 16 + 4 + 4 * self.tokens.len() + 4 + 16 * self.pieces.len() + 8;
        let mut out = Vec::with_capacity(len);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(u32::try_from(len).ok()?.to_le_bytes());
        out.extend(self.file_len(len as u64)?.to_le_bytes());
        out.extend(self.model.0);
        out.extend((self.kind as u32).to_le_bytes());
        out.extend(self.parent.0);
        out.extend(u32::try_from(self.tokens.len()).ok()?.to_le_bytes());
        self.tokens.iter().for_each(|token| out.extend(token.to_le_bytes()));
        out.extend(u32::try_from(self.pieces.len()).ok()?.to_le_bytes());
        for PieceSum { len, sum } in &self.pieces {
            out.extend(len.to_le_bytes());
            out.extend(sum.to_le_bytes());
        }
        out.extend(XxHash3_64::oneshot(&out).to_le_bytes());
        Some(out)
    }

    /// Reads the header at the start of a file.
    pub(crate) fn read(file: &mut (impl Read + Seek)) -> Result<Self, Miss> {
        let len = file.seek(SeekFrom::End(0))?;
        let mut fixed = [0; FIXED];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut fixed)?;
        let mut cursor = Cursor(&fixed);
        if cursor.array()? != MAGIC || cursor.u32()? != VERSION {
            return Err(Miss::Damaged("it is of another version"));
        }
        let (header_len, file_len) = (cursor.u32()? as usize, u64::from_le_bytes(cursor.array()?));
        if file_len != len || header_len as u64 > len || header_len < FIXED + 8 {
            return Err(CUT);
        }
        let mut bytes = fixed.to_vec();
        bytes.resize(header_len, 0);
        file.read_exact(&mut bytes[FIXED..])?;
        let (content, sum) = bytes.split_last_chunk::<8>().ok_or(CUT)?;
        if XxHash3_64::oneshot(content) != u64::from_le_bytes(*sum) {
            return Err(WRONG_SUM);
        }
        let header = Self::decode(content.get(FIXED..).ok_or(CUT)?)?;
        match header.file_len(header_len as u64) == Some(file_len) {
            true => Ok(header),
            false => Err(CUT),
        }
    }

    fn decode(content: &[u8]) -> Result<Self, Miss> {
        let mut cursor = Cursor(content);
        let model = ModelKey(cursor.array()?);
        let kind = match cursor.u32()? {
            0 => Kind::Segment,
            1 => Kind::Snapshot,
            _ => return Err(Miss::Damaged("it is of no kind that is known")),
        };
        let parent = Point(cursor.array()?);
        let tokens = cursor.list(|cursor| cursor.u32())?;
        let piece = |cursor: &mut Cursor<'_>| {
            let [len, sum] = [cursor.array()?, cursor.array()?].map(u64::from_le_bytes);
            Ok(PieceSum { len, sum })
        };
        let header = Header { model, kind, parent, tokens, pieces: cursor.list(piece)? };
        if cursor.0.is_empty() { Ok(header) } else { Err(CUT) }
    }

    /// Reads some of the pieces, one behind the other, and compares them with their checksums.
    pub(crate) fn read_pieces(
        &self,
        file: &mut (impl Read + Seek),
        range: Range<usize>,
    ) -> Result<Vec<u8>, Miss> {
        let wanted = self.pieces.get(range.clone()).ok_or(Miss::Other)?;
        // The lengths make up the file's, as `read` has checked, so none of these sums overflows.
        let bytes = |pieces: &[PieceSum]| pieces.iter().map(|piece| piece.len).sum::<u64>();
        let (all, len) = (bytes(&self.pieces), bytes(wanted));
        let before = bytes(&self.pieces[..range.start]);
        let start = file.seek(SeekFrom::End(0))?.checked_sub(all).ok_or(CUT)? + before;
        let room = usize::try_from(len).map_err(|_| CUT)?;
        file.seek(SeekFrom::Start(start))?;
        let mut read = Vec::with_capacity(room);
        file.take(len).read_to_end(&mut read)?;
        let mut rest = &read[..];
        for piece in wanted {
            let len = usize::try_from(piece.len).map_err(|_| CUT)?;
            let (bytes, behind) = rest.split_at_checked(len).ok_or(CUT)?;
            if PieceSum::of(bytes) != *piece {
                return Err(WRONG_SUM);
            }
            rest = behind;
        }
        Ok(read)
    }

    fn file_len(&self, header_len: u64) -> Option<u64> {
        self.pieces.iter().try_fold(header_len, |len, piece| len.checked_add(piece.len))
    }
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Miss> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Miss> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number and as many of something. Room is made for what the bytes can hold, whatever the number says.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Miss>) -> Result<Vec<T>, Miss> {
        let count = self.u32()? as usize;
        if count > self.0.len() / size_of::<T>().max(1) {
            return Err(CUT);
        }
        (0..count).map(|_| item(self)).collect()
    }
}
