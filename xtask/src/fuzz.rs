//! `cargo xtask fuzz`: looks for inputs that a parser does not stand, one process for each target, as many at once as there are cores.
//!
//! Not here: what holds for a parser, and how inputs are bred; that is the crate `fuzz`. Here it is built so that it sees what its
//! inputs reach: our crates, and no others, with the compiler's counters in them. Those come with the stable toolchain.

use crate::environment::succeeds;
use crate::report;
use anyhow::{Context as _, bail, ensure};
use std::collections::VecDeque;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// How it is called.
pub(crate) const USAGE: &str = "cargo xtask fuzz [TARGET] [--seconds N] [--seed N]";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wanted {
    target: Option<String>,
    /// For each target.
    seconds: Option<u64>,
    seed: Option<u64>,
}

/// Searches for as long as it was asked for, in one target or in all.
///
/// Errors: the words are not understood, or a target does not hold.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let wanted = Wanted::of(words)?;
    let fuzz = Fuzz::build()?;
    let targets = match wanted.target {
        Some(target) => vec![target],
        None => fuzz.targets()?,
    };
    fuzz.search(targets, wanted.seconds.unwrap_or(SECONDS), wanted.seed.unwrap_or_else(any_seed))
}

/// Searches in every target, for about a minute in all, from the same seed each time.
///
/// Errors: a target does not hold.
pub(crate) fn for_a_minute() -> anyhow::Result<()> {
    let fuzz = Fuzz::build()?;
    let targets = fuzz.targets()?;
    let seconds = 60_usize.saturating_mul(cores()).checked_div(targets.len()).unwrap_or(0).max(1);
    fuzz.search(targets, seconds as u64, 0)
}

/// What cargo calls in place of the compiler for each crate of the workspace: the same, with counters in the crates that are fuzzed.
///
/// Errors: the compiler does not start.
pub(crate) fn compile(rustc: &str, words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(rustc);
    command.args(words);
    let name = words.iter().skip_while(|word| **word != "--crate-name").nth(1);
    if name.is_some_and(|name| COUNTED.contains(name)) {
        command.args(["-Cinstrument-coverage", "--cfg=guided"]);
    }
    Err(command.exec()).with_context(|| format!("`{rustc}` does not start"))
}

impl Wanted {
    fn of(words: &[&str]) -> anyhow::Result<Self> {
        let mut wanted = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                ensure!(wanted.target.is_none(), "one target or all; usage: {USAGE}");
                wanted.target = Some((*word).to_owned());
                continue;
            }
            let number = words.next().with_context(|| format!("`{word}` needs a number; usage: {USAGE}"))?;
            let number =
                number.parse().with_context(|| format!("`{number}` is no number; usage: {USAGE}"))?;
            match *word {
                "--seconds" => wanted.seconds = Some(number),
                "--seed" => wanted.seed = Some(number),
                other => bail!("`{other}` is not known; usage: {USAGE}"),
            }
        }
        Ok(wanted)
    }
}

/// The program that searches.
struct Fuzz {
    program: PathBuf,
    /// Where the input of a search that is under way is kept.
    scratch: PathBuf,
}

impl Fuzz {
    fn build() -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let mut cargo = Command::new("cargo");
        succeeds(
            cargo
                .args(["build", "--quiet", "--release", "--package", "fuzz"])
                .env("RUSTC_WORKSPACE_WRAPPER", &this),
        )?;
        let scratch = this.with_file_name("fuzz-inputs");
        std::fs::create_dir_all(&scratch)?;
        Ok(Self { program: this.with_file_name("fuzz"), scratch })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // What the compiler's runtime writes at the end of a process is of no use here.
        command.env("LLVM_PROFILE_FILE", "/dev/null");
        command
    }

    fn targets(&self) -> anyhow::Result<Vec<String>> {
        let listed = self.command().arg("list").output()?;
        Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
    }

    fn search(&self, targets: Vec<String>, seconds: u64, seed: u64) -> anyhow::Result<()> {
        report(&format!("fuzz: {} targets, {seconds} s each, seed {seed}", targets.len()));
        let waiting = Mutex::new(VecDeque::from(targets));
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let one_after_another = || -> anyhow::Result<bool> {
            let mut all_hold = true;
            while let Some(target) = next() {
                all_hold &= self.holds(&target, seconds, seed)?;
            }
            Ok(all_hold)
        };
        let results: Vec<anyhow::Result<bool>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(one_after_another)).collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|result| result.unwrap_or_else(|_| bail!("a thread panicked"))).collect()
        });
        let results = results.into_iter().collect::<anyhow::Result<Vec<bool>>>()?;
        ensure!(results.iter().all(|holds| *holds), "not every target holds; what was found is kept");
        Ok(())
    }

    /// Searches in one target, and says what it said.
    fn holds(&self, target: &str, seconds: u64, seed: u64) -> anyhow::Result<bool> {
        let current = self.scratch.join(target);
        let (seconds, seed) = (seconds.to_string(), seed.to_string());
        let mut search = self.command();
        search.args(["search", target, &seconds, &seed]).arg(&current);
        let (code, said) = said(&mut search)?;
        report(&said);
        if code.is_none() {
            report(&self.keep(target, &current)?);
        }
        Ok(code == Some(0))
    }

    /// Keeps the input that a process ended with.
    fn keep(&self, target: &str, current: &Path) -> anyhow::Result<String> {
        Ok(said(self.command().args(["keep", target]).arg(current))?.1)
    }
}

/// How a process ended, none for a signal, and all that it said.
fn said(command: &mut Command) -> anyhow::Result<(Option<i32>, String)> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    let both = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&both).trim_end().to_owned()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A seed that is another one each time; it is said, so that the search can be done again.
#[expect(clippy::disallowed_methods, reason = "any number will do that differs from the last one")]
fn any_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The crates that have counters: those whose parsers are fuzzed, and the one that drives them.
const COUNTED: &[&str] = &["cloud", "fuzz", "ledger", "partnership", "record", "replay"];

/// How long each target is searched if nobody says.
const SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_or_refused() {
        assert_eq!(Wanted::of(&[]).unwrap(), Wanted::default());
        let asked = Wanted::of(&["--seed", "7", "note", "--seconds", "3"]).unwrap();
        assert_eq!(asked, Wanted { target: Some("note".to_owned()), seconds: Some(3), seed: Some(7) });
        for words in [&["--seconds"][..], &["--seed", "many"], &["note", "vkey"], &["--for", "3"]] {
            assert!(Wanted::of(words).is_err(), "{words:?}");
        }
    }
}
