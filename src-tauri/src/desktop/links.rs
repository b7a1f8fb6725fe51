//! Links of Lantern's own: `lantern://model/OWNER/REPO[?file=PATH]`, `lantern://chat?text=WORDS` and `lantern://quick`.
//!
//! Any page on the web may hold one, so a link only ever proposes: it shows a page, a field filled in, an empty window. Nothing
//! is fetched, sent, stored or changed before the user does it. What is not exactly one of these is refused, in words.

use std::borrow::Cow;

use lantern_protocol::{ErrorInfo, ShellEvent};
use tauri::AppHandle;

use super::inbox;
use crate::windows;

/// Longer is no link of ours.
const MAX_LINK: usize = 16 * 1024;
/// Characters of a draft.
const MAX_TEXT: usize = 4_000;
/// Characters of a file's path in a repository, and of an owner's or a repository's name.
const MAX_PATH: usize = 400;
const MAX_NAME: usize = 96;

/// What a link proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// To look at a repository, and maybe at one of its files.
    Model { repo: String, file: Option<String> },
    /// To ask this.
    Chat { text: String },
    /// To ask something without leaving what one does.
    Quick,
}

/// Takes the links among a start's arguments, that of this process or of another one.
pub fn take_arguments<'a>(handle: &AppHandle, arguments: impl Iterator<Item = &'a str>) {
    for link in arguments.filter(|argument| is_link(argument)) {
        take(handle, link);
    }
}

/// Shows what a link proposes, or says why it is not understood.
pub fn take(handle: &AppHandle, link: &str) {
    match parse(link) {
        Ok(Proposal::Model { repo, file }) => inbox::ask(handle, ShellEvent::ProposeModel { repo, file }),
        Ok(Proposal::Chat { text }) => inbox::ask(handle, ShellEvent::ProposeChat { text }),
        Ok(Proposal::Quick) => windows::quick::show(handle),
        Err(notice) => inbox::ask(handle, ShellEvent::Notice { notice }),
    }
}

fn is_link(argument: &str) -> bool {
    argument.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("lantern:"))
}

/// What a link proposes; anything that is not exactly a link of ours is refused.
pub fn parse(link: &str) -> Result<Proposal, ErrorInfo> {
    let refuse = |why: &str| Err(refused(link, why));
    if link.len() > MAX_LINK {
        return refuse("it is too long");
    }
    let start = link.get(..10).unwrap_or_default();
    if !start.eq_ignore_ascii_case("lantern://") {
        return refuse("it does not begin with lantern://");
    }
    let rest = link.get(10..).unwrap_or_default();
    if rest.contains('#') {
        return refuse("it has a part behind #");
    }
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let proposal = match segments.as_slice() {
        ["model", owner, name] => model(owner, name, query),
        ["chat"] => chat(query),
        ["quick"] if query.is_none() => Ok(Proposal::Quick),
        _ => Err("it proposes nothing that Lantern knows"),
    };
    proposal.map_err(|why| refused(link, why))
}

fn model(owner: &str, name: &str, query: Option<&str>) -> Result<Proposal, &'static str> {
    if !is_name(owner) || !is_name(name) {
        return Err("it names no repository of the Hub");
    }
    let file = value(query, "file")?;
    if file.as_deref().is_some_and(|file| !is_path(file)) {
        return Err("it names no file of a repository");
    }
    Ok(Proposal::Model { repo: format!("{owner}/{name}"), file })
}

fn chat(query: Option<&str>) -> Result<Proposal, &'static str> {
    let text = value(query, "text")?.ok_or("it has no text")?;
    if text.trim().is_empty() {
        return Err("it has no text");
    }
    if text.chars().count() > MAX_TEXT {
        return Err("its text is too long");
    }
    if text.chars().any(is_hidden) {
        return Err("its text has characters that do not show");
    }
    Ok(Proposal::Chat { text })
}

/// The value of the only key that may be there, once.
fn value(query: Option<&str>, key: &str) -> Result<Option<String>, &'static str> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(None) };
    let given = query.strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
    match given {
        Some(value) if !value.contains('&') => decoded(value).map(Some),
        _ => Err("it says something that Lantern does not know"),
    }
}

/// Percent-encoded UTF-8, a plus for a blank.
fn decoded(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "its letters are not encoded as they must be";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(WRONG);
                let value = digit()? * 16 + digit()?;
                u8::try_from(value).map_err(|_| WRONG)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| WRONG)
}

/// A name of an owner or a repository as the Hub allows it.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !name.contains("..")
}

/// A path that stays inside its repository.
fn is_path(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.chars().count() <= MAX_PATH
        && !path.contains('\\')
        && !path.chars().any(|c| is_hidden(c) || c == '\n' || c == '\t')
        && path.split('/').all(plain)
}

