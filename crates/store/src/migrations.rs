//! The database's formats, numbered by SQLite's `user_version`, and the way from each to the next.
//!
//! An existing database is copied before it is changed, and all steps happen in one transaction: a migration that fails
//! leaves the old format behind. A format, once released, is never edited here; changes are new steps at the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::{
    StoreError, answer_sights, api_keys, api_requests, assistants, attachments, conversation_assistants,
    conversations, documents, folders, imports, journal, knowledge, messages, model_notes, overflow_choices,
    prompts, receipts, search, settings, shelf, summaries, tool_calls, tool_choices,
};

/// The statements that lead to format 1, 2, …, in order.
pub(crate) const MIGRATIONS: &[&[&str]] = &[
    &[conversations::V1, messages::V1, journal::V1, settings::V1, search::V1],
    &[conversations::V2, summaries::V2],
    &[api_keys::V3, api_requests::V3],
    &[model_notes::V4],
    &[folders::V5, shelf::V5, search::V5, imports::V5],
    &[documents::FIRST, attachments::FIRST, knowledge::FIRST],
    &[tool_calls::V5, tool_choices::V5],
    &[overflow_choices::FIRST, answer_sights::FIRST, summaries::EDITED],
    &[assistants::FIRST, conversation_assistants::FIRST, prompts::FIRST],
    &[receipts::FIRST],
];

/// The latest format.
pub(crate) const LATEST: u32 = MIGRATIONS.len() as u32;

/// The format of an open database; 0 when it is new.
pub(crate) fn version(conn: &Connection) -> Result<u32, StoreError> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the database to the last of `migrations`. Gives the back-up's path when one was made.
pub(crate) fn migrate(
    conn: &mut Connection,
    path: &Path,
    migrations: &[&[&str]],
) -> Result<Option<PathBuf>, StoreError> {
    let from = version(conn)?;
    let latest = migrations.len() as u32;
    if from > latest {
        return Err(StoreError::Newer { path: path.to_owned(), found: from, known: latest });
    }
    if from == latest {
        return Ok(None);
    }
    let backup = if from > 0 { Some(back_up(conn, path, from)?) } else { None };
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for statements in &migrations[from as usize..] {
        for sql in *statements {
            transaction.execute_batch(sql)?;
        }
    }
    transaction.pragma_update(None, "user_version", latest)?;
    transaction.commit()?;
    Ok(backup)
}

/// Copies the database, with what its write-ahead log holds, to `lantern.db.backup-v<from>-<time>`.
fn back_up(conn: &Connection, path: &Path, from: u32) -> Result<PathBuf, StoreError> {
    let target = free_name(path, &format!("backup-v{from}"));
    let failed = |reason: String| StoreError::Backup { path: target.clone(), reason };
    // Under its final name only when it is whole.
    let partial = target.with_added_extension("part");
    let _ = fs::remove_file(&partial);
    conn.execute("VACUUM INTO ?1", [partial.to_string_lossy()]).map_err(|e| failed(e.to_string()))?;
    let synced = File::options().write(true).open(&partial).and_then(|file| file.sync_all());
    synced.and_then(|()| fs::rename(&partial, &target)).map_err(|e| failed(e.to_string()))?;
    tracing::info!(backup = %target.display(), "copied the database before upgrading it");
    Ok(target)
}

/// `lantern.db.<label>-<time>`, with a number behind it if that exists.
pub(crate) fn free_name(path: &Path, label: &str) -> PathBuf {
    let base = path.with_added_extension(format!("{label}-{}", timestamp()));
    let mut name = base.clone();
    let mut n = 2;
    while name.exists() {
        name = base.with_added_extension(n.to_string());
        n += 1;
    }
    name
}

