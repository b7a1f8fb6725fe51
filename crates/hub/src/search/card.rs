//! Model cards: Markdown with YAML before it. What the YAML says the Hub has read already, so it is only taken off.

use lantern_protocol::ModelCard;

/// Most bytes of a card.
pub(super) const MAX_CARD: usize = 512 << 10;

/// The card of a `README.md`, of which these are the first bytes.
pub(super) fn card(bytes: &[u8], is_cut: bool) -> ModelCard {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    ModelCard { markdown: body(text).trim_matches(['\r', '\n']).to_owned(), is_cut }
}

/// What follows the front matter, which lies between two lines of three dashes at the very beginning.
fn body(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---").filter(|rest| rest.starts_with(['\n', '\r'])) else {
        return text;
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            return &rest[at..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_is_taken_off() {
        let markdown = |text: &str| card(text.as_bytes(), false).markdown;
        assert_eq!(markdown("---\nlicense: mit\ntags:\n- a\n---\n\n# Model\nText\n"), "# Model\nText");
        assert_eq!(markdown("---\r\nlicense: mit\r\n---\r\n# M\r\n"), "# M");
        assert_eq!(markdown("# Model\n---\nText"), "# Model\n---\nText");
        assert_eq!(markdown("---\nnever closed\n# M"), "---\nnever closed\n# M");
        assert_eq!(markdown("----\nx\n---\ny"), "----\nx\n---\ny");
        assert_eq!(markdown("---"), "---");
        assert_eq!(card(b"\xffa", true), ModelCard { markdown: "\u{fffd}a".into(), is_cut: true });
    }
}
