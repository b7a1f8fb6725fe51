//! An answer as it is written: server-sent events, or a JSON object a line.
//!
//! A client that goes away drops the response, which ends the task that writes it, which drops the run, which frees its
//! sequences.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc;

use super::run::{resolved, start};
use super::{Ask, Event, Run, Tokens};
use crate::ApiError;
use crate::server::Server;

/// How often a silent stream says that it is alive, so that clients do not time out while a model loads or reads.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Pieces that a slow reader may be behind; the engine goes on in any case.
const PIECES: usize = 64;

/// What a protocol writes when something happens.
pub(crate) trait Writer: Send + 'static {
    /// What the response is.
    const CONTENT_TYPE: &'static str = "text/event-stream";

    /// The model is there and the prompt is taken.
    fn open(&mut self, run: &Run, out: &mut Frames);
    /// Something happened to a choice; not that it failed.
    fn event(&mut self, choice: usize, event: Event, out: &mut Frames);
    /// All choices are whole.
    fn close(&mut self, tokens: Tokens, out: &mut Frames);
    /// There will be no more.
    fn fail(&mut self, error: &ApiError, out: &mut Frames);
    /// Nothing has happened for a while.
    fn wait(&mut self, out: &mut Frames) {
        out.comment("working");
    }
}

/// Pieces of a response.
#[derive(Debug, Default)]
pub(crate) struct Frames(String);

impl Frames {
    /// A server-sent event.
    pub(crate) fn data(&mut self, data: &impl Serialize) {
        self.raw(&json(data));
    }

    /// A server-sent event with a name.
    pub(crate) fn named(&mut self, name: &str, data: &impl Serialize) {
        self.0.push_str("event: ");
        self.0.push_str(name);
        self.0.push('\n');
        self.data(data);
    }

    /// A server-sent event whose data are no JSON.
    pub(crate) fn raw(&mut self, data: &str) {
        self.0.push_str("data: ");
        self.0.push_str(data);
        self.0.push_str("\n\n");
    }

    /// What clients of server-sent events pass over.
    pub(crate) fn comment(&mut self, text: &str) {
        self.0.push_str(": ");
        self.0.push_str(text);
        self.0.push_str("\n\n");
    }

    /// An object on a line of its own.
    pub(crate) fn line(&mut self, data: &impl Serialize) {
        self.0.push_str(&json(data));
        self.0.push('\n');
    }

    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.0))
    }
}

/// Strings and numbers always serialise; serde_json writes no line break outside a string and none inside.
fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_else(|_| "{}".into())
}

type Starting = Pin<Box<dyn Future<Output = Result<Run, ApiError>> + Send>>;

/// Where a stream's run is when the response begins.
enum Begin {
    Now(Box<Run>),
    Later(Starting),
}

/// The answer as it is written. What goes wrong before anything could be written within the server's patience is an
/// error; later, the stream tells it.
pub(crate) async fn stream<W: Writer>(server: &Server, ask: Ask, writer: W) -> Result<Response, ApiError> {
    let ask = resolved(server, ask).await?;
    let mut starting: Starting = Box::pin(start(server.clone(), ask));
    let begin = match tokio::time::timeout(server.limits.patience, &mut starting).await {
        Ok(run) => Begin::Now(Box::new(run?)),
        Err(_) => Begin::Later(starting),
    };
    let (pieces, reader) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let gone = pieces.clone();
        tokio::select! {
            () = gone.closed() => {}
            () = write(begin, writer, pieces) => {}
        }
    });
    Ok(response(W::CONTENT_TYPE, received(reader)))
}

/// A response whose pieces follow.
pub(crate) fn response(
    content_type: &'static str,
    pieces: impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static,
) -> Response {
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn received(reader: mpsc::Receiver<Bytes>) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures::stream::unfold(reader, |mut reader| async move { Some((Ok(reader.recv().await?), reader)) })
}

async fn write<W: Writer>(begin: Begin, mut writer: W, pieces: mpsc::Sender<Bytes>) {
    let mut out = Frames::default();
    let mut run = match begin {
        Begin::Now(run) => *run,
        Begin::Later(starting) => match awaited(starting, &mut writer, &pieces).await {
            Ok(run) => run,
            Err(error) => {
                writer.fail(&error, &mut out);
                // Whether anybody still reads the end makes no difference.
                let _ = pieces.send(out.take()).await;
                return;
            }
        },
    };
    writer.open(&run, &mut out);
    loop {
        if !out.0.is_empty() && pieces.send(out.take()).await.is_err() {
            return;
        }
        match tokio::time::timeout(KEEP_ALIVE, run.next()).await {
            Err(_) => writer.wait(&mut out),
            Ok(Some((_, Event::Failed(error)))) => {
                writer.fail(&error, &mut out);
                break;
            }
            Ok(Some((choice, event))) => writer.event(choice, event, &mut out),
            Ok(None) => {
                writer.close(run.tokens(), &mut out);
                break;
            }
        }
    }
    let _ = pieces.send(out.take()).await;
}

/// The run, with signs of life until it is there, the first one at once.
async fn awaited<W: Writer>(
    mut starting: Starting,
    writer: &mut W,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<Run, ApiError> {
    let mut out = Frames::default();
    loop {
        writer.wait(&mut out);
        if !out.0.is_empty() {
            let _ = pieces.send(out.take()).await;
        }
        if let Ok(run) = tokio::time::timeout(KEEP_ALIVE, &mut starting).await {
            return run;
        }
    }
}
