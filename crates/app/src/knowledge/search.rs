//! Finding passages: by words and, where vectors are there, by meaning, joined by rank.

use lantern_knowledge::search::{Best, from_bytes, fuse, likeness};
use lantern_protocol::SearchedBy;
use lantern_store::FoundPassage;

use crate::{App, AppError, lock};

/// So many passages of each ranking are joined.
const CANDIDATES: usize = 50;

/// Passages of a message's files that become vectors before the question is answered; of larger files the rest is found by
/// its words until that has been done beside.
const EMBED_NOW: usize = 256;

/// A vector less like a question than this has nothing to do with it.
const LEAST_LIKENESS: f32 = 0.05;

impl App {
    /// Passages of documents for a question, the best first, at most so many. Passages of `fresh` documents get their vectors
    /// first.
    pub(super) async fn find_passages(
        &self,
        documents: Vec<String>,
        fresh: &[String],
        question: &str,
        limit: usize,
    ) -> Result<(Vec<FoundPassage>, SearchedBy), AppError> {
        let (among, words) = (documents.clone(), question.to_owned());
        let find =
            move |store: &mut lantern_store::Store| store.passages_by_words(&among, &words, CANDIDATES);
        let by_words = self.0.db.run(find).await?;
        // Searching by words is worth more than an error about vectors.
        let by_meaning = self.rank_by_meaning(documents, fresh, question).await;
        let by_meaning = by_meaning.unwrap_or_else(|error| {
            tracing::warn!(code = error.code, "passages are searched by words alone: {error}");
            *lock(&self.0.knowledge.trouble) = Some(error.into());
            None
        });
        let (ranked, searched_by) = match by_meaning {
            Some(by_meaning) => (fuse(&[by_words, by_meaning]), SearchedBy::WordsAndMeaning),
            None => (by_words, SearchedBy::Words),
        };
        let ids: Vec<i64> = ranked.into_iter().take(limit).collect();
        let passages = self.0.db.run(move |store| store.passages(&ids)).await?;
        Ok((passages, searched_by))
    }

    /// Numbers of passages by how like the question they are; `None` where no vectors are there.
    async fn rank_by_meaning(
        &self,
        documents: Vec<String>,
        fresh: &[String],
        question: &str,
    ) -> Result<Option<Vec<i64>>, AppError> {
        let Some(embedder) = self.embedder_in_use().await? else { return Ok(None) };
        self.embed_missing(&embedder, fresh, EMBED_NOW, |_| {}).await?;
        let asked = self.embed_question(&embedder, question).await?;
        let model = embedder.content().to_owned();
        let rank = move |store: &mut lantern_store::Store| {
            let (mut best, mut seen, mut vector) = (Best::new(CANDIDATES), false, Vec::new());
            store.each_vector(&documents, &model, |id, bytes| {
                seen = true;
                from_bytes(bytes, &mut vector);
                let score = likeness(&asked, &vector);
                if score >= LEAST_LIKENESS {
                    best.offer(score, id);
                }
            })?;
            Ok(seen.then(|| best.into_vec().into_iter().map(|(_, id)| id).collect()))
        };
        let ranked = self.0.db.run(rank).await?;
        *lock(&self.0.knowledge.trouble) = None;
        Ok(ranked)
    }
}
