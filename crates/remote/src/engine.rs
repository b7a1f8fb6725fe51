//! The connection to a remote engine.

use std::time::Duration;

use bytes::Bytes;
use lantern_engine::{
    EventSender, FinishReason, GenerateRequest, GenerationEvent, GenerationStream, Timings, Usage,
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::sse::Reader;
use crate::{RemoteError, RemoteModel, address, body, models, refusal};

/// A list of models or an error is not longer.
const MOST_BYTES: usize = 4 << 20;
/// Nor is an answer: millions of chunks.
const MOST_STREAMED: u64 = 1 << 30;

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes, the first ones included.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(120) }
    }
}

/// A server that speaks OpenAI's protocol. Clones share their connections.
#[derive(Debug, Clone)]
pub struct RemoteEngine {
    client: Client,
    base: Url,
    host: String,
    key: Option<HeaderValue>,
    silence: Duration,
}

impl RemoteEngine {
    /// The server at this address, which ends where `/models` begins, such as `https://gpu.example.org/v1`. Connects to
    /// nothing yet.
    pub fn new(base_url: &str, key: Option<&str>) -> Result<Self, RemoteError> {
        Self::with_patience(base_url, key, Patience::default())
    }

    /// The same, waiting longer or shorter.
    pub fn with_patience(base_url: &str, key: Option<&str>, patience: Patience) -> Result<Self, RemoteError> {
        let base = address::checked(base_url)?;
        let host = address::host(&base);
        let key = key.map(str::trim).filter(|key| !key.is_empty()).map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| RemoteError::BadKey { host: host.clone() })?;
            value.set_sensitive(true);
            Ok(value)
        });
        let key = key.transpose()?;
        let mut builder = Client::builder()
            .user_agent(concat!("lantern/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(patience.connect);
        // A proxy would see what must stay on this network.
        if base.scheme() == "http" {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| RemoteError::Unreachable { host: host.clone(), why: chain(&error) })?;
        Ok(Self { client, base, host, key, silence: patience.silence })
    }

    /// What the server serves.
    pub async fn models(&self) -> Result<Vec<RemoteModel>, RemoteError> {
        let request = self.client.get(address::below(&self.base, "models"));
        let response = self.send(request, "").await?;
        let body = self.whole(response).await?;
        let list: models::List = serde_json::from_slice(&body)
            .map_err(|error| self.bad(format!("its list of models cannot be read ({error})")))?;
        Ok(list.into())
    }

    /// Asks for one answer. What the server refuses at once is an error here; what goes wrong later is the stream's last
    /// event. Dropping the stream closes the connection, upon which servers end the answer.
    pub async fn generate(
        &self,
        model: &RemoteModel,
        request: &GenerateRequest,
    ) -> Result<GenerationStream, RemoteError> {
        // Pictures become files, which takes a while.
        let (request, named) = (request.clone(), model.clone());
        let written = tokio::task::spawn_blocking(move || body::of(&request, &named)).await;
        let (path, body) = written.map_err(|error| RemoteError::Picture { why: error.to_string() })??;
        let response = self.post(path, &body, &model.id).await?;
        let (sender, stream) = GenerationStream::outside();
        let (engine, answer) = (self.clone(), Answer::new(&self.host, &model.id));
        tokio::spawn(async move { engine.follow(response, answer, sender).await });
        Ok(stream)
    }

    async fn post(
        &self,
        path: &str,
        body: &Map<String, Value>,
        model: &str,
    ) -> Result<Response, RemoteError> {
        self.send(self.client.post(address::below(&self.base, path)).json(body), model).await
    }

    /// A response that is a success.
    async fn send(&self, request: RequestBuilder, model: &str) -> Result<Response, RemoteError> {
        let request = match &self.key {
            Some(key) => request.header(AUTHORIZATION, key),
            None => request,
        };
        let response = tokio::time::timeout(self.silence, request.send()).await.map_err(|_| self.silent())?;
        let response = response.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.whole(response).await.unwrap_or_default();
        Err(refusal::of_answer(&self.host, model, status.as_u16(), &body))
    }

    /// A body that is to be short.
    async fn whole(&self, mut response: Response) -> Result<Vec<u8>, RemoteError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk(&mut response).await? {
            body.extend_from_slice(&bytes);
            if body.len() > MOST_BYTES {
                return Err(self.bad("it sends more than 4 MB".into()));
            }
        }
        Ok(body)
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, RemoteError> {
        let chunk = tokio::time::timeout(self.silence, response.chunk()).await.map_err(|_| self.silent())?;
        chunk.map_err(|error| RemoteError::Lost { host: self.host.clone(), why: chain(&error) })
    }

    /// Reads to the end, or until nobody listens.
    async fn follow(&self, response: Response, answer: Answer, events: EventSender) {
        let last = tokio::select! {
            () = events.closed() => return,
            last = self.read(response, answer, &events) => last,
        };
        events.send(last.unwrap_or_else(|error| GenerationEvent::Failed(error.into())));
    }

    async fn read(
        &self,
        mut response: Response,
        mut answer: Answer,
        events: &EventSender,
    ) -> Result<GenerationEvent, RemoteError> {
        let (mut reader, mut streamed) = (Reader::default(), 0);
        loop {
            let Some(bytes) = self.chunk(&mut response).await? else { break };
            streamed += bytes.len() as u64;
            if streamed > MOST_STREAMED {
                return Err(self.bad("its answer has no end".into()));
            }
            for data in reader.read(&bytes).map_err(|error| self.bad(error.0.into()))? {
                answer.take(&data)?.into_iter().for_each(|event| events.send(event));
            }
            if answer.is_done() {
                return answer.finished();
            }
            if events.is_cancelled() {
                let (reason, usage) = (FinishReason::Cancelled, Usage::default());
                let timings = Timings::default();
                return Ok(GenerationEvent::Finished { reason, stop_string: None, usage, timings });
            }
        }
        if let Some(data) = reader.end().map_err(|error| self.bad(error.0.into()))? {
            answer.take(&data)?.into_iter().for_each(|event| events.send(event));
        }
        answer.finished()
    }

    fn unreachable(&self, error: &reqwest::Error) -> RemoteError {
        RemoteError::Unreachable { host: self.host.clone(), why: chain(error) }
    }

    fn silent(&self) -> RemoteError {
        RemoteError::Silent { host: self.host.clone(), seconds: self.silence.as_secs() }
    }

    fn bad(&self, why: String) -> RemoteError {
        RemoteError::BadAnswer { host: self.host.clone(), why }
    }
}

/// An error and what caused it, in one line, without the address.
fn chain(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "timed out".to_owned(),
        (_, true) => "no connection".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
