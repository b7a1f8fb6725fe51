//! Each kernel against its definition in f64, on the instruction set of this process; and that cutting a prompt, putting
//! sequences together and going on from a kept state changes no bit.

use super::*;

const BLOCK: usize = 16;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn seq(first_row: usize, rows: usize, context: usize, first_block: usize) -> AttentionSeq {
    AttentionSeq { first_row, rows, context, first_block, together: false, guesses: 0 }
}

/// A kernel over rows of inputs, as `(states, first row, rows) -> outputs`.
type Kernel<'a> = &'a dyn Fn(&mut States<'_>, std::ops::Range<usize>) -> Vec<f32>;

/// Outputs of `rows` rows of one sequence, computed in chunks, with blocks from `table`.
fn in_chunks(kernel: Kernel<'_>, rows: usize, chunk: usize, stride: usize, table: &[u32]) -> Vec<f32> {
    let mut numbers = vec![7.0; 5 * stride];
    let mut outs = Vec::new();
    for start in (0..rows).step_by(chunk) {
        let end = rows.min(start + chunk);
        let seqs = [seq(0, end - start, end, 0)];
        let mut states = States {
            numbers: &mut numbers,
            stride,
            seqs: &seqs,
            block_tables: &table[..end.div_ceil(BLOCK)],
            block_size: BLOCK,
        };
        outs.extend(kernel(&mut states, start..end));
    }
    outs
}

/// Every way to cut 40 rows gives the bits of the whole; so does going on from a state that was kept, in a batch with
/// another sequence.
fn check_cuts(kernel: Kernel<'_>, width: usize, stride: usize) -> Vec<f32> {
    let table = [3, 0, 4];
    let whole = in_chunks(kernel, 40, 40, stride, &table);
    for chunk in [1, 7, 16, 33] {
        assert_eq!(in_chunks(kernel, 40, chunk, stride, &table), whole, "chunks of {chunk}");
        let in_place = in_chunks(kernel, 40, chunk, stride, &[2, 2, 2]);
        assert_eq!(in_place, whole, "chunks of {chunk} in one block");
    }
    assert_eq!(in_chunks(kernel, 40, 40, stride, &[NO_BLOCK, NO_BLOCK, 1]), whole, "one state is kept");

    let mut numbers = vec![7.0; 5 * stride];
    let mut run = |seqs: &[AttentionSeq], block_tables: &[u32], rows| {
        let mut states = States { numbers: &mut numbers, stride, seqs, block_tables, block_size: BLOCK };
        kernel(&mut states, rows)
    };
    let kept = run(&[seq(0, 32, 32, 0)], &[NO_BLOCK, 1], 0..32);
    assert_eq!(kept, whole[..32 * width]);
    // The second sequence has rows 32.. as well, after the same 32.
    let tables = [NO_BLOCK, 1, 0, NO_BLOCK, 1, 4];
    let both = run(&[seq(0, 3, 35, 0)], &tables, 32..35);
    assert_eq!(both, whole[32 * width..35 * width], "from a kept state");
    let again = run(&[seq(0, 8, 40, 3)], &tables, 32..40);
    assert_eq!(again, whole[32 * width..], "the kept state is as it was");

    // Guesses give what rows give and leave nothing; what was right of them is computed again, into another block.
    let mut step = |guesses, rows: std::ops::Range<usize>| {
        let seqs = [AttentionSeq { guesses, ..seq(0, rows.len(), rows.end, 0) }];
        run(&seqs, &[NO_BLOCK, 1, 4], rows)
    };
    for (guesses, rows) in [(0, 0..30), (5, 30..36), (3, 31..34), (0, 31..33), (2, 33..36), (0, 34..40)] {
        let part = &whole[rows.start * width..rows.end * width];
        assert_eq!(step(guesses, rows.clone()), part, "{guesses} guesses among {rows:?}");
    }
    whole
}

#[test]
fn a_convolution_follows_its_definition() {
    for (channels, taps) in [(8, 4), (24, 2), (192, 4), (64, 1), (13, 4), (3, 2), (71, 1)] {
        let (x, weights) = (numbers(40 * channels, 1), numbers(taps * channels, 2));
        let bias = numbers(channels, 3);
        for bias in [&bias[..], &[]] {
            let stride = (taps - 1) * channels + 5;
            let conv = ShortConv { weights: &weights, bias, taps, first: 5 };
            let kernel = |states: &mut States<'_>, rows: std::ops::Range<usize>| {
                let mut out = vec![9.0; rows.len() * channels];
                let x = &x[rows.start * channels..rows.end * channels];
                short_conv(&Pool::new(2), &conv, states, x, &mut out).unwrap();
                out
            };
            let found = check_cuts(&kernel, channels, stride);
            for (at, found) in found.iter().enumerate() {
                let (row, channel) = (at / channels, at % channels);
                let tap = |tap: usize| {
                    let from = (row + 1 + tap).checked_sub(taps)?;
                    Some(
                        f64::from(weights[tap * channels + channel])
                            * f64::from(x[from * channels + channel]),
                    )
                };
                let sum: f64 = (0..taps).filter_map(tap).sum();
                let exact = sum + bias.get(channel).map_or(0.0, |bias| f64::from(*bias));
                assert!((f64::from(*found) - exact).abs() < 1e-6, "{channels} channels, {taps} taps, {at}");
            }
        }
    }
}

