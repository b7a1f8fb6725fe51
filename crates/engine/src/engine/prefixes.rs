//! What callers can ask of the prefix cache on disk.

use super::Engine;
use crate::prefix_disk::Reply;
use crate::worker::Command;

impl Engine {
    /// Waits until what the prefix cache keeps of answers that have ended is on the disk. Dropping the engine does so too,
    /// for a few seconds at most.
    pub fn save_prefixes(&self) {
        self.wait_for(Command::SavePrefixes);
    }

    /// Deletes what the prefix cache keeps on disk for requests of this owner and nobody else's, of all models, and keeps
    /// no more of it. Memory forgets in its own time. Waits until it is done.
    pub fn forget_prefixes(&self, owner: &str) {
        self.wait_for(|reply| Command::ForgetPrefixes { owner: owner.into(), reply });
    }

    /// Makes what is kept in memory for requests of this owner the last to go, or lets it go like everything else. For the
    /// disk there is [`DiskCacheOptions::pin`](crate::DiskCacheOptions::pin).
    pub fn pin_prefixes(&self, owner: &str, pinned: bool) {
        // An engine that has stopped keeps nothing.
        let _ = self.send(Command::Pin { owner: owner.into(), is_pinned: pinned });
    }

    /// Keeps no more prefixes on disk and reads none from it. What is there stays.
    pub fn leave_prefixes(&self) {
        self.wait_for(Command::DropDisk);
    }

    fn wait_for(&self, command: impl FnOnce(Reply) -> Command) {
        let (reply, done) = std::sync::mpsc::channel::<()>();
        let reply = Box::new(move || reply.send(()).unwrap_or_default());
        if self.send(command(reply)).is_ok() {
            // An engine that stops meanwhile answers by dropping the reply.
            let _ = done.recv();
        }
    }
}
