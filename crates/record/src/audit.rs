//! The audit: reads every file of a record and accounts for every bit, with nothing but the log's key. Not a
//! replay of balances; the caller's visitor does that on the way.
//!
//! A record that was killed in the middle of a write passes, as long as its journal is whole: what lies beyond
//! the checkpoint is checked against the journal. Files under `tmp/` are remains of cut writes, no part of the
//! record, and only named.

mod ahead;
mod since;

use std::collections::BTreeSet;

use ahead::{Pair, Range};
pub use since::{audit_published_since, audit_since};

use crate::bundle;
use crate::checkpoint::Checkpoint;
use crate::handover::HANDOVER;
use crate::hash::{Hash, hex, leaf_hash, sha256};
use crate::log::{CHECKPOINT, Damaged, Frame, Survey, check_parts};
use crate::note::{self, Verifier};
use crate::store::{Store, StoreError, segment_number};
use crate::tile::{Edge, Kind, Present, TilePath, WIDTH, items, partials, tile_bytes};

/// What an audit has seen; all of it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The published head; `None` if nothing was published yet.
    pub checkpoint: Option<Checkpoint>,
    /// The newest checkpoint that everyone had cosigned, if there is one, with all its lines: of these, only the log's was verified.
    pub cosigned: Option<Vec<u8>>,
    /// How many entries there are, those included that are in the journal only.
    pub entries: u64,
    /// The root over all of them.
    pub root: Hash,
    /// The key that signed it.
    pub checkpoint_by: Option<Verifier>,
    /// The log's key that signed the one that everyone has cosigned.
    pub cosigned_by: Option<Verifier>,
    /// The log's keys, as they are served: in the order of use.
    pub logs: Vec<Verifier>,
    /// How they handed over, as it is served.
    pub handover: Option<Vec<u8>>,
    /// The keys of the parties, after the log's own: of each in the order of use, as far as they are served.
    pub parties: Vec<Verifier>,
    /// The digests of the memoranda that are kept.
    pub memoranda: Vec<Hash>,
    /// How many files there are.
    pub files: u64,
    /// Remains of cut writes under `tmp/`.
    pub leftovers: Vec<String>,
}

