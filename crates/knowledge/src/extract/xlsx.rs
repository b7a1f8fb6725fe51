//! Workbooks (ISO/IEC 29500-1, SpreadsheetML): values as they were last computed, sheet by sheet and row by row.

use std::io::Cursor;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, Xlsx};
use lantern_protocol::Place;
use quick_xml::events::BytesRef;

use super::Builder;
use super::archive::{self, damaged};
use super::csv::{HEADING, on_one_line};
use crate::ExtractError;

pub(super) fn read(bytes: &[u8], mut out: Builder) -> Result<Builder, ExtractError> {
    archive::check(bytes, &out)?;
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let is_table = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet;
    let sheets: Vec<String> =
        workbook.sheets_metadata().iter().filter(is_table).map(|sheet| sheet.name.clone()).collect();
    for sheet in sheets {
        out.end_block();
        read_sheet(&mut workbook, &sheet, &mut out)?;
    }
    Ok(out)
}

/// Cells come one by one in the order of rows: a sheet that claims a million rows costs what is in it.
fn read_sheet(
    workbook: &mut Xlsx<Cursor<&[u8]>>,
    sheet: &str,
    out: &mut Builder,
) -> Result<(), ExtractError> {
    let mut cells = workbook.worksheet_cells_reader(sheet).map_err(damaged)?;
    let (mut row, mut heading) = (None, None);
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        out.tick()?;
        let value = value(cell.get_value());
        if value.is_empty() {
            continue;
        }
        let (at, _) = cell.get_position();
        if row == Some(at) {
            out.push(" | ")?;
        } else {
            end_row(row, out, &mut heading);
            let is_first = row.is_none();
            row = Some(at);
            let place = Place {
                sheet: Some(sheet.to_owned()),
                row: Some(at.saturating_add(1)),
                heading: heading.clone(),
                ..Place::default()
            };
            out.mark(place, is_first);
        }
        out.push(&value)?;
    }
    end_row(row, out, &mut heading);
    Ok(())
}

/// The first row that has values names the columns.
fn end_row(row: Option<u32>, out: &mut Builder, heading: &mut Option<String>) {
    if row.is_some() && heading.is_none() {
        let line = out.text().rsplit('\n').next().unwrap_or_default();
        *heading = Some(line.chars().take(HEADING).collect());
    }
    out.end_line();
}

fn value(data: &DataRef<'_>) -> String {
    match data {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => on_one_line(text),
        DataRef::SharedString(text) => on_one_line(text),
        DataRef::Int(n) => n.to_string(),
        DataRef::Float(n) => n.to_string(),
        DataRef::Bool(true) => "TRUE".into(),
        DataRef::Bool(false) => "FALSE".into(),
        DataRef::DateTime(time) => date(time),
        DataRef::Error(error) => error.to_string(),
    }
}

/// A date, with its time unless that is midnight; a duration in hours.
fn date(time: &ExcelDateTime) -> String {
    if time.is_duration() {
        return format!("{:.2} h", time.as_f64() * 24.0);
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second) {
        (0, 0, 0) => date,
        _ => format!("{date} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// What a reference in XML stands for; entities that a document defines itself mean nothing here.
pub(super) fn character(name: &BytesRef<'_>) -> Result<String, ExtractError> {
    if let Some(c) = name.resolve_char_ref().map_err(damaged)? {
        return Ok(c.into());
    }
    let known = match name.xml10_content().as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    };
    Ok(known.into())
}
