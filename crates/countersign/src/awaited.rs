//! Calls under way that came with an idempotency key: whoever asks the same meanwhile waits, and hears the same answer.
//!
//! Not here: whether a key was used before, which the record says. No answer is kept for longer than somebody waits for it, and a call
//! goes on for as long as anybody does.

use bytes::Bytes;
use cloud::{Head, Ingress};
use partnership::ids::{ActId, ClauseId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// The calls under way, by act.
#[derive(Debug, Clone, Default)]
pub(crate) struct Awaited(Arc<Mutex<BTreeMap<ActId, Course>>>);

/// One call under way, as others find it.
#[derive(Debug)]
struct Course {
    ends: watch::Sender<Ending>,
    /// The way of the answer; once the last who waits has let it go, its performer sees that all have left.
    way: Weak<Ingress>,
}

/// How a call ended.
#[derive(Debug, Clone, Default)]
enum Ending {
    /// It has not.
    #[default]
    Open,
    /// With a whole answer.
    Answered(Whole),
    /// Without one, or with one that was streamed.
    Over,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    /// The non-binding clauses that spoke against its act.
    pub(crate) against: Vec<ClauseId>,
}

/// Held by whoever carries a call through; when it goes, the call is over.
#[derive(Debug)]
pub(crate) struct Lead {
    awaited: Awaited,
    act: ActId,
    ends: watch::Sender<Ending>,
    /// The non-binding clauses that spoke against the act.
    pub(crate) against: Vec<ClauseId>,
}

/// Who waits for the answer to a call.
#[derive(Debug)]
pub(crate) struct Follower {
    ends: watch::Receiver<Ending>,
    /// Keeps the call going.
    _way: Option<Arc<Ingress>>,
}

impl Awaited {
    /// A call that is about to be proposed, with the way of its answer where that comes whole: then whoever asked for it first waits like
    /// all others. To be called before the call is proposed, so that nobody hears of its act who does not find it here.
    pub(crate) fn begin(&self, act: ActId, way: Option<Ingress>) -> (Lead, Follower) {
        let (ends, waits) = watch::channel(Ending::Open);
        let way = way.map(Arc::new);
        let course = Course { ends: ends.clone(), way: way.as_ref().map_or_else(Weak::new, Arc::downgrade) };
        self.courses().insert(act, course);
        let lead = Lead { awaited: self.clone(), act, ends, against: Vec::new() };
        (lead, Follower { ends: waits, _way: way })
    }

    /// Joins those who wait for the answer to an act; none where it is no longer under way, or is performed elsewhere.
    pub(crate) fn join(&self, act: ActId) -> Option<Follower> {
        let courses = self.courses();
        let course = courses.get(&act)?;
        Some(Follower { ends: course.ends.subscribe(), _way: course.way.upgrade() })
    }

    fn courses(&self) -> MutexGuard<'_, BTreeMap<ActId, Course>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Gives a whole answer to all who wait. To be called when it may leave.
    pub(crate) fn answer(&self, head: &Head, body: &Bytes) {
        if self.ends.receiver_count() > 0 {
            let (head, body, against) = (head.clone(), body.clone(), self.against.clone());
            self.ends.send_replace(Ending::Answered(Whole { head, body, against }));
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.awaited.courses().remove(&self.act);
        self.ends.send_if_modified(|ending| {
            let is_open = matches!(ending, Ending::Open);
            if is_open {
                *ending = Ending::Over;
            }
            is_open
        });
    }
}

impl Follower {
    /// Waits until the call has ended; none where it has no whole answer.
    pub(crate) async fn hear(mut self) -> Option<Whole> {
        match self.ends.wait_for(|ending| !matches!(ending, Ending::Open)).await.as_deref() {
            Ok(Ending::Answered(whole)) => Some(whole.clone()),
            Ok(Ending::Open | Ending::Over) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACT: ActId = ActId::from_u128(7);

    fn answer(lead: &Lead) {
        lead.answer(&Head::new(200, "text/plain"), &Bytes::from_static(b"answer"));
    }

    #[tokio::test]
    async fn all_who_wait_hear_one_answer_and_whoever_comes_later_hears_none() {
        let awaited = Awaited::default();
        let (_egress, ingress) = cloud::egress::channel();
        let (lead, first) = awaited.begin(ACT, Some(ingress));
        let second = awaited.join(ACT).unwrap();
        answer(&lead);
        drop(lead);
        assert!(awaited.join(ACT).is_none());
        for follower in [first, second] {
            assert_eq!(follower.hear().await.unwrap().body, "answer");
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_is_not_kept() {
        let awaited = Awaited::default();
        let (lead, first) = awaited.begin(ACT, None);
        drop(first);
        answer(&lead);
        let late = awaited.join(ACT).unwrap();
        drop(lead);
        assert!(late.hear().await.is_none());
    }

    #[tokio::test]
    async fn a_call_goes_on_until_the_last_who_waits_has_left() {
        let awaited = Awaited::default();
        let (egress, ingress) = cloud::egress::channel();
        let (_lead, first) = awaited.begin(ACT, Some(ingress));
        let second = awaited.join(ACT).unwrap();
        drop(first);
        assert!(!egress.is_gone());
        drop(second);
        egress.gone().await;
        assert!(egress.is_gone());
    }
}
