//! The server beside itself: on another disk, with more policies, with more keys, and after many acts.

use super::driver::{Load, Shape, Until};
use super::rounds::Target;
use super::server::Server;
use super::{Rig, Who};
use crate::progress;
use crate::table::Table;
use std::path::Path;

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
        let mut variants = Vec::new();
        for (name, place) in [("disk", self.place.as_path()), ("memory", Path::new(MEMORY_DISK))] {
            let server = Server::start(place, 1, self.upstream)?;
            let keys = server.keys(1).await?;
            variants.push((name.to_owned(), Target::server(server, keys)));
        }
        let mut table = Table::with_ratio("disk", "memory");
        self.saturate_in_turns(&variants, &mut table).await?;
        Ok(table)
    }

    /// With more and more policies to ask.
    pub(super) async fn clauses(&self) -> anyhow::Result<Table> {
        let mut variants = Vec::new();
        for clauses in CLAUSES {
            let server = Server::start(&self.place, clauses, self.upstream)?;
            let keys = server.keys(1).await?;
            variants.push((format!("{clauses} clauses"), Target::server(server, keys)));
        }
        let mut table = Table::with_ratio("500 clauses", "1 clauses");
        self.saturate_in_turns(&variants, &mut table).await?;
        Ok(table)
    }

    /// With more and more keys, all of them used by turns.
    pub(super) async fn keys(&self) -> anyhow::Result<Table> {
        let mut variants = Vec::new();
        for count in KEYS {
            progress(&format!("making {count} keys"));
            let server = Server::start(&self.place, 1, self.upstream)?;
            let keys = server.keys(count).await?;
            variants.push((format!("{count} keys"), Target::server(server, keys)));
        }
        let mut table = Table::with_ratio("10000 keys", "1 keys");
        self.saturate_in_turns(&variants, &mut table).await?;
        Ok(table)
    }

    /// What memory a server uses after more and more acts, streams among them.
    pub(super) async fn memory(&self) -> anyhow::Result<Table> {
        let server = Server::start(&self.place, 1, self.upstream)?;
        let keys = server.keys(1).await?;
        let target = Target::server(server, keys);
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

    async fn saturate_in_turns(
        &self,
        variants: &[(String, Target)],
        table: &mut Table,
    ) -> anyhow::Result<()> {
        for round in 1..=self.options.rounds {
            for (name, target) in variants {
                progress(&format!("round {round} of {}: {name}", self.options.rounds));
                let taken = target.take(Shape::Whole, &self.saturation(Who::Countersign)).await?;
                table.note("requests a second, saturated", name, taken.rate());
                if let Some(cpu) = taken.cpu {
                    table.note("CPU a request, µs", name, cpu);
                }
                if let Some((syncs, entries)) = taken.record {
                    table.note("syncs a request", name, syncs);
                    table.note("durable entries a second", name, entries);
                }
                if let Some(pss) = target.pss()? {
                    table.note("memory (PSS), MiB", name, pss);
                }
            }
        }
        Ok(())
    }
}
