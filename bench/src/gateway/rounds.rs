//! The comparison: each target under the same three loads, in turns.

use super::driver::{Asked, Load, Seen, Shape, Until, drive};
use super::peers::{LITELLM_KEY, Peer};
use super::server::{Metrics, Server};
use super::{Part, Rig, Who};
use crate::disk::{self, Sync};
use crate::numbers::percentile;
use crate::process::{MEASURED_CORE, Tree, busy};
use crate::progress;
use crate::table::Table;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// LiteLLM answers some fifty requests a second here; what all others bear would only make it queue.
const LITELLM_CONNECTIONS: usize = 16;
const LITELLM_STREAMS: usize = 4;
const LITELLM_PACE: u32 = 8;
/// Connections of the paced load.
const PACED_CONNECTIONS: usize = 32;
/// Each load runs for this long before it is measured.
const WARM_UP: Duration = Duration::from_millis(700);
/// What two entries of a call take in the journal, nearly. Units: bytes.
pub(super) const GROUP_BYTES: usize = 4096;
/// How many syncs are looked at, before and after.
pub(super) const SYNCS: usize = 200;

/// One that answers requests.
#[derive(Debug)]
pub(super) struct Target {
    who: Who,
    address: SocketAddr,
    keys: Vec<String>,
    /// Its process; none where it is ours.
    tree: Option<Tree>,
    running: Kept,
}

/// What has to live as long as its target.
#[derive(Debug)]
enum Kept {
    Nothing,
    Peer { _peer: Peer },
    Server(Box<Server>),
}

/// How it took a load.
pub(super) struct Taken {
    pub(super) seen: Seen,
    /// CPU for each request. Units: microseconds.
    pub(super) cpu: Option<f64>,
    pub(super) record: Option<Recorded>,
    /// How much of the measured core went to anything else meanwhile. Units: percent.
    pub(super) others: Option<f64>,
}

/// What the record did meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    /// Syncs for each request.
    syncs: f64,
    /// Entries made durable a second.
    entries: f64,
    /// How many of the requests started while their decisions were being written. Shape: from 0 to 1.
    pub(super) early: f64,
}

impl Target {
    pub(super) fn direct(upstream: SocketAddr) -> Self {
        let keys = vec!["none".to_owned()];
        Self { who: Who::Direct, address: upstream, keys, tree: None, running: Kept::Nothing }
    }

    fn peer(who: Who, peer: Peer) -> Self {
        let (address, tree) = (peer.address, Some(Tree(peer.id())));
        Self { who, address, keys: vec![LITELLM_KEY.to_owned()], tree, running: Kept::Peer { _peer: peer } }
    }

    pub(super) fn server(server: Server, keys: Vec<String>) -> Self {
        let (address, tree) = (server.address, Some(Tree(server.id())));
        Self { who: Who::Countersign, address, keys, tree, running: Kept::Server(Box::new(server)) }
    }

    /// Puts a load on it: for a moment first, then measured.
    ///
    /// Errors: where one answer is not right.
    pub(super) async fn take(&self, shape: Shape, load: &Load) -> anyhow::Result<Taken> {
        let names_act = self.who == Who::Countersign;
        let asked = Arc::new(Asked::new(self.address, &self.keys, shape, names_act));
        drive(&asked, &Load { until: Until::After(WARM_UP), ..load.clone() }).await?;
        let (cpu, record, core) = (self.cpu()?, self.metrics()?, busy(MEASURED_CORE)?);
        let seen = drive(&asked, load).await?;
        let used = cpu.zip(self.cpu()?).map(|(before, after)| after - before);
        let core = busy(MEASURED_CORE)? - core;
        let others = used.map(|used| (core - used).max(0.0) / seen.elapsed.as_secs_f64() * 100.0);
        let each = |used: f64| used / seen.count().max(1.0);
        let cpu = used.map(|used| each(used * 1e6));
        let record = record.zip(self.metrics()?).map(|(before, after)| Recorded {
            syncs: each(after.groups - before.groups),
            entries: (after.entries - before.entries) / seen.elapsed.as_secs_f64(),
            early: each(after.early - before.early),
        });
        Ok(Taken { seen, cpu, record, others })
    }

