//! A record that is read over HTTP, as C2SP tlog-tiles serves it: checkpoint, tiles, bundles, and the documents that entries name.
//!
//! Not a mirror: each file is asked for when it is read, and nothing is kept but the checkpoint with its partial tiles, which a
//! newer checkpoint would take away.

use crate::cmd::client::{Answer, Client, Place};
use anyhow::{Context as _, bail};
use http::StatusCode;
use record::audit::{COSIGNED, VKEYS};
use record::handover::HANDOVER;
use record::tile::{TilePath, WIDTH, changed, partials};
use record::{Checkpoint, Store, StoreError, note};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Runtime;

/// How often one begins again because a newer checkpoint came.
const TRIES: u32 = 20;

/// How the files of a record come, and how a cosigned checkpoint goes back.
pub(crate) trait Link: Send + Sync {
    /// A file of the record; none where there is none.
    ///
    /// Errors: it could not be asked for, which says nothing of the record.
    fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// Hands the operator a checkpoint with cosignatures under it.
    ///
    /// Errors: it did not come there, or was not taken.
    fn cosign(&self, note: Vec<u8>) -> anyhow::Result<()>;
}

/// A server over HTTP.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client,
}

/// The record of a server, as it was at one checkpoint.
pub(crate) struct Served<L = Http> {
    link: L,
    /// What is kept, by path.
    kept: BTreeMap<String, Vec<u8>>,
    size: u64,
    /// Why a file could not be asked for; that says nothing of the record.
    failed: Mutex<Option<anyhow::Error>>,
}

impl Served {
    /// The record that the server at `url` serves; the address may end in `/record`.
    ///
    /// Errors: where the server does not answer, or has no checkpoint.
    pub(crate) fn open(url: &str) -> anyhow::Result<Self> {
        let url = base_of(url);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let place = Place { server: Some(url), ..Place::default() };
        let client = runtime.block_on(Client::reach(&place))?;
        Self::through(Http { runtime, client })
    }

    /// As [`Served::open`], from then on as whom `signed_in` makes of the record's origin.
    ///
    /// Errors: those of [`Served::open`] and of `signed_in`.
    pub(crate) fn over(
        url: &str,
        signed_in: impl FnOnce(&str, &str) -> anyhow::Result<Client>,
    ) -> anyhow::Result<Self> {
        let mut served = Self::open(url)?;
        let origin = served.link.get("checkpoint")?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let origin = origin.unwrap_or_default();
        served.link.client = signed_in(&base_of(url), origin.lines().next().unwrap_or_default())?;
        Ok(served)
    }

    /// Asks for what is at `path`, outside the record too.
    pub(crate) fn ask(&self, path: &str) -> anyhow::Result<Answer> {
        self.link.runtime.block_on(self.link.client.get(path))
    }

    /// Proposes an act in the name of `party`.
    pub(crate) fn propose(&self, party: &str, act: &Value) -> anyhow::Result<Answer> {
        self.link.runtime.block_on(self.link.client.propose(Some(party), act))
    }
}

impl<L: Link> Served<L> {
    /// The record that comes by `link`.
    ///
    /// Errors: those of the link, or it has no checkpoint.
    pub(crate) fn through(link: L) -> anyhow::Result<Self> {
        let mut served = Self { link, kept: BTreeMap::new(), size: 0, failed: Mutex::new(None) };
        served.again()?;
        Ok(served)
    }

    /// Takes the newest checkpoint. Where that is the one at hand, nothing else is asked for.
    ///
    /// Errors: those of [`Served::open`].
    pub(crate) fn again(&mut self) -> anyhow::Result<()> {
        let held = self.kept.get("checkpoint");
        if held.is_some() && self.link.get("checkpoint")?.as_ref() == held {
            return Ok(());
        }
        let mut sizes = BTreeSet::new();
        for _ in 1..TRIES {
            match self.keep()? {
                None => return Ok(()),
                Some((_, size)) => drop(sizes.insert(size)),
            }
        }
        match self.keep()? {
            None => Ok(()),
            // A newer checkpoint may take an older one's partial tiles away, and none of its own.
            Some((missing, size)) if sizes.iter().all(|other| *other == size) => {
                bail!("`{missing}` is missing, and the checkpoint of size {size} needs it")
            }
            Some(_) => bail!("the record grows faster than its edge can be read; try again"),
        }
    }

    /// The checkpoint as it was signed.
    pub(crate) fn checkpoint(&self) -> &[u8] {
        self.kept.get("checkpoint").map_or(&[], Vec::as_slice)
    }

