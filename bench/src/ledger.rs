//! `bench ledger`: reservations made and settled, durable, on one core, beside PostgreSQL on the same disk.
//!
//! Ours is the whole core: each pair is two entries of the record, judged, hashed, written, synced and published. PostgreSQL keeps
//! the balances and the transfers and nothing else, in the way that serves it best; each transfer is judged against what is left.

use crate::clock::now;
use crate::memorandum;
use crate::options::{Disk, Rounds};
use crate::pipeline::Pipeline;
use crate::postgres::{Accounts, Postgres, Way};
use crate::process::{MEASURED_CORE, OTHER_CORE, Tree, pin, thread_cpu};
use crate::scene::Scene;
use crate::table::Table;
use anyhow::ensure;
use clap::Args;
use partnership::Terms;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

/// How many batches may be under way.
const UNDER_WAY: usize = 3;
/// What the entries of a pair take in the journal, nearly. Units: bytes.
const PAIR_BYTES: usize = 1800;
/// How many clients ask PostgreSQL for batches: while one batch is synced the next is made.
const BATCHING: usize = 3;

/// How the ledger is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    rounds: Rounds,
    /// How long each lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How many pairs a batch has.
    #[arg(long, default_value_t = 1024)]
    batch: usize,
    /// Leave PostgreSQL out.
    #[arg(long)]
    alone: bool,
    #[command(flatten)]
    disk: Disk,
}

/// Measures, and gives the report.
///
/// Errors: where something does not start, or a pair is refused.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let place = options.disk.place()?;
    let time = Duration::from_secs(u64::from(options.seconds));
    let mut table = Table::default();
    let peer = if options.alone { None } else { Some(Postgres::start(&place)?) };
    let one_a_step = |clients| Way { clients, pairs: 1, accounts: Accounts::Shared };
    let ways = [
        ("postgres, 1 client", one_a_step(1)),
        ("postgres, 16 clients", one_a_step(16)),
        ("postgres, 64 clients", one_a_step(64)),
        ("postgres, 64 clients, accounts of their own", Way { accounts: Accounts::Own, ..one_a_step(64) }),
        ("postgres, batches", Way { clients: BATCHING, pairs: options.batch, accounts: Accounts::Shared }),
    ];
    for round in options.rounds.numbers() {
        options.rounds.progress(round, "countersign");
        pin(MEASURED_CORE)?;
        let ours = ours(&place, options.batch, time)?;
        pin(OTHER_CORE)?;
        note(&mut table, "countersign", ours);
        for (name, way) in peer.iter().flat_map(|_| ways) {
            let Some(peer) = &peer else { continue };
            options.rounds.progress(round, name);
            let theirs = peer.pairs(way, time)?;
            note(&mut table, name, theirs);
            table.note(&format!("pairs a second, ratio to {name}"), "countersign", ours.0 / theirs.0);
        }
    }
    setup(&mut table, options.batch);
    let memoranda = memoranda(options)?;
    let tables =
        [("reserve and settle, durable, on one core", table), ("a memorandum read and checked", memoranda)];
    Ok(options.rounds.report(&tables))
}

/// How long a memorandum of so many clauses takes to be read, checked and made ready.
fn memoranda(options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::with_ratio("1,000 clauses", "100 clauses");
    for round in options.rounds.numbers() {
        options.rounds.progress(round, "memoranda");
        for (name, clauses) in [("100 clauses", 100), ("1,000 clauses", 1000)] {
            let texts = [
                ("money, ms of CPU", memorandum::of_money(clauses)),
                ("policies, ms of CPU", memorandum::text(clauses)),
            ];
            for (figure, text) in texts {
                let begun = thread_cpu()?;
                let terms =
                    Terms::read(&text).map_err(|faults| anyhow::anyhow!("the memorandum: {faults:?}"))?;
                table.note(figure, name, (thread_cpu()? - begun) * 1e3);
                ensure!(terms.memorandum().clauses.len() > clauses, "a clause was not read");
            }
        }
    }
    table.remark("Markdown, TOML, every field, what holds between clauses, and Cedar's own validation of each policy against the vocabulary.");
    Ok(table)
}

/// Says what was measured.
fn setup(table: &mut Table, batch: usize) {
    table.remark(format!(
        "`countersign` decides and settles {batch} calls a turn, all on one grant, {UNDER_WAY} turns under way: two entries a pair, judged, written, hashed, synced and published, on one core with everything it has."
    ));
    table.remark(format!(
        "`postgres` reserves in one transaction and settles in another, each judged against what is left, `fsync` and `synchronous_commit` on, on the same core; pgbench asks from the other, with prepared statements. Clients with one pair a transaction share one grant, as ours do, but where they have accounts of their own; {BATCHING} clients ask for batches of {batch} pairs in one statement. Commits that meet share a sync, as PostgreSQL always lets them; on a shared grant they cannot meet, since its row is locked until the commit is on the disk."
    ));
}

/// Pairs a second, and CPU a pair in microseconds.
type Pace = (f64, f64);

fn note(table: &mut Table, name: &str, (rate, cpu): Pace) {
    table.note("pairs a second", name, rate);
    table.note("CPU a pair, µs", name, cpu);
}

/// Pairs through core, journal and publisher; counted when their settlement is durable.
fn ours(place: &Path, batch: usize, time: Duration) -> anyhow::Result<Pace> {
    let folder = tempfile::tempdir_in(place)?;
    let mut scene = Scene::found(folder.path(), 1)?;
    scene.publish()?;
    let Scene { mut core, journal, publisher, log } = scene;
    let pipeline = Pipeline::start(journal, publisher, log, batch.saturating_mul(PAIR_BYTES))?;
    let me = Tree(std::process::id());
    let (begun, cpu) = (now(), me.cpu()?);
    let mut under_way: VecDeque<(Vec<partnership::decision::Warrant>, usize)> = VecDeque::new();
    let mut pairs = 0_usize;
    while begun.elapsed() < time {
        let settles = if under_way.len() < UNDER_WAY {
            Vec::new()
        } else {
            pipeline.wait()?;
            let (warrants, settled) = under_way.pop_front().unwrap_or_default();
            pairs = pairs.saturating_add(settled);
            warrants
        };
        let settled = settles.len();
        let warrants = core.turn(settles, batch)?;
        if let Some(group) = core.seal() {
            pipeline.hand_in(group)?;
            under_way.push_back((warrants, settled));
        }
    }
    let (elapsed, used) = (begun.elapsed(), me.cpu()? - cpu);
    pipeline.end()?;
    let pairs = pairs as f64;
    Ok((pairs / elapsed.as_secs_f64(), used / pairs.max(1.0) * 1e6))
}
