//! What an answer follows from, beside the model and the request: known before anything ran, and enough to have it again.

use crate::prompt::PromptPlan;

/// What an engine made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The prompt's tokens, without the parts of pictures.
    pub tokens: Vec<u32>,
    /// The pictures among them, in order.
    pub pictures: Vec<SeenPicture>,
    /// The request's seed, or the one that was drawn.
    pub seed: u64,
    /// Tokens that the prompt and its answer may have together.
    pub context_length: usize,
}

/// A picture in a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPicture {
    /// It stands before this one of the prompt's tokens.
    pub before: usize,
    /// Of how many parts it is for the model.
    pub parts: usize,
    /// SHA-256 of its pixels.
    pub sha256: [u8; 32],
}

impl Inputs {
    pub(crate) fn new(plan: &PromptPlan, seed: u64, context_length: usize) -> Self {
        let mut parts_before = 0;
        let pictures = plan.pictures.iter().map(|picture| {
            let parts = picture.end() - picture.start;
            let before = picture.start - parts_before;
            parts_before += parts;
            SeenPicture { before, parts, sha256: *picture.picture.hash() }
        });
        let pictures = pictures.collect();
        let is_part = |at: usize| plan.pictures.iter().any(|p| (p.start..p.end()).contains(&at));
        let tokens = plan.ids.iter().enumerate().filter(|(at, _)| plan.pictures.is_empty() || !is_part(*at));
        Self { tokens: tokens.map(|(_, &id)| id).collect(), pictures, seed, context_length }
    }
}
