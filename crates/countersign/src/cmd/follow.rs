//! `countersign follow URL`: the other party's own copy of the record, its replay of every entry, and its word for both.
//!
//! Every checkpoint is first seen to go on from the last (then the key `w1` says so), then every entry is taken, folded and priced
//! again by code that shares nothing with the operator's ledger (then `w2` says so). Whatever disagrees ends it: nothing more is
//! cosigned, and a signed report of it is left in the mirror.
//!
//! Not here: how a copy is kept in order ([`record::Mirror`]), and what an entry must hold to (`verify`).

mod incident;
mod keys;
mod listen;
mod metered;
mod priced;

use super::client::Client;
use super::said::Said;
use super::verify::{Depth, Pass, Served};
use crate::clock::Clock;
use crate::files::Keys;
use crate::office;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use incident::Disagreement;
use keys::WitnessKeys;
use metered::{Metered, Meters};
use partnership::act::Digest;
use partnership::entry::{Entry, document_of};
use priced::Priced;
use record::audit::VKEYS;
use record::cosignature::Cosigner;
use record::handover::{HANDOVER, led_to};
use record::hash::{base64, hex};
use record::note::{Signer, Verifier};
use record::store::directory::Directory;
use record::witness::{Kept, Refused};
use record::{AddCheckpoint, Checkpoint, Handover, Mirror, MirrorError, Store, StoreError, Witness};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The size of journal segments of a mirror. Units: bytes.
const SEGMENT_BYTES: u32 = 16 << 20;

/// Follows a record.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// The operator's server, such as `https://ai.example` or `https://ai.example/record`.
    url: String,
    /// The party that follows and cosigns.
    #[arg(long)]
    party: String,
    /// The folder of its keys: `PARTY.key`, and `w1.key` and `w2.key`, which are made where they are missing.
    #[arg(long)]
    keys: PathBuf,
    /// The folder of the copy.
    #[arg(long, default_value = "mirror")]
    dir: PathBuf,
    /// The public keys to trust: a file with one key a line, the log's first. Without it those that are served at first sight.
    #[arg(long)]
    vkeys: Option<PathBuf>,
    #[command(flatten)]
    meters: Meters,
    /// Be a witness that others can ask too (C2SP tlog-witness), at this address and port, and show them the copy's tiles.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// How long to wait between two looks. Units: milliseconds.
    #[arg(long, default_value_t = 1000)]
    every: u64,
    /// Follow up to the checkpoint that is there now, and end.
    #[arg(long)]
    once: bool,
    /// Judge every entry again by the clauses that were in force, policies included. Slower.
    #[arg(long)]
    policies: bool,
    /// Print JSON: a line for each checkpoint that was cosigned.
    #[arg(long)]
    json: bool,
}

/// Follows until something disagrees, or, where that was asked for, once.
pub(crate) fn run(asked: &Follow) -> anyhow::Result<Said> {
    crate::telemetry::start();
    let party = Keys::new(&asked.keys).signer(&asked.party)?;
    let mut follower = Follower::open(asked, &party)?;
    let followed = follower.follow(asked);
    let disagreement = match followed {
        Ok(head) => return Ok(follower.said(&head)),
        Err(error) => error.downcast::<Disagreement>()?,
    };
    let report = follower.report(asked, &party, &disagreement)?;
    let text = format!(
        "nothing is cosigned any more: {disagreement}\na signed report is in `{}`; show it to the operator. Should another history than the one cosigned so far turn out to be right, these keys will never cosign it: revoke them with `countersign witness revoke`, and follow with new ones",
        report.display()
    );
    Ok(if asked.json {
        let place = &disagreement.fault.place;
        Said::RefusedAsJson(
            json!({ "cosigned": false, "place": place, "fault": disagreement.fault.what, "report": report })
                .to_string(),
        )
    } else {
        Said::Refused(text)
    })
}

/// One process that follows one record.
struct Follower {
    served: Served,
    store: Arc<Directory>,
    mirror: Mirror<Directory>,
    /// The log's first key, by which the record is known.
    log: Verifier,
    /// Its keys that are believed.
    logs: Vec<Verifier>,
    w1: Arc<Witness<Kept<Directory>>>,
    w2: Witness<Kept<Directory>>,
    checks: Checks,
    json: bool,
    /// The size of the checkpoint that the operator last took both cosignatures of.
    told: u64,
    _locks: [File; 2],
}

/// What each entry goes through.
struct Checks {
    /// The log's name, the parties' keys as they are served, and this party's own.
    founded: Founded,
    pass: Pass<Arc<Directory>>,
    priced: Priced,
    metered: Option<Metered>,
}

/// What the first entry must be of.
struct Founded {
    origin: String,
    vkeys: BTreeSet<String>,
    own: String,
}

