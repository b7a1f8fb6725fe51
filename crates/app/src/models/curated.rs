//! The models Lantern recommends, with what this machine can do with each; without the network.

use lantern_hub::StaticEntry;
use lantern_protocol::{CuratedModel, ModelCapability};

use crate::{App, AppError};

impl App {
    /// The catalogue with a verdict for each model, planned from what is known of it. The best for this machine comes first:
    /// the largest that fits and leaves a quarter of the memory to others, then the others that fit, then the rest.
    pub async fn curated_models(&self) -> Result<Vec<CuratedModel>, AppError> {
        let entries = self.catalogue().await?;
        let mut curated = Vec::with_capacity(entries.len());
        for (known, entry) in lantern_hub::catalogue().iter().zip(entries) {
            let StaticEntry { facts, size_bytes, name, .. } = known;
            let fit = self.fit_of(facts.header(name, *size_bytes)?, None, None).await?;
            let can = [(ModelCapability::Tools, facts.tools), (ModelCapability::Thinking, facts.thinking)];
            let capabilities = can.into_iter().filter(|(_, it_can)| *it_can).map(|(can, _)| can).collect();
            curated.push(CuratedModel { entry, parameters: facts.parameters(), capabilities, fit });
        }
        curated.sort_by_key(|model| {
            let fit = &model.fit;
            let misfit = u8::from(fit.verdict != lantern_protocol::FitVerdict::Fits);
            let tight = u8::from(fit.needed_bytes > fit.available_bytes / 4 * 3);
            (misfit, tight, std::cmp::Reverse(model.entry.size_bytes))
        });
        Ok(curated)
    }
}
