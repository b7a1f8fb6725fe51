//! Tokens that are found in the text before anything else: control tokens and user-defined pieces.
//!
//! At each position the longest token wins. User-defined pieces always count; control tokens only where the
//! caller says that the text may steer the model.

use super::vocab::{Index, Pieces, TokenKind};

/// The spellings of all such tokens, by their first byte.
#[derive(Debug)]
pub struct AddedTokens {
    texts: Pieces,
    ids: Vec<u32>,
    special: Vec<bool>,
    index: Index,
    /// Lengths that occur with each first byte, longest first.
    lengths: Vec<Vec<u32>>,
}

/// A stretch of the text.
#[derive(Debug, PartialEq, Eq)]
pub enum Fragment<'t> {
    /// To be tokenized as text.
    Text(&'t str),
    /// One token.
    Token(u32),
}

impl AddedTokens {
    /// Collects the tokens of those kinds; `text` gives the spelling in the file.
    pub fn new<'a>(kinds: &[TokenKind], text: impl Fn(usize) -> &'a str) -> Self {
        let chosen: Vec<usize> = (0..kinds.len())
            .filter(|&id| kinds[id].is_special() || kinds[id] == TokenKind::UserDefined)
            .filter(|&id| !text(id).is_empty())
            .collect();
        let mut texts = Pieces::with_capacity(chosen.len(), chosen.len() * 12);
        let mut index = Index::with_capacity(chosen.len());
        let mut lengths = vec![Vec::new(); 256];
        for (i, &id) in chosen.iter().enumerate() {
            let bytes = text(id).as_bytes();
            texts.push_with(|out| out.extend_from_slice(bytes));
            index.insert(&texts, i as u32);
            lengths[usize::from(bytes[0])].push(bytes.len() as u32);
        }
        for of_byte in &mut lengths {
            of_byte.sort_unstable_by(|a, b| b.cmp(a));
            of_byte.dedup();
        }
        let special = chosen.iter().map(|&id| kinds[id].is_special()).collect();
        Self { texts, ids: chosen.iter().map(|&id| id as u32).collect(), special, index, lengths }
    }

    /// The id of the token spelt exactly `text`.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.index.find(&self.texts, text.as_bytes()).map(|i| self.ids[i as usize])
    }

    /// Calls `found` with the start of every spelling of a control token in `text`, of those inside others too.
    pub fn control_tokens(&self, text: &str, mut found: impl FnMut(usize)) {
        for at in 0..text.len() {
            if self.match_at(&text.as_bytes()[at..], |i, _| self.special[i]).is_some() {
                found(at);
            }
        }
    }

    /// Calls `fragment` for each stretch of `text`, in order. A control token is one where `is_meant` says so of its
    /// start and end.
    pub fn split<'t>(
        &self,
        text: &'t str,
        is_meant: impl Fn(usize, usize) -> bool,
        mut fragment: impl FnMut(Fragment<'t>),
    ) {
        let bytes = text.as_bytes();
        let (mut done, mut at) = (0, 0);
        while at < bytes.len() {
            match self.match_at(&bytes[at..], |i, len| !self.special[i] || is_meant(at, at + len)) {
                Some((id, len)) => {
                    if done < at {
                        fragment(Fragment::Text(&text[done..at]));
                    }
                    fragment(Fragment::Token(id));
                    at += len;
                    done = at;
                }
                None => at += 1,
            }
        }
        if done < bytes.len() {
            fragment(Fragment::Text(&text[done..]));
        }
    }

    /// The longest token at the beginning of `rest` that `counts`, given its place in the table and its length.
    fn match_at(&self, rest: &[u8], counts: impl Fn(usize, usize) -> bool) -> Option<(u32, usize)> {
        let lengths = &self.lengths[usize::from(rest[0])];
        lengths.iter().map(|&len| len as usize).filter(|&len| len <= rest.len()).find_map(|len| {
            let i = self.index.find(&self.texts, &rest[..len])? as usize;
            counts(i, len).then_some((self.ids[i], len))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, parse_special: bool) -> Vec<Fragment<'_>> {
        let words = ["x", "<a>", "<a><b>", "<b>", "  "];
        let kinds = [
            TokenKind::Normal,
            TokenKind::Control,
            TokenKind::Control,
            TokenKind::Control,
            TokenKind::UserDefined,
        ];
        let mut out = Vec::new();
        let tokens = AddedTokens::new(&kinds, |id| words[id]);
        tokens.split(text, |_, _| parse_special, |fragment| out.push(fragment));
        out
    }

    #[test]
    fn spellings_inside_others_are_found() {
        let words = ["<a>", "<a><b>", "<b>", "  "];
        let kinds = [TokenKind::Control, TokenKind::Control, TokenKind::Control, TokenKind::UserDefined];
        let mut found = Vec::new();
        let tokens = AddedTokens::new(&kinds, |id| words[id]);
        tokens.control_tokens("é<a><b>  <a", |start| found.push(start));
        assert_eq!(found, [2, 5]);
    }

    #[test]
    fn the_longest_wins_and_text_between_is_kept() {
        use Fragment::{Text, Token};
        assert_eq!(split("x<a><b>é<b>", true), [Text("x"), Token(2), Text("é"), Token(3)]);
        assert_eq!(split("<a>", true), [Token(1)]);
        assert_eq!(split("", true), []);
    }

    #[test]
    fn control_tokens_stay_text_unless_asked_for() {
        use Fragment::{Text, Token};
        assert_eq!(split("<a>  x", false), [Text("<a>"), Token(4), Text("x")]);
    }
}
