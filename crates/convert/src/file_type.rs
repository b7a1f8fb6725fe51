//! What a file is quantised to, and which type that means for each of its tensors.

use lantern_gguf::GgmlType;

use crate::SourceTensor;

/// The type of a file's weights, or its mix of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileType {
    /// As the source has them.
    Keep,
    F32,
    F16,
    BF16,
    Q8_0,
    Q6K,
    /// Q4_K, with Q6_K for the output and for half of the values and of what feeds back into the residual stream.
    Q4KM,
}

impl FileType {
    /// All that can be asked for by name.
    pub const ALL: [FileType; 7] = [
        FileType::Keep,
        FileType::F32,
        FileType::F16,
        FileType::BF16,
        FileType::Q8_0,
        FileType::Q6K,
        FileType::Q4KM,
    ];

    /// The field's name for it.
    pub fn name(self) -> &'static str {
        match self {
            FileType::Keep => "keep",
            FileType::F32 => "F32",
            FileType::F16 => "F16",
            FileType::BF16 => "BF16",
            FileType::Q8_0 => "Q8_0",
            FileType::Q6K => "Q6_K",
            FileType::Q4KM => "Q4_K_M",
        }
    }

    /// By its name, whatever the case; `Q4_K` means the mix, as everywhere.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("Q4_K") { "Q4_K_M" } else { name };
        Self::ALL.into_iter().find(|ty| ty.name().eq_ignore_ascii_case(name))
    }

    /// `general.file_type` in llama.cpp's numbering; `None` for what the source says itself.
    pub fn id(self) -> Option<u32> {
        Some(match self {
            FileType::Keep => return None,
            FileType::F32 => 0,
            FileType::F16 => 1,
            FileType::Q8_0 => 7,
            FileType::Q4KM => 15,
            FileType::Q6K => 18,
            FileType::BF16 => 32,
        })
    }

    /// The type of one tensor. `has_output` says whether the file has an output matrix beside the embeddings.
    pub(crate) fn of(self, tensor: &SourceTensor, n_layers: usize, has_output: bool) -> GgmlType {
        if self == FileType::Keep || !is_weight(tensor) {
            return tensor.natural;
        }
        let is_output = tensor.name == if has_output { "output.weight" } else { "token_embd.weight" };
        let wanted = match self {
            FileType::Keep | FileType::F32 => GgmlType::F32,
            FileType::F16 => GgmlType::F16,
            FileType::BF16 => GgmlType::BF16,
            FileType::Q8_0 => GgmlType::Q8_0,
            FileType::Q6K => GgmlType::Q6K,
            FileType::Q4KM if is_output || has_more_bits(&tensor.name, n_layers) => GgmlType::Q6K,
            FileType::Q4KM => GgmlType::Q4K,
        };
        fitting(wanted, tensor.cols())
    }
}

/// Whether a tensor is quantised at all: matrices are, but not those that choose experts or that a convolution uses, of
/// which there is little and on which much depends.
fn is_weight(tensor: &SourceTensor) -> bool {
    const EXACT: [&str; 7] =
        ["_norm", "ffn_gate_inp", "ssm_conv1d", "shortconv.conv", "altup", "laurel", "per_layer_model_proj"];
    let float = matches!(tensor.natural, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16)
        || tensor.natural.is_quantised();
    let matrix = tensor.shape.len() >= 2 && tensor.rows() > 1 && tensor.name.ends_with(".weight");
    float && matrix && !EXACT.iter().any(|part| tensor.name.contains(part))
}

/// The first and the last eighth of the layers and every third between them have these two in more bits, after the mix that
/// llama.cpp made customary.
fn has_more_bits(name: &str, n_layers: usize) -> bool {
    let Some((layer, part)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let Ok(layer) = layer.parse::<usize>() else { return false };
    let eighth = n_layers / 8;
    let chosen = layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
    chosen && (part.starts_with("attn_v.") || part.starts_with("ffn_down"))
}

/// Rows that are not whole blocks of a K type get the next larger type whose blocks they are.
fn fitting(ty: GgmlType, cols: usize) -> GgmlType {
    let smaller_blocks = match ty {
        GgmlType::Q4K => GgmlType::Q5_0,
        GgmlType::Q6K => GgmlType::Q8_0,
        other => other,
    };
    [ty, smaller_blocks].into_iter().find(|ty| ty.row_bytes(cols).is_some()).unwrap_or(GgmlType::F16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[u64]) -> SourceTensor {
        SourceTensor { name: name.into(), shape: shape.into(), natural: GgmlType::BF16 }
    }

    #[test]
    fn names_lead_back_to_their_type() {
        for ty in FileType::ALL {
            assert_eq!(FileType::from_name(&ty.name().to_lowercase()), Some(ty));
        }
        assert_eq!(FileType::from_name("Q4_K"), Some(FileType::Q4KM));
        assert_eq!(FileType::from_name("Q2_K"), None);
    }

    #[test]
    fn the_mix_gives_more_bits_to_what_needs_them() {
        let of = |name: &str, shape: &[u64]| FileType::Q4KM.of(&tensor(name, shape), 16, false);
        assert_eq!(of("token_embd.weight", &[256, 512]), GgmlType::Q6K, "it is the output too");
        assert_eq!(of("blk.5.attn_q.weight", &[256, 512]), GgmlType::Q4K);
        let down = |layer: usize| of(&format!("blk.{layer}.ffn_down.weight"), &[256, 512]);
        let more: Vec<usize> = (0..16).filter(|&layer| down(layer) == GgmlType::Q6K).collect();
        assert_eq!(more, [0, 1, 4, 7, 10, 13, 14, 15]);
        assert_eq!(of("blk.1.ffn_down_exps.weight", &[256, 8, 4]), GgmlType::Q6K);
        assert_eq!(of("blk.5.attn_q.weight", &[96, 512]), GgmlType::Q5_0, "not whole blocks");
        assert_eq!(of("blk.5.attn_q.weight", &[100, 512]), GgmlType::F16, "not even small ones");
    }

    #[test]
    fn small_and_delicate_tensors_stay() {
        for (name, shape) in [
            ("blk.0.attn_norm.weight", &[256][..]),
            ("blk.0.attn_q.bias", &[256]),
            ("blk.0.ffn_gate_inp.weight", &[256, 8]),
            ("blk.0.ssm_conv1d.weight", &[256, 4]),
            ("rope_freqs.weight", &[256]),
        ] {
            assert_eq!(FileType::Q8_0.of(&tensor(name, shape), 2, true), GgmlType::BF16, "{name}");
        }
    }
}
