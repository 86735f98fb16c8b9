//! Other processes: started on a core of their own, looked at through `/proc`, and ended.
//!
//! Not here: what they are. Linux only, as the peers are.

use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The core of what is measured; everything else is on [`OTHER_CORE`].
pub(crate) const MEASURED_CORE: &str = "0";
/// The core of the driver and the upstream.
pub(crate) const OTHER_CORE: &str = "1";
/// Every core there may be.
pub(crate) const EVERY_CORE: &str = "0-1023";
/// How many ticks a second `/proc` counts CPU in, on every Linux there is.
const TICKS_A_SECOND: f64 = 100.0;

/// Puts this process, with the threads it has and will start, on one core.
///
/// Errors: where there is no such core, or `taskset` is missing.
pub(crate) fn pin(core: &str) -> anyhow::Result<()> {
    pinned(&["-a", "-p", "-c", core, &std::process::id().to_string()])
}

/// Puts this thread alone on one core.
///
/// Errors: as those of [`pin`].
pub(crate) fn pin_thread(core: &str) -> anyhow::Result<()> {
    let me = std::fs::read_link("/proc/thread-self")?;
    let id = me.file_name().and_then(std::ffi::OsStr::to_str).context("a thread has no id")?.to_owned();
    pinned(&["-p", "-c", core, &id])
}

fn pinned(words: &[&str]) -> anyhow::Result<()> {
    said(Command::new("taskset").args(words))
        .context("a benchmark needs two cores, and `taskset` (package `util-linux`) to keep them apart")?;
    Ok(())
}

/// The CPU time that this thread has used. Units: seconds.
///
/// Errors: where the kernel does not tell.
pub(crate) fn thread_cpu() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: u64 = text.split_whitespace().next().context("the kernel does not tell")?.parse()?;
    Ok(nanos as f64 / 1e9)
}

/// The CPU time that processes used which this one has started and which have ended. Units: seconds.
///
/// Errors: where the kernel does not tell.
pub(crate) fn children_cpu() -> anyhow::Result<f64> {
    let stat = stat(std::process::id()).context("the kernel does not tell")?;
    Ok(stat.children_ticks as f64 / TICKS_A_SECOND)
}

/// The command that runs `program` on the measured core.
pub(crate) fn on_measured_core(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", MEASURED_CORE]).arg(program).stdin(Stdio::null());
    command
}

/// What a command says on stdout.
///
/// Errors: where it does not start or does not succeed; with what it said.
pub(crate) fn said(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a command says on stdout, and the most memory that it had at once. Units: MiB. Shape: it says less than a pipe holds.
///
/// Errors: as those of [`said`]; and where the kernel does not tell.
pub(crate) fn peak(command: &mut Command) -> anyhow::Result<(String, f64)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = None;
    while child.try_wait()?.is_none() {
        // One that has just ended has no memory any more.
        let now = std::fs::read_to_string(&status).ok().and_then(|text| kib(&text, "VmHWM:"));
        peak_kib = now.or(peak_kib);
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} ended with {}: {text}", output.status);
    }
    let peak_kib = peak_kib.context("the kernel does not tell how much memory it had")?;
    Ok((text, peak_kib as f64 / 1024.0))
}