impl Founded {
    fn of(log: &Verifier, served: &impl Store, party: &Signer) -> anyhow::Result<Self> {
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

impl Checks {
    fn entry(
        &mut self,
        store: &Directory,
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
    fn agree(&mut self) -> anyhow::Result<()> {
        self.pass.agrees_so_far().map_err(Disagreement::of)?;
        ensure!(
            self.pass.is_a_partys(&self.founded.own),
            "the key `{}` gave way to another on the record; follow with that one in its place",
            self.founded.own
        );
        self.metered.as_mut().map_or(Ok(()), Metered::agrees)
    }
}

impl Follower {
    fn open(asked: &Follow, party: &Signer) -> anyhow::Result<Self> {
        let root = asked.dir.join("record");
        let witness = asked.keys.join("witness");
        for folder in [&root, &witness] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("`{}` cannot be made", folder.display()))?;
        }
        // One process writes to a copy, and one cosigns by these keys: what it has cosigned lies beside them, whatever copy it keeps.
        let locks = [office::lock(&asked.dir)?, office::lock(&witness)?];
        let store = Arc::new(Directory::new(&root));
        let mut served = Served::over(&asked.url, |url, origin| {
            let name = format!("{origin}/{}", asked.party);
            let folder = asked.keys.display();
            ensure!(
                party.name() == name,
                "the key in `{folder}` is of `{}`, and this record is `{origin}`",
                party.name()
            );
            Client::of_party(url, party.clone(), origin, &asked.party)
        })?;
        let (log, logs) = trusted(asked, &store, &served)?;
        ensure!(
            party.name() == format!("{}/{}", log.name(), asked.party),
            "the log's key is of another record"
        );
        let keys = WitnessKeys::of(&asked.keys, log.name(), &asked.party)?;
        if let Err(error) = keys.register(&mut served, party, log.name(), &asked.party) {
            // What an operator refuses is no reason not to look at its record.
            tracing::warn!("{}; it is tried again at the next start", super::said::reason(&error));
        }
        let (mut mirror, entries) = Mirror::open(Arc::clone(&store), SEGMENT_BYTES, &log)
            .with_context(|| format!("the mirror in `{}` does not hold", asked.dir.display()))?;
        let depth = if asked.policies { Depth::Clauses } else { Depth::Entries };
        let metered = Metered::of(&asked.meters, &asked.party, &party.verifier());
        let pass = Pass::over(Arc::clone(&store), depth);
        let founded = Founded::of(&log, &served, party)?;
        let mut checks = Checks { founded, pass, priced: Priced::default(), metered };
        entries
            .for_each_entry(|index, envelope, parties| checks.entry(&store, index, envelope, parties))
            .with_context(|| format!("the mirror in `{}` does not hold", asked.dir.display()))?;
        let kept = Arc::new(Directory::new(witness));
        logs.iter().for_each(|key| mirror.know(key.clone()));
        let witness = |cosigner: Cosigner| Witness::new(Kept::new(Arc::clone(&kept)), cosigner, logs.clone());
        let (w1, w2) = (Arc::new(witness(keys.grew)), witness(keys.replayed));
        if let Some(address) = &asked.listen {
            let shown = listen::Shown { witness: Arc::clone(&w1), store: Arc::clone(&store) };
            let address = listen::serve(address, shown)?;
            tracing::info!(%address, "a witness that can be asked");
        }
        Ok(Self {
            served,
            store,
            mirror,
            log,
            logs,
            w1,
            w2,
            checks,
            json: asked.json,
            told: 0,
            _locks: locks,
        })
    }

    /// Follows each new checkpoint; gives the last one where it is to be done once.
    fn follow(&mut self, asked: &Follow) -> anyhow::Result<Checkpoint> {
        loop {
            match self.step() {
                Ok(head) if asked.once => return Ok(head),
                Ok(_) => {}
                Err(error) if error.is::<Disagreement>() || is_final(&error) || asked.once => {
                    return Err(error);
                }
                Err(error) => tracing::warn!("{}; trying again", super::said::reason(&error)),
            }
            std::thread::sleep(Duration::from_millis(asked.every));
            if let Err(error) = self.served.again() {
                tracing::warn!("{}; trying again", super::said::reason(&error));
            }
        }
    }

    /// Takes the checkpoint that is there: sees that it goes on from the last, cosigns that; takes the entries, checks them, and cosigns
    /// that too.
    fn step(&mut self) -> anyhow::Result<Checkpoint> {
        let (signed, head) = self.newest()?;
        if head.size == self.told && head.root == self.mirror.root() {
            // A call that was served and not recorded makes no record grow.
            self.checks.agree()?;
            return Ok(head);
        }
        let grew = self.cosign(&self.w1, &self.served, &signed, &head)?;
        if let Err(error) = self.post(&signed, &grew) {
            tracing::warn!("{}", super::said::reason(&error));
        }
        self.keep_logs()?;
        let (store, served, checks) = (&*self.store, &self.served, &mut self.checks);
        let mut own = None;
        let followed = self.mirror.follow(served, &signed, |index, envelope, parties| {
            match keep_document(store, served, index, envelope, parties) {
                Ok(()) => checks.entry(store, index, envelope, parties),
                Err(Document::Fault(what)) => Err(what),
                Err(Document::Own(error)) => {
                    let what = error.to_string();
                    own = Some(error);
                    Err(what)
                }
            }
        });
        match followed {
            Ok(_) => {}
            Err(_) if own.is_some() => {
                return Err(own.map_or_else(|| anyhow::anyhow!("the copy cannot go on"), Into::into));
            }
            Err(MirrorError::Fault(fault)) => return Err(self.fault_or_failure(fault.into())),
            Err(MirrorError::Checkpoint(error)) => return Err(Disagreement::at("checkpoint", &error).into()),
            Err(error @ MirrorError::Source(_)) => {
                return Err(self.served.failure().unwrap_or_else(|| error.into()));
            }
            Err(MirrorError::Store(error)) => {
                return Err(anyhow::Error::new(error).context("the copy cannot go on"));
            }
        }
        self.checks.agree()?;
        if self
            .checks
            .pass
            .signs(&self.log, head.size)
            .is_none_or(|key| Checkpoint::open(&signed, &key).is_err())
        {
            let what = "it is not signed by the key of the log that signs at its size, as the entries say";
            return Err(Disagreement::at("checkpoint", &what).into());
        }
        if let Some(key) = self.logs.iter().find(|key| !self.checks.pass.is_the_logs(&self.log, key)) {
            let what = format!("it has `{key}`, which is no key of the log, as the entries say");
            return Err(Disagreement::at(VKEYS, &what).into());
        }
        self.keep_keys()?;
        let replayed = self.cosign(&self.w2, &*self.store, &signed, &head)?;
        self.post(&signed, &format!("{grew}{replayed}"))?;
        self.told = head.size;
        tracing::info!(size = head.size, "held, replayed and cosigned");
        if self.json {
            let line = json!({ "cosigned": true, "size": head.size, "root": base64(&head.root) });
            Said::Done(line.to_string()).print();
        }
        Ok(head)
    }

    /// Believes the keys of the log that one it believes has handed over to; that the entries say so too is seen when they were replayed.
    fn learn(&mut self) -> anyhow::Result<()> {
        let file = self.served.read(HANDOVER)?.unwrap_or_default();
        let handovers = Handover::parse(&String::from_utf8_lossy(&file)).unwrap_or_default();
        for key in led_to(&self.logs, &handovers) {
            tracing::info!(%key, "the log's key has handed over to another");
            self.mirror.know(key.clone());
            self.w1.know(key.clone());
            self.w2.know(key.clone());
            self.logs.push(key);
        }
        Ok(())
    }

    /// Has the log's keys that are believed beside the copy, before a checkpoint that one of them signed.
    fn keep_logs(&self) -> anyhow::Result<()> {
        let kept = self.store.read(VKEYS)?.unwrap_or_default();
        let is_missing = |key: &&Verifier| !keys_in(&kept).contains(key);
        let (mut logs, parties): (Vec<_>, Vec<_>) =
            keys_in(&kept).into_iter().partition(|key| key.name() == self.log.name());
        let before = logs.len();
        logs.extend(self.logs.iter().filter(is_missing).cloned());
        if logs.len() > before {
            let text: String = logs.iter().chain(&parties).map(|key| format!("{key}\n")).collect();
            self.store.replace(VKEYS, text.as_bytes())?;
        }
        Ok(())
    }

    /// Has the keys beside the copy that its entries say.
    fn keep_keys(&self) -> anyhow::Result<()> {
        let keys = self.checks.pass.keys_file(&self.log);
        if self.store.read(VKEYS)?.as_deref() != Some(keys.as_bytes()) {
            self.store.replace(VKEYS, keys.as_bytes())?;
        }
        let handover = self.checks.pass.handover(&self.log);
        if !handover.is_empty() && self.store.read(HANDOVER)?.as_deref() != Some(handover.as_bytes()) {
            self.store.replace(HANDOVER, handover.as_bytes())?;
        }
        Ok(())
    }

    /// The newest checkpoint. One that is smaller than what was cosigned when it was asked for is looked at again before anybody is
    /// accused: others may have had a newer one cosigned since this was read.
    fn newest(&mut self) -> anyhow::Result<(Vec<u8>, Checkpoint)> {
        let known = self.w1.size(self.log.name())?;
        for look in 0..LOOKS {
            if look > 0 {
                self.served.again()?;
            }
            let signed = self.served.checkpoint().to_vec();
            if Checkpoint::open_by(&signed, &self.logs).is_err() {
                self.learn()?;
            }
            let (head, _) = Checkpoint::open_by(&signed, &self.logs)
                .map_err(|error| Disagreement::at("checkpoint", &error))?;
            if head.size >= known {
                return Ok((signed, head));
            }
            if look.saturating_add(1) == LOOKS {
                let what =
                    format!("it is of size {}, and one of size {known} was cosigned before", head.size);
                return Err(Disagreement::at("checkpoint", &what).into());
            }
        }
        bail!("no checkpoint was looked at")
    }

    /// A document that could not be fetched is no fault of the record.
    fn fault_or_failure(&self, disagreement: Disagreement) -> anyhow::Error {
        self.served.failure().unwrap_or_else(|| disagreement.into())
    }

    fn cosign(
        &self,
        witness: &Witness<Kept<Directory>>,
        tiles: &impl Store,
        signed: &[u8],
        head: &Checkpoint,
    ) -> anyhow::Result<String> {
        let known = witness.size(&head.origin)?;
        let request = AddCheckpoint::of(tiles, signed, head.size, known);
        let request = request.map_err(|error| self.served.failure().unwrap_or_else(|| error.into()))?;
        let request =
            request.context("a newer checkpoint was cosigned meanwhile, since another asked for it")?;
        let now = u64::try_from(Clock.now().as_millis()).unwrap_or(0) / 1000;
        witness.add_checkpoint(&request.encode(), now).map_err(|refused| match refused {
            Refused::Fork(_) | Refused::Inconsistent { .. } | Refused::Shrinks { .. } => {
                Disagreement::at("checkpoint", &refused).into()
            }
            other => anyhow::Error::new(other),
        })
    }

    /// Hands the operator a checkpoint with these lines under it. It may not take them, and the record is followed all the same.
    fn post(&self, signed: &[u8], lines: &str) -> anyhow::Result<()> {
        let mut note = signed.to_vec();
        note.extend_from_slice(lines.as_bytes());
        let answer = self.served.post("/record/cosign", note)?;
        if !answer.status.is_success() {
            let problem = answer.json().err().map(|error| error.to_string()).unwrap_or_default();
            bail!("the operator did not take the cosignature: {problem}");
        }
        Ok(())
    }

    fn said(&self, head: &Checkpoint) -> Said {
        if self.json {
            return Said::Done(String::new());
        }
        Said::Done(format!(
            "{}: {} entries are held, replayed and priced again, and the checkpoint is cosigned\n  root        {}",
            head.origin,
            head.size,
            base64(&head.root)
        ))
    }

    /// Leaves a signed report of what disagrees.
    fn report(&self, asked: &Follow, party: &Signer, found: &Disagreement) -> anyhow::Result<PathBuf> {
        incident::report(
            &asked.dir,
            party,
            self.log.name(),
            self.served.checkpoint(),
            self.mirror.size(),
            found,
        )
    }
}

/// Whether going on would not help: the copy's own disk has failed, and is not only full.
fn is_final(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(|error| !matches!(error, StoreError::Full { .. }))
}

/// Why a document was not kept.
enum Document {
    /// It is not what the record says, or could not be fetched.
    Fault(String),
    /// The copy's own disk.
    Own(StoreError),
}

/// Takes the memorandum that an entry names, before the entry is looked at.
fn keep_document(
    store: &Directory,
    served: &Served,
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

/// How often a checkpoint that seems too small is looked at.
const LOOKS: u32 = 3;

const AMEND: &[u8] = br#""kind":"amend""#;

/// The log's first key, and those of its keys that are believed: from the file that was given, or as the mirror has them, or as they are
/// served at first sight.
fn trusted(asked: &Follow, store: &Directory, served: &Served) -> anyhow::Result<(Verifier, Vec<Verifier>)> {
    let now = served.read("vkeys")?.context("the server has no file `vkeys`")?;
    let held = store.read("vkeys")?;
    let given = asked.vkeys.as_deref().map(|path| {
        std::fs::read(path).with_context(|| format!("the keys in `{}` cannot be read", path.display()))
    });
    let given = given.transpose()?;
    for (known, whose) in [(&given, "those that were given"), (&held, "those that the mirror has")] {
        ensure!(
            known.as_ref().is_none_or(|known| leads(known, &now)),
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
    let known = given.iter().chain(&held).flat_map(|text| keys_in(text));
    let mut logs: Vec<Verifier> = known.filter(|key| key.name() == log.name()).collect();
    if logs.is_empty() {
        logs = keys_in(&now).into_iter().filter(|key| key.name() == log.name()).collect();
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

fn keys_in(text: &[u8]) -> Vec<Verifier> {
    String::from_utf8_lossy(text).lines().filter_map(|line| Verifier::parse(line).ok()).collect()
}

#[cfg(test)]
mod tests;
