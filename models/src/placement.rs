//! Which part of a model computes on a device and which on the CPU: a pure function of sizes.
//!
//! Blocks go to the device from the last one backwards, and the head goes with them, so that a step crosses from the CPU
//! to the device once. The experts of a block may stay on the CPU while the rest of the block computes on the device: they
//! are most of such a model's bytes and the smallest part of its work, so all blocks without their experts come before
//! any experts. Qwen3-30B-A3B in Q4_K_M has 48 blocks of 12 MB, with keys and values of 17 MB for 8192 tokens, and the experts
//! of each have 366 MB. A device of 8 GiB gets all blocks and the experts of 15 instead of 18 whole blocks, one of 12 GiB
//! the experts of 27, and one of 24 GiB everything. Of the dense Qwen3-8B 4 GiB hold 18 of 36 blocks, and 8 GiB all.
//!
//! A file is not read here and nothing is allocated; [`crate::ModelBytes`] says what the sizes are.

use crate::ModelBytes;

/// What a person wants; what is left open is planned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlacementWish {
    /// How many blocks, the last ones, compute on the device, whether there is room or not. More than there are means all.
    pub device_layers: Option<usize>,
    /// How many blocks, the first ones, keep their experts on the CPU. More than there are means all.
    pub host_expert_layers: Option<usize>,
}

/// Where the parts of a model compute. The tables of embeddings always stay in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placement {
    /// Blocks of the model.
    pub n_layers: usize,
    /// How many of them, the last ones, compute on the device.
    pub device_layers: usize,
    /// How many, the last ones, have their experts there as well; no more than `device_layers` count.
    pub device_expert_layers: usize,
    /// Whether the head does.
    pub device_head: bool,
}

/// One of the two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// The CPU.
    Host,
    /// The device.
    Device,
}

/// What a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What comes before the first block.
    Input,
    /// A block without its experts.
    Block(usize),
    /// The experts of a block.
    Experts(usize),
    /// What comes after the last block.
    Head,
}

impl Part {
    /// By the names that GGUF files share.
    pub(crate) fn of(tensor: &str) -> Part {
        let in_block = tensor.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        match in_block.and_then(|(layer, name)| Some((layer.parse().ok()?, name))) {
            Some((layer, name)) if name.contains("_exps.") => Part::Experts(layer),
            Some((layer, _)) => Part::Block(layer),
            None if tensor.starts_with("output") => Part::Head,
            None => Part::Input,
        }
    }
}

impl Placement {
    /// Everything on the CPU.
    pub fn host(n_layers: usize) -> Self {
        Placement { n_layers, ..Placement::default() }
    }

    /// As many of the last blocks as given, with their experts, and the head if there is a block.
    pub fn last(n_layers: usize, device_layers: usize) -> Self {
        let device_layers = device_layers.min(n_layers);
        Placement {
            n_layers,
            device_layers,
            device_expert_layers: device_layers,
            device_head: device_layers > 0,
        }
    }

    /// Decides for a model that may take `room` bytes of a device, beside what a step works with there.
    pub fn plan(model: &ModelBytes, room: u64, wish: &PlacementWish) -> Self {
        let n_layers = model.blocks.len();
        let place = |device_layers: usize, device_head: bool| {
            let wished = wish.host_expert_layers.map(|host| n_layers.saturating_sub(host));
            let device_expert_layers = wished.unwrap_or(0).min(device_layers);
            Placement { n_layers, device_layers, device_expert_layers, device_head }
        };
        let mut placement = match wish.device_layers {
            Some(asked) => place(asked.min(n_layers), asked > 0),
            None => {
                let fits = |placement: &Placement| model.on_device(placement) <= room;
                let most = |head: bool| {
                    let layers =
                        (1..=n_layers).rev().filter(|&layers| model.may_split_before(n_layers - layers));
                    layers.map(|layers| place(layers, head)).find(fits)
                };
                // A head alone is not worth the way.
                most(true).or_else(|| most(false)).unwrap_or(Placement::host(n_layers))
            }
        };
        if wish.host_expert_layers.is_none() {
            placement.fill_with_experts(model, room);
        }
        placement
    }

    /// Takes the experts of as many of the last blocks on the device as there is room for.
    fn fill_with_experts(&mut self, model: &ModelBytes, room: u64) {
        let with = |device_expert_layers| Placement { device_expert_layers, ..*self };
        let fitting = (1..=self.device_layers).take_while(|&n| model.on_device(&with(n)) <= room).last();
        self.device_expert_layers = fitting.unwrap_or(0);
    }

    /// Where a part computes.
    pub(crate) fn site(&self, part: Part) -> Site {
        let among_last = |layer: usize, count: usize| layer + count >= self.n_layers && count > 0;
        let on_device = match part {
            Part::Input => among_last(0, self.device_layers),
            Part::Block(layer) => among_last(layer, self.device_layers),
            Part::Experts(layer) => among_last(layer, self.device_expert_layers.min(self.device_layers)),
            Part::Head => self.device_head,
        };
        if on_device { Site::Device } else { Site::Host }
    }
}

#[cfg(test)]
mod tests;
