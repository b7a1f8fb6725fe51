//! What Lantern says outside of its windows, in the languages that these speak: in the tray, in notifications, in frames. The texts
//! of the windows are the page's; these are needed where there is no page.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod ja;
mod pt;
mod zh;

use lantern_protocol::Language;

/// The texts of a language. What stands in braces is put in by [`fill`].
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub show_or_hide: &'static str,
    pub new_chat: &'static str,
    pub quick_entry: &'static str,
    pub endpoint_at: &'static str,
    pub endpoint_failed: &'static str,
    pub endpoint_off: &'static str,
    pub no_downloads: &'static str,
    pub one_download: &'static str,
    pub downloads: &'static str,
    pub paused: &'static str,
    pub no_model: &'static str,
    pub loading: &'static str,
    pub not_loaded: &'static str,
    pub free_memory: &'static str,
    pub quit: &'static str,
    pub download_done: &'static str,
    pub download_done_text: &'static str,
    pub download_failed: &'static str,
    /// With the reason in English alone: in other languages the window tells it.
    pub download_failed_text: &'static str,
    pub answer_done: &'static str,
    pub answer_failed: &'static str,
    pub took_seconds: &'static str,
    pub took_minutes: &'static str,
    /// The window for a quick question.
    pub ask: &'static str,
    pub cannot_start: &'static str,
    /// What stands before the decimals of a number.
    pub decimal_mark: &'static str,
}

/// The words of a language; those of the system's where it is followed.
pub fn of(language: Language) -> &'static Words {
    match language {
        Language::System => of(spoken(sys_locale::get_locales())),
        Language::En => &en::WORDS,
        Language::De => &de::WORDS,
        Language::Es => &es::WORDS,
        Language::Fr => &fr::WORDS,
        Language::Pt => &pt::WORDS,
        Language::Ja => &ja::WORDS,
        Language::Zh => &zh::WORDS,
        Language::Ar => &ar::WORDS,
    }
}

/// The first of the system's languages that Lantern speaks, or English: as the page chooses among the browser's.
fn spoken(system: impl Iterator<Item = String>) -> Language {
    let known = |name: String| {
        let language = name.split(['-', '_', '.']).next().unwrap_or_default().to_ascii_lowercase();
        Some(match language.as_str() {
            "en" => Language::En,
            "de" => Language::De,
            "es" => Language::Es,
            "fr" => Language::Fr,
            "pt" => Language::Pt,
            "ja" => Language::Ja,
            "zh" => Language::Zh,
            "ar" => Language::Ar,
            _ => return None,
        })
    };
    system.into_iter().find_map(known).unwrap_or(Language::En)
}

/// Puts values into a text's places. One pass: a value that looks like a place stays as it is.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 40);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        filled.push_str(values.iter().find(|(place, _)| *place == name).map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and texts of everything in `words`, as its debug output has them.
    fn texts(words: &Words) -> Vec<(String, String)> {
        let shown = format!("{words:#?}");
        let lines = shown.lines().filter_map(|line| line.trim().split_once(": "));
        lines
            .map(|(name, text)| (name.to_owned(), text.trim_end_matches(',').trim_matches('"').to_owned()))
            .collect()
    }

    fn places(text: &str) -> Vec<String> {
        // Debug output also has braces around the numbers of signs.
        let text = text.replace("\\u{", "");
        let pieces = text.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
        let mut found: Vec<String> = pieces.map(|(name, _)| name.to_owned()).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_language_has_the_places_of_english() {
        let english = texts(&en::WORDS);
        assert_eq!(english.len(), 26);
        for (language, words) in [
            ("de", &de::WORDS),
            ("es", &es::WORDS),
            ("fr", &fr::WORDS),
            ("pt", &pt::WORDS),
            ("ja", &ja::WORDS),
            ("zh", &zh::WORDS),
            ("ar", &ar::WORDS),
        ] {
            for ((name, text), (_, own)) in english.iter().zip(texts(words)) {
                let mut expected = places(text);
                if name == "download_failed_text" {
                    expected.retain(|place| place != "reason");
                }
                assert_eq!(places(&own), expected, "{language} {name}: {own}");
                assert!(!own.is_empty(), "{language} {name}");
                // Numbers and borrowed words may be the same.
                let same = text == &own && !["decimal_mark", "one_download", "downloads"].contains(&&**name);
                assert!(!same, "{language} {name} is English");
            }
        }
    }

    #[test]
    fn the_systems_language_is_spoken_where_it_is_known() {
        let of = |names: &[&str]| {
            spoken(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().into_iter())
        };
        assert_eq!(of(&["de-AT"]), Language::De);
        assert_eq!(of(&["nl-NL", "pt_BR.UTF-8", "en"]), Language::Pt);
        assert_eq!(of(&["zh-Hans-CN"]), Language::Zh);
        assert_eq!(of(&["C"]), Language::En);
        assert_eq!(of(&[]), Language::En);
    }

    #[test]
    fn values_are_put_into_their_places_once() {
        assert_eq!(fill("{a} and {b}.", &[("a", "{b}"), ("b", "2")]), "{b} and 2.");
        assert_eq!(fill("none", &[("a", "1")]), "none");
        assert_eq!(fill("{never} closed {", &[]), " closed ");
    }
}
