//! Dragging files onto the window, as a file manager does: the other side of XDND, version 5
//! (<https://www.freedesktop.org/wiki/Specifications/XDND/>).

use std::path::Path;
use std::time::{Duration, Instant};

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask, PropMode,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desktop::Desktop;

x11rb::atom_manager! {
    /// The protocol's words.
    Words: WordsCookie {
        XdndAware, XdndSelection, XdndEnter, XdndPosition, XdndStatus, XdndDrop, XdndFinished, XdndActionCopy,
        UriList: b"text/uri-list",
    }
}

/// How long a drag may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Desktop {
    /// Drags files over the middle of the window with this title and lets go of them.
    pub fn drop_files(&self, title: &str, files: &[&Path]) {
        let drag = Drag::begin(self.display(), title, files);
        let drag = drag.unwrap_or_else(|error| panic!("nothing can be dragged onto {title:?}: {error}"));
        drag.drop().unwrap_or_else(|error| panic!("the files cannot be let go of: {error}"));
    }
}

struct Drag {
    x: RustConnection,
    words: Words,
    source: Window,
    target: Window,
    /// The middle of the target on the screen, as the protocol packs it.
    place: u32,
    list: String,
}

impl Drag {
    fn begin(display: &str, title: &str, files: &[&Path]) -> Result<Self, Box<dyn std::error::Error>> {
        let (x, screen) = x11rb::connect(Some(display))?;
        let words = Words::new(&x)?.reply()?;
        let screen = &x.setup().roots[screen];
        let (root, source) = (screen.root, x.generate_id()?);
        let nothing = CreateWindowAux::new();
        x.create_window(
            COPY_DEPTH_FROM_PARENT,
            source,
            root,
            0,
            0,
            1,
            1,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &nothing,
        )?;
        x.set_selection_owner(source, words.XdndSelection, x11rb::CURRENT_TIME)?;
        let target = find(&x, &words, root, title)?.ok_or("there is no such window that takes files")?;
        let size = x.get_geometry(target)?.reply()?;
        let corner = x.translate_coordinates(target, root, 0, 0)?.reply()?;
        let middle = |corner: i16, size: u16| u32::from(corner.unsigned_abs() + size / 2);
        let place = middle(corner.dst_x, size.width) << 16 | middle(corner.dst_y, size.height);
        let list = files.iter().map(|file| format!("file://{}\r\n", file.display())).collect();
        Ok(Self { x, words, source, target, place, list })
    }

    fn drop(&self) -> Result<(), ReplyOrIdError> {
        let words = &self.words;
        self.tell(words.XdndEnter, [5 << 24, words.UriList, 0, 0])?;
        // What takes files looks at them first, and says no until it has.
        self.until(words.XdndStatus, Some(words.XdndPosition))?;
        self.tell(words.XdndDrop, [0; 4])?;
        self.until(words.XdndFinished, None)
    }

    /// Gives the files to who asks for them until the target has said yes with this word; says another one again and again.
    fn until(&self, word: Atom, again: Option<Atom>) -> Result<(), ReplyOrIdError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(again) = again {
                self.tell(again, [0, self.place, x11rb::CURRENT_TIME, self.words.XdndActionCopy])?;
            }
            std::thread::sleep(Duration::from_millis(50));
            while let Some(event) = self.x.poll_for_event()? {
                match event {
                    Event::SelectionRequest(request) => self.give(&request)?,
                    Event::ClientMessage(said) if said.type_ == word => {
                        let is_finished = word == self.words.XdndFinished;
                        if is_finished || said.data.as_data32()[1] & 1 == 1 {
                            return Ok(());
                        }
                    }
                    _ => {}
                }
            }
        }
        panic!("the window did not take the files within {PATIENCE:?}");
    }

    fn give(&self, request: &SelectionRequestEvent) -> Result<(), ReplyOrIdError> {
        let has = request.target == self.words.UriList;
        if has {
            let (window, property) = (request.requestor, request.property);
            let bytes = self.list.as_bytes();
            self.x.change_property8(PropMode::REPLACE, window, property, request.target, bytes)?;
        }
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if has { request.property } else { x11rb::NONE },
        };
        self.x.send_event(false, request.requestor, EventMask::NO_EVENT, answer)?;
        Ok(self.x.flush()?)
    }

    fn tell(&self, word: Atom, rest: [u32; 4]) -> Result<(), ReplyOrIdError> {
        let [a, b, c, d] = rest;
        let message = ClientMessageEvent::new(32, self.target, word, [self.source, a, b, c, d]);
        self.x.send_event(false, self.target, EventMask::NO_EVENT, message)?;
        Ok(self.x.flush()?)
    }
}

/// The window with this title that says it takes files.
fn find(
    x: &RustConnection,
    words: &Words,
    root: Window,
    title: &str,
) -> Result<Option<Window>, ReplyOrIdError> {
    for window in x.query_tree(root)?.reply()?.children {
        let name = x.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?.reply()?;
        let aware = x.get_property(false, window, words.XdndAware, AtomEnum::ANY, 0, 1)?.reply()?;
        let shown = x.get_window_attributes(window)?.reply()?.map_state
            == x11rb::protocol::xproto::MapState::VIEWABLE;
        if shown && name.value == title.as_bytes() && !aware.value.is_empty() {
            return Ok(Some(window));
        }
    }
    Ok(None)
}
