//! Pictures for a model: its projector's encoder, loaded when the first picture comes, and the last encoded pictures.
//!
//! In a sequence of tokens the parts of a picture are numbers behind all tokens that follow from what the picture looks
//! like, so that whoever compares tokens compares pictures: the prefix cache needs to know nothing of them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lantern_gguf::GgufFile;
use lantern_models::vision::{self, Projector, VisionEncoder};
use lantern_models::{EncodedPicture, ModelConfig, PictureInput, PlacedPicture, fingerprint};
use sha2::{Digest, Sha256};

use crate::error::EngineError;
use crate::options::EngineOptions;
use crate::picture::Picture;
use crate::prompt::{PlannedPicture, PromptPlan, PromptTokens};
use crate::runner::guarded;
use crate::text::picture_words::{GEMMA3, GEMMA4, QWEN3_VL};
use crate::text::{PictureWords, Tokenizer};

/// The first number that stands for a part of a picture.
pub(crate) const FIRST_PART: u32 = 1 << 31;
/// Vectors of pictures that are kept, in bytes.
const MAX_KEPT: usize = 64 << 20;

/// How a model is shown pictures, if it can be.
pub(crate) struct Vision {
    file: Option<PathBuf>,
    threads: usize,
    model: Model,
    encoder: Mutex<Option<Encoder>>,
    /// By what makes pictures the same, the latest last.
    kept: Mutex<Vec<(u64, Arc<EncodedPicture>)>>,
}

/// What an encoder must fit.
struct Model {
    architecture: String,
    hidden: usize,
    pictures: PictureInput,
    step_tokens: usize,
}

struct Encoder {
    encoder: Box<dyn VisionEncoder>,
    fingerprint: String,
}

