//! Models beside a device, with candle operations on the CPU standing in for one.

use std::path::PathBuf;

use lantern_models::{Device, KvType, registry};

use super::*;
use crate::engine::{Engine, Parts};
use crate::request::{GenerateRequest, GenerationEvent, Prompt};
use crate::text::SamplingParams;

const MB: u64 = 1 << 20;

/// Two layers with experts, in floats: both ways of computing give the same tokens.
const MODEL: &str = "qwen3moe-F32.gguf";

fn path(name: &str) -> PathBuf {
    lantern_golden::path("models").join(name)
}

fn stand_in(free_bytes: u64) -> Found {
    let name = "stand-in".to_owned();
    let info = DeviceInfo {
        kind: "CUDA",
        index: 0,
        name,
        total_bytes: free_bytes,
        free_bytes,
        shares_memory: false,
    };
    Found { info, open: |_| Ok(Compute::tensors(Device::Cpu)) }
}

fn options() -> EngineOptions {
    EngineOptions { threads: 2, context_length: Some(256), ..EngineOptions::default() }
}

fn placed(options: &EngineOptions, found: Result<Found, String>) -> Result<Placed, EngineError> {
    let file = GgufFile::open(&path(MODEL)).expect("the golden model is part of the repository");
    place(&file, &registry::config(&file).expect("it is supported"), options, found)
}

fn part(device: &DeviceUse) -> DevicePart {
    match device {
        DeviceUse::Part { part, .. } => part.clone(),
        DeviceUse::None { reason } => panic!("nothing is on the device: {reason}"),
    }
}

fn reason(device: &DeviceUse) -> &str {
    match device {
        DeviceUse::None { reason } => reason,
        DeviceUse::Part { .. } => panic!("something is on the device: {device}"),
    }
}

/// What one layer more takes decides; everything else is work space.
fn work_space() -> u64 {
    part(&placed(&options(), Ok(stand_in(4096 * MB))).expect("it fits").device).scratch_bytes
}

#[test]
fn more_memory_brings_more_layers_and_never_more_than_there_is() {
    let (mut layers, mut experts) = (vec![], vec![]);
    let room = |step: u64| (work_space() + step * 32768) / 19 * 20 + 20;
    for free in (0..60).map(room) {
        let placed = placed(&options(), Ok(stand_in(free))).expect("the CPU takes the rest");
        let DeviceUse::Part { part, .. } = placed.device else { continue };
        assert!(part.total_bytes() <= part.available_bytes && part.available_bytes <= free, "{part}");
        assert_eq!(placed.plan.device.as_ref(), Some(&part));
        let Placement { n_layers, device_layers, device_expert_layers, .. } = part.placement;
        assert!(device_layers == n_layers || device_expert_layers == 0, "{part}");
        layers.push(device_layers);
        experts.push(device_expert_layers);
    }
    assert!(layers.is_sorted() && experts.is_sorted(), "{layers:?} {experts:?}");
    let n_layers = layers.last().copied().unwrap_or(0);
    assert!(layers[0] < n_layers && experts.last() == Some(&n_layers), "{layers:?} {experts:?}");
}

#[test]
fn the_host_is_charged_for_what_stays_there() {
    let alone = placed(&options(), Err("none".to_owned())).expect("it fits").plan;
    let beside = placed(&options(), Ok(stand_in(4096 * MB))).expect("it fits");
    let part = part(&beside.device);
    assert_eq!(part.placement, Placement::last(part.placement.n_layers, part.placement.n_layers));
    // Weights in floats are as large there as here, and the tables of embeddings are not among them.
    assert_eq!(beside.plan.weight_bytes + part.weight_bytes, alone.weight_bytes);
    assert_eq!((beside.plan.kv_bytes, beside.plan.n_blocks), (0, alone.n_blocks));
    assert_eq!(part.kv_bytes, alone.kv_bytes);

    let mut shared = stand_in(4096 * MB);
    shared.info.shares_memory = true;
    let shared = placed(&options(), Ok(shared)).expect("it fits").plan;
    assert_eq!(shared.weight_bytes, alone.weight_bytes, "moved, not doubled");
    assert_eq!(shared.kv_bytes, alone.kv_bytes);
    assert_eq!(shared.scratch_bytes, alone.scratch_bytes + part.scratch_bytes);
}

