//! From what a caller asks to the tokens that a sequence begins with.
//!
//! A picture is planned by its size alone; its vectors are made when somebody is going to look at them.

use lantern_models::PlacedPicture;
use serde_json::{Map, Value};

use crate::error::EngineError;
use crate::picture::Picture;
use crate::text::picture_words::as_text;
use crate::text::{
    ChatMessage, ChatTemplate, OutputFormat, PictureWords, PromptText, TemplateOptions, Tokenizer,
};
use crate::vision::Vision;

/// A prompt whose pictures are not encoded yet.
#[derive(Debug)]
pub(crate) struct PromptPlan {
    /// Tokens, and numbers behind all tokens for the parts of pictures.
    pub(crate) ids: Vec<u32>,
    /// In order.
    pub(crate) pictures: Vec<PlannedPicture>,
    /// So many of the tokens are instructions and tools.
    pub(crate) preamble: usize,
}

/// A picture in a prompt.
#[derive(Debug)]
pub(crate) struct PlannedPicture {
    /// Position of its first part.
    pub(crate) start: usize,
    /// Parts across and down.
    pub(crate) grid: [usize; 2],
    /// What makes it the same as another to the model.
    pub(crate) seed: u64,
    pub(crate) picture: Picture,
}

/// A prompt, ready to be computed.
#[derive(Debug)]
pub(crate) struct PromptTokens {
    pub(crate) ids: Vec<u32>,
    pub(crate) pictures: Vec<PlacedPicture>,
    /// So many of the tokens are instructions and tools.
    pub(crate) preamble: usize,
}

/// What turns a conversation into a prompt.
pub(crate) struct ChatPrompt<'a> {
    pub(crate) template: &'a ChatTemplate,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) vision: &'a Vision,
    pub(crate) format: &'a OutputFormat,
    /// Further variables for the template.
    pub(crate) variables: &'a Map<String, Value>,
}

impl PromptPlan {
    /// Tokens alone.
    pub(crate) fn text(ids: Vec<u32>) -> Self {
        Self { ids, pictures: Vec::new(), preamble: 0 }
    }

    /// Tokens and parts of pictures.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// An id that is neither a part of a picture nor a token of the vocabulary.
    pub(crate) fn unknown_token(&self, vocab_size: usize) -> Option<u32> {
        let in_picture = |at: usize| self.pictures.iter().any(|p| (p.start..p.end()).contains(&at));
        let unknown = |(at, id): &(usize, &u32)| **id as usize >= vocab_size && !in_picture(*at);
        self.ids.iter().enumerate().find(unknown).map(|(_, &id)| id)
    }
}

impl PlannedPicture {
    /// Behind the position of its last part.
    pub(crate) fn end(&self) -> usize {
        self.start + self.grid[0] * self.grid[1]
    }
}

impl ChatPrompt<'_> {
    /// The conversation up to the start of the answer.
    pub(crate) fn plan(
        &self,
        messages: &[ChatMessage],
        tools: Option<&Value>,
    ) -> Result<PromptPlan, EngineError> {
        let messages = &*self.format.prepare(messages, tools);
        let options = TemplateOptions {
            tools: tools.filter(|_| self.format.knows_tools()).cloned(),
            variables: self.variables.clone(),
            ..TemplateOptions::default()
        };
        let pictures: Vec<&Picture> = messages.iter().flat_map(|message| &message.pictures).collect();
        if pictures.is_empty() {
            let prompt = self.render(messages, &options)?;
            return Ok(PromptPlan::text(self.tokenizer.encode_prompt(&prompt)?));
        }
        let words = self.vision.words()?;
        let prompt = self.render_pictures(messages, pictures.len(), &words, &options)?;
        self.vision.plan(self.tokenizer, self.tokenizer.encode_prompt(&prompt)?, &words, &pictures)
    }

    fn render_pictures(
        &self,
        messages: &[ChatMessage],
        pictures: usize,
        words: &PictureWords,
        options: &TemplateOptions,
    ) -> Result<PromptText, EngineError> {
        if let Ok(prompt) = self.render(messages, options)
            && let Some(placed) = words.place(&prompt, pictures)
        {
            return Ok(placed);
        }
        // Templates that were written for text alone fail on parts, or leave pictures out.
        let prompt = self.render(&as_text(messages), options)?;
        words.place_alone(&prompt, pictures).ok_or(EngineError::PicturePlaces { pictures })
    }

    fn render(&self, messages: &[ChatMessage], options: &TemplateOptions) -> Result<PromptText, EngineError> {
        let prompt = |messages: &[ChatMessage]| self.template.prompt(messages, options, self.tokenizer);
        Ok(match prompt(messages) {
            // Some templates know no system role: its words then open the first turn.
            Err(error) if messages.first().is_some_and(|m| m.role == "system") => {
                prompt(&without_system_role(messages)).map_err(|_| error)?
            }
            prompt => prompt?,
        })
    }
}

/// The system message's words at the top of the message that follows it.
fn without_system_role(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    match messages {
        [system, first, rest @ ..] => {
            let mut first = first.clone();
            first.prepend(&format!("{}\n\n", system.content));
            std::iter::once(first).chain(rest.iter().cloned()).collect()
        }
        _ => messages.to_vec(),
    }
}
