//! Which instruction set the kernels use, decided once when the first one runs.

use std::sync::OnceLock;

/// A family of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable code, vectorised as far as the compiler can for the target's base line (NEON on AArch64).
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX2 with the VNNI dot product in its 256-bit form.
    AvxVnni,
    /// AVX-512 with VNNI; used here with 256-bit registers.
    Avx512Vnni,
    /// As `Avx512Vnni`, with AMX-INT8 for prompts.
    Amx,
}

impl Isa {
    /// The name in reports and in `LANTERN_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512Vnni => "avx512",
            Isa::Amx => "amx",
        }
    }

    /// The families this processor can run, weakest first.
    pub fn available() -> Vec<Isa> {
        let all = [Isa::Scalar, Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni, Isa::Amx];
        all.into_iter().filter(|isa| isa.is_supported()).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn is_supported(self) -> bool {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2") && has!("fma") && has!("f16c");
        match self {
            Isa::Scalar => true,
            Isa::Avx2 => avx2,
            Isa::AvxVnni => avx2 && has!("avxvnni"),
            Isa::Avx512Vnni => avx2 && has!("avx512vnni") && has!("avx512vl") && has!("avx512bw"),
            Isa::Amx => Isa::Avx512Vnni.is_supported() && crate::dot::amx_available(),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_supported(self) -> bool {
        self == Isa::Scalar
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The family in use: the best one available, or the best one up to what `LANTERN_ISA` names
/// (`scalar`, `avx2`, `avxvnni`, `avx512`, `amx`; anything else is ignored). Read once.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| choose(std::env::var("LANTERN_ISA").ok().as_deref(), &Isa::available()))
}

fn choose(limit: Option<&str>, available: &[Isa]) -> Isa {
    let limit = [Isa::Scalar, Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni]
        .into_iter()
        .find(|isa| limit.is_some_and(|name| name.eq_ignore_ascii_case(isa.name())))
        .unwrap_or(Isa::Amx);
    available.iter().copied().filter(|isa| *isa <= limit).max().unwrap_or(Isa::Scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_only_restricts() {
        let here = [Isa::Scalar, Isa::Avx2];
        assert_eq!(choose(None, &here), Isa::Avx2);
        assert_eq!(choose(Some("avx512"), &here), Isa::Avx2);
        assert_eq!(choose(Some("AVX2"), &here), Isa::Avx2);
        assert_eq!(choose(Some("scalar"), &here), Isa::Scalar);
        assert_eq!(choose(Some("nonsense"), &here), Isa::Avx2);
        assert_eq!(choose(Some("avx2"), &[Isa::Scalar, Isa::Avx2, Isa::AvxVnni]), Isa::Avx2);
        let with_tiles = [Isa::Scalar, Isa::Avx2, Isa::Avx512Vnni, Isa::Amx];
        assert_eq!(choose(None, &with_tiles), Isa::Amx);
        assert_eq!(choose(Some("amx"), &with_tiles), Isa::Amx);
        assert_eq!(choose(Some("avx512"), &with_tiles), Isa::Avx512Vnni);
    }
}
