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
const CJK: &str = r"[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const DEEPSEEK_WORDS: &str = concat!(
    r"\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-",
    r"\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-",
    r"\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-",
    r"\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}",
    r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-",
    r"\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}",
    r"\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-",
    r"\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}",
    r"\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}",
    r"\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}",
    r"\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-",
    r"\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}",
    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}",
    r"\x{1E900}-\x{1E943}]+",
);
const FALCON_PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|`]+";

const PLAIN: Rules = Rules { patterns: &[], whole_words: false, adds_bos: false, nfc: false };

/// The rules for a name in `tokenizer.ggml.pre`.
pub fn rules(name: &str) -> Option<Rules> {
    let with = |patterns| Rules { patterns, ..PLAIN };
    Some(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4"
        | "gigachat" | "mellum" | "a.x-4.0" => with(&[GPT2]),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => with(&[DIGIT, GPT2]),
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
            Rules { whole_words: true, adds_bos: true, ..with(&[LLAMA3]) }
        }
        "glm4" | "glm5" => Rules { whole_words: true, ..with(&[LLAMA3]) },
        "smaug-bpe" | "dbrx" | "chatglm-bpe" => with(&[LLAMA3]),
        "qwen2" => Rules { nfc: true, ..with(&[QWEN2]) },
        "qwen35" => Rules { nfc: true, ..with(&[QWEN35]) },
        "deepseek-r1-qwen" | "stablelm2" | "hunyuan" | "solar-open" | "grok-2" | "megrez" | "kormo" => {
            with(&[QWEN2])
        }
        "gpt-4o" | "llama4" | "minimax-m2" | "kanana2" => with(&[GPT4O]),
        "tekken" => Rules { whole_words: true, adds_bos: true, ..with(&[TEKKEN]) },
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" => with(&[THREE_DIGITS, CJK, DEEPSEEK3]),
        "deepseek-llm" => with(&[
            r"[\r\n]",
            DEEPSEEK_WORDS,
            r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+",
            r"\s+$",
            r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+",
            r"\p{N}+",
        ]),
        "deepseek-coder" => with(&[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+",
            DIGIT,
        ]),
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
            "gpt-2",
            "smollm",
            "llama-bpe",
            "glm4",
            "smaug-bpe",
            "qwen2",
            "qwen35",
            "stablelm2",
            "gpt-4o",
            "tekken",
            "deepseek-v3",
            "deepseek-llm",
            "deepseek-coder",
            "falcon",
        ] {
            assert_eq!(words(name, text).concat(), text, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_not_guessed() {
        assert_eq!(rules("made-up"), None);
    }
}
