//! Links in answers: opened in the system's browser, never in Lantern's window.

use lantern_protocol::ErrorInfo;
use tauri::{AppHandle, Url};
use tauri_plugin_opener::OpenerExt;

use super::Reply;

#[tauri::command]
pub async fn open_link(handle: AppHandle, url: String) -> Reply<()> {
    let url = web_address(&url)?;
    handle.opener().open_url(url.as_str(), None::<&str>).map_err(|error| ErrorInfo {
        code: "link_not_opened".into(),
        message: format!("The system's browser could not be asked to open {url}: {error}."),
        next_step: "Copy the address and open it yourself.".into(),
    })
}

/// Only the web: any other scheme would start some program of the user's with words that a model wrote.
fn web_address(text: &str) -> Reply<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| ErrorInfo {
        code: "link_not_allowed".into(),
        message: format!("{text:?} is not an http or https address."),
        next_step: "Lantern opens web pages only; copy the text if you need it elsewhere.".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::web_address;

    #[test]
    fn only_web_addresses_leave_the_window() {
        assert!(web_address("https://example.org/a?b=c").is_ok());
        assert!(web_address("http://example.org").is_ok());
        for other in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "mailto:a@example.org",
            "example.org",
            "",
            "smb://h/s",
        ] {
            assert_eq!(web_address(other).unwrap_err().code, "link_not_allowed", "{other} was allowed");
        }
    }
}
