//! Notices that leave the house: what the state says is to be told goes to each receiver that the operator has named, once.
//!
//! Nobody waits for a receiver: each has a task of its own, which has one notice under way at a time. A notice is durable in the outbox
//! before it is first sent, and what became of an attempt is durable after it: so it is told at least once, under the same id.
//! Not here: what there is to tell (`partnership::notices`).

mod listed;
mod mail;
mod outbox;
mod receiver;
mod webhook;

pub(crate) use listed::{Listed, metrics};
pub(crate) use outbox::Outbox;
pub(crate) use receiver::{Receiver, ReceiverText};

use crate::office::Office;
use crate::road;
use partnership::act::{Deed, Principal, Undelivered};
use partnership::decision::Decision;
use partnership::ids::Timestamp;
use partnership::notices::{About, Notice};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How often the state is asked what is to be told.
const LOOK: Duration = Duration::from_secs(2);
/// How often a receiver's task looks for what is due.
const NEXT: Duration = Duration::from_millis(250);
/// How long one attempt may take in all.
const ATTEMPT: Duration = Duration::from_secs(15);
/// For how long a notice is tried. Units: milliseconds.
const TRIED_MS: i64 = 24 * 60 * 60 * 1000;
/// The first wait after a failure, and the longest; each failure doubles it. Units: milliseconds.
const WAIT_MS: (i64, i64) = (2_000, 60 * 60 * 1000);

/// The notices of a running partnership: the outbox, and who is told.
#[derive(Debug)]
pub(crate) struct Notices {
    outbox: Outbox,
    receivers: Mutex<Vec<Arc<Receiver>>>,
    changed: Notify,
}

/// Why an attempt failed, in one word: `unreachable`, `timeout`, `tls`, `cut`, `redirect`, `status-503`, `refused`, `login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    fn of(word: &str) -> Self {
        Self(word.to_owned())
    }
}

/// A notice as it leaves the house.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The record's origin.
    pub(crate) partnership: String,
    /// When it was first seen to be told.
    pub(crate) at: Timestamp,
    /// What is told.
    pub(crate) notice: Notice,
}

impl Letter {
    /// What receivers drop repetitions by: the same for the same notice of the same partnership, and for no other.
    pub(crate) fn key(&self) -> String {
        let text =
            [b"countersign/notice/v1\0", self.partnership.as_bytes(), b"\0", self.notice.id.as_bytes()];
        let digest = record::hash::hex(&record::hash::sha256_of(&text));
        format!("notice_{}", digest.get(..32).unwrap_or(&digest))
    }
}

impl Notices {
    /// What was told and is still to be told, as it stands in the outbox; nobody is told anything yet.
    pub(crate) fn of(outbox: Outbox) -> Self {
        Self { outbox, receivers: Mutex::default(), changed: Notify::new() }
    }

    /// What stands in the outbox.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// From now on these are told. What is under way to others is cut off.
    pub(crate) fn tell(&self, receivers: Vec<Receiver>) {
        *self.all() = receivers.into_iter().map(Arc::new).collect();
        self.changed.notify_waiters();
    }

