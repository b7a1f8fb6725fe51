//! Pictures in a request: files in base64, data URLs, or, where the settings allow it, addresses on the web.
//!
//! Follows RFC 2397 for data URLs.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use lantern_app::App;
use lantern_engine::{ChatMessage, ContentPart, Picture};

use crate::ApiError;

/// Some programs leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message whose pictures are not there yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// All but its words.
    pub message: ChatMessage,
    pub parts: Vec<DraftPart>,
}

/// A part of a message.
#[derive(Debug, Clone)]
pub(crate) enum DraftPart {
    Text(String),
    /// `data:image/png;base64,…`, or an address on the web.
    Url(String),
    /// A file in base64.
    Base64(String),
    /// A file.
    File(Vec<u8>),
}

impl Draft {
    /// A message of this role.
    pub(crate) fn new(role: &str, parts: Vec<DraftPart>) -> Self {
        Self { message: ChatMessage::new(role, ""), parts }
    }

    fn drawn(self) -> Result<ChatMessage, ApiError> {
        let parts = self.parts.into_iter().map(DraftPart::drawn).collect::<Result<_, _>>()?;
        let role = self.message.role.clone();
        let ChatMessage { content, parts, pictures, .. } = ChatMessage::of_parts(role, parts);
        Ok(ChatMessage { content, parts, pictures, ..self.message })
    }
}

impl DraftPart {
    fn drawn(self) -> Result<ContentPart, ApiError> {
        let bytes = match self {
            DraftPart::Text(text) => return Ok(ContentPart::Text(text)),
            DraftPart::File(bytes) => bytes,
            DraftPart::Url(url) => data(&url)?,
            DraftPart::Base64(text) => decoded(&text)?,
        };
        let picture =
            Picture::decode(&bytes).map_err(|error| ApiError::from(error).with_param("messages"))?;
        Ok(ContentPart::Picture(picture))
    }
}

/// Messages with their pictures: fetches those that are on the web, and decodes all.
pub(crate) async fn drawn(app: &App, mut drafts: Vec<Draft>) -> Result<Vec<ChatMessage>, ApiError> {
    for part in drafts.iter_mut().flat_map(|draft| &mut draft.parts) {
        if let DraftPart::Url(url) = part
            && is_on_the_web(url)
        {
            *part = DraftPart::File(app.fetch_picture(url).await?);
        }
    }
    // Decoding pictures takes a while.
    let drawing = tokio::task::spawn_blocking(|| drafts.into_iter().map(Draft::drawn).collect());
    drawing.await.map_err(|_| ApiError::ended_early())?
}

/// The bytes in a data URL.
fn data(url: &str) -> Result<Vec<u8>, ApiError> {
    let content = |url: &str| {
        let (kind, content) = url.split_at_checked(5)?.1.split_once(',')?;
        (url[..5].eq_ignore_ascii_case("data:") && kind.ends_with(";base64")).then(|| content.to_owned())
    };
    let Some(content) = content(url) else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_picture_address",
            format!("A picture's address begins with “{}”.", url.chars().take(24).collect::<String>()),
            "Send pictures as data URLs: data:image/png;base64,…",
        )
        .with_param("messages"));
    };
    decoded(&content)
}

fn decoded(text: &str) -> Result<Vec<u8>, ApiError> {
    BASE64.decode(text.trim()).map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_picture",
            format!("A picture is not base64: {error}."),
            "Send the whole file, encoded in base64.",
        )
        .with_param("messages")
    })
}

fn is_on_the_web(url: &str) -> bool {
    let begins =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        let code = |part: DraftPart| part.drawn().expect_err("no picture").code().to_owned();
        assert_eq!(code(DraftPart::Url("data:image/png;base64,iVBORw0KGgo=".into())), "bad_picture");
        assert_eq!(code(DraftPart::Url("data:image/png;base64,?".into())), "bad_picture");
        assert_eq!(code(DraftPart::Url("file:///etc/passwd".into())), "unsupported_picture_address");
        assert_eq!(code(DraftPart::Base64("AAAA".into())), "bad_picture");
    }
}
