//! Placements of models at their true sizes, in Q4_K_M with a cache of 8192 tokens, or of their windows, in f16.

use lantern_gguf::GgmlType;

use super::*;
use crate::{BlockBytes, KvLayout, KvType, LayerCache, LayerKvShape, ModelConfig, WeightBytes};

const CONTEXT: usize = 8192;

/// The sizes of a model that placements depend on.
struct Shape {
    layers: usize,
    hidden: usize,
    vocab: usize,
    heads: usize,
    /// Key-value heads and their size in a layer, and the tokens it keeps.
    kv: fn(usize) -> (usize, usize, usize),
    /// Width of the network beside the experts, or of the only one; 0 for none.
    inner: usize,
    /// Experts and their width.
    experts: Option<(usize, usize)>,
}

/// Rows of some values each, as `llama-quantize` keeps them: another type where rows are not whole blocks of 256.
fn matrix(more_bits: bool, cols: usize, rows: usize) -> u64 {
    let ty = match (more_bits, cols.is_multiple_of(256)) {
        (false, true) => GgmlType::Q4K,
        (false, false) => GgmlType::Q5_0,
        (true, true) => GgmlType::Q6K,
        (true, false) => GgmlType::Q8_0,
    };
    (ty.row_bytes(cols).expect("whole blocks") * rows) as u64
}

impl Shape {
    fn bytes(&self) -> ModelBytes {
        let same = |bytes| WeightBytes { host: bytes, device: bytes };
        let block = |layer: usize| {
            let eighth = self.layers / 8;
            let outer = layer < eighth || layer >= 7 * self.layers / 8;
            let more = outer || (layer - eighth) % 3 == 2;
            let (hidden, (kv_heads, head_dim, tokens)) = (self.hidden, (self.kv)(layer));
            let attention = matrix(false, hidden, (self.heads + kv_heads) * head_dim)
                + matrix(more, hidden, kv_heads * head_dim)
                + matrix(false, self.heads * head_dim, hidden);
            let network = |inner: usize| match inner {
                0 => 0,
                inner => matrix(false, hidden, 2 * inner) + matrix(more, inner, hidden),
            };
            let (count, width) = self.experts.unwrap_or_default();
            let router = (4 * hidden * count) as u64;
            BlockBytes {
                shared: same(attention + network(self.inner) + router),
                experts: same(count as u64 * network(width)),
                kv: (2 * KvType::F16.row_bytes(kv_heads * head_dim) * tokens) as u64,
            }
        };
        ModelBytes {
            blocks: (0..self.layers).map(block).collect(),
            head: same(matrix(true, self.hidden, self.vocab)),
            ..ModelBytes::default()
        }
    }

    /// The room on a device of so many GiB, as the engine leaves it.
    fn room(&self, gib: u64) -> u64 {
        let layer = |layer| {
            let (n_kv_heads, head_dim, _) = (self.kv)(layer);
            LayerCache::Attention(LayerKvShape { n_kv_heads, head_dim, window: None })
        };
        let config = ModelConfig {
            architecture: "any".to_owned(),
            name: None,
            vocab_size: self.vocab,
            context_length: CONTEXT,
            n_layers: self.layers,
            hidden_size: self.hidden,
            n_heads: self.heads,
            pictures: crate::PictureInput::default(),
            kv_layout: KvLayout { layers: (0..self.layers).map(layer).collect() },
            n_parameters: 0,
        };
        (gib << 30) * 19 / 20 - ModelBytes::scratch(&config, 512, CONTEXT) - (256 << 20)
    }

    /// Layers on a device of so many GiB, and layers whose experts are there.
    fn planned(&self, gib: u64, wish: PlacementWish) -> (usize, usize) {
        let (bytes, room) = (self.bytes(), self.room(gib));
        let placement = Placement::plan(&bytes, room, &wish);
        if wish == PlacementWish::default() {
            assert!(bytes.on_device(&placement) <= room, "{placement:?} does not fit {gib} GiB");
            assert!(placement.device_head || placement.device_layers == 0);
        }
        (placement.device_layers, placement.device_expert_layers)
    }
}

fn qwen3_30b_a3b() -> Shape {
    let kv = |_| (4, 128, CONTEXT);
    Shape { layers: 48, hidden: 2048, vocab: 151_936, heads: 32, kv, inner: 0, experts: Some((128, 768)) }
}

fn gemma4_26b_a4b() -> Shape {
    // Every sixth layer looks at everything, with fewer and larger heads. The others have a window of 1024 tokens: 34
    // blocks of 32, and those of a step of 512.
    let kv = |layer| if layer % 6 == 5 { (2, 512, CONTEXT) } else { (8, 256, 50 * 32) };
    let experts = Some((128, 704));
    Shape { layers: 30, hidden: 2816, vocab: 262_144, heads: 16, kv, inner: 2112, experts }
}

fn qwen3_8b() -> Shape {
    let kv = |_| (8, 128, CONTEXT);
    Shape { layers: 36, hidden: 4096, vocab: 151_936, heads: 32, kv, inner: 12_288, experts: None }
}

fn llama_70b() -> Shape {
    let kv = |_| (8, 128, CONTEXT);
    Shape { layers: 80, hidden: 8192, vocab: 128_256, heads: 64, kv, inner: 28_672, experts: None }
}

