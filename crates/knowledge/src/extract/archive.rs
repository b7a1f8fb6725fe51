//! ZIP archives as Office writes them (ISO/IEC 29500-2), unpacked under limits.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{Builder, Format};
use crate::ExtractError;

/// More parts than this no document has.
const MOST_PARTS: usize = 20_000;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub(super) fn damaged(error: impl std::fmt::Display) -> ExtractError {
    ExtractError::Damaged(error.to_string())
}

fn open(bytes: &[u8]) -> Result<Archive<'_>, ExtractError> {
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MOST_PARTS {
        return Err(ExtractError::Nested);
    }
    Ok(archive)
}

/// Which of Office's formats an archive is.
pub(super) fn office_format(bytes: &[u8]) -> Result<Format, ExtractError> {
    let archive = open(bytes)?;
    let has = |name: &str| archive.index_for_name(name).is_some();
    if has("word/document.xml") {
        return Ok(Format::Docx);
    }
    if has("xl/workbook.xml") {
        return Ok(Format::Xlsx);
    }
    if has("ppt/presentation.xml") {
        return Err(ExtractError::Unknown("a presentation"));
    }
    Err(ExtractError::Unknown("an archive of files"))
}

/// Checks that everything in an archive unpacks to no more than is allowed, by unpacking it to nowhere: what its directory
/// says of sizes is what its maker wants one to believe.
pub(super) fn check(bytes: &[u8], out: &Builder) -> Result<(), ExtractError> {
    let mut archive = open(bytes)?;
    let (mut total, mut buffer) = (0_u64, vec![0; 64 << 10]);
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(refusal)?;
        loop {
            let read = part.read(&mut buffer).map_err(damaged)?;
            total = total.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if total > out.limits.unpacked_bytes {
                return Err(ExtractError::Unpacks { limit: out.limits.unpacked_bytes });
            }
            if read == 0 {
                break;
            }
        }
        out.in_time()?;
    }
    Ok(())
}

/// One part as text; `None` where there is none of this name.
pub(super) fn part(bytes: &[u8], name: &str, out: &Builder) -> Result<Option<String>, ExtractError> {
    let mut archive = open(bytes)?;
    let part = match archive.by_name(name) {
        Ok(part) => part,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(refusal(error)),
    };
    let limit = out.limits.unpacked_bytes;
    let mut content = Vec::new();
    part.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(damaged)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
        return Err(ExtractError::Unpacks { limit });
    }
    String::from_utf8(content).map(Some).map_err(|_| ExtractError::Damaged(format!("{name} is no UTF-8")))
}

fn refusal(error: ZipError) -> ExtractError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ExtractError::Encrypted,
        error => damaged(error),
    }
}
