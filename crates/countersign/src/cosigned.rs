//! What others have cosigned: the newest checkpoint under which everyone stands whose key to do so is on the record, and how far each
//! has come.
//!
//! Not here: whether a checkpoint deserves it, which each follower finds out for itself.

use partnership::ids::Timestamp;
use record::audit::COSIGNED;
use record::cosignature::{AttachError, Cosigned as Opened, CosignerKey, attach};
use record::note::{self, NoteError, Verifier};
use record::store::directory::Directory;
use record::{AddCheckpoint, Checkpoint, Store, StoreError, merkle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a checkpoint may go without a cosignature before it counts as missing. Units: milliseconds.
const MISSING_MS: i64 = 30_000;
/// How many checkpoints that some have cosigned, and not all, are kept in memory.
const HELD_MAX: usize = 64;

/// The cosignatures that have come in.
#[derive(Debug)]
pub(crate) struct Cosigned<S = Directory> {
    store: Arc<S>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Checkpoints by size, each with the lines under it.
    notes: BTreeMap<u64, Vec<u8>>,
    /// The size of the one in the file.
    whole: u64,
    /// How far each key has come, by its vkey.
    latest: BTreeMap<String, Latest>,
    /// Since when each key has been behind, by its vkey.
    behind: BTreeMap<String, Timestamp>,
}

/// The newest cosignature by a key.
#[derive(Debug, Clone, Copy)]
struct Latest {
    size: u64,
    /// By the cosigner's clock. Units: seconds since 1970.
    at: u64,
}

/// How a key stands that is to cosign.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Standing {
    /// Whose it is.
    pub(crate) party: String,
    /// The key's name; its last part says what it vouches for.
    pub(crate) name: String,
    /// The public key.
    pub(crate) vkey: String,
    /// The size of the newest checkpoint that it has cosigned; 0 for none.
    pub(crate) size: u64,
    /// When it did; none where it never has.
    pub(crate) at: Option<String>,
    /// Whether a newer checkpoint has waited for it for longer than it should.
    pub(crate) missing: bool,
}

/// Why cosignatures were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// The note, or a line under it, is wrong.
    #[error("{0}")]
    Wrong(String),
    /// It is not one of this record.
    #[error("the checkpoint is not one that this record has published")]
    NotOurs,
    /// It could not be kept.
    #[error("the cosigned checkpoint cannot be written: {0}")]
    Store(#[from] StoreError),
}

impl<S: Store> Cosigned<S> {
    /// What the record in `store` has of it; `keys` are those that cosign.
    ///
    /// Errors: those of the store.
    pub(crate) fn open(store: Arc<S>, logs: &[Verifier], keys: &[CosignerKey]) -> Result<Self, StoreError> {
        let all: Vec<&Verifier> = logs.iter().collect();
        let kept = store.read(COSIGNED)?;
        let mut held = Held::default();
        let opened = kept.as_deref().and_then(|note| Opened::open(note, &all, keys).ok());
        if let Some(opened) = opened
            && is_of(&*store, &all, &opened.checkpoint)?
        {
            held.whole = opened.checkpoint.size;
            held.see(&opened);
            held.notes.extend(kept.map(|note| (opened.checkpoint.size, note)));
        }
        Ok(Self { store, held: Mutex::new(held) })
    }

    /// Takes the lines under `note`, a checkpoint of this log, that are by `keys`; `logs` are the log's keys, each with the entry since
    /// which it signs, and `published` is the size of the newest checkpoint. When all of them have cosigned it, it is kept for good. Blocks while it is written.
    ///
    /// Errors: [`NotTaken`].
    pub(crate) fn take(
        &self,
        note: &[u8],
        (logs, keys): (&[(u64, Verifier)], &[CosignerKey]),
        published: u64,
    ) -> Result<(), NotTaken> {
        let all: Vec<&Verifier> = logs.iter().map(|(_, key)| key).collect();
        let head = Checkpoint::open_any(note, &all).map_err(|error| NotTaken::Wrong(error.to_string()))?;
        // No other key of the log may stand under what is served.
        let signs = logs.iter().rev().find(|(since, _)| *since < head.size).or_else(|| logs.first());
        let logs: Vec<&Verifier> = signs.map(|(_, key)| key).into_iter().collect();
        Checkpoint::open_any(note, &logs).map_err(|error| NotTaken::Wrong(error.to_string()))?;
        if head.size == 0 || head.size > published || !is_of(&*self.store, &all, &head)? {
            return Err(NotTaken::NotOurs);
        }
        let wrong = |error: NoteError| NotTaken::Wrong(error.to_string());
        let bare = note::only_by(note, &logs).map_err(wrong)?;
        let (_, lines) = note::split(note).map_err(wrong)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let base = held.notes.get(&head.size).unwrap_or(&bare);
        let attached = attach(base, lines.as_bytes(), &logs, keys).map_err(|error| match error {
            AttachError::Unknown => {
                NotTaken::Wrong("no line under it is by a key that cosigns this record".to_owned())
            }
            wrong => NotTaken::Wrong(wrong.to_string()),
        })?;
        if held.notes.get(&head.size) == Some(&attached) {
            return Ok(());
        }
        let opened =
            Opened::open(&attached, &logs, keys).map_err(|error| NotTaken::Wrong(error.to_string()))?;
        if head.size >= held.whole && keys.iter().all(|key| opened.is_by(key)) {
            self.store.replace(COSIGNED, &attached)?;
            held.whole = head.size;
        }
        held.see(&opened);
        held.notes.insert(head.size, attached);
        while held.notes.len() > HELD_MAX {
            held.notes.pop_first();
        }
        Ok(())
    }

