//! What happens before the first query: the lock, the checks, the migration, and the recovery of answers that were cut off.
//!
//! A process that is alone on the directory checks and migrates; one that joins others only checks that the format is
//! its own. Damage is never repaired by guessing: the file is put aside whole, and a new one is started.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lantern_protocol::ErrorInfo;
use rusqlite::{Connection, OpenFlags};

use crate::migrations::{self, LATEST, MIGRATIONS};
use crate::presence::{self, Presence, Writer};
use crate::{Opened, Store, StoreError, messages, tool_calls};

/// The database's file name inside the data directory.
pub const DATABASE_FILE: &str = "lantern.db";

impl Store {
    /// Opens the database in `dir`, making both if they are missing.
    ///
    /// A damaged database is put aside and replaced by an empty one, which the notice tells. A database of a newer
    /// Lantern is refused and stays as it is. Answers whose writer no longer runs become `interrupted`.
    pub fn open(dir: &Path) -> Result<Opened, StoreError> {
        create_private_dir(dir)?;
        let path = dir.join(DATABASE_FILE);
        let (presence, prepared) = Presence::take(dir, || prepare(dir, &path))?;
        let conn = connect(&path)?;
        match migrations::version(&conn)? {
            LATEST => {}
            found if found > LATEST => return Err(StoreError::Newer { path, found, known: LATEST }),
            found => return Err(StoreError::MigrationBlocked { path, found, known: LATEST }),
        }
        let writer = Writer::register(dir)?;
        let mut store = Self { conn, writer: Some(writer), _presence: Some(presence), path };
        let interrupted = store.write(|t| messages::interrupt(t, |writer| !Writer::is_alive(dir, writer)))?;
        store.write(|t| tool_calls::interrupt(t, |writer| !Writer::is_alive(dir, writer)))?;
        if interrupted > 0 {
            tracing::info!(interrupted, "kept the text of answers that were cut off");
        }
        Ok(Opened { store, notice: prepared.flatten() })
    }
}

impl Store {
    /// A store that exists as long as it is held, and never on a disk: neither as a file nor as one of SQLite's own. The ids
    /// of what is in it say so, see [`is_temporary`](crate::is_temporary).
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut conn = Connection::open_in_memory()?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        conn.pragma_update(None, "secure_delete", true)?;
        conn.set_prepared_statement_cache_capacity(64);
        migrations::migrate(&mut conn, Path::new(""), MIGRATIONS)?;
        Ok(Self { conn, writer: None, _presence: None, path: PathBuf::new() })
    }
}

/// The work of a process that is alone: check, put aside what is damaged, migrate.
fn prepare(dir: &Path, path: &Path) -> Result<Option<ErrorInfo>, StoreError> {
    presence::sweep(dir);
    refuse_newer(path)?;
    let notice = match check(path) {
        Ok(()) => None,
        Err(reason) => Some(put_aside(path, &reason)?),
    };
    let mut conn = connect(path)?;
    migrations::migrate(&mut conn, path, MIGRATIONS)?;
    Ok(notice)
}

/// A connection with the settings that every use of the database shares.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What a person wrote survives a power cut: each commit reaches the disk. Only the journal goes without (see there).
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Deleted text is overwritten, not just unlinked.
    conn.pragma_update(None, "secure_delete", true)?;
    // In KiB: what a search reads of a large index is there for the next letter that is typed.
    conn.pragma_update(None, "cache_size", -16_000)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Looks at the format without changing a byte: a read-only connection neither writes nor checkpoints.
fn refuse_newer(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let found = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(StoreError::from)
        .and_then(|conn| migrations::version(&conn));
    match found {
        Ok(found) if found > LATEST => Err(StoreError::Newer { path: path.to_owned(), found, known: LATEST }),
        // Whatever is wrong with it, the check that follows says.
        _ => Ok(()),
    }
}

/// Why the file is damaged, if it is.
fn check(path: &Path) -> Result<(), String> {
    if !has_sqlite_header(path) {
        return Err("it does not begin like a database".into());
    }
    let result = connect(path).and_then(|conn| {
        let problems = quick_check(&conn)?;
        // The search index can be made anew from the messages, so damage in it alone costs nothing.
        if !problems.is_empty()
            && problems.iter().all(|p| p.contains("search_index") || p.contains("passage_index"))
        {
            crate::search::rebuild(&conn)?;
            return quick_check(&conn);
        }
        Ok(problems)
    });
    match result {
        Ok(problems) if problems.is_empty() => Ok(()),
        Ok(problems) => Err(problems.join("; ")),
        Err(error) if error.is_corruption() => Err(error.to_string()),
        // Busy, forbidden, disk full: not damage. The next step meets the same error and reports it.
        Err(_) => Ok(()),
    }
}

/// A file that is missing or empty counts as a database yet to be made.
fn has_sqlite_header(path: &Path) -> bool {
    let mut header = [0u8; 16];
    match File::open(path).and_then(|file| file.take(16).read(&mut header)) {
        Ok(0) | Err(_) => true,
        Ok(_) => &header == b"SQLite format 3\0",
    }
}

fn quick_check(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare("PRAGMA quick_check(5)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter(|row| row != "ok").collect())
}

/// Renames the database, its log and its index to `lantern.db.corrupt-<time>…`, so that tools can still read them together.
fn put_aside(path: &Path, reason: &str) -> Result<ErrorInfo, StoreError> {
    let aside = migrations::free_name(path, "corrupt");
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, suffix)).map_err(|e| StoreError::io(&from, e))?;
        }
    }
    tracing::error!(reason, aside = %aside.display(), "the database is damaged and was put aside");
    Ok(ErrorInfo {
        code: "database_put_aside".into(),
        message: format!(
            "The database was damaged ({reason}) and was kept as {}; Lantern started with an empty one.",
            aside.display()
        ),
        next_step: "Keep that file: SQLite's recovery tools can often read most of it. Back-ups made before \
                    upgrades lie beside it."
            .into(),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Conversations and the endpoint's key are nobody else's business.
fn create_private_dir(dir: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| StoreError::io(dir, e))
}
