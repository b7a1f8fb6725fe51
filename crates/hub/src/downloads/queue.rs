//! Who may run, and in which order.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::download::{Download, Outcome, Wish};
use super::progress::Progress;
use super::saved::{Entry, SavedQueue};
use crate::HubError;

/// Downloads that run at the same time; more wait in line.
const AT_ONCE: usize = 2;

/// A download with what its task needs.
pub(crate) struct Item {
    pub(super) download: Download,
    progress: Progress,
    outcome: watch::Sender<Outcome>,
    running: AtomicBool,
}

impl Item {
    pub(super) fn new(download: Download, progress: Progress, outcome: watch::Sender<Outcome>) -> Self {
        Self { download, progress, outcome, running: AtomicBool::new(false) }
    }

    pub(super) fn end(&self, outcome: Result<std::path::PathBuf, HubError>) {
        self.progress.connections(0);
        self.outcome.send_replace(Some(outcome));
    }

    fn wish(&self) -> Wish {
        *self.download.wish.borrow()
    }

    fn waits(&self) -> bool {
        !self.running.load(Ordering::Relaxed) && !self.download.is_over() && self.wish() == Wish::Run
    }
}

/// All downloads since the start, in order.
#[derive(Default)]
pub(crate) struct Downloads {
    items: Mutex<Vec<Arc<Item>>>,
    /// Somebody may run now who could not before.
    changed: Notify,
    saved: Mutex<Option<SavedQueue>>,
}

/// The right to run; others come in when it is dropped.
pub(super) struct Slot<'d> {
    downloads: &'d Downloads,
    item: Arc<Item>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.item.running.store(false, Ordering::Relaxed);
        self.downloads.changed.notify_waiters();
    }
}

impl Downloads {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Item>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Arc<Item>> {
        self.lock().clone()
    }

    pub(super) fn find(&self, id: &str) -> Result<Arc<Item>, HubError> {
        let found = self.lock().iter().find(|item| item.download.id == id).cloned();
        found.ok_or_else(|| HubError::NoSuchDownload { id: id.chars().take(200).collect() })
    }

    /// The download with the same id that is not over, or nothing after adding this one at the end.
    pub(super) fn join_or_add(&self, item: Arc<Item>) -> Option<Download> {
        let mut items = self.lock();
        let same = items.iter().position(|other| other.download.id == item.download.id);
        if let Some(at) = same {
            let running = items[at].download.clone();
            if !running.is_over() && matches!(items[at].wish(), Wish::Run | Wish::Pause) {
                drop(items);
                running.want(Wish::Run);
                return Some(running);
            }
            items.remove(at);
        }
        items.push(item);
        None
    }

    pub(super) fn move_to(&self, id: &str, place: usize) -> Result<(), HubError> {
        let item = self.find(id)?;
        let mut items = self.lock();
        items.retain(|other| !Arc::ptr_eq(other, &item));
        let mut alive = items.iter().enumerate().filter(|(_, other)| !other.download.is_over());
        let at = alive.nth(place).map_or(items.len(), |(at, _)| at);
        items.insert(at, item);
        drop(items);
        self.changed.notify_waiters();
        self.save();
        Ok(())
    }

    /// Waits until it is this one's turn.
    pub(super) async fn turn(&self, item: &Arc<Item>) -> Slot<'_> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.may_run(item) {
                // A second one may have a place, too.
                self.changed.notify_waiters();
                return Slot { downloads: self, item: item.clone() };
            }
            // Who was before this one may have been held, of which nobody is told.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(500), changed).await;
        }
    }

    fn may_run(&self, item: &Arc<Item>) -> bool {
        let items = self.lock();
        let running = items.iter().filter(|other| other.running.load(Ordering::Relaxed)).count();
        let next = items.iter().find(|other| other.waits());
        let may = running < AT_ONCE && next.is_some_and(|next| Arc::ptr_eq(next, item));
        if may {
            item.running.store(true, Ordering::Relaxed);
        }
        may
    }

    /// What was saved in a file, which this process keeps from now on.
    pub(super) fn open(&self, file: &Path) -> Option<Vec<Entry>> {
        let (queue, entries) = SavedQueue::open(file)?;
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        Some(entries)
    }

    /// Writes down what is to be fetched, if there is a file for it. Once the program ends, what stands there stays.
    pub(super) fn save(&self) {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let items = self.lock();
        let Some(queue) = saved.as_ref().filter(|_| items.iter().all(|item| item.wish() != Wish::Suspend))
        else {
            return;
        };
        let kept = |item: &&Arc<Item>| !item.download.is_over() && item.wish() != Wish::Cancel;
        let entry = |item: &Arc<Item>| Entry {
            request: item.download.latest().request,
            paused: item.wish() == Wish::Pause,
        };
        queue.write(items.iter().filter(kept).map(entry).collect());
    }
}
