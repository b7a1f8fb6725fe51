//! What a desktop tells all its programs of how they look: a manager of XSETTINGS
//! (<https://specifications.freedesktop.org/xsettings-spec/latest/>) that says one thing, the name of the theme.

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desktop::Desktop;

x11rb::atom_manager! {
    /// The protocol's words.
    Words: WordsCookie {
        MANAGER, _XSETTINGS_S0, _XSETTINGS_SETTINGS,
    }
}

/// Tells programs the theme as long as it lives.
#[derive(Debug)]
pub struct Looks {
    x: RustConnection,
    words: Words,
    window: Window,
    serial: u32,
}

impl Looks {
    /// Begins with this theme.
    pub fn start(desktop: &Desktop, theme: &str) -> Self {
        let begin = || -> Result<Self, Box<dyn std::error::Error>> {
            let (x, screen) = x11rb::connect(Some(desktop.display()))?;
            let words = Words::new(&x)?.reply()?;
            let (root, window) = (x.setup().roots[screen].root, x.generate_id()?);
            let (kind, nothing) = (WindowClass::INPUT_OUTPUT, CreateWindowAux::new());
            x.create_window(COPY_DEPTH_FROM_PARENT, window, root, 0, 0, 1, 1, 0, kind, 0, &nothing)?;
            x.set_selection_owner(window, words._XSETTINGS_S0, x11rb::CURRENT_TIME)?;
            let mut looks = Self { x, words, window, serial: 0 };
            looks.change(theme);
            let news = [x11rb::CURRENT_TIME, looks.words._XSETTINGS_S0, window, 0, 0];
            let message = ClientMessageEvent::new(32, root, looks.words.MANAGER, news);
            looks.x.send_event(false, root, EventMask::STRUCTURE_NOTIFY, message)?;
            looks.x.flush()?;
            Ok(looks)
        };
        begin().unwrap_or_else(|error| panic!("programs cannot be told how they look: {error}"))
    }

    /// Has all programs take this theme.
    pub fn change(&mut self, theme: &str) {
        self.serial += 1;
        let bytes = settings(self.serial, "Net/ThemeName", theme);
        let kind = self.words._XSETTINGS_SETTINGS;
        let told = self.x.change_property8(PropMode::REPLACE, self.window, kind, kind, &bytes);
        told.and_then(|_| self.x.flush()).expect("the display takes it");
    }
}

/// One text in the protocol's bytes, the least first.
fn settings(serial: u32, name: &str, value: &str) -> Vec<u8> {
    let padded = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    };
    let mut out = vec![0, 0, 0, 0];
    out.extend(serial.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend([1, 0]);
    out.extend(u16::try_from(name.len()).expect("a short name").to_le_bytes());
    padded(&mut out, name);
    out.extend(serial.to_le_bytes());
    out.extend(u32::try_from(value.len()).expect("a short value").to_le_bytes());
    padded(&mut out, value);
    out
}
