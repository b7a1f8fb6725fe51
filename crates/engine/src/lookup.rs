//! Guesses at what comes next in a sequence: what followed the last time its latest tokens stood there (prompt lookup
//! decoding, Saxena 2023). Costs a look into a table; whoever rewrites a text, corrects code or quotes is mostly right.

use std::collections::HashMap;

/// Tokens that must have stood there before.
const LENGTH: usize = 3;

/// What one sequence's tokens say about those to come.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// The position behind the latest place of each few tokens.
    behind: HashMap<[u32; LENGTH], usize>,
    /// Tokens that are in the table as what follows others.
    known: usize,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { behind: HashMap::new(), known: LENGTH }
    }
}

impl Lookup {
    /// Up to `most` guesses at what follows `tokens`, which are those of the last call and more.
    pub(crate) fn guess<'t>(&mut self, tokens: &'t [u32], most: usize) -> &'t [u32] {
        for at in self.known..tokens.len() {
            if let Some(before) = tokens[..at].last_chunk() {
                self.behind.insert(*before, at);
            }
        }
        self.known = self.known.max(tokens.len());
        let found = tokens.last_chunk().and_then(|last| self.behind.get(last));
        found.map_or(&[], |&start| &tokens[start..tokens.len().min(start + most)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_guessed() {
        let mut lookup = Lookup::default();
        let mut tokens = vec![1, 2, 3, 4, 5, 6, 1, 2];
        assert_eq!(lookup.guess(&tokens, 4), [0; 0], "two tokens are not enough");
        tokens.push(3);
        assert_eq!(lookup.guess(&tokens, 4), [4, 5, 6, 1]);
        assert_eq!(lookup.guess(&tokens, 2), [4, 5]);
        tokens.extend([9, 1, 2, 3]);
        assert_eq!(lookup.guess(&tokens, 9), [9, 1, 2, 3], "the latest place counts, up to the end");
        assert_eq!(Lookup::default().guess(&[1, 2], 4), [0; 0]);
    }

    #[test]
    fn a_word_said_again_and_again_is_guessed() {
        let mut lookup = Lookup::default();
        assert_eq!(lookup.guess(&[7, 7, 7, 7], 5), [7]);
    }
}
