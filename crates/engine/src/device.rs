//! The device that a model computes on beside the CPU, if there is one: what of the model goes there, and how much memory
//! that takes. Decided once for each load, from the file's header and what the device has free at that moment.

use std::fmt;

use lantern_gguf::GgufFile;
use lantern_models::devices::{self, DeviceInfo};
use lantern_models::{Compute, LayerCache, ModelBytes, ModelConfig, Placement, PlacementWish, Split};

use crate::error::{EngineError, size};
use crate::kv_demand::KvDemand;
use crate::memory::{self, MemoryPlan};
use crate::options::EngineOptions;

/// What a driver and its libraries take as they are used.
const DRIVER_BYTES: u64 = 256 << 20;

/// What computes beside the CPU, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceUse {
    /// The CPU computes alone.
    None {
        /// Why.
        reason: String,
    },
    /// A device computes a part.
    Part {
        /// Its kind and name.
        device: String,
        /// Which part.
        part: DevicePart,
    },
}

/// The part of a model on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePart {
    /// What computes there.
    pub placement: Placement,
    /// Whether the model has experts.
    pub has_experts: bool,
    /// The weights there.
    pub weight_bytes: u64,
    /// Keys and values there when the cache is full.
    pub kv_bytes: u64,
    /// Activations there, and what the driver takes.
    pub scratch_bytes: u64,
    /// What the device has free.
    pub available_bytes: u64,
    /// What decides about the size of the cache there.
    pub(crate) kv: KvDemand,
    /// Bytes of the file that host memory need not hold.
    pub(crate) spared_bytes: u64,
    /// Whether the device's memory is that of the host.
    pub(crate) shares_memory: bool,
}

/// A model's memory, and how its parts compute.
pub(crate) struct Placed {
    pub(crate) plan: MemoryPlan,
    pub(crate) split: Split,
    pub(crate) device: DeviceUse,
}

/// A device that a model may be planned for. Tests put another in its place.
pub(crate) struct Found {
    pub(crate) info: DeviceInfo,
    /// Makes it ready; done only when a model is loaded.
    pub(crate) open: fn(&DeviceInfo) -> Result<Compute, String>,
}

/// Looks for the device that models compute on. What is wrong comes back in words.
pub(crate) fn find(options: &EngineOptions) -> Result<Found, String> {
    if options.gpu_layers == Some(0) {
        return Err("it is to be left alone".to_owned());
    }
    let first = devices::devices()?.into_iter().next().ok_or("no device was found")?;
    let open = |info: &DeviceInfo| Ok(Compute::tensors(devices::open(info)?));
    Ok(Found { info: first, open })
}

/// Plans a model's memory and says how each of its parts computes. Without a device, or when it fails to start, the CPU
/// does everything, unless layers were asked for on a GPU by number.
pub(crate) fn place(
    file: &GgufFile,
    config: &ModelConfig,
    options: &EngineOptions,
    found: Result<Found, String>,
) -> Result<Placed, EngineError> {
    let host = || Compute::kernels(options.resolved_threads());
    let alone = |plan: MemoryPlan, reason| {
        let split = Split::from(host()).for_context(plan.context_length);
        let split = split.with_expert_memory(plan.expert_limit());
        Placed { plan, split, device: DeviceUse::None { reason } }
    };
    let (plan, part) = plan(file, config, options, found.as_ref().map_err(String::clone))?;
    let (found, part) = match (found, part) {
        (Ok(found), Ok(part)) => (found, part),
        (Err(reason), _) | (_, Err(reason)) => return Ok(alone(plan, reason)),
    };
    match (found.open)(&found.info) {
        Ok(device) => {
            let split = Split::new(host(), device, part.placement)?.for_context(plan.context_length);
            let split = split.with_expert_memory(plan.expert_limit());
            Ok(Placed { plan, split, device: DeviceUse::Part { device: name(&found.info), part } })
        }
        Err(reason) => {
            let reason = format!("{} cannot be used: {reason}", name(&found.info));
            let (plan, _) = self::plan(file, config, options, Err(reason.clone()))?;
            Ok(alone(plan, reason))
        }
    }
}

