//! What comes back from each type, how near it is, and the ends: zeros, one value, and blocks that are exact already.

use super::*;
use crate::dequantize;

const TYPES: [GgmlType; 7] = [
    GgmlType::F32,
    GgmlType::F16,
    GgmlType::BF16,
    GgmlType::Q8_0,
    GgmlType::Q6K,
    GgmlType::Q5_0,
    GgmlType::Q4K,
];

/// Values as of a trained matrix: sums of twelve even numbers are nearly normal.
fn normal(count: usize) -> Vec<f32> {
    let mut state = 9u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count).map(|_| 0.02 * ((0..12).map(|_| next()).sum::<f32>() - 6.0)).collect()
}

fn there_and_back(ty: GgmlType, values: &[f32]) -> Vec<f32> {
    let mut bytes = vec![0; ty.row_bytes(values.len()).unwrap()];
    quantize(ty, values, &mut bytes).unwrap();
    let mut back = vec![f32::NAN; values.len()];
    dequantize(ty, &bytes, &mut back).unwrap();
    back
}

/// Root of the mean square of what is lost, divided by that of the values.
fn relative_error(values: &[f32], back: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let lost: f64 = values.iter().zip(back).map(|(a, b)| square(a - b)).sum();
    (lost / values.iter().map(|v| square(*v)).sum::<f64>()).sqrt()
}

#[test]
fn values_come_back_as_near_as_the_bits_allow() {
    let values = normal(256 * 64);
    // Measured here, with a little room; a worse search shows at once.
    let limits = [0.0, 2.2e-4, 1.7e-3, 0.00523, 0.0174, 0.0418, 0.0694];
    for (ty, limit) in TYPES.into_iter().zip(limits) {
        let error = relative_error(&values, &there_and_back(ty, &values));
        println!("{ty}: {error:.5}");
        assert!(error <= limit, "{ty}: {error:.5} of {limit}");
    }
}

#[test]
fn zeros_and_single_values_come_back() {
    for ty in TYPES {
        let mut values = vec![0.0; 256];
        assert_eq!(there_and_back(ty, &values), values, "{ty}");
        for single in [1.0, -1.0] {
            values[77] = single;
            let back = there_and_back(ty, &values);
            assert!((back[77] - single).abs() < 0.02, "{ty}: {single} became {}", back[77]);
            values[77] = 0.0;
            assert!(back.iter().enumerate().all(|(i, v)| i == 77 || v.abs() < 0.02), "{ty}");
        }
        assert!(there_and_back(ty, &vec![-3.0; 256]).iter().all(|v| (v + 3.0).abs() < 0.1), "{ty}");
        assert!(there_and_back(ty, &vec![2.5; 256]).iter().all(|v| (v - 2.5).abs() < 0.1), "{ty}");
    }
}

#[test]
fn what_was_quantised_once_hardly_changes_again() {
    let values = normal(256 * 16);
    for ty in TYPES {
        let once = there_and_back(ty, &values);
        let error = relative_error(&once, &there_and_back(ty, &once));
        assert!(error < 0.02, "{ty}: {error:.5}");
    }
}

#[test]
fn threads_change_nothing() {
    let values = normal(256 * 37);
    for ty in TYPES {
        let mut outs = [1, 3, 64].map(|threads| (threads, vec![0; ty.row_bytes(values.len()).unwrap()]));
        for (threads, out) in &mut outs {
            quantize_on(ty, &values, out, *threads).unwrap();
        }
        assert!(outs[0].1 == outs[1].1 && outs[0].1 == outs[2].1, "{ty}");
    }
}

#[test]
fn other_types_and_lengths_are_refused() {
    let error = quantize(GgmlType::IQ2XS, &[0.0; 256], &mut [0; 74]).unwrap_err();
    assert_eq!((error.code(), can_quantize(GgmlType::IQ2XS)), ("cannot_quantize", false));
    assert!(TYPES.into_iter().all(can_quantize));
    for threads in [1, 2] {
        let error = quantize_on(GgmlType::Q8_0, &[0.0; 33], &mut [0; 34], threads).unwrap_err();
        assert_eq!(error, GgufError::BlockLength { ty: GgmlType::Q8_0, bytes: 34, values: 33 });
    }
}
