//! The part of a desktop that shows trays and notifications, on a session bus of its own: what programs tell it is kept for tests.
// The macro makes a trait of the signal, without words.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, Proxy};

/// What a tray's menu says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    id: i32,
    /// Its words; empty for a line between entries.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
    /// Whether it is ticked; `None` for what never is.
    pub ticked: Option<bool>,
}

/// Shows trays and notifications as long as it lives.
#[derive(Debug)]
pub struct Panel {
    bus: Connection,
    trays: Arc<Mutex<Vec<(String, String)>>>,
    told: Arc<Mutex<Vec<(String, String)>>>,
}

impl Panel {
    /// Takes its places on the bus.
    pub async fn start(address: &str) -> Self {
        let (trays, told) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let bus = zbus::connection::Builder::address(address)
            .and_then(|bus| bus.serve_at("/StatusNotifierWatcher", Watcher { trays: trays.clone() }))
            .and_then(|bus| {
                bus.serve_at("/org/freedesktop/Notifications", Notifications { told: told.clone() })
            })
            .and_then(|bus| bus.name("org.kde.StatusNotifierWatcher"))
            .and_then(|bus| bus.name("org.freedesktop.Notifications"))
            .expect("the names are names");
        Self { bus: bus.build().await.expect("the bus answers"), trays, told }
    }

    /// Titles and texts of the notifications so far.
    pub fn told(&self) -> Vec<(String, String)> {
        self.told.lock().unwrap().clone()
    }

    /// Clicks on the notification with this number, counted from 1.
    pub async fn click_notification(&self, number: u32) {
        let served = self.bus.object_server();
        let place = served.interface::<_, Notifications>("/org/freedesktop/Notifications").await.unwrap();
        Notifications::action_invoked(place.signal_emitter(), number, "default").await.unwrap();
    }

    /// The menu of the first tray; `None` while there is none.
    pub async fn menu(&self) -> Option<Vec<Entry>> {
        let menu = self.tray().await?;
        let arguments = (0_i32, -1_i32, Vec::<String>::new());
        let (_, root): (u32, Node) = menu.call("GetLayout", &arguments).await.ok()?;
        Some(root.2.into_iter().filter_map(entry).collect())
    }

    /// Chooses the entry whose words begin like this.
    pub async fn choose(&self, label: &str) {
        let entries = self.menu().await.expect("there is a tray");
        let entry = entries.iter().find(|entry| entry.label.starts_with(label));
        let entry = entry.unwrap_or_else(|| panic!("no {label:?} among {entries:?}"));
        let arguments = (entry.id, "clicked", Value::from(0_i32), 0_u32);
        let menu = self.tray().await.expect("there is a tray");
        menu.call_method("Event", &arguments).await.expect("the menu takes a click");
    }

    async fn tray(&self) -> Option<Proxy<'static>> {
        let (owner, path) = self.trays.lock().unwrap().first().cloned()?;
        let item = Proxy::new(&self.bus, owner.clone(), path, "org.kde.StatusNotifierItem").await.ok()?;
        let menu = item.get_property::<zbus::zvariant::OwnedObjectPath>("Menu").await.ok()?;
        Proxy::new(&self.bus, owner, menu.into_inner(), "com.canonical.dbusmenu").await.ok()
    }
}

/// An entry's number, what it is like, and those below it.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

fn entry(node: OwnedValue) -> Option<Entry> {
    let (id, like, _) = Node::try_from(node).ok()?;
    let label = like.get("label").and_then(|label| label.downcast_ref::<&str>().ok());
    let enabled = like.get("enabled").and_then(|on| on.downcast_ref::<bool>().ok()).unwrap_or(true);
    let ticks = like.contains_key("toggle-type");
    let ticked = like.get("toggle-state").and_then(|on| on.downcast_ref::<i32>().ok()).map(|on| on == 1);
    let label = label.unwrap_or_default().replace('_', "");
    Some(Entry { id, label, enabled, ticked: if ticks { Some(ticked.unwrap_or(false)) } else { None } })
}

struct Watcher {
    trays: Arc<Mutex<Vec<(String, String)>>>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, #[zbus(header)] header: zbus::message::Header<'_>, item: &str) {
        let owner = header.sender().map(ToString::to_string).unwrap_or_default();
        self.trays.lock().unwrap().push((owner, item.to_owned()));
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

struct Notifications {
    told: Arc<Mutex<Vec<(String, String)>>>,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["actions", "body"]
    }

    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("panel", "lantern", "1", "1.2")
    }

    #[allow(clippy::too_many_arguments)] // As many as the protocol has.
    fn notify(
        &self,
        _program: &str,
        _replaces: u32,
        _icon: &str,
        title: String,
        text: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let mut told = self.told.lock().unwrap();
        told.push((title, text));
        u32::try_from(told.len()).unwrap()
    }

    fn close_notification(&self, _number: u32) {}

    /// The person clicked the notification or one of its buttons.
    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, number: u32, action: &str) -> zbus::Result<()>;
}
