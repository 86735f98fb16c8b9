//! The serving gateway: one allowed call in, an answer out, and what it used.
//!
//! Not a proxy that decides: whether a call may run, what it may cost and when its bytes may leave is settled elsewhere.
//! [`Gateway::perform`] sends the bytes of a stream through the [`Egress`] as they come, and keeps the last of them back.

mod address;
mod builtin;
mod config;
mod openai;
mod reading;
mod refusal;
mod report;
mod route;
mod stream;
mod tally;
mod upstream;

pub use builtin::messages;
pub use config::{ConfigError, Kind, UpstreamConfig};
pub use route::Served;

use crate::egress::{Egress, Head};
use crate::wire::chat::Chat;
use crate::wire::problem::Problem;
use bytes::Bytes;
use partnership::act::{Act, Attempt, Deed, Infer, Outcome};
use partnership::decision::Warrant;
use partnership::ids::Timestamp;
use report::{Report, Trial};
use route::Routes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// All upstreams, and which of them serves what.
#[derive(Debug)]
pub struct Gateway {
    routes: Routes,
}

/// What is to be performed.
#[derive(Debug, Clone)]
pub struct Call {
    /// The facts of the request.
    pub chat: Chat,
    /// The request's body as it came: what `chat` was parsed from.
    pub body: Bytes,
    /// The bound on output that was reserved. Units: tokens, for each choice.
    pub max_tokens: u64,
    /// How long the whole performance may take.
    pub deadline: Duration,
}

/// What came of a performance.
#[derive(Debug)]
pub struct Performed {
    /// For the settlement; its `output` is left for the caller to fill from `digest`.
    pub outcome: Outcome,
    /// The bytes that may leave when the settlement is durable.
    pub last: Last,
    /// SHA-256 of all bytes of the body that were delivered or are in `last`.
    pub digest: [u8; 32],
}

/// The last bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    /// The whole answer, or an error in OpenAI's shape; nothing was sent before.
    Whole {
        /// Its head.
        head: Head,
        /// Its body.
        body: Bytes,
    },
    /// The end of a stream: everything from the chunk with the last `finish_reason` on, `[DONE]` included.
    Tail(Vec<Bytes>),
    /// The end of a stream that failed midway: an error event and no `[DONE]`.
    Broken(Vec<Bytes>),
    /// The caller has left.
    Nothing,
}

impl Gateway {
    /// A gateway over `upstreams`. A model that several serve is asked of the first; of the next only where no connection
    /// could be made.
    ///
    /// `engine` answers for the upstreams of kind [`Kind::Builtin`]. `tls` says whom to trust; none means the system's roots,
    /// which are read only if an upstream's address is `https`.
    ///
    /// # Errors
    /// [`ConfigError`] names the upstream and what to change.
    pub fn new(
        upstreams: Vec<UpstreamConfig>,
        engine: Option<Arc<model::Engine>>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, ConfigError> {
        Routes::new(upstreams, engine, tls).map(|routes| Self { routes })
    }

    /// The public ids of all models, sorted.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        self.routes.models()
    }

    /// Who serves `model`; the first, if several do.
    #[must_use]
    pub fn serves(&self, model: &str) -> Option<Served<'_>> {
        self.routes.served(model)
    }

    /// The exact number of input tokens of a request's body, where the upstream can count without being asked (builtin).
    #[must_use]
    pub fn count(&self, model: &str, body: &[u8]) -> Option<u64> {
        self.routes.engine(model).and_then(|engine| builtin::count(engine, body))
    }

    /// How many tokens prompt and answer may have together, where that is known (builtin).
    #[must_use]
    pub fn context_tokens(&self, model: &str) -> Option<u64> {
        self.routes.engine(model).map(|engine| u64::from(engine.model().context_tokens()))
    }

    /// Performs the call that `warrant` allows.
    ///
    /// Never sends the last bytes: they are in [`Performed::last`]. Never fails: a failure is an outcome. Stops early when
    /// the caller leaves, and then the upstream's connection is closed.
    pub async fn perform(&self, warrant: &Warrant, call: Call, egress: &Egress) -> Performed {
        let (act, at, call) = (warrant.act(), warrant.at(), &call);
        let Deed::Infer(infer) = &act.deed else {
            let problem = Problem::server(500, "not_an_inference", "the gateway performs inferences only");
            return Report::failed(&problem, String::new()).into_performed(Vec::new());
        };
        let deadline = Instant::now() + call.deadline;
        let mut attempts = Vec::new();
        for route in self.routes.of(infer.model.as_str()) {
            let task = Task { act, infer, at, call, egress, deadline, served: &route.served };
            match route.perform(&task).await {
                Trial::Unreachable => attempts.push(route.attempt("unreachable")),
                Trial::Over(report) => {
                    attempts.push(route.attempt(&report.result));
                    return report.into_performed(attempts);
                }
            }
        }
        unreachable(infer, attempts)
    }
}

/// One call on its way to one upstream.
struct Task<'a> {
    act: &'a Act,
    infer: &'a Infer,
    at: Timestamp,
    call: &'a Call,
    egress: &'a Egress,
    deadline: Instant,
    served: &'a str,
}

fn unreachable(infer: &Infer, attempts: Vec<Attempt>) -> Performed {
    let message = match attempts.len() {
        0 => format!("no upstream serves the model `{}` any more", infer.model),
        _ => format!("no upstream that serves the model `{}` could be reached; try again", infer.model),
    };
    let problem = Problem::server(502, "upstream_unreachable", &message);
    Report::failed(&problem, String::new()).into_performed(attempts)
}
