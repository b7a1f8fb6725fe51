//! The header of a packed copy, to bytes and back. What is read comes from a disk and is not trusted.

use lantern_gguf::FileStamp;
use lantern_kernels::{MatrixShape, PACKING_VERSION};
use twox_hash::XxHash3_64;

use super::Miss;

/// The version of the header. It goes up with every change to it; the tiles have a version of their own.
pub const VERSION: u32 = 1;
/// Tiles have one checksum for each piece of this size.
pub const PIECE: usize = 2 << 20;
/// Tiles of a tensor begin at a multiple of this.
pub const ALIGNMENT: usize = 4096;

const MAGIC: [u8; 8] = *b"LANTPACK";
/// The magic, both versions and both lengths.
const FIXED: usize = 8 + 4 + 4 + 8 + 8;
/// The shortest line of the table: an empty name.
const LEAST_TENSOR: usize = 4 + 4 + 5 * 8;

/// What a copy says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub file_len: u64,
    pub model: Model,
    pub tensors: Vec<Tensor>,
}

/// The file a copy was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where it lay, for people.
    pub path: String,
    pub stamp: FileStamp,
    pub fingerprint: String,
}

/// The tiles of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub type_id: u32,
    pub shape: MatrixShape,
    /// From the start of the file.
    pub offset: u64,
    pub len: u64,
    /// One for each piece.
    pub checksums: Vec<u64>,
}

/// The checksum of some bytes.
pub fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

impl Header {
    /// The header's bytes. Their number does not depend on offsets and checksums.
    pub fn encode(&self) -> Vec<u8> {
        let Model { path, stamp, fingerprint } = &self.model;
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(PACKING_VERSION.to_le_bytes());
        put_numbers(&mut out, [0, self.file_len]);
        put_text(&mut out, path);
        put_numbers(&mut out, [stamp.len, stamp.modified, stamp.changed, stamp.number]);
        put_text(&mut out, fingerprint);
        out.extend((self.tensors.len() as u32).to_le_bytes());
        for tensor in &self.tensors {
            let MatrixShape { count, rows, cols } = tensor.shape;
            put_text(&mut out, &tensor.name);
            out.extend(tensor.type_id.to_le_bytes());
            put_numbers(&mut out, [count as u64, rows as u64, cols as u64, tensor.offset, tensor.len]);
            put_numbers(&mut out, tensor.checksums.iter().copied());
        }
        let len = out.len() as u64 + 8;
        out[16..24].copy_from_slice(&len.to_le_bytes());
        let sum = checksum(&out);
        put_numbers(&mut out, [sum]);
        out
    }

    /// Reads the header at the start of a file.
    pub fn decode(file: &[u8]) -> Result<Self, Miss> {
        let mut fixed = Cursor(file);
        if fixed.bytes(MAGIC.len())? != MAGIC || fixed.u32()? != VERSION || fixed.u32()? != PACKING_VERSION {
            return Err(Miss::Version);
        }
        let (header_len, file_len) = (fixed.size()?, fixed.u64()?);
        if file_len != file.len() as u64 {
            return Err(Miss::Damaged("its length is not the one it was written with"));
        }
        let header = file.get(..header_len).ok_or(CUT)?;
        let (content, sum) = header.split_last_chunk::<8>().ok_or(CUT)?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return Err(Miss::Damaged("the checksum of its header is wrong"));
        }
        let mut cursor = Cursor(content.get(FIXED..).ok_or(CUT)?);
        let path = cursor.text()?;
        let [len, modified, changed, number] = [cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?];
        let stamp = FileStamp { len, modified, changed, number };
        let model = Model { path, stamp, fingerprint: cursor.text()? };
        let count = cursor.u32()? as usize;
        if count > cursor.0.len() / LEAST_TENSOR {
            return Err(CUT);
        }
        let tensor = |_| Tensor::decode(&mut cursor, header_len as u64, file_len);
        let tensors = (0..count).map(tensor).collect::<Result<_, _>>()?;
        Ok(Header { file_len, model, tensors })
    }
}

impl Tensor {
    fn decode(cursor: &mut Cursor, header_len: u64, file_len: u64) -> Result<Self, Miss> {
        let (name, type_id) = (cursor.text()?, cursor.u32()?);
        let shape = MatrixShape { count: cursor.size()?, rows: cursor.size()?, cols: cursor.size()? };
        let (offset, len) = (cursor.u64()?, cursor.u64()?);
        let inside = offset >= header_len && offset.checked_add(len).is_some_and(|end| end <= file_len);
        if !inside || !offset.is_multiple_of(ALIGNMENT as u64) {
            return Err(Miss::Damaged("a tensor does not lie where one can be"));
        }
        let pieces = usize::try_from(len.div_ceil(PIECE as u64)).ok().and_then(|n| n.checked_mul(8));
        let sums = cursor.bytes(pieces.ok_or(CUT)?)?.as_chunks::<8>().0;
        let checksums = sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
        Ok(Tensor { name, type_id, shape, offset, len, checksums })
    }
}

const CUT: Miss = Miss::Damaged("its header is cut short");

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Miss> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Miss> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Miss> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Miss> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number that counts something in memory.
    fn size(&mut self) -> Result<usize, Miss> {
        usize::try_from(self.u64()?).map_err(|_| Miss::Damaged("a number in it is beyond this machine"))
    }

    fn text(&mut self) -> Result<String, Miss> {
        let len = self.u32()? as usize;
        let text = std::str::from_utf8(self.bytes(len)?);
        text.map(str::to_owned).map_err(|_| Miss::Damaged("a name in it is not UTF-8"))
    }
}

fn put_numbers(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}
