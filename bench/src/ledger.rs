//! `bench ledger`: reservations made and settled, durable, on one core, beside PostgreSQL on the same disk.
//!
//! Ours is the whole core: each pair is two entries of the record, judged, hashed, written, synced and published. PostgreSQL keeps
//! the balances and the transfers and nothing else, in the way that serves it best; each transfer is judged against what is left.

use crate::clock::now;
use crate::pipeline::Pipeline;
use crate::postgres::{Postgres, Way};
use crate::process::{MEASURED_CORE, OTHER_CORE, Tree, pin};
use crate::progress;
use crate::scene::Scene;
use crate::table::Table;
use clap::Args;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many batches may be under way.
const UNDER_WAY: usize = 3;

/// How the ledger is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How many pairs a batch has.
    #[arg(long, default_value_t = 1024)]
    batch: usize,
    /// Leave PostgreSQL out.
    #[arg(long)]
    alone: bool,
    /// A folder on the disk that is to be measured; the build folder where none is given.
    #[arg(long)]
    place: Option<PathBuf>,
    /// Print JSON, with every round.
    #[arg(long)]
    json: bool,
}

/// Measures, and gives the report.
///
/// Errors: where something does not start, or a pair is refused.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let place = crate::place(options.place.as_deref())?;
    let time = Duration::from_secs(u64::from(options.seconds));
    let mut table = Table::default();
    let peer = if options.alone { None } else { Some(Postgres::start(&place)?) };
    let ways = [
        ("postgres, one transaction a step", Way::Single),
        ("postgres, batched", Way::Batched(options.batch)),
    ];
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}", options.rounds));
        pin(MEASURED_CORE)?;
        let ours = ours(&place, options.batch, time)?;
        pin(OTHER_CORE)?;
        note(&mut table, "countersign", ours);
        for (name, way) in peer.iter().flat_map(|_| ways) {
            let Some(peer) = &peer else { continue };
            let theirs = peer.pairs(way, time)?;
            note(&mut table, name, theirs);
            table.note(&format!("pairs a second, ratio to {name}"), "countersign", ours.0 / theirs.0);
        }
    }
    Ok(crate::report(&[("reserve and settle, durable, on one core", table)], options.json))
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
    let pipeline = Pipeline::start(journal, publisher, log)?;
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
