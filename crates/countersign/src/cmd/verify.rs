//! `countersign verify DIR|URL`: replays a record from nothing, accounts for every byte, and adds every balance up again.
//!
//! By a fold of its own (`replay`), which shares no code with the one that wrote the record. With `--policies` that one runs beside it:
//! each decision is judged again, policies and prices included, each settlement is computed again, and the two must agree.
//! Nothing is written, but for what `--save` asks for: whoever has that file goes on from it by `--from` (`saved`), and reads only what came
//! since.

mod agreed;
mod at;
mod judged;
mod keys;
mod owed;
mod progress;
mod saved;
mod served;
mod shelf;
mod shown;
#[cfg(test)]
pub(crate) mod tests;
mod withdrawn;

pub(crate) use at::{At, state_at};
pub(crate) use served::{Http, Link, Served};

use super::said::Said;
use crate::office;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use judged::Judged;
use keys::Chains;
pub(crate) use keys::Trusted;
use partnership::Terms;
use partnership::act::Digest;
use partnership::entry::Entry;
use record::audit::COSIGNED;
use record::cosignature::{Cosigned, CosignerKey};
use record::note::Verifier;
use record::store::directory::Directory;
use record::store::frozen::Frozen;
use record::{Audited, Checkpoint, Fault, Store};
use replay::Replay;
use saved::{Before, Kept};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Verifies a record.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The partnership's folder, the folder of a record alone, or the address of a server (then up to its checkpoint).
    #[arg(default_value = "partnership", value_name = "DIR|URL")]
    place: String,
    /// The public keys to trust: a file with one key a line, the log's first.
    #[arg(long)]
    vkeys: Option<PathBuf>,
    /// Judge every entry again by the clauses that were in force, policies and prices included. Slower.
    #[arg(long)]
    policies: bool,
    /// Go on from what an earlier verification has saved, and read only what came since. Not with `--policies`.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Save what a later verification needs to go on from this one. Keep it like a key: it is believed.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Verifies, and says what was checked or what does not hold.
pub(crate) fn run(asked: &Verify) -> anyhow::Result<Said> {
    if asked.policies && asked.from.is_some() {
        bail!(
            "`--policies` judges every entry from the first one on, which no saved state has; leave out `--from` to have the whole record judged again, or leave out `--policies`"
        );
    }
    let course = Course {
        vkeys: asked.vkeys.as_deref(),
        depth: Depth::of(asked),
        from: asked.from.as_deref(),
        saves: asked.save.is_some(),
    };
    let verified = verify_place(&asked.place, course, |_, _, _| Ok(())).and_then(|mut verified| {
        if let Some(file) = &asked.save {
            verified.save(file)?;
        }
        Ok(verified)
    });
    Ok(match verified {
        Ok(verified) if asked.json => Said::Done(verified.json().to_string()),
        Ok(verified) => Said::Done(verified.text()),
        Err(error) if asked.json => {
            let holds = if error.is::<Fault>() { Some(false) } else { None };
            Said::RefusedAsJson(json!({ "holds": holds, "fault": format!("{error:#}") }).to_string())
        }
        Err(error) if error.is::<Fault>() => Said::Refused(format!("does not hold: {error:#}")),
        Err(error) => return Err(error),
    })
}

/// Verifies the record at an address or in a folder as far as its entries tell, and hands every entry to `each` with its index. What it was
/// given counts only where all holds.
///
/// Errors: the first thing that does not hold, with its place.
pub(crate) fn entries(
    place: &str,
    vkeys: Option<&Path>,
    mut each: impl FnMut(u64, &Entry),
) -> anyhow::Result<Verified> {
    verify_place(place, Course::whole(vkeys, Depth::Entries), |index, envelope, parties| {
        each(index, &Entry::decode(envelope, parties).map_err(|error| error.to_string())?);
        Ok(())
    })
}