/// The time in UTC for file names, `20261122-023104`. SQLite knows the calendar, so no crate for it is needed.
fn timestamp() -> String {
    Connection::open_in_memory()
        .and_then(|conn| conn.query_row("SELECT strftime('%Y%m%d-%H%M%S', 'now')", [], |row| row.get(0)))
        .unwrap_or_else(|_| crate::now_ms().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[&[&str]] = &[MIGRATIONS[0]];
    const NEXT: &[&[&str]] = &[MIGRATIONS[0], &["ALTER TABLE conversations ADD COLUMN colour TEXT;"]];
    const BROKEN: &[&[&str]] = &[
        MIGRATIONS[0],
        &["ALTER TABLE conversations ADD COLUMN colour TEXT;", "ALTER TABLE nothing ADD x;"],
    ];

    fn old_database(dir: &Path) -> (Connection, PathBuf) {
        let path = dir.join("lantern.db");
        let mut conn = crate::open::connect(&path).unwrap();
        assert_eq!(migrate(&mut conn, &path, OLD).unwrap(), None, "a new database needs no back-up");
        conn.execute(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Kept', 1, 1)",
            [],
        )
        .unwrap();
        (conn, path)
    }

    fn title(conn: &Connection) -> String {
        conn.query_row("SELECT title FROM conversations", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_migration_leaves_a_whole_copy_of_the_old_format() {
        let dir = tempfile::tempdir().unwrap();
        let (mut conn, path) = old_database(dir.path());
        let backup = migrate(&mut conn, &path, NEXT).unwrap().expect("an existing database is copied first");
        assert_eq!(version(&conn).unwrap(), 2);
        conn.execute("UPDATE conversations SET colour = 'red'", []).unwrap();

        let name = backup.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("lantern.db.backup-v1-"), "{name}");
        let copy = Connection::open(&backup).unwrap();
        assert_eq!((version(&copy).unwrap(), title(&copy)), (1, "Kept".into()));
        assert!(
            copy.execute("UPDATE conversations SET colour = 'red'", []).is_err(),
            "the copy was migrated too"
        );
    }

    #[test]
    fn a_database_of_the_first_format_comes_along() {
        let dir = tempfile::tempdir().unwrap();
        let (mut conn, path) = old_database(dir.path());
        assert!(migrate(&mut conn, &path, MIGRATIONS).unwrap().is_some(), "it is copied first");
        assert_eq!((version(&conn).unwrap(), title(&conn)), (LATEST, "Kept".into()));
        let new = conn.query_row("SELECT context_length, pinned FROM conversations", [], |row| {
            Ok((row.get::<_, Option<u32>>(0)?, row.get::<_, bool>(1)?))
        });
        assert_eq!(new.unwrap(), (None, false));
    }

    #[test]
    fn a_database_of_the_third_format_comes_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lantern.db");
        let mut conn = crate::open::connect(&path).unwrap();
        migrate(&mut conn, &path, &MIGRATIONS[..3]).unwrap();
        conn.execute(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Kept', 1, 1)",
            [],
        )
        .unwrap();
        let backup = migrate(&mut conn, &path, MIGRATIONS).unwrap().expect("it is copied first");
        assert!(backup.to_string_lossy().contains("backup-v3-"));
        assert_eq!((version(&conn).unwrap(), title(&conn)), (LATEST, "Kept".into()));
        let notes: u32 = conn.query_row("SELECT count(*) FROM model_notes", [], |row| row.get(0)).unwrap();
        assert_eq!(notes, 0);
    }

    #[test]
    fn a_failing_migration_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut conn, path) = old_database(dir.path());
        assert!(migrate(&mut conn, &path, BROKEN).is_err());
        assert_eq!(version(&conn).unwrap(), 1);
        assert_eq!(title(&conn), "Kept");
        assert!(conn.prepare("SELECT colour FROM conversations").is_err(), "half of the migration stayed");
    }

    #[test]
    fn without_a_back_up_there_is_no_migration() {
        let dir = tempfile::tempdir().unwrap();
        let (mut conn, _) = old_database(dir.path());
        let nowhere = dir.path().join("missing").join("lantern.db");
        let error = migrate(&mut conn, &nowhere, NEXT).unwrap_err();
        assert_eq!(error.code(), "backup_failed");
        assert_eq!(version(&conn).unwrap(), 1);
    }
}
