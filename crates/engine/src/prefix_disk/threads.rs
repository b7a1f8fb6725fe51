//! The two threads that wait for the disk: one reads, so that somebody's prompt never waits for what is being written;
//! the other writes. Both do one thing after the other, and tell the engine thread of each.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::file::{Header, Miss, PieceSum};
use super::folder::{ModelFolder, Written};
use super::index::SegmentRead;
use super::name::FileName;
use super::point::Point;
use crate::worker::Command;

/// What the engine thread hears of.
pub(crate) enum DiskEvent {
    /// What was asked for, in the order of asking.
    Read { ticket: u64, name: FileName, result: Result<Vec<u8>, Miss> },
    /// A file was written, or was not.
    Written { name: FileName, bytes: usize, is_kept: bool },
    /// These are there no longer.
    Gone(Vec<FileName>),
}

/// What to read for a prompt.
pub(crate) struct ReadTask {
    pub(crate) ticket: u64,
    pub(crate) what: Wanted,
    pub(crate) prompt: Arc<Prompt>,
}

/// The file, and which part of it.
pub(crate) enum Wanted {
    Segment(SegmentRead),
    Snapshot { name: FileName, blocks: usize },
}

/// The tokens that somebody asks for and their points.
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<u32>,
    /// Of no blocks, one, two, ….
    pub(crate) points: Vec<Point>,
    pub(crate) block_size: usize,
}

/// Called when something is done, or dropped when it never will be.
pub(crate) type Reply = Box<dyn FnOnce() + Send>;

/// A file to be written.
pub(crate) struct NewFile {
    pub(crate) name: FileName,
    pub(crate) parent: Point,
    pub(crate) tokens: Vec<u32>,
    /// Pieces, one behind the other, and their lengths.
    pub(crate) payload: Vec<u8>,
    pub(crate) lens: Vec<usize>,
    pub(crate) owner: Option<Arc<str>>,
}

/// What to do for the writer.
pub(crate) enum WriteTask {
    Write(NewFile),
    /// These were used, by somebody.
    Touch {
        names: Vec<FileName>,
        owner: Option<Arc<str>>,
    },
    /// Delete what nobody else has a share in, and answer.
    Forget {
        owner: Arc<str>,
        reply: Reply,
    },
    /// Answer when all before is done.
    Flush(Vec<Reply>),
}

