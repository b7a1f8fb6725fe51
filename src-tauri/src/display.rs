//! Finds out whether there is a screen to draw on, before GTK does and panics.

/// Says in words why no window can be opened; `Ok` where one can, or where only trying will tell.
#[cfg(not(target_os = "linux"))]
pub fn check() -> Result<(), String> {
    Ok(())
}

/// Says in words why no window can be opened; `Ok` where one can, or where only trying will tell.
#[cfg(target_os = "linux")]
pub fn check() -> Result<(), String> {
    let wayland = variable("WAYLAND_DISPLAY");
    let x11 = variable("DISPLAY");
    if wayland.is_none() && x11.is_none() {
        return Err(explanation("neither DISPLAY nor WAYLAND_DISPLAY is set"));
    }
    if wayland.is_some_and(|name| wayland_answers(&name)) || x11.as_deref().is_some_and(x11_answers) {
        return Ok(());
    }
    Err(explanation("nothing answers at the display that DISPLAY or WAYLAND_DISPLAY names"))
}

#[cfg(target_os = "linux")]
fn explanation(cause: &str) -> String {
    format!(
        "Lantern cannot open its window: {cause}, so there is no screen to draw on. \
         Start it from a desktop session, or chat in this terminal with `lantern chat`."
    )
}

#[cfg(target_os = "linux")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(target_os = "linux")]
fn wayland_answers(name: &str) -> bool {
    let folder = variable("XDG_RUNTIME_DIR").unwrap_or_default();
    // An absolute name replaces the folder, as the protocol says.
    std::os::unix::net::UnixStream::connect(std::path::Path::new(&folder).join(name)).is_ok()
}

/// `:77`, `unix:0`, `:0.0` are sockets of this machine; any other host is left for GTK to try.
#[cfg(target_os = "linux")]
fn x11_answers(display: &str) -> bool {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};

    let Some((host, screen)) = display.rsplit_once(':') else { return false };
    if !host.is_empty() && host != "unix" {
        return true;
    }
    let number = screen.split('.').next().unwrap_or_default();
    let path = format!("/tmp/.X11-unix/X{number}");
    let hidden = SocketAddr::from_abstract_name(&path).and_then(|address| UnixStream::connect_addr(&address));
    hidden.is_ok() || UnixStream::connect(&path).is_ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::x11_answers;

    #[test]
    fn a_display_nobody_serves_is_noticed() {
        assert!(!x11_answers(":64999"));
        assert!(!x11_answers("nonsense"));
    }

    #[test]
    fn a_display_on_another_host_is_left_to_gtk() {
        assert!(x11_answers("example.invalid:0"));
    }
}
