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
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use incident::Disagreement;
use keys::WitnessKeys;
use metered::{Metered, Meters};
use partnership::act::Digest;
use partnership::entry::{Entry, document_of};
use priced::Priced;
use record::cosignature::Cosigner;
use record::hash::{base64, hex};
use record::note::{Signer, Verifier};
use record::store::directory::Directory;
use record::witness::{Kept, Refused};
use record::{AddCheckpoint, Checkpoint, Mirror, MirrorError, Store, Witness};
use serde_json::json;
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
        "nothing is cosigned any more: {disagreement}\na signed report is in `{}`; talk to the operator, and follow on with another `--dir` once it is settled",
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
    log: Verifier,
    w1: Arc<Witness<Kept<Directory>>>,
    w2: Witness<Kept<Directory>>,
    checks: Checks,
    json: bool,
    /// The size of the checkpoint that the operator last took both cosignatures of.
    told: u64,
}

/// What each entry goes through.
struct Checks {
    pass: Pass<Arc<Directory>>,
    priced: Priced,
    metered: Option<Metered>,
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
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        self.priced.entry(store, index, &entry)?;
        self.metered.iter_mut().for_each(|metered| metered.entry(index, &entry));
        Ok(())
    }

    /// What can be seen between two entries.
    fn agree(&mut self) -> anyhow::Result<()> {
        self.pass.agrees_so_far().map_err(Disagreement::of)?;
        self.metered.as_mut().map_or(Ok(()), Metered::agrees)
    }
}

impl Follower {
    fn open(asked: &Follow, party: &Signer) -> anyhow::Result<Self> {
        let root = asked.dir.join("record");
        std::fs::create_dir_all(&root).with_context(|| format!("`{}` cannot be made", root.display()))?;
        let store = Arc::new(Directory::new(&root));
        let mut served = Served::over(&asked.url, |url, origin| {
            Client::of_party(url, party.clone(), origin, &asked.party)
        })?;
        let log = trusted(asked, &store, &served)?;
        let name = format!("{}/{}", log.name(), asked.party);
        ensure!(
            party.name() == name,
            "the key in `{}` is of `{}`, and this record is `{}`",
            asked.keys.display(),
            party.name(),
            log.name()
        );
        let keys = WitnessKeys::of(&asked.keys, log.name(), &asked.party)?;
        keys.register(&mut served, party, log.name(), &asked.party)?;
        let (mirror, entries) = Mirror::open(Arc::clone(&store), SEGMENT_BYTES, &log)
            .with_context(|| format!("the mirror in `{}` does not hold", asked.dir.display()))?;
        let depth = if asked.policies { Depth::Clauses } else { Depth::Entries };
        let metered = Metered::of(&asked.meters, &asked.party, &party.verifier());
        let pass = Pass::over(Arc::clone(&store), depth);
        let mut checks = Checks { pass, priced: Priced::default(), metered };
        entries
            .for_each_entry(|index, envelope, parties| checks.entry(&store, index, envelope, parties))
            .with_context(|| format!("the mirror in `{}` does not hold", asked.dir.display()))?;
        let kept = Arc::new(Directory::new(asked.dir.join("witness")));
        let witness =
            |cosigner: Cosigner| Witness::new(Kept::new(Arc::clone(&kept)), cosigner, [log.clone()]);
        let (w1, w2) = (Arc::new(witness(keys.grew)), witness(keys.replayed));
        if let Some(address) = &asked.listen {
            let shown = listen::Shown { witness: Arc::clone(&w1), store: Arc::clone(&store) };
            let address = listen::serve(address, shown)?;
            tracing::info!(%address, "a witness that can be asked");
        }
        Ok(Self { served, store, mirror, log, w1, w2, checks, json: asked.json, told: 0 })
    }

    /// Follows each new checkpoint; gives the last one where it is to be done once.
    fn follow(&mut self, asked: &Follow) -> anyhow::Result<Checkpoint> {
        loop {
            match self.step() {
                Ok(head) if asked.once => return Ok(head),
                Ok(_) => {}
                Err(error) if error.is::<Disagreement>() || asked.once => return Err(error),
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
        let signed = self.served.checkpoint().to_vec();
        let head =
            Checkpoint::open(&signed, &self.log).map_err(|error| Disagreement::at("checkpoint", &error))?;
        if head.size == self.told && head.root == self.mirror.root() {
            // A call that was served and not recorded makes no record grow.
            self.checks.agree()?;
            return Ok(head);
        }
        let grew = self.cosign(&self.w1, &self.served, &signed, &head)?;
        self.post(&signed, &grew)?;
        let (store, served, checks) = (&*self.store, &self.served, &mut self.checks);
        let followed = self.mirror.follow(served, &signed, |index, envelope, parties| {
            keep_document(store, served, index, envelope, parties)?;
            checks.entry(store, index, envelope, parties)
        });
        match followed {
            Ok(_) => {}
            Err(MirrorError::Fault(fault)) => return Err(self.fault_or_failure(fault.into())),
            Err(MirrorError::Checkpoint(error)) => return Err(Disagreement::at("checkpoint", &error).into()),
            Err(error @ MirrorError::Source(_)) => {
                return Err(self.served.failure().unwrap_or_else(|| error.into()));
            }
            Err(error @ MirrorError::Store(_)) => return Err(error).context("the copy cannot go on"),
        }
        self.checks.agree()?;
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
        let Some(request) = request else {
            let what = format!("it is of size {}, and one of size {known} was cosigned before", head.size);
            return Err(Disagreement::at("checkpoint", &what).into());
        };
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

/// Takes the memorandum that an entry names, before the entry is looked at.
fn keep_document(
    store: &Directory,
    served: &Served,
    index: u64,
    envelope: &[u8],
    parties: &[u8],
) -> Result<(), String> {
    // Only the first entry and amendments name one.
    let may_name = index == 0 || parties.windows(AMEND.len()).any(|part| part == AMEND);
    if !may_name {
        return Ok(());
    }
    let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
    let Some(Digest(digest)) = document_of(&entry.body) else { return Ok(()) };
    let path = format!("memorandum/{}", hex(&digest));
    if store.read(&path).map_err(|error| error.to_string())?.is_some() {
        return Ok(());
    }
    let bytes = served.read(&path).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("{path}: it is missing"))?;
    if record::hash::sha256(&bytes) != digest {
        return Err(format!("{path}: its content has another digest"));
    }
    store.create(&path, &bytes).map_err(|error| error.to_string())
}

const AMEND: &[u8] = br#""kind":"amend""#;

/// The log's key: from the file that was given, or as the mirror has it, or as it is served at first sight.
fn trusted(asked: &Follow, store: &Directory, served: &Served) -> anyhow::Result<Verifier> {
    let now = served.read("vkeys")?.context("the server has no file `vkeys`")?;
    let held = store.read("vkeys")?;
    let given = asked.vkeys.as_deref().map(|path| {
        std::fs::read(path).with_context(|| format!("the keys in `{}` cannot be read", path.display()))
    });
    let given = given.transpose()?;
    for (known, whose) in [(&given, "those that were given"), (&held, "those that the mirror has")] {
        ensure!(
            known.as_ref().is_none_or(|known| *known == now),
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

#[cfg(test)]
mod tests;