const PLAN: PlacementWish = PlacementWish { device_layers: None, host_expert_layers: None };

#[test]
fn the_shapes_are_those_of_the_files() {
    let gigabytes = |shape: Shape| {
        let bytes = shape.bytes();
        let blocks = bytes.blocks.iter().map(|block| block.shared.host + block.experts.host);
        (blocks.sum::<u64>() + bytes.head.host) as f64 / 1e9
    };
    for (shape, expected) in
        [(qwen3_30b_a3b(), 18.4), (gemma4_26b_a4b(), 16.6), (qwen3_8b(), 4.7), (llama_70b(), 41.9)]
    {
        let found = gigabytes(shape);
        assert!((found / expected - 1.0).abs() < 0.05, "{found:.1} GB instead of {expected}");
    }
}

#[test]
fn dense_models_get_as_many_whole_layers_as_fit() {
    assert_eq!([4, 6, 8, 12].map(|gib| qwen3_8b().planned(gib, PLAN).0), [18, 32, 36, 36]);
    assert_eq!([8, 12, 24, 48].map(|gib| llama_70b().planned(gib, PLAN).0), [10, 18, 41, 80]);
}

#[test]
fn all_layers_come_before_any_experts() {
    assert_eq!(
        [4, 8, 12, 24].map(|gib| qwen3_30b_a3b().planned(gib, PLAN)),
        [(48, 4), (48, 15), (48, 27), (48, 48)]
    );
    assert_eq!([8, 12, 24].map(|gib| gemma4_26b_a4b().planned(gib, PLAN)), [(30, 9), (30, 18), (30, 30)]);
    let (layers, experts) = qwen3_30b_a3b().planned(2, PLAN);
    assert!(layers < 48 && experts == 0, "{layers} layers and the experts of {experts} in 2 GiB");
}

#[test]
fn what_a_person_wants_is_done() {
    let wish = |device_layers, host_expert_layers| PlacementWish { device_layers, host_expert_layers };
    let qwen = qwen3_30b_a3b();
    assert_eq!(qwen.planned(24, wish(Some(10), None)), (10, 10), "experts fill the room");
    assert_eq!(qwen.planned(24, wish(Some(99), Some(99))), (48, 0));
    assert_eq!(qwen.planned(24, wish(None, Some(40))), (48, 8), "the first 40 keep theirs on the CPU");
    assert_eq!(qwen.planned(24, wish(Some(4), Some(46))), (4, 2));
    assert_eq!(qwen.planned(24, wish(Some(0), None)), (0, 0));
    // Whole layers where experts may not stay behind.
    let (layers, experts) = qwen.planned(8, wish(None, Some(0)));
    assert_eq!((layers, experts), (18, 18));
    // More than fits is the caller's to refuse.
    let placement = Placement::plan(&llama_70b().bytes(), llama_70b().room(8), &wish(Some(80), None));
    assert_eq!(placement.device_layers, 80);
}

#[test]
fn layers_that_look_at_the_keys_of_others_are_not_parted_from_them() {
    let mut bytes = qwen3_8b().bytes();
    bytes.first_shared_cache = Some(10);
    let planned = |room| {
        let Placement { device_layers, device_head, .. } = Placement::plan(&bytes, room, &PLAN);
        (device_layers, device_head)
    };
    let from_the_tenth = bytes.on_device(&Placement::last(36, 26));
    assert_eq!(planned(from_the_tenth), (26, true));
    // One layer less would fit with the head, 26 fit without it.
    assert_eq!(planned(from_the_tenth - bytes.head.device), (26, false));
    assert_eq!(planned(from_the_tenth - bytes.head.device - 1), (0, false));
}

#[test]
fn a_head_that_does_not_fit_stays_behind() {
    let bytes = qwen3_8b().bytes();
    let block = bytes.blocks[35];
    let placement = Placement::plan(&bytes, block.shared.device + block.kv, &PLAN);
    assert_eq!((placement.device_layers, placement.device_head), (1, false));
    assert_eq!(Placement::plan(&bytes, block.shared.device, &PLAN), Placement::host(36));
}

#[test]
fn parts_are_told_by_their_names() {
    for (name, part) in [
        ("token_embd.weight", Part::Input),
        ("per_layer_model_proj", Part::Input),
        ("blk.7.attn_q", Part::Block(7)),
        ("blk.12.ffn_gate_inp.weight", Part::Block(12)),
        ("blk.12.ffn_gate_up_exps.weight", Part::Experts(12)),
        ("output_norm", Part::Head),
        ("output.weight", Part::Head),
        ("blk.x.attn_q", Part::Input),
    ] {
        assert_eq!(Part::of(name), part, "{name}");
    }
    let placement = Placement { device_expert_layers: 1, ..Placement::last(4, 2) };
    let on_device = |part| placement.site(part) == Site::Device;
    assert!(on_device(Part::Block(2)) && !on_device(Part::Experts(2)) && on_device(Part::Experts(3)));
    assert!(!on_device(Part::Block(1)) && !on_device(Part::Input) && on_device(Part::Head));
    let more_experts_than_layers = Placement { device_expert_layers: 3, ..Placement::last(4, 2) };
    assert_eq!(more_experts_than_layers.site(Part::Experts(1)), Site::Host);
    let none = Placement::host(4);
    assert!((0..4).all(|layer| none.site(Part::Block(layer)) == Site::Host));
}
