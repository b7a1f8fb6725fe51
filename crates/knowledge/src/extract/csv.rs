//! Tables as text (RFC 4180), with whichever separator they have.

use lantern_protocol::Place;

use super::Builder;
use super::archive::damaged;
use crate::ExtractError;

/// Separators in use, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// So many lines are looked at for the separator.
const SAMPLE: usize = 20;

/// Of the names of columns so many characters are kept with each row.
pub(super) const HEADING: usize = 200;

pub(super) fn read(text: &str, mut out: Builder) -> Result<Builder, ExtractError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let (mut heading, mut row) = (None, 0_u32);
    for record in reader.records() {
        let record = record.map_err(damaged)?;
        row = row.saturating_add(1);
        let values: Vec<String> = record.iter().map(on_one_line).collect();
        let line = values.join(" | ");
        heading.get_or_insert_with(|| line.chars().take(HEADING).collect::<String>());
        // The first row names the columns as far as anybody can tell.
        let columns = heading.clone().filter(|_| row > 1);
        out.mark(Place { row: Some(row), heading: columns, ..Place::default() }, false);
        out.push(&line)?;
        out.push("\n")?;
    }
    Ok(out)
}

/// A value as part of a row.
pub(super) fn on_one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The separator that most lines have equally often.
fn separator(text: &str) -> u8 {
    let lines: Vec<&[u8]> = text.lines().take(SAMPLE).map(str::as_bytes).collect();
    let count = |line: &[u8], separator: u8| line.iter().filter(|byte| **byte == separator).count();
    let agreement = |separator: u8| {
        let first = lines.first().map_or(0, |line| count(line, separator));
        let same = lines.iter().filter(|line| count(line, separator) == first).count();
        if first == 0 { 0 } else { same * 1000 + first }
    };
    let best = SEPARATORS.into_iter().rev().max_by_key(|separator| agreement(*separator));
    best.unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::separator;

    #[test]
    fn the_separator_is_what_every_line_has() {
        assert_eq!(separator("a;b\n1,5;2\n2,5;3\n"), b';');
        assert_eq!(separator("a,b\n1,2\n"), b',');
        assert_eq!(separator("a\tb, c\n1\t2\n"), b'\t');
        assert_eq!(separator("one column\nonly\n"), b',');
    }
}
