//! Quantisations by their names: finding one in a file's name, and which is better than which.

/// The kinds that people publish, the best first, each with what to expect of it. Files of the first kind are as
/// published; of the last ones no fast kernel exists here.
const QUALITY: &[(&[&str], &str)] = &[
    (&["Q8_0", "Q8_K_XL", "Q8_K"], "next to the original"),
    (&["Q6_K_XL", "Q6_K_L", "Q6_K"], "hardly to be told from the original"),
    (&["Q5_K_XL", "Q5_K_L", "Q5_K_M", "Q5_K_S", "Q5_K", "Q5_1", "Q5_0"], "small losses"),
    (&["Q4_K_XL", "Q4_K_L", "Q4_K_M", "Q4_K"], "the usual balance of size and quality"),
    (
        &["Q4_K_S", "IQ4_NL_XL", "IQ4_NL", "IQ4_XS", "Q4_1", "Q4_0", "MXFP4_MOE", "MXFP4"],
        "smaller than Q4_K_M, a little worse",
    ),
    (&["Q3_K_XL", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q3_K"], "losses that show"),
    (&["F32", "BF16", "F16", "FP16"], "not quantised: twice the size of Q8_0, for nothing that shows"),
    (&["Q2_K_XL", "Q2_K_L", "Q2_K_S", "Q2_K"], "for when nothing else fits"),
    (
        &[
            "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S",
            "TQ2_0", "TQ1_0", "NVFP4",
        ],
        "very small, and slow on this machine",
    ),
];

/// The quantisation that a file's name tells: `Q4_K_M` of `model-q4_k_m.gguf` or of `Q4_K_M/model-00001-of-00002.gguf`.
/// A leading `UD-` (other types for some tensors) stays.
pub fn quant_of(path: &str) -> Option<String> {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or(path);
    let stem = file.get(..file.len().checked_sub(5)?)?;
    of_text(stem).or_else(|| parts.find_map(of_text))
}

fn of_text(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(['-', '.', ' ']).collect();
    let at = words.iter().rposition(|word| is_quant(word))?;
    let quant = words[at].to_ascii_uppercase();
    let is_dynamic = at > 0 && words[at - 1].eq_ignore_ascii_case("UD");
    Some(if is_dynamic { format!("UD-{quant}") } else { quant })
}

/// `Q4_K_M`, `IQ3_XXS`, `TQ1_0`, `F16`, …: a kind, bits, and what follows. Names that are new are known by their form.
fn is_quant(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    if matches!(word.as_str(), "F16" | "BF16" | "F32" | "FP16" | "MXFP4" | "MXFP4_MOE" | "NVFP4") {
        return true;
    }
    let rest = ["IQ", "TQ", "Q"].iter().find_map(|kind| word.strip_prefix(kind));
    let Some(rest) = rest else { return false };
    let mut parts = rest.split('_');
    let bits = parts.next().is_some_and(|bits| bits.len() == 1 && bits.bytes().all(|b| b.is_ascii_digit()));
    let known = |part: &str| {
        matches!(part, "K" | "XXS" | "XS" | "S" | "M" | "L" | "XL" | "NL" | "0" | "1" | "4" | "8")
    };
    bits && word.contains('_') && parts.all(known)
}

/// The kind and the place in it. Names that are not in the list count with what they begin like.
fn place(quant: &str) -> Option<(usize, usize)> {
    let quant = quant.strip_prefix("UD-").unwrap_or(quant);
    let of = |quant: &str| {
        QUALITY
            .iter()
            .enumerate()
            .find_map(|(kind, (names, _))| names.iter().position(|name| *name == quant).map(|at| (kind, at)))
    };
    of(quant).or_else(|| quant.match_indices('_').rev().find_map(|(end, _)| of(&quant[..end])))
}

/// Which of several to take where memory allows: the lower the better. `None` for names that say nothing.
pub fn quality_rank(quant: &str) -> Option<u32> {
    let (kind, at) = place(quant)?;
    u32::try_from(kind * 100 + at).ok()
}

/// What to expect of it.
pub fn quality_note(quant: &str) -> &'static str {
    place(quant).map_or("", |(kind, _)| QUALITY[kind].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_tell_their_quantisation() {
        for (file, quant) in [
            ("SmolLM2-135M-Instruct.Q4_1.gguf", Some("Q4_1")),
            ("qwen2.5-0.5b-instruct-q4_k_m.gguf", Some("Q4_K_M")),
            ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", Some("UD-Q4_K_XL")),
            ("BF16/big-00001-of-00003.gguf", Some("BF16")),
            ("UD-IQ2_XXS/m-UD-IQ2_XXS-00001-of-00002.gguf", Some("UD-IQ2_XXS")),
            ("gpt-oss-20b-mxfp4.gguf", Some("MXFP4")),
            ("gpt-oss-20b-Q4_K_M.gguf", Some("Q4_K_M")),
            ("model-Q4_0_4_8.gguf", Some("Q4_0_4_8")),
            ("Qwen3-8B.gguf", None),
            ("Q5-model.gguf", None),
            ("x", None),
            ("ö.gguf", None),
        ] {
            assert_eq!(quant_of(file).as_deref(), quant, "{file}");
        }
    }

    #[test]
    fn better_ones_come_first() {
        let order =
            ["Q8_0", "Q6_K", "Q5_K_M", "UD-Q4_K_XL", "Q4_K_M", "Q4_K_S", "Q3_K_L", "F16", "Q2_K", "IQ1_S"];
        let ranks: Vec<u32> = order.iter().map(|quant| quality_rank(quant).expect(quant)).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert_eq!(quality_rank("Q4_0_4_8"), quality_rank("Q4_0"));
        assert_eq!(quality_rank("huh"), None);
        assert_eq!(quality_note("Q4_K_M"), "the usual balance of size and quality");
    }
}
