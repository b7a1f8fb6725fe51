//! What the engine thread gives back when the system has too little left.
//!
//! First the memory of blocks that hold nothing any more, then prefixes that nobody holds, the least recently used first,
//! and the vectors of pictures. What the disk keeps of them is still there, so the next question costs a read instead of
//! nothing. What runs keeps all it has.

use super::Worker;

impl Worker {
    /// Looks whether the system has enough left, and gives back what it has not.
    pub(super) fn relieve(&mut self) {
        if !self.could_give_back() {
            return;
        }
        let Some(missing) = self.pressure.missing() else { return };
        let blank = self.give_back_blank();
        let before = self.scheduler.blocks().idle();
        let bytes: Vec<u64> = (0..self.scheduler.blocks().groups())
            .map(|group| self.runner.cache().block_bytes(group) as u64)
            .collect();
        self.scheduler.drop_idle(missing.saturating_sub(blank), &bytes);
        let dropped = self.give_back_blank();
        self.vision.forget_pictures();
        tracing::info!(
            missing,
            given_back = blank + dropped,
            prefixes = before - self.scheduler.blocks().idle(),
            "the system has little memory left: caches shrink"
        );
        self.note_stats();
    }

    /// Whether there is anything that nobody holds.
    pub(super) fn could_give_back(&self) -> bool {
        self.scheduler.blocks().has_slack() || self.vision.has_pictures()
    }

    /// Bytes of blank blocks whose memory has gone back.
    fn give_back_blank(&mut self) -> u64 {
        let blank = self.scheduler.take_used_blank();
        let cache = self.runner.cache_mut();
        let mut bytes = 0;
        for (group, blocks) in blank.iter().enumerate() {
            cache.give_back(group, blocks);
            bytes += blocks.len() as u64 * cache.block_bytes(group) as u64;
        }
        bytes
    }
}
