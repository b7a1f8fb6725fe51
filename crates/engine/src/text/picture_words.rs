//! What stands around a picture in a prompt.
//!
//! A chat template writes one mark for each picture. The models' own processors replace it by the words that the model was
//! trained with, and by as many tokens as the picture has parts, which come behind an opening token.

use super::{ChatMessage, PromptText};

/// The words of one kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureWords {
    /// What its templates write where a picture stands.
    pub mark: &'static str,
    /// What the tokenizer gets in its place.
    pub instead: &'static str,
    /// All of it, for a template that knows nothing of pictures.
    pub alone: &'static str,
    /// The token behind which the parts come.
    pub opening: &'static str,
}

/// Gemma 3, by its processor in transformers.
pub const GEMMA3: PictureWords = PictureWords {
    mark: "<start_of_image>",
    instead: "\n\n<start_of_image><end_of_image>\n\n",
    alone: "\n\n<start_of_image><end_of_image>\n\n",
    opening: "<start_of_image>",
};

/// Gemma 4, by its processor in transformers.
pub const GEMMA4: PictureWords = PictureWords {
    mark: "<|image|>",
    instead: "<|image><image|>",
    alone: "\n\n<|image><image|>\n\n",
    opening: "<|image>",
};

/// Qwen3-VL and Qwen 3.5, by their processor in transformers.
pub const QWEN3_VL: PictureWords = PictureWords {
    mark: "<|image_pad|>",
    instead: "",
    alone: "<|vision_start|><|vision_end|>",
    opening: "<|vision_start|>",
};

/// Stands for a picture in a message that a template reads as plain text: a noncharacter, which no text is made of.
const STAND_IN: char = '\u{1FFFF}';

impl PictureWords {
    /// The prompt with the words in place of as many marks as there are pictures; `None` when there are more or fewer.
    pub fn place(&self, prompt: &PromptText, pictures: usize) -> Option<PromptText> {
        let (prompt, found) = prompt.replaced(self.mark, self.instead);
        (found == pictures).then_some(prompt)
    }

    /// As [`Self::place`], for a prompt rendered from [`as_text`].
    pub fn place_alone(&self, prompt: &PromptText, pictures: usize) -> Option<PromptText> {
        let (prompt, found) = prompt.replaced(STAND_IN.encode_utf8(&mut [0; 4]), self.alone);
        (found == pictures).then_some(prompt)
    }
}

/// The messages for a template that knows no parts: their texts, with something in the place of each picture.
pub fn as_text(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let plain = |message: &ChatMessage| ChatMessage {
        content: match &message.parts {
            Some(parts) => parts.as_array().into_iter().flatten().map(text_of_part).collect(),
            None => message.content.replace(STAND_IN, "\u{FFFD}"),
        },
        parts: None,
        ..message.clone()
    };
    messages.iter().map(plain).collect()
}

fn text_of_part(part: &serde_json::Value) -> String {
    match part["text"].as_str() {
        Some(text) => text.replace(STAND_IN, "\u{FFFD}"),
        None => STAND_IN.into(),
    }
}
