//! `bench record`: entries made durable, beside the bare disk and SQLite; and records verified, beside bare SHA-256.
//!
//! The entries are those of real calls. Nothing is pinned: what writes has three threads, as in the server.

mod memory;

use crate::clock::now;
use crate::options::{Disk, Rounds};
use crate::pipeline::Pipeline;
use crate::process::{EVERY_CORE, MEASURED_CORE, Tree, children_cpu, pin, said};
use crate::progress;
use crate::scene::{ORIGIN, SEGMENT_BYTES, Scene};
use crate::table::Table;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use record::commitment::Fields;
use record::hash::leaf_hash;
use record::merkle::Frontier;
use record::note::Signer;
use record::store::directory::Directory;
use record::{Leaf, Log, Store as _};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How many entries a group has; the largest is what the journal lets wait for one sync.
const GROUPS: [usize; 4] = [16, 128, 1024, 4096];
/// How much may lie ready to be appended before the time begins. Units: bytes.
const READY_BYTES: usize = 1 << 30;
/// What a journal adds to a group beside its entries, nearly. Units: bytes.
const TRAILER_BYTES: u64 = 80;
/// How often what takes a fraction of a second is done.
const TIMES: u32 = 5;
const SQLITE: &str = include_str!("sqlite.py");

/// How the record is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured; everything where none is given.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    #[command(flatten)]
    rounds: Rounds,
    /// How long each lasts where entries are written.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// How many calls the record has that is verified; each is two entries.
    #[arg(long, default_value_t = 100_000)]
    calls: usize,
    /// How many entries the record has over which memory is looked at. A kilobyte each on the disk.
    #[arg(long, default_value_t = 400_000)]
    entries: usize,
    #[command(flatten)]
    disk: Disk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Entries made durable, beside the bare disk and SQLite.
    Append,
    /// A record verified, beside bare SHA-256.
    Verify,
    /// The memory that verifying takes.
    Memory,
}

impl Options {
    fn measures(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// Measures, and gives the report.
///
/// Errors: where something fails, or a record does not hold.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let place = options.disk.place()?;
    let mut tables = Vec::new();
    if options.measures(Part::Append) {
        tables.push(("durable entries a second", append(options, &place)?));
    }
    if options.measures(Part::Verify) {
        tables.push(("verified", verify(options, &place)?));
    }
    if options.measures(Part::Memory) {
        tables.push(("memory", memory::memory(options, &place)?));
    }
    Ok(options.rounds.report(&tables))
}

/// Entries made durable a second, for groups of several sizes.
fn append(options: &Options, place: &Path) -> anyhow::Result<Table> {
    let leaves = leaves(place)?;
    let bytes: usize = leaves.iter().map(size).sum();
    let mut table = Table::with_ratio("record", "disk");
    let mut used = Used::default();
    for round in options.rounds.numbers() {
        for group in GROUPS {
            let figure = format!("groups of {group}");
            options.rounds.progress(round, &figure);
            let time = Duration::from_secs(u64::from(options.seconds));
            let block = used.within(place, |folder| group_bytes(&leaves, group, folder))?;
            let disk = used.within(place, |folder| bare(folder, block, time))?;
            table.note(&figure, "disk", disk * group as f64);
            table.note(
                &figure,
                "record",
                used.within(place, |folder| ours(folder, &leaves, group, block, time))?,
            );
            table.note(&figure, "sqlite", used.within(place, |folder| sqlite(folder, &leaves, group, time))?);
        }
    }
    let each = bytes / leaves.len().max(1);
    table.remark(format!(
        "An entry has {each} bytes, as a call's decision and settlement have on average. `disk` writes as many bytes as the journal does for the group, and syncs."
    ));
    table.remark(
        "`record` is log, journal and publisher on three threads: entries hashed into the tree, framed, written, synced once a group, bundled and published. They were made beforehand: neither judging an act nor writing its entry is in it. What is durable when the time is over counts.",
    );
    Ok(table)
}

/// Folders that were used, emptied but kept until all is measured: where files were deleted a moment ago, some file systems take their
/// time to make new ones (ext4 without a journal gives no inode again for five minutes, and looks at each that it passes over).
#[derive(Debug, Default)]
struct Used(Vec<tempfile::TempDir>);

impl Used {
    /// Does `work` in a folder of its own.
    fn within<T>(
        &mut self,
        place: &Path,
        work: impl FnOnce(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let folder = tempfile::tempdir_in(place)?;
        let done = work(folder.path());
        empty(folder.path())?;
        self.0.push(folder);
        done
    }
}

/// Leaves every file below `folder` without a byte.
fn empty(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
        } else {
            File::options().write(true).open(entry.path())?.set_len(0)?;
        }
    }
    Ok(())
}

