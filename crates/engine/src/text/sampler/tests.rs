//! Tests of the sampler: exact choices, and distributions with a fixed seed.

use super::*;

fn plain() -> SamplingParams {
    SamplingParams {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: Some(7),
        ..SamplingParams::default()
    }
}

fn draw(params: &SamplingParams, logits: &[f32], times: usize) -> Vec<usize> {
    let mut sampler = Sampler::new(params);
    let mut counts = vec![0; logits.len()];
    for _ in 0..times {
        counts[sampler.sample(&mut logits.to_vec(), &[]).unwrap() as usize] += 1;
    }
    counts
}

fn support(params: &SamplingParams, logits: &[f32]) -> Vec<usize> {
    let counts = draw(params, logits, 2000);
    (0..logits.len()).filter(|&id| counts[id] > 0).collect()
}

#[test]
fn greedy_takes_the_lowest_id_of_equals() {
    let mut sampler = Sampler::new(&SamplingParams::greedy());
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 3.0, -1.0], &[]), Ok(1));
    assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY, -5.0], &[]), Ok(1));
}

#[test]
fn bad_logits_are_an_error_and_not_a_panic() {
    for params in [SamplingParams::greedy(), SamplingParams::default()] {
        let mut sampler = Sampler::new(&params);
        let found = sampler.sample(&mut [0.0, f32::NAN, 1.0], &[]);
        assert_eq!(found, Err(SampleError::NotANumber { count: 1, total: 3 }));
        assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY; 4], &[]), Err(SampleError::NoToken(4)));
        assert_eq!(sampler.sample(&mut [], &[]), Err(SampleError::NoToken(0)));
        assert_eq!(sampler.sample(&mut [0.0, f32::INFINITY, 1.0], &[]), Ok(1));
    }
}

#[test]
fn draws_follow_the_softmax() {
    let logits = [0.0f32, 1.0, 2.0, -1.0];
    let total: f32 = logits.iter().map(|logit| logit.exp()).sum();
    let times = 100_000;
    for (id, &count) in draw(&plain(), &logits, times).iter().enumerate() {
        let (found, expected) = (count as f32 / times as f32, logits[id].exp() / total);
        assert!((found - expected).abs() < 0.005, "token {id}: {found} instead of {expected}");
    }
}

#[test]
fn temperature_sharpens_and_flattens() {
    let logits = [0.0f32, 1.0];
    let share =
        |temperature| draw(&SamplingParams { temperature, ..plain() }, &logits, 50_000)[1] as f32 / 50_000.0;
    for temperature in [0.25f32, 1.0, 4.0] {
        let expected = 1.0 / (1.0 + (-1.0 / temperature).exp());
        let found = share(temperature);
        assert!((found - expected).abs() < 0.01, "temperature {temperature}: {found} instead of {expected}");
    }
}

#[test]
fn each_filter_keeps_what_it_should() {
    // Probabilities 0.5, 0.25, 0.15, 0.1 in shuffled order.
    let logits: Vec<f32> = [0.15f32, 0.5, 0.1, 0.25].iter().map(|p| p.ln()).collect();
    assert_eq!(support(&plain(), &logits), [0, 1, 2, 3]);
    assert_eq!(support(&SamplingParams { top_k: 1, ..plain() }, &logits), [1]);
    assert_eq!(support(&SamplingParams { top_k: 3, ..plain() }, &logits), [0, 1, 3]);
    assert_eq!(support(&SamplingParams { top_p: 0.4, ..plain() }, &logits), [1]);
    assert_eq!(support(&SamplingParams { top_p: 0.7, ..plain() }, &logits), [1, 3]);
    assert_eq!(support(&SamplingParams { top_p: 0.85, ..plain() }, &logits), [0, 1, 3]);
    assert_eq!(support(&SamplingParams { min_p: 0.4, ..plain() }, &logits), [1, 3]);
    assert_eq!(support(&SamplingParams { min_p: 1.0, ..plain() }, &logits), [1]);
    assert_eq!(support(&SamplingParams { top_k: 3, top_p: 0.8, ..plain() }, &logits), [1, 3]);
}

#[test]
fn the_nucleus_of_a_large_vocabulary_is_that_of_a_full_sort() {
    let mut rng = Rng::new(3);
    let logits: Vec<f32> = (0..20_000).map(|_| (rng.unit() * 8.0) as f32).collect();
    for top_p in [0.05f32, 0.5, 0.9, 0.999] {
        let mut sampler = Sampler::new(&SamplingParams { top_p, ..plain() });
        let (max, _) = largest(&logits);
        sampler.weigh(&logits, max);
        let mut sorted = sampler.candidates.clone();
        sorted.sort_by(likelier);
        let total: f64 = sorted.iter().map(|candidate| f64::from(candidate.weight)).sum();
        let (mut sum, mut expected) = (0.0, 0);
        while sum < total * f64::from(top_p) {
            sum += f64::from(sorted[expected].weight);
            expected += 1;
        }
        sampler.truncate();
        let mut ids: Vec<u32> = sorted[..expected].iter().map(|candidate| candidate.id).collect();
        ids.sort_unstable();
        assert_eq!(sampler.candidates.iter().map(|c| c.id).collect::<Vec<_>>(), ids, "top_p {top_p}");
    }
}

