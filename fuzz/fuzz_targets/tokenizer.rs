//! Text against every kind of vocabulary, and vocabularies made of any bytes.
#![no_main]

use std::sync::{Arc, OnceLock};

use lantern_engine::Tokenizer;
use lantern_engine::text::TokenStream;
use lantern_fuzz::{Cursor, golden};
use lantern_gguf::{Array, GgufFile, Metadata, Value};
use libfuzzer_sys::fuzz_target;

const KINDS: [&str; 6] = ["gpt2", "llama", "gemma4", "t5", "bert", "other"];
const PRE: [&str; 3] = ["gpt-2", "deepseek-llm", "other"];

fuzz_target!(|data: &[u8]| {
    let mut input = Cursor(data);
    let known = known();
    match known.get(usize::from(input.byte()) % (known.len() + 4)) {
        Some((name, tokenizer)) => {
            let text = input.rest();
            encode(tokenizer, &text);
            // Some change a text for good: by its normal form, in lower case, by other spaces.
            let lossy = ["tiny-qwen", "tiny-wordpiece", "tiny-unigram"];
            if !lossy.iter().any(|lossy| name.starts_with(lossy)) && !text.contains('\u{2581}') {
                let ids = tokenizer.encode(&text, false, false).expect("a vocabulary of bytes spells all");
                assert_eq!(tokenizer.decode(&ids), text, "{name} gives another text back");
            }
        }
        None => {
            let metadata = vocabulary(&mut input);
            match Tokenizer::from_metadata(&metadata) {
                Ok(tokenizer) => encode(&Arc::new(tokenizer), &input.rest()),
                Err(error) => assert!(!error.to_string().is_empty() && !error.next_step().is_empty()),
            }
        }
    }
});

fn known() -> &'static [(String, Arc<Tokenizer>)] {
    static KNOWN: OnceLock<Vec<(String, Arc<Tokenizer>)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let load = |path: std::path::PathBuf| {
            let file = GgufFile::open(&path).expect("a golden vocabulary");
            let name = path.file_stem().expect("a file's name").to_string_lossy().into_owned();
            (name, Arc::new(Tokenizer::from_gguf(&file).expect("a golden vocabulary")))
        };
        golden("tokenizers", "gguf").into_iter().map(load).collect()
    })
}

fn encode(tokenizer: &Arc<Tokenizer>, text: &str) {
    for (parse_special, add_special) in [(false, false), (true, true)] {
        let Ok(ids) = tokenizer.encode(text, parse_special, add_special) else { continue };
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()), "{ids:?} are not all tokens");
        let mut stream = TokenStream::new(tokenizer.clone(), None);
        let printed: String = ids.iter().map(|&id| stream.push(id)).collect();
        let printed = printed + &stream.finish();
        if !ids.iter().any(|&id| tokenizer.is_special(id)) {
            assert_eq!(printed, tokenizer.decode(&ids), "a stream prints what decoding gives");
        }
    }
}

/// The metadata of a vocabulary, most of it plausible.
fn vocabulary(input: &mut Cursor<'_>) -> Metadata {
    let mut meta = Metadata::default();
    let mut set = |key: &str, value| meta.set(format!("tokenizer.ggml.{key}"), value);
    set("model", Value::String(input.one_of(&KINDS).into()));
    set("pre", Value::String(input.one_of(&PRE).into()));
    let mut tokens: Vec<String> = (0..input.byte()).map(|_| input.text()).collect();
    // Without a token for each byte most kinds are refused at once.
    if input.byte() > 0 {
        tokens.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    }
    let count = tokens.len();
    let types = (0..count).map(|_| i32::from(input.byte() % 8)).collect();
    let scores = (0..count).map(|_| input.float()).collect();
    let merges = (0..input.byte()).map(|_| format!("{} {}", input.text(), input.text())).collect();
    set("tokens", Value::Array(Array::String(tokens)));
    set("token_type", Value::Array(Array::I32(types)));
    set("scores", Value::Array(Array::F32(scores)));
    set("merges", Value::Array(Array::String(merges)));
    for name in ["bos", "eos", "unknown", "cls", "seperator", "eot"] {
        set(&format!("{name}_token_id"), Value::U32(u32::from(input.byte())));
    }
    for name in ["add_space_prefix", "remove_extra_whitespaces", "normalizer.lowercase", "add_eos_token"] {
        set(name, Value::Bool(input.byte() % 2 == 0));
    }
    let length = usize::from(input.byte()) * 4;
    set("precompiled_charsmap", Value::Array(Array::U8(input.bytes(length).to_vec())));
    meta
}
