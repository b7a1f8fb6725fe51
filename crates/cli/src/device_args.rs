//! Options that say where a model's parts are: what computes on the GPU, and how much memory experts get. Without them it is
//! planned from what fits.

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
    /// Memory for experts on the processor, as 6GiB; those used most stay in it, the others are read from the file when they
    /// are chosen [default: that for all of them or, if that is more than there is, what is left]
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Memory")]
    pub expert_memory: Option<u64>,
}

/// A number of bytes, which may have a unit: of thousands (6GB) or of 1024 (6GiB, 6G).
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no size, such as 6GiB or 500MB");
    let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(letters);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" | "kib" => f64::from(1 << 10),
        "m" | "mib" => f64::from(1 << 20),
        "g" | "gib" => f64::from(1 << 30),
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let bytes = number * factor;
    // 2^60: more than any machine has, and exact.
    if !(0.0..=1.152_921_504_606_847e18).contains(&bytes) {
        return Err(wrong());
    }
    // Whole and not negative by the check.
    format!("{:.0}", bytes).parse().map_err(|_| wrong())
}

/// A number of layers, or `all`.
fn layers() -> impl TypedValueParser<Value = u32> {
    clap::builder::StringValueParser::new().try_map(|text| match text.as_str() {
        "all" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "a number of layers, or all"),
    })
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("6GiB"), Ok(6 << 30));
        assert_eq!(bytes("1.5g"), Ok(3 << 29));
        assert_eq!((bytes("500MB"), bytes("12 kB"), bytes("77")), (Ok(500_000_000), Ok(12_000), Ok(77)));
        for wrong in ["", "GiB", "-1GB", "6 TB", "nan", "1e40", "6GiBs"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
