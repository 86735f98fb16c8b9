//! `countersign verify DIR|URL`: replays a record from nothing, accounts for every byte, and adds every balance up again.
//!
//! Each decision is judged again, policies and prices included, and each settlement is computed again; an entry that says
//! something else is found. Nothing is written.

mod served;
mod shown;
#[cfg(test)]
mod tests;

use super::said::Said;
use crate::office;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use ledger::{Operation, Transfer};
use partnership::State;
use partnership::act::{Deed, Digest};
use partnership::entry::{Body, Entry, Verdict};
use partnership::ids::{ActId, Timestamp};
use record::note::Verifier;
use record::store::directory::Directory;
use record::store::frozen::Frozen;
use record::{Audited, Fault, Store};
use serde_json::json;
use served::Served;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Verifies, and says what was checked or what does not hold.
pub(crate) fn run(asked: &Verify) -> anyhow::Result<Said> {
    let vkeys = asked.vkeys.as_deref();
    let verified = if asked.place.starts_with("http://") || asked.place.starts_with("https://") {
        verify_served(&asked.place, vkeys)
    } else {
        verify(Path::new(&asked.place), vkeys)
    };
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

/// A record in which everything held.
#[derive(Debug)]
pub(crate) struct Verified {
    origin: String,
    audited: Audited,
    state: State,
    counts: Counts,
    keys_given: bool,
}

/// What the entries said, counted.
#[derive(Debug, Default)]
struct Counts {
    allowed: u64,
    refused: u64,
    waited: u64,
    /// Settlements by how they ended.
    ended: BTreeMap<&'static str, u64>,
    /// Reservations made, and those that ended: posted, void or lapsed.
    reservations: BTreeMap<&'static str, u64>,
}

/// How long a server is given to end a write that was met half done. Longer than a write and a sync take.
const PAUSE: Duration = Duration::from_millis(500);

/// Verifies the record of the partnership in `dir`, or the record that `dir` itself is. `vkeys` are the keys to trust; without
/// them those that the record serves are used, and the answer says so. A server may write on meanwhile: what is verified is one
/// state of the record.
///
/// Errors: the first thing that does not hold, with its place.
pub(crate) fn verify(dir: &Path, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
    let store = Directory::new(record_of(dir)?);
    let log = trusted(&store, vkeys)?;
    let frozen = Frozen::take(&store, log.name(), || std::thread::sleep(PAUSE))?;
    let mut pass = Pass::over(&frozen);
    let audited = record::audit(&frozen, log.name(), &log, pass.visitor())?;
    pass.verified(audited, &log, vkeys.is_some())
}

/// Verifies the record that a server serves, up to its checkpoint. `vkeys` as for [`verify`].
///
/// Errors: the first thing that does not hold, with its place; or the server does not answer, or keeps the parties' part back.
fn verify_served(url: &str, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
    let served = Served::open(url)?;
    let log = trusted(&served, vkeys)?;
    let mut pass = Pass::over(&served);
    let audited = record::audit_published(&served, log.name(), &log, pass.visitor());
    if let Some(failure) = served.failure() {
        return Err(failure.context("the record could not be read to its end, so nothing is said of it"));
    }
    pass.verified(audited?, &log, vkeys.is_some())
}

/// A point of the record: after an entry, or at the end of a day or moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Index(u64),
    Time(Timestamp),
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
        let day =
            day.and_then(|day| day.tomorrow().ok()).map(|next| Timestamp::start_of(next).plus_millis(-1));
        day.or_else(|| text.parse().ok()).map(Self::Time).ok_or_else(|| {
            "write an entry's index, a day (2027-01-31) or a moment (2027-01-31T12:00:00Z)".to_owned()
        })
    }
}

impl At {
    fn includes(self, index: u64, at: Timestamp) -> bool {
        match self {
            Self::Index(last) => index <= last,
            Self::Time(last) => at <= last,
        }
    }
}

/// What the entries up to `until` of the record of the partnership in `dir` add up to. Every byte of the record is looked at.
///
/// Errors: the first byte or entry that does not hold, or that there is no such entry.
pub(crate) fn state_at(dir: &Path, until: At) -> anyhow::Result<State> {
    let store = Directory::new(record_of(dir)?);
    let log = trusted(&store, None)?;
    let frozen = Frozen::take(&store, log.name(), || std::thread::sleep(PAUSE))?;
    let mut state = State::new(office::library(&frozen)?);
    let visit = |index: u64, envelope: &[u8], parties: &[u8]| {
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        let applied = if until.includes(index, entry.at) { state.apply(&entry, index) } else { Ok(()) };
        applied.map_err(|error| error.to_string())
    };
    let entries = record::audit(&frozen, log.name(), &log, visit)?.entries;
    match until {
        At::Index(index) if index >= entries => {
            bail!("entry {index} is not there yet: the record has {entries} entries, from 0")
        }
        At::Time(_) if state.entries() == 0 => bail!("the record had not begun then"),
        _ => Ok(state),
    }
}

/// The folder of the record of the partnership in `dir`, or `dir` itself where it is one.
fn record_of(dir: &Path) -> anyhow::Result<PathBuf> {
    let inner = dir.join("record");
    let folder = if inner.is_dir() { inner } else { dir.to_owned() };
    ensure!(folder.is_dir(), "`{}` is not a folder; name a partnership or its record", dir.display());
    Ok(folder)
}

