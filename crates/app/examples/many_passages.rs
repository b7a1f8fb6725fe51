//! How long searching 50,000 passages takes: `cargo run --release --example many_passages -p lantern-app`.

use std::time::Instant;

use lantern_knowledge::search::{Best, from_bytes, likeness, to_bytes};
use lantern_protocol::{DocumentKind, Place};
use lantern_store::{NewDocument, Store};

const DOCUMENTS: usize = 500;
const EACH: usize = 100;
const DIMENSIONS: usize = 384;

/// A number between -1 and 1 that looks like any other.
fn noise(seed: usize) -> f32 {
    let mixed =
        (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn document(number: usize) -> NewDocument {
    let (mut text, mut passages) = (String::new(), Vec::new());
    for passage in 0..EACH {
        let begins = text.len();
        for word in 0..150 {
            let common = (noise(number * 7919 + passage * 151 + word).abs() * 3000.0).powf(1.1) as u32;
            text.push_str(&format!("word{common} "));
        }
        text.push('\n');
        passages.push((begins, text.len(), Place::default()));
    }
    let hash = format!("{number:064x}");
    NewDocument { hash, kind: DocumentKind::Text, bytes: 1, reader: 1, text, passages }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let mut store = Store::open(dir.path())?.store;
    let begun = Instant::now();
    let mut hashes = Vec::new();
    for number in 0..DOCUMENTS {
        let new = document(number);
        hashes.push(new.hash.clone());
        store.keep_document(&new)?;
        let ids: Vec<i64> =
            store.passages_without_vector(&[new.hash], "m", EACH)?.iter().map(|p| p.id).collect();
        let vector = |id: &i64| -> Vec<f32> {
            (0..DIMENSIONS).map(|n| noise(*id as usize * 400 + n) / 14.0).collect()
        };
        let vectors: Vec<_> = ids.iter().map(|id| (*id, to_bytes(&vector(id)))).collect();
        store.keep_vectors("m", &vectors)?;
    }
    println!("{} passages kept in {:.1} s", DOCUMENTS * EACH, begun.elapsed().as_secs_f64());
    let question: Vec<f32> = (0..DIMENSIONS).map(|n| noise(n) / 14.0).collect();
    for _ in 0..3 {
        let begun = Instant::now();
        let found = store.passages_by_words(&hashes, "word17 word170 word1700 word2700", 50)?.len();
        let words = begun.elapsed();
        let (mut best, mut vector) = (Best::new(50), Vec::new());
        store.each_vector(&hashes, "m", |id, bytes| {
            from_bytes(bytes, &mut vector);
            best.offer(likeness(&question, &vector), id);
        })?;
        let meaning = begun.elapsed() - words;
        println!(
            "by words {words:.1?} ({found} found), by meaning {meaning:.1?} ({} found)",
            best.into_vec().len()
        );
    }
    Ok(())
}
