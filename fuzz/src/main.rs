//! Looks for inputs that a parser of ours does not stand: `cargo xtask fuzz` builds it so that it sees what it reaches, and runs it.
//!
//! Not a test of the product's answers, which have tests of their own. A target here says what holds for *every* input: that what
//! parses has one spelling, that what a verifier accepts was signed, that memory and time are bounded by the length, and that
//! nothing panics.

mod corpus;
mod engine;
mod heap;
mod mutate;
mod reached;
mod record_folder;
mod targets;

use anyhow::{Context as _, bail};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => {
            targets::ALL.iter().for_each(|target| say(target.name));
            Ok(())
        }
        ["search", target, seconds, seed, current] => search(target, seconds, seed, Path::new(current)),
        ["keep", target, current] => keep(target, Path::new(current)),
        ["make", record] => record_folder::make(Path::new(record)),
        _ => Err(anyhow::anyhow!(
            "usage: fuzz list | search TARGET SECONDS SEED FILE | keep TARGET FILE | make RECORD; see `cargo xtask fuzz`"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Searches on a stack as small as a thread of the server has.
fn search(name: &str, seconds: &str, seed: &str, current: &Path) -> anyhow::Result<()> {
    let target = targets::by_name(name)?;
    let kept = corpus::kept(name)?;
    let asked = Asked::new(seconds.parse().context("seconds")?, seed.parse().context("seed")?, current)?;
    engine::hush();
    std::thread::spawn(watch);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let searched = thread.spawn(move || engine::search(target, kept, &asked))?.join();
    match searched.map_err(|_| anyhow::anyhow!("the search itself panicked"))? {
        Ok(seen) => {
            say(&format!("fuzz {name}: holds, seed {seed}: {seen}"));
            Ok(())
        }
        Err(finding) => bail!(corpus::found(name, &finding.input, &finding.fault)?),
    }
}

/// Keeps the input that a search was at when its process ended.
fn keep(name: &str, current: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(current)?;
    let (length, rest) = bytes.split_first_chunk::<4>().context("the search had not begun")?;
    let input = rest.get(..u32::from_le_bytes(*length) as usize).context("the input is not whole")?;
    bail!(corpus::found(name, input, "the process ended or hung; its last words stand above")?)
}

/// What a search was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    seed: u64,
    until: Instant,
    /// Holds the input that is being run, so that it is known even if the process ends with it.
    current: File,
}

impl Asked {
    #[expect(clippy::disallowed_methods, reason = "a search lasts as long as somebody is ready to wait")]
    fn new(seconds: u64, seed: u64, current: &Path) -> anyhow::Result<Self> {
        let current = File::create(current).with_context(|| format!("`{}`", current.display()))?;
        Ok(Self { seed, until: Instant::now() + Duration::from_secs(seconds), current })
    }

    #[expect(clippy::disallowed_methods, reason = "a search lasts as long as somebody is ready to wait")]
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn note(&self, input: &[u8]) {
        let length = u32::try_from(input.len()).unwrap_or_default().to_le_bytes();
        // A search goes on where this fails; only a finding that ends the process would be lost.
        let _ = self.current.write_all_at(&[&length, input].concat(), 0);
        RUNS.fetch_add(1, Relaxed);
    }
}

/// Ends the process where one input takes longer than any should on the slowest machine.
fn watch() {
    loop {
        let before = RUNS.load(Relaxed);
        std::thread::sleep(Duration::from_secs(60));
        if RUNS.load(Relaxed) == before {
            say("one input has taken a minute");
            std::process::abort();
        }
    }
}

/// Says one line to the person who runs this.
#[expect(clippy::print_stdout, reason = "a command-line tool speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}

static RUNS: AtomicU64 = AtomicU64::new(0);

/// What a thread of the server has. Units: bytes.
const STACK_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// What once was found stays mended, and the kept files are what their targets are for.
    #[test]
    fn every_target_holds_for_every_file_that_is_kept() {
        let _turn = heap::turn();
        let current = std::env::temp_dir().join(format!("fuzz-{}", std::process::id()));
        let asked = Asked::new(0, 0, &current).unwrap();
        std::fs::remove_file(&current).unwrap();
        for target in targets::ALL {
            let kept = corpus::kept(target.name).unwrap();
            assert!(!kept.is_empty(), "`{}` has no kept file", target.name);
            for input in kept {
                let held = engine::once(target, &asked, &input);
                assert_eq!(held, Ok(()), "{}: {}", target.name, input.escape_ascii());
            }
        }
    }
}
