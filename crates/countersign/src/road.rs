//! The one road: propose, authorise, record, perform, settle, receipt. The only caller of clerk and performers.
//!
//! Not here: HTTP. Whoever travels is told by `told` that the act was allowed and hears the answer through the egress.

pub(crate) mod erasing;

use crate::awaited::Lead;
use crate::clerk::{Clerk, Proposed, Unavailable};
use crate::content;
use crate::kept::{Keeping, Tap};
use crate::office::{Errand, Office};
use crate::telemetry::{Metrics, count, discount};
use cloud::gateway::{Call, Last, Performed};
use cloud::{Egress, Gone, Problem};
use partnership::Answer;
use partnership::act::{Act, Attempt, Deed, Ended, Outcome, Principal};
use partnership::decision::{Decision, Refusal, Repeated, Warrant};
use partnership::entry::{ACT_BYTES_MAX, is_recordable};
use partnership::ids::ClauseId;
use partnership::partnership::Assessed;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A call of a model on its way.
pub(crate) struct Journey {
    /// What is proposed.
    pub(crate) act: Act,
    /// What the policies said of it.
    pub(crate) assessed: Option<Assessed>,
    /// What is performed if it is allowed.
    pub(crate) call: Call,
    /// The key that the answer is committed to under.
    pub(crate) content_key: [u8; 32],
    /// Keeps the office open until the journey ends.
    pub(crate) errand: Errand,
    /// What keeps the answer, if a clause asks for that.
    pub(crate) keeping: Option<Keeping>,
    /// Where others hear the answer, if the call came with an idempotency key.
    pub(crate) lead: Option<Lead>,
}

/// Where a journey leads through: who decides, who performs, and where it is counted.
pub(crate) trait House: Send + Sync {
    /// Who decides and settles.
    fn clerk(&self) -> &Clerk;

    /// Counters.
    fn metrics(&self) -> &Metrics;

    /// Performs a call that is allowed; see [`cloud::Gateway::perform`].
    fn perform(
        &self,
        warrant: &Warrant,
        call: Call,
        egress: &Egress,
    ) -> impl Future<Output = Performed> + Send;
}

impl House for Office {
    fn clerk(&self) -> &Clerk {
        &self.clerk
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    async fn perform(&self, warrant: &Warrant, call: Call, egress: &Egress) -> Performed {
        self.gateway.load_full().perform(warrant, call, egress).await
    }
}

/// Why an act went no further than its decision.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was refused, and that is on the record.
    Refused(Box<Refusal>),
    /// Nothing was decided: the idempotency key that came with it belongs to another act.
    Repeated(Repeated),
    /// Nothing was decided.
    Unavailable(Unavailable),
}

/// Carries a call from its proposal to its settlement. To be spawned: a caller who leaves cannot cut it short.
///
/// `told` hears of the decision when it is durable, with the non-binding clauses that spoke against the act; the last bytes of the answer leave when the settlement is.
/// Whoever is told must let no byte of the answer go before. Under a lease the performance begins earlier; if the decision then never
/// becomes durable, the performance is dropped, and its upstream with it.
pub(crate) async fn travel<H: House>(
    house: Arc<H>,
    journey: Journey,
    egress: Egress,
    told: oneshot::Sender<Result<Vec<ClauseId>, Stop>>,
) {
    let Journey { act, assessed, call, content_key, errand, keeping, mut lead } = journey;
    let Proposed { decision, durable } = match house.clerk().propose(act, assessed).await {
        Ok(proposed) => proposed,
        Err(unavailable) => return drop(told.send(Err(Stop::Unavailable(unavailable)))),
    };
    let warrant = match decision {
        Decision::Allow(warrant) => warrant,
        Decision::Deny(refusal) => return drop(told.send(Err(Stop::Refused(Box::new(refusal))))),
        Decision::Repeated(repeated) => {
            // Before whoever asked may ask again under the same id.
            drop(lead);
            return drop(told.send(Err(Stop::Repeated(repeated))));
        }
        Decision::Done(_) | Decision::Escalate(_) => unreachable!("a call is allowed or refused"),
    };
    let against: Vec<_> = warrant.deviations().iter().map(|deviation| deviation.clause.clone()).collect();
    if let Some(lead) = &mut lead {
        lead.against.clone_from(&against);
    }
    let (egress, tap) = match keeping {
        Some(keeping) => {
            let (tap, pieces) = keeping.tap();
            (egress.tapped(pieces), Some(tap))
        }
        None => (egress, None),
    };
    let way = Way { egress, lead };
    count(&house.metrics().under_way);
    let told = async {
        let durable = durable.wait().await.map(|()| against);
        let cut_short = durable.is_err();
        drop(told.send(durable.map_err(Stop::Unavailable)));
        cut_short
    };
    // On the heap, as is the performance within: a task is moved more than once on its way to a thread.
    unless(told, Box::pin(complete(&*house, warrant, (call, tap), &content_key, &way))).await;
    discount(&house.metrics().under_way);
    drop((way, errand));
}

