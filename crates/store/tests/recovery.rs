//! Crashes, damage, other processes, other versions: what `open` makes of what it finds.

mod support;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lantern_protocol::MessageStatus;
use lantern_store::{DATABASE_FILE, Store};
use support::*;

#[test]
fn a_crash_keeps_every_word_that_was_appended() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Tell me a story");
    for word in ["Once ", "upon ", "a ", "time "] {
        store.append(&asked.assistant_message.id, word).unwrap();
    }
    assert!(dir.path().join("lantern.db-wal").exists(), "the test needs text that is in the log alone");
    copy_as_after_a_crash(dir.path(), crashed.path());

    let mut after = open(crashed.path());
    let view = after.conversation_view(&asked.conversation.id).unwrap();
    assert_eq!(view.messages[0].content, "Tell me a story");
    assert_eq!(view.messages[1].content, "Once upon a time ");
    assert_eq!(view.messages[1].status, MessageStatus::Interrupted);
    assert_eq!(after.search("upon").unwrap().len(), 1, "recovered text can be found");
    // The conversation goes on from there.
    let next = ask_next(&mut after, &asked.conversation.id, "Go on");
    assert_eq!(next.user_message.unwrap().parent_id, Some(asked.assistant_message.id.clone()));
    // The process that still lives is not disturbed.
    store.append(&asked.assistant_message.id, "there was").unwrap();
    assert_eq!(complete(&mut store, &asked).content, "Once upon a time there was");
}

#[test]
fn a_log_that_was_cut_off_costs_at_most_its_end() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(dir.path());
    let asked = ask_new(&mut store, "Tell me a story");
    for n in 0..50 {
        store.append(&asked.assistant_message.id, &format!("{n} ")).unwrap();
    }
    copy_as_after_a_crash(dir.path(), crashed.path());
    let wal = crashed.path().join("lantern.db-wal");
    let length = fs::metadata(&wal).unwrap().len();
    fs::File::options().write(true).open(&wal).unwrap().set_len(length - 5000).unwrap();

    let after = open(crashed.path());
    let text = after.message(&asked.assistant_message.id).unwrap().content;
    let whole: String = (0..50).map(|n| format!("{n} ")).collect();
    assert!(whole.starts_with(&text) && text.len() > 60, "kept {text:?}");
}

#[test]
fn a_second_process_leaves_a_live_answer_alone_and_sees_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let asked = ask_new(&mut first, "A");
    first.append(&asked.assistant_message.id, "so ").unwrap();

    let mut second = open(dir.path());
    let seen = second.message(&asked.assistant_message.id).unwrap();
    assert_eq!((seen.status, seen.content.as_str()), (MessageStatus::Streaming, "so "));
    let other = ask_new(&mut second, "B");
    first.append(&asked.assistant_message.id, "far").unwrap();
    answer(&mut second, &other, "b");
    assert_eq!(complete(&mut first, &asked).content, "so far");
    assert_eq!(second.conversations().unwrap().len(), 2);
}

#[test]
fn a_dead_writer_is_noticed_while_others_live() {
    let dir = tempfile::tempdir().unwrap();
    let mut living = open(dir.path());
    let live = ask_new(&mut living, "live");
    living.append(&live.assistant_message.id, "going on").unwrap();

    let mut dying = open(dir.path());
    let dead = ask_new(&mut dying, "dead");
    dying.append(&dead.assistant_message.id, "cut").unwrap();
    // Drops the locks as the end of a process does, without ending the answer.
    drop(dying);

    let third = open(dir.path());
    let status = |id: &str| third.message(id).unwrap().status;
    assert_eq!(status(&dead.assistant_message.id), MessageStatus::Interrupted);
    assert_eq!(status(&live.assistant_message.id), MessageStatus::Streaming);
}

#[test]
fn a_database_of_an_older_format_is_not_migrated_under_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let conn = rusqlite::Connection::open(first.path()).unwrap();
    conn.pragma_update(None, "user_version", 0).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap_err().code(), "database_in_use");
}

#[test]
fn many_processes_may_make_the_same_directory_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("new");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let mut store = open(home);
                let asked = ask_new(&mut store, &format!("question {n}"));
                answer(&mut store, &asked, "answer");
            });
        }
    });
    assert_eq!(open(&home).conversations().unwrap().len(), 8);
}

