//! What is asked of the main window's page from outside. What comes before the page listens waits for it.

use std::collections::VecDeque;
use std::sync::Mutex;

use lantern_protocol::ShellEvent;
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager};

use super::{Desktop, lock};

/// More than a person asks for while a window opens.
const MOST: usize = 16;

/// The way to the page.
#[derive(Default)]
pub struct Inbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    page: Option<Channel<ShellEvent>>,
    events: VecDeque<ShellEvent>,
}

impl Inbox {
    /// A page listens from now on, in the place of the one before.
    pub fn open(&self, page: Channel<ShellEvent>) {
        let mut waiting = lock(&self.0);
        for event in waiting.events.drain(..) {
            let _ = page.send(event);
        }
        waiting.page = Some(page);
    }

    /// The page is gone: what comes now waits for the next.
    pub fn close(&self) {
        lock(&self.0).page = None;
    }

    fn put(&self, event: ShellEvent) {
        let mut waiting = lock(&self.0);
        if let Some(page) = &waiting.page
            && page.send(event.clone()).is_ok()
        {
            return;
        }
        waiting.page = None;
        if waiting.events.len() == MOST {
            waiting.events.pop_front();
        }
        waiting.events.push_back(event);
    }
}

/// Asks something of the main window's page, and brings the window to the front.
pub fn ask(handle: &AppHandle, event: ShellEvent) {
    handle.state::<Desktop>().inbox.put(event);
    crate::windows::main::focus(handle);
}