/// Controls, and what turns the direction of text around: they would make words look like others.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn refused(link: &str, why: &str) -> ErrorInfo {
    let shown: Cow<str> = match link.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &link[..end]).into(),
        None => link.into(),
    };
    ErrorInfo {
        code: "link_not_understood".into(),
        message: format!("A link asked Lantern for something it does not do: {why}. It was {shown:?}."),
        next_step: "Nothing was done. Links may show a model of the Hub or fill in a question.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(repo: &str, file: Option<&str>) -> Proposal {
        Proposal::Model { repo: repo.into(), file: file.map(str::to_owned) }
    }

    #[test]
    fn links_propose_models_and_questions() {
        for (link, expected) in [
            ("lantern://model/Qwen/Qwen3-4B-GGUF", model("Qwen/Qwen3-4B-GGUF", None)),
            ("LANTERN://model/a/b/", model("a/b", None)),
            ("lantern://model/a/b?file=q4/x.gguf", model("a/b", Some("q4/x.gguf"))),
            ("lantern://model/a/b?file=q4%2Fx%20y.gguf", model("a/b", Some("q4/x y.gguf"))),
            ("lantern://chat?text=Who%20are+you%3F", Proposal::Chat { text: "Who are you?".into() }),
            ("lantern://chat/?text=%C3%A4%0Ab", Proposal::Chat { text: "ä\nb".into() }),
            ("lantern://quick", Proposal::Quick),
        ] {
            assert_eq!(parse(link).unwrap(), expected, "{link}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let long = format!("lantern://chat?text={}", "a".repeat(MAX_TEXT + 1));
        for link in [
            "",
            "lantern:",
            "lantern://",
            "lantern:///",
            "lantern:/model/a/b",
            "http://model/a/b",
            "lantern://model",
            "lantern://model/a",
            "lantern://model/a/b/c",
            "lantern://model/a/b//",
            "lantern://model/../b",
            "lantern://model/a%2Fb/c",
            "lantern://model/-a/b",
            "lantern://model/a/b?file=../x",
            "lantern://model/a/b?file=/etc/passwd",
            "lantern://model/a/b?file=x%5C..%5Cy",
            "lantern://model/a/b?file=x&file=y",
            "lantern://model/a/b?file=x&download=1",
            "lantern://model/a/b?download=1",
            "lantern://model/a/b#x",
            "lantern://chat",
            "lantern://chat?text=",
            "lantern://chat?text=%20",
            "lantern://chat?text=%",
            "lantern://chat?text=%4",
            "lantern://chat?text=%+1",
            "lantern://chat?text=%FF",
            "lantern://chat?text=a%00",
            "lantern://chat?text=a%1B%5B2J",
            "lantern://chat?text=a%E2%80%AEb",
            "lantern://chat?text=a&send=1",
            "lantern://chat?send=1&text=a",
            "lantern://user:pass@chat?text=a",
            "lantern://settings?theme=dark",
            "lantern://quick?text=a",
            &long,
        ] {
            let error = parse(link).expect_err(link);
            assert_eq!(error.code, "link_not_understood", "{link}");
            assert!(!error.next_step.is_empty() && error.message.chars().count() < 400, "{link}");
        }
    }

    /// Small, and the same at each run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(n).unwrap()).unwrap()
        }
    }

    #[test]
    fn words_arrive_as_they_were_sent() {
        let letters: Vec<char> = "aZ9 .,/?&=+%#\"'<>\n\täß漢字🏮\u{0}\u{202E}".chars().collect();
        let mut dice = Dice(7);
        for _ in 0..20_000 {
            let text: String = (0..dice.below(40)).map(|_| letters[dice.below(letters.len())]).collect();
            let link: String = text.bytes().fold("lantern://chat?text=".into(), |link, byte| {
                if byte.is_ascii_alphanumeric() {
                    format!("{link}{}", char::from(byte))
                } else {
                    format!("{link}%{byte:02X}")
                }
            });
            let shows = !text.trim().is_empty() && !text.chars().any(is_hidden);
            assert_eq!(parse(&link).ok(), shows.then_some(Proposal::Chat { text }), "{link}");
        }
    }

    #[test]
    fn random_links_propose_nothing_harmful() {
        let seeds = [
            "lantern://model/Qwen/Qwen3-4B-GGUF?file=q4/x.gguf",
            "lantern://chat?text=Who%20are+you%3F",
            "lantern://quick",
            "",
        ];
        let pieces = [
            "lantern://",
            "model/",
            "chat",
            "?text=",
            "?file=",
            "..",
            "/",
            "%",
            "%2F",
            "%00",
            "&",
            "#",
            "é",
            "\u{202E}",
            "a",
            "\\",
        ];
        let mut dice = Dice(42);
        let mut understood = 0;
        for _ in 0..200_000 {
            let mut link: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
            for _ in 0..dice.below(5) {
                let at = dice.below(link.len() + 1);
                match dice.below(3) {
                    0 => drop(link.drain(at..(at + dice.below(4)).min(link.len()))),
                    _ => drop(link.splice(at..at, pieces[dice.below(pieces.len())].chars())),
                }
            }
            let link: String = link.into_iter().collect();
            match parse(&link) {
                Ok(Proposal::Model { repo, file }) => {
                    let (owner, name) = repo.split_once('/').unwrap();
                    assert!(is_name(owner) && is_name(name), "{link}");
                    assert!(file.is_none_or(|file| is_path(&file)), "{link}");
                    understood += 1;
                }
                Ok(Proposal::Chat { text }) => {
                    assert!(!text.trim().is_empty() && !text.chars().any(is_hidden), "{link}");
                    understood += 1;
                }
                Ok(Proposal::Quick) => understood += 1,
                Err(error) => assert_eq!(error.code, "link_not_understood", "{link}"),
            }
        }
        assert!(understood > 10_000, "only {understood} links were understood: the test tests nothing");
    }
}