    /// How each of `keys` stands, when the newest checkpoint has the size `published`. Asked often enough, it sees who falls behind.
    pub(crate) fn standing<'a>(
        &self,
        keys: impl Iterator<Item = (&'a str, &'a str)>,
        published: u64,
        now: Timestamp,
    ) -> Vec<Standing> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        keys.map(|(vkey, party)| held.standing(vkey, party, published, now)).collect()
    }
}

impl Held {
    fn see(&mut self, opened: &Opened) {
        for cosignature in &opened.cosignatures {
            let new = Latest { size: opened.checkpoint.size, at: cosignature.at };
            let latest = self.latest.entry(cosignature.key.vkey()).or_insert(new);
            if new.size >= latest.size {
                *latest = new;
                self.behind.remove(&cosignature.key.vkey());
            }
        }
    }

    fn standing(&mut self, vkey: &str, party: &str, published: u64, now: Timestamp) -> Standing {
        let latest = self.latest.get(vkey);
        let size = latest.map_or(0, |latest| latest.size);
        let missing = if size < published {
            let since = *self.behind.entry(vkey.to_owned()).or_insert(now);
            now.as_millis().saturating_sub(since.as_millis()) >= MISSING_MS
        } else {
            self.behind.remove(vkey);
            false
        };
        let moment = |latest: &Latest| {
            let millis = i64::try_from(latest.at).ok()?.checked_mul(1000)?;
            Some(Timestamp::from_millis(millis).to_string())
        };
        Standing {
            party: party.to_owned(),
            name: vkey.split('+').next().unwrap_or_default().to_owned(),
            vkey: vkey.to_owned(),
            size,
            at: latest.and_then(moment),
            missing,
        }
    }
}

/// Whether the record in `store` goes on from this head. One that was set back to an older copy does not go on from what it had signed since.
fn is_of(store: &impl Store, logs: &[&Verifier], head: &Checkpoint) -> Result<bool, StoreError> {
    let newest = || -> Result<Option<Checkpoint>, StoreError> {
        let signed = store.read("checkpoint")?.unwrap_or_default();
        Ok(Checkpoint::open_any(&signed, logs).ok())
    };
    for _ in 1..LOOKS {
        let Some(now) = newest()? else { return Ok(false) };
        match AddCheckpoint::of(store, &[], now.size, head.size) {
            Ok(request) => {
                return Ok(request.is_some_and(|request| {
                    merkle::verify_consistency(head.size, &head.root, now.size, &now.root, &request.proof)
                }));
            }
            // A newer checkpoint has taken a partial tile away meanwhile.
            Err(StoreError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// How often a record that grows is looked at before one gives up.
const LOOKS: u32 = 10;

/// A gauge: its name, what it tells, and its value for a key.
type Gauge = (&'static str, &'static str, fn(&Standing) -> u64);

/// The gauges of all keys, in Prometheus' text format.
pub(crate) fn metrics(keys: &[Standing]) -> String {
    let mut text = String::new();
    let rows: [Gauge; 2] = [
        ("countersign_cosigned_size", "Size of the newest checkpoint that a key has cosigned", |key| {
            key.size
        }),
        (
            "countersign_cosignature_missing",
            "Whether a newer checkpoint has waited for a key's cosignature for too long",
            |key| u64::from(key.missing),
        ),
    ];
    for (name, help, value) in rows {
        let head = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        debug_assert!(head.is_ok(), "a string takes all text");
        for key in keys {
            let row = writeln!(text, "{name}{{key=\"{}\"}} {}", key.name, value(key));
            debug_assert!(row.is_ok(), "a string takes all text");
        }
    }
    text
}
