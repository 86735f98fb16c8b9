//! What each entry goes through before a party says that it holds and has replayed it.
//!
//! Not here: whether it is in the tree (`record::Mirror`).

use super::incident::Disagreement;
use super::metered::Metered;
use super::priced::Priced;
use crate::cmd::verify::{Depth, Pass};
use anyhow::ensure;
use partnership::act::Digest;
use partnership::entry::{Entry, document_of};
use record::audit::VKEYS;
use record::hash::hex;
use record::note::{Signer, Verifier};
use record::{Checkpoint, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What each entry goes through.
pub(crate) struct Checks<S: Store> {
    /// The log's name, the parties' keys as they are served, and this party's own.
    founded: Founded,
    pass: Pass<Arc<S>>,
    priced: Priced,
    metered: Option<Metered>,
}

/// What the first entry must be of.
pub(crate) struct Founded {
    pub(super) origin: String,
    pub(super) vkeys: BTreeSet<String>,
    pub(super) own: String,
}

impl Founded {
    /// By the keys that are served.
    ///
    /// Errors: those of the store.
    pub(crate) fn of(log: &Verifier, served: &impl Store, party: &Signer) -> Result<Self, StoreError> {
        let text = served.read(VKEYS)?.unwrap_or_default();
        let is_partys = |line: &&str| Verifier::parse(line).is_ok_and(|key| key.name() != log.name());
        let vkeys = String::from_utf8_lossy(&text).lines().filter(is_partys).map(str::to_owned).collect();
        Ok(Self { origin: log.name().to_owned(), vkeys, own: party.verifier().vkey() })
    }

    /// Why a record whose first entry has these keys is not the one that this party signed.
    fn differs(&self, origin: &str, vkeys: &BTreeSet<String>) -> Option<&'static str> {
        if origin != self.origin {
            return Some("it is of another origin");
        }
        if !self.vkeys.contains(&self.own) {
            return Some("it has another key for the party that follows");
        }
        (!vkeys.is_subset(&self.vkeys)).then_some("its keys are not those that are served")
    }
}

impl<S: Store> Checks<S> {
    /// Over the entries of the copy in `store`, from the first on.
    pub(crate) fn over(store: &Arc<S>, founded: Founded, depth: Depth, metered: Option<Metered>) -> Self {
        Self { founded, pass: Pass::over(Arc::clone(store), depth), priced: Priced::default(), metered }
    }

    /// Takes the next entry.
    ///
    /// Errors: what does not hold of it.
    pub(crate) fn entry(
        &mut self,
        store: &S,
        index: u64,
        envelope: &[u8],
        parties: &[u8],
    ) -> Result<(), String> {
        self.pass.entry(index, envelope, parties)?;
        if index == 0
            && let (origin, vkeys) = self.pass.founded()
            && let Some(differs) = self.founded.differs(origin, &vkeys)
        {
            return Err(differs.to_owned());
        }
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        self.priced.entry(store, index, &entry)?;
        self.metered.iter_mut().for_each(|metered| metered.entry(index, &entry));
        Ok(())
    }

    /// What can be seen between two entries.
    ///
    /// Errors: [`Disagreement`]; or the party's own key gave way to another, or a journal of a meter does not hold.
    pub(crate) fn agree(&mut self) -> anyhow::Result<()> {
        self.pass.agrees_so_far().map_err(Disagreement::of)?;
        ensure!(
            self.pass.is_a_partys(&self.founded.own),
            "the key `{}` gave way to another on the record; follow with that one in its place",
            self.founded.own
        );
        self.metered.as_mut().map_or(Ok(()), Metered::agrees)
    }
}

impl<S: Store> Checks<S> {
    /// Whether a checkpoint is by the log's key that signs at its size, and the keys that are believed are the log's; `first` is its first.
    ///
    /// Errors: [`Disagreement`].
    pub(super) fn logs_agree(
        &self,
        first: &Verifier,
        believed: &[Verifier],
        (signed, head): (&[u8], &Checkpoint),
    ) -> Result<(), Disagreement> {
        let signs = self.pass.signs(first, head.size);
        if signs.is_none_or(|key| Checkpoint::open(signed, &key).is_err()) {
            let what = "it is not signed by the key of the log that signs at its size, as the entries say";
            return Err(Disagreement::at("checkpoint", &what));
        }
        match believed.iter().find(|key| !self.pass.is_the_logs(first, key)) {
            Some(key) => {
                let what = format!("it has `{key}`, which is no key of the log, as the entries say");
                Err(Disagreement::at(VKEYS, &what))
            }
            None => Ok(()),
        }
    }

    /// The file of keys that the entries say; `first` is the log's first.
    pub(super) fn keys_file(&self, first: &Verifier) -> String {
        self.pass.keys_file(first)
    }

    /// The file that says how the log's keys handed over, as the entries do; `first` is the log's first.
    pub(super) fn handover(&self, first: &Verifier) -> String {
        self.pass.handover(first)
    }
}

/// Why a document was not kept.
pub(super) enum Document {
    /// It is not what the record says, or could not be fetched.
    Fault(String),
    /// The copy's own disk.
    Own(StoreError),
}

/// Takes the memorandum that an entry names, before the entry is looked at.
pub(super) fn keep_document(
    store: &impl Store,
    served: &impl Store,
    index: u64,
    envelope: &[u8],
    parties: &[u8],
) -> Result<(), Document> {
    // Only the first entry and amendments name one.
    let may_name = index == 0 || parties.windows(AMEND.len()).any(|part| part == AMEND);
    if !may_name {
        return Ok(());
    }
    let entry = Entry::decode(envelope, parties).map_err(|error| Document::Fault(error.to_string()))?;
    let Some(Digest(digest)) = document_of(&entry.body) else { return Ok(()) };
    let path = format!("memorandum/{}", hex(&digest));
    if store.read(&path).map_err(Document::Own)?.is_some() {
        return Ok(());
    }
    let bytes = served.read(&path).map_err(|error| Document::Fault(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| Document::Fault(format!("{path}: it is missing")))?;
    if record::hash::sha256(&bytes) != digest {
        return Err(Document::Fault(format!("{path}: its content has another digest")));
    }
    store.create(&path, &bytes).map_err(Document::Own)
}

const AMEND: &[u8] = br#""kind":"amend""#;
