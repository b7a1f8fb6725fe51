//! A comparison as a table for people.

use lantern_hub::human_bytes;

use super::compare::{Comparison, Figure, Unit};
use crate::error::CliError;
use crate::output;

pub fn print(comparison: &Comparison) -> Result<(), CliError> {
    output::line(format!(
        "{}, {}; {}, {} threads, kernels: {}, cache: {}",
        comparison.model_type,
        human_bytes(comparison.file_bytes),
        comparison.processor,
        comparison.threads,
        comparison.isa,
        comparison.kv_type,
    ))?;
    output::line(match comparison.rounds {
        1 => format!("lantern beside {}, one round", comparison.other),
        rounds => format!("lantern beside {}, medians of {rounds} rounds in turns", comparison.other),
    })?;
    output::line("")?;
    let head = ["", "lantern", &comparison.other, "ratio", "round by round", "better"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(comparison.figures.iter().map(row));
    output::table(&rows)?;
    output::line("")?;
    output::line("Ratios are Lantern's figure over the other's: lowest … median … highest round.")?;
    for note in &comparison.notes {
        output::line(note)?;
    }
    Ok(())
}

fn row(figure: &Figure) -> Vec<String> {
    let ratios = &figure.ratios;
    vec![
        figure.name.clone(),
        amount(figure.unit, figure.ours.median),
        amount(figure.unit, figure.theirs.median),
        format!("{:.2}", figure.ratio_of_medians),
        format!("{:.2} … {:.2} … {:.2}", ratios.lowest, ratios.median, ratios.highest),
        if figure.unit == Unit::TokensPerSecond { "higher" } else { "lower" }.to_owned(),
    ]
}

fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::TokensPerSecond => format!("{value:.1} tokens/s"),
        Unit::Bytes => human_bytes(value as u64),
        Unit::Seconds => format!("{value:.2} s"),
    }
}