#[test]
fn without_a_device_the_cpu_computes_and_the_reason_is_told() {
    let none = placed(&options(), Err("this build computes on the processor alone".to_owned()));
    assert_eq!(reason(&none.expect("it fits").device), "this build computes on the processor alone");
    let small = placed(&options(), Ok(stand_in(MB))).expect("the CPU computes").device;
    assert!(reason(&small).contains("stand-in has 996 kB free, and one layer"), "{small}");
    let broken = Found { open: |_| Err("the driver is too old".to_owned()), ..stand_in(4096 * MB) };
    let broken = placed(&options(), Ok(broken)).expect("the CPU computes");
    assert_eq!(reason(&broken.device), "CUDA 0, stand-in cannot be used: the driver is too old");
    assert_eq!(broken.plan.device, None);
    let cache = EngineOptions { kv_type: KvType::Q8_0, ..options() };
    let cache = placed(&cache, Ok(stand_in(4096 * MB))).expect("the CPU computes").device;
    assert!(reason(&cache).contains("q8_0"), "{cache}");
    assert!(find(&EngineOptions { gpu_layers: Some(0), ..options() }).is_err(), "0 leaves the GPU alone");
}

#[test]
fn layers_asked_for_by_number_are_there_or_refused() {
    let asked =
        |gpu_layers, found| placed(&EngineOptions { gpu_layers: Some(gpu_layers), ..options() }, found);
    let two = part(&asked(2, Ok(stand_in(4096 * MB))).expect("it fits").device).placement;
    assert_eq!((two.device_layers, two.device_expert_layers, two.device_head), (2, 2, true));
    let error = asked(2, Err("no driver".to_owned())).map(|_| ()).expect_err("there is no device");
    assert_eq!(error.code(), "no_device");
    assert!(error.to_string().contains("2 layers") && error.to_string().contains("no driver"), "{error}");
    let error = asked(2, Ok(stand_in(work_space() / 19 * 20 + 20))).map(|_| ()).expect_err("no room");
    assert_eq!(error.code(), "device_too_small");
    assert!(error.next_step().contains("at most 0 layers"), "{}", error.next_step());
    let options = EngineOptions { cpu_expert_layers: Some(1), ..options() };
    let first = part(&placed(&options, Ok(stand_in(4096 * MB))).expect("it fits").device).placement;
    assert_eq!(first.device_expert_layers, first.n_layers - 1);
}

#[test]
fn an_engine_beside_a_device_writes_what_the_cpu_alone_writes() {
    let answer = |options: &EngineOptions, found| {
        let parts = Parts::load_beside(&path(MODEL), options, found).expect("the golden model loads");
        let engine = Engine::start(parts, options).expect("the engine starts");
        let request = GenerateRequest {
            sampling: SamplingParams::greedy(),
            max_tokens: Some(24),
            ..GenerateRequest::new(Prompt::Tokens((0..70).map(|i| i * 7 % 500).collect()))
        };
        let mut stream = engine.generate(request).expect("a good request");
        let mut tokens = Vec::new();
        while let Some(event) = stream.blocking_next() {
            match event {
                GenerationEvent::Text { tokens: more, .. } => tokens.extend(more),
                GenerationEvent::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        (tokens, engine.info().device.clone())
    };
    let (alone, none) = answer(&options(), Err("none".to_owned()));
    assert!(!alone.is_empty() && matches!(none, DeviceUse::None { .. }));
    for (gpu_layers, cpu_expert_layers) in
        [(Some(1), None), (Some(1), Some(99)), (None, Some(1)), (None, None)]
    {
        let options = EngineOptions { gpu_layers, cpu_expert_layers, ..options() };
        let (beside, device) = answer(&options, Ok(stand_in(4096 * MB)));
        assert_eq!(beside, alone, "{device}");
        assert_eq!(part(&device).placement.device_layers, gpu_layers.unwrap_or(2) as usize, "{device}");
    }
}
