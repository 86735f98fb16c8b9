//! `GET /api/receipts/{act}`: the proof that an act's decision is on the record, or a signed promise until there is one.
//!
//! There is no index of acts: an act's id says when it was made, and the record is in order of time. Not here: checking a
//! receipt, which needs no server (`countersign receipt verify`).

mod extra;

pub(crate) use extra::Extra;

use super::{Problem, blocking, may_read};
use crate::http::Caller;
use crate::office::Office;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use partnership::State as Books;
use partnership::entry::{Body, Entry};
use partnership::ids::{ActId, Timestamp};
use record::audit::COSIGNED;
use record::bundle::{decode, from_file};
use record::handover::HANDOVER;
use record::store::directory::Directory;
use record::tile::{Kind, TilePath, WIDTH};
use record::{Checkpoint, Receipt, Store as _};
use serde::Deserialize;
use std::cell::RefCell;
use std::sync::Arc;

/// How many entries after the moment of an act's id are searched for it. Its decision follows within a turn; the rest is
/// room for a clock that was set back.
const SEARCHED_MAX: u64 = 4_096;

/// Which checkpoint a receipt is to stand under.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    policy: Option<String>,
}

impl Asked {
    /// The file of the checkpoint.
    fn under(&self) -> Result<&'static str, Problem> {
        match self.policy.as_deref() {
            None | Some("log") => Ok("checkpoint"),
            Some("cosigned") => Ok(COSIGNED),
            Some(other) => Err(Problem::unreadable(format!(
                "`policy={other}` is none of `log` (the log's own signature is enough) and `cosigned` (everyone's whose key to cosign is on the record)"
            ))),
        }
    }
}

/// The receipt of an act: 200 with a C2SP tlog-proof, or 202 with a signed promise where no checkpoint covers it yet.
pub(super) async fn receipt(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path(act): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let under = asked.under()?;
    let id: ActId = act.parse().map_err(|_| Problem::not_found(format!("`{act}` is no act's id")))?;
    let opens = may_read(&caller).is_ok();
    let (index, entries) = office.clerk.ask(move |state| (at_hand(state, id), state.entries())).await?;
    let (store, logs) = (Arc::clone(&office.store), office.logs());
    let found = blocking(move || look(&store, &logs, under, |published| published.receipt(id, index, opens)));
    match (found.await??, index) {
        ((Some(receipt), _), _) => {
            Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], receipt).into_response())
        }
        ((None, covered), Some(index)) if index >= covered => Ok(promise(&office, id, index)),
        ((None, covered), None) if covered < entries => Ok(soon(Vec::new())),
        _ => Err(Problem::not_found(format!("no act `{id}` is on the record"))),
    }
}

/// Reads what is published, and gives what was found with how many entries the checkpoint covers. The writer takes partial tiles away when a
/// newer checkpoint has others, so where one is missing what is published is read again.
pub(super) fn look<T>(
    store: &Directory,
    logs: &[record::note::Verifier],
    under: &str,
    find: impl Fn(&Published<'_>) -> Result<T, record::StoreError>,
) -> Result<(T, u64), record::StoreError> {
    let mut looks = 1;
    loop {
        let published = Published::read(store, logs, under)?;
        match find(&published) {
            Err(record::StoreError::Missing { .. }) if looks < LOOKS_MAX => looks = looks.saturating_add(1),
            found => return Ok((found?, published.covered)),
        }
    }
}

/// How often what is published is read before a tile that is missing counts as one. A checkpoint comes each second, so twice would do.
const LOOKS_MAX: u32 = 10;

/// Where the last decision stands, if it is among those that the state still knows: it knows those of all acts that waited.
pub(super) fn at_hand(state: &Books, id: ActId) -> Option<u64> {
    let recent = state.recent().find(|line| line.act == id).map(|line| line.index);
    recent.or_else(|| state.open_act(&id).map(|open| open.index)).or_else(|| state.decided_at_last(&id))
}

/// A promise, signed by the log, that the entry will stand where it says.
fn promise(office: &Office, id: ActId, index: u64) -> Response {
    let text = format!("{}\ncountersign/promise/v1\nact {id}\nindex {index}\n", office.log.name());
    let Some(signer) = office.signer() else { return soon(Vec::new()) };
    let signed = signer.sign(&text);
    soon(signed.unwrap_or_else(|error| unreachable!("a promise is a note: {error}")).into_bytes())
}

fn soon(body: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (RETRY_AFTER, "1")];
    (StatusCode::ACCEPTED, headers, body).into_response()
}

