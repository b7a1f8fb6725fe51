//! Linear layers of which files say within which bounds numbers stay on the way in and out (Gemma 4's small models).

use crate::layers::Linear;
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// A linear layer between bounds.
pub(super) struct ClippedLinear {
    linear: Linear,
    /// Least and most of what goes in, where the file says.
    input: Option<[f32; 2]>,
    /// And of what comes out.
    output: Option<[f32; 2]>,
}

impl ClippedLinear {
    /// Takes `<name>.weight`, and `<name>.input_min`, `input_max`, `output_min` and `output_max` where the file has them.
    pub(super) fn load(
        weights: &Weights,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, ModelError> {
        let bounds = |side: &str| -> Result<Option<[f32; 2]>, ModelError> {
            let bound = |end: &str, default| match weights.opt_vector(&format!("{name}.{side}_{end}"), 1)? {
                Some(value) => Ok::<f32, ModelError>(value[0]),
                None => Ok(default),
            };
            let bounds = [bound("min", f32::NEG_INFINITY)?, bound("max", f32::INFINITY)?];
            Ok(bounds.iter().any(|bound| bound.is_finite()).then_some(bounds))
        };
        Ok(ClippedLinear {
            linear: weights.linear(name, inputs, outputs)?,
            input: bounds("input")?,
            output: bounds("output")?,
        })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, x: &HostRows) -> Result<HostRows, ModelError> {
        let mut out = match self.input {
            None => self.linear.forward_host(x)?,
            Some(bounds) => {
                let mut clipped = x.columns(0, x.width());
                clip(&mut clipped, bounds);
                self.linear.forward_host(&clipped)?
            }
        };
        if let Some(bounds) = self.output {
            clip(&mut out, bounds);
        }
        Ok(out)
    }
}

/// Never fails, whatever the bounds of a damaged file are.
fn clip(x: &mut [f32], [least, most]: [f32; 2]) {
    x.iter_mut().for_each(|x| *x = x.max(least).min(most));
}
