//! Passages of random documents: nothing is lost, nothing is twice, and places are right.

use lantern_knowledge::{Extracted, Mark, passages};
use lantern_protocol::{DocumentKind, Place};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PIECES: &[&str] =
    &["word ", "longer words here. ", "\n", "\n\n", "灯塔的光", "é", "   ", "\t", "🙂", "x", "。", "Why? "];

fn random_document(random: &mut StdRng) -> Extracted {
    let (mut text, mut marks) = (String::new(), Vec::new());
    for number in 0..random.random_range(0..3000_u32) {
        if random.random_bool(0.01) {
            let place = Place { page: Some(number), ..Place::default() };
            marks.push(Mark { at: text.len(), place, is_break: random.random() });
        }
        let piece = PIECES[random.random_range(0..PIECES.len())];
        text.push_str(&piece.repeat(if random.random_bool(0.02) { 400 } else { 1 }));
    }
    Extracted { kind: DocumentKind::Text, text, marks }
}

#[test]
fn passages_together_are_the_text() {
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..300 {
        let document = random_document(&mut random);
        let found = passages(&document);
        let joined: String = found.iter().map(|passage| &document.text[passage.range.clone()]).collect();
        assert_eq!(joined, document.text, "round {round}");
        for passage in &found {
            let text = &document.text[passage.range.clone()];
            assert!(
                !text.is_empty() && text.trim_end().len() <= 1200 * 4,
                "round {round}: {} bytes",
                text.len()
            );
        }
    }
}

#[test]
fn a_passage_knows_its_line_and_its_page() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..300 {
        let document = random_document(&mut random);
        for passage in passages(&document) {
            let text = &document.text[passage.range.clone()];
            let first = passage.range.start + (text.len() - text.trim_start().len()) % text.len().max(1);
            let line = 1 + document.text[..first].matches('\n').count();
            assert_eq!(passage.place.line, u32::try_from(line).ok());
            let mark = document.marks.iter().rev().find(|mark| mark.at <= first);
            assert_eq!(passage.place.page, mark.and_then(|mark| mark.place.page));
        }
    }
}
