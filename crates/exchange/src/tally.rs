//! Things by name, counted.

use std::collections::BTreeMap;

use lantern_protocol::Counted;

/// How often each thing occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, u32>);

impl Tally {
    /// Counts one.
    pub fn add(&mut self, what: &str) {
        self.add_many(what, 1);
    }

    /// Counts some.
    pub fn add_many(&mut self, what: &str, count: usize) {
        if count > 0 {
            let entry = self.0.entry(what.to_owned()).or_default();
            *entry = entry.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// As it is told.
    pub fn counted(&self) -> Vec<Counted> {
        self.0.iter().map(|(what, count)| Counted { what: what.clone(), count: *count }).collect()
    }
}