/// The definition in the module's words, one head and token at a time.
fn exact(shape: &LinearShape, inputs: &LinearInputs<'_>, rows: usize) -> Vec<f64> {
    let LinearShape { rule, sharing, n_key_heads, n_value_heads, key_dim, value_dim, .. } = *shape;
    let (keys, values) = (n_key_heads * key_dim, n_value_heads * value_dim);
    let mut out = vec![0.0; rows * n_value_heads * value_dim];
    for head in 0..n_value_heads {
        let mut state = vec![0.0; key_dim * value_dim];
        for row in 0..rows {
            let qkv = &inputs.qkv[row * shape.qkv_width()..(row + 1) * shape.qkv_width()];
            let plain =
                |at: usize| -> Vec<f64> { qkv[at..at + key_dim].iter().map(|x| f64::from(*x)).collect() };
            let unit = |at: usize, length: f64| -> Vec<f64> {
                let squares: f64 = plain(at).iter().map(|x| x * x).sum();
                plain(at).iter().map(|x| length * x / (squares + 1e-6).sqrt()).collect()
            };
            let of_keys = match sharing {
                HeadSharing::Strided => head % n_key_heads,
                HeadSharing::Neighbours => head / (n_value_heads / n_key_heads),
            };
            let key_head = of_keys * key_dim;
            let (query, key, value) = match rule {
                LinearRule::Delta => {
                    (unit(key_head, 1.0 / (key_dim as f64).sqrt()), unit(keys + key_head, 1.0), 2 * keys)
                }
                LinearRule::Sum => (plain(values + keys + key_head), plain(values + key_head), 0),
            };
            let value = &qkv[value + head * value_dim..][..value_dim];
            let of = |from: &[f32]| f64::from(from[row * n_value_heads + head]);
            let (decay, beta) = (of(inputs.decay), of(inputs.beta));
            for j in 0..value_dim {
                let column = |i: usize| i * value_dim + j;
                let said: f64 = (0..key_dim).map(|i| decay * state[column(i)] * key[i]).sum();
                let said = if rule == LinearRule::Delta { said } else { 0.0 };
                let correction = beta * (f64::from(value[j]) - said);
                let mut sum = 0.0;
                for i in 0..key_dim {
                    state[column(i)] = decay * state[column(i)] + key[i] * correction;
                    sum += state[column(i)] * query[i];
                }
                out[(row * n_value_heads + head) * value_dim + j] = sum;
            }
        }
    }
    out
}

