//! Pictures in a request: `image_url` parts, whose address is a data URL or, where the settings allow it, one on the web.
//!
//! Follows OpenAI's reference for image inputs of chat completions, and RFC 2397 for data URLs.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use lantern_app::App;
use lantern_engine::Picture;
use serde::Deserialize;

use crate::ApiError;
use crate::request::{ChatCompletionRequest, Content};

/// Some programs leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a picture is. `detail` is ignored: a model sees a picture as its authors prepare it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ImageUrl {
    /// As OpenAI has it.
    Object {
        /// `data:image/png;base64,…`, or an address on the web.
        url: String,
    },
    /// The address alone, as some programs send it.
    Plain(String),
    /// What [`fetch`] put in the place of an address on the web.
    #[serde(skip)]
    Fetched(Vec<u8>),
}

impl ImageUrl {
    fn url(&self) -> Option<&str> {
        match self {
            ImageUrl::Object { url } | ImageUrl::Plain(url) => Some(url),
            ImageUrl::Fetched(_) => None,
        }
    }

    /// The picture, if the address holds it.
    pub(crate) fn decode(self) -> Result<Picture, ApiError> {
        let bytes = match self {
            ImageUrl::Fetched(bytes) => bytes,
            ImageUrl::Object { url } | ImageUrl::Plain(url) => data(&url)?,
        };
        Picture::decode(&bytes).map_err(|error| ApiError::from(error).with_param("messages"))
    }
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
    BASE64.decode(content.trim()).map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_picture",
            format!("A picture's data URL is not base64: {error}."),
            "Send the whole file, encoded in base64.",
        )
        .with_param("messages")
    })
}

/// Fetches the pictures that are on the web.
pub(crate) async fn fetch(
    mut request: ChatCompletionRequest,
    app: &App,
) -> Result<ChatCompletionRequest, ApiError> {
    for message in &mut request.messages {
        let Some(Content::Parts(parts)) = &mut message.content else { continue };
        for image in parts.iter_mut().filter_map(|part| part.image_url.as_mut()) {
            if let Some(url) = image.url().filter(|url| is_on_the_web(url)) {
                *image = ImageUrl::Fetched(app.fetch_picture(url).await?);
            }
        }
    }
    Ok(request)
}

fn is_on_the_web(url: &str) -> bool {
    let begins =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}
