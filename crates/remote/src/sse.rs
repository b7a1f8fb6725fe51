//! Server-sent events out of bytes that may be split anywhere.

/// A longer event is no answer of a language model.
const MOST_BYTES: usize = 4 << 20;

/// Collects bytes into lines, and lines into the data of events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
}

/// An event that is larger than any that a server has reason to send, or is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Reader {
    /// Takes the next bytes; gives the data of each event that they complete.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<String>, Malformed> {
        let mut events = Vec::new();
        for &byte in bytes {
            let is_second_half = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if is_second_half => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() + self.data.len() >= MOST_BYTES => {
                    return Err(Malformed("an event is larger than 4 MB"));
                }
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    /// What stands in an event that the end of the stream cut off before its empty line; some servers leave that out.
    pub(crate) fn end(&mut self) -> Result<Option<String>, Malformed> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.end_event()
    }

    fn end_line(&mut self) -> Result<Option<String>, Malformed> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        // Comments, names and numbers of events say nothing here.
        if let Some(data) = line.strip_prefix(b"data:") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Result<Option<String>, Malformed> {
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return Ok(None);
        }
        String::from_utf8(data).map(Some).map_err(|_| Malformed("an event is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\r\n\r\ndata: {\"a\":\"ü\"}\n\nevent: x\rdata:two\rdata: lines\r\rid: 1\r\n\r\ndata: [DONE]";

    #[test]
    fn every_split_gives_the_same_events() {
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut reader = Reader::default();
                let mut events = Vec::new();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    events.extend(reader.read(piece).unwrap());
                }
                events.extend(reader.end().unwrap());
                assert_eq!(events, ["{\"a\":\"ü\"}", "two\nlines", "[DONE]"], "{first} {second}");
            }
        }
    }

    #[test]
    fn an_endless_line_and_bytes_that_are_no_text_are_errors() {
        let mut reader = Reader::default();
        assert!((0..5).any(|_| reader.read(&vec![b'x'; 1 << 20]).is_err()));
        assert!(Reader::default().read(b"data: \xff\n\n").is_err());
    }
}
