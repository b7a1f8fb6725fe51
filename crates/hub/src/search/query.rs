//! What is asked of the Hub, and what is chosen here because the Hub cannot.

use lantern_protocol::{FoundRepository, ModelCapability, SearchQuery, SearchSort};
use reqwest::Url;

use crate::HubError;

/// What the Hub is to say of each repository. Names as in `huggingface_hub`'s `ExpandModelProperty_T`.
pub(super) const PROPERTIES: [&str; 9] =
    ["createdAt", "downloads", "gated", "gguf", "lastModified", "likes", "pipeline_tag", "siblings", "tags"];

/// Parameters of `GET /api/models` as `huggingface_hub`'s `list_models` sends them.
pub(super) fn begin(url: &mut Url, query: &SearchQuery, limit: u32) {
    let words: Vec<&str> = [query.text.trim(), query.family.as_deref().unwrap_or_default().trim()]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    let sort = match query.sort {
        SearchSort::Trending => "trendingScore",
        SearchSort::Downloads => "downloads",
        SearchSort::Likes => "likes",
        SearchSort::Newest => "createdAt",
    };
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("filter", "gguf");
    if !words.is_empty() {
        pairs.append_pair("search", &cut(&words.join(" ")));
    }
    if let Some(author) = query.author.as_deref().map(str::trim).filter(|author| !author.is_empty()) {
        pairs.append_pair("author", &cut(author));
    }
    // Older hubs sort upwards unless told.
    pairs.append_pair("sort", sort).append_pair("direction", "-1").append_pair("limit", &limit.to_string());
    for property in PROPERTIES {
        pairs.append_pair("expand", property);
    }
}

/// Nobody searches for more.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Asks for the page that an earlier answer named.
pub(super) fn go_on(url: &mut Url, next: &str) -> Result<(), HubError> {
    let plain = next.len() <= 4096 && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !plain || next.is_empty() {
        let name = next.chars().take(60).collect();
        let why = "it is not what an earlier page of this search gave";
        return Err(HubError::UnsafeName { kind: "place in a search", name, why });
    }
    url.set_query(Some(next));
    Ok(())
}

/// What a repository must be, as far as the Hub does not see to it.
pub(super) struct Wishes<'q>(&'q SearchQuery);

impl<'q> Wishes<'q> {
    pub(super) fn of(query: &'q SearchQuery) -> Self {
        Self(query)
    }

    fn family(&self) -> Option<String> {
        let family = plain(self.0.family.as_deref().unwrap_or_default());
        (!family.is_empty()).then_some(family)
    }

    fn has_size(&self) -> bool {
        self.0.min_parameters.is_some() || self.0.max_parameters.is_some()
    }

    /// What of a query is chosen by here, in the words of its fields.
    pub(super) fn names(&self) -> Vec<String> {
        let names = [
            ("family", self.family().is_some()),
            ("size", self.has_size()),
            ("quant", self.0.quant.is_some()),
            ("capabilities", !self.0.capabilities.is_empty()),
        ];
        names.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name.to_owned()).collect()
    }

    /// Whether a repository is what was asked for. What the Hub does not know of it is not.
    pub(super) fn are_met_by(&self, found: &FoundRepository) -> bool {
        let query = self.0;
        let family = self.family().is_none_or(|family| {
            plain(found.architecture.as_deref().unwrap_or_default()).contains(&family)
                || plain(&found.repo).contains(&family)
        });
        let (least, most) = (query.min_parameters.unwrap_or(0), query.max_parameters.unwrap_or(u64::MAX));
        let size = !self.has_size() || found.parameters.is_some_and(|size| (least..=most).contains(&size));
        let quant = query
            .quant
            .as_deref()
            .is_none_or(|quant| found.quants.iter().any(|there| there.eq_ignore_ascii_case(quant.trim())));
        let can = |capability: &ModelCapability| found.capabilities.contains(capability);
        family && size && quant && query.capabilities.iter().all(can)
    }
}

/// Letters and digits alone: publishers disagree on dots and dashes.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