/// Plans a model's memory without touching the device: the part there, or in words why there is none.
pub(crate) fn plan(
    file: &GgufFile,
    config: &ModelConfig,
    options: &EngineOptions,
    found: Result<&Found, String>,
) -> Result<(MemoryPlan, Result<DevicePart, String>), EngineError> {
    let part = match found {
        Ok(found) => DevicePart::plan(file, config, options, &found.info)?,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = &part {
        require_none(options, reason)?;
    }
    let alone = || memory::plan(file, config, options, None);
    let part = match part {
        Ok(part) => part,
        Err(reason) => return Ok((alone()?, Err(reason))),
    };
    match memory::plan(file, config, options, Some(&part)) {
        Ok(plan) => {
            let part = plan.device.clone().unwrap_or(part);
            Ok((plan, Ok(part)))
        }
        // Where both share one memory, what the device would take may be missing on the host.
        Err(error) if options.gpu_layers.is_none() => Ok((alone()?, Err(error.to_string()))),
        Err(error) => Err(error),
    }
}

/// Layers that were asked for by number are not left to the CPU without a word.
fn require_none(options: &EngineOptions, reason: &str) -> Result<(), EngineError> {
    match options.gpu_layers {
        Some(layers) if layers > 0 => Err(EngineError::NoDevice { layers, reason: reason.to_owned() }),
        _ => Ok(()),
    }
}

/// The name of a device in reports.
fn name(info: &DeviceInfo) -> String {
    format!("{} {}, {}", info.kind, info.index, info.name)
}

impl DevicePart {
    /// The part of a model that a device takes, with keys and values of the context that is wanted; in words why there is
    /// none. More layers than fit, asked for by number, are refused.
    fn plan(
        file: &GgufFile,
        config: &ModelConfig,
        options: &EngineOptions,
        info: &DeviceInfo,
    ) -> Result<Result<Self, String>, EngineError> {
        if !options.kv_type.fits_tensors() {
            let kv_type = options.kv_type.name();
            return Ok(Err(format!("the processor alone can keep keys and values as {kv_type}")));
        }
        let context = memory::wanted_context(config, options);
        let (layout, kv_type) = (&config.kv_layout, options.kv_type);
        let kv_of =
            |layers| KvDemand::of_layers(layout, layers, kv_type, options.max_sequences, options.step_tokens);
        let kv = kv_of(0..usize::MAX);
        let tokens = |layer: &LayerCache| kv.least_tokens(layer.reach(), context);
        let bytes = ModelBytes::of(file, config, kv_type, tokens);
        let scratch_bytes = ModelBytes::scratch(config, options.step_tokens, context) + DRIVER_BYTES;
        // The rest is left to whoever draws on the screen.
        let available_bytes = info.free_bytes - info.free_bytes / 20;
        let room = available_bytes.saturating_sub(scratch_bytes);
        let planned = |device_layers| {
            let wish = PlacementWish { device_layers, ..wish(options) };
            Placement::plan(&bytes, room, &wish)
        };
        let placement = planned(options.gpu_layers.map(|layers| layers as usize));
        if placement.device_layers == 0 {
            let least = scratch_bytes + bytes.on_device(&Placement { device_layers: 1, ..placement });
            return Ok(Err(format!(
                "{} has {} free, and one layer with its work space needs {}",
                name(info),
                size(available_bytes),
                size(least)
            )));
        }
        let needed = scratch_bytes + bytes.on_device(&placement);
        if needed > available_bytes {
            return Err(EngineError::DeviceTooSmall {
                device: name(info),
                layers: placement.device_layers,
                needed,
                available: available_bytes,
                fitting: planned(None).device_layers,
            });
        }
        let weights = bytes.device_weights(&placement);
        let kv_bytes = bytes.device_kv(&placement);
        Ok(Ok(DevicePart {
            placement,
            has_experts: bytes.has_experts(),
            weight_bytes: weights.device,
            kv_bytes,
            scratch_bytes,
            available_bytes,
            // A head behind the last block goes with it.
            kv: kv_of(placement.n_layers - placement.device_layers..usize::MAX),
            spared_bytes: weights.host,
            shares_memory: info.shares_memory,
        }))
    }

    /// Weights, cache and work space together.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }

    /// The first layer on the device.
    pub(crate) fn first_layer(&self) -> usize {
        self.placement.n_layers - self.placement.device_layers
    }

    /// What is left for keys and values.
    pub(crate) fn room_for_kv(&self) -> u64 {
        self.available_bytes.saturating_sub(self.weight_bytes + self.scratch_bytes)
    }
}

fn wish(options: &EngineOptions) -> PlacementWish {
    let layers = |asked: Option<u32>| asked.map(|layers| layers as usize);
    PlacementWish {
        device_layers: layers(options.gpu_layers),
        host_expert_layers: layers(options.cpu_expert_layers),
    }
}

impl fmt::Display for DeviceUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceUse::None { reason } => write!(f, "none: {reason}"),
            DeviceUse::Part { device, part } => write!(f, "{device}: {part}"),
        }
    }
}

impl fmt::Display for DevicePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Placement { n_layers, device_layers, device_expert_layers, device_head } = self.placement;
        write!(f, "{device_layers} of {n_layers} layers")?;
        if self.has_experts {
            write!(f, ", the experts of {device_expert_layers}")?;
        }
        if device_head {
            write!(f, ", the head")?;
        }
        write!(f, "; {} of {} free", size(self.total_bytes()), size(self.available_bytes))
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