    pub(super) fn pss(&self) -> anyhow::Result<Option<f64>> {
        self.tree.map(Tree::pss).transpose()
    }

    fn cpu(&self) -> anyhow::Result<Option<f64>> {
        self.tree.map(Tree::cpu).transpose()
    }

    fn metrics(&self) -> anyhow::Result<Option<Metrics>> {
        match &self.running {
            Kept::Server(server) => server.metrics().map(Some),
            Kept::Nothing | Kept::Peer { .. } => Ok(None),
        }
    }
}

impl Rig<'_> {
    /// Runs every part that is asked for.
    pub(super) async fn run(&self) -> anyhow::Result<Vec<(&'static str, Table)>> {
        let mut tables = Vec::new();
        if self.options.measures(Part::Compare) {
            let table = Table::with_ratio("countersign", "nginx");
            tables.push(("beside the peers", self.compare(&self.options.who(), table).await?));
        }
        if self.options.measures(Part::Disk) {
            tables.push(("strict recording beside a disk that costs nothing", self.disk().await?));
        }
        if self.options.measures(Part::Lease) {
            tables.push(("calls that start while their decisions are being written", self.lease().await?));
        }
        if self.options.measures(Part::Clauses) {
            tables.push(("policy clauses", self.clauses().await?));
        }
        if self.options.measures(Part::Keys) {
            tables.push(("keys", self.keys().await?));
        }
        if self.options.measures(Part::Memory) {
            tables.push(("memory", self.memory().await?));
        }
        if self.options.measures(Part::Meter) {
            let table = Table::with_ratio("meter", "nginx");
            tables.push(("the meter", self.compare(&[Who::Direct, Who::Nginx, Who::Meter], table).await?));
        }
        if self.options.measures(Part::Cosign) {
            tables.push(("from an answer to a cosigned receipt", self.cosign().await?));
        }
        Ok(tables)
    }

    async fn compare(&self, who: &[Who], mut table: Table) -> anyhow::Result<Table> {
        let mut targets = Vec::new();
        for who in who {
            progress(&format!("starting {}", who.name()));
            targets.push(self.target(*who).await?);
        }
        for round in self.options.rounds.numbers() {
            let mut direct = None;
            for target in &targets {
                let name = target.who.name();
                self.options.rounds.progress(round, name);
                let taken = target.take(Shape::Whole, &self.saturation(target.who)).await?;
                taken.note("saturated", name, &mut table);
                let (taken, sync) = self.take_paced(target).await?;
                taken.note("paced", name, &mut table);
                note_added(target.who, &taken, &mut direct, sync, &mut table);
                self.stream(target, &mut table).await?;
                if let Some(pss) = target.pss()? {
                    table.note("memory (PSS), MiB", name, pss);
                }
            }
        }
        Ok(table)
    }

    async fn target(&self, who: Who) -> anyhow::Result<Target> {
        Ok(match who {
            Who::Direct => Target::direct(self.upstream),
            Who::Nginx => Target::peer(who, Peer::nginx(self.upstream)?),
            Who::Litellm => Target::peer(who, Peer::litellm(self.upstream)?),
            Who::Countersign => self.variant(self.setup(), 1).await?,
            Who::Meter => Target::peer(who, Peer::meter(self.upstream, &self.place)?),
        })
    }

    /// Few requests, evenly spaced; and how long a sync took just before and after, at the same pace.
    async fn take_paced(&self, target: &Target) -> anyhow::Result<(Taken, Option<Sync>)> {
        let load = self.paced(target.who);
        if target.who != Who::Countersign {
            return Ok((target.take(Shape::Whole, &load).await?, None));
        }
        let pause = Duration::from_secs_f64(0.5 / f64::from(self.options.pace.max(1)));
        let mut syncs = disk::syncs(&self.place, GROUP_BYTES, SYNCS, pause)?;
        let taken = target.take(Shape::Whole, &load).await?;
        syncs.extend(disk::syncs(&self.place, GROUP_BYTES, SYNCS, pause)?);
        Ok((taken, Some(Sync::of(syncs))))
    }

    async fn stream(&self, target: &Target, table: &mut Table) -> anyhow::Result<()> {
        let litellm = target.who == Who::Litellm;
        let connections = if litellm { LITELLM_STREAMS } else { self.options.streams };
        let taken =
            target.take(Shape::Stream, &Load { connections, pace: None, until: self.until() }).await?;
        let name = target.who.name();
        if let Some(cpu) = taken.cpu {
            table.note("CPU a stream of 20 chunks, µs", name, cpu);
        }
        table.note("streams a second", name, taken.rate());
        for (percent, figure) in
            [(50, "first byte of a stream, p50, ms"), (99, "first byte of a stream, p99, ms")]
        {
            if let Some(micros) = percentile(&taken.seen.first_byte, percent) {
                table.note(figure, name, micros as f64 / 1e3);
            }
        }
        Ok(())
    }

    /// The load under which as many requests are made as are answered.
    pub(super) fn saturation(&self, who: Who) -> Load {
        let connections = if who == Who::Litellm { LITELLM_CONNECTIONS } else { self.options.connections };
        Load { connections, pace: None, until: self.until() }
    }

    /// The load under which the time of an answer is looked at.
    pub(super) fn paced(&self, who: Who) -> Load {
        let pace = if who == Who::Litellm { LITELLM_PACE } else { self.options.pace };
        Load { connections: PACED_CONNECTIONS, pace: Some(pace), until: self.until() }
    }

    fn until(&self) -> Until {
        Until::After(Duration::from_secs(u64::from(self.options.seconds)))
    }
}