/// Runs both to their end, but drops `work` where `cut_short` says so.
async fn unless(cut_short: impl Future<Output = bool>, mut work: Pin<Box<impl Future<Output = ()>>>) {
    let mut cut_short = pin!(cut_short);
    tokio::select! {
        biased;
        cut_short = &mut cut_short => if !cut_short { work.await },
        () = &mut work => drop(cut_short.await),
    }
}

/// Proposes an act that nothing has to be performed for: it is done, waits or is refused when this returns.
///
/// Errors: nothing was decided, since the record cannot be written, or the act is too long for it.
pub(crate) async fn decide(office: &Office, principal: Principal, deed: Deed) -> Result<Decision, Undecided> {
    if !is_recordable(&principal, &deed) {
        return Err(Undecided::TooLong);
    }
    let _errand = office.errand()?;
    let id = office.clerk.act_id();
    let Proposed { decision, durable } = office.clerk.propose(Act { id, principal, deed }, None).await?;
    durable.wait().await?;
    Ok(decision)
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undecided {
    /// The record cannot be written.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The act's own fields would not fit into an entry.
    #[error("the act is longer than {ACT_BYTES_MAX} bytes; keep what is long outside the record")]
    TooLong,
}

/// Performs what is allowed, settles it, and lets the last bytes go.
async fn complete(
    house: &impl House,
    warrant: Warrant,
    (call, tap): (Call, Option<Tap>),
    content_key: &[u8; 32],
    way: &Way,
) {
    let (id, egress) = (warrant.act().id, &way.egress);
    let performed = caught(Box::pin(house.perform(&warrant, call, egress))).await;
    let Performed { mut outcome, last, digest } = performed.unwrap_or_else(|Fallen| fallen(egress));
    outcome.output = Some(content::commitment(content_key, "output", &content::nonce(id), &digest));
    if let Some(tap) = tap {
        outcome.kept = tap.end(&last, &digest).await;
    }
    let settled = house.clerk().settle(warrant, outcome).await;
    let delivered = match settled {
        Ok(Answer::Settled(_)) => way.deliver(last).await,
        Ok(Answer::Late(_)) => way.deliver(instead(egress, &last, LATE)).await,
        Ok(Answer::Decided(_) | Answer::Noted) => unreachable!("a settlement is answered as one"),
        Err(unavailable) => way.deliver(instead(egress, &last, &unavailable.0)).await,
    };
    if delivered.is_err() {
        tracing::debug!(act = %id, "the caller left before the last bytes");
    }
}

/// The way of an answer to whoever asked, and to all who wait for the same.
struct Way {
    egress: Egress,
    lead: Option<Lead>,
}

impl Way {
    async fn deliver(&self, last: Last) -> Result<(), Gone> {
        match last {
            Last::Whole { head, body } => {
                if let Some(lead) = &self.lead {
                    lead.answer(&head, &body);
                }
                self.egress.head(head).await?;
                self.egress.last(body).await
            }
            Last::Tail(events) | Last::Broken(events) => {
                for event in events {
                    self.egress.last(event).await?;
                }
                Ok(())
            }
            Last::Nothing => Ok(()),
        }
    }
}

/// What leaves in the place of last bytes whose act could not be settled.
fn instead(egress: &Egress, last: &Last, why: &str) -> Last {
    match last {
        Last::Nothing => Last::Nothing,
        _ => told_of(egress, &Problem::server(503, "record_unavailable", why)),
    }
}

/// A problem as the end of an answer: the whole of it, or where a stream has begun an event and no `[DONE]`.
fn told_of(egress: &Egress, problem: &Problem) -> Last {
    if egress.has_begun() {
        Last::Broken(vec![problem.event()])
    } else {
        Last::Whole { head: problem.head(), body: problem.body() }
    }
}

/// What a performer that panicked leaves behind.
fn fallen(egress: &Egress) -> Performed {
    let problem = Problem::server(500, "performance_failed", "the performance failed; nothing is charged");
    let attempts = vec![Attempt { upstream: "gateway".to_owned(), result: "cut".to_owned() }];
    Performed {
        outcome: Outcome { ended: Ended::Failed, attempts, ..Outcome::lost() },
        digest: record::hash::sha256(&problem.body()),
        last: told_of(egress, &problem),
    }
}

/// A performer panicked.
struct Fallen;

/// Runs a future to its end, or to its panic.
async fn caught<T>(mut work: Pin<Box<impl Future<Output = T>>>) -> Result<T, Fallen> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => std::task::Poll::Ready(Err(Fallen)),
    })
    .await
}

const LATE: &str = "the act was settled before its answer came, because its time was up";