    /// Hands the operator a checkpoint with cosignatures under it.
    ///
    /// Errors: those of [`Link::cosign`].
    pub(crate) fn cosign(&self, note: Vec<u8>) -> anyhow::Result<()> {
        self.link.cosign(note)
    }

    /// Takes the checkpoint and its partial tiles, all or nothing; gives one that is not there, which a newer checkpoint may have taken
    /// away, and the checkpoint's size.
    fn keep(&mut self) -> anyhow::Result<Option<(String, u64)>> {
        // The keys first, of which there may be more later and never fewer; then what others have cosigned: the newest checkpoint is never
        // behind it.
        let vkeys = self.link.get(VKEYS)?;
        let handover = self.link.get(HANDOVER)?;
        let cosigned = self.link.get(COSIGNED)?;
        let checkpoint = self.link.get("checkpoint")?.context("the server has no checkpoint yet")?;
        let text = note::split(&checkpoint).map(|(text, _)| text.to_owned());
        let size = text.ok().and_then(|text| Checkpoint::parse(&text).ok()).map_or(0, |head| head.size);
        let mut kept = BTreeMap::from([("checkpoint".to_owned(), checkpoint)]);
        // The key that signed it may have come since.
        if self.link.get(VKEYS)? != vkeys {
            return Ok(Some((VKEYS.to_owned(), size)));
        }
        kept.extend(vkeys.map(|vkeys| (VKEYS.to_owned(), vkeys)));
        kept.extend(handover.map(|handover| (HANDOVER.to_owned(), handover)));
        kept.extend(cosigned.map(|cosigned| (COSIGNED.to_owned(), cosigned)));
        for tile in partials(size) {
            let Some(bytes) = self.link.get(&tile.path())? else { return Ok(Some((tile.path(), size))) };
            kept.insert(tile.path(), bytes);
        }
        (self.kept, self.size) = (kept, size);
        Ok(None)
    }

    /// Why a file could not be asked for, if one could not.
    pub(crate) fn failure(&self) -> Option<anyhow::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Link for Http {
    fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let answer = self.runtime.block_on(self.client.get(&format!("/record/{path}")))?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body.to_vec())),
            StatusCode::NOT_FOUND => Ok(None),
            _ => {
                answer.json()?;
                bail!("`{path}` was answered with {}", answer.status)
            }
        }
    }

    fn cosign(&self, note: Vec<u8>) -> anyhow::Result<()> {
        let answer = self.runtime.block_on(self.client.post("/record/cosign", note))?;
        if !answer.status.is_success() {
            let problem = answer.json().err().map(|error| error.to_string()).unwrap_or_default();
            bail!("the operator did not take the cosignature: {problem}");
        }
        Ok(())
    }
}

impl<L: Link> Store for Served<L> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(bytes) = self.kept.get(path) {
            return Ok(Some(bytes.clone()));
        }
        if [COSIGNED, HANDOVER].contains(&path) {
            return Ok(None);
        }
        self.link.get(path).map_err(|error| {
            let source = std::io::Error::other(format!("{error:#}"));
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            StoreError::Io { path: path.to_owned(), source }
        })
    }

    /// The files that a record of this size has; memoranda are read by the names that entries give them.
    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let full = changed(0, self.size).into_iter().filter(|tile| u64::from(tile.width) == WIDTH);
        let mut paths: Vec<String> = full.map(|tile: TilePath| tile.path()).collect();
        paths.extend(self.kept.keys().cloned());
        paths.retain(|path| directory.is_empty() || path.starts_with(&format!("{directory}/")));
        paths.sort_unstable();
        Ok(paths)
    }

    fn create(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        read_only(path)
    }

    fn replace(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        read_only(path)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        read_only(path)
    }

    fn segment_create(&self, _: u32, _: u32) -> Result<(), StoreError> {
        read_only("journal")
    }

    fn segment_write(&self, _: u32, _: u32, _: &[u8]) -> Result<(), StoreError> {
        read_only("journal")
    }

    fn segment_sync(&self, _: u32) -> Result<(), StoreError> {
        read_only("journal")
    }

    fn segment_read(&self, _: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn segment_remove(&self, _: u32) -> Result<(), StoreError> {
        read_only("journal")
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        Ok(Vec::new())
    }
}

/// The address of the server, without what a record's own has at its end.
fn base_of(url: &str) -> String {
    url.trim_end_matches('/').trim_end_matches("/record").to_owned()
}

fn read_only(path: &str) -> Result<(), StoreError> {
    Err(StoreError::ReadOnly { path: path.to_owned() })
}