/// The first thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// The file, or `entry N`.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// Audits the record `origin` in `store`, and hands every entry to `visit` as (index, envelope, parties' part).
///
/// The store must not change meanwhile: of a record that a server writes to, pass a
/// [`Frozen`](crate::store::frozen::Frozen) view.
///
/// Memory: a bundle, a journal segment, and the names of partial tiles; full ones are kept by rows.
///
/// # Errors
/// [`Fault`]: the first byte out of place, or what `visit` said of an entry.
pub fn audit<S: Store + ?Sized>(
    store: &S,
    origin: &str,
    log_verifier: &Verifier,
    visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> Result<Audited, Fault> {
    let ground = Ground::read(store, origin, log_verifier)?;
    let survey = Survey::take::<_, Fault>(store, origin)?;
    check_journal(&survey, ground.published())?;
    ground.pass(store, visit, |pass| pass.run(origin, &survey))
}

/// As [`audit`], of a record as it is published: without a journal, and so up to the checkpoint.
///
/// # Errors
/// As [`audit`]; and where nothing is published yet.
pub fn audit_published<S: Store + ?Sized>(
    store: &S,
    origin: &str,
    log_verifier: &Verifier,
    visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
) -> Result<Audited, Fault> {
    let ground = Ground::read(store, origin, log_verifier)?;
    let size = ground.published();
    if size == 0 {
        return Err(fault(CHECKPOINT, "it is missing: nothing is published yet"));
    }
    ground.pass(store, visit, |pass| pass.run_published(size))
}

/// What is checked before the entries.
struct Ground {
    names: Names,
    logs: Vec<Verifier>,
    handover: Option<Vec<u8>>,
    parties: Vec<Verifier>,
    memoranda: Vec<Hash>,
    checkpoint: Option<(Checkpoint, Verifier)>,
    cosigned: Option<Cosigned>,
}

/// What others have cosigned: the checkpoint, by which key of the log, and the note.
type Cosigned = (Checkpoint, (Verifier, Vec<u8>));

impl Ground {
    fn read<S: Store + ?Sized>(store: &S, origin: &str, log: &Verifier) -> Result<Self, Fault> {
        if log.name() != origin {
            return Err(fault("vkeys", format!("the key is of `{}`, not of `{origin}`", log.name())));
        }
        let names = Names::of(store)?;
        let (logs, parties) = check_vkeys(store, log)?;
        let memoranda = check_memoranda(store, &names.memoranda)?;
        let handover = store.read(HANDOVER)?;
        let checkpoint = read_checkpoint(store, &logs)?;
        let cosigned = read_cosigned(store, &logs)?;
        Ok(Self { names, logs, handover, parties, memoranda, checkpoint, cosigned })
    }

    fn published(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |(head, _)| head.size)
    }

    /// Runs a pass over the entries, and puts together what was seen.
    fn pass<S, V>(
        self,
        store: &S,
        visit: V,
        run: impl FnOnce(&mut Pass<'_, S, V>) -> Result<(), Fault>,
    ) -> Result<Audited, Fault>
    where
        S: Store + ?Sized,
        V: FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    {
        let Self { names, logs, handover, parties, memoranda, checkpoint, cosigned } = self;
        let (checkpoint, checkpoint_by) = checkpoint.unzip();
        let (under, cosigned) = cosigned.unzip();
        let (cosigned_by, cosigned) = cosigned.unzip();
        let (files, leftovers) = (names.files, names.leftovers);
        let mut pass = Pass::new(store, checkpoint.as_ref(), names.tiles, visit);
        pass.cosigned = under;
        run(&mut pass)?;
        if pass.cosigned.is_some() {
            return Err(fault(COSIGNED, "the record has not as many entries"));
        }
        let (entries, root) = (pass.edge.size(), pass.edge.root());
        Ok(Audited {
            checkpoint,
            checkpoint_by,
            cosigned,
            cosigned_by,
            entries,
            root,
            logs,
            handover,
            parties,
            memoranda,
            files,
            leftovers,
        })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { path } => fault(&path, "it is missing or cut short"),
            StoreError::Path { path } => fault(&path, "the format has no file of this name"),
            StoreError::Io { path, source } => fault(&path, source.to_string()),
            other => fault("store", other.to_string()),
        }
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged { place, what }: Damaged) -> Self {
        Self { place, what }
    }
}

/// The files of a record by what they are.
#[derive(Debug, Default)]
struct Names {
    tiles: Present,
    memoranda: Vec<String>,
    leftovers: Vec<String>,
    files: u64,
}

impl Names {
    fn of<S: Store + ?Sized>(store: &S) -> Result<Self, Fault> {
        let (mut names, mut unknown) = (Self::default(), None);
        store.each_path("", &mut |path| {
            names.files = names.files.saturating_add(1);
            if let Some(tile) = TilePath::parse(&path) {
                names.tiles.insert(&tile);
            } else if path.starts_with("memorandum/") {
                names.memoranda.push(path);
            } else if path.starts_with("tmp/") {
                names.leftovers.push(path);
            } else if segment_number(&path).is_none()
                && ![CHECKPOINT, COSIGNED, HANDOVER, VKEYS].contains(&path.as_str())
                && unknown.as_ref().is_none_or(|other| path < *other)
            {
                unknown = Some(path);
            }
        })?;
        if let Some(path) = unknown {
            return Err(fault(&path, "the format has no file of this name"));
        }
        names.memoranda.sort_unstable();
        names.leftovers.sort_unstable();
        Ok(names)
    }
}

/// The keys of the log `origin` that a record serves, in their order; none where it has no such file. Nothing is verified.
///
/// # Errors
/// Those of the store.
pub fn log_keys<S: Store + ?Sized>(store: &S, origin: &str) -> Result<Vec<Verifier>, StoreError> {
    let text = store.read(VKEYS)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text
        .lines()
        .filter_map(|line| Verifier::parse(line).ok())
        .filter(|key| key.name() == origin)
        .collect())
}

