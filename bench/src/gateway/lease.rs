//! The server whose calls start while their decisions are being written, beside the same one whose calls start after it: before
//! upstreams that take their time, and on a slow disk.
//!
//! Not here: what the disk itself takes (`disk`).

use super::driver::{Load, Shape};
use super::mock;
use super::rounds::{GROUP_BYTES, SYNCS, Taken, Target};
use super::server::Setup;
use super::{Rig, Who};
use crate::disk::{self, Sync};
use crate::numbers::percentile;
use crate::table::Table;
use std::time::Duration;

/// How long the upstream waits before its first byte, and how long each sync is held up. Units: milliseconds.
const CASES: [(u64, u64); 5] = [(0, 0), (2, 0), (20, 0), (2, 5), (20, 5)];
/// Connections of streams: each is kept for a tenth of a second and more.
const STREAMS: usize = 64;

impl Rig<'_> {
    /// With a lease and without one, in each case.
    pub(super) async fn lease(&self) -> anyhow::Result<Table> {
        let mut table = Table::with_ratio("lease", "none");
        for (wait, slower) in CASES {
            let upstream = mock::start(Duration::from_millis(wait))?;
            let setup = Setup { upstream, slower: Duration::from_millis(slower), ..self.setup() };
            let with = self.variant(setup, 1).await?;
            let without = self.variant(Setup { lease: false, ..setup }, 1).await?;
            let case = match slower {
                0 => format!("first byte after {wait} ms"),
                _ => format!("first byte after {wait} ms, syncs held up {slower} ms"),
            };
            for round in self.options.rounds.numbers() {
                for (name, target) in [("lease", &with), ("none", &without)] {
                    self.options.rounds.progress(round, &format!("{case}: {name}"));
                    self.take_all(target, &case, name, &mut table).await?;
                }
            }
        }
        let pause = Duration::from_secs_f64(0.5 / f64::from(self.options.pace.max(1)));
        let Sync { p50, p99 } = Sync::of(disk::syncs(&self.place, GROUP_BYTES, SYNCS, pause)?);
        table.remark(format!("One sync of 4 KiB at this pace took {p50} µs (p50) and {p99} µs (p99)."));
        table.remark(
            "At the pace that `--pace` says but where it is said otherwise; streams of 20 chunks in a tenth of a second beside answers in one piece. A tracer holds syncs up before they begin; it runs on the same core, so a sync takes longer than that, and its own time does not count as the server's.",
        );
        Ok(table)
    }

    async fn take_all(
        &self,
        target: &Target,
        case: &str,
        name: &str,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let whole = target.take(Shape::Whole, &self.paced(Who::Countersign)).await?;
        let saturated = target.take(Shape::Whole, &self.saturation(Who::Countersign)).await?;
        let load = Load { connections: STREAMS, ..self.paced(Who::Countersign) };
        let stream = target.take(Shape::Stream, &load).await?;
        let mut note = |figure: &str, value: Option<f64>| {
            if let Some(value) = value {
                table.note(&format!("{case}: {figure}"), name, value);
            }
        };
        let millis = |sorted: &[u64], percent| Some(percentile(sorted, percent)? as f64 / 1e3);
        for percent in [50, 99] {
            note(&format!("answer, p{percent}, ms"), millis(&whole.seen.whole, percent));
            note(&format!("stream, first byte, p{percent}, ms"), millis(&stream.seen.first_byte, percent));
            note(&format!("stream, whole, p{percent}, ms"), millis(&stream.seen.whole, percent));
        }
        note("CPU an answer, µs", whole.cpu);
        note("CPU a stream, µs", stream.cpu);
        note("CPU an answer, saturated, µs", saturated.cpu);
        note("answers a second, saturated", Some(saturated.rate()));
        let early = |taken: &Taken| taken.record.map(|record| record.early * 100.0);
        note("answers that started early, %", early(&whole));
        note("streams that started early, %", early(&stream));
        Ok(())
    }
}
