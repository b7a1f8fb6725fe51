//! Threads that read matrices from their file while others are multiplied.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use lantern_gguf::TensorBytes;

use super::slots::MatrixId;
use crate::arena::ArenaBytes;

/// As many keep a disk busy and still give what is needed now before the rest; they compute nothing.
const THREADS: usize = 2;

/// A matrix that is to be read.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: MatrixId,
    pub(super) bytes: TensorBytes,
    pub(super) part: Range<usize>,
    pub(super) buffer: ArenaBytes,
}

/// A matrix that was read, and where in the buffer it is; `None` when it could not be read this way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: MatrixId,
    pub(super) place: Option<Range<usize>>,
    pub(super) buffer: ArenaBytes,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    asked: Condvar,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// What a product waits for.
    needed: VecDeque<Request>,
    /// What a product may need soon.
    foreseen: VecDeque<Request>,
    answers: Vec<Answer>,
    stop: bool,
}

impl Reader {
    /// Starts the threads; `None` where the system refuses one. There will be at most `most` requests at a time.
    pub(super) fn start(most: usize) -> Option<Self> {
        let shared = Arc::new(Shared::default());
        {
            let mut queue = shared.lock();
            queue.needed.reserve(most);
            queue.foreseen.reserve(most);
            queue.answers.reserve(most);
        }
        let mut reader = Reader { shared, threads: Vec::with_capacity(THREADS) };
        for i in 0..THREADS {
            let shared = Arc::clone(&reader.shared);
            let thread = std::thread::Builder::new().name(format!("lantern-read-{i}"));
            reader.threads.push(thread.spawn(move || shared.serve()).ok()?);
        }
        Some(reader)
    }

    /// Has a matrix read, before all that is only foreseen if it is `needed`.
    pub(super) fn ask(&self, request: Request, needed: bool) {
        let mut queue = self.shared.lock();
        if needed { &mut queue.needed } else { &mut queue.foreseen }.push_back(request);
        drop(queue);
        self.shared.asked.notify_one();
    }

    /// What was foreseen is needed.
    pub(super) fn hurry(&self, id: MatrixId) {
        let mut queue = self.shared.lock();
        if let Some(at) = queue.foreseen.iter().position(|request| request.id == id) {
            let request = queue.foreseen.remove(at);
            queue.needed.extend(request);
        }
    }

    /// The buffer of something foreseen, unless a thread reads into it right now.
    pub(super) fn take_back(&self, id: MatrixId) -> Option<ArenaBytes> {
        let mut queue = self.shared.lock();
        if let Some(at) = queue.foreseen.iter().position(|request| request.id == id) {
            return queue.foreseen.remove(at).map(|request| request.buffer);
        }
        let at = queue.answers.iter().position(|answer| answer.id == id)?;
        Some(queue.answers.swap_remove(at).buffer)
    }

    /// Waits for a matrix that was asked for.
    pub(super) fn wait(&self, id: MatrixId) -> Answer {
        let mut queue = self.shared.lock();
        loop {
            if let Some(at) = queue.answers.iter().position(|answer| answer.id == id) {
                return queue.answers.swap_remove(at);
            }
            queue = self.shared.answered.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.asked.notify_all();
        for thread in self.threads.drain(..) {
            // It panics nowhere, and a destructor must not either.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn serve(&self) {
        while let Some(Request { id, bytes, part, mut buffer }) = self.next() {
            let place = bytes.read_direct(part, &mut buffer);
            self.lock().answers.push(Answer { id, place, buffer });
            self.answered.notify_all();
        }
    }

    /// Waits for a request; `None` at the end.
    fn next(&self) -> Option<Request> {
        let mut queue = self.lock();
        while !queue.stop {
            let request = queue.needed.pop_front();
            if let Some(request) = request.or_else(|| queue.foreseen.pop_front()) {
                return Some(request);
            }
            queue = self.asked.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}
