//! Responses that are kept: the latest [`MOST`], of at most [`MOST_BYTES`] together, in memory, until Lantern ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::answer::ResponseObject;
use super::item::{InputContent, InputItem};

/// Responses that are kept.
const MOST: usize = 1000;
/// Bytes of text and pictures that are kept.
const MOST_BYTES: usize = 128 << 20;

/// Items of one request, or of one response; conversations share them.
pub(super) type Turn = Arc<Vec<InputItem>>;

/// A response, and what it goes on from.
pub(crate) struct Stored {
    id: String,
    /// The key of the program whose it is; `None` if it is the owner's. Nobody else gets it.
    key: Option<String>,
    /// The conversation before it; the request's own items last.
    turns: Vec<Turn>,
    response: Mutex<ResponseObject>,
    cancel: CancellationToken,
}

/// The responses, the oldest first.
#[derive(Default)]
pub(crate) struct ResponseStore(Mutex<VecDeque<Arc<Stored>>>);

impl Stored {
    pub(super) fn new(
        response: ResponseObject,
        key: Option<String>,
        turns: Vec<Turn>,
        cancel: CancellationToken,
    ) -> Self {
        Self { id: response.id.clone(), key, turns, response: Mutex::new(response), cancel }
    }

    fn is(&self, id: &str, key: Option<&str>) -> bool {
        self.id == id && self.key.as_deref() == key
    }

    /// As it stands.
    pub(super) fn response(&self) -> ResponseObject {
        lock(&self.response).clone()
    }

    /// Puts the response as it stands now in its place.
    pub(super) fn put(&self, response: ResponseObject) {
        *lock(&self.response) = response;
    }

    /// Ends it, if it is being written.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
        let mut response = lock(&self.response);
        response.cancel();
    }

    /// The request's own items.
    pub(super) fn input(&self) -> &[InputItem] {
        self.turns.last().map_or(&[], |turn| turn)
    }

    /// All that was said until now.
    pub(super) fn conversation(&self) -> Vec<Turn> {
        let mut turns = self.turns.clone();
        turns.push(Arc::new(lock(&self.response).items()));
        turns
    }

    fn bytes(&self) -> usize {
        let of_part = |part: &super::item::InputPart| {
            [&part.text, &part.refusal, &part.image_url].into_iter().flatten().map(String::len).sum::<usize>()
        };
        let of_content = |content: &InputContent| match content {
            InputContent::Text(text) => text.len(),
            InputContent::Parts(parts) => parts.iter().map(of_part).sum(),
        };
        let of_item = |item: &InputItem| {
            let contents = [&item.content, &item.output].into_iter().flatten().map(of_content).sum::<usize>();
            contents + item.arguments.as_ref().map_or(0, String::len) + 256
        };
        self.input().iter().map(of_item).sum()
    }
}

impl ResponseStore {
    /// Keeps a response; the oldest ones go when there are too many.
    pub(super) fn insert(&self, stored: Arc<Stored>) {
        let mut all = lock(&self.0);
        all.push_back(stored);
        let mut bytes: usize = all.iter().map(|stored| stored.bytes()).sum();
        while all.len() > MOST || (bytes > MOST_BYTES && all.len() > 1) {
            let Some(oldest) = all.pop_front() else { return };
            bytes -= oldest.bytes();
        }
    }

    /// The response with this id, if it belongs to who has this key.
    pub(super) fn get(&self, id: &str, key: Option<&str>) -> Option<Arc<Stored>> {
        lock(&self.0).iter().find(|stored| stored.is(id, key)).cloned()
    }

    /// As [`Self::get`], and it is kept no longer.
    pub(super) fn remove(&self, id: &str, key: Option<&str>) -> Option<Arc<Stored>> {
        let mut all = lock(&self.0);
        let at = all.iter().position(|stored| stored.is(id, key))?;
        all.remove(at)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
