//! `strace`, tied to one thread of a server that runs: it shows the calls that the thread makes, or makes one of them fail.
//!
//! Not here: what a failure should lead to. A tracer that cannot be tied fails the test and says why.

use crate::server::eventually;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// How many files a server may stage while it is traced.
const STAGED_MAX: usize = 400;

/// A tracer, until it is dropped.
pub(crate) struct Tracer {
    child: Child,
    output: PathBuf,
    /// What the output lies in.
    _place: TempDir,
}

impl Tracer {
    /// A tracer of a thread, with further words for `strace`.
    pub(crate) fn of(thread: u32, words: &[impl AsRef<std::ffi::OsStr>]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let output = place.path().join("calls");
        let mut command = Command::new("strace");
        command.args(["-p", &thread.to_string(), "-o"]).arg(&output).args(words);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        while !said.contains(" attached") {
            let more = errors.read_line(&mut said).unwrap();
            assert!(
                more > 0,
                "strace cannot be tied to the server; it needs root, or `kernel.yama.ptrace_scope = 0`: {said}"
            );
        }
        Self { child, output, _place: place }
    }

    /// A tracer that makes the `nth` of these calls of the thread fail, once. A plain write also goes to logs and to other threads;
    /// of those only the ones to files under `staged` are counted.
    pub(crate) fn failing(thread: u32, call: &str, error: &str, nth: usize, staged: &Path) -> Self {
        let inject = format!("inject={call}:error={error}:when={nth}");
        let trace = format!("trace={call}");
        let words = ["-y", "-e", &trace, "-e", &inject];
        if call == "write" {
            return Self::of(thread, &with_paths(&words, staged));
        }
        Self::of(thread, &words)
    }

    /// A tracer under which these calls of the thread fail, as long as it lives, where they concern files under `staged`.
    pub(crate) fn staging(thread: u32, inject: &str, staged: &Path) -> Self {
        Self::of(thread, &with_paths(&["-e", inject], staged))
    }

    /// Whether a call was made to fail.
    pub(crate) fn has_failed_it(&self) -> bool {
        self.text().contains("(INJECTED)")
    }

    /// The call that was made to fail.
    pub(crate) fn failed(&self) -> String {
        self.text().lines().find(|line| line.contains("(INJECTED)")).unwrap_or_default().to_owned()
    }

    /// What was traced, when the thread has ended.
    pub(crate) fn ended(mut self) -> String {
        self.child.wait().unwrap();
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// These words, and those that have only calls which concern files under `staged` traced.
fn with_paths(words: &[&str], staged: &Path) -> Vec<String> {
    let paths = (0..STAGED_MAX)
        .flat_map(|number| ["-P".to_owned(), staged.join(number.to_string()).display().to_string()]);
    words.iter().map(|word| (*word).to_owned()).chain(paths).collect()
}

/// The number of a thread of a process, by its name, which it gives itself when it begins.
pub(crate) fn thread_of(process: u32, name: &str) -> u32 {
    let find = || {
        let mut tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().filter_map(Result::ok);
        let task = tasks.find(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        })?;
        task.file_name().to_str()?.parse().ok()
    };
    let mut found = None;
    eventually(&format!("process {process} has a thread `{name}`"), || {
        found = find();
        found.is_some()
    });
    found.unwrap()
}
