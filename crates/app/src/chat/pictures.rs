//! Pictures for a conversation that are somewhere on the web.

use crate::{App, AppError};

/// The largest file of a picture that is fetched.
const MAX_BYTES: usize = 20 << 20;

impl App {
    /// The file of a picture at an address on the web, if the settings allow fetching it. Of this computer's own network
    /// nothing is fetched.
    pub async fn fetch_picture(&self, address: &str) -> Result<Vec<u8>, AppError> {
        if !self.settings().await?.endpoint.fetch_pictures {
            return Err(AppError::new(
                "pictures_not_fetched",
                "The request names a picture by its address, and fetching pictures is off.",
                "Send the picture as a data URL, or allow fetching pictures in Lantern's settings.",
            ));
        }
        Ok(lantern_hub::fetch_public(address, MAX_BYTES).await?)
    }
}
