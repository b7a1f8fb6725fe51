//! `GET /metrics`: what happens here, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use lantern_engine::EngineStats;

use crate::generate::Tokens;
use crate::server::Server;

/// Counted since the endpoint began.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By route and status.
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    prompt: AtomicU64,
    cached: AtomicU64,
    completion: AtomicU64,
    embedded: AtomicU64,
}

impl Metrics {
    /// A request was answered, or its answer has begun.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), status)).or_default() += 1;
    }

    /// An answer is whole.
    pub(crate) fn generated(&self, tokens: Tokens) {
        add(&self.prompt, tokens.prompt);
        add(&self.cached, tokens.cached);
        add(&self.completion, tokens.completion);
    }

    /// Texts became vectors.
    pub(crate) fn embedded(&self, tokens: usize) {
        add(&self.embedded, tokens);
    }

    fn written(&self) -> Page {
        let mut page = Page::default();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        page.begin("lantern_requests_total", "counter", "Requests by route and status.");
        for ((route, status), count) in requests.iter() {
            page.value(
                "lantern_requests_total",
                &[("route", route), ("status", &status.to_string())],
                *count,
            );
        }
        drop(requests);
        let counters = [
            ("lantern_prompt_tokens_total", "Tokens of prompts whose answers are whole.", &self.prompt),
            ("lantern_cached_prompt_tokens_total", "Of those, tokens that the cache had.", &self.cached),
            ("lantern_completion_tokens_total", "Tokens of whole answers.", &self.completion),
            ("lantern_embedded_tokens_total", "Tokens of texts that became vectors.", &self.embedded),
        ];
        for (name, help, counter) in counters {
            page.begin(name, "counter", help);
            page.value(name, &[], counter.load(Ordering::Relaxed));
        }
        page
    }
}

fn add(counter: &AtomicU64, tokens: usize) {
    counter.fetch_add(u64::try_from(tokens).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The page, line by line.
#[derive(Default)]
struct Page(String);

impl Page {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels = labels.iter().map(label).collect::<Vec<_>>().join(",");
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

/// One number of each engine.
type Gauge = (&'static str, &'static str, &'static str, fn(&EngineStats) -> u64);

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

const ENGINES: [Gauge; 9] = [
    ("lantern_requests_running", "gauge", "Sequences being computed.", |s| number(s.running)),
    ("lantern_requests_waiting", "gauge", "Sequences in the queue.", |s| number(s.waiting)),
    ("lantern_kv_blocks", "gauge", "Blocks of the cache of keys and values.", |s| number(s.blocks_total)),
    ("lantern_kv_blocks_used", "gauge", "Blocks that sequences hold.", |s| number(s.blocks_used)),
    ("lantern_kv_blocks_cached", "gauge", "Blocks that keep a prefix.", |s| number(s.blocks_cached)),
    ("lantern_steps_total", "counter", "Forward passes.", |s| s.steps),
    ("lantern_sampled_tokens_total", "counter", "Tokens sampled.", |s| s.sampled_tokens),
    ("lantern_prefix_hit_tokens_total", "counter", "Prompt tokens that the cache saved.", |s| {
        s.cached_tokens
    }),
    ("lantern_preemptions_total", "counter", "Sequences that had to be computed again.", |s| s.preemptions),
];

/// The handler.
pub(crate) async fn show(server: Server) -> Response {
    let mut page = server.metrics.written();
    let models = server.app.models_in_memory();
    for (name, kind, help, value) in ENGINES {
        page.begin(name, kind, help);
        for model in &models {
            page.value(name, &[("model", &model.id)], value(&model.engine.stats()));
        }
    }
    page.begin("lantern_model_memory_bytes", "gauge", "Memory of each model in it.");
    for model in &models {
        page.value("lantern_model_memory_bytes", &[("model", &model.id)], model.engine.memory_bytes());
    }
    let memory = server.app.memory_use();
    let process = [
        ("lantern_memory_charged_bytes", "Memory promised to models.", Some(memory.charged)),
        ("lantern_memory_available_bytes", "Memory that another model could have.", Some(memory.available)),
        ("process_resident_memory_bytes", "Memory of the process.", lantern_engine::rss_bytes()),
    ];
    for (name, help, value) in process {
        if let Some(value) = value {
            page.begin(name, "gauge", help);
            page.value(name, &[], value);
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0).into_response()
}