/// The entries of some real calls.
fn leaves(place: &Path) -> anyhow::Result<Vec<Leaf>> {
    let folder = tempfile::tempdir_in(place)?;
    let mut scene = Scene::found(folder.path(), 1)?;
    scene.publish()?;
    let mut leaves = Vec::new();
    let mut warrants = Vec::new();
    while leaves.len() < 20_000 {
        warrants = scene.core.turn(warrants, 1000)?;
        leaves.extend(scene.core.seal().context("calls leave entries")?.leaves);
    }
    Ok(leaves)
}

/// What the journal writes for a group, nearly.
fn group_bytes(leaves: &[Leaf], group: usize, folder: &Path) -> anyhow::Result<usize> {
    let (mut log, ..) = open(folder)?;
    leaves.iter().cycle().take(group).try_for_each(|leaf| log.append(leaf.clone()).map(drop))?;
    Ok(usize::try_from(log.pending_bytes().saturating_add(TRAILER_BYTES))?)
}

/// Writes and syncs a second, of blocks of so many bytes, over a file that was filled with zeroes beforehand.
fn bare(folder: &Path, bytes: usize, time: Duration) -> anyhow::Result<f64> {
    let file = File::create(folder.join("bare"))?;
    let size = u64::from(SEGMENT_BYTES).max(bytes as u64);
    let zeroes = vec![0; 1 << 20];
    for offset in (0..size).step_by(zeroes.len()) {
        file.write_all_at(&zeroes, offset)?;
    }
    file.sync_all()?;
    let block = vec![7; bytes];
    let (begun, mut offset, mut count) = (now(), 0_u64, 0_u32);
    while begun.elapsed() < time {
        if offset.saturating_add(bytes as u64) > size {
            offset = 0;
        }
        file.write_all_at(&block, offset)?;
        file.sync_data()?;
        offset = offset.saturating_add(bytes as u64);
        count = count.saturating_add(1);
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Entries a second through log, journal and publisher, one group a sync.
fn ours(folder: &Path, leaves: &[Leaf], group: usize, block: usize, time: Duration) -> anyhow::Result<f64> {
    let (mut log, journal, publisher, signer) = open(folder)?;
    let pipeline = Pipeline::start(journal, publisher, signer, block)?;
    let mut ready = ready(leaves, group).into_iter();
    let (begun, mut durable) = (now(), 0_usize);
    while begun.elapsed() < time {
        // A fast disk may take all before the time is over.
        let Some(leaves) = ready.next() else { break };
        leaves.into_iter().try_for_each(|leaf| log.append(leaf).map(drop))?;
        pipeline.hand_in(log.seal().context("a group has entries")?)?;
        durable = durable.saturating_add(pipeline.durable());
    }
    // What is still on its way does not count.
    let elapsed = begun.elapsed();
    pipeline.end()?;
    Ok(durable as f64 / elapsed.as_secs_f64())
}

/// Groups of leaves that only have to be appended, as many as may lie ready.
fn ready(leaves: &[Leaf], group: usize) -> Vec<Vec<Leaf>> {
    let mut source = leaves.iter().cycle();
    let (mut groups, mut bytes) = (Vec::new(), 0_usize);
    while bytes < READY_BYTES {
        let leaves: Vec<Leaf> = source.by_ref().take(group).cloned().collect();
        bytes = leaves.iter().map(size).fold(bytes, usize::saturating_add);
        groups.push(leaves);
    }
    groups
}

/// Both halves of an entry. Units: bytes.
fn size(leaf: &Leaf) -> usize {
    leaf.envelope.len().saturating_add(leaf.parties.len())
}

type Owners = (Log, record::Journal<Directory>, record::Publisher<Directory>, Signer);

fn open(folder: &Path) -> anyhow::Result<Owners> {
    let signer = Signer::generate(ORIGIN, [9; 32])?;
    let loaded = record::load(Arc::new(Directory::new(folder)), ORIGIN, SEGMENT_BYTES, &signer.verifier())?;
    Ok((loaded.log, loaded.journal, loaded.publisher, signer))
}

/// Rows a second into SQLite, one transaction a group, by Python's own library.
fn sqlite(folder: &Path, leaves: &[Leaf], group: usize, time: Duration) -> anyhow::Result<f64> {
    let mean = |part: fn(&Leaf) -> usize| leaves.iter().map(part).sum::<usize>() / leaves.len().max(1);
    let numbers = [group, mean(|leaf| leaf.envelope.len()), mean(|leaf| leaf.parties.len())];
    let mut python = Command::new("python3");
    python.args(["-c", SQLITE]).arg(folder.join("sqlite")).arg(time.as_secs().to_string());
    let rate = said(python.args(numbers.map(|number| number.to_string())))?;
    rate.trim().parse().with_context(|| format!("`{rate}` is no rate"))
}

/// Entries verified a second of one core, beside bare hashing.
fn verify(options: &Options, place: &Path) -> anyhow::Result<Table> {
    progress(&format!("writing the record of {} calls", options.calls));
    let folder = tempfile::tempdir_in(place)?;
    let mut scene = Scene::found(folder.path(), 1)?;
    scene.live(options.calls, 1024)?;
    let verifier = scene.log.verifier();
    let store = Directory::new(folder.path());
    let mut table = Table::default();
    let mut entries = Vec::new();
    let kept = |_: u64, envelope: &[u8], parties: &[u8]| {
        entries.push((envelope.to_vec(), parties.to_vec()));
        Ok(())
    };
    record::audit(&store, ORIGIN, &verifier, kept)?;
    let count = entries.len() as f64;
    for round in options.rounds.numbers() {
        options.rounds.progress(round, &format!("{count} entries"));
        let audited = || spent(|| Ok(record::audit(&store, ORIGIN, &verifier, |_, _, _| Ok(()))?));
        let (audit_wall, full_wall) = (audited()?.wall, verified(folder.path())?.wall);
        // All on one core, the other idle: two virtual cores may be one that takes turns, and then each is slower beside the other.
        pin(MEASURED_CORE)?;
        let same = spent(|| Ok(tree_of(&entries)))?;
        let format = spent(|| Ok(tree_and_commitments_of(&entries)))?;
        let audit = Spent { wall: audit_wall, ..audited()? };
        let full = Spent { wall: full_wall, ..verified(folder.path())? };
        pin(EVERY_CORE)?;
        for (figure, spent) in [
            ("SHA-256 of the same bytes: leaves and tree", same),
            ("SHA-256 that the format asks for: salts, commitments, leaves and tree", format),
            ("audit: every byte of every file, hashes, tree and signatures", audit),
            ("`countersign verify`: all of it, and each entry replayed", full),
        ] {
            table.note(figure, "entries / s / core", count / spent.cpu);
            table.note(figure, "of the same bytes", same.cpu / spent.cpu);
            table.note(figure, "of the format's hashes", format.cpu / spent.cpu);
            table.note(figure, "entries / s by the clock", count / spent.wall);
        }
    }
    table.remark(format!(
        "On the disk a call takes {:.0} bytes: envelopes, parties' parts and tiles of both its entries. The journal, which is used again, is not counted.",
        published_bytes(&store, folder.path())? as f64 / options.calls.max(1) as f64
    ));
    table.remark(
        "A share is this row's rate for each core divided by that of the first row, or of the second. All rates for each core are of one core, the others idle; by the clock the first two rows use one, the others as many as there are.",
    );
    Ok(table)
}

/// The real `countersign verify`, on the cores that this process may use.
fn verified(folder: &Path) -> anyhow::Result<Spent> {
    let (begun, before) = (now(), children_cpu()?);
    let text = said(Command::new(crate::binary()?).arg("verify").arg(folder).arg("--json"))?;
    anyhow::ensure!(text.contains("\"open\":[]"), "the record does not hold: {text}");
    Ok(Spent { cpu: children_cpu()? - before, wall: begun.elapsed().as_secs_f64() })
}

/// How much the tiles and bundles of a record take. Units: bytes.
fn published_bytes(store: &Directory, folder: &Path) -> anyhow::Result<u64> {
    let paths = store.list("tile")?.into_iter().chain(store.list("parties")?);
    paths.map(|path| Ok(std::fs::metadata(folder.join(path))?.len())).sum()
}

/// What something took. Units: seconds.
#[derive(Debug, Clone, Copy)]
struct Spent {
    /// Of all cores together.
    cpu: f64,
    wall: f64,
}

/// How long it takes, with all the threads it starts; done a few times over, since the kernel counts in hundredths of a second.
fn spent<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Spent> {
    let me = Tree(std::process::id());
    let (begun, before) = (now(), me.cpu()?);
    for _ in 0..TIMES {
        black_box(work()?);
    }
    let times = f64::from(TIMES);
    Ok(Spent { cpu: (me.cpu()? - before) / times, wall: begun.elapsed().as_secs_f64() / times })
}

type Entry = (Vec<u8>, Vec<u8>);

/// Hashes every byte once: both halves of each entry as leaves, and the tree over the envelopes.
fn tree_of(entries: &[Entry]) -> ([u8; 32], u8) {
    let (mut frontier, mut sum) = (Frontier::new(), 0);
    for (envelope, parties) in entries {
        frontier.append(leaf_hash(envelope));
        sum ^= leaf_hash(parties).first().copied().unwrap_or(0);
    }
    (frontier.root(), sum)
}

/// Hashes what the format says is to be hashed. The halves are split into fields too, since that is how they lie there.
fn tree_and_commitments_of(entries: &[Entry]) -> ([u8; 32], u8) {
    let (mut frontier, mut sum) = (Frontier::new(), 0);
    for (envelope, parties) in entries {
        frontier.append(leaf_hash(envelope));
        let Ok(fields) = Fields::parse(parties) else { continue };
        sum ^= fields.body().first().copied().unwrap_or(0);
    }
    (frontier.root(), sum)
}
