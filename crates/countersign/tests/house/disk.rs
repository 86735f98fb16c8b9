//! A disk that fails under the running server: each call to the system that its journal and its publisher make, made to fail.
//!
//! The calls are not listed here but found: a healthy server is traced first, so that a new call on the path is covered by itself.
//! Not here: the order of writes that a power cut leaves (`record` simulates that), or a disk that is full for long (`room`).

use crate::http::{Client, Request};
use crate::server::{Folder, Server, config, eventually};
use crate::told::{Said, Told, chat, holds_after_all, say, while_called};
use crate::tracer::{Tracer, thread_of};
use crate::upstream::{Upstream, Used};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Set to `all` by `cargo xtask soak`; else a part of the points is taken.
const POINTS: &str = "COUNTERSIGN_TEST_FAULTS";
/// The threads whose calls are made to fail.
const THREADS: [&str; 2] = ["journal", "publisher"];
const CALLERS: usize = 6;
/// How many points are tried at once.
const WORKERS: usize = 2;
/// How often each call is made to fail: at its first time after the start, its second, and so on.
const TIMES: usize = 3;
/// How long a healthy server is watched; its journal fills segments and its publisher publishes meanwhile.
const WATCHED: Duration = Duration::from_secs(6);
/// DESIGN: a server whose record cannot be written ends within five seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// The smallest segments, so that they are soon full.
const SEGMENTS: &str =
    "\n[record]\nsegment_bytes = 131072\n[record.lease]\ncalls = 4\namounts = [\"1.00 CREDIT\"]\n";

/// Calls that are none of the disk's: waiting for one another, memory, time, and the end of a thread.
const NOT_OF_THE_DISK: [&str; 17] = [
    "futex",
    "sched_yield",
    "clock_gettime",
    "clock_nanosleep",
    "restart_syscall",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "brk",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "getrandom",
    "exit",
    "rseq",
];

/// Calls whose failure harms nothing, so that the server may go on, each with the reason.
const HARMLESS: [(&str, &str); 5] = [
    ("close", "the file was synced before; the handle is gone either way"),
    ("statx", "asks whether a directory is there; if in doubt it is made, and that says whether it was"),
    ("fstat", "asks for a size, to read at once; reading goes on to the end whatever it says"),
    ("rmdir", "tidies up a directory that may not be empty"),
    ("lseek", "asks for a size, to read at once"),
];

/// One call that is made to fail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    thread: &'static str,
    call: String,
    /// Which of its calls, from the first after the tracer has come.
    nth: usize,
    error: &'static str,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}#{} {}", self.thread, self.call, self.nth, self.error)
    }
}

impl Point {
    fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|(call, _)| *call == self.call)
    }

    /// Whether a full disk is met where nothing was promised yet. A segment of the journal has its room, so that no room for what is
    /// written into it means that something is broken.
    fn may_be_survived_if_full(&self, failed: &str) -> bool {
        let writes = matches!(self.call.as_str(), "pwrite64" | "fdatasync");
        self.error == "ENOSPC" && !(writes && failed.contains("/record/journal/"))
    }

    /// Whether it then must be survived: new acts are sent away and the server stays up. To open what is there takes no room, nor does a
    /// sync of the journal's names before the first write to a segment that an earlier process has made; whatever comes of such an
    /// answer is as good.
    fn must_be_survived_if_full(&self, failed: &str) -> bool {
        let takes_none = match self.call.as_str() {
            "openat" => !failed.contains("O_CREAT"),
            "fsync" => failed.contains("/record/journal>"),
            _ => false,
        };
        self.may_be_survived_if_full(failed) && !takes_none
    }
}