impl Vision {
    /// For a model; reads nothing yet.
    pub(crate) fn new(options: &EngineOptions, config: &ModelConfig) -> Self {
        Self {
            file: options.projector.clone(),
            threads: options.resolved_threads(),
            model: Model {
                architecture: config.architecture.clone(),
                hidden: config.hidden_size,
                pictures: config.pictures,
                step_tokens: options.step_tokens,
            },
            encoder: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// What stands around pictures in prompts.
    pub(crate) fn words(&self) -> Result<PictureWords, EngineError> {
        self.with_encoder(|encoder| {
            Ok(match encoder.encoder.projector() {
                Projector::Gemma3 => GEMMA3,
                Projector::Gemma4 => GEMMA4,
                Projector::Qwen3Vl => QWEN3_VL,
            })
        })
    }

    /// Puts the parts of pictures into a prompt, behind their opening tokens.
    pub(crate) fn plan(
        &self,
        tokenizer: &Tokenizer,
        ids: Vec<u32>,
        words: &PictureWords,
        pictures: &[&Picture],
    ) -> Result<PromptPlan, EngineError> {
        let no_token = || EngineError::NoVision { reason: format!("it has no token {}", words.opening) };
        let opening = tokenizer.token_id(words.opening).ok_or_else(no_token)?;
        let mut left = pictures.iter();
        let mut plan = PromptPlan::text(Vec::with_capacity(ids.len()));
        for id in ids {
            plan.ids.push(id);
            if id == opening {
                let picture = left.next().ok_or(EngineError::PicturePlaces { pictures: pictures.len() })?;
                let planned = self.plan_picture(picture, plan.ids.len())?;
                plan.ids.extend(part_ids(planned.seed).take(planned.end() - planned.start));
                plan.pictures.push(planned);
            }
        }
        match left.next() {
            None => Ok(plan),
            Some(_) => Err(EngineError::PicturePlaces { pictures: pictures.len() }),
        }
    }

    fn plan_picture(&self, picture: &Picture, start: usize) -> Result<PlannedPicture, EngineError> {
        self.with_encoder(|Encoder { encoder, fingerprint }| {
            let target = encoder.target(picture.size())?;
            let mut hash = Sha256::new();
            hash.update(fingerprint.as_bytes());
            hash.update(picture.hash());
            target.iter().for_each(|pixels| hash.update(pixels.to_le_bytes()));
            let digest: [u8; 32] = hash.finalize().into();
            let [a, b, c, d, e, f, g, h, ..] = digest;
            let grid = encoder.grid(target);
            let parts = grid[0] * grid[1];
            if self.model.pictures.together && parts > self.model.step_tokens {
                let most = self.model.step_tokens;
                let reason = format!("a picture has {parts} parts, but a step takes {most} tokens");
                return Err(EngineError::NoVision { reason });
            }
            let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            Ok(PlannedPicture { start, grid, seed, picture: picture.clone() })
        })
    }

    /// Makes the vectors of a prompt's pictures, as far as they are not there yet. Takes seconds on a CPU.
    pub(crate) fn encode(&self, plan: PromptPlan) -> Result<PromptTokens, EngineError> {
        let place = |planned: PlannedPicture| {
            let picture = self.encoded(&planned)?;
            Ok(PlacedPicture { start: planned.start, picture })
        };
        let pictures = plan.pictures.into_iter().map(place).collect::<Result<_, EngineError>>()?;
        Ok(PromptTokens { ids: plan.ids, pictures, preamble: plan.preamble })
    }

    fn encoded(&self, planned: &PlannedPicture) -> Result<Arc<EncodedPicture>, EngineError> {
        if let Some(picture) = self.find(planned.seed) {
            return Ok(picture);
        }
        self.with_encoder(|Encoder { encoder, .. }| {
            // Somebody else may have waited with the same picture.
            if let Some(picture) = self.find(planned.seed) {
                return Ok(picture);
            }
            let (pixels, target) = planned.picture.prepared(encoder.as_ref())?;
            let vectors = guarded(|| Ok(encoder.encode(&pixels, target)?))?;
            let together = self.model.pictures.together;
            let picture = Arc::new(EncodedPicture { grid: planned.grid, vectors, together });
            self.keep(planned.seed, &picture);
            Ok(picture)
        })
    }

    fn find(&self, seed: u64) -> Option<Arc<EncodedPicture>> {
        let mut kept = lock(&self.kept);
        let found = kept.iter().position(|(other, _)| *other == seed)?;
        let entry = kept.remove(found);
        let picture = Arc::clone(&entry.1);
        kept.push(entry);
        Some(picture)
    }

    fn keep(&self, seed: u64, picture: &Arc<EncodedPicture>) {
        let mut kept = lock(&self.kept);
        kept.push((seed, Arc::clone(picture)));
        let bytes = |kept: &[(u64, Arc<EncodedPicture>)]| -> usize {
            kept.iter().map(|(_, picture)| size_of_val(picture.vectors.as_slice())).sum()
        };
        while kept.len() > 1 && bytes(&kept) > MAX_KEPT {
            kept.remove(0);
        }
    }

    /// Whether vectors of pictures are kept.
    pub(crate) fn has_pictures(&self) -> bool {
        !lock(&self.kept).is_empty()
    }

    /// Keeps them no longer; they are made anew when they are next asked for.
    pub(crate) fn forget_pictures(&self) {
        lock(&self.kept).clear();
    }

    /// Calls `work` with the encoder, alone; loads it before if it is not there yet.
    fn with_encoder<T>(
        &self,
        work: impl FnOnce(&mut Encoder) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut slot = lock(&self.encoder);
        let encoder = match &mut *slot {
            Some(encoder) => encoder,
            empty => empty.insert(self.load()?),
        };
        work(encoder)
    }

    fn load(&self) -> Result<Encoder, EngineError> {
        let none = || EngineError::NoVision { reason: "it has no projector file".to_owned() };
        let file = GgufFile::open(self.file.as_ref().ok_or_else(none)?)?;
        let encoder = vision::load(&file, self.threads)?;
        self.model.check(encoder.as_ref())?;
        Ok(Encoder { encoder, fingerprint: fingerprint(&file) })
    }
}

impl Model {
    /// Whether an encoder was made for this kind of model and its size.
    fn check(&self, encoder: &dyn VisionEncoder) -> Result<(), EngineError> {
        let (projector, architecture) = (encoder.projector(), self.architecture.as_str());
        let known = match projector {
            Projector::Gemma3 => architecture == "gemma3",
            Projector::Gemma4 => architecture == "gemma4",
            Projector::Qwen3Vl => ["qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe"].contains(&architecture),
        };
        let (width, levels) = (encoder.width(), encoder.levels());
        if known && width == self.hidden && levels == self.pictures.levels {
            return Ok(());
        }
        let reason = format!(
            "the projector file is for {projector:?} with vectors of {width} numbers at {levels} levels, the model is {architecture} with {} at {}",
            self.hidden, self.pictures.levels
        );
        Err(EngineError::NoVision { reason })
    }
}

/// The numbers of a picture's parts. Steele et al.'s SplitMix64, from which the upper bits are taken.
fn part_ids(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        FIRST_PART | ((z ^ (z >> 31)) >> 33) as u32
    })
}

/// What is behind these locks is whole between any two changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
