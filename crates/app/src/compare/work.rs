//! The comparison itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lantern_engine::perplexity::{
    Against, Estimate, Held, Perplexity, PerplexityOptions, ReadOptions, Reading,
};
use lantern_engine::{Engine, EngineError, EngineOptions, Ledger, check_same_tokens, quantisation};
use lantern_gguf::GgufFile;
use lantern_protocol::{CompareEvent, CompareProgress, CompareStage, ComparedModel, Comparison, Measurement};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::summary::summary;
use crate::{App, AppError};

/// Tokens in a window of text.
const WINDOW: usize = 512;
/// Tokens of the conversation whose memory is told.
const CONTEXT: u32 = 8192;
/// Of the time that is left for reading, what is used: the second model may be slower than its size says.
const PRUDENCE: f64 = 0.85;

/// One of the two.
pub(super) struct Candidate {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) projector: Option<PathBuf>,
}

/// What is to be done.
pub(super) struct Work {
    pub(super) a: Candidate,
    pub(super) b: Candidate,
    pub(super) text: String,
    pub(super) text_name: String,
    pub(super) seconds: u32,
    pub(super) stop: CancellationToken,
    pub(super) events: UnboundedSender<CompareEvent>,
}

/// A model that is ready, with what was measured of it so far.
struct Ready {
    model: Perplexity,
    tokens: Vec<u32>,
    load: Duration,
    speed: Held,
}

impl Work {
    /// Compares, and tells the end.
    pub(super) async fn run(self, app: &App) {
        let events = self.events.clone();
        let end = match self.compare(app).await {
            Ok(comparison) => CompareEvent::Done { comparison: Box::new(comparison) },
            Err(error) => CompareEvent::Failed { error: error.into() },
        };
        // Nobody may listen any more.
        let _ = events.send(end);
    }

    async fn compare(self, app: &App) -> Result<Comparison, AppError> {
        let begin = Instant::now();
        let (a, b) = (self.a.path.clone(), self.b.path.clone());
        blocking(move || Ok(check_same_tokens(&a, &b)?)).await?;
        let ledger = app.0.models.ledger.clone();
        let larger = [&self.a.path, &self.b.path].into_iter().max_by_key(|path| len(path)).cloned();
        let planned = (larger.unwrap_or_default(), ledger.clone());
        app.make_room_beside(move || has_room(&planned.0, &planned.1)).await?;
        blocking(move || self.run_both(&ledger, begin)).await
    }

    fn run_both(&self, ledger: &Ledger, begin: Instant) -> Result<Comparison, AppError> {
        let whole = f64::from(self.seconds);
        let first = self.ready(&self.a, ledger, 0.0)?;
        // The second one takes as much longer as it is larger.
        let ratio = len(&self.b.path) as f64 / len(&self.a.path).max(1) as f64;
        let left = whole - begin.elapsed().as_secs_f64() * (1.0 + ratio);
        let time = (left * PRUDENCE / (1.0 + ratio)).max(0.0);
        let windows = first.tokens.len() / WINDOW.min(first.tokens.len().max(1));
        let reading =
            self.read(&self.a, 0.25, windows, time, |options| first.model.read_text(&first.tokens, options))?;
        let tokens = first.tokens.clone();
        let (load, speed) = (first.load, first.speed);
        drop(first);

        let second = self.ready(&self.b, ledger, 0.5)?;
        let time = whole - begin.elapsed().as_secs_f64();
        let against = self.read(&self.b, 0.75, reading.windows, time, |options| {
            second.model.hold_against(&reading, &tokens, options)
        })?;
        let a = self.card(&self.a, ledger, (load, speed), against.first)?;
        let b = self.card(&self.b, ledger, (second.load, second.speed), against.second)?;
        drop(second);
        Ok(self.comparison(a, b, &reading, &against, begin))
    }