/// A process that is ended when this is dropped: it is asked to first, and killed where it does not.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Takes a process over.
    pub(crate) fn new(child: Child) -> Self {
        Self(child)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it writes, where its command said that we read it.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)) | Err(_))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(said(Command::new("kill").args(["-TERM", &self.0.id().to_string()])));
        for _ in 0..200 {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A process with all its descendants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree(pub(crate) u32);

impl Tree {
    /// The CPU time that they have used, in user and kernel mode. Units: seconds.
    ///
    /// Errors: where the process has gone.
    pub(crate) fn cpu(self) -> anyhow::Result<f64> {
        let members = self.members()?;
        let ticks = members.iter().filter_map(|id| stat(*id));
        let ticks = ticks.map(|stat| stat.ticks.saturating_add(stat.children_ticks));
        Ok(ticks.fold(0, u64::saturating_add) as f64 / TICKS_A_SECOND)
    }

    /// The memory that they use, what is shared counted by its share. Units: MiB.
    ///
    /// Errors: where the process has gone.
    pub(crate) fn pss(self) -> anyhow::Result<f64> {
        let read = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok();
        let sizes =
            self.members()?.iter().filter_map(read).filter_map(|text| kib(&text, "Pss:")).collect::<Vec<_>>();
        Ok(sizes.into_iter().fold(0, u64::saturating_add) as f64 / 1024.0)
    }

    fn members(self) -> anyhow::Result<BTreeSet<u32>> {
        let all: Vec<u32> = std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        let parents: Vec<(u32, u32)> =
            all.into_iter().filter_map(|id| Some((id, stat(id)?.parent))).collect();
        if !parents.iter().any(|(id, _)| *id == self.0) {
            bail!("process {} has ended", self.0);
        }
        Ok(descendants(self.0, &parents))
    }
}

/// How long a core has been at work since the machine started. Units: seconds.
///
/// Errors: where there is no such core.
pub(crate) fn busy(core: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&text, core).with_context(|| format!("there is no core {core}"))?;
    Ok(ticks as f64 / TICKS_A_SECOND)
}

/// All ticks of a core but those in which it was idle or waited for a disk. A guest's ticks stand in its host's too.
fn busy_ticks(text: &str, core: &str) -> Option<u64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix("cpu")?.strip_prefix(core)?.strip_prefix(' '))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let places = [0, 1, 2, 5, 6, 7];
    Some(places.iter().filter_map(|place| ticks.get(*place)).fold(0, |sum, ticks| sum.saturating_add(*ticks)))
}

/// Of pairs of process and parent, `root` and all below it.
fn descendants(root: u32, parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        let below = parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(id, _)| *id);
        let below: Vec<u32> = below.collect();
        found.extend(below);
        if found.len() == before {
            return found;
        }
    }
}

/// What `/proc/ID/stat` says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// User and kernel time of all its threads, ended ones too.
    ticks: u64,
    /// The same of its children that have ended, and of theirs.
    children_ticks: u64,
}

fn stat(id: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// The name of a program stands in brackets and may hold any character, so what is read begins after the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)?.saturating_add(number(12)?),
        children_ticks: number(13)?.saturating_add(number(14)?),
    })
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_brackets_and_blanks_in_its_name() {
        let text = "77 (a) R 1 (b)) S 42 77 77 0 -1 4194304 9 8 7 6 150 25 3 2 20 0 4 0 99 1000 200 1";
        assert_eq!(parse_stat(text), Some(Stat { parent: 42, ticks: 175, children_ticks: 5 }));
        assert_eq!(parse_stat("77 (cut"), None);
    }

    #[test]
    fn a_tree_has_all_generations_and_no_stranger() {
        let parents = [(9, 7), (7, 5), (5, 1), (6, 1), (8, 6)];
        assert_eq!(descendants(5, &parents), BTreeSet::from([5, 7, 9]));
        assert_eq!(descendants(8, &parents), BTreeSet::from([8]));
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let me = Tree(std::process::id());
        let before = me.cpu().unwrap();
        let mut sum = 0_u64;
        while me.cpu().unwrap() < before + 0.05 {
            sum = (0..100_000_u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(me.pss().unwrap() > 0.1);
        assert!(Tree(u32::MAX).cpu().is_err(), "there is no such process");
    }

    #[test]
    fn a_core_is_busy_but_where_it_idles_or_waits() {
        let text =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 1000 2000 8 16 32 64 128\ncpu1 0 0 0 7 7 0 0 0 0 0\n";
        assert_eq!(busy_ticks(text, "0"), Some(63));
        assert_eq!(busy_ticks(text, "1"), Some(0));
        assert_eq!(busy_ticks(text, "2"), None);
    }

    #[test]
    fn the_share_of_memory_is_read_in_kib() {
        assert_eq!(kib("Rss:  9 kB\nPss:      5120 kB\nPss_Dirty: 1 kB\n", "Pss:"), Some(5120));
        assert_eq!(kib("Rss: 9 kB\n", "Pss:"), None);
    }
}
