//! What one upstream made of a call, before the attempts are put together.
//!
//! Not an outcome: an upstream that could not be reached is followed by the next.

use super::{Last, Performed};
use crate::wire::problem::Problem;
use bytes::Bytes;
use partnership::act::{Attempt, Ended, Outcome, Usage};
use sha2::{Digest as _, Sha256};

/// What one upstream made of a call.
pub(super) enum Trial {
    /// No connection; nothing was sent.
    Unreachable,
    /// It is over, well or badly.
    Over(Box<Report>),
}

/// How a performance at one upstream ended.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) ended: Ended,
    pub(super) usage: Option<Usage>,
    pub(super) estimated: bool,
    /// For the attempt: the status, or the word for why there was none.
    pub(super) result: String,
    pub(super) last: Last,
    pub(super) digest: Sha256,
}

impl Report {
    /// Failed before anything was sent to the caller.
    pub(super) fn failed(problem: &Problem, result: String) -> Self {
        let body = problem.body();
        Self {
            ended: Ended::Failed,
            usage: None,
            estimated: false,
            result,
            digest: Sha256::new_with_prefix(&body),
            last: Last::Whole { head: problem.head(), body },
        }
    }

    /// Failed in the middle of a stream, of which `sent` has been delivered.
    pub(super) fn broken(problem: &Problem, result: String, sent: Sha256) -> Self {
        let event = problem.event();
        Self {
            ended: Ended::Failed,
            usage: None,
            estimated: false,
            result,
            digest: sent.chain_update(&event),
            last: Last::Broken(vec![event]),
        }
    }

    /// The caller left when `sent` had been delivered; what was counted is owed.
    pub(super) fn left(counted: Usage, result: String, sent: Sha256) -> Self {
        Self {
            ended: Ended::Cancelled,
            usage: Some(counted),
            estimated: true,
            result,
            last: Last::Nothing,
            digest: sent,
        }
    }

    /// The caller left before anything was sent to the upstream: nothing is owed, not even the price of a request.
    pub(super) fn unsent(result: String) -> Self {
        Self { usage: None, estimated: false, ..Self::left(Usage::default(), result, Sha256::new()) }
    }

    /// Done; `sent` has been delivered and `last` is to follow.
    pub(super) fn done(usage: (Usage, bool), last: Last, sent: Sha256) -> Self {
        let held: &[Bytes] = match &last {
            Last::Whole { body, .. } => std::slice::from_ref(body),
            Last::Tail(events) | Last::Broken(events) => events,
            Last::Nothing => &[],
        };
        let digest = held.iter().fold(sent, |digest, bytes| digest.chain_update(bytes));
        Self {
            ended: Ended::Done,
            usage: Some(usage.0),
            estimated: usage.1,
            result: "200".to_owned(),
            last,
            digest,
        }
    }

    /// The whole performance, with every attempt.
    pub(super) fn into_performed(self, attempts: Vec<Attempt>) -> Performed {
        let outcome = Outcome {
            ended: self.ended,
            usage: self.usage,
            estimated: self.estimated,
            attempts,
            output: None,
            kept: None,
        };
        Performed { outcome, last: self.last, digest: self.digest.finalize().into() }
    }
}

impl From<Report> for Trial {
    fn from(report: Report) -> Self {
        Self::Over(Box::new(report))
    }
}
