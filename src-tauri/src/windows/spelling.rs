//! Spelling in what is written: WebKitGTK checks nothing until it is told to, and in which languages. Other systems do it by
//! themselves.

use std::sync::atomic::{AtomicBool, Ordering};

use tauri::WebviewWindow;
use webkit2gtk::{WebContextExt, WebViewExt};

/// Dictionaries take megabytes and a while to read: none is before there is something to check.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Somebody has begun to write, in whichever window.
pub fn is_wanted() {
    WANTED.store(true, Ordering::Relaxed);
}

/// Does so from now on, or no longer.
pub fn check(window: &WebviewWindow, on: bool) {
    if on && !WANTED.load(Ordering::Relaxed) {
        return;
    }
    let told = window.with_webview(move |view| {
        let Some(context) = view.inner().context() else { return };
        if on && !context.is_spell_checking_enabled() {
            let languages = languages(&|name| std::env::var(name).ok());
            let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
            context.set_spell_checking_languages(&languages);
        }
        context.set_spell_checking_enabled(on);
    });
    if let Err(error) = told {
        tracing::warn!(%error, "spelling is not checked");
    }
}

/// The languages of the session, as `de_DE`; English beside them, because models are often asked in it.
fn languages(variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
    let several = set("LANGUAGE").unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for name in std::iter::once(locale.as_str()).chain(several.split(':')).chain(["en_US"]) {
        let name = name.split(['.', '@']).next().unwrap_or_default();
        let known = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 8
            && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        if known && !found.iter().any(|other| other == name) {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::languages;

    fn of(set: &[(&str, &str)]) -> Vec<String> {
        languages(&|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn spelling_is_checked_in_the_sessions_languages() {
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), ["de_DE", "en_US"]);
        assert_eq!(of(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "pt_BR@x")]), ["pt_BR", "en_US"]);
        assert_eq!(of(&[("LANG", "C"), ("LANGUAGE", "fr:es:../x")]), ["fr", "es", "en_US"]);
        assert_eq!(of(&[]), ["en_US"]);
    }
}
