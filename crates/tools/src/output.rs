//! What comes of a call, within limits: a server may send what it likes.

use serde_json::Value as Json;

/// Most text that is kept of a result, in bytes.
const MOST_TEXT: usize = 256 << 10;
/// Most structured content, in bytes of JSON.
const MOST_STRUCTURED: usize = 256 << 10;
/// Most pictures of a result.
const MOST_IMAGES: usize = 8;
/// All pictures of a result together, in bytes of base64.
const MOST_IMAGE_BYTES: usize = 8 << 20;

/// A picture in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its kind, such as `image/png`.
    pub mime_type: String,
    /// The file in base64.
    pub data: String,
}

/// A result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// What the model reads.
    pub text: String,
    /// The same as data, where the tool gives it.
    pub structured: Option<Json>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

impl ToolOutput {
    /// A result of words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }.limited()
    }

    /// Adds words in a paragraph of their own.
    pub(crate) fn push_text(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// The same within limits; what was left out is said in its text.
    pub(crate) fn limited(mut self) -> Self {
        if self.text.len() > MOST_TEXT {
            let end = self.text.floor_char_boundary(MOST_TEXT);
            let left = self.text.len() - end;
            self.text.truncate(end);
            self.text.push_str(&format!("\n[{left} bytes more were left out]"));
        }
        if self.structured.as_ref().is_some_and(|json| json.to_string().len() > MOST_STRUCTURED) {
            self.structured = None;
            self.push_text("[structured content of more than 256 kB was left out]");
        }
        let (before, mut bytes) = (self.images.len(), 0);
        self.images.retain(|image| {
            bytes += image.data.len();
            bytes <= MOST_IMAGE_BYTES
        });
        self.images.truncate(MOST_IMAGES);
        if self.images.len() < before {
            let left = before - self.images.len();
            self.push_text(&format!("[{left} pictures were left out: they are too large or too many]"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_left_out_and_told() {
        let output = ToolOutput {
            text: "ä".repeat(200_000),
            structured: Some("x".repeat(300_000).into()),
            images: vec![Image { mime_type: "image/png".into(), data: "x".repeat(5 << 20) }; 3],
            is_error: false,
        };
        let limited = output.limited();
        assert!(limited.text.len() < MOST_TEXT + 300, "{}", limited.text.len());
        assert_eq!((limited.images.len(), limited.structured), (1, None));
        for told in ["bytes more were left out", "structured content", "2 pictures were left out"] {
            assert!(limited.text.contains(told), "{told}");
        }
        assert_eq!(ToolOutput::text("short").text, "short");
    }
}
