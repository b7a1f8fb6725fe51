//! What must be true of a PDF (ISO 32000-1) before a parser that goes down by recursion and unpacks without limit may see it.

use std::collections::HashSet;
use std::io::Read;

use flate2::read::ZlibDecoder;
use pdf_extract::{Dictionary, Document, Object, ObjectId};

use super::Builder;
use crate::ExtractError;

/// Pages may be so deep in their tree.
const DEEPEST_PAGE: usize = 64;

/// Drawings may be so deep in each other.
const DEEPEST_FORM: usize = 32;

/// Before the word `stream` so many bytes are looked at for what the stream is.
const DICTIONARY: usize = 512;

/// Checks that what is packed in a file unpacks to no more than is allowed. Pictures are left out: nobody unpacks them.
pub(super) fn check_packed(bytes: &[u8], out: &Builder) -> Result<(), ExtractError> {
    const WORD: &[u8] = b"stream";
    let limit = out.limits.unpacked_bytes;
    let (mut total, mut at, mut buffer) = (0_u64, 0, vec![0; 64 << 10]);
    while let Some(found) = find(&bytes[at..], WORD) {
        let word = at + found;
        at = word + WORD.len();
        let content = skip_line_end(&bytes[at..]);
        // A zlib header (RFC 1950): deflate, and a check that makes it a multiple of 31.
        let packed =
            matches!(content, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0);
        let head = &bytes[word.saturating_sub(DICTIONARY)..word];
        if !packed || is_picture(head) {
            continue;
        }
        let mut unpacked = ZlibDecoder::new(content);
        while let Ok(read @ 1..) = unpacked.read(&mut buffer) {
            total = total.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if total > limit {
                return Err(ExtractError::Unpacks { limit });
            }
        }
        out.in_time()?;
    }
    Ok(())
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    // `s` is rare enough in packed bytes for this to be fast.
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == word[0]) {
        if bytes[from + at..].starts_with(word) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn skip_line_end(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] | [b'\r', rest @ ..] => rest,
        rest => rest,
    }
}

/// The last dictionary before a stream says that it is a picture, and nothing that a parser unpacks by itself.
fn is_picture(head: &[u8]) -> bool {
    let own = head.windows(3).rposition(|w| w == b"obj").map_or(head, |at| &head[at..]);
    let has = |word: &[u8]| find(own, word).is_some();
    has(b"/Image") && !has(b"/ObjStm") && !has(b"/XRef")
}

/// Checks that no page is its own ancestor and no drawing contains itself.
pub(super) fn check_nesting(document: &Document) -> Result<(), ExtractError> {
    for page in document.get_pages().into_values() {
        let Ok(mut dictionary) = document.get_dictionary(page) else { continue };
        let mut depth = 0;
        let mut resources = vec![];
        loop {
            resources.extend(dictionary.get(b"Resources").ok());
            let parent = dictionary.get(b"Parent").and_then(Object::as_reference);
            let Ok(parent) = parent.and_then(|id| document.get_dictionary(id)) else { break };
            dictionary = parent;
            depth += 1;
            if depth > DEEPEST_PAGE {
                return Err(ExtractError::Nested);
            }
        }
        for resources in resources {
            check_forms(document, resources)?;
        }
    }
    Ok(())
}

/// Follows drawings into each other, each once on a way, with a list of what is left to do instead of recursion.
fn check_forms(document: &Document, resources: &Object) -> Result<(), ExtractError> {
    let mut clear: HashSet<ObjectId> = HashSet::new();
    let mut way: Vec<(ObjectId, Vec<ObjectId>)> = vec![((0, 0), forms(document, Some(resources)))];
    while let Some((id, left)) = way.last_mut() {
        let Some(next) = left.pop() else {
            clear.insert(*id);
            way.pop();
            continue;
        };
        if clear.contains(&next) {
            continue;
        }
        if way.len() > DEEPEST_FORM || way.iter().any(|(id, _)| *id == next) {
            return Err(ExtractError::Nested);
        }
        let stream = document.get_object(next).and_then(Object::as_stream);
        let below = stream.map(|stream| forms(document, stream.dict.get(b"Resources").ok()));
        way.push((next, below.unwrap_or_default()));
    }
    Ok(())
}

/// The drawings that resources name.
fn forms(document: &Document, resources: Option<&Object>) -> Vec<ObjectId> {
    let dictionary = |object: &Object| -> Option<Dictionary> {
        document.dereference(object).ok().and_then(|(_, object)| object.as_dict().ok()).cloned()
    };
    let named = resources.and_then(dictionary);
    let named = named.as_ref().and_then(|resources| resources.get(b"XObject").ok()).and_then(dictionary);
    named.iter().flat_map(Dictionary::iter).filter_map(|(_, object)| object.as_reference().ok()).collect()
}
