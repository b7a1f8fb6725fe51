//! The half of a model that turns a picture into vectors for the other half: what `mmproj` files hold.
//!
//! On the CPU. How a file of a picture becomes pixels is said in the engine.

mod gemma3;
mod siglip;

use lantern_gguf::{GgufError, GgufFile};

use crate::{Compute, Hyper, ModelError, Weights};

pub(crate) use siglip::{Siglip, SiglipParams};

/// What the pixels of a picture must be before they are encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureShape {
    /// Pixels on each side; pictures are stretched to a square of this size.
    pub side: usize,
    /// Taken from each channel of a colour in 0 to 1.
    pub mean: [f32; 3],
    /// What the rest is divided by.
    pub deviation: [f32; 3],
}

/// Turns pictures into vectors.
pub trait VisionEncoder: Send {
    /// What pixels it wants.
    fn picture(&self) -> &PictureShape;

    /// Vectors for a picture.
    fn tokens(&self) -> usize;

    /// Numbers in a vector: the width of the model it belongs to.
    fn width(&self) -> usize;

    /// `pixels[3, side, side]`, prepared as [`Self::picture`] says, to `[tokens, width]`.
    fn encode(&mut self, pixels: &[f32]) -> Result<Vec<f32>, ModelError>;
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
    const PROJECTOR: &str = "projector_type";
    let missing = || GgufError::MissingKey { key: hyper.key(PROJECTOR) };
    let encoder = match hyper.opt_str(PROJECTOR)?.ok_or_else(missing)?.as_str() {
        "gemma3" => Box::new(gemma3::Gemma3Vision::load(&hyper, &weights)?),
        other => {
            let reason = format!("it is {other:?}; gemma3 is supported");
            return Err(hyper.bad(PROJECTOR, reason));
        }
    };
    weights.finish()?;
    Ok(encoder)
}