/// A partnership that is founded and has a key, to copy.
struct Scene {
    folder: Folder,
    key: String,
    granted: i128,
    /// Kept until the last server has gone.
    _upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(Used::AtMost(60, 100));
        let folder = Folder::founded(&format!("{}{SEGMENTS}", config(&upstream.url())), str::to_owned);
        let server = folder.serve(&[]);
        let (key, granted) = (folder.admit(), folder.pool().0);
        server.stop();
        Self { folder, key, granted, _upstream: upstream }
    }

    /// How often each thread makes each call, but for those that are none of the disk's.
    fn calls(&self) -> BTreeMap<(&'static str, String), usize> {
        let folder = self.folder.copied();
        let server = self.warmed_up(&folder);
        let tracers = THREADS.map(|name| Tracer::of(thread_of(server.process(), name), &["-y"]));
        while_called(server.url(), &self.key, CALLERS, |_| thread::sleep(WATCHED));
        server.stop();
        let mut calls = BTreeMap::new();
        for (name, tracer) in THREADS.into_iter().zip(tracers) {
            for line in tracer.ended().lines().filter(|line| !is_talk(line)) {
                let Some((call, _)) = line.split_once('(') else { continue };
                if is_word(call) && !NOT_OF_THE_DISK.contains(&call) {
                    *calls.entry((name, call.to_owned())).or_insert(0) += 1;
                }
            }
        }
        calls
    }

    /// A server that has published once, so that what its threads ask of the system for themselves when they begin is over.
    fn warmed_up(&self, folder: &Folder) -> Server {
        let server = folder.serve(&[]);
        let checkpoint = || std::fs::read(folder.dir.join("record/checkpoint")).unwrap();
        let before = checkpoint();
        let said = Said::by(&mut Client::new(server.url()), Request::chat(&self.key, &chat(100, false)));
        assert!(matches!(said, Ok(Said::Answered(..))), "{said:?}");
        eventually("a checkpoint is published", || checkpoint() != before);
        server
    }

    fn points(&self) -> Vec<Point> {
        let calls = self.calls();
        say(&format!("the calls of a healthy server: {calls:?}"));
        for (name, call) in [("journal", "pwrite64"), ("journal", "fdatasync"), ("publisher", "fsync")] {
            assert!(calls.contains_key(&(name, call.to_owned())), "{name} makes no {call}: {calls:?}");
        }
        let mut points = Vec::new();
        for ((thread, call), times) in calls {
            for nth in 1..=times.min(TIMES) {
                let point = |error| Point { thread, call: call.clone(), nth, error };
                points.push(point("EIO"));
                if takes_room(&call) {
                    points.push(point("ENOSPC"));
                }
            }
        }
        points
    }

    /// Makes one call fail under load, mends the disk, and judges what is left.
    fn try_out(&self, point: &Point) {
        let folder = self.folder.copied();
        let mut server = self.warmed_up(&folder);
        let tracer = Tracer::failing(
            thread_of(server.process(), point.thread),
            &point.call,
            point.error,
            point.nth,
            &folder.dir.join("record/tmp"),
        );
        let url = server.url().to_owned();
        let (mut told, code) = while_called(&url, &self.key, CALLERS, |_| {
            eventually("the call fails", || tracer.has_failed_it());
            server.exit_within(ENDS_WITHIN)
        });
        match code {
            Some(3) => assert!(
                !point.must_be_survived_if_full(&tracer.failed()),
                "{point}: a full disk is no reason to end\n{}",
                server.said()
            ),
            None if point.is_harmless() || point.may_be_survived_if_full(&tracer.failed()) => {
                told.extend(self.goes_on(&folder, server, point));
            }
            other => panic!("{point}: the server ended with {other:?}\n{}", server.said()),
        }
        self.mended(&folder, &told);
    }

    /// A server that has survived takes new acts again, has left nothing lying about, and stops in good order.
    fn goes_on(&self, folder: &Folder, server: Server, point: &Point) -> Told {
        let (told, ()) = while_called(server.url(), &self.key, 2, |rush| {
            eventually(&format!("{point}: new acts are taken again"), || {
                rush.answers.load(std::sync::atomic::Ordering::SeqCst) > 20
            });
        });
        assert!(!told.answered.is_empty(), "{point}: new acts are answered again");
        server.stop();
        let left = std::fs::read_dir(folder.dir.join("record/tmp")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{point}: files that nobody needs are left where they were staged");
        told
    }

    /// On a disk that is well the server starts, settles what was open, serves, and holds.
    fn mended(&self, folder: &Folder, told: &Told) {
        let server = folder.serve(&[]);
        let (more, ()) = while_called(server.url(), &self.key, 2, |rush| {
            eventually("the mended server answers", || {
                rush.answers.load(std::sync::atomic::Ordering::SeqCst) > 4
            });
        });
        assert!(!more.answered.is_empty() && more.unavailable == 0, "{more:?}");
        server.stop();
        holds_after_all(folder, self.granted, told);
    }
}

/// Whether a line tells of something written to a pipe, a socket or an event: talk between threads, and the log.
fn is_talk(line: &str) -> bool {
    let first = line.split_once('(').map_or("", |(_, arguments)| arguments);
    let handle = first.split([',', ')']).next().unwrap_or_default();
    ["anon_inode:", "pipe:", "socket:", "UNIX", "TCP", "/dev/", "/proc/", "/sys/"]
        .iter()
        .any(|kind| handle.contains(kind))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a call may find that there is no room: those that make or fill files and names.
fn takes_room(call: &str) -> bool {
    matches!(
        call,
        "write"
            | "pwrite64"
            | "writev"
            | "fsync"
            | "fdatasync"
            | "openat"
            | "rename"
            | "renameat"
            | "renameat2"
            | "mkdir"
            | "mkdirat"
            | "link"
            | "linkat"
            | "fallocate"
            | "ftruncate"
            | "copy_file_range"
    )
}

/// One point of each call and error; the journal's own write, and its syncs of files and of directories, each time.
fn spread(points: Vec<Point>) -> Vec<Point> {
    let mut seen = BTreeSet::new();
    let mut is_first = |point: &Point| seen.insert((point.thread, point.call.clone(), point.error));
    let of_the_journal = |point: &Point| {
        point.thread == "journal" && matches!(point.call.as_str(), "pwrite64" | "fdatasync" | "fsync")
    };
    points.into_iter().filter(|point| is_first(point) || of_the_journal(point)).collect()
}

#[test]
fn whichever_call_to_the_disk_fails_nobody_is_told_what_is_not_on_the_record() {
    let scene = Scene::set();
    let mut points = scene.points();
    if std::env::var_os(POINTS).is_none_or(|points| points != "all") {
        points = spread(points);
    }
    println!("{} points", points.len());
    let (tried, left) = (points.len(), Mutex::new(points.into_iter()));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(point) = next(&left) {
                    println!("{point}");
                    let tried =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.try_out(&point)));
                    if tried.is_err() {
                        failed.lock().unwrap().push(point.to_string());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {tried} points do not hold: {failed:?}", failed.len());
}

fn next(left: &Mutex<std::vec::IntoIter<Point>>) -> Option<Point> {
    left.lock().unwrap().next()
}