/// Both threads.
pub(crate) struct Threads {
    pub(crate) reads: Sender<ReadTask>,
    pub(crate) writes: Sender<WriteTask>,
    /// Set when there is no time left: what is not written yet is dropped.
    hurries: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Threads {
    pub(crate) fn start(folder: ModelFolder, events: Sender<Command>) -> io::Result<Self> {
        let (reads, read_tasks) = channel();
        let (writes, write_tasks) = channel();
        let hurries = Arc::<AtomicBool>::default();
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (shelf, tell) = (folder.clone(), events.clone());
        let reader = spawn("lantern-read").spawn(move || read_all(&shelf, &read_tasks, &tell))?;
        let is_late = hurries.clone();
        let writer =
            spawn("lantern-write").spawn(move || write_all(&folder, &write_tasks, &events, &is_late))?;
        Ok(Threads { reads, writes, hurries, reader, writer })
    }

    /// Whether nobody will answer a request to read any more.
    pub(crate) fn reader_is_gone(&self) -> bool {
        self.reader.is_finished()
    }

    /// Whether nobody writes any more.
    pub(crate) fn writer_is_gone(&self) -> bool {
        self.writer.is_finished()
    }

    /// Lets go of both. What is being written at the moment is finished, what waits behind it is not. Only a writer that
    /// has `answered` is waited for: a disk may be stuck.
    pub(crate) fn end(self, answered: bool) {
        self.hurries.store(true, Ordering::Relaxed);
        drop((self.reads, self.writes));
        if answered {
            // Should it have panicked, something was not cached, which is nobody's error.
            let _ = self.writer.join();
        }
    }
}

fn read_all(folder: &ModelFolder, tasks: &Receiver<ReadTask>, events: &Sender<Command>) {
    for ReadTask { ticket, what, prompt } in tasks {
        let name = match what {
            Wanted::Segment(SegmentRead { name, .. }) | Wanted::Snapshot { name, .. } => name,
        };
        let result = read(folder, name, &what, &prompt);
        if let Err(miss) = &result {
            folder.discard(name, miss);
        }
        if events.send(Command::Disk(DiskEvent::Read { ticket, name, result })).is_err() {
            return;
        }
    }
}

fn read(folder: &ModelFolder, name: FileName, what: &Wanted, prompt: &Prompt) -> Result<Vec<u8>, Miss> {
    let mut file = File::open(folder.path(name))?;
    let header = Header::read(&mut file)?;
    // Of which blocks the file should be, how many of them are the prompt's, and where in it the wanted ones are.
    let (first, blocks, same, pieces) = match (what, name) {
        (Wanted::Segment(read), FileName::Segment { blocks, .. }) => {
            let first = read.start.checked_sub(read.skip).ok_or(Miss::Other)?;
            let end = read.skip + read.blocks;
            (first, blocks as usize, end, read.skip..end)
        }
        (Wanted::Snapshot { blocks, .. }, _) => (0, *blocks, *blocks, 0..header.pieces.len()),
        _ => return Err(Miss::Other),
    };
    let size = prompt.block_size;
    let tokens = prompt.tokens.get(first * size..(first + same) * size).ok_or(Miss::Other)?;
    let is_asked_for = header.model == *folder.model()
        && header.kind == name.kind()
        && Some(&header.parent) == prompt.points.get(first)
        && header.tokens.len() == blocks * size
        && header.tokens.starts_with(tokens);
    if !is_asked_for {
        return Err(Miss::Other);
    }
    header.read_pieces(&mut file, pieces)
}

fn write_all(
    folder: &ModelFolder,
    tasks: &Receiver<WriteTask>,
    events: &Sender<Command>,
    is_late: &AtomicBool,
) {
    // That the engine has ended is seen when the tasks do.
    let tell = |event| drop(events.send(Command::Disk(event)));
    warn(folder.tidy());
    for task in tasks {
        match task {
            _ if is_late.load(Ordering::Relaxed) => {}
            WriteTask::Write(file) => {
                let (name, bytes) = (file.name, file.payload.len());
                let Written { is_kept, evicted } = write(folder, file);
                tell(DiskEvent::Gone(evicted.iter().filter_map(|path| folder.name(path)).collect()));
                tell(DiskEvent::Written { name, bytes, is_kept });
            }
            WriteTask::Touch { names, owner } => {
                folder.touch(&names);
                warn(owner.map_or(Ok(()), |owner| folder.share(&owner, &names)));
            }
            WriteTask::Forget { owner, reply } => {
                match folder.forget(&owner) {
                    Ok(names) => tell(DiskEvent::Gone(names)),
                    failed => warn(failed.map(drop)),
                }
                reply();
            }
            WriteTask::Flush(waiting) => waiting.into_iter().for_each(|reply| reply()),
        }
    }
}

/// None of this is an error: the tokens are computed instead.
fn warn(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!("the folder of cached prefixes cannot be written: {error}");
    }
}

fn write(folder: &ModelFolder, file: NewFile) -> Written {
    let NewFile { name, parent, tokens, payload, lens, owner } = file;
    let mut rest = &payload[..];
    let mut piece = |len| {
        let (bytes, behind) = rest.split_at(len);
        rest = behind;
        PieceSum::of(bytes)
    };
    let pieces = lens.into_iter().map(&mut piece).collect();
    let header = Header { model: *folder.model(), kind: name.kind(), parent, tokens, pieces };
    let Some(head) = header.encode() else { return Written::default() };
    folder.write(name, &[&head, &payload], owner.as_deref()).unwrap_or_else(|error| {
        tracing::warn!("a prefix could not be kept on disk: {error}");
        Written::default()
    })
}
