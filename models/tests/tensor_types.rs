//! Every tensor type in every place of a model: a file with such tensors gives what the same file gives with their values
//! as 32-bit floats.

mod common;

use std::path::Path;

use common::{golden, logits};
use lantern_gguf::blocks::affine;
use lantern_gguf::{GgmlType, GgufFile, GgufWriter, TensorInfo, dequantize};
use lantern_kernels::is_slow;
use lantern_models::{Compute, Device, registry};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Quantised types that are not packed, of which no golden file is made.
fn rare_types() -> Vec<GgmlType> {
    GgmlType::ALL.iter().copied().filter(|ty| affine(*ty).is_some() && is_slow(*ty)).collect()
}

/// Random blocks whose values are about as large as those of a trained matrix with so many columns.
fn random_blocks(ty: GgmlType, count: usize, columns: usize, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0u8; count * ty.block_bytes()];
    rng.fill(bytes.as_mut_slice());
    let set = |bytes: &mut [u8], scale: f32| {
        let half = half::f16::from_f32(scale).to_bits();
        for block in bytes.chunks_exact_mut(ty.block_bytes()) {
            match ty {
                // Four scales of E4M3, near the one that is wanted.
                GgmlType::NVFP4 => {
                    block[..4].fill(((scale.log2().round() as i32 + 8).clamp(1, 15) as u8) << 3);
                }
                // A half float in the upper bits of four words.
                GgmlType::IQ1M => (0..4).for_each(|i| {
                    block[49 + 2 * i] = block[49 + 2 * i] & 0x0f | ((half >> (4 * i) & 15) << 4) as u8;
                }),
                GgmlType::TQ1_0 => block[52..54].copy_from_slice(&half.to_le_bytes()),
                GgmlType::TQ2_0 => block[64..66].copy_from_slice(&half.to_le_bytes()),
                _ => block[..2].copy_from_slice(&half.to_le_bytes()),
            }
        }
    };
    set(&mut bytes, 1.0);
    let values = values_of(ty, &bytes, count * ty.block_size());
    let mean_square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
    set(&mut bytes, 1.0 / (mean_square * columns as f32).sqrt());
    bytes
}

fn values_of(ty: GgmlType, bytes: &[u8], count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    dequantize(ty, bytes, &mut values).expect("whole blocks");
    values
}

/// The model with the tensors that `which` chooses in type `ty`, and the same with their values.
fn twins(
    model: &GgufFile,
    ty: GgmlType,
    which: impl Fn(&TensorInfo) -> bool,
    folder: &Path,
) -> [GgufFile; 2] {
    let mut rng = StdRng::seed_from_u64(ty.id().into());
    let mut writers = [GgufWriter::copy_of(model).unwrap(), GgufWriter::copy_of(model).unwrap()];
    let mut changed = 0;
    for tensor in model.tensors().values().filter(|tensor| which(tensor)) {
        let (columns, elements) = (tensor.shape[0] as usize, tensor.elements() as usize);
        let bytes = random_blocks(ty, elements / ty.block_size(), columns, &mut rng);
        let values = values_of(ty, &bytes, elements).into_iter().flat_map(f32::to_le_bytes).collect();
        writers[0].tensor(&tensor.name, &tensor.shape, ty.id(), bytes);
        writers[1].tensor(&tensor.name, &tensor.shape, GgmlType::F32.id(), values);
        changed += 1;
    }
    assert!(changed > 0, "no tensor was chosen");
    let mut i = 0;
    writers.map(|writer| {
        i += 1;
        let path = folder.join(format!("{ty}-{i}.gguf"));
        std::fs::write(&path, writer.finish()).unwrap();
        GgufFile::open(&path).unwrap()
    })
}

/// Probabilities of the next token after each of some tokens.
fn probabilities(file: &GgufFile, compute: Compute) -> Vec<Vec<f64>> {
    let model = registry::load_with(file, compute)
        .unwrap_or_else(|error| panic!("{}: {error}", file.path().display()));
    let softmax = |row: &Vec<f32>| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f64> = row.iter().map(|&x| f64::from(x - top).exp()).collect();
        let sum: f64 = exps.iter().sum();
        exps.into_iter().map(|e| e / sum).collect()
    };
    logits(&*model).iter().map(softmax).collect()
}

/// Median over the positions of KL(a ‖ b); the median because a token may go to another expert.
fn divergence(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let of_row = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
    let mut all: Vec<f64> = a.iter().zip(b).map(of_row).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[test]
fn rare_types_give_what_their_values_give() {
    let folder = tempfile::tempdir().unwrap();
    let llama = golden("llama_k256-Q6_K.gguf");
    let types = rare_types();
    assert_eq!(types.len(), 12, "{types:?}");
    for ty in types {
        let matrices = |tensor: &TensorInfo| tensor.shape.len() == 2 && tensor.shape[0].is_multiple_of(256);
        let [typed, values] = twins(&llama, ty, matrices, folder.path());
        let (got, want) =
            (probabilities(&typed, Compute::kernels(2)), probabilities(&values, Compute::kernels(2)));
        let kl = divergence(&want, &got);
        println!("{ty}: KL {kl:.1e}");
        assert!(kl < 0.01, "{ty}: KL {kl:.1e}");
        // candle gets the values themselves where it does not know the type, so nothing but order of sums differs.
        let on_device = divergence(&want, &probabilities(&typed, Compute::tensors(Device::Cpu)));
        assert!(on_device < 1e-6, "{ty} on a device: KL {on_device:.1e}");
    }
}

#[test]
fn one_tensor_of_a_rare_type_does_not_block_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let moe = golden("qwen3moe_k256-Q4_K_M.gguf");
    for (ty, name) in [
        (GgmlType::IQ2XS, "blk.0.ffn_down_exps.weight"),
        (GgmlType::IQ3S, "token_embd.weight"),
        (GgmlType::TQ2_0, "blk.1.attn_q.weight"),
    ] {
        let [typed, values] = twins(&moe, ty, |tensor| tensor.name == name, folder.path());
        let [got, want] = [&typed, &values].map(|file| probabilities(file, Compute::kernels(2)));
        let kl = divergence(&want, &got);
        assert!(kl < 0.01, "{ty} in {name}: KL {kl:.1e}");
    }
}

/// Norms are vectors, which are read as values whatever their type.
#[test]
fn norms_may_be_of_any_float_type() {
    let folder = tempfile::tempdir().unwrap();
    let model = golden("qwen3-Q8_0.gguf");
    let plain = probabilities(&model, Compute::kernels(2));
    for ty in [GgmlType::F16, GgmlType::BF16] {
        let mut writer = GgufWriter::copy_of(&model).unwrap();
        for tensor in model.tensors().values().filter(|tensor| tensor.name.contains("norm")) {
            let values = values_of(GgmlType::F32, &model.bytes(tensor).unwrap(), tensor.elements() as usize);
            let bits = |v: f32| match ty {
                GgmlType::F16 => half::f16::from_f32(v).to_bits(),
                _ => half::bf16::from_f32(v).to_bits(),
            };
            let bytes = values.into_iter().flat_map(|v| bits(v).to_le_bytes()).collect();
            writer.tensor(&tensor.name, &tensor.shape, ty.id(), bytes);
        }
        let path = folder.path().join("norms.gguf");
        std::fs::write(&path, writer.finish()).unwrap();
        let kl = divergence(&plain, &probabilities(&GgufFile::open(&path).unwrap(), Compute::kernels(2)));
        assert!(kl < 0.01, "{ty}: KL {kl:.1e}");
    }
}