/// As [`entries`], of the two texts of each entry: its envelope and the parties' part. What `each` refuses, does not hold.
///
/// Errors: the first thing that does not hold, with its place.
pub(crate) fn leaves(
    place: &str,
    vkeys: Option<&Path>,
    each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> anyhow::Result<Verified> {
    verify_place(place, Course::whole(vkeys, Depth::Entries), each)
}

fn verify_place(
    place: &str,
    course: Course<'_>,
    each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> anyhow::Result<Verified> {
    if place.starts_with("http://") || place.starts_with("https://") {
        verify_served(place, course, each)
    } else {
        verify_each(Path::new(place), course, each)
    }
}

/// How far an entry is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What the entries tell, and who had to agree by the memoranda.
    Entries,
    /// The clauses that were in force too.
    Clauses,
}

impl Depth {
    fn of(asked: &Verify) -> Self {
        if asked.policies { Self::Clauses } else { Self::Entries }
    }
}

/// How a record is verified.
#[derive(Debug, Clone, Copy)]
struct Course<'a> {
    /// The keys to trust.
    vkeys: Option<&'a Path>,
    depth: Depth,
    /// What an earlier verification has saved.
    from: Option<&'a Path>,
    /// Whether what was found is to be saved.
    saves: bool,
}

impl<'a> Course<'a> {
    /// From the first entry on, and nothing is saved.
    const fn whole(vkeys: Option<&'a Path>, depth: Depth) -> Self {
        Self { vkeys, depth, from: None, saves: false }
    }
}

/// A record in which everything held.
#[derive(Debug)]
pub(crate) struct Verified {
    origin: String,
    trusted: Trusted,
    audited: Audited,
    replay: Replay,
    /// The version of the memorandum in force.
    terms: Option<Terms>,
    depth: Depth,
    /// What was taken from a file, where not all was read.
    before: Option<Before>,
    /// What there is to save.
    kept: Option<Kept>,
    /// The digest of what was saved.
    saved: Option<record::Hash>,
}

/// How long a server is given to end a write that was met half done. Longer than a write and a sync take.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits for a server to end a write that was met half done.
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

/// As [`verify_each`], without anybody who looks on.
///
/// Errors: those of [`verify_each`].
pub(crate) fn verify(dir: &Path, vkeys: Option<&Path>, depth: Depth) -> anyhow::Result<Verified> {
    verify_each(dir, Course::whole(vkeys, depth), |_, _, _| Ok(()))
}