/// Checks that the first line is the log's own key and the others are keys, each once; gives the log's, and the others.
fn check_vkeys<S: Store + ?Sized>(
    store: &S,
    log: &Verifier,
) -> Result<(Vec<Verifier>, Vec<Verifier>), Fault> {
    let bytes = read(store, VKEYS)?;
    let text = str::from_utf8(&bytes).map_err(|_| fault(VKEYS, "it is not utf-8"))?;
    let body = text.strip_suffix('\n').ok_or_else(|| fault(VKEYS, "it does not end with a newline"))?;
    let mut lines = body.split('\n');
    if lines.next() != Some(&log.vkey()) {
        return Err(fault(VKEYS, "its first line is not the log's key"));
    }
    let keys: Result<Vec<Verifier>, _> = lines.map(Verifier::parse).collect();
    let keys = keys.map_err(|error| fault(VKEYS, error.to_string()))?;
    let distinct: BTreeSet<String> = keys.iter().chain([log]).map(Verifier::vkey).collect();
    if distinct.len() != keys.len().saturating_add(1) {
        return Err(fault(VKEYS, "a key stands twice"));
    }
    let (mut logs, parties): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.name() == log.name());
    logs.insert(0, log.clone());
    Ok((logs, parties))
}

fn check_memoranda<S: Store + ?Sized>(store: &S, paths: &[String]) -> Result<Vec<Hash>, Fault> {
    let check = |path: &String| {
        let digest = sha256(&read(store, path)?);
        if *path == format!("memorandum/{}", hex(&digest)) {
            Ok(digest)
        } else {
            Err(fault(path, format!("its content has the digest {}", hex(&digest))))
        }
    };
    paths.iter().map(check).collect()
}

/// Reads the checkpoint, which must be signed by one key of the log and by nobody else.
fn read_checkpoint<S: Store + ?Sized>(
    store: &S,
    logs: &[Verifier],
) -> Result<Option<(Checkpoint, Verifier)>, Fault> {
    let Some(signed) = store.read(CHECKPOINT)? else { return Ok(None) };
    let (checkpoint, by) =
        Checkpoint::open_by(&signed, logs).map_err(|error| fault(CHECKPOINT, error.to_string()))?;
    let opened = note::open(&signed, &[by]).map_err(|error| fault(CHECKPOINT, error.to_string()))?;
    if opened.unknown == 0 {
        Ok(Some((checkpoint, by.clone())))
    } else {
        Err(fault(CHECKPOINT, "an unknown key signed it"))
    }
}

/// Reads the checkpoint that others have cosigned; the log's signature under it must be right.
fn read_cosigned<S: Store + ?Sized>(store: &S, logs: &[Verifier]) -> Result<Option<Cosigned>, Fault> {
    let Some(signed) = store.read(COSIGNED)? else { return Ok(None) };
    let (head, by) =
        Checkpoint::open_by(&signed, logs).map_err(|error| fault(COSIGNED, error.to_string()))?;
    if head.size == 0 {
        return Err(fault(COSIGNED, "it is of no entry"));
    }
    Ok(Some((head, (by.clone(), signed))))
}

/// Checks that nothing follows on the journal's last whole group, and that it reaches from the last full bundle of
/// a checkpoint of size `published` to its end or beyond.
pub(crate) fn check_journal(survey: &Survey, published: u64) -> Result<(), Fault> {
    if let Some(torn) = &survey.torn {
        let place = format!("{} at byte {}", crate::store::segment_path(torn.segment), torn.offset);
        let what =
            "bytes follow on the last whole group: a torn write, which the next start sets aside, or damage";
        return Err(fault(&place, what));
    }
    match survey.first {
        Some(first) if first > published.saturating_sub(published % WIDTH) => {
            Err(fault("journal", "it begins after the last full bundle"))
        }
        None if published > 0 => Err(fault("journal", "it holds no entry, but there is a checkpoint")),
        _ if survey.size < published => {
            Err(fault("journal", format!("it ends at size {}, before the checkpoint", survey.size)))
        }
        _ => Ok(()),
    }
}

/// One pass over all entries, which rebuilds every tile and bundle and compares them with the files.
struct Pass<'a, S: ?Sized, V> {
    store: &'a S,
    head: Option<&'a Checkpoint>,
    /// What others have cosigned, until the tree has its size.
    cosigned: Option<Checkpoint>,
    /// The files that are not accounted for yet.
    tiles: Present,
    visit: V,
    edge: Edge,
    /// The bundles that were read as the source of entries, of which each has been taken.
    taken: BTreeSet<TilePath>,
    entries: Vec<u8>,
    parties: Vec<u8>,
}

