//! The server beside itself: on another disk, with more policies, with more keys, and after many acts.

use super::driver::{Load, Shape, Until};
use super::rounds::Target;
use super::server::{Server, Setup};
use super::{Rig, Who};
use crate::progress;
use crate::table::Table;
use std::path::Path;
use std::time::Duration;

/// A file system in memory, on every Linux.
const MEMORY_DISK: &str = "/dev/shm";
const CLAUSES: [usize; 3] = [1, 50, 500];
const KEYS: [usize; 3] = [1, 100, 10_000];
/// In how many steps memory is looked at.
const STEPS: u64 = 10;

impl Rig<'_> {
    /// The same server, with its folder on the disk and in memory. Nothing of it is switched off: what differs is what the disk
    /// costs.
    pub(super) async fn disk(&self) -> anyhow::Result<Table> {
        let on_disk = self.variant(self.setup(), 1).await?;
        let in_memory = self.variant(Setup { place: Path::new(MEMORY_DISK), ..self.setup() }, 1).await?;
        let mut table = Table::with_ratio("disk", "memory");
        self.in_turns(&[("disk".to_owned(), on_disk), ("memory".to_owned(), in_memory)], &mut table).await?;
        Ok(table)
    }

    /// With more and more policies to ask.
    pub(super) async fn clauses(&self) -> anyhow::Result<Table> {
        let mut variants = Vec::new();
        for clauses in CLAUSES {
            variants.push((
                format!("{clauses} clauses"),
                self.variant(Setup { clauses, ..self.setup() }, 1).await?,
            ));
        }
        let mut table = Table::with_ratio("500 clauses", "1 clauses");
        self.in_turns(&variants, &mut table).await?;
        Ok(table)
    }

    /// With more and more keys, all of them used by turns.
    pub(super) async fn keys(&self) -> anyhow::Result<Table> {
        let mut variants = Vec::new();
        for keys in KEYS {
            progress(&format!("making {keys} keys"));
            variants.push((format!("{keys} keys"), self.variant(self.setup(), keys).await?));
        }
        let mut table = Table::with_ratio("10000 keys", "1 keys");
        self.in_turns(&variants, &mut table).await?;
        Ok(table)
    }

    /// What most measurements are made of.
    pub(super) fn setup(&self) -> Setup<'_> {
        Setup { place: &self.place, clauses: 1, lease: true, slower: Duration::ZERO, upstream: self.upstream }
    }

    /// A server with so many keys.
    pub(super) async fn variant(&self, setup: Setup<'_>, keys: usize) -> anyhow::Result<Target> {
        let server = Server::start(setup)?;
        let keys = server.keys(keys).await?;
        Ok(Target::server(server, keys))
    }

    /// What memory a server uses after more and more acts, streams among them.
    pub(super) async fn memory(&self) -> anyhow::Result<Table> {
        let target = self.variant(self.setup(), 1).await?;
        let mut table = Table::default();
        let (mut sizes, mut acts) = (Vec::new(), 0_u64);
        if let Some(pss) = target.pss()? {
            table.note("before the first act", "PSS, MiB", pss);
        }
        for _ in 0..STEPS {
            let until = Until::Count(self.options.acts / STEPS);
            let taken =
                target.take(Shape::Whole, &Load { until, ..self.saturation(Who::Countersign) }).await?;
            acts = acts.saturating_add(self.options.acts / STEPS);
            progress(&format!("{acts} of {} acts", self.options.acts));
            if let Some(pss) = target.pss()? {
                table.note(&format!("{acts} acts"), "PSS, MiB", pss);
                sizes.push(pss);
            }
            table.note(&format!("{acts} acts"), "requests a second", taken.rate());
        }
        if let (Some(half), Some(last)) = (sizes.get(sizes.len() / 2), sizes.last()) {
            table.remark(format!(
                "From the middle to the end it grew by {:.1} MiB, to {last:.1} MiB.",
                last - half
            ));
        }
        Ok(table)
    }

    async fn in_turns(&self, variants: &[(String, Target)], table: &mut Table) -> anyhow::Result<()> {
        for round in self.options.rounds.numbers() {
            for (name, target) in variants {
                self.options.rounds.progress(round, name);
                let taken = target.take(Shape::Whole, &self.saturation(Who::Countersign)).await?;
                taken.note("saturated", name, table);
                let taken = target.take(Shape::Whole, &self.paced(Who::Countersign)).await?;
                taken.note("paced", name, table);
                if let Some(pss) = target.pss()? {
                    table.note("memory (PSS), MiB", name, pss);
                }
            }
        }
        Ok(())
    }
}
