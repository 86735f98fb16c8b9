//! `bench build`: how long the server takes to build from nothing, as whoever first tries it does, and what the time goes into.
//!
//! Nothing is pinned: it is built on every core there is, and the packages are fetched beforehand.

use crate::clock::now;
use crate::options::{Disk, Telling};
use crate::process::said;
use crate::progress;
use crate::table::Table;
use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// How many of the packages that cost most are told.
const TOLD: usize = 10;
/// Our own packages, which are told however little they cost.
const OURS: [&str; 6] = ["ledger", "record", "partnership", "cloud", "model", "countersign"];
const BUILD: [&str; 6] = ["build", "--quiet", "--release", "--locked", "--package", "countersign"];

/// How the build is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    disk: Disk,
    #[command(flatten)]
    telling: Telling,
}

/// Builds, and gives the report.
///
/// Errors: where it does not build, or cargo's report of it is not understood.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let folder = tempfile::tempdir_in(options.disk.place()?)?;
    progress("building from nothing");
    said(Command::new("cargo").args(["fetch", "--quiet", "--locked"]))?;
    let begun = now();
    said(Command::new("cargo").args(BUILD).arg("--timings").env("CARGO_TARGET_DIR", folder.path()))?;
    let elapsed = begun.elapsed().as_secs_f64();
    let packages = packages(folder.path())?;
    let mut table = Table::default();
    table.note("all, wall time, s", "cold build", elapsed);
    table.note("all, sum over packages, s", "cold build", packages.iter().map(|(_, seconds)| seconds).sum());
    table.note("packages built", "cold build", packages.len() as f64);
    let binary = std::fs::metadata(folder.path().join("release/countersign"))?;
    table.note("the binary, MiB", "cold build", binary.len() as f64 / f64::from(1 << 20));
    for (place, (name, seconds)) in packages.iter().enumerate() {
        if place < TOLD || OURS.contains(&name.as_str()) {
            table.note(&format!("{name}, s"), "cold build", *seconds);
        }
    }
    let cores = std::thread::available_parallelism()?;
    table.remark(format!(
        "On {cores} cores, of which a package may use several at once; its time is that from its beginning to its end, beside others, build scripts counted in. The {TOLD} that cost most, and our own."
    ));
    Ok(options.telling.report(&[("the release build from nothing", table)]))
}

/// How long each package took, the longest first, by cargo's own report. Units: seconds.
fn packages(folder: &Path) -> anyhow::Result<Vec<(String, f64)>> {
    let report = folder.join("cargo-timings/cargo-timing.html");
    let text = std::fs::read_to_string(&report).with_context(|| format!("`{}`", report.display()))?;
    let mut packages: Vec<(String, f64)> = units(&text).context("cargo's report of times has changed")?;
    packages.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(packages)
}

/// The sums over the units of each package.
fn units(report: &str) -> Option<Vec<(String, f64)>> {
    let (_, data) = report.split_once("const UNIT_DATA = ")?;
    let units: Vec<Value> = serde_json::Deserializer::from_str(data).into_iter().next()?.ok()?;
    let mut sums: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for unit in &units {
        let word = |name| unit.get(name)?.as_str();
        *sums.entry((word("name")?, word("version")?)).or_default() += unit.get("duration")?.as_f64()?;
    }
    Some(sums.into_iter().map(|((name, _), seconds)| (name.to_owned(), seconds)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_costs_the_sum_of_its_units_and_each_version_is_one() {
        let report = r#"<script>
const UNIT_DATA = [
  {"i": 1, "name": "b", "version": "1.0.0", "target": "", "duration": 2.5},
  {"i": 2, "name": "a", "version": "1.0.0", "target": " build-script", "duration": 0.25},
  {"i": 3, "name": "a", "version": "1.0.0", "target": "", "duration": 1.0},
  {"i": 4, "name": "a", "version": "2.0.0", "target": "", "duration": 4.0}
];
const CONCURRENCY_DATA = [];"#;
        let expected =
            [("a", 1.25), ("a", 4.0), ("b", 2.5)].map(|(name, seconds)| (name.to_owned(), seconds));
        assert_eq!(units(report), Some(expected.to_vec()));
        assert_eq!(units("const UNIT_DATA = [{}];"), None);
        assert_eq!(units("no word of it"), None);
    }
}
