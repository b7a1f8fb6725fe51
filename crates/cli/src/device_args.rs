//! Options that say what of a model computes on the GPU; without them it is planned from what fits.

use clap::builder::TypedValueParser;

#[derive(clap::Args, Clone, Copy, Default)]
#[command(next_help_heading = "GPU")]
pub struct DeviceArgs {
    /// Layers that compute on the GPU, the last ones: a number, or all; 0 leaves the GPU alone [default: as many as fit]
    #[arg(long, value_name = "N", value_parser = layers())]
    pub gpu_layers: Option<u32>,
    /// Layers whose experts stay on the processor, the first ones: a number, or all of them without one [default: those
    /// that do not fit beside the rest]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "all", value_parser = layers())]
    pub experts_on_cpu: Option<u32>,
}

/// A number of layers, or `all`.
fn layers() -> impl TypedValueParser<Value = u32> {
    clap::builder::StringValueParser::new().try_map(|text| match text.as_str() {
        "all" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "a number of layers, or all"),
    })
}
