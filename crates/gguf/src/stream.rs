//! Writes a GGUF file tensor by tensor, for files larger than memory.

use std::io::{self, Write};

use crate::writer::{ALIGNMENT, TensorLine, write_header};
use crate::{GgmlType, Metadata};

/// A tensor that is going to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTensor {
    /// The tensor's name.
    pub name: String,
    /// Sizes in ggml's order, contiguous dimension first.
    pub shape: Vec<u64>,
    /// The type of its elements.
    pub ty: GgmlType,
}

impl PlannedTensor {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Length in bytes.
    pub fn byte_len(&self) -> u64 {
        self.elements() / self.ty.block_size() as u64 * self.ty.block_bytes() as u64
    }
}

/// A file being written: the header first, then the tensors' bytes in the order of the plan, in pieces of any size.
pub struct GgufStream<W: Write> {
    out: W,
    /// Bytes of each tensor that are still to come, the last tensor first.
    rest: Vec<u64>,
    /// Bytes written since the data section began.
    position: u64,
}

impl<W: Write> GgufStream<W> {
    /// Writes the header of a file with these tensors. `out` should be buffered.
    pub fn begin(mut out: W, metadata: &Metadata, tensors: &[PlannedTensor]) -> io::Result<Self> {
        let lines = tensors.iter().map(|tensor| TensorLine {
            name: &tensor.name,
            shape: &tensor.shape,
            type_id: tensor.ty.id(),
            len: tensor.byte_len(),
        });
        let mut header = Vec::new();
        write_header(&mut header, metadata, lines);
        if !tensors.is_empty() {
            header.resize(header.len().next_multiple_of(ALIGNMENT), 0);
        }
        out.write_all(&header)?;
        let rest = tensors.iter().rev().map(PlannedTensor::byte_len).collect();
        Ok(GgufStream { out, rest, position: 0 })
    }

    /// Writes the next bytes of the tensor whose turn it is. More than it has left is an error.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        match self.rest.last_mut() {
            Some(rest) if len <= *rest => *rest -= len,
            _ => return Err(io::Error::other("more bytes than the planned tensors have")),
        }
        self.out.write_all(bytes)?;
        self.position += len;
        if self.rest.last() == Some(&0) {
            self.rest.pop();
            self.pad()?;
        }
        Ok(())
    }

    /// Ends the file. Fails when bytes of a tensor are missing.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.rest.is_empty() {
            return Err(io::Error::other(format!("{} planned tensors were not written", self.rest.len())));
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// What was written so far, without its end: a header alone, behind which others put bytes of their own or none.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Fills up to where the next tensor begins; behind the last one nothing follows.
    fn pad(&mut self) -> io::Result<()> {
        let end = self.position.next_multiple_of(ALIGNMENT as u64);
        if !self.rest.is_empty() {
            self.out.write_all(&[0; ALIGNMENT][..(end - self.position) as usize])?;
            self.position = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GgufWriter, Value};

    fn plan() -> Vec<PlannedTensor> {
        let tensor = |name: &str, n| PlannedTensor { name: name.into(), shape: vec![n], ty: GgmlType::F32 };
        vec![tensor("a", 3), tensor("b", 8), tensor("c", 1)]
    }

    #[test]
    fn pieces_make_the_file_that_is_made_at_once() {
        let mut whole = GgufWriter::new();
        whole.metadata.set("general.name", Value::String("x".into()));
        let mut stream = GgufStream::begin(Vec::new(), &whole.metadata, &plan()).unwrap();
        for (i, tensor) in plan().iter().enumerate() {
            let bytes = vec![i as u8 + 1; tensor.byte_len() as usize];
            let (first, second) = bytes.split_at(2);
            stream.write(first).unwrap();
            stream.write(second).unwrap();
            whole.tensor(&tensor.name, &tensor.shape, tensor.ty.id(), bytes);
        }
        assert_eq!(stream.finish().unwrap(), whole.finish());
    }

    #[test]
    fn too_many_and_too_few_bytes_are_noticed() {
        let mut stream = GgufStream::begin(Vec::new(), &Metadata::default(), &plan()).unwrap();
        assert!(stream.write(&[0; 13]).is_err());
        stream.write(&[0; 12]).unwrap();
        assert!(stream.finish().is_err());
    }
}
