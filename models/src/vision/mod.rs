//! The half of a model that turns a picture into vectors for the other half: what `mmproj` files hold.
//!
//! On the CPU. How a file of a picture becomes pixels is said in the engine.

mod attention;
mod axial;
mod block;
mod clipped;
mod gemma3;
mod gemma4;
mod params;
mod patches;
mod qwen3vl;

use std::sync::Arc;

use lantern_gguf::{GgufError, GgufFile};

use crate::rows::{HostRows, Workspace};
use crate::{Compute, Hyper, ModelError, Split, Weights};

use attention::PatchAttention;
use axial::{Axes, AxialRope};
use block::Block;
use clipped::ClippedLinear;
use gemma3::Gemma3Vision;
use gemma4::Gemma4Vision;
use params::VisionParams;
use qwen3vl::Qwen3VlVision;

/// Which kind of model an encoder belongs to: what stands around a picture in its prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projector {
    /// Gemma 3.
    Gemma3,
    /// Gemma 4.
    Gemma4,
    /// Qwen3-VL, and Qwen3.5 with its pictures.
    Qwen3Vl,
}

/// What a stretched pixel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The two neighbours on each axis, by a triangle.
    Bilinear,
    /// Four on each axis, by Keys' cubic curve with a = -0.5.
    Bicubic,
}

/// How pixels become the numbers that are encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Colours {
    /// Taken from each channel of a colour in 0 to 1.
    pub mean: [f32; 3],
    /// What the rest is divided by.
    pub deviation: [f32; 3],
    /// How a picture is stretched.
    pub filter: Filter,
}

/// Turns pictures into vectors. Sizes are `[width, height]`, or `[across, down]`.
pub trait VisionEncoder: Send {
    /// The kind of model that it belongs to.
    fn projector(&self) -> Projector;

    /// The size in pixels to which a picture of `size` pixels is stretched, as the authors' processor chooses it. Refuses
    /// what that one refuses, and a picture without pixels.
    fn target(&self, size: [usize; 2]) -> Result<[usize; 2], ModelError>;

    /// How a stretched picture's pixels become numbers.
    fn colours(&self) -> &Colours;

    /// Tokens of a picture of a size that [`Self::target`] gave: their product is their number.
    fn grid(&self, target: [usize; 2]) -> [usize; 2];

    /// Numbers in a vector: the width of the model it belongs to.
    fn width(&self) -> usize;

    /// Further vectors that each token has for the model's first layers (Qwen3-VL's deepstack).
    fn levels(&self) -> usize;

    /// `pixels[3, height, width]` of a size that [`Self::target`] gave, prepared as [`Self::colours`] says, to
    /// `[tokens, (1 + levels) * width]`, tokens row after row.
    fn encode(&mut self, pixels: &[f32], target: [usize; 2]) -> Result<Vec<f32>, ModelError>;
}

/// Loads the encoder of a projector's file, to compute with kernels on so many threads.
pub fn load(file: &GgufFile, threads: usize) -> Result<Box<dyn VisionEncoder>, ModelError> {
    let architecture = file.architecture()?;
    if architecture != "clip" {
        return Err(ModelError::UnknownArchitecture {
            found: architecture.to_owned(),
            supported: vec!["clip".to_owned()],
        });
    }
    let hyper = Hyper::new(file)?;
    let weights = Weights::new(file, Compute::kernels(threads))?;
    // Both say what this kind of file is anyway.
    for known in ["has_vision_encoder", "use_gelu"] {
        if hyper.opt_bool(known)? == Some(false) {
            return Err(hyper.bad(known, "it is false, and pictures need it".to_owned()));
        }
    }
    if hyper.opt_bool("has_audio_encoder")? == Some(true) {
        ignore_audio(&hyper, &weights);
    }
    let (key, projector) = projector_type(&hyper)?;
    let encoder: Box<dyn VisionEncoder> = match projector.as_str() {
        "gemma3" => Box::new(Gemma3Vision::load(&hyper, &weights)?),
        "gemma4v" => Box::new(Gemma4Vision::load(&hyper, &weights)?),
        "qwen3vl_merger" => Box::new(Qwen3VlVision::load(&hyper, &weights)?),
        other => {
            let reason = format!("it is {other:?}; gemma3, gemma4v and qwen3vl_merger are supported");
            return Err(hyper.bad(key, reason));
        }
    };
    weights.finish()?;
    Ok(encoder)
}

/// What stands behind the transformer, and the key that says so: files with sound have one for each.
fn projector_type(hyper: &Hyper) -> Result<(&'static str, String), ModelError> {
    const KEYS: [&str; 2] = ["vision.projector_type", "projector_type"];
    for key in KEYS {
        if let Some(projector) = hyper.opt_str(key)? {
            return Ok((key, projector));
        }
    }
    Err(GgufError::MissingKey { key: hyper.key(KEYS[1]) }.into())
}

/// Takes what a file has for sound beside pictures.
fn ignore_audio(hyper: &Hyper, weights: &Weights) {
    hyper.ignore_under("audio.");
    for prefix in ["a.", "mm.a."] {
        weights.ignore_under(prefix);
    }
}

/// Encodes in memory that is given back behind it: pictures are rare, and what lies between blocks is large.
fn in_workspace(
    split: &Split,
    encode: impl FnOnce(&Arc<Workspace>) -> Result<Vec<f32>, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let Some(workspace) = split.block(0).workspace() else {
        return Err(ModelError::BadBatch("pictures are encoded on the CPU".to_owned()));
    };
    let vectors = encode(workspace);
    workspace.release();
    vectors
}

/// Adds `y` to `x`, or to each row of it.
fn add(x: &mut HostRows, y: &[f32]) -> Result<(), ModelError> {
    let (pool, x) = x.pool_and_values();
    Ok(lantern_kernels::add(pool, x, y)?)
}

/// Refuses a picture without pixels.
fn refuse_empty(size: [usize; 2]) -> Result<(), ModelError> {
    if size.contains(&0) {
        return Err(ModelError::BadPictureSize { size, reason: "it has no pixels".to_owned() });
    }
    Ok(())
}

/// The error for pixels of a size that [`VisionEncoder::target`] never gives. A fault of the program.
fn wrong_target([width, height]: [usize; 2]) -> ModelError {
    ModelError::BadBatch(format!("pictures of {width} by {height} pixels are not what this encoder takes"))
}
