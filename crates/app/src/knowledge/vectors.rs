//! Vectors of passages and of questions, by whichever embedding model is here.

use std::path::Path;

use lantern_engine::capabilities;
use lantern_gguf::GgufFile;
use lantern_knowledge::search::{prefixes, to_bytes};
use lantern_protocol::LibraryModel;
use lantern_store::FoundPassage;

use crate::{App, AppError, lock};

/// The setting that turns vectors off.
const NONE: &str = "none";

/// Passages that become vectors at once: enough to keep all cores busy, few enough to be kept soon.
const BATCH: usize = 32;

/// A model that makes vectors.
#[derive(Debug, Clone)]
pub(super) struct Embedder {
    pub(super) model: LibraryModel,
    /// What is written before a passage, and before a question.
    prefixes: (&'static str, &'static str),
}

impl Embedder {
    /// Names what it computes, however it is called.
    pub(super) fn content(&self) -> &str {
        &self.model.content_id
    }
}

impl App {
    /// The models of the library that make vectors.
    pub(super) async fn embedding_models(&self) -> Result<Vec<LibraryModel>, AppError> {
        let models = self.library().await?;
        let app = self.clone();
        let find = move || models.into_iter().filter(|model| app.makes_vectors(model)).collect();
        tokio::task::spawn_blocking(find).await.map_err(AppError::internal)
    }

    /// Reads a header, once for each content.
    fn makes_vectors(&self, model: &LibraryModel) -> bool {
        if model.error.is_some() || model.content_id.is_empty() {
            return false;
        }
        let known = lock(&self.0.knowledge.embedders).get(&model.content_id).copied();
        known.unwrap_or_else(|| {
            let makes = capabilities(Path::new(&model.path)).is_ok_and(|can| can.embeddings);
            lock(&self.0.knowledge.embedders).insert(model.content_id.clone(), makes);
            makes
        })
    }

    /// The model that makes vectors now: the one that the settings name, or the first that can.
    pub(super) async fn embedder_in_use(&self) -> Result<Option<Embedder>, AppError> {
        let chosen = self.settings().await?.embedding_model;
        let model = match chosen.as_deref() {
            Some(NONE) => None,
            Some(name) => Some(self.find_listed(name).await?),
            None => self.embedding_models().await?.into_iter().next(),
        };
        let Some(model) = model else { return Ok(None) };
        let path = model.path.clone();
        let read = move || {
            let file = GgufFile::open(Path::new(&path)).ok()?;
            let name = file.metadata().opt_str("general.name").ok().flatten().unwrap_or_default();
            Some(prefixes(file.architecture().ok()?, name))
        };
        let prefixes = tokio::task::spawn_blocking(read).await.map_err(AppError::internal)?;
        Ok(Some(Embedder { model, prefixes: prefixes.unwrap_or_default() }))
    }

    /// The vector of a question.
    pub(super) async fn embed_question(
        &self,
        embedder: &Embedder,
        question: &str,
    ) -> Result<Vec<f32>, AppError> {
        let text = format!("{}{question}", embedder.prefixes.1);
        let vectors = self.embed_cut(&embedder.model, vec![text]).await?;
        vectors.into_iter().next().ok_or_else(|| AppError::internal("a question got no vector"))
    }

    /// Gives at most `limit` passages of these documents that have none a vector. Gives how many it were; stops when Lantern
    /// closes.
    pub(super) async fn embed_missing(
        &self,
        embedder: &Embedder,
        documents: &[String],
        limit: usize,
        mut tell: impl FnMut(usize),
    ) -> Result<usize, AppError> {
        let mut done = 0;
        while done < limit && !self.0.closing.is_cancelled() {
            let (documents, model) = (documents.to_vec(), embedder.content().to_owned());
            let batch = BATCH.min(limit - done);
            let find = move |store: &mut lantern_store::Store| {
                store.passages_without_vector(&documents, &model, batch)
            };
            let passages = self.0.db.run(find).await?;
            if passages.is_empty() {
                break;
            }
            done += passages.len();
            self.embed_passages(embedder, passages).await?;
            tell(done);
        }
        Ok(done)
    }

    async fn embed_passages(&self, embedder: &Embedder, passages: Vec<FoundPassage>) -> Result<(), AppError> {
        let words = |passage: &FoundPassage| {
            let heading = passage.place.heading.as_deref().unwrap_or_default();
            format!("{}{heading}\n{}", embedder.prefixes.0, passage.text.trim())
        };
        let texts = passages.iter().map(words).collect();
        let vectors = self.embed_cut(&embedder.model, texts).await?;
        let ids = passages.into_iter().map(|passage| passage.id);
        let kept: Vec<(i64, Vec<u8>)> = ids.zip(vectors.iter().map(|vector| to_bytes(vector))).collect();
        let model = embedder.content().to_owned();
        self.0.db.run(move |store| store.keep_vectors(&model, &kept)).await
    }

    /// Vectors of texts, of which the model reads as much as it can.
    async fn embed_cut(&self, model: &LibraryModel, texts: Vec<String>) -> Result<Vec<Vec<f32>>, AppError> {
        let model = self.embedder_of(model).await?;
        let embed = move || {
            let longest = model.context_length();
            let cut = |text: &String| {
                let mut tokens = model.tokenize(text)?;
                if tokens.len() > longest {
                    // The last token ends the text for the model.
                    let last = tokens.last().copied();
                    tokens.truncate(longest.saturating_sub(1));
                    tokens.extend(last);
                }
                Ok::<_, AppError>(tokens)
            };
            let tokens: Vec<Vec<u32>> = texts.iter().map(cut).collect::<Result<_, _>>()?;
            let embeddings = model.embed_tokens(&tokens)?;
            Ok::<_, AppError>(embeddings.iter().map(<[f32]>::to_vec).collect())
        };
        tokio::task::spawn_blocking(embed).await.map_err(AppError::internal)?
    }
}
