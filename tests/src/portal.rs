//! The part of a desktop that says how its programs are to look: the portal's settings, of which it has one, `color-scheme`
//! (<https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.Settings.html>).
// The macro makes a trait of the signal, without words.
#![allow(missing_docs)]

use zbus::Connection;
use zbus::fdo::Error;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};

const PLACE: &str = "/org/freedesktop/portal/desktop";
const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// Says one thing as long as it lives: 0 is no preference, 1 is dark, 2 is light.
#[derive(Debug)]
pub struct Portal {
    bus: Connection,
}

impl Portal {
    /// Takes its place on the bus.
    pub async fn start(address: &str, scheme: u32) -> Self {
        let bus = zbus::connection::Builder::address(address)
            .and_then(|bus| bus.serve_at(PLACE, Settings { scheme }))
            .and_then(|bus| bus.name("org.freedesktop.portal.Desktop"))
            .expect("the name is a name");
        Self { bus: bus.build().await.expect("the bus answers") }
    }

    /// Has all programs hear of another preference.
    pub async fn change(&self, scheme: u32) {
        let place = self.bus.object_server().interface::<_, Settings>(PLACE).await.unwrap();
        place.get_mut().await.scheme = scheme;
        let value = Value::from(scheme);
        Settings::setting_changed(place.signal_emitter(), NAMESPACE, KEY, value).await.unwrap();
    }
}

struct Settings {
    scheme: u32,
}

#[zbus::interface(name = "org.freedesktop.portal.Settings")]
impl Settings {
    /// Wrapped twice, as the portal does it.
    fn read(&self, namespace: &str, key: &str) -> Result<OwnedValue, Error> {
        if (namespace, key) != (NAMESPACE, KEY) {
            return Err(Error::Failed("there is no such setting".into()));
        }
        let value = Value::Value(Box::new(Value::from(self.scheme)));
        value.try_into_owned().map_err(|error| Error::Failed(error.to_string()))
    }

    #[zbus(signal)]
    async fn setting_changed(
        emitter: &SignalEmitter<'_>,
        namespace: &str,
        key: &str,
        value: Value<'_>,
    ) -> zbus::Result<()>;
}
