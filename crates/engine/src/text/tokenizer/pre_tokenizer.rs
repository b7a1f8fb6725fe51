//! How each family of byte-level vocabularies cuts text into words before merging.
//!
//! The patterns are those of the models' own `tokenizer.json`; `tokenizer.ggml.pre` names them. A name that
//! isn't listed is an error: another pattern would give the model tokens it never saw in training.

use tokenizers::utils::SysRegex;

use super::TokenizerError;

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

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";
const THREE_DIGITS: &str = r"\p{N}{1,3}";
const CJK: &str = r"[一-龥぀-ゟ゠-ヿ]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const DEEPSEEK_WORDS: &str = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
const FALCON_PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|`]+";

const PLAIN: Rules = Rules { patterns: &[], whole_words: false, adds_bos: false, nfc: false };

/// The rules for a name in `tokenizer.ggml.pre`.
pub fn rules(name: &str) -> Option<Rules> {
    let with = |patterns| Rules { patterns, ..PLAIN };
    Some(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4" | "gigachat"
        | "mellum" | "a.x-4.0" => with(&[GPT2]),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" | "mellum2" => {
            with(&[DIGIT, GPT2])
        }
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
            Rules { whole_words: true, adds_bos: true, ..with(&[LLAMA3]) }
        }
        "glm4" | "glm5" => Rules { whole_words: true, ..with(&[LLAMA3]) },
        "smaug-bpe" | "dbrx" | "chatglm-bpe" => with(&[LLAMA3]),
        "qwen2" => Rules { nfc: true, ..with(&[QWEN2]) },
        "qwen35" => Rules { nfc: true, ..with(&[QWEN35]) },
        "deepseek-r1-qwen" | "stablelm2" | "hunyuan" | "solar-open" | "grok-2" | "megrez" | "kormo" => with(&[QWEN2]),
        "gpt-4o" | "llama4" | "minimax-m2" | "kanana2" => with(&[GPT4O]),
        "tekken" => Rules { whole_words: true, adds_bos: true, ..with(&[TEKKEN]) },
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" => with(&[THREE_DIGITS, CJK, DEEPSEEK3]),
        "deepseek-llm" => with(&[
            r"[\r\n]",
            DEEPSEEK_WORDS,
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$",
            r"[一-龥ࠀ-一가-퟿]+",
            r"\p{N}+",
        ]),
        "deepseek-coder" => with(&[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", DIGIT]),
        "falcon" => with(&[FALCON_PUNCTUATION, GPT2, r"[0-9][0-9][0-9]"]),
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
        let compile = |pattern: &&str| SysRegex::new(pattern).map_err(|error| TokenizerError::Pattern(error.to_string()));
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
            "gpt-2", "smollm", "llama-bpe", "glm4", "smaug-bpe", "qwen2", "qwen35", "stablelm2", "gpt-4o", "tekken",
            "deepseek-v3", "deepseek-llm", "deepseek-coder", "falcon",
        ] {
            assert_eq!(words(name, text).concat(), text, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_not_guessed() {
        assert_eq!(rules("made-up"), None);
    }
}