/// Notes what a target adds to how long an answer takes without anything between.
fn note_added(
    who: Who,
    taken: &Taken,
    direct: &mut Option<(f64, f64)>,
    sync: Option<Sync>,
    table: &mut Table,
) {
    let (Some(p50), Some(p99)) = (taken.whole(50), taken.whole(99)) else { return };
    if who == Who::Direct {
        *direct = Some((p50, p99));
        return;
    }
    let Some((direct_p50, direct_p99)) = *direct else { return };
    let (added_p50, added_p99) = (p50 - direct_p50, p99 - direct_p99);
    table.note("added p50, paced, µs", who.name(), added_p50);
    table.note("added p99, paced, µs", who.name(), added_p99);
    if let Some(Sync { p50, p99 }) = sync {
        table.note("one sync of 4 KiB, paced, p50, µs", who.name(), p50);
        table.note("one sync of 4 KiB, paced, p99, µs", who.name(), p99);
    }
    let two = sync.map_or((0.0, 0.0), |sync| (2.0 * sync.p50, 2.0 * sync.p99));
    table.note("added p50 beyond two syncs, µs", who.name(), added_p50 - two.0);
    table.note("added p99 beyond two syncs, µs", who.name(), added_p99 - two.1);
}

impl Taken {
    /// Notes what it was like under a load.
    pub(super) fn note(&self, load: &str, name: &str, table: &mut Table) {
        let mut note = |figure: &str, value: Option<f64>| {
            if let Some(value) = value {
                table.note(&format!("{figure}, {load}"), name, value);
            }
        };
        note("CPU a request, µs", self.cpu);
        note("requests a second", Some(self.rate()));
        note("p50, µs", self.whole(50));
        note("p99, µs", self.whole(99));
        note("syncs a request", self.record.map(|record| record.syncs));
        note("durable entries a second", self.record.map(|record| record.entries));
        note("core taken by others, %", self.others);
    }

    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.seen.count() / self.seen.elapsed.as_secs_f64()
    }

    fn whole(&self, percent: usize) -> Option<f64> {
        percentile(&self.seen.whole, percent).map(|micros| micros as f64)
    }
}
