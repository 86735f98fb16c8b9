//! `countersign follow URL`: the other party's own copy of the record, its replay of every entry, and its word for both.
//!
//! Every checkpoint is first seen to go on from the last (then the key `w1` says so), then every entry is taken, folded and priced
//! again by code that shares nothing with the operator's ledger (then `w2` says so). Whatever disagrees ends it: nothing more is
//! cosigned, and a signed report of it is left in the mirror.
//!
//! Not here: how a copy is kept in order ([`record::Mirror`]), and what an entry must hold to (`verify`).

mod checks;
mod counted;
mod follower;
mod incident;
mod keys;
mod listen;
mod metered;
mod priced;
mod trusted;

pub(crate) use follower::{Followed, Follower, Ground, Held, Older, Party, is_final};
#[cfg(test)]
pub(crate) use follower::{LOOKS, Takes};
pub(crate) use incident::Disagreement;
pub(crate) use keys::WitnessKeys;
pub(crate) use trusted::trusted;

use super::client::Client;
use super::said::Said;
use super::verify::{Depth, Http, Served};
use crate::clock::Clock;
use crate::files::Keys;
use crate::office;
use anyhow::{Context as _, ensure};
use clap::Args;
use metered::{Metered, Meters};
use record::hash::base64;
use record::note::{Signer, Verifier};
use record::store::directory::Directory;
use record::witness::Kept;
use record::{Checkpoint, Mirror};
use serde_json::json;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// How long to wait between two looks. Units: milliseconds. Parties that look more often than checkpoints come cosign the same ones.
    #[arg(long, default_value_t = 250)]
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
    let mut following = Following::open(asked, &party)?;
    let followed = following.follow(asked);
    let disagreement = match followed {
        Ok(head) => return Ok(following.said(&head)),
        Err(error) => error.downcast::<Disagreement>()?,
    };
    let report = following.report(asked, &party, &disagreement)?;
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
struct Following {
    follower: Follower<Real>,
    log: Verifier,
    /// What [`Follower::mirrored`] gave last, for whoever asks.
    mirrored: Arc<Mutex<Vec<u8>>>,
    json: bool,
    _locks: [File; 2],
}

/// The network, disk and memory of this process.
struct Real;

impl Ground for Real {
    type Link = Http;
    type Store = Directory;
    type Memory = Kept<Directory>;
    type Copy = Mirror<Directory>;
}

impl Following {
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
        let given = asked.vkeys.as_deref().map(|path| {
            std::fs::read(path).with_context(|| format!("the keys in `{}` cannot be read", path.display()))
        });
        let (log, logs) = trusted(given.transpose()?.as_deref(), &*store, &served)?;
        ensure!(
            party.name() == format!("{}/{}", log.name(), asked.party),
            "the log's key is of another record"
        );
        let keys = WitnessKeys::of(&asked.keys, log.name(), &asked.party)?;
        if let Err(error) = keys.register(&mut served, party, log.name(), &asked.party) {
            // What an operator refuses is no reason not to look at its record.
            tracing::warn!("{}; it is tried again at the next start", super::said::reason(&error));
        }
        let depth = if asked.policies { Depth::Clauses } else { Depth::Entries };
        let metered = Metered::of(&asked.meters, &asked.party, &party.verifier());
        let kept = Arc::new(Directory::new(witness));
        let memory = || Kept::new(Arc::clone(&kept));
        let party = Party { signer: party, keys, depth, metered };
        let (shown, of, dir) = (Arc::clone(&store), log.clone(), asked.dir.display());
        let follower = Mirror::open(Arc::clone(&store), SEGMENT_BYTES, &of)
            .map_err(anyhow::Error::from)
            .and_then(|(mirror, entries)| {
                Follower::open(Held { served, store, mirror, entries, log: of, logs }, party, memory)
            })
            .with_context(|| format!("the mirror in `{dir}` does not hold"))?;
        let mirrored = Arc::new(Mutex::new(Vec::new()));
        if let Some(address) = &asked.listen {
            let (witness, mirrored) = (Arc::clone(follower.w1()), Arc::clone(&mirrored));
            let shown = listen::Shown { witness, store: shown, origin: log.name().to_owned(), mirrored };
            let address = listen::serve(address, shown)?;
            tracing::info!(%address, "a witness that can be asked");
        }
        Ok(Self { follower, log, mirrored, json: asked.json, _locks: locks })
    }

    /// Follows each new checkpoint; gives the last one where it is to be done once.
    fn follow(&mut self, asked: &Follow) -> anyhow::Result<Checkpoint> {
        loop {
            match self.step() {
                Ok(head) if asked.once => return Ok(head),
                Ok(_) => {}
                Err(error) if error.is::<Disagreement>() || is_final(&error) => return Err(error),
                // What seems to have gone back is looked at for a while also where it is to be done once.
                Err(error) if asked.once && !error.is::<Older>() => return Err(error),
                Err(error) => tracing::warn!("{}; trying again", super::said::reason(&error)),
            }
            std::thread::sleep(Duration::from_millis(asked.every));
            if let Err(error) = self.follower.look_again() {
                tracing::warn!("{}; trying again", super::said::reason(&error));
            }
        }
    }

    fn step(&mut self) -> anyhow::Result<Checkpoint> {
        let now = u64::try_from(Clock.now().as_millis()).unwrap_or(0) / 1000;
        let followed = self.follower.step(now);
        // Also where the operator would not take it: the copy is there.
        let mirrored = self.follower.mirrored();
        mirrored.clone_into(&mut self.mirrored.lock().unwrap_or_else(PoisonError::into_inner));
        let Followed { head, is_new } = followed?;
        if is_new {
            tracing::info!(size = head.size, "held, replayed and cosigned");
        }
        if is_new && self.json {
            let line = json!({ "cosigned": true, "size": head.size, "root": base64(&head.root) });
            Said::Done(line.to_string()).print();
        }
        Ok(head)
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
            self.follower.checkpoint(),
            self.follower.held(),
            found,
        )
    }
}

#[cfg(test)]
mod tests;
