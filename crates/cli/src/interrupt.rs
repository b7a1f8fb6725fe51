//! Ctrl-C, heard without gaps: from the moment one listens, none is lost between two waits.

use crate::error::CliError;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens as long as it lives. Until then, Ctrl-C ends the program the usual way.
pub struct Interrupts {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Option<Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    /// Ctrl-C alone.
    pub fn listen() -> Result<Self, CliError> {
        let odd = |error: std::io::Error| CliError::internal(format!("Ctrl-C cannot be heard: {error}"));
        #[cfg(unix)]
        let listener = signal(SignalKind::interrupt()).map(|interrupt| Self { interrupt, terminate: None });
        #[cfg(windows)]
        let listener = tokio::signal::windows::ctrl_c().map(|interrupt| Self { interrupt });
        listener.map_err(odd)
    }

    /// Ctrl-C, and what service managers send.
    pub fn listen_to_all() -> Result<Self, CliError> {
        #[allow(unused_mut)]
        let mut listener = Self::listen()?;
        #[cfg(unix)]
        {
            listener.terminate = signal(SignalKind::terminate()).ok();
        }
        Ok(listener)
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(terminate) = &mut self.terminate {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        self.interrupt.recv().await;
    }
}