#[test]
fn linear_attention_follows_its_definition() {
    let shapes = [(2, 2, 32, 32), (2, 4, 12, 64), (1, 3, 128, 40), (1, 1, 7, 8), (2, 2, 16, 12)];
    for ((n_key_heads, n_value_heads, key_dim, value_dim), rule) in
        shapes.iter().flat_map(|&shape| [(shape, LinearRule::Delta), (shape, LinearRule::Sum)])
    {
        let sharing = if key_dim == 12 { HeadSharing::Neighbours } else { HeadSharing::Strided };
        let shape = LinearShape { rule, sharing, n_key_heads, n_value_heads, key_dim, value_dim, first: 3 };
        let (wide, heads, width) = (shape.qkv_width(), n_value_heads, n_value_heads * value_dim);
        let positive = |seed| numbers(40 * heads, seed).iter().map(|x| 0.5 + x / 2.0).collect::<Vec<_>>();
        let (qkv, decay, beta) = (numbers(40 * wide, 4), positive(5), positive(6));
        let inputs = |rows: std::ops::Range<usize>| LinearInputs {
            qkv: &qkv[rows.start * wide..rows.end * wide],
            decay: &decay[rows.start * heads..rows.end * heads],
            beta: &beta[rows.start * heads..rows.end * heads],
        };
        let kernel = |states: &mut States<'_>, rows: std::ops::Range<usize>| {
            let mut out = vec![9.0; rows.len() * width];
            linear_attention(&Pool::new(2), &shape, states, &inputs(rows), &mut out).unwrap();
            out
        };
        let found = check_cuts(&kernel, width, shape.state_len() + 3);
        for (found, exact) in found.iter().zip(exact(&shape, &inputs(0..40), 40)) {
            let off = (f64::from(*found) - exact).abs() / exact.abs().max(1.0);
            assert!(off < 3e-6, "{shape:?}: {found}, {exact}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (rule, sharing) = (LinearRule::Delta, HeadSharing::Strided);
    let shape =
        LinearShape { rule, sharing, n_key_heads: 1, n_value_heads: 1, key_dim: 8, value_dim: 8, first: 0 };
    let run = |shape: LinearShape, stride: usize, seqs: &[AttentionSeq], tables: &[u32]| {
        let (mut numbers, mut out) = (vec![0.0; 2 * stride], [0.0; 16]);
        let inputs = LinearInputs { qkv: &[0.0; 48], decay: &[0.0; 2], beta: &[0.0; 2] };
        let mut states =
            States { numbers: &mut numbers, stride, seqs, block_tables: tables, block_size: BLOCK };
        linear_attention(&Pool::new(1), &shape, &mut states, &inputs, &mut out)
            .map_err(|error| error.to_string())
    };
    let two = seq(0, 2, 2, 0);
    assert_eq!(run(shape, 64, &[two], &[1]), Ok(()));
    let refusals = [
        (run(LinearShape { n_key_heads: 2, ..shape }, 64, &[two], &[1]), "linear attention of"),
        (run(shape, 63, &[two], &[1]), "states of 63 numbers"),
        (run(shape, 64, &[two], &[2]), "state 2 lies outside the 2"),
        (run(shape, 64, &[two], &[NO_BLOCK]), "lies outside the 2"),
        (run(shape, 64, &[seq(0, 2, 18, 0)], &[NO_BLOCK, 1]), "lies outside the 2"),
        (run(shape, 64, &[seq(1, 2, 2, 0)], &[1]), "row 3 lies outside"),
        (run(shape, 64, &[seq(0, 2, 2, 1)], &[1]), "without blocks"),
    ];
    for (refusal, words) in refusals {
        let error = refusal.expect_err(words);
        assert!(error.contains(words), "{error} says nothing of {words}");
    }
}
