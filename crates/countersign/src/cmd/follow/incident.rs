//! What is left behind where a record does not hold: a signed report, so that nobody can say later that it was not found, or make it up.

use crate::clock::Clock;
use crate::files;
use anyhow::Context as _;
use record::Fault;
use record::note::Signer;
use std::path::{Path, PathBuf};

/// The record does not hold, or is not the one that was seen before.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{fault}")]
pub(crate) struct Disagreement {
    /// Where, and what.
    pub(crate) fault: Fault,
}

impl From<Fault> for Disagreement {
    fn from(fault: Fault) -> Self {
        Self { fault }
    }
}

impl Disagreement {
    pub(super) fn at(place: &str, what: &dyn std::fmt::Display) -> Self {
        Self { fault: Fault { place: place.to_owned(), what: what.to_string() } }
    }

    /// What a check found; one that gives no place found it in the record as a whole.
    pub(super) fn of(error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<Fault>() {
            Ok(fault) => Self::from(fault).into(),
            Err(other) => other,
        }
    }
}

/// Writes the report below `dir`, and gives its path. It holds the checkpoint as the log signed it.
///
/// Errors: where it cannot be written.
pub(super) fn report(
    dir: &Path,
    party: &Signer,
    origin: &str,
    checkpoint: &[u8],
    held: u64,
    found: &Disagreement,
) -> anyhow::Result<PathBuf> {
    let now = Clock.now();
    // A note has no control characters but its newlines.
    let one_line = |text: &str| text.replace(char::is_control, " ");
    let mut text = format!(
        "{origin}\ncountersign/incident/v1\ntime {now}\nheld {held}\nplace {}\nfault {}\n",
        one_line(&found.fault.place),
        one_line(&found.fault.what),
    );
    for line in String::from_utf8_lossy(checkpoint).lines().filter(|line| !line.is_empty()) {
        text.push_str(&format!("checkpoint {}\n", one_line(line)));
    }
    let signed = party.sign(&text)?;
    let folder = dir.join("incidents");
    std::fs::create_dir_all(&folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    let path = folder.join(format!("{}.txt", now.as_millis()));
    files::replace(&path, signed.as_bytes(), 0o644)
        .with_context(|| format!("the report `{}` cannot be written", path.display()))?;
    Ok(path)
}
