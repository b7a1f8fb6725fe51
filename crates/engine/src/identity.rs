//! What a file says about itself: its quantisation in the words people use, which of its types are slow here, and whether
//! its model writes answers.

use std::collections::BTreeSet;

use lantern_gguf::GgufFile;
use lantern_models::registry;

/// `general.file_type` in llama.cpp's numbering (`include/llama.h`, `enum llama_ftype`).
const FILE_TYPES: &[(u32, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
    (39, "NVFP4"),
    (40, "Q1_0"),
];

/// Whether models of this architecture write answers here.
pub fn generates(architecture: &str) -> bool {
    registry::architectures().contains(&architecture)
}

/// The mix's name as the file gives it, or else the type that most bytes of the weights have.
pub fn quantisation(file: &GgufFile) -> String {
    let declared = file.metadata().opt_u32("general.file_type").ok().flatten();
    if let Some((_, name)) = FILE_TYPES.iter().find(|(id, _)| Some(*id) == declared) {
        return (*name).to_owned();
    }
    let mut bytes_of = std::collections::BTreeMap::<String, u64>::new();
    for tensor in file.tensors().values() {
        *bytes_of.entry(tensor.type_name()).or_default() += tensor.byte_len().unwrap_or(0);
    }
    let most = bytes_of.into_iter().max_by_key(|(_, bytes)| *bytes);
    most.map_or_else(|| "unknown".into(), |(name, _)| name)
}

/// The types of matrices in a file that are multiplied right but slowly; empty for most files.
pub fn slow_types(file: &GgufFile) -> Vec<String> {
    let matrices = file.tensors().values().filter(|tensor| tensor.shape.len() > 1);
    let slow = matrices.filter_map(|tensor| tensor.ty().ok()).filter(|ty| lantern_models::is_slow(*ty));
    slow.map(|ty| ty.name().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}