    /// Who is told.
    pub(crate) fn receivers(&self) -> Vec<Arc<Receiver>> {
        self.all().clone()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Receiver>>> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what is to be told, until the task is dropped.
pub(crate) async fn run(office: Arc<Office>) {
    loop {
        let mut changed = pin!(office.notices.changed.notified());
        // Before the receivers are looked at, so that no change after that is missed.
        changed.as_mut().enable();
        let receivers = office.notices.receivers();
        let mut tasks = JoinSet::new();
        if !receivers.is_empty() {
            // First, so that what the record has given up is not tried again.
            observe(&office).await;
            tasks.spawn(look(Arc::clone(&office)));
        }
        for receiver in receivers {
            tasks.spawn(serve(Arc::clone(&office), receiver));
        }
        changed.await;
        tasks.shutdown().await;
    }
}

async fn look(office: Arc<Office>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        observe(&office).await;
    }
}

/// Puts what the state says is to be told into the outbox.
async fn observe(office: &Arc<Office>) {
    let now = office.clock.now();
    let asked = office.clerk.ask(move |state| {
        let dead = state.dead_letters().map(|(notice, receiver, _)| (notice.to_owned(), receiver.to_owned()));
        (state.notices(now), dead.collect::<BTreeSet<_>>())
    });
    let Ok((mut notices, dead)) = asked.await else { return };
    notices.extend(missing(office));
    let noting = Arc::clone(office);
    let noted = tokio::task::spawn_blocking(move || {
        let outbox = noting.notices.outbox();
        outbox.give_up(dead);
        outbox.note(notices, now)
    });
    if let Ok(Err(error)) = noted.await {
        tracing::error!(%error, "notices cannot be written down, and are not sent before they are");
    }
}

/// Whose cosignatures are missing: one notice for each checkpoint at which a key has stopped.
fn missing(office: &Office) -> impl Iterator<Item = Notice> {
    office.standing().into_iter().filter(|key| key.missing).map(|key| Notice {
        id: format!("cosignature/{}/{}", key.name, key.size),
        about: About::Cosignature,
        clause: None,
        parties: Vec::new(),
        text: format!(
            "`{}` of `{}` has cosigned nothing beyond {} entries for longer than it should",
            key.name, key.party, key.size
        ),
    })
}

/// Tells one receiver what is due to it, one notice at a time.
async fn serve(office: Arc<Office>, receiver: Arc<Receiver>) {
    loop {
        let now = office.clock.now();
        let concerns = |notice: &Notice| receiver.is_told(notice);
        let Some(letter) = office.notices.outbox().next(&receiver.name, now, concerns) else {
            tokio::time::sleep(NEXT).await;
            continue;
        };
        let letter = letter.of(office.config.origin.clone());
        let result = deliver(&receiver, &letter, now).await;
        conclude(&office, &receiver, &letter, result).await;
    }
}

/// One attempt, which takes no longer than it may.
pub(crate) async fn deliver(receiver: &Receiver, letter: &Letter, now: Timestamp) -> Result<(), Failure> {
    let attempt = tokio::time::timeout(ATTEMPT, receiver.deliver(letter, now)).await;
    attempt.unwrap_or_else(|_| Err(Failure::of("timeout")))
}

/// Writes down what became of an attempt; one that failed a day after the first is the last, and goes on the record.
async fn conclude(office: &Arc<Office>, receiver: &Receiver, letter: &Letter, result: Result<(), Failure>) {
    let (now, random) = (office.clock.now(), office.clock.random());
    let (noting, id, to) = (Arc::clone(office), letter.notice.id.clone(), receiver.name.clone());
    let failed = result.as_ref().err().cloned();
    let noted = tokio::task::spawn_blocking(move || {
        noting.notices.outbox().tried(&id, &to, now, result.err(), random)
    });
    let tried = match noted.await {
        Ok(Ok(tried)) => tried,
        Ok(Err(error)) => {
            tracing::error!(%error, "what became of a notice cannot be written down; after a restart it is sent again");
            return;
        }
        Err(_) => return,
    };
    let (name, notice) = (&receiver.name, &letter.notice.id);
    let Some(Failure(error)) = failed else {
        tracing::info!(receiver = name, notice, "told");
        return;
    };
    tracing::warn!(receiver = name, notice, error, attempts = tried.attempts, "a notice was not taken");
    if tried.is_last(now) {
        give_up(
            office,
            Undelivered { notice: notice.clone(), receiver: name.clone(), error, attempts: tried.attempts },
        )
        .await;
    }
}

/// Has the record say that a notice could not be delivered. Where it cannot, the next attempt is followed by another try.
async fn give_up(office: &Office, undelivered: Undelivered) {
    let letter = (undelivered.notice.clone(), undelivered.receiver.clone());
    match road::decide(office, Principal::Clerk, Deed::Undelivered(undelivered)).await {
        Ok(Decision::Done(_)) => {
            tracing::error!(notice = letter.0, receiver = letter.1, "given up; the record says so");
            office.notices.outbox().give_up(BTreeSet::from([letter]));
        }
        Ok(decided) => tracing::error!(?decided, "a notice that was given up is not on the record"),
        Err(error) => tracing::error!(%error, "a notice that was given up is not on the record"),
    }
}

/// How long to wait after so many failures: twice as long after each, and up to a quarter more or less by chance, so that receivers
/// that come back are not met by all at once. Units: milliseconds.
fn wait_ms(attempts: u64, random: u8) -> i64 {
    let (first, longest) = WAIT_MS;
    let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(32);
    let wait = first.saturating_mul(1_i64 << doubled).min(longest);
    let spread = (wait / 2).saturating_mul(i64::from(random)) / 255;
    (wait - wait / 4).saturating_add(spread)
}

#[cfg(test)]
mod tests;
