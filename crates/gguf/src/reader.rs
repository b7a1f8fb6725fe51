//! A cursor over the header's bytes in which every read is checked. Knows the primitive encodings, not their meaning.

use crate::GgufError;

/// Longest string the header may hold. Chat templates take tens of kilobytes; nothing honest takes more than this.
const MAX_STRING: u64 = 16 << 20;

/// Reads little-endian values from the start of a file.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `len` bytes; `what` names them in the error.
    pub(crate) fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], GgufError> {
        if len > self.remaining() {
            return Err(GgufError::Truncated {
                what: what.to_owned(),
                needed: (self.position as u64).saturating_add(len as u64),
                available: self.bytes.len() as u64,
            });
        }
        let taken = &self.bytes[self.position..self.position + len];
        self.position += len;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length-prefixed UTF-8 string of at most `limit` bytes.
    pub(crate) fn string_within(&mut self, limit: u64, what: &str) -> Result<String, GgufError> {
        let len = self.u64(what)?;
        if len > limit {
            return Err(GgufError::BadMetadata(format!("{what} is {len} bytes long, the limit is {limit}")));
        }
        let bytes = self.take(len as usize, what)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(GgufError::BadMetadata(format!("{what} is not UTF-8"))),
        }
    }

    /// A length-prefixed UTF-8 string.
    pub(crate) fn string(&mut self, what: &str) -> Result<String, GgufError> {
        self.string_within(MAX_STRING, what)
    }

    /// A count of things of which each takes at least `least_bytes`: refused when the file cannot hold them, so that
    /// a count alone never makes the program allocate.
    pub(crate) fn count(&mut self, least_bytes: usize, limit: u64, what: &str) -> Result<usize, GgufError> {
        let count = self.u64(what)?;
        if count > limit {
            return Err(GgufError::BadMetadata(format!("{what} is {count}, the limit is {limit}")));
        }
        let needed = count.saturating_mul(least_bytes as u64);
        if needed > self.remaining() as u64 {
            return Err(GgufError::Truncated {
                what: what.to_owned(),
                needed: (self.position as u64).saturating_add(needed),
                available: self.bytes.len() as u64,
            });
        }
        Ok(count as usize)
    }
}