/// Envelope and parties' part of an entry.
type Halves = (Vec<u8>, Vec<u8>);

/// The record as far as the last checkpoint.
pub(super) struct Published<'a> {
    store: &'a Directory,
    pub(super) size: u64,
    /// The checkpoint that receipts stand under, and how many entries it covers: no more than there are.
    checkpoint: Vec<u8>,
    covered: u64,
    /// The bundle that was read last, by its number: a search looks at many entries of one.
    held: RefCell<(Option<u64>, Vec<Halves>)>,
}

impl<'a> Published<'a> {
    /// As far as the checkpoint of this name.
    pub(super) fn read(
        store: &'a Directory,
        logs: &[record::note::Verifier],
        under: &str,
    ) -> Result<Self, record::StoreError> {
        // The one that they stand under first: the newest is never behind it.
        let checkpoint = store.read(under)?.unwrap_or_default();
        let newest = store.read("checkpoint")?.unwrap_or_default();
        let logs: Vec<_> = logs.iter().collect();
        let size = |checkpoint: &[u8]| Checkpoint::open_any(checkpoint, &logs).map_or(0, |head| head.size);
        let (covered, size) = (size(&checkpoint), size(&newest));
        Ok(Self { store, checkpoint, covered, size: size.max(covered), held: RefCell::default() })
    }

    fn receipt(
        &self,
        id: ActId,
        at_hand: Option<u64>,
        opens: bool,
    ) -> Result<Option<Vec<u8>>, record::StoreError> {
        let index = match at_hand {
            Some(index) => index,
            None => match self.find(id)? {
                Some(index) => index,
                None => return Ok(None),
            },
        };
        let Some(mut receipt) = Receipt::of(self.store, index, &self.checkpoint, self.covered, self.size)?
        else {
            return Ok(None);
        };
        let Some((envelope, parties)) = self.leaf(index)? else { return Ok(None) };
        let extra = Extra::of(&envelope, opens.then_some(parties.as_slice()));
        let handover = self.store.read(HANDOVER)?.unwrap_or_default();
        receipt.extra = Some(extra.with_handover(&handover).encode());
        Ok(Some(receipt.encode()))
    }

