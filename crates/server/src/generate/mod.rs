//! What all protocols share: a request in their own words becomes an [`Ask`], runs, and comes back as events, in one
//! piece ([`whole`]) or as they happen ([`stream()`]).

mod ask;
mod event;
pub(crate) mod fields;
mod middle;
pub(crate) mod pictures;
mod report;
mod run;
mod stream;
mod whole;

pub(crate) use ask::Ask;
pub(crate) use event::{Event, Reason, Tokens};
pub(crate) use report::ShortenedMessages;
pub(crate) use run::{Run, count};
pub(crate) use stream::{Frames, Writer, response, stream};
pub(crate) use whole::{Call, Choice, Whole, whole};

/// An id that no other answer has.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::now_v7().simple())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
