//! Text in and out of a model: tokens, chat templates, streams of text, sampling.
//!
//! Everything here is a pure function of its input and the model's metadata. It knows no sequences, no
//! scheduler and no tensors: logits arrive as a plain slice.

pub mod chat_template;
pub mod grammar;
pub mod output;
pub mod picture_words;
pub mod probe;
pub mod prompt_text;
pub mod sampler;
pub mod stop_matcher;
pub mod token_stream;
pub mod tokenizer;

pub use chat_template::{
    ChatMessage, ChatTemplate, ContentPart, TemplateError, TemplateOptions, TemplateSource,
};
pub(crate) use grammar::{Before, Grammars, Matching};
pub use grammar::{Constraint, GbnfError, GrammarError};
pub use output::{OutputEvent, OutputFormat, OutputParser, ToolChoice, ToolSet};
pub use picture_words::PictureWords;
pub use prompt_text::PromptText;
pub(crate) use sampler::random_seed;
pub use sampler::{SampleError, Sampler, SamplingError, SamplingParams};
pub use stop_matcher::StopMatcher;
pub use token_stream::TokenStream;
pub use tokenizer::{Tokenizer, TokenizerError};
