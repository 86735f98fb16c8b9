//! Which log's key a follower goes by. Not here: what is checked with it.

use crate::cmd::verify::{Link, Served};
use anyhow::{Context as _, ensure};
use record::Store;
use record::note::Verifier;

/// The log's key: from the keys that were given, or as the mirror in `store` has it, or as it is served at first sight.
///
/// Errors: what is served is not what is known, or is no key.
pub(crate) fn trusted<L: Link>(
    given: Option<&[u8]>,
    store: &impl Store,
    served: &Served<L>,
) -> anyhow::Result<Verifier> {
    let now = served.read("vkeys")?.context("the server has no file `vkeys`")?;
    let held = store.read("vkeys")?;
    for (known, whose) in [(given, "those that were given"), (held.as_deref(), "those that the mirror has")] {
        ensure!(
            known.is_none_or(|known| leads(known, &now)),
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
    Ok(log)
}

/// Whether keys that are served are those that are known, with more after them at most. That each of those may be there is seen when the
/// entries were replayed.
fn leads(known: &[u8], served: &[u8]) -> bool {
    let lines =
        |text: &[u8]| -> Vec<String> { String::from_utf8_lossy(text).lines().map(str::to_owned).collect() };
    let (known, served) = (lines(known), lines(served));
    known.first() == served.first() && known.iter().all(|key| served.contains(key))
}
