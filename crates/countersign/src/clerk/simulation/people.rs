//! Who calls and who performs, as a seed has them: performers answer, fail, hang, panic, misreport and are late; callers listen
//! to the end or leave.

use super::bugs::Bug;
use super::oracle::Oracle;
use crate::clerk::Clerk;
use crate::road::{House, Stop};
use crate::telemetry::Metrics;
use bytes::Bytes;
use cloud::egress::{Event, Head, Ingress};
use cloud::gateway::{Call, Last, Performed};
use cloud::{Egress, Problem};
use partnership::act::{Attempt, Deed, Ended, Outcome, Usage};
use partnership::decision::Warrant;
use partnership::ids::ClauseId;
use record::store::chance::Chance;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use tokio::sync::oneshot;

/// The end of an answer that is streamed.
const DONE: &[u8] = b"[DONE]";

/// The house that a simulated process runs.
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) clerk: Clerk,
    pub(super) metrics: Arc<Metrics>,
    pub(super) oracle: Arc<Mutex<Oracle>>,
    pub(super) chance: Mutex<Chance>,
    pub(super) bug: Option<Bug>,
}

impl Simulated {
    pub(super) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap()
    }
}

impl House for Simulated {
    fn clerk(&self) -> &Clerk {
        &self.clerk
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    async fn perform(&self, warrant: &Warrant, call: Call, egress: &Egress) -> Performed {
        let Deed::Infer(infer) = &warrant.act().deed else { unreachable!("only calls are performed") };
        let bound = i128::from(infer.input_tokens_max) * 500 + i128::from(infer.output_tokens_max) * 1_500;
        self.oracle().told.performed.insert(warrant.act().id.to_string(), bound);
        let mut chance = self.chance.lock().unwrap().fork();
        let used = Usage {
            input_tokens: chance.below(infer.input_tokens_max + 1),
            output_tokens: chance.below(infer.output_tokens_max + 1),
            ..Usage::default()
        };
        pause(&mut chance).await;
        match chance.below(16) {
            0 => failed(),
            1 => std::panic::resume_unwind(Box::new("a performer panics")),
            2 => hang(egress, used).await,
            3 => {
                let too_much = Usage { output_tokens: infer.output_tokens_max + 1 + chance.below(9), ..used };
                done(too_much, whole())
            }
            4..10 => done(used, whole()),
            _ if call.chat.stream || chance.hits(1, 2) => self.stream(egress, used, &mut chance).await,
            _ => done(used, whole()),
        }
    }
}

impl Simulated {
    async fn stream(&self, egress: &Egress, used: Usage, chance: &mut Chance) -> Performed {
        let mut gone = egress.head(Head::new(200, "text/event-stream")).await;
        for _ in 0..chance.below(4) {
            pause(chance).await;
            gone = gone.and(egress.chunk(Bytes::from_static(b"word")).await);
        }
        if gone.is_err() {
            return cancelled(used);
        }
        if chance.hits(1, 12) {
            std::panic::resume_unwind(Box::new("a performer panics midway"));
        }
        if self.bug == Some(Bug::EarlyLastByte) {
            gone = egress.chunk(Bytes::from_static(DONE)).await;
        }
        if gone.is_err() {
            return cancelled(used);
        }
        done(used, Last::Tail(vec![Bytes::from_static(b"finish"), Bytes::from_static(DONE)]))
    }
}

fn done(used: Usage, last: Last) -> Performed {
    let attempts = vec![Attempt { upstream: "simulated".to_owned(), result: "200".to_owned() }];
    let outcome = Outcome { ended: Ended::Done, usage: Some(used), attempts, ..Outcome::lost() };
    Performed { outcome, last, digest: [0; 32] }
}

fn whole() -> Last {
    Last::Whole { head: Head::new(200, "application/json"), body: Bytes::from_static(DONE) }
}

fn failed() -> Performed {
    let problem = Problem::server(502, "upstream_unreachable", "the upstream failed");
    let outcome = Outcome { ended: Ended::Failed, ..Outcome::lost() };
    Performed { outcome, last: Last::Whole { head: problem.head(), body: problem.body() }, digest: [0; 32] }
}

fn cancelled(used: Usage) -> Performed {
    let outcome = Outcome { ended: Ended::Cancelled, usage: Some(used), estimated: true, ..Outcome::lost() };
    Performed { outcome, last: Last::Nothing, digest: [0; 32] }
}

/// Says nothing until the caller leaves, which may be never.
async fn hang(egress: &Egress, used: Usage) -> Performed {
    egress.gone().await;
    cancelled(used)
}

/// Lets others run for a while.
async fn pause(chance: &mut Chance) {
    let mut left = chance.below(6);
    poll_fn(|_| {
        left = left.saturating_sub(1);
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A caller of a model: hears whether the call was allowed, then the answer, and leaves when it has had enough.
pub(super) struct Caller {
    pub(super) act: String,
    pub(super) told: oneshot::Receiver<Result<Vec<ClauseId>, Stop>>,
    pub(super) ingress: Ingress,
    /// How many events it waits for before it leaves.
    pub(super) patience: u64,
    pub(super) house: Arc<Simulated>,
}

impl Caller {
    pub(super) async fn call(self) {
        let Self { act, told, mut ingress, mut patience, house } = self;
        if house.bug != Some(Bug::EarlyFirstByte) {
            if patience == 0 {
                return;
            }
            match told.await {
                Ok(Ok(_)) => drop(house.oracle().told.allowed.insert(act.clone())),
                Ok(Err(Stop::Refused(refused))) => {
                    return house.oracle().told.entries.push((refused.index, "decided", act));
                }
                Ok(Err(Stop::Repeated(repeated))) => return house.oracle().told.repeats(&act, repeated.act),
                _ => return,
            }
        }
        while patience > 0 {
            patience -= 1;
            let Some(event) = ingress.recv().await else { return };
            let mut oracle = house.oracle();
            oracle.told.allowed.insert(act.clone());
            match event {
                Event::Chunk(bytes) | Event::Last(bytes) if bytes == DONE => {
                    oracle.told.settled.insert(act.clone());
                }
                _ => {}
            }
        }
    }
}