/// Verifies the record of the partnership in `dir`, or the record that `dir` itself is. Without keys to trust
/// those that the record serves are used, and the answer says so. A server may write on meanwhile: what is verified is one
/// state of the record. Every entry that holds is handed to `each`.
///
/// Errors: the first thing that does not hold, with its place.
fn verify_each(
    dir: &Path,
    course: Course<'_>,
    each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> anyhow::Result<Verified> {
    let store = Directory::new(record_of(dir)?);
    let trusted = Trusted::of(&store, course.vkeys)?;
    let log = &trusted.log;
    let frozen = Frozen::take(&store, log.name(), pause)?;
    let (mut pass, bar) = (Pass::over(&frozen, course.depth), progress::bar(&frozen));
    let head = pass.begin(course, log)?;
    let visitor = pass.visitor(progress::of(&bar, each));
    let audited = match &head {
        Some(head) => record::audit_since(&frozen, head, log, visitor),
        None => record::audit(&frozen, log.name(), log, visitor),
    };
    bar.finish_and_clear();
    pass.verified(audited?, trusted)
}

/// Verifies the record that a server serves, up to its checkpoint; otherwise as [`verify_each`].
///
/// Errors: the first thing that does not hold, with its place; or the server does not answer, or keeps the parties' part back.
fn verify_served(
    url: &str,
    course: Course<'_>,
    each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> anyhow::Result<Verified> {
    let served = Served::open(url)?;
    let trusted = Trusted::of(&served, course.vkeys)?;
    let log = &trusted.log;
    let (mut pass, bar) = (Pass::over(&served, course.depth), progress::bar(&served));
    let head = pass.begin(course, log)?;
    let visitor = pass.visitor(progress::of(&bar, each));
    let audited = match &head {
        Some(head) => record::audit_published_since(&served, head, log, visitor),
        None => record::audit_published(&served, log.name(), log, visitor),
    };
    bar.finish_and_clear();
    let verified = audited.map_err(Into::into).and_then(|audited| pass.verified(audited, trusted));
    if let Some(failure) = served.failure() {
        return Err(failure.context("the record could not be read to its end, so nothing is said of it"));
    }
    verified
}

/// The folder of the record of the partnership in `dir`, or `dir` itself where it is one.
pub(crate) fn record_of(dir: &Path) -> anyhow::Result<PathBuf> {
    let inner = dir.join("record");
    let folder = if inner.is_dir() { inner } else { dir.to_owned() };
    ensure!(folder.is_dir(), "`{}` is not a folder; name a partnership or its record", dir.display());
    Ok(folder)
}

/// The replay, and beside it the writer's own fold: over every entry, or only the first.
pub(crate) struct Pass<S> {
    store: S,
    replay: Replay,
    judged: Judged<S>,
    depth: Depth,
    before: Option<Before>,
    kept: Option<Kept>,
}

impl<S: Deref<Target: Store + Sized> + Clone> Pass<S> {
    pub(crate) fn over(store: S, depth: Depth) -> Self {
        let judged = Judged::over(store.clone());
        let replay = Replay::on(Some(shelf::new()));
        Self { store, replay, judged, depth, before: None, kept: None }
    }

    /// Takes over what was saved, where there is such a thing, and sees to what is to be saved; gives the checkpoint to go on from.
    ///
    /// Errors: where what was saved is not sound, or is of another record.
    fn begin(&mut self, course: Course<'_>, log: &Verifier) -> anyhow::Result<Option<Checkpoint>> {
        let head = match course.from {
            Some(file) => {
                let (before, replay) = saved::load(file, log)?;
                self.replay = replay;
                Some(self.before.insert(before).head.clone())
            }
            None => None,
        };
        if course.saves {
            self.kept = Kept::of(&*self.store, log)?;
        }
        Ok(head)
    }

    /// What an audit hands each entry to; where it holds, so does it to `each`.
    fn visitor(
        &mut self,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> impl FnMut(u64, &[u8], &[u8]) -> Result<(), String> {
        move |index, envelope, parties| {
            if let Some(kept) = &mut self.kept {
                kept.at(index, &self.replay);
            }
            self.entry(index, envelope, parties)?;
            each(index, envelope, parties)
        }
    }

    /// Takes the next entry.
    ///
    /// Errors: what does not hold of it.
    pub(crate) fn entry(&mut self, index: u64, envelope: &[u8], parties: &[u8]) -> Result<(), String> {
        // Whether as many parties have signed as the memorandum asks for, only the memorandum says.
        if index == 0 || self.depth == Depth::Clauses {
            self.judged.entry(index, envelope, parties)?;
        }
        self.replay.entry(envelope, parties).map_err(|fault| fault.to_string())
    }

    /// Whether this is a key that a party signs with.
    pub(crate) fn is_a_partys(&self, vkey: &str) -> bool {
        self.replay.vkeys().any(|key| key.vkey() == vkey)
    }

    /// The file of public keys, as the entries say; `first` is the log's first.
    pub(crate) fn keys_file(&self, first: &Verifier) -> String {
        Chains::of(&self.replay, first).file()
    }

    /// Whether this is a key that the log signs with, or signed with; `first` is its first.
    pub(crate) fn is_the_logs(&self, first: &Verifier, key: &Verifier) -> bool {
        Chains::of(&self.replay, first).logs().contains(key)
    }

    /// The file that says how the log's keys handed over, as the entries say; `first` is the log's first.
    pub(crate) fn handover(&self, first: &Verifier) -> String {
        Chains::of(&self.replay, first).handover()
    }

    /// The log's key that signs a checkpoint of this size, as the entries say; `first` is the log's first.
    pub(crate) fn signs(&self, first: &Verifier, size: u64) -> Option<Verifier> {
        Chains::of(&self.replay, first).signs(size).cloned()
    }

    /// Of which record the first entry is, and the parties' keys in it.
    pub(crate) fn founded(&self) -> (&str, BTreeSet<String>) {
        (self.replay.origin(), self.replay.vkeys().map(Verifier::vkey).collect())
    }

    /// What can be seen between two entries: that whoever had to agree has, and that two folds agree where there are two.
    ///
    /// Errors: the first that does not hold, with its place.
    pub(crate) fn agrees_so_far(&self) -> anyhow::Result<()> {
        self.versions().map(drop)
    }

    /// The versions of the memorandum, which had agreed whom they asked.
    fn versions(&self) -> anyhow::Result<BTreeMap<record::Hash, Terms>> {
        let mut versions = BTreeMap::new();
        for (digest, index) in self.replay.named() {
            let terms = office::document(&*self.store, &Digest(*digest))
                .map_err(|error| fault(&format!("entry {index}"), &format!("{error:#}")))?;
            versions.insert(*digest, terms);
        }
        agreed::agreed(&self.replay, &versions)?;
        if self.replay.is_blind() {
            bail!(
                "the ids of earlier acts, which were put in a file in the folder for temporary files, could not be read back; see that it has room and try again"
            );
        }
        if let Some(asset) = self.replay.unbalanced() {
            bail!(fault("balances", &format!("the debits and credits of `{asset}` differ")));
        }
        if self.depth == Depth::Clauses {
            self.judged.agrees_with(&self.replay)?;
        }
        Ok(versions)
    }

    fn verified(self, audited: Audited, trusted: Trusted) -> anyhow::Result<Verified> {
        let mut versions = self.versions()?;
        let Self { replay, depth, before, kept, .. } = self;
        let terms = replay.versions().last().and_then(|version| versions.remove(&version.digest));
        let origin = trusted.log.name().to_owned();
        let verified = Verified { origin, trusted, audited, replay, terms, depth, before, kept, saved: None };
        verified.agrees()?;
        Ok(verified)
    }
}

impl Verified {
    /// The log's name.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Saves what a later verification needs to go on from this one.
    ///
    /// Errors: where nothing is under a checkpoint yet, or the file cannot be written.
    fn save(&mut self, file: &Path) -> anyhow::Result<()> {
        let kept =
            self.kept.take().context("there is nothing to save: no entry is under a checkpoint yet")?;
        self.saved = Some(kept.save(file, &self.replay)?);
        Ok(())
    }

    /// The root over all its entries.
    pub(crate) fn root(&self) -> &record::Hash {
        &self.audited.root
    }

    /// How many entries it has.
    pub(crate) fn size(&self) -> u64 {
        self.audited.entries
    }

    /// What can only be seen at the end: that the books add up, and that the keys served are the keys signed.
    fn agrees(&self) -> anyhow::Result<()> {
        let signed = self.audited.checkpoint.is_some() || self.audited.entries == 0;
        if !signed {
            bail!(fault("checkpoint", "it is missing, so nobody has signed any of the entries"));
        }
        if self.replay.origin() != self.origin && self.audited.entries > 0 {
            bail!(fault("entry 0", "it is of another origin"));
        }
        if self.audited.entries == 0 {
            return Ok(());
        }
        let chains = Chains::of(&self.replay, &self.trusted.log);
        chains.sign(&self.audited)?;
        chains.lead(&self.trusted, &self.audited.parties)?;
        if let Some(cosigned) = &self.audited.cosigned {
            self.cosigned(cosigned, chains.logs())?;
        }
        Ok(())
    }
}

impl Verified {
    /// Whether the lines under what others have cosigned verify, as far as their keys are on the record.
    fn cosigned(&self, signed: &[u8], logs: &[Verifier]) -> anyhow::Result<()> {
        let keys: Vec<CosignerKey> =
            self.replay.witnesses().filter_map(|(_, vkey)| CosignerKey::parse(&vkey).ok()).collect();
        let opened = Cosigned::open(signed, &logs.iter().collect::<Vec<_>>(), &keys);
        opened.map(drop).map_err(|error| fault(COSIGNED, &error.to_string()).into())
    }
}

fn fault(place: &str, what: &str) -> Fault {
    Fault { place: place.to_owned(), what: what.to_owned() }
}
