//! A conversation to the text a model was trained to read, by the template in its file.
//!
//! Templates follow Hugging Face's dialect of Jinja. They come from strangers, so they run in a sandbox: no files, no
//! network, a limit on steps, time, size and depth. It knows nothing of tokens but the spelling of BOS and EOS.

mod budget;
mod error;
mod fallback;
mod functions;
mod guard;
mod json;
mod message;
mod methods;
mod sandbox;

use lantern_gguf::{GgufFile, Metadata};
use minijinja::Value;
use serde_json::{Map, Value as Json};

pub use error::TemplateError;
pub use message::ChatMessage;

use super::Tokenizer;

/// Where a template comes from, to be shown to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSource {
    /// The model file.
    File,
    /// Lantern: the file has none. The name says which.
    BuiltIn(&'static str),
}

/// What a render needs besides the messages.
#[derive(Debug, Clone)]
pub struct TemplateOptions {
    /// Ends the text where the assistant's answer begins.
    pub add_generation_prompt: bool,
    /// Tools in OpenAI's form: a list of `{"type": "function", "function": {…}}`.
    pub tools: Option<Json>,
    /// What `strftime_now` says; `None` asks the clock.
    pub now: Option<jiff::civil::DateTime>,
    /// Further variables for the template, such as `enable_thinking`.
    pub variables: Map<String, Json>,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, tools: None, now: None, variables: Map::new() }
    }
}

/// A model's chat template, checked for syntax.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    template: String,
    /// A second template that some models have for conversations with tools.
    tool_template: Option<String>,
    source: TemplateSource,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template of a model file, or the built-in one that fits its vocabulary.
    pub fn from_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        Self::from_metadata(file.metadata(), tokenizer)
    }

    /// As [`Self::from_gguf`], from metadata alone.
    pub fn from_metadata(meta: &Metadata, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let spelling = |id: Option<u32>| {
            id.map(|id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned()).unwrap_or_default()
        };
        let text = |key| meta.opt_str(key).ok().flatten().filter(|text| !text.trim().is_empty());
        let (template, source) = match text("tokenizer.chat_template") {
            Some(template) => (template, TemplateSource::File),
            None => {
                let (name, template) = fallback::choose(tokenizer);
                (template, TemplateSource::BuiltIn(name))
            }
        };
        let tools = text("tokenizer.chat_template.tool_use");
        Self::new(template, tools, source, spelling(tokenizer.bos()), spelling(tokenizer.eos()))
    }

    /// A template with the spellings of BOS and EOS; fails if the syntax is wrong.
    pub fn from_source(template: &str, bos: &str, eos: &str) -> Result<Self, TemplateError> {
        Self::new(template, None, TemplateSource::File, bos.to_owned(), eos.to_owned())
    }

    fn new(
        template: &str,
        tools: Option<&str>,
        source: TemplateSource,
        bos: String,
        eos: String,
    ) -> Result<Self, TemplateError> {
        let template = sandbox::prepare(template)?;
        let tool_template = tools.map(sandbox::prepare).transpose()?;
        Ok(Self { template, tool_template, source, bos, eos })
    }

    /// Where the template comes from.
    pub fn source(&self) -> TemplateSource {
        self.source
    }

    /// The conversation as the model's prompt.
    pub fn render(
        &self,
        messages: &[ChatMessage],
        options: &TemplateOptions,
    ) -> Result<String, TemplateError> {
        self.render_values(messages.iter().map(ChatMessage::to_json).collect(), options)
    }

    /// As [`Self::render`], from messages in the API's form, with whatever fields they have.
    pub fn render_json(
        &self,
        messages: Vec<Json>,
        options: &TemplateOptions,
    ) -> Result<String, TemplateError> {
        self.render_values(messages.into_iter().map(message::as_templates_expect).collect(), options)
    }

    fn render_values(&self, messages: Vec<Json>, options: &TemplateOptions) -> Result<String, TemplateError> {
        let template = match &self.tool_template {
            Some(template) if options.tools.is_some() => template,
            _ => &self.template,
        };
        let mut variables = options.variables.clone();
        for (name, token) in [("bos_token", &self.bos), ("eos_token", &self.eos)] {
            variables.insert(name.into(), Json::from(token.as_str()));
        }
        variables.insert("messages".into(), Json::Array(messages));
        variables.insert("tools".into(), options.tools.clone().unwrap_or(Json::Null));
        variables.insert("documents".into(), Json::Null);
        variables.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        sandbox::render(template, Value::from(minijinja::value::Serde(&variables)), options.now)
    }
}

#[cfg(test)]
mod tests;
