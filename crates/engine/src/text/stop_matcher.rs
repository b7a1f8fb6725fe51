//! Stop strings, found across the borders of tokens.
//!
//! Text that may still grow into a stop string is held back; everything else passes at once.

/// Watches one answer for its stop strings.
#[derive(Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
    hit: Option<String>,
}

impl StopMatcher {
    /// A matcher for these strings; empty ones are left out.
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
            hit: None,
        }
    }

    /// Adds text; returns what may be shown and whether a stop string was met. The stop string and everything after
    /// it never come out.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        if self.hit.is_some() {
            return (String::new(), true);
        }
        if self.stops.is_empty() {
            return (text.to_owned(), false);
        }
        self.held.push_str(text);
        let places = self.stops.iter().filter_map(|stop| Some((self.held.find(stop)?, stop)));
        if let Some((at, stop)) = places.min() {
            self.hit = Some(stop.clone());
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// The stop string that was met.
    pub fn hit(&self) -> Option<&str> {
        self.hit.as_deref()
    }

    /// What was held back, at the end of the answer.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The length of the longest end of `text` that is a proper beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest)
        .rev()
        .find(|&len| {
            text.as_bytes()[text.len() - len..] == stop.as_bytes()[..len]
                && text.is_char_boundary(text.len() - len)
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(stops: &[&str]) -> StopMatcher {
        StopMatcher::new(stops.iter().map(|stop| stop.to_string()))
    }

    fn run(stops: &[&str], parts: &[&str]) -> (String, bool) {
        let mut matcher = matcher(stops);
        let mut out = String::new();
        for part in parts {
            let (text, hit) = matcher.push(part);
            out.push_str(&text);
            if hit {
                return (out, true);
            }
        }
        out.push_str(&matcher.finish());
        (out, false)
    }

    /// The answer that the definition gives: everything before the first place where a stop string stands whole.
    fn expected(stops: &[&str], text: &str) -> (String, bool) {
        match stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min() {
            Some(at) => (text[..at].to_owned(), true),
            None => (text.to_owned(), false),
        }
    }

    #[test]
    fn every_split_gives_the_same_answer() {
        let cases: &[(&[&str], &str)] = &[
            (&["\n\n"], "one\ntwo\n\nthree"),
            (&["abab", "b"], "aabaabab"),
            (&["User:", "</s>"], "Hello </ s> Use User: x"),
            (&["ende", "end"], "the ender"),
            (&["世界", "é!"], "Héé 世 世界 é!"),
            (&["aaab"], "aaaaaab"),
            (&[""], "nothing to stop"),
            (&[], "nothing to stop"),
            (&["zzz"], "ends with zz"),
        ];
        for (stops, text) in cases {
            let borders: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
            for &first in &borders {
                for &second in borders.iter().filter(|&&border| border >= first) {
                    let parts = [&text[..first], &text[first..second], &text[second..]];
                    let found = run(stops, &parts);
                    // A stop string that is a beginning of a longer one at the same place counts at once.
                    assert_eq!(found, expected(stops, text), "{stops:?} in {parts:?}");
                }
            }
            let single: Vec<&str> = borders.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            assert_eq!(
                run(stops, &single),
                expected(stops, text),
                "{stops:?} in single characters of {text:?}"
            );
        }
    }

    #[test]
    fn text_that_cannot_become_a_stop_string_passes_at_once() {
        let mut matcher = matcher(&["STOP"]);
        assert_eq!(matcher.push("go on S"), ("go on ".to_owned(), false));
        assert_eq!(matcher.push("T"), (String::new(), false));
        assert_eq!(matcher.push("x"), ("STx".to_owned(), false));
    }

    #[test]
    fn nothing_comes_out_after_a_hit() {
        let mut matcher = matcher(&["."]);
        assert_eq!(matcher.push("a.b"), ("a".to_owned(), true));
        assert_eq!(matcher.push("c"), (String::new(), true));
        assert_eq!(matcher.finish(), "");
        assert_eq!(matcher.hit(), Some("."));
    }

    #[test]
    fn the_first_stop_string_is_the_one_that_was_met() {
        let mut matcher = matcher(&["later", "first", "never"]);
        assert_eq!(matcher.hit(), None);
        matcher.push("at first, and later");
        assert_eq!(matcher.hit(), Some("first"));
    }
}
