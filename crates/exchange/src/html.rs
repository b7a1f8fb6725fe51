//! A conversation's shown branch as one page: no script, nothing that is fetched, and nothing of what people or models wrote
//! becomes markup but Markdown's own.

use lantern_protocol::{ConversationRecord, Message, Role};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use crate::markdown::{branch, hidden, note, speaker, thoughts_and_words};

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"referrer\" content=\"no-referrer\">
";
const STYLE: &str = "<style>
:root { color-scheme: light dark; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
header p, footer, .note { color: GrayText; }
article { margin: 1.5rem 0; }
article > h2 { font-size: .875rem; margin: 0 0 .25rem; color: GrayText; }
article.user > div { padding: .25rem 1rem; border-radius: .75rem; background: color-mix(in srgb, CanvasText 7%, Canvas); }
pre { overflow-x: auto; padding: .75rem 1rem; border-radius: .5rem; background: color-mix(in srgb, CanvasText 7%, Canvas); }
table { border-collapse: collapse; } th, td { border: 1px solid color-mix(in srgb, CanvasText 25%, Canvas); padding: .25rem .5rem; }
blockquote { margin-left: 0; padding-left: 1rem; border-left: 3px solid color-mix(in srgb, CanvasText 25%, Canvas); }
details { color: GrayText; } summary { cursor: pointer; }
@media print { pre { white-space: pre-wrap; } details { display: block; } }
</style>
</head>
<body>
";

/// The shown branch as a page of its own.
pub fn html(record: &ConversationRecord) -> String {
    let conversation = &record.conversation;
    let title = escape(&conversation.title);
    let mut out = format!("{HEAD}<title>{title}</title>\n{STYLE}<header>\n<h1>{title}</h1>\n");
    out.push_str(&format!("<p>{}</p>\n", date(conversation.created_at)));
    if let Some(prompt) = conversation.system_prompt.as_ref().filter(|prompt| !prompt.trim().is_empty()) {
        out.push_str(&format!("<blockquote>{}</blockquote>\n", rendered(prompt)));
    }
    out.push_str("</header>\n<main>\n");
    let branch = branch(record);
    branch.iter().for_each(|message| article(message, &mut out));
    out.push_str("</main>\n<footer>\n");
    if let Some(hidden) = hidden(record, branch.len()) {
        out.push_str(&format!("<p>{hidden}</p>\n"));
    }
    out.push_str("<p>Written by Lantern.</p>\n</footer>\n</body>\n</html>\n");
    out
}

fn article(message: &Message, out: &mut String) {
    let class = if message.role == Role::User { "user" } else { "assistant" };
    out.push_str(&format!("<article class=\"{class}\">\n<h2>{}</h2>\n", escape(&speaker(message))));
    let (thoughts, said) = thoughts_and_words(&message.content);
    if let Some(thoughts) = thoughts {
        out.push_str(&format!("<details>\n<summary>Thoughts</summary>\n{}</details>\n", rendered(thoughts)));
    }
    out.push_str(&format!("<div>\n{}</div>\n", rendered(said)));
    if let Some(note) = note(message) {
        out.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&note)));
    }
    out.push_str("</article>\n");
}

/// Markdown as HTML. Markup in it is shown as it was written, pictures become links, and links lead only to the web or to
/// a mail address.
fn rendered(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(markup) | Event::InlineHtml(markup) => Event::Text(markup),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(
            Tag::Image { link_type, dest_url, title, id } | Tag::Link { link_type, dest_url, title, id },
        ) => Event::Start(Tag::Link { link_type, dest_url: safe(dest_url), title, id }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    });
    let mut out = String::with_capacity(text.len() * 5 / 4);
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

fn safe(address: CowStr<'_>) -> CowStr<'_> {
    let lower = address.trim().to_ascii_lowercase();
    let is_safe = ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    if is_safe { address } else { CowStr::Borrowed("#") }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    pulldown_cmark_escape(text, &mut out);
    out
}

fn pulldown_cmark_escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// A day in UTC, for people: `2026-11-27`.
pub(crate) fn date(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| "-".into(), |time| time.strftime("%Y-%m-%d").to_string())
}