impl<'a, S: Store + ?Sized, V: FnMut(u64, &[u8], &[u8]) -> Result<(), String>> Pass<'a, S, V> {
    fn new(store: &'a S, head: Option<&'a Checkpoint>, tiles: Present, visit: V) -> Self {
        let (edge, taken) = (Edge::new(), BTreeSet::new());
        let (cosigned, entries, parties) = (None, Vec::new(), Vec::new());
        Self { store, head, cosigned, tiles, visit, edge, taken, entries, parties }
    }

    /// All entries: those before the journal from the bundles, the others from the journal.
    fn run(&mut self, origin: &str, survey: &Survey) -> Result<(), Fault> {
        // Both are nothing new where the audit goes on from a checkpoint (`since`), and all of it otherwise.
        self.take_published(survey.first.unwrap_or(0).max(self.edge.size()))?;
        let (store, taken) = (self.store, self.edge.size());
        survey.walk(store, origin, |frame, segment| match frame {
            Frame::Entry { index, .. } if index < taken => Ok(()),
            Frame::Entry { envelope, parties, .. } => self.entry(envelope, parties),
            Frame::Trailer(trailer) if trailer.size < taken => Ok(()),
            Frame::Trailer(trailer) if trailer.root != self.edge.root() => {
                let what = format!("its root at size {} is not that of its entries", trailer.size);
                Err(fault(&crate::store::segment_path(segment), what))
            }
            Frame::Trailer(_) => Ok(()),
        })?;
        self.finish()
    }

    /// The entries up to `size`, from the bundles.
    fn run_published(&mut self, size: u64) -> Result<(), Fault> {
        self.take_published(size)?;
        self.finish()
    }

    fn take_published(&mut self, size: u64) -> Result<(), Fault> {
        self.check_head()?;
        let published = self.head.map_or(0, |head| head.size);
        let range = Range { from: self.edge.size(), size, published };
        ahead::each(self.store, range, |pair| self.pair(pair))
    }

    fn pair(&mut self, pair: Pair) -> Result<(), Fault> {
        let Pair { entries, parties, count, leaves, wrong } = pair;
        let halves = entries.split()?.into_iter().zip(parties.split()?);
        // Those of this bundle that the tree has already: none, but in the one with which an audit goes on (`since`).
        let known = self.edge.hashes(0).to_vec();
        let first = self.edge.size().saturating_sub(known.len() as u64);
        let held = leaves.len() as u64;
        for (place, ((envelope, part), hash)) in (0_u64..).zip(halves.zip(leaves)) {
            match usize::try_from(place).ok().and_then(|place| known.get(place)) {
                Some(known) if *known != hash => {
                    let place = format!("entry {}", first.saturating_add(place));
                    return Err(fault(&place, "its envelope is not the one in the tree"));
                }
                Some(_) => {}
                None => self.leaf(envelope, part, hash)?,
            }
        }
        if let Some(what) = wrong {
            return Err(fault(&format!("entry {}", first.saturating_add(held)), what));
        }
        for bundle in [&entries, &parties] {
            // It holds what was just taken, and nothing that is still to be compared with it.
            if count == usize::from(bundle.tile.width) {
                self.account_for(&bundle.tile);
            }
        }
        (self.entries, self.parties) = (entries.first(count), parties.first(count));
        if self.edge.size().is_multiple_of(WIDTH) { self.check_bundles() } else { Ok(()) }
    }

    fn account_for(&mut self, tile: &TilePath) {
        self.tiles.remove(tile);
        self.taken.insert(*tile);
    }

    /// The right edge; then every file must have been accounted for.
    fn finish(&mut self) -> Result<(), Fault> {
        self.check_edge()?;
        match self.tiles.first() {
            Some(tile) => Err(fault(&tile.path(), "the record has no entries for this file")),
            None => Ok(()),
        }
    }

    /// Takes an entry that no bundle has given.
    fn entry(&mut self, envelope: &[u8], parties: &[u8]) -> Result<(), Fault> {
        check_parts(envelope, parties).map_err(|what| fault(&format!("entry {}", self.edge.size()), what))?;
        self.leaf(envelope, parties, leaf_hash(envelope))?;
        bundle::push(&mut self.entries, envelope);
        bundle::push(&mut self.parties, parties);
        if self.edge.size().is_multiple_of(WIDTH) { self.check_bundles() } else { Ok(()) }
    }