/// The fold, with every entry judged again before it is let in. Documents are read when an entry first names them.
struct Pass<'a, S> {
    store: &'a S,
    state: State,
    counts: Counts,
    /// Every act that was decided: an id is good for one act.
    acts: BTreeSet<ActId>,
}

impl<'a, S: Store> Pass<'a, S> {
    fn over(store: &'a S) -> Self {
        Self { store, state: State::new([]), counts: Counts::default(), acts: BTreeSet::new() }
    }

    /// What an audit hands each entry to.
    fn visitor(&mut self) -> impl FnMut(u64, &[u8], &[u8]) -> Result<(), String> {
        |index, envelope, parties| self.entry(index, envelope, parties)
    }

    fn entry(&mut self, index: u64, envelope: &[u8], parties: &[u8]) -> Result<(), String> {
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        if let Some(digest) = document_of(&entry.body)
            && self.state.document(&digest).is_none()
        {
            let terms = office::document(self.store, &digest).map_err(|error| format!("{error:#}"))?;
            self.state.know(terms);
        }
        if let Body::Decided(decided) = &entry.body {
            let id = decided.act.id;
            let waits = self.state.waiting_act(&id).is_some();
            if !self.acts.insert(id) && !waits {
                return Err(format!("act `{id}` was decided before"));
            }
        }
        self.state.check(&entry).map_err(|error| error.to_string())?;
        self.state.apply(&entry, index).map_err(|error| error.to_string())?;
        self.counts.add(&entry.body);
        Ok(())
    }

    fn verified(self, audited: Audited, log: &Verifier, keys_given: bool) -> anyhow::Result<Verified> {
        let Self { state, counts, .. } = self;
        let verified = Verified { origin: log.name().to_owned(), audited, state, counts, keys_given };
        verified.agrees()?;
        Ok(verified)
    }
}

/// The version of the memorandum that an entry names.
fn document_of(body: &Body) -> Option<Digest> {
    match body {
        Body::Genesis(genesis) => Some(genesis.memorandum),
        Body::Decided(decided) => match &decided.act.deed {
            Deed::Amend(amend) if !matches!(decided.verdict, Verdict::Deny { .. }) => Some(amend.digest),
            _ => None,
        },
        _ => None,
    }
}

impl Counts {
    fn add(&mut self, body: &Body) {
        match body {
            Body::Decided(decided) => {
                one_more(match decided.verdict {
                    Verdict::Allow => &mut self.allowed,
                    Verdict::Deny { .. } => &mut self.refused,
                    Verdict::Escalate { .. } => &mut self.waited,
                });
                self.transfers(&decided.transfers);
            }
            Body::Settled(settled) => {
                one_more(self.ended.entry(settled.ended.name()).or_default());
                self.transfers(&settled.transfers);
            }
            _ => {}
        }
    }

    fn transfers(&mut self, transfers: &[Transfer]) {
        for transfer in transfers {
            let what = match transfer.operation {
                Operation::Reserve { .. } => "made",
                Operation::Post { .. } => "posted",
                Operation::Void { .. } => "void",
                Operation::Lapse { .. } => "lapsed",
                Operation::Move => continue,
            };
            one_more(self.reservations.entry(what).or_default());
        }
    }
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl Verified {
    /// What can only be seen at the end: that the books add up, and that the keys served are the keys signed.
    fn agrees(&self) -> anyhow::Result<()> {
        let signed = self.audited.checkpoint.is_some() || self.audited.entries == 0;
        if !signed {
            bail!(fault("checkpoint", "it is missing, so nobody has signed any of the entries"));
        }
        if self.state.origin() != self.origin && self.audited.entries > 0 {
            bail!(fault("entry 0", "it is of another origin"));
        }
        for (asset, row) in ledger::trial_balance(self.state.book()) {
            if !row.agrees() {
                bail!(fault("balances", &format!("the debits and credits of `{asset}` differ")));
            }
        }
        let served: BTreeSet<String> = self.audited.parties.iter().map(Verifier::vkey).collect();
        let signed: BTreeSet<String> = self.state.vkeys().map(|(_, vkey)| vkey.vkey()).collect();
        if served != signed && self.audited.entries > 0 {
            bail!(fault("vkeys", "it does not hold the parties' keys of entry 0"));
        }
        Ok(())
    }
}

/// The log's key, from the file that the caller trusts or else from the record.
fn trusted(store: &impl Store, vkeys: Option<&Path>) -> anyhow::Result<Verifier> {
    let served = store.read("vkeys")?.context("there is no record here: it has no file `vkeys`")?;
    let served = String::from_utf8(served).map_err(|_| fault("vkeys", "it is not utf-8"))?;
    if let Some(path) = vkeys {
        let given = std::fs::read_to_string(path)
            .with_context(|| format!("the keys in `{}` cannot be read", path.display()))?;
        if lines(&given) != lines(&served) || given.lines().next() != served.lines().next() {
            bail!(fault("vkeys", &format!("it does not hold exactly the keys of `{}`", path.display())));
        }
    }
    let first = served.lines().next().unwrap_or_default();
    Verifier::parse(first).map_err(|error| fault("vkeys", &error.to_string()).into())
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

fn fault(place: &str, what: &str) -> Fault {
    Fault { place: place.to_owned(), what: what.to_owned() }
}
