//! What WebKitGTK leaves to others while somebody writes in a window, and while nobody does.
//!
//! Its caret would blink for as long as the window is in front, for nearly a hundredth of a processor's time; like a field of
//! GTK's own, a caret that has not moved for a while now stops blinking and stays. And dictionaries, which take megabytes, are
//! read with the first letter instead of at the start.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::{Duration, Instant};

use gtk::glib::{self, ControlFlow};
use gtk::prelude::*;
use tauri::WebviewWindow;

/// Calls `on_first_key` once, before the first key press in this window is handled, and looks after its caret.
pub fn watch(window: &WebviewWindow, on_first_key: impl FnOnce() + Send + 'static) {
    let told = window.with_webview(move |view| {
        let view = view.inner();
        let first = Cell::new(Some(on_first_key));
        view.connect_key_press_event(move |_, _| {
            if let Some(first) = first.take() {
                first();
            }
            Caret::moved();
            glib::Propagation::Proceed
        });
        view.connect_button_press_event(|_, _| {
            Caret::moved();
            glib::Propagation::Proceed
        });
        view.connect_focus_in_event(|_, _| {
            Caret::moved();
            glib::Propagation::Proceed
        });
        Caret::moved();
    });
    if let Err(error) = told {
        tracing::debug!(%error, "the caret blinks on, and spelling is not checked");
    }
}

/// The caret of all windows: only one of them is written in.
struct Caret {
    settings: gtk::Settings,
    moved: Cell<Instant>,
    rests: Cell<bool>,
    watched: RefCell<Option<glib::SourceId>>,
}

thread_local! {
    static CARET: OnceCell<Option<Caret>> = const { OnceCell::new() };
}

impl Caret {
    /// `None` where it does not blink, by what the desktop says.
    fn new() -> Option<Self> {
        let settings = gtk::Settings::default().filter(|settings| settings.is_gtk_cursor_blink())?;
        let (moved, rests, watched) = (Cell::new(Instant::now()), Cell::new(false), RefCell::default());
        Some(Self { settings, moved, rests, watched })
    }

    /// How long it blinks without being moved, by what the desktop says: 10 s where it says nothing.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.settings.gtk_cursor_blink_timeout().max(1).unsigned_abs().into())
    }

    /// It may have moved, so it blinks for a while.
    fn moved() {
        CARET.with(|caret| {
            let Some(caret) = caret.get_or_init(Self::new) else { return };
            caret.moved.set(Instant::now());
            if caret.rests.take() {
                caret.settings.reset_property("gtk-cursor-blink");
            }
            let mut watched = caret.watched.borrow_mut();
            watched.get_or_insert_with(|| glib::timeout_add_local(caret.patience(), || Self::look()));
        });
    }

    /// Lets it rest where it has not moved for long enough.
    fn look() -> ControlFlow {
        CARET.with(|caret| {
            let Some(Some(caret)) = caret.get() else { return ControlFlow::Break };
            if caret.moved.get().elapsed() < caret.patience() {
                return ControlFlow::Continue;
            }
            caret.rests.set(true);
            caret.settings.set_gtk_cursor_blink(false);
            caret.watched.borrow_mut().take();
            ControlFlow::Break
        })
    }
}
