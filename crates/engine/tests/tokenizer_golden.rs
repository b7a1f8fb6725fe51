//! Token ids against those of the reference tokenizers, for every kind of vocabulary and pre-tokenizer that small
//! test vocabularies exist for.

use std::path::PathBuf;
use std::sync::Arc;

use lantern_engine::Tokenizer;
use lantern_engine::text::{PromptText, TokenStream};
use lantern_gguf::GgufFile;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    add_special: bool,
    parse_special: bool,
    ids: Vec<u32>,
    /// The model's own tokenizer, where it disagrees with the other reference.
    hf_ids: Option<Vec<u32>>,
    decoded: String,
}

fn vocabularies() -> Vec<(String, Tokenizer, Golden)> {
    let folder = lantern_golden::path("tokenizers");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert_eq!(paths.len(), 14, "golden vocabularies in {}", folder.display());
    let load = |path: PathBuf| {
        let golden = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let file = GgufFile::open(&path.with_extension("gguf")).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, Tokenizer::from_gguf(&file).unwrap(), golden)
    };
    paths.into_iter().map(load).collect()
}

#[test]
fn text_becomes_the_reference_ids() {
    for (name, tokenizer, golden) in vocabularies() {
        for case in &golden.cases {
            let ids = tokenizer.encode(&case.text, case.parse_special, case.add_special).unwrap();
            let known = ids == case.ids || Some(&ids) == case.hf_ids.as_ref();
            assert!(
                known,
                "{name}: {:?} (add_special {}, parse_special {}) gives {ids:?} instead of {:?}",
                case.text, case.add_special, case.parse_special, case.ids
            );
        }
    }
}

#[test]
fn ids_become_the_text_again() {
    for (name, tokenizer, golden) in vocabularies() {
        for case in golden.cases.iter().filter(|case| !case.parse_special && !case.add_special) {
            let text = tokenizer.decode(&case.ids);
            // The reference may also tidy the spaces before punctuation, which loses text.
            if text != case.text {
                assert_eq!(text, case.decoded, "{name}: ids of {:?}", case.text);
            }
        }
    }
}

#[test]
fn a_stream_prints_the_text_token_by_token() {
    for (name, tokenizer, golden) in vocabularies() {
        let tokenizer = Arc::new(tokenizer);
        for case in golden.cases.iter().filter(|case| !case.parse_special && !case.add_special) {
            // What a vocabulary cannot spell is a token that prints nothing.
            if case.ids.iter().any(|&id| tokenizer.is_special(id)) {
                continue;
            }
            let mut stream = TokenStream::new(tokenizer.clone(), None);
            let mut text = String::new();
            for &id in &case.ids {
                let part = stream.push(id);
                assert!(
                    !part.contains('\u{FFFD}') || case.text.contains('\u{FFFD}'),
                    "{name}: {part:?} in {:?}",
                    case.text
                );
                text.push_str(&part);
            }
            text.push_str(&stream.finish());
            assert_eq!(text, tokenizer.decode(&case.ids), "{name}: ids of {:?}", case.text);
        }
    }
}

#[test]
fn special_tokens_print_nothing_and_end_tokens_are_known() {
    for (name, tokenizer, _) in vocabularies() {
        let eos = tokenizer.eos().unwrap_or_else(|| panic!("{name} has no EOS"));
        assert!(tokenizer.is_eog(eos), "{name}: EOS must end an answer");
        let tokenizer = Arc::new(tokenizer);
        for &id in tokenizer.eog_ids() {
            assert!(tokenizer.is_special(id), "{name}: token {id}");
            assert_eq!(TokenStream::new(tokenizer.clone(), None).push(id), "", "{name}: token {id}");
        }
        assert!(tokenizer.is_special(u32::MAX));
        assert_eq!(tokenizer.token_bytes(u32::MAX), b"");
    }
}

#[test]
fn a_prompt_gets_bos_once() {
    for (name, tokenizer, _) in vocabularies() {
        let prompt = |text: &str| tokenizer.encode_prompt(&PromptText::new(text.into())).unwrap();
        let plain = prompt("Hi");
        match tokenizer.bos().filter(|_| tokenizer.adds_bos()) {
            Some(bos) => {
                assert_eq!(plain[0], bos, "{name}");
                let spelt = String::from_utf8(tokenizer.token_bytes(bos).to_vec()).unwrap() + "Hi";
                let count = prompt(&spelt).iter().filter(|&&id| id == bos).count();
                assert_eq!(count, 1, "{name}");
            }
            None => assert_eq!(plain, tokenizer.encode("Hi", true, false).unwrap(), "{name}"),
        }
    }
}
