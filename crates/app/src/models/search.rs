//! Finding models on the Hub, and which file of a repository to take.

use lantern_engine::template_says;
use lantern_hub::search::{TemplateSays, quality_rank};
use lantern_hub::{HubError, human_bytes};
use lantern_protocol::{
    FileFit, Fit, FitVerdict, RecommendedFile, Repository, RepositoryFit, SearchPage, SearchQuery,
};

use crate::{App, AppError};

/// For the hub, which reads no templates.
pub(crate) fn read_template(template: &str) -> TemplateSays {
    let (tools, thinking) = template_says(template);
    TemplateSays { tools, thinking }
}

impl App {
    /// Repositories with GGUF files. Dropping the future ends the search.
    pub async fn search_models(&self, query: SearchQuery) -> Result<SearchPage, AppError> {
        Ok(self.finder().await.search(&query).await?)
    }

    /// What `owner/name` holds: files by quantisation, licence, terms, card.
    pub async fn repository(&self, repo: &str) -> Result<Repository, AppError> {
        Ok(self.finder().await.repository(repo).await?)
    }

    /// Whether the model files of a repository run here, and which to take. Reads their headers from the Hub, the first of
    /// them whole (some megabytes), and nothing else. `context` is as in [`App::file_fit`].
    pub async fn repository_fit(&self, repo: &str, context: Option<u32>) -> Result<RepositoryFit, AppError> {
        let grouped = self.finder().await.files(repo).await?;
        let mut headers = self.finder().await.headers(repo).await?;
        let mut files = Vec::new();
        // Collected: an iterator that borrows may not be held while something is waited for.
        let wanted: Vec<_> = grouped.quants.into_iter().flat_map(|group| group.files).collect();
        for file in wanted {
            let (fit, error) = match headers.read(&file.file).await {
                Ok(header) => {
                    let projector = self.finder().await.projector_bytes(repo, &file.file).await?;
                    (Some(self.fit_of(header, projector, context).await?), None)
                }
                Err(error) if concerns_all(&error) => return Err(error.into()),
                Err(error) => (None, Some(error.info())),
            };
            files.push(FileFit { file: file.file.clone(), quant: file.quant.clone(), fit, error });
        }
        let recommended = recommend(&files);
        Ok(RepositoryFit { files, recommended })
    }
}

/// Whether there is no use in trying the next file.
fn concerns_all(error: &HubError) -> bool {
    matches!(
        error,
        HubError::Unreachable { .. }
            | HubError::Gated { .. }
            | HubError::Unauthorized { .. }
            | HubError::RateLimited { .. }
    )
}

/// The best quality that leaves a quarter of the memory to other programs; where none does, the best that fits; where
/// none fits, the one with most of its experts in memory.
fn recommend(files: &[FileFit]) -> Option<RecommendedFile> {
    let planned = || files.iter().filter_map(|file| Some((file, file.fit.as_ref()?)));
    let rank = |file: &FileFit| file.quant.as_deref().and_then(quality_rank).unwrap_or(u32::MAX);
    let whole = |fit: &Fit| matches!(fit.verdict, FitVerdict::Fits | FitVerdict::ExpertsOnCpu);
    let fits = || planned().filter(|(_, fit)| whole(fit) && fit.context_length >= fit.wanted_context_length);
    let is_roomy = |fit: &Fit| fit.needed_bytes <= fit.available_bytes / 4 * 3;
    let best = |all: &mut dyn Iterator<Item = (&FileFit, &Fit)>| {
        all.map(|(file, fit)| (file.clone(), fit.clone()))
            .min_by_key(|(file, fit)| (rank(file), fit.needed_bytes))
    };
    let sizes =
        |fit: &Fit| format!("{} of {}", human_bytes(fit.needed_bytes), human_bytes(fit.available_bytes));
    let name = |file: &FileFit| file.quant.clone().unwrap_or_else(|| file.file.clone());
    let (file, why) = if let Some((file, fit)) = best(&mut fits().filter(|(_, fit)| is_roomy(fit))) {
        let why = format!(
            "the best quality that fits with {} tokens of context and leaves room for other programs ({})",
            fit.context_length,
            sizes(&fit)
        );
        (file, why)
    } else if let Some((file, fit)) = best(&mut fits()) {
        let why = format!(
            "the best quality that fits with {} tokens of context, though little is left for other programs ({})",
            fit.context_length,
            sizes(&fit)
        );
        (file, why)
    } else if let Some((file, fit)) = best(&mut planned().filter(|(_, fit)| whole(fit))) {
        let why = format!(
            "it fits, with {} tokens of context instead of {} ({})",
            fit.context_length,
            fit.wanted_context_length,
            sizes(&fit)
        );
        (file, why)
    } else {
        let from_disk = planned().filter(|(_, fit)| fit.verdict == FitVerdict::ExpertsFromDisk);
        let share = |fit: &Fit| fit.experts_in_memory.unwrap_or(0.0);
        let (file, fit) = from_disk.max_by(|a, b| share(a.1).total_cmp(&share(b.1)))?;
        let why = format!(
            "memory holds {:.0} % of its experts, more than of any other file here; the rest is read from the disk, which is slow",
            100.0 * share(fit)
        );
        (file.clone(), why)
    };
    Some(RecommendedFile { reason: format!("{}: {why}.", name(&file)), file: file.file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(quant: &str, gb: u64, verdict: FitVerdict) -> FileFit {
        let fit = Fit {
            verdict,
            summary: String::new(),
            needed_bytes: gb * 1_000_000_000,
            available_bytes: 12_000_000_000,
            weight_bytes: 0,
            cache_bytes: 0,
            experts_in_memory: (verdict == FitVerdict::ExpertsFromDisk).then_some(10.0 / gb as f32),
            device: None,
            context_length: 8192,
            wanted_context_length: 8192,
            capabilities: Vec::new(),
            error: None,
        };
        FileFit { file: format!("m-{quant}.gguf"), quant: Some(quant.into()), fit: Some(fit), error: None }
    }

    fn taken(files: &[FileFit]) -> Option<String> {
        recommend(files).map(|file| file.reason)
    }

    #[test]
    fn the_best_that_leaves_room_is_taken() {
        use FitVerdict::*;
        let files = [
            file("Q2_K", 3, Fits),
            file("Q4_K_M", 5, Fits),
            file("Q6_K", 8, Fits),
            file("Q8_0", 10, Fits),
            file("F16", 20, TooLarge),
        ];
        assert!(taken(&files).unwrap().starts_with("Q6_K: the best quality that fits with 8192 tokens"));
        let only = [file("Q8_0", 10, Fits), file("F16", 20, TooLarge)];
        assert!(taken(&only).unwrap().contains("little is left"));
        let experts = [file("Q4_K_M", 18, ExpertsFromDisk), file("Q8_0", 32, ExpertsFromDisk)];
        assert!(taken(&experts).unwrap().starts_with("Q4_K_M: memory holds 56 %"));
        assert_eq!(taken(&[file("F16", 20, TooLarge)]), None);
        assert_eq!(taken(&[]), None);
    }

    #[test]
    fn a_short_context_is_the_second_choice() {
        let mut short = file("Q8_0", 8, FitVerdict::Fits);
        short.fit.as_mut().unwrap().context_length = 4096;
        let files = [file("Q3_K_M", 4, FitVerdict::Fits), short.clone()];
        assert!(taken(&files).unwrap().starts_with("Q3_K_M"));
        assert!(taken(&[short]).unwrap().contains("4096 tokens of context instead of 8192"));
    }
}