#[test]
fn the_likeliest_of_a_large_vocabulary_are_those_of_a_full_sort() {
    let mut rng = Rng::new(5);
    // Few different values, so that equal ones are cut apart; with a rising start, the worst case for a short list.
    let logits: Vec<f32> = (0..20_000)
        .map(|id| if id < 2000 { id as f32 } else { (rng.unit() * 3000.0).floor() as f32 })
        .chain([f32::NEG_INFINITY; 9])
        .collect();
    let mut sorted: Vec<Candidate> =
        logits.iter().enumerate().map(|(id, &weight)| Candidate { id: id as u32, weight }).collect();
    sorted.sort_by(likelier);
    for keep in [1, 2, 40, 1000, 19_999, 20_000, 50_000, u32::MAX as usize] {
        let mut sampler = Sampler::new(&plain());
        sampler.take_likeliest(&logits, keep);
        let ids = |candidates: &[Candidate]| {
            let mut ids: Vec<u32> = candidates.iter().map(|candidate| candidate.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&sampler.candidates), ids(&sorted[..keep.min(20_000)]), "the likeliest {keep}");
    }
    assert_eq!(first_with(&logits, largest(&logits).0), Some(sorted[0].id));
}

#[test]
fn what_is_no_number_is_found_wherever_it_is() {
    for at in [0, 15, 16, 99, 100, 106] {
        let mut logits = [1.0; 107];
        assert_eq!(largest(&logits), (1.0, false));
        logits[at] = f32::NAN;
        assert_eq!(largest(&logits), (1.0, true), "at {at}");
        logits[at] = 2.0;
        assert_eq!((largest(&logits), first_with(&logits, 2.0)), ((2.0, false), Some(at as u32)));
    }
    assert_eq!(largest(&[f32::NEG_INFINITY; 20]), (f32::NEG_INFINITY, false));
}

#[test]
fn penalties_count_the_last_n_tokens_only() {
    let params = SamplingParams {
        temperature: 0.0,
        repeat_penalty: 2.0,
        presence_penalty: 0.5,
        frequency_penalty: 0.25,
        repeat_last_n: 3,
        ..plain()
    };
    let mut sampler = Sampler::new(&params);
    let mut logits = [4.0f32, -1.0, 3.0, 2.0];
    // Window: 0, 1, 0. Token 2 is too old.
    assert_eq!(sampler.sample(&mut logits, &[2, 0, 1, 0]), Ok(2));
    assert_eq!(logits, [4.0 / 2.0 - 0.5 - 2.0 * 0.25, -2.0 - 0.5 - 0.25, 3.0, 2.0]);
    let mut logits = [4.0f32, -1.0, 3.0, 2.0];
    assert_eq!(sampler.sample(&mut logits, &[]), Ok(0), "counts of the last step must be gone");
    assert_eq!(
        sampler.sample(&mut [4.0f32, -1.0, 3.0, 2.0], &[9999]),
        Ok(0),
        "an id outside the vocabulary is ignored"
    );
}

#[test]
fn bias_bans_and_forces() {
    let ban = SamplingParams { logit_bias: vec![(1, f32::NEG_INFINITY), (99, 5.0)], ..plain() };
    assert_eq!(support(&ban, &[0.0, 9.0, 0.0]), [0, 2]);
    let force = SamplingParams { logit_bias: vec![(0, 100.0)], ..plain() };
    assert_eq!(support(&force, &[0.0, 9.0, 0.0]), [0]);
}

#[test]
fn the_seed_fixes_the_tokens() {
    let logits: Vec<f32> = (0..50).map(|i| (i % 7) as f32 * 0.3).collect();
    let run = |seed| {
        let mut sampler = Sampler::new(&SamplingParams { seed, ..SamplingParams::default() });
        (0..40).map(|_| sampler.sample(&mut logits.clone(), &[]).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(Some(1)), run(Some(1)));
    assert_ne!(run(Some(1)), run(Some(2)));
    assert_ne!(run(None), run(None));
}

#[test]
fn the_generator_is_the_published_one() {
    // First outputs of xoshiro256++ for the state 1, 2, 3, 4.
    let mut rng = Rng([1, 2, 3, 4]);
    assert_eq!([rng.next(), rng.next(), rng.next()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
}

#[test]
fn settings_outside_their_range_are_named() {
    assert_eq!(SamplingParams::default().validate(), Ok(()));
    let field = |params: SamplingParams| params.validate().unwrap_err().field;
    assert_eq!(field(SamplingParams { temperature: -0.1, ..plain() }), "temperature");
    assert_eq!(field(SamplingParams { temperature: f32::NAN, ..plain() }), "temperature");
    assert_eq!(field(SamplingParams { top_p: 0.0, ..plain() }), "top_p");
    assert_eq!(field(SamplingParams { top_p: 1.5, ..plain() }), "top_p");
    assert_eq!(field(SamplingParams { min_p: f32::NAN, ..plain() }), "min_p");
    assert_eq!(field(SamplingParams { repeat_penalty: 0.0, ..plain() }), "repeat_penalty");
    assert_eq!(field(SamplingParams { presence_penalty: f32::INFINITY, ..plain() }), "presence_penalty");
    assert_eq!(field(SamplingParams { frequency_penalty: f32::NAN, ..plain() }), "frequency_penalty");
    assert_eq!(field(SamplingParams { logit_bias: vec![(1, f32::NAN)], ..plain() }), "logit_bias");
    let error = SamplingParams { top_p: 1.5, ..plain() }.validate().unwrap_err();
    assert_eq!(error.to_string(), "`top_p` is 1.5, but must be over 0 and at most 1");
}
