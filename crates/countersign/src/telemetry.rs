//! What the running server tells its operator: structured logs on stderr, and counters for Prometheus.

use crate::config::variable;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_subscriber::EnvFilter;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Acts allowed.
    pub(crate) allowed: AtomicU64,
    /// Calls that started before their decision was durable.
    pub(crate) started_early: AtomicU64,
    /// Acts refused by a clause or a quota.
    pub(crate) refused: AtomicU64,
    /// Acts that wait for approvals.
    pub(crate) waiting: AtomicU64,
    /// Calls not decided because another act has their idempotency key.
    pub(crate) repeated: AtomicU64,
    /// Requests refused by a rate limit.
    pub(crate) limited: AtomicU64,
    /// Requests without a known key.
    pub(crate) strangers: AtomicU64,
    /// Calls settled.
    pub(crate) settled: AtomicU64,
    /// Groups made durable, one sync each.
    pub(crate) groups: AtomicU64,
    /// Entries made durable.
    pub(crate) entries: AtomicU64,
    /// Size of the tree at the last checkpoint.
    pub(crate) published: AtomicU64,
    /// Calls under way.
    pub(crate) under_way: AtomicU64,
    /// Tasks of the runtime that have not ended, when that was last asked.
    pub(crate) tasks: AtomicU64,
}

impl Metrics {
    /// The counters in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let rows = [
            ("countersign_acts_allowed_total", "counter", "Acts allowed", &self.allowed),
            (
                "countersign_calls_started_early_total",
                "counter",
                "Calls that started while their decision was being written, under a lease",
                &self.started_early,
            ),
            (
                "countersign_acts_refused_total",
                "counter",
                "Acts refused by a clause or a quota",
                &self.refused,
            ),
            ("countersign_acts_waiting_total", "counter", "Acts made to wait for approvals", &self.waiting),
            (
                "countersign_calls_repeated_total",
                "counter",
                "Calls that were no new act, because another has their idempotency key",
                &self.repeated,
            ),
            (
                "countersign_requests_limited_total",
                "counter",
                "Requests refused by a rate limit",
                &self.limited,
            ),
            (
                "countersign_requests_strangers_total",
                "counter",
                "Requests without a known key",
                &self.strangers,
            ),
            ("countersign_calls_settled_total", "counter", "Calls settled", &self.settled),
            (
                "countersign_record_groups_total",
                "counter",
                "Groups of entries made durable, one sync each",
                &self.groups,
            ),
            ("countersign_record_entries_total", "counter", "Entries made durable", &self.entries),
            (
                "countersign_record_checkpoint_size",
                "gauge",
                "Size of the tree at the last checkpoint",
                &self.published,
            ),
            ("countersign_calls_under_way", "gauge", "Calls under way", &self.under_way),
            (
                "countersign_tasks",
                "gauge",
                "Tasks of the server that have not ended: one for each connection and call, and a few of its own",
                &self.tasks,
            ),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in rows {
            let value = value.load(Ordering::Relaxed);
            let written = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
            debug_assert!(written.is_ok(), "a string takes all text");
        }
        text
    }
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds so many to a counter.
pub(crate) fn add(counter: &AtomicU64, many: usize) {
    counter.fetch_add(u64::try_from(many).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}

/// Takes one from a gauge.
pub(crate) fn discount(gauge: &AtomicU64) {
    gauge.fetch_sub(1, Ordering::Relaxed);
}

/// Sends structured logs to stderr. `COUNTERSIGN_LOG` sets what is shown, `info` by default; `COUNTERSIGN_LOG_FORMAT=json` writes
/// one JSON object a line.
pub(crate) fn start() {
    let shown = variable("COUNTERSIGN_LOG").unwrap_or_else(|| "info".to_owned());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(shown))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let started = match variable("COUNTERSIGN_LOG_FORMAT").as_deref() {
        Some("json") => logs.json().flatten_event(true).try_init(),
        _ => logs.try_init(),
    };
    debug_assert!(started.is_ok(), "logs are started once");
}
