//! Which tokens begin and end a text, and which end an answer.
//!
//! The format names only some of the tokens that end an answer, so the rest are known by their spelling.

use lantern_gguf::Metadata;

use super::TokenizerError;
use super::pre_tokenizer;
use super::vocab::TokenKind;

/// Spellings that end a turn or a message in one model family or another.
const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Spellings that end a file or a repository in code completion.
const END_OF_FILE: &[&str] = &[
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// The ids with a meaning of their own.
#[derive(Debug, Default)]
pub struct SpecialIds {
    /// Begins a sequence.
    pub bos: Option<u32>,
    /// Ends a sequence.
    pub eos: Option<u32>,
    /// Stands for what can't be spelt.
    pub unknown: Option<u32>,
    /// Whether `encode` puts BOS first.
    pub add_bos: bool,
    /// Whether `encode` puts EOS last.
    pub add_eos: bool,
    /// Every token that ends an answer, in rising order.
    pub end_of_generation: Vec<u32>,
}

impl SpecialIds {
    /// Reads the ids and finds the other end tokens; those are made control tokens if the file doesn't say so.
    pub fn read(meta: &Metadata, tokens: &[String], kinds: &mut [TokenKind]) -> Result<Self, TokenizerError> {
        let model = meta.opt_str("tokenizer.ggml.model")?.unwrap_or_default();
        let pre = meta.opt_str("tokenizer.ggml.pre")?.and_then(pre_tokenizer::rules);
        let in_vocab = |id: u32| {
            let known = (id as usize) < tokens.len();
            if !known {
                tracing::warn!(
                    id,
                    vocab = tokens.len(),
                    "a special token of the model lies outside its vocabulary"
                );
            }
            known
        };
        let id = |name: &str, default: Option<u32>| -> Result<Option<u32>, TokenizerError> {
            Ok(meta
                .opt_u32(&format!("tokenizer.ggml.{name}_token_id"))?
                .filter(|&id| in_vocab(id))
                .or(default))
        };
        let default = |id: Option<u32>| id.filter(|&id| (id as usize) < tokens.len());
        let [bos, eos, unknown] = match model {
            "llama" => [Some(1), Some(2), Some(0)],
            "t5" => [None, Some(1), Some(2)],
            "bert" => [Some(101), Some(102), Some(100)],
            _ => [None; 3],
        }
        .map(default);
        // BERT's texts begin with a token for their class and end with a separator, under names of their own.
        let (bos, eos) = match model {
            "bert" => (id("bos", id("cls", bos)?)?, id("seperator", eos)?),
            _ => (id("bos", bos)?, id("eos", eos)?),
        };
        let unknown = id("unknown", unknown)?;

        let add_bos = meta.opt_bool("tokenizer.ggml.add_bos_token")?;
        let add_bos = match model {
            "llama" => add_bos.unwrap_or(true),
            "bert" => true,
            // Gemma 4 is lost without BOS, and early conversions say it needs none.
            "gemma4" => true,
            _ => add_bos.unwrap_or(pre.is_some_and(|rules| rules.adds_bos)),
        };
        let add_eos = meta.opt_bool("tokenizer.ggml.add_eos_token")?;
        let add_eos = model == "bert" || add_eos.unwrap_or(model == "t5");

        let mut end_of_generation: Vec<u32> =
            [eos, id("eot", None)?, id("eom", None)?].into_iter().flatten().collect();
        let s_is_control = bos.is_some_and(|bos| tokens[bos as usize] == "<s>");
        for (i, text) in tokens.iter().enumerate() {
            if !text.starts_with(['<', '[', '_']) {
                continue;
            }
            let ends = END_OF_TURN.contains(&text.as_str()) || END_OF_FILE.contains(&text.as_str());
            // Some vocabularies hold `</s>` as the HTML tag; where it ends a text, `<s>` begins one.
            if ends || text == "</s>" && (kinds[i] == TokenKind::Control || s_is_control) {
                kinds[i] = TokenKind::Control;
                end_of_generation.push(i as u32);
            } else if text == "</s>" && model == "gpt2" {
                // The reference takes it for a control token in a prompt; in an answer it stays the tag.
                kinds[i] = TokenKind::Control;
            }
        }
        // In OpenAI's harmony format `<|end|>` ends a message, not the answer.
        let spelt = |spelling: &str| end_of_generation.iter().any(|&id| tokens[id as usize] == spelling);
        if spelt("<|return|>") && spelt("<|call|>") || spelt("<|calls|>") && spelt("<|flush|>") {
            end_of_generation.retain(|&id| tokens[id as usize] != "<|end|>");
        }
        end_of_generation.sort_unstable();
        end_of_generation.dedup();
        Ok(Self { bos, eos, unknown, add_bos, add_eos, end_of_generation })
    }
}
