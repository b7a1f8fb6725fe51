//! Every tensor type that has an id in the GGUF format, with the size of its blocks.
//!
//! Sizes follow ggml's block structures. This module only counts bytes; what the bytes of a block mean is in
//! [`crate::blocks`].

macro_rules! ggml_types {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $name:literal, $block:literal values in $bytes:literal bytes;)*) => {
        /// The type of a tensor's elements, as numbered by GGUF.
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum GgmlType {
            $($(#[$doc])* $variant,)*
        }

        impl GgmlType {
            /// Every known type, in the order of their ids.
            pub const ALL: &'static [GgmlType] = &[$(GgmlType::$variant),*];

            /// The type with this id in a GGUF tensor table; `None` for an id this version does not know.
            pub fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(GgmlType::$variant),)*
                    _ => None,
                }
            }

            /// The id of this type in a GGUF tensor table.
            pub fn id(self) -> u32 {
                match self { $(GgmlType::$variant => $id,)* }
            }

            /// The name the field uses for this type, such as `Q4_K`.
            pub fn name(self) -> &'static str {
                match self { $(GgmlType::$variant => $name,)* }
            }

            /// How many values one block holds (1 for plain numbers).
            pub const fn block_size(self) -> usize {
                match self { $(GgmlType::$variant => $block,)* }
            }

            /// How many bytes one block takes.
            pub const fn block_bytes(self) -> usize {
                match self { $(GgmlType::$variant => $bytes,)* }
            }
        }
    };
}

ggml_types! {
    /// 32-bit float.
    F32 = 0, "F32", 1 values in 4 bytes;
    /// 16-bit float.
    F16 = 1, "F16", 1 values in 2 bytes;
    /// 4 bits, one scale for 32 values.
    Q4_0 = 2, "Q4_0", 32 values in 18 bytes;
    /// 4 bits, scale and minimum for 32 values.
    Q4_1 = 3, "Q4_1", 32 values in 20 bytes;
    /// 5 bits, one scale for 32 values.
    Q5_0 = 6, "Q5_0", 32 values in 22 bytes;
    /// 5 bits, scale and minimum for 32 values.
    Q5_1 = 7, "Q5_1", 32 values in 24 bytes;
    /// 8 bits, one scale for 32 values.
    Q8_0 = 8, "Q8_0", 32 values in 34 bytes;
    /// 8 bits with scale and sum; an activation format, not one for files.
    Q8_1 = 9, "Q8_1", 32 values in 36 bytes;
    /// 2-bit K-quant.
    Q2K = 10, "Q2_K", 256 values in 84 bytes;
    /// 3-bit K-quant.
    Q3K = 11, "Q3_K", 256 values in 110 bytes;
    /// 4-bit K-quant.
    Q4K = 12, "Q4_K", 256 values in 144 bytes;
    /// 5-bit K-quant.
    Q5K = 13, "Q5_K", 256 values in 176 bytes;
    /// 6-bit K-quant.
    Q6K = 14, "Q6_K", 256 values in 210 bytes;
    /// 8-bit K-quant; an activation format, not one for files.
    Q8K = 15, "Q8_K", 256 values in 292 bytes;
    /// 2.06 bits, codebook.
    IQ2XXS = 16, "IQ2_XXS", 256 values in 66 bytes;
    /// 2.31 bits, codebook.
    IQ2XS = 17, "IQ2_XS", 256 values in 74 bytes;
    /// 3.06 bits, codebook.
    IQ3XXS = 18, "IQ3_XXS", 256 values in 98 bytes;
    /// 1.56 bits, codebook.
    IQ1S = 19, "IQ1_S", 256 values in 50 bytes;
    /// 4 bits, non-linear values, one scale for 32 values.
    IQ4NL = 20, "IQ4_NL", 32 values in 18 bytes;
    /// 3.44 bits, codebook.
    IQ3S = 21, "IQ3_S", 256 values in 110 bytes;
    /// 2.5 bits, codebook.
    IQ2S = 22, "IQ2_S", 256 values in 82 bytes;
    /// 4.25 bits, non-linear values.
    IQ4XS = 23, "IQ4_XS", 256 values in 136 bytes;
    /// 8-bit integer.
    I8 = 24, "I8", 1 values in 1 bytes;
    /// 16-bit integer.
    I16 = 25, "I16", 1 values in 2 bytes;
    /// 32-bit integer.
    I32 = 26, "I32", 1 values in 4 bytes;
    /// 64-bit integer.
    I64 = 27, "I64", 1 values in 8 bytes;
    /// 64-bit float.
    F64 = 28, "F64", 1 values in 8 bytes;
    /// 1.75 bits, codebook.
    IQ1M = 29, "IQ1_M", 256 values in 56 bytes;
    /// bfloat16.
    BF16 = 30, "BF16", 1 values in 2 bytes;
    /// 1.69 bits, ternary.
    TQ1_0 = 34, "TQ1_0", 256 values in 54 bytes;
    /// 2.06 bits, ternary.
    TQ2_0 = 35, "TQ2_0", 256 values in 66 bytes;
    /// 4-bit floats (E2M1) with one power-of-two scale for 32 values.
    MXFP4 = 39, "MXFP4", 32 values in 17 bytes;
    /// 4-bit floats (E2M1) with one UE4M3 scale for 16 values.
    NVFP4 = 40, "NVFP4", 64 values in 36 bytes;
    /// 1 bit with one scale for 128 values.
    Q1_0 = 41, "Q1_0", 128 values in 18 bytes;
    /// 2 bits with one scale for 64 values.
    Q2_0 = 42, "Q2_0", 64 values in 18 bytes;
}

impl GgmlType {
    /// Bytes of one row of `cols` values; `None` when `cols` is not a whole number of blocks or the product
    /// overflows.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        if !cols.is_multiple_of(self.block_size()) {
            return None;
        }
        (cols / self.block_size()).checked_mul(self.block_bytes())
    }

    /// True for types whose blocks share scales, false for plain numbers.
    pub fn is_quantised(self) -> bool {
        self.block_size() > 1
    }
}

impl std::fmt::Display for GgmlType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_type() {
        for &ty in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(ty.id()), Some(ty), "{ty}");
        }
        for removed_or_unknown in [4, 5, 31, 32, 33, 36, 37, 38, 1000, u32::MAX] {
            assert_eq!(GgmlType::from_id(removed_or_unknown), None, "{removed_or_unknown}");
        }
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(GgmlType::F32.row_bytes(3), Some(12));
        assert_eq!(GgmlType::Q4K.row_bytes(512), Some(288));
        assert_eq!(GgmlType::Q4K.row_bytes(300), None);
        assert_eq!(GgmlType::F64.row_bytes(usize::MAX), None);
    }
}