    /// The decision on an act that never waited, or the first on one that still does, by its time.
    pub(super) fn find(&self, id: ActId) -> Result<Option<u64>, record::StoreError> {
        let from = self.first_at(id.made_at())?;
        for index in from..self.size.min(from.saturating_add(SEARCHED_MAX)) {
            match self.entry(index)?.map(|entry| entry.body) {
                Some(Body::Decided(decided)) if decided.act.id == id => return Ok(Some(index)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The first entry that is not older than `at`.
    fn first_at(&self, at: Timestamp) -> Result<u64, record::StoreError> {
        let (mut low, mut high) = (0, self.size);
        while low < high {
            let middle = low.midpoint(high);
            if self.entry(middle)?.is_some_and(|entry| entry.at < at) {
                low = middle.saturating_add(1)
            } else {
                high = middle
            }
        }
        Ok(low)
    }

    /// An entry; none where it is not published.
    pub(super) fn entry(&self, index: u64) -> Result<Option<Entry>, record::StoreError> {
        Ok(self.leaf(index)?.and_then(|(envelope, parties)| Entry::decode(&envelope, &parties).ok()))
    }

    /// Envelope and parties' part.
    pub(super) fn leaf(&self, index: u64) -> Result<Option<Halves>, record::StoreError> {
        if index >= self.size {
            return Ok(None);
        }
        let number = index / WIDTH;
        let mut held = self.held.borrow_mut();
        if held.0 != Some(number) {
            *held = (Some(number), self.bundle(number)?);
        }
        let place = usize::try_from(index % WIDTH).unwrap_or_default();
        Ok(held.1.get(place).cloned())
    }

    fn bundle(&self, number: u64) -> Result<Vec<Halves>, record::StoreError> {
        let left = self.size.saturating_sub(number.saturating_mul(WIDTH)).min(WIDTH);
        let width = u16::try_from(left).unwrap_or(u16::MAX);
        let read = |kind| {
            let path = TilePath { kind, number, width }.path();
            let missing = || record::StoreError::Missing { path: path.clone() };
            let bytes = self.store.read(&path)?.ok_or_else(missing)?;
            let bytes = from_file(kind, bytes).map_err(|_| missing())?;
            let entries = decode(&bytes, usize::from(width)).map_err(|_| missing())?;
            Ok::<Vec<Vec<u8>>, record::StoreError>(entries.into_iter().map(<[u8]>::to_vec).collect())
        };
        Ok(read(Kind::Entries)?.into_iter().zip(read(Kind::Parties)?).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::bundle::{encode, to_file};

    #[test]
    fn a_receipt_is_found_while_newer_checkpoints_take_the_tiles_of_older_ones_away() {
        let place = tempfile::tempdir().unwrap();
        let store = Arc::new(Directory::new(place.path()));
        let signer = record::note::Signer::generate("log.example", [7; 32]).unwrap();
        let log = signer.verifier();
        let mut owners = record::load(Arc::clone(&store), "log.example", 1 << 20, &log).unwrap();
        let mut grow = move || {
            let leaf = record::Leaf { envelope: b"envelope".to_vec(), parties: b"parts".to_vec() };
            owners.log.append(leaf).unwrap();
            let groups: Vec<_> = owners.log.seal().into_iter().collect();
            owners.journal.write(&groups).unwrap();
            groups.into_iter().for_each(|group| owners.publisher.absorb(group));
            owners.publisher.publish(&signer).unwrap();
        };
        grow();
        let writer = std::thread::spawn(move || (0..600).for_each(|_| grow()));
        let mut looks = 0;
        while !writer.is_finished() {
            let found = look(&store, std::slice::from_ref(&log), "checkpoint", |published| {
                let last = published.covered.saturating_sub(1);
                assert!(published.leaf(last)?.is_some());
                Receipt::of(published.store, last, &published.checkpoint, published.covered, published.size)
            });
            let (receipt, covered) = found.unwrap();
            assert_eq!(receipt.unwrap().index, covered - 1);
            looks += 1;
        }
        writer.join().unwrap();
        assert!(looks > 100, "{looks} looks while it grew");
    }

    #[test]
    fn a_bundle_is_read_once_for_all_entries_of_it_that_are_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let store = Directory::new(place.path());
        let parts: Vec<String> = (0..600).map(|index| format!("entry {index}")).collect();
        for (kind, number, width) in [Kind::Entries, Kind::Parties]
            .into_iter()
            .flat_map(|kind| [(kind, 0, 256), (kind, 1, 256), (kind, 2, 88)])
        {
            let from = usize::try_from(number * WIDTH).unwrap();
            let held = parts[from..from + usize::from(width)].iter().map(String::as_bytes);
            let file = to_file(kind, &encode(held)).into_owned();
            store.create(&TilePath { kind, number, width }.path(), &file).unwrap();
        }
        let published = Published {
            store: &store,
            checkpoint: Vec::new(),
            covered: 600,
            size: 600,
            held: RefCell::default(),
        };
        let read = |index: u64| published.leaf(index).map(|leaf| leaf.map(|(envelope, _)| envelope));
        assert_eq!(read(512).unwrap().unwrap(), b"entry 512");
        std::fs::remove_dir_all(place.path()).unwrap();
        for index in [512, 599, 513] {
            assert_eq!(read(index).unwrap().unwrap(), format!("entry {index}").as_bytes());
        }
        assert_eq!(read(600).unwrap(), None);
        assert!(read(0).is_err(), "another bundle is read, and is not there");
    }
}