    /// Takes an entry whose halves go together, by its leaf hash.
    fn leaf(&mut self, envelope: &[u8], parties: &[u8], hash: Hash) -> Result<(), Fault> {
        let index = self.edge.size();
        (self.visit)(index, envelope, parties).map_err(|what| fault(&format!("entry {index}"), what))?;
        let mut full = Vec::new();
        self.edge.append(hash, |tile, hashes| full.push((tile, tile_bytes(hashes))));
        for (tile, bytes) in full {
            self.check_tile(tile.kind, tile.number, &bytes)?;
        }
        if let Some(cosigned) = self.cosigned.take_if(|cosigned| cosigned.size == self.edge.size())
            && cosigned.root != self.edge.root()
        {
            return Err(fault(
                COSIGNED,
                format!("its root is not that of the first {} entries", cosigned.size),
            ));
        }
        self.check_head()
    }

    /// Checks the root and the right edge when the tree has the size of the checkpoint.
    fn check_head(&mut self) -> Result<(), Fault> {
        let Some(head) = self.head.filter(|head| head.size == self.edge.size()) else { return Ok(()) };
        if head.root != self.edge.root() {
            return Err(fault(CHECKPOINT, format!("its root is not that of the {} entries", head.size)));
        }
        for tile in partials(head.size) {
            if !self.is_there(&tile) {
                return Err(fault(&tile.path(), "it is missing"));
            }
        }
        Ok(())
    }

    fn check_bundles(&mut self) -> Result<(), Fault> {
        let number = (self.edge.size() / WIDTH).saturating_sub(1);
        let (mut entries, mut parties) =
            (std::mem::take(&mut self.entries), std::mem::take(&mut self.parties));
        self.check_tile(Kind::Entries, number, &entries)?;
        self.check_tile(Kind::Parties, number, &parties)?;
        entries.clear();
        parties.clear();
        (self.entries, self.parties) = (entries, parties);
        self.taken.clear();
        Ok(())
    }

    /// Checks the partial tiles and bundles at the end of the record.
    fn check_edge(&mut self) -> Result<(), Fault> {
        let edge: Vec<TilePath> = partials(self.edge.size());
        for tile in edge {
            let bytes = match tile.kind {
                Kind::Hashes(level) => tile_bytes(self.edge.hashes(level)),
                Kind::Entries => std::mem::take(&mut self.entries),
                Kind::Parties => std::mem::take(&mut self.parties),
            };
            self.check_tile(tile.kind, tile.number, &bytes)?;
        }
        Ok(())
    }

    /// Compares every file there is of one tile with what it must begin with, and sees that it is there if full
    /// and published.
    fn check_tile(&mut self, kind: Kind, number: u64, bytes: &[u8]) -> Result<(), Fault> {
        let full = TilePath { kind, number, width: 256 };
        let published = items(self.head.map_or(0, |head| head.size), full.level()) / WIDTH;
        if number < published && !self.is_there(&full) {
            return Err(fault(&full.path(), "it is missing"));
        }
        for width in self.tiles.take(kind, number) {
            let path = TilePath { kind, number, width }.path();
            let wanted = match kind {
                Kind::Hashes(_) => bytes.get(..usize::from(width).saturating_mul(32)),
                Kind::Entries | Kind::Parties => bundle::prefix(bytes, usize::from(width)),
            };
            let wanted = wanted.ok_or_else(|| fault(&path, "the record has no entries for this file"))?;
            let bytes = bundle::from_file(kind, read(self.store, &path)?)
                .map_err(|error| fault(&path, error.to_string()))?;
            if bytes != wanted {
                return Err(fault(&path, "its bytes are not those of the entries"));
            }
        }
        Ok(())
    }

    fn is_there(&self, tile: &TilePath) -> bool {
        self.tiles.contains(tile) || self.taken.contains(tile)
    }
}

fn read<S: Store + ?Sized>(store: &S, path: &str) -> Result<Vec<u8>, Fault> {
    store.read(path)?.ok_or_else(|| fault(path, "it is missing"))
}

fn fault(place: &str, what: impl Into<String>) -> Fault {
    Fault { place: place.to_owned(), what: what.into() }
}

/// The path of the public keys.
pub const VKEYS: &str = "vkeys";

/// The path of the newest checkpoint that everyone has cosigned whose key to do so is on the record.
pub const COSIGNED: &str = "cosigned";
