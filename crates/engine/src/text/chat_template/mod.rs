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
mod spelt;

use lantern_gguf::{GgufFile, Metadata};
use minijinja::Value;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

pub use error::TemplateError;
pub use message::{ChatMessage, ContentPart};

use super::{PromptText, Tokenizer};
use spelt::Spelt;

/// Where a template comes from, to be shown to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSource {
    /// The model file.
    File,
    /// Lantern: the file has none. The name says which.
    BuiltIn(&'static str),
    /// Lantern: the one in the file does not work. The name says which.
    Replaced(&'static str),
    /// Whoever loaded the model.
    Given,
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
    /// SHA-256 of the text that it was made of, and of that of the second one.
    sha256: [String; 2],
    /// A second template that some models have for conversations with tools.
    tool_template: Option<String>,
    source: TemplateSource,
    /// What is wrong with a template of the file, which is therefore not used.
    fault: Option<TemplateError>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template of a model file; if it has none, or none that works, Lantern's for the family that its vocabulary
    /// shows. Fails if the file's does not work and its family is not known.
    pub fn from_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        Self::from_metadata(file.metadata(), tokenizer)
    }

    /// A template in place of a model's own; fails if the syntax is wrong.
    pub fn given(template: &str, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let (bos, eos) = (spelling(tokenizer, tokenizer.bos()), spelling(tokenizer, tokenizer.eos()));
        Self::new(template, TemplateSource::Given, bos, eos)
    }

    /// As [`Self::from_gguf`], from metadata alone.
    pub fn from_metadata(meta: &Metadata, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let spelling = |id: Option<u32>| spelling(tokenizer, id);
        let text = |key| meta.opt_str(key).ok().flatten().filter(|text| !text.trim().is_empty());
        let new =
            |text, source| Self::new(text, source, spelling(tokenizer.bos()), spelling(tokenizer.eos()));
        let family = fallback::of_family(tokenizer);
        let mut template = match text("tokenizer.chat_template") {
            None => {
                let (name, text) = family.unwrap_or(fallback::plain());
                new(text, TemplateSource::BuiltIn(name))?
            }
            Some(text) => match (new(text, TemplateSource::File), family) {
                (Err(fault), Some((name, text))) => {
                    Self { fault: Some(fault), ..new(text, TemplateSource::Replaced(name))? }
                }
                (template, _) => template?,
            },
        };
        let tool_text = text("tokenizer.chat_template.tool_use");
        match tool_text.map(sandbox::prepare) {
            Some(Ok(text)) => {
                template.sha256[1] = tool_text.map(sha256).unwrap_or_default();
                template.tool_template = Some(text);
            }
            Some(Err(fault)) => template.fault = template.fault.or(Some(fault)),
            None => {}
        }
        Ok(template)
    }

    /// A template with the spellings of BOS and EOS; fails if the syntax is wrong.
    pub fn from_source(template: &str, bos: &str, eos: &str) -> Result<Self, TemplateError> {
        Self::new(template, TemplateSource::File, bos.to_owned(), eos.to_owned())
    }

    fn new(template: &str, source: TemplateSource, bos: String, eos: String) -> Result<Self, TemplateError> {
        let sha256 = [sha256(template), String::new()];
        let template = sandbox::prepare(template)?;
        Ok(Self { template, sha256, tool_template: None, source, fault: None, bos, eos })
    }

    /// Where the template comes from.
    pub fn source(&self) -> TemplateSource {
        self.source
    }

    /// SHA-256, in hex, of the text of the template as its file has it: of the one for conversations with tools or without.
    pub fn sha256(&self, with_tools: bool) -> &str {
        match self.tool_template {
            Some(_) if with_tools => &self.sha256[1],
            _ => &self.sha256[0],
        }
    }

    /// The text of the template, with that for tools behind it.
    pub fn text(&self) -> String {
        let tools = self.tool_template.as_deref().unwrap_or_default();
        format!("{}\n{tools}", self.template)
    }

    /// What is wrong with a template in the file that is not used for it.
    pub fn fault(&self) -> Option<&TemplateError> {
        self.fault.as_ref()
    }

    /// The conversation as the model's prompt, all in one text.
    pub fn render(
        &self,
        messages: &[ChatMessage],
        options: &TemplateOptions,
    ) -> Result<String, TemplateError> {
        self.render_inputs(
            &Inputs::new(messages.iter().map(ChatMessage::to_json).collect(), options),
            options,
        )
    }

    /// As [`Self::render`], from messages in the API's form, with whatever fields they have.
    pub fn render_json(
        &self,
        messages: Vec<Json>,
        options: &TemplateOptions,
    ) -> Result<String, TemplateError> {
        let messages = messages.into_iter().map(message::as_templates_expect).collect();
        self.render_inputs(&Inputs::new(messages, options), options)
    }

    /// As [`Self::render`], for the tokenizer: control tokens are those that the template writes, and no others.
    pub fn prompt(
        &self,
        messages: &[ChatMessage],
        options: &TemplateOptions,
        tokenizer: &Tokenizer,
    ) -> Result<PromptText, TemplateError> {
        let plain = Inputs::new(messages.iter().map(ChatMessage::to_json).collect(), options);
        let Some(spelt) = Spelt::find(tokenizer, &plain) else {
            return Ok(PromptText::new(self.render_inputs(&plain, options)?));
        };
        let render = |assistant_too| {
            let mut inputs = plain.clone();
            let left_out = spelt.mark_inputs(&mut inputs, assistant_too);
            let text = self.render_inputs(&inputs, options)?;
            Ok((PromptText::from_marked(&text, spelt.mark()), left_out))
        };
        let (without, left_out) = render(false)?;
        if !left_out {
            return Ok(without);
        }
        // Some templates look into what the assistant wrote, for the tokens around its reasoning. They must find them.
        let (with, _) = render(true)?;
        Ok(if with.text() == without.text() { with } else { without })
    }

    fn render_inputs(&self, inputs: &Inputs, options: &TemplateOptions) -> Result<String, TemplateError> {
        let template = match &self.tool_template {
            Some(template) if inputs.tools.is_some() => template,
            _ => &self.template,
        };
        let mut variables = inputs.variables.clone();
        for (name, token) in [("bos_token", &self.bos), ("eos_token", &self.eos)] {
            variables.insert(name.into(), Json::from(token.as_str()));
        }
        variables.insert("messages".into(), Json::Array(inputs.messages.clone()));
        variables.insert("tools".into(), inputs.tools.clone().unwrap_or(Json::Null));
        variables.insert("documents".into(), Json::Null);
        variables.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        sandbox::render(template, Value::from(minijinja::value::Serde(&variables)), options.now)
    }
}

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// How a control token is written; empty for none.
fn spelling(tokenizer: &Tokenizer, id: Option<u32>) -> String {
    id.map(|id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned()).unwrap_or_default()
}

/// What people, programs and the model have written, as a template reads it.
#[derive(Clone)]
struct Inputs {
    messages: Vec<Json>,
    tools: Option<Json>,
    variables: Map<String, Json>,
}

impl Inputs {
    fn new(messages: Vec<Json>, options: &TemplateOptions) -> Self {
        Self { messages, tools: options.tools.clone(), variables: options.variables.clone() }
    }
}

#[cfg(test)]
mod tests;
