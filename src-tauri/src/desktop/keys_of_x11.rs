//! Keys that work everywhere, as X11 gives them. What listens for them has a thread and a connection of its own, which may not answer
//! for a while, or ever; nothing waits for it without a limit, and the window never does.

use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use global_hotkey::hotkey::HotKey;
use global_hotkey::{GlobalHotKeyEvent, GlobalHotKeyManager, HotKeyState};
use tauri::AppHandle;

use super::lock;
use super::shortcut::Refusal;
use crate::windows;

/// How long a listener may take to answer, and how many are tried one after the other.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 3;

/// The listener that has answered so far. It is made when keys are first chosen: nobody else pays for it.
static LISTENER: Mutex<Option<Arc<GlobalHotKeyManager>>> = Mutex::new(None);

/// What is said of a listener that kept silent.
const SILENT: &str = "the display does not answer";

/// Takes keys. A listener that does not answer is left behind, and another one asked.
pub fn take(handle: &AppHandle, keys: HotKey) -> Result<(), Refusal> {
    listen(handle);
    let mut listener = lock(&LISTENER);
    for _ in 0..TRIES {
        let current = match listener.as_ref() {
            Some(current) => Arc::clone(current),
            None => {
                let made = GlobalHotKeyManager::new();
                Arc::new(made.map_err(|error| Refusal::System(error.to_string()))?)
            }
        };
        if let Some(answer) = within(PATIENCE, &current, move |listener| listener.register(keys)) {
            *listener = Some(current);
            return answer.map_err(|error| Refusal::Keys(error.to_string()));
        }
        *listener = None;
    }
    Err(Refusal::System(SILENT.into()))
}

/// Gives keys up.
pub fn give_up(_: &AppHandle, keys: HotKey) -> Result<(), String> {
    let Some(listener) = lock(&LISTENER).clone() else { return Ok(()) };
    let answer = within(PATIENCE, &listener, move |listener| listener.unregister(keys));
    answer.map_or(Err(SILENT.into()), |done| done.map_err(|error| error.to_string()))
}

/// What a listener answers, if it does in time.
fn within<T: Send + 'static>(
    limit: Duration,
    listener: &Arc<GlobalHotKeyManager>,
    ask: impl FnOnce(&GlobalHotKeyManager) -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let listener = Arc::clone(listener);
    std::thread::spawn(move || tell.send(ask(&listener)));
    told.recv_timeout(limit).ok()
}

/// Has the quick window come and go by whichever keys are taken.
fn listen(handle: &AppHandle) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let handle = handle.clone();
        GlobalHotKeyEvent::set_event_handler(Some(move |event: GlobalHotKeyEvent| {
            if event.state == HotKeyState::Pressed {
                windows::quick::toggle(&handle);
            }
        }));
    });
}
