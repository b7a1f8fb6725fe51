//! A model's vocabulary as `llguidance` wants it: a trie over the bytes of all tokens.
//!
//! Tokens that are no text (control, unknown and unused ones) begin with a byte that occurs in no UTF-8, so a grammar over
//! text never allows them, whatever they are spelt like. Bytes are forced as the tokens that the model's own tokenizer makes
//! of them.

use std::sync::Arc;

use toktrie::{INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use crate::text::Tokenizer;

/// The trie, and the tokenizer that it was made from.
struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

/// The vocabulary of a model; takes a fraction of a second for a large one.
pub(super) fn vocabulary(tokenizer: &Arc<Tokenizer>) -> TokEnv {
    let size = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
    let words: Vec<Vec<u8>> = (0..size).map(|id| word(tokenizer, id)).collect();
    let info = TokRxInfo::new(size, tokenizer.eog_ids().first().copied().unwrap_or(INVALID_TOKEN));
    let mut trie = TokTrie::from(&info, &words);
    if !tokenizer.eog_ids().is_empty() {
        trie = trie.with_eos_tokens(tokenizer.eog_ids());
    }
    Arc::new(Vocabulary { tokenizer: tokenizer.clone(), trie })
}

/// What the trie has for a token; nothing for one that can never be chosen.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    const MARKER: u8 = TokTrie::SPECIAL_TOKEN_MARKER;
    /// The trie's nodes have no room for longer ones.
    const LONGEST: usize = 1000;
    let bytes = tokenizer.token_bytes(id);
    match bytes.first() {
        _ if bytes.len() > LONGEST => Vec::new(),
        None | Some(&MARKER) => Vec::new(),
        Some(_) if tokenizer.is_special(id) => [&[MARKER], bytes].concat(),
        Some(_) => bytes.to_vec(),
    }
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    /// As far as there are tokens for it.
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let whole = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let mut tokens =
            self.tokenizer.encode_middle(whole).unwrap_or_else(|| self.longest(whole.as_bytes()));
        let spelt: usize = tokens.iter().map(|&token| self.trie.token(token).len()).sum();
        if spelt == whole.len() {
            tokens.extend(self.longest(&bytes[whole.len()..]));
        }
        tokens
    }
}

impl Vocabulary {
    /// The longest token first, and so on, up to the first byte that no token begins with.
    fn longest(&self, bytes: &[u8]) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (token, len) = self.trie.prefix_token_id(rest);
            if len == 0 || self.trie.token(token) != &rest[..len] {
                break;
            }
            tokens.push(token);
            rest = &rest[len..];
        }
        tokens
    }
}