    /// Loads one and measures its speed. `done` is how much of all was done before.
    fn ready(&self, candidate: &Candidate, ledger: &Ledger, done: f32) -> Result<Ready, AppError> {
        self.tell(candidate, CompareStage::Loading, done);
        let begin = Instant::now();
        let options =
            PerplexityOptions { context: WINDOW, ledger: ledger.clone(), ..PerplexityOptions::default() };
        let model = Perplexity::load(&candidate.path, options)?;
        let load = begin.elapsed();
        let tokens = model.tokenizer().encode(&self.text, false, true).map_err(EngineError::from)?;
        self.tell(candidate, CompareStage::Speed, done + 0.15);
        let speed = model.speed(&|| !self.stop.is_cancelled())?;
        Ok(Ready { model, tokens, load, speed })
    }

    /// Reads the text within some seconds.
    fn read<T>(
        &self,
        candidate: &Candidate,
        done: f32,
        windows: usize,
        seconds: f64,
        read: impl FnOnce(&ReadOptions) -> Result<T, EngineError>,
    ) -> Result<T, AppError> {
        self.tell(candidate, CompareStage::Reading, done);
        let progress = |read: usize| {
            let part = read as f32 / windows.max(1) as f32;
            self.tell(candidate, CompareStage::Reading, done + 0.25 * part.min(1.0));
        };
        let options = ReadOptions {
            windows,
            time: Duration::from_secs_f64(seconds.max(0.0)),
            go_on: &|| !self.stop.is_cancelled(),
            progress: &progress,
        };
        Ok(read(&options)?)
    }

    fn tell(&self, candidate: &Candidate, stage: CompareStage, done: f32) {
        let progress = CompareProgress { model: candidate.id.clone(), stage, done };
        let _ = self.events.send(CompareEvent::Progress { progress });
    }

    fn card(
        &self,
        candidate: &Candidate,
        ledger: &Ledger,
        (load, speed): (Duration, Held),
        perplexity: Estimate,
    ) -> Result<ComparedModel, AppError> {
        let file = GgufFile::open(&candidate.path).map_err(EngineError::from)?;
        let options = EngineOptions {
            context_length: Some(CONTEXT),
            gpu_layers: Some(0),
            projector: candidate.projector.clone(),
            ledger: ledger.clone(),
            ..EngineOptions::default()
        };
        // What was loaded a moment ago may be too large for a long conversation, which is worth knowing, not an error.
        let memory_bytes = match Engine::plan_file(&file, &options) {
            Ok(plan) => plan.alone_bytes(),
            Err(EngineError::ModelTooLarge { needed, .. }) => needed,
            Err(error) => return Err(error.into()),
        };
        Ok(ComparedModel {
            model: candidate.id.clone(),
            quantisation: quantisation(&file),
            file_bytes: file.file_len(),
            load_seconds: load.as_secs_f64(),
            reading_tokens_per_second: speed.reading,
            writing_tokens_per_second: speed.writing,
            memory_bytes,
            perplexity: measurement(perplexity),
        })
    }

    fn comparison(
        &self,
        a: ComparedModel,
        b: ComparedModel,
        reading: &Reading,
        against: &Against,
        begin: Instant,
    ) -> Comparison {
        let text = match against.windows < reading.windows || reading.is_part {
            true => format!("the beginning of {}", self.text_name),
            false => self.text_name.clone(),
        };
        let mut comparison = Comparison {
            a,
            b,
            perplexity_change_percent: measurement(against.change.perplexity_percent),
            same_top_percent: measurement(against.change.same_top_percent),
            divergence: measurement(against.change.divergence),
            scored_tokens: u32::try_from(against.scored_tokens).unwrap_or(u32::MAX),
            text,
            seconds: begin.elapsed().as_secs_f64(),
            summary: String::new(),
        };
        comparison.summary = summary(&comparison);
        comparison
    }
}

/// Whether a file could be loaded beside what is in memory now.
fn has_room(path: &Path, ledger: &Ledger) -> bool {
    let options = EngineOptions {
        context_length: u32::try_from(WINDOW).ok(),
        gpu_layers: Some(0),
        ledger: ledger.clone(),
        ..EngineOptions::default()
    };
    !matches!(Engine::plan(path, &options), Err(EngineError::ModelTooLarge { .. }))
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn measurement(Estimate { value, error }: Estimate) -> Measurement {
    Measurement { value, error }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(AppError::internal)?
}