/// A closed database with something in it.
fn closed_database(dir: &Path) -> PathBuf {
    let mut store = open(dir);
    for n in 0..50 {
        let asked = ask_new(&mut store, &format!("question {n}"));
        answer(&mut store, &asked, &"many words ".repeat(200));
    }
    drop(store);
    dir.join(DATABASE_FILE)
}

fn put_aside(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect();
    paths.sort();
    paths
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

fn assert_put_aside(dir: &Path, damaged: &[u8]) {
    let opened = Store::open(dir).unwrap();
    let notice = opened.notice.expect("damage must be told");
    assert_eq!(notice.code, "database_put_aside");
    assert_eq!(opened.store.conversations().unwrap(), []);
    let aside = put_aside(dir);
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).unwrap(), damaged, "what was put aside was altered");
    assert!(notice.message.contains(&*aside[0].to_string_lossy()), "{}", notice.message);
    drop(opened.store);
    assert_eq!(Store::open(dir).unwrap().notice, None, "the new database is damaged as well");
}

#[test]
fn a_damaged_header_puts_the_database_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = closed_database(dir.path());
    overwrite(&path, 0, &[0xAA; 40]);
    assert_put_aside(dir.path(), &fs::read(&path).unwrap());
}

#[test]
fn damaged_pages_put_the_database_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = closed_database(dir.path());
    let length = fs::metadata(&path).unwrap().len();
    for page in (4096..length).step_by(3 * 4096) {
        overwrite(&path, page, &[0xAA; 64]);
    }
    assert_put_aside(dir.path(), &fs::read(&path).unwrap());
}

#[test]
fn a_file_that_was_cut_off_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = closed_database(dir.path());
    fs::File::options().write(true).open(&path).unwrap().set_len(10_000).unwrap();
    assert_put_aside(dir.path(), &fs::read(&path).unwrap());
}

#[test]
fn the_log_goes_aside_with_its_database() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(dir.path());
    ask_new(&mut store, "in the log");
    copy_as_after_a_crash(dir.path(), crashed.path());
    let path = crashed.path().join(DATABASE_FILE);
    overwrite(&path, 0, b"not a database..");
    assert!(Store::open(crashed.path()).unwrap().notice.is_some());
    let names: Vec<String> = put_aside(crashed.path())
        .iter()
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let log = format!("{}-wal", names[0]);
    assert!(names.contains(&log), "SQLite would not find the log: {names:?}");
}

#[test]
fn a_damaged_search_index_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = closed_database(dir.path());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("UPDATE search_index_data SET block = zeroblob(length(block)) WHERE id > 10", []).unwrap();
    drop(conn);
    let store = open(dir.path());
    assert_eq!(store.search("question").unwrap().len(), 50);
}

#[test]
fn a_newer_database_is_refused_and_stays_as_it_is() {
    let (dir, newer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = closed_database(dir.path());
    // The newer version left its number in the log, as after a crash.
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 999).unwrap();
    copy_as_after_a_crash(dir.path(), newer.path());
    drop(conn);
    let files = ["lantern.db", "lantern.db-wal"].map(|name| newer.path().join(name));
    let before = files.clone().map(|file| fs::read(file).unwrap());

    let error = Store::open(newer.path()).unwrap_err();
    assert_eq!(error.code(), "database_newer");
    assert!(error.to_string().contains("999"), "{error}");
    assert!(error.next_step().contains("Update Lantern"), "{}", error.next_step());
    assert_eq!(files.map(|file| fs::read(file).unwrap()), before, "the newer database was touched");
}

#[test]
fn a_directory_that_cannot_be_written_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(Store::open(&file.join("below")).unwrap_err().code(), "data_dir_unusable");
    #[cfg(target_os = "linux")]
    {
        // Refuses new entries even to root, whom permission bits do not stop.
        let error = Store::open(Path::new("/sys/lantern")).unwrap_err();
        assert_eq!(error.code(), "data_dir_read_only", "{error}");
        assert!(error.next_step().contains("LANTERN_HOME"));
    }
}

#[cfg(unix)]
#[test]
fn the_data_directory_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("lantern");
    drop(open(&home));
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o077, 0);
}
