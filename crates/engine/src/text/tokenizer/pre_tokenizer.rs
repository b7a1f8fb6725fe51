//! How each family of byte-level vocabularies cuts text into words before merging.
//!
//! `tokenizer.ggml.pre` names the patterns. A name that
//! isn't listed is an error: another pattern would give the model tokens it never saw in training.

use tokenizers::utils::SysRegex;

use super::TokenizerError;
use super::patterns::*;

/// What a name in `tokenizer.ggml.pre` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Patterns applied one after the other; a match is a word of its own, and so is the text between matches.
    pub patterns: &'static [&'static str],
    /// A word that is a token as a whole is taken as that token, without merging.
    pub whole_words: bool,
    /// BOS comes first unless the file says otherwise.
    pub adds_bos: bool,
    /// Text is brought to Unicode normal form C first.
    pub nfc: bool,
}

const PLAIN: Rules = Rules { patterns: &[], whole_words: false, adds_bos: false, nfc: false };

/// The rules for a name in `tokenizer.ggml.pre`.
pub fn rules(name: &str) -> Option<Rules> {
    let with = |patterns| Rules { patterns, ..PLAIN };
    let whole = |patterns| Rules { whole_words: true, ..with(patterns) };
    Some(match name {
        "default" => with(&[DEFAULT_PUNCTUATION, GPT2, DIGITS, HUNDREDS]),
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4"
        | "gigachat" | "mellum" | "a.x-4.0" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de"
        | "jina-v1-en" | "jina-v2-code" | "roberta-bpe" | "modern-bert" => with(&[GPT2]),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => with(&[DIGIT, GPT2]),
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => Rules { adds_bos: true, ..whole(&[LLAMA3]) },
        "glm4" | "glm5" => whole(&[LLAMA3]),
        "smaug-bpe" | "dbrx" | "chatglm-bpe" => with(&[LLAMA3]),
        "minicpm5" => whole(&[THREE_DIGITS, MINICPM5]),
        "jais-2" => with(&[JAIS2]),
        "qwen2" => Rules { nfc: true, ..with(&[QWEN2]) },
        "qwen35" => Rules { nfc: true, ..with(&[QWEN35]) },
        "deepseek-r1-qwen" | "stablelm2" | "hunyuan" | "solar-open" | "grok-2" | "megrez" | "kormo"
        | "f2llmv2" => with(&[QWEN2]),
        "laguna" => with(&[LINES, QWEN2]),
        "ufakzeka" => with(&[UFAKZEKA]),
        "seed-coder" => with(&[SEED]),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => with(&[BAILING]),
        "exaone-moe" => with(&[EXAONE_MOE]),
        "gpt-4o" | "llama4" | "minimax-m2" | "kanana2" | "talkie" => with(&[GPT4O]),
        "granite-embed-multi-97m" => whole(&[GPT4O]),
        "tekken" => Rules { adds_bos: true, ..whole(&[TEKKEN]) },
        "kimi-k2" => with(&[KIMI]),
        "youtu" => whole(&[YOUTU_CJK, YOUTU]),
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => with(&[THREE_DIGITS, CJK, DEEPSEEK3]),
        "spark2_5" => with(&[THREE_DIGITS, CJK, SPARK, DIGIT]),
        "deepseek-llm" => {
            with(&[NEWLINE, DEEPSEEK_WORDS, DEEPSEEK_PUNCTUATION, TRAILING, DEEPSEEK_CJK, DIGITS])
        }
        "deepseek-coder" => with(&[NEWLINE, r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, DIGIT]),
        "falcon" => with(&[FALCON_PUNCTUATION, GPT2, HUNDREDS]),
        "bloom" | "poro-chat" | "gpt3-finnish" => with(&[BLOOM]),
        "viking" => with(&[BLOOM, DIGIT]),
        _ => return None,
    })
}

/// The compiled patterns of one vocabulary.
pub struct PreTokenizer {
    patterns: Vec<SysRegex>,
}

impl std::fmt::Debug for PreTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreTokenizer({} patterns)", self.patterns.len())
    }
}

impl PreTokenizer {
    /// Compiles patterns.
    pub fn new(patterns: &[&str]) -> Result<Self, TokenizerError> {
        let compile = |pattern: &&str| {
            SysRegex::new(pattern).map_err(|error| TokenizerError::Pattern(error.to_string()))
        };
        Ok(Self { patterns: patterns.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Calls `word` for each word of `text`, in order; together they are the text.
    pub fn split<'t>(&self, text: &'t str, mut word: impl FnMut(&'t str)) {
        split_by(&self.patterns, text, &mut word);
    }
}

fn split_by<'t>(patterns: &[SysRegex], text: &'t str, word: &mut dyn FnMut(&'t str)) {
    if text.is_empty() {
        return;
    }
    let Some((first, rest)) = patterns.split_first() else { return word(text) };
    let mut done = 0;
    for (start, end) in first.find_iter(text).filter(|(start, end)| end > start) {
        split_by(rest, &text[done..start], word);
        split_by(rest, &text[start..end], word);
        done = end;
    }
    split_by(rest, &text[done..], word);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        let pre = PreTokenizer::new(rules(name).expect("a known name").patterns).unwrap();
        let mut words = Vec::new();
        pre.split(text, |word| words.push(word));
        words
    }

    #[test]
    fn families_differ_in_digits_and_contractions() {
        assert_eq!(words("gpt-2", "I'm 1234  x"), ["I", "'m", " 1234", " ", " x"]);
        assert_eq!(words("smollm", "I'm 1234"), ["I", "'m", " ", "1", "2", "3", "4"]);
        assert_eq!(words("llama-bpe", "I'M 1234"), ["I", "'M", " ", "123", "4"]);
        assert_eq!(words("qwen2", "1234\n\n"), ["1", "2", "3", "4", "\n\n"]);
        assert_eq!(words("gpt-4o", "CamelCase's"), ["Camel", "Case's"]);
    }

    #[test]
    fn every_known_pattern_compiles_and_keeps_the_text() {
        let text = "Hé's 12345,\r\n\t 世界  かな x²!\u{1F600} \u{0301}a ";
        for name in [
            "default",
            "gpt-2",
            "smollm",
            "llama-bpe",
            "glm4",
            "smaug-bpe",
            "minicpm5",
            "jais-2",
            "qwen2",
            "qwen35",
            "stablelm2",
            "laguna",
            "ufakzeka",
            "seed-coder",
            "bailingmoe",
            "exaone-moe",
            "gpt-4o",
            "granite-embed-multi-97m",
            "tekken",
            "kimi-k2",
            "youtu",
            "deepseek-v3",
            "spark2_5",
            "deepseek-llm",
            "deepseek-coder",
            "falcon",
            "bloom",
            "viking",
        ] {
            assert_eq!(words(name, text).concat(), text, "{name}");
            let spaces = " ".repeat(50_000) + "\u{3000}x" + &"a\u{301}'".repeat(20_000) + &"7".repeat(20_000);
            let started = std::time::Instant::now();
            assert_eq!(words(name, &spaces).concat(), spaces, "{name}");
            assert!(started.elapsed().as_secs() < 10, "{name} took {:?}", started.elapsed());
        }
    }

    #[test]
    fn an_unknown_name_is_not_guessed() {
        assert_eq!(rules("made-up"), None);
    }
}
