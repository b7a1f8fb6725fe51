//! Plans of made-up models.

use super::*;
use crate::kv_demand::KvGroup;

/// Layers of attention that take so many bytes for a token.
fn group(window: Option<u32>, bytes_per_token: u64) -> KvGroup {
    KvGroup { reach: Reach::of_window(window), block_bytes: BLOCK_SIZE as u64 * bytes_per_token }
}

const MB: u64 = 1 << 20;

fn kv(groups: Vec<KvGroup>) -> KvDemand {
    KvDemand { groups, max_sequences: 8, step_tokens: 512 }
}

fn demand() -> Demand {
    Demand {
        weights: 100 * MB,
        experts: None,
        scratch: 50 * MB,
        parts: Scratch::default(),
        kv: kv(vec![group(None, 16 << 10)]),
        wanted_context: 8192,
        available: 4096 * MB,
        kv_limit: None,
        device: None,
    }
}

/// Three quarters of the layers have a window of 512.
fn sliding() -> Demand {
    Demand { kv: kv(vec![group(None, 4 << 10), group(Some(512), 12 << 10)]), ..demand() }
}

#[test]
fn plenty_of_memory_gives_four_contexts() {
    let plan = demand().plan().expect("fits");
    assert_eq!((plan.context_length, plan.n_blocks), (8192, vec![4 * 8192 / BLOCK_SIZE]));
    assert_eq!(plan.kv_bytes, 512 * MB);
}

#[test]
fn layers_with_a_window_have_room_for_windows() {
    let plan = sliding().plan().expect("fits");
    // 511 positions touch 17 blocks at most, and each sequence begins another; 512 tokens of a step fill 16.
    assert_eq!(plan.n_blocks, [4 * 256, 2 * 8 * 18 + 16]);
    assert_eq!(plan.kv_bytes, 32 * ((1024 * 4 + 304 * 12) << 10));
    assert_eq!(plan.max_sequences, 8);
}

#[test]
fn a_context_hardly_longer_than_a_window_is_kept_whole() {
    let of = |wanted_context| {
        let plan = Demand { wanted_context, ..sliding() }.plan().expect("fits");
        (plan.reaches, plan.n_blocks)
    };
    // Eight windows and a step are 160 blocks; four contexts of 1024 tokens are 128, of 2048 tokens 256.
    assert_eq!(of(1024), (vec![Reach::All, Reach::All], vec![128, 128]));
    assert_eq!(of(2048), (vec![Reach::All, Reach::Window(512)], vec![256, 256]));
    assert_eq!(of(4096), (vec![Reach::All, Reach::Window(512)], vec![512, 304]));
}

#[test]
fn states_are_kept_for_every_sequence_and_a_few_prefixes() {
    let state = KvGroup { reach: Reach::State, block_bytes: 20 * MB };
    let hybrid = Demand { kv: kv(vec![group(None, 4 << 10), state]), ..demand() };
    let plan = hybrid.plan().expect("fits");
    assert_eq!((plan.n_blocks, plan.max_sequences), (vec![4 * 256, 3 * 8 + 8], 8));
    assert_eq!(plan.kv_bytes, 128 * MB + 32 * 20 * MB);
    // 32 MB for a context, 60 for one sequence's states, and half of 80 in both groups alike.
    let plan = Demand { available: 150 * MB + 172 * MB, ..hybrid }.plan().expect("fits");
    assert_eq!((plan.context_length, plan.max_sequences), (8192, 1));
    assert!((3..6).contains(&plan.n_blocks[1]), "{:?}", plan.n_blocks);
}

#[test]
fn windows_make_room_for_a_longer_context() {
    // Without windows 3072 tokens would fit into these 48 MB.
    let plan = Demand { available: 150 * MB + 48 * MB, ..sliding() }.plan().expect("fits");
    assert_eq!((plan.context_length, plan.n_blocks), (8192, vec![256 + 6, 34 + 2]));
    let least = 32 * MB + 34 * 32 * (12 << 10);
    assert!(plan.kv_bytes <= least + (48 * MB - least) / 2, "half of the rest is left alone");
}

#[test]
fn fewer_sequences_run_where_their_windows_do_not_fit() {
    let of = |kv_limit| {
        let plan = Demand { kv_limit: Some(kv_limit), ..sliding() }.plan().expect("fits");
        assert!(plan.kv_bytes <= kv_limit, "{} of {kv_limit}", plan.kv_bytes);
        (plan.context_length, plan.n_blocks[1], plan.max_sequences)
    };
    let one = 32 * MB + 34 * 32 * (12 << 10);
    assert_eq!(of(one), (8192, 34, 1));
    assert_eq!(of(one - 1), (8192 - 32, 34, 1));
    let (_, blocks, sequences) = of(one + 60 * MB);
    assert!((1..8).contains(&sequences) && blocks >= sequences * 18 + 16, "{blocks}, {sequences}");
    let without = Demand { kv_limit: Some(32 * MB), ..demand() }.plan().expect("fits");
    assert_eq!((without.context_length, without.max_sequences), (2048, 8), "no windows, no limit");
}

#[test]
fn the_pool_leaves_half_of_the_rest_alone() {
    // 128 MB for one context and 128 MB on top, of which half is taken.
    let plan = Demand { available: 150 * MB + 256 * MB, ..demand() }.plan().expect("fits");
    assert_eq!((plan.context_length, plan.kv_bytes), (8192, 192 * MB));
}

