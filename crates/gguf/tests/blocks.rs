//! Values of blocks against the reference implementation's (see `blocks/make.py`).

use lantern_gguf::{GgmlType, dequantize};

fn check(ty: GgmlType, golden: &[u8]) {
    let per_block = ty.block_bytes() + 4 * ty.block_size();
    assert_eq!(golden.len() % per_block, 0, "{ty}: the golden file has an odd length");
    let count = golden.len() / per_block;
    let (blocks, values) = golden.split_at(count * ty.block_bytes());
    let mut got = vec![f32::NAN; count * ty.block_size()];
    dequantize(ty, blocks, &mut got).expect("lengths agree");
    for (i, (got, raw)) in got.iter().zip(values.chunks_exact(4)).enumerate() {
        let want = f32::from_le_bytes(raw.try_into().expect("four bytes"));
        assert!(*got == want, "{ty}: value {i} is {got}, the reference says {want}");
    }
}

macro_rules! golden {
    ($($test:ident: $ty:ident, $file:literal;)*) => {
        $(#[test]
        fn $test() {
            check(GgmlType::$ty, include_bytes!(concat!("blocks/", $file, ".bin")));
        })*
    };
}

golden! {
    q4_0: Q4_0, "q4_0";
    q4_1: Q4_1, "q4_1";
    q5_0: Q5_0, "q5_0";
    q5_1: Q5_1, "q5_1";
    q8_0: Q8_0, "q8_0";
    q2_k: Q2K, "q2_k";
    q3_k: Q3K, "q3_k";
    q4_k: Q4K, "q4_k";
    q5_k: Q5K, "q5_k";
    q6_k: Q6K, "q6_k";
    iq4_nl: IQ4NL, "iq4_nl";
    iq4_xs: IQ4XS, "iq4_xs";
    mxfp4: MXFP4, "mxfp4";
    nvfp4: NVFP4, "nvfp4";
    iq1_s: IQ1S, "iq1_s";
    iq1_m: IQ1M, "iq1_m";
    iq2_xxs: IQ2XXS, "iq2_xxs";
    iq2_xs: IQ2XS, "iq2_xs";
    iq2_s: IQ2S, "iq2_s";
    iq3_xxs: IQ3XXS, "iq3_xxs";
    iq3_s: IQ3S, "iq3_s";
    tq1_0: TQ1_0, "tq1_0";
    tq2_0: TQ2_0, "tq2_0";
    q1_0: Q1_0, "q1_0";
}
