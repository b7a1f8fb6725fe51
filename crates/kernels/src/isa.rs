//! Which instruction set the kernels use, decided once when the first one runs.

use std::sync::OnceLock;

/// A family of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable code, vectorised as far as the compiler can for the architecture's base line.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX2 with the VNNI dot product in its 256-bit form.
    AvxVnni,
    /// AVX-512 with VNNI.
    Avx512Vnni,
    /// As `Avx512Vnni`, with AMX-INT8 for prompts.
    Amx,
    /// The base line of AArch64.
    Neon,
    /// NEON with the dot product of Armv8.2.
    Dotprod,
    /// NEON with the products of signed and unsigned bytes of Armv8.6.
    I8mm,
}

/// The families of this architecture, weakest first.
#[cfg(target_arch = "x86_64")]
const FAMILIES: &[Isa] = &[Isa::Scalar, Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni, Isa::Amx];
/// The families of this architecture, weakest first.
#[cfg(target_arch = "aarch64")]
const FAMILIES: &[Isa] = &[Isa::Scalar, Isa::Neon, Isa::Dotprod, Isa::I8mm];
/// The families of this architecture, weakest first.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FAMILIES: &[Isa] = &[Isa::Scalar];

impl Isa {
    /// The name in reports and in `LANTERN_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512Vnni => "avx512",
            Isa::Amx => "amx",
            Isa::Neon => "neon",
            Isa::Dotprod => "dotprod",
            Isa::I8mm => "i8mm",
        }
    }

    /// The families this processor can run, weakest first.
    pub fn available() -> Vec<Isa> {
        FAMILIES.iter().copied().filter(|isa| isa.is_supported()).collect()
    }

    /// Whether kernels over floats use [`crate::lanes::Vector`].
    pub(crate) fn has_vectors(self) -> bool {
        self != Isa::Scalar
    }

    /// Whether they use [`crate::lanes::WideVector`] where sixteen numbers are computed together.
    pub(crate) fn has_wide_vectors(self) -> bool {
        matches!(self, Isa::Avx512Vnni | Isa::Amx)
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_supported(self) -> bool {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2") && has!("fma") && has!("f16c");
        match self {
            Isa::Scalar => true,
            Isa::Avx2 => avx2,
            Isa::AvxVnni => avx2 && has!("avxvnni"),
            Isa::Avx512Vnni => avx2 && has!("avx512vnni") && has!("avx512vl") && has!("avx512bw"),
            Isa::Amx => Isa::Avx512Vnni.is_supported() && crate::dot::amx_available(),
            _ => false,
        }
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn is_supported(self) -> bool {
        use std::arch::is_aarch64_feature_detected as has;
        match self {
            Isa::Scalar | Isa::Neon => true,
            Isa::Dotprod => has!("dotprod"),
            Isa::I8mm => has!("dotprod") && has!("i8mm"),
            _ => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn is_supported(self) -> bool {
        self == Isa::Scalar
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The family in use: the best one available, or the best one up to what `LANTERN_ISA` names
/// (`scalar`; `avx2`, `avxvnni`, `avx512`, `amx`; `neon`, `dotprod`, `i8mm`). What is no name of this architecture's is
/// ignored. Read once.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| choose(std::env::var("LANTERN_ISA").ok().as_deref(), &Isa::available()))
}

fn choose(limit: Option<&str>, available: &[Isa]) -> Isa {
    let limit = FAMILIES.iter().find(|isa| limit.is_some_and(|name| name.eq_ignore_ascii_case(isa.name())));
    let allowed = available.iter().filter(|isa| limit.is_none_or(|limit| *isa <= limit));
    allowed.max().copied().unwrap_or(Isa::Scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn the_variable_only_restricts() {
        let [scalar, weak, middle, .., strong] = *FAMILIES else {
            panic!("at least four families: {FAMILIES:?}")
        };
        assert_eq!(choose(None, FAMILIES), strong);
        assert_eq!(choose(Some("scalar"), FAMILIES), scalar);
        assert_eq!(choose(Some("nonsense"), FAMILIES), strong);
        assert_eq!(choose(Some(&weak.name().to_uppercase()), FAMILIES), weak);
        assert_eq!(choose(Some(strong.name()), &[scalar, weak]), weak);
        assert_eq!(choose(Some(middle.name()), &[scalar, weak, strong]), weak);
    }

    #[test]
    fn names_of_another_architecture_are_ignored() {
        for other in [Isa::Avx2, Isa::Neon].iter().filter(|isa| !FAMILIES.contains(isa)) {
            assert_eq!(choose(Some(other.name()), FAMILIES), *FAMILIES.last().unwrap());
        }
    }
}
