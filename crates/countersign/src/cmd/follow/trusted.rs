//! Which of a log's keys a follower goes by. Not here: what is checked with it.

use crate::cmd::verify::{Link, Served};
use anyhow::{Context as _, ensure};
use record::note::Verifier;
use record::{Checkpoint, Store};
use std::collections::BTreeSet;

/// The log's first key, and those of its keys that are believed: from the keys that were given, and as the mirror in `store` has them, or
/// as they are served at first sight.
///
/// Errors: what is served is not what is known, or is no key.
pub(crate) fn trusted<L: Link>(
    given: Option<&[u8]>,
    store: &impl Store,
    served: &Served<L>,
) -> anyhow::Result<(Verifier, Vec<Verifier>)> {
    let now = served.read("vkeys")?.context("the server has no file `vkeys`")?;
    let held = store.read("vkeys")?;
    for (known, whose) in [(given, "those that were given"), (held.as_deref(), "those that the mirror has")] {
        ensure!(
            known.is_none_or(|known| leads(known, &now))
                && held.as_deref().is_none_or(|held| begins(held, &now)),
            "the keys that are served are not {whose}; this may be another record, or an operator with another key"
        );
    }
    let text = String::from_utf8(now.clone()).context("the keys that are served are no text")?;
    let log = Verifier::parse(text.lines().next().unwrap_or_default()).context("the log's key")?;
    if held.is_none() {
        if given.is_none() {
            tracing::warn!(
                key = log.vkey(),
                "the log's key is believed at first sight; compare it with the operator"
            );
        }
        store.create("vkeys", &now)?;
    }
    let known = given.into_iter().chain(held.as_deref()).flat_map(keys_in);
    let mut logs: Vec<Verifier> = known.filter(|key| key.name() == log.name()).collect();
    if logs.is_empty() {
        // Those after the one that signed have signed nothing yet.
        logs = keys_in(&now).into_iter().filter(|key| key.name() == log.name()).collect();
        let by = logs.iter().position(|key| Checkpoint::open(served.checkpoint(), key).is_ok());
        logs.truncate(by.map_or(logs.len(), |by| by.saturating_add(1)));
    }
    let mut seen = BTreeSet::new();
    logs.retain(|key| seen.insert(key.vkey()));
    Ok((log, logs))
}

/// Whether keys that are served are those that are known, with more after them at most. That each of those may be there is seen when the
/// entries were replayed.
fn leads(known: &[u8], served: &[u8]) -> bool {
    let lines =
        |text: &[u8]| -> Vec<String> { String::from_utf8_lossy(text).lines().map(str::to_owned).collect() };
    let (known, served) = (lines(known), lines(served));
    known.iter().all(|key| served.contains(key))
}

/// Whether the first key is the same: the one that the record began with.
fn begins(held: &[u8], served: &[u8]) -> bool {
    let first = |text: &[u8]| text.split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec);
    first(held) == first(served)
}

/// The keys in a file of them.
pub(super) fn keys_in(text: &[u8]) -> Vec<Verifier> {
    String::from_utf8_lossy(text).lines().filter_map(|line| Verifier::parse(line).ok()).collect()
}