#[test]
fn the_context_shrinks_before_the_model_is_refused() {
    let plan = Demand { available: 150 * MB + 48 * MB, ..demand() }.plan().expect("2048 tokens fit");
    assert_eq!((plan.context_length, plan.wanted_context), (3072, 8192));
    assert_eq!(plan.kv_bytes, 48 * MB);
}

#[test]
fn a_refusal_proposes_a_smaller_context() {
    let error = Demand { available: 150 * MB + 16 * MB, ..demand() }.plan().expect_err("1024 is too few");
    assert_eq!(error.code(), "model_too_large");
    assert!(error.next_step().contains("at most 1024 tokens"), "{}", error.next_step());
    let asked = Demand { available: 166 * MB, wanted_context: 1024, ..demand() }.plan();
    assert_eq!(asked.expect("what was proposed is accepted").context_length, 1024);
}

#[test]
fn a_refusal_proposes_a_smaller_file() {
    let error = Demand { available: 90 * MB, ..demand() }.plan().expect_err("the file alone is larger");
    let (words, step) = (error.to_string(), error.next_step());
    assert!(words.contains("105 MB") && words.contains("94.4 MB"), "needs numbers: {words}");
    assert!(step.contains("a file of up to"), "{step}");
}

#[test]
fn a_limit_on_the_cache_is_kept() {
    let plan = Demand { kv_limit: Some(160 * MB), ..demand() }.plan().expect("fits");
    assert!(plan.kv_bytes <= 160 * MB && plan.context_length == 8192);
    let error = Demand { kv_limit: Some(MB), ..demand() }.plan().expect_err("64 tokens are too few");
    assert!(error.next_step().contains("Allow the cache"), "{}", error.next_step());
}

#[test]
fn one_sequence_leaves_windows_behind_that_are_kept_while_there_is_room() {
    let plan = sliding().plan().expect("fits");
    // Of the window's 304 blocks it passes 256, as of those without a window.
    assert_eq!(plan.alone.kv_bytes, 256 * 32 * (16 << 10));
    let plan = Demand { kv_limit: Some(48 * MB), ..sliding() }.plan().expect("fits");
    assert_eq!(
        plan.alone.kv_bytes,
        32 * ((256 * 4 + plan.n_blocks[1] as u64 * 12) << 10),
        "there are no more"
    );
}

#[test]
fn loading_takes_more_than_a_short_context() {
    let alone = |context| {
        let scratch = Scratch { tokenizer: 3 * MB, program: 20 * MB, logits: MB, ..Scratch::default() };
        let plan = Demand { parts: scratch, wanted_context: context, ..demand() }.plan().expect("fits");
        plan.alone_bytes()
    };
    assert_eq!(alone(512), (100 + 23 + 16) * MB, "a piece of the file beside its tiles");
    assert_eq!(alone(2048), (100 + 23 + 1 + 32) * MB);
}

/// 900 MB of experts beside 100 MB of other weights.
fn experts(available: u64, asked: Option<u64>) -> Demand {
    let experts = Some(ExpertDemand { total: 900 * MB, least: 60 * MB, asked });
    Demand { weights: 1000 * MB, experts, available, ..demand() }
}

#[test]
fn experts_get_what_is_left_when_they_do_not_all_fit() {
    let memory = |available| {
        let plan = experts(available, None).plan().expect("fits");
        assert!(plan.total_bytes() <= available, "{} of {available}", plan.total_bytes());
        let experts = plan.experts.expect("it has experts");
        assert_eq!(plan.weight_bytes, 100 * MB + experts.memory_bytes);
        (experts.memory_bytes, plan.context_length, experts.limit())
    };
    // 1000 MB of weights, 50 of work space, and 32 for 2048 tokens.
    assert_eq!(memory(1082 * MB), (900 * MB, 2048, None), "as any other model");
    // Beside 100 and 50 and 128 for the whole context, and without a twentieth.
    let left = (1081 - 278) * MB;
    assert_eq!(memory(1081 * MB), (left - left / 20, 8192, Some(left - left / 20)));
    assert_eq!(memory(478 * MB).0, 190 * MB);
    // At least what a layer needs; then the context shrinks.
    assert_eq!(memory(278 * MB).0, 60 * MB);
    assert_eq!(memory(242 * MB).1, 2048);
}

#[test]
fn experts_get_what_the_caller_says() {
    let plan = |asked, available| experts(available, Some(asked)).plan();
    let planned = plan(300 * MB, 4096 * MB).expect("fits");
    assert_eq!((planned.weight_bytes, planned.experts.and_then(|e| e.limit())), (400 * MB, Some(300 * MB)));
    let planned = plan(5000 * MB, 4096 * MB).expect("all of them are enough");
    assert_eq!((planned.weight_bytes, planned.experts.and_then(|e| e.limit())), (1000 * MB, None));
    let error = plan(300 * MB, 400 * MB).expect_err("more than there is");
    assert_eq!(error.code(), "model_too_large");
    let step = error.next_step();
    assert!(step.contains("Beside its experts, of which 315 MB"), "{step}");
}

#[test]
fn a_model_is_refused_whose_other_weights_do_not_fit() {
    let error = experts(241 * MB, None).plan().expect_err("one megabyte too little");
    let EngineError::ModelTooLarge { needed, weights, .. } = error else { panic!("{error}") };
    assert_eq!((needed, weights), ((160 + 50 + 32) * MB, 160 * MB), "with the least of its experts");
}

#[test]
fn this_machine_has_memory() {
    assert!(available_bytes() > 64 * MB);
    if cfg!(target_os = "linux") {
        assert!(peak_rss_bytes().expect("Linux reports it") > MB);
    }
}
