//! Keeps control tokens that are spelt in a conversation from becoming tokens in its prompt.
//!
//! A template writes messages, tools and variables into one text with the tokens that hold it together, where nobody
//! could tell them apart any more. So a mark is put into each spelling beforehand, behind its first character, where
//! neither trimming nor splitting loses it, and taken out of the text afterwards. A conversation that spells none goes
//! through as it is.

use serde_json::Value as Json;

use super::Inputs;
use crate::text::Tokenizer;

/// A mark is one of Unicode's noncharacters, which no text is made of.
const MARKS: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

/// Whether a character may be a mark, which `tojson` then leaves alone.
pub fn is_mark(c: char) -> bool {
    MARKS.contains(&c)
}

/// Looks for the spellings in what is to be rendered.
pub struct Spelt<'t> {
    tokenizer: &'t Tokenizer,
    mark: char,
}

impl<'t> Spelt<'t> {
    /// A mark for these inputs, or `None` when no control token is spelt in them. Should a conversation use all
    /// thirty-two noncharacters, the last is taken, and lost from its text.
    pub fn find(tokenizer: &'t Tokenizer, inputs: &Inputs) -> Option<Self> {
        let mut found = false;
        let mut used = [false; 32];
        let mut look = |text: &str| {
            tokenizer.control_tokens(text, |_| found = true);
            text.chars()
                .filter(|&c| is_mark(c))
                .for_each(|c| used[c as usize - *MARKS.start() as usize] = true);
        };
        for value in inputs.messages.iter().chain(&inputs.tools).chain(inputs.variables.values()) {
            each_string(value, &mut look);
        }
        let mark = MARKS.zip(used).find(|(_, used)| !used).map_or(*MARKS.end(), |(mark, _)| mark);
        found.then_some(Self { tokenizer, mark })
    }

    /// The mark.
    pub fn mark(&self) -> char {
        self.mark
    }

    /// Marks all but the assistant's messages; those too, if told. Says whether those spell anything.
    pub fn mark_inputs(&self, inputs: &mut Inputs, assistant_too: bool) -> bool {
        let mut left_out = false;
        for message in &mut inputs.messages {
            if message["role"] != "assistant" || assistant_too {
                self.mark_message(message);
            } else {
                each_string(message, &mut |text| self.tokenizer.control_tokens(text, |_| left_out = true));
            }
        }
        inputs.tools.iter_mut().chain(inputs.variables.values_mut()).for_each(|value| self.mark_value(value));
        left_out
    }

    fn mark_message(&self, message: &mut Json) {
        let Some(fields) = message.as_object_mut() else { return self.mark_value(message) };
        for (key, value) in fields {
            match value {
                // The role is no text, and templates compare it.
                _ if key == "role" => {}
                // Templates write parts one behind the other, so a token may be spelt across them.
                Json::Array(parts) if key == "content" => {
                    let texts = parts.iter_mut().filter_map(|part| match part.get_mut("text") {
                        Some(Json::String(text)) => Some(text),
                        _ => None,
                    });
                    self.mark_texts(&mut texts.collect::<Vec<_>>());
                }
                value => self.mark_value(value),
            }
        }
    }

    fn mark_value(&self, value: &mut Json) {
        match value {
            Json::String(text) => self.mark_texts(&mut [text]),
            Json::Array(items) => items.iter_mut().for_each(|item| self.mark_value(item)),
            Json::Object(fields) => {
                let names = std::mem::take(fields).into_iter().map(|(mut name, mut value)| {
                    self.mark_texts(&mut [&mut name]);
                    self.mark_value(&mut value);
                    (name, value)
                });
                *fields = names.collect();
            }
            _ => {}
        }
    }

    /// Marks the spellings in texts that will stand one behind the other.
    fn mark_texts(&self, texts: &mut [&mut String]) {
        let whole: String = texts.iter().map(|text| text.as_str()).collect();
        let mut places = Vec::new();
        self.tokenizer.control_tokens(&whole, |start| {
            places.push(start + whole[start..].chars().next().map_or(0, char::len_utf8));
        });
        let mut end = whole.len();
        for text in texts.iter_mut().rev() {
            let start = end - text.len();
            while let Some(place) = places.pop_if(|place| *place > start) {
                text.insert(place - start, self.mark);
            }
            end = start;
        }
    }
}

/// Calls `look` for every string in a value, names of fields included.
fn each_string(value: &Json, look: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => look(text),
        Json::Array(items) => {
            // For what is spelt across the parts of a message.
            let texts = items.iter().filter_map(|item| item.get("text").and_then(Json::as_str));
            look(&texts.collect::<String>());
            items.iter().for_each(|item| each_string(item, look));
        }
        Json::Object(fields) => fields.iter().for_each(|(name, value)| {
            look(name);
            each_string(value, look);
        }),
        _ => {}
    }
}
