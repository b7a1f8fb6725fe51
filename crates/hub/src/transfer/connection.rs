//! One connection of a download: takes a piece, asks for it, receives it, takes the next; waits when the server wants that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use lantern_protocol::DownloadState;
use reqwest::Url;
use tokio::sync::mpsc;

use super::board::{Board, ClaimId};
use super::disk::Block;
use super::limit::Limiter;
use super::ranges::Range;
use super::source::{Answer, Source};
use crate::downloads::Progress;
use crate::http::{Failure, Patience, broken, chain};
use crate::{HubError, RetryPolicy};

/// An idle connection looks this often for something to take over.
const IDLE: Duration = Duration::from_millis(200);

/// Others that receive bytes prove that the way is good: then one that is silent for so long is given up.
const SILENCE_ALONE: Duration = Duration::from_secs(5);

/// Bytes after which a connection that breaks needs no wait before the next.
const WORTH: u64 = 64 << 10;

/// What all connections of a file share.
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) board: Board,
    pub(super) limiter: Arc<Limiter>,
    pub(super) retry: RetryPolicy,
    pub(super) progress: Progress,
    /// Connections that there are.
    pub(super) open: AtomicUsize,
    /// Those of them that wait for their next try.
    pub(super) waiting: AtomicUsize,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// All bytes are there.
    Done,
    /// This one gives up; others may get on.
    GivenUp(HubError),
    /// No connection can get on.
    Failed(HubError),
    /// The server always sends the whole file.
    NoRanges,
    /// The disk takes nothing more; it knows why.
    DiskFailed,
}

/// Why a piece was not received.
enum Trouble {
    Network(Failure),
    NoRanges,
    Disk,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Network(failure)
    }
}

impl Job {
    /// Works until nothing is left to do.
    pub(super) async fn connect(self: Arc<Self>, disk: mpsc::Sender<Block>) -> End {
        let mut patience = Patience::new(self.retry);
        let mut rate = None;
        loop {
            let began = Instant::now();
            let Some((claim, range)) = self.board.take(self.open.load(Ordering::Relaxed), rate, began) else {
                if self.board.missing() == 0 {
                    return End::Done;
                }
                tokio::time::sleep(IDLE).await;
                continue;
            };
            let before = range.start;
            let (received, end) = self.fetch(claim, range, &disk).await;
            self.board.give_back(claim);
            if received > 0 {
                patience.restore();
                let seconds = began.elapsed().as_secs_f64();
                rate = (seconds > 0.0).then(|| received as f64 / seconds);
            }
            match end {
                Ok(()) => {}
                Err(Trouble::Disk) => return End::DiskFailed,
                Err(Trouble::NoRanges) => return End::NoRanges,
                // A connection that brought something and broke is made again at once.
                Err(Trouble::Network(Failure::Transient { wait: None, .. })) if received >= WORTH => {}
                Err(Trouble::Network(failure)) => {
                    tracing::debug!(from = before, received, ?failure, "a piece did not come whole");
                    let is_final = matches!(failure, Failure::Fatal(_));
                    match patience.after(failure) {
                        Err(error) if is_final => return End::Failed(error),
                        Err(error) => return End::GivenUp(error),
                        Ok((wait, error)) => self.pause(wait, &error).await,
                    }
                }
            }
        }
    }

    /// Waits before the next try. If every connection does, that is the download's state.
    async fn pause(&self, wait: Duration, error: &HubError) {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        if waiting >= self.open.load(Ordering::Relaxed) {
            self.progress.failed(DownloadState::Retrying, error);
        }
        tokio::time::sleep(wait).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.progress.running();
    }

    /// Receives a piece, and says how many bytes of it came.
    async fn fetch(
        &self,
        claim: ClaimId,
        range: Range,
        disk: &mpsc::Sender<Block>,
    ) -> (u64, Result<(), Trouble>) {
        let response = match self.source.get(&range).await {
            Ok(Answer::Range(response)) => response,
            Ok(Answer::Whole(_)) => return (0, Err(Trouble::NoRanges)),
            Err(failure) => return (0, Err(failure.into())),
        };
        let (url, mut received) = (response.url().clone(), 0);
        let mut body = response.bytes_stream();
        loop {
            let chunk = match self.next(&mut body, &url).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if self.board.is_done(claim) => return (received, Ok(())),
                Ok(None) => {
                    let text =
                        format!("the connection ended {} bytes early", range.end - range.start - received);
                    return (received, Err(broken(&url, text).into()));
                }
                Err(failure) => return (received, Err(failure.into())),
            };
            self.limiter.pass(chunk.len()).await;
            // First a place for the bytes, then the note that they came: nothing is lost in between.
            let Ok(place) = disk.reserve().await else { return (received, Err(Trouble::Disk)) };
            let taken = self.board.advance(claim, chunk.len());
            received += taken.count as u64;
            if taken.count > 0 {
                place.send((taken.at, chunk.slice(..taken.count)));
            }
            if taken.done {
                // Read to its end, a connection can be used for the next piece.
                if range.end - range.start == received {
                    let _ = tokio::time::timeout(IDLE, body.next()).await;
                }
                return (received, Ok(()));
            }
        }
    }

    /// The next bytes. A connection that is silent while others are not is given up earlier.
    async fn next(
        &self,
        body: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
        url: &Url,
    ) -> Result<Option<Bytes>, Failure> {
        let before = self.board.received();
        let silence = self.retry.silence;
        let short = (silence / 3).min(SILENCE_ALONE);
        let mut chunk = tokio::time::timeout(short, body.next()).await;
        if chunk.is_err() && self.board.received() == before {
            chunk = tokio::time::timeout(silence - short, body.next()).await;
        }
        match chunk {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(broken(url, chain(&error))),
            Err(_) => Err(broken(url, format!("no byte within {} s", silence.as_secs_f32()))),
        }
    }
}

/// Receives the whole file from a server that knows no ranges, and keeps what is missing of it.
pub(super) async fn receive_whole(
    job: &Job,
    have: impl Fn() -> super::Ranges,
    total: u64,
    disk: &mpsc::Sender<Block>,
) -> Result<(), HubError> {
    let mut patience = Patience::new(job.retry);
    let mut furthest = 0;
    loop {
        let failure = match job.source.get(&(0..total)).await {
            Err(failure) => failure,
            Ok(Answer::Range(response) | Answer::Whole(response)) => {
                let (url, mut at) = (response.url().clone(), 0u64);
                let mut body = response.bytes_stream();
                let failure = loop {
                    match job.next(&mut body, &url).await {
                        Ok(Some(chunk)) => {
                            job.limiter.pass(chunk.len()).await;
                            let end = (at + chunk.len() as u64).min(total);
                            for gap in have().gaps(at..end) {
                                // Both lie within the chunk.
                                let (from, to) = ((gap.start - at) as usize, (gap.end - at) as usize);
                                if disk.send((gap.start, chunk.slice(from..to))).await.is_err() {
                                    return Ok(());
                                }
                            }
                            at = end;
                            if at == total {
                                return Ok(());
                            }
                        }
                        Ok(None) => {
                            break broken(&url, format!("the connection ended {} bytes early", total - at));
                        }
                        Err(failure) => break failure,
                    }
                };
                if at > furthest {
                    (furthest, patience) = (at, Patience::new(job.retry));
                }
                failure
            }
        };
        let (wait, error) = patience.after(failure)?;
        job.pause(wait, &error).await;
    }
}
