//! The machine's clock steps, back and forth, under a server that runs: what is on the record, what lapses, and who is let in.
//!
//! `libfaketime` stands between the server and the clock of the day; its steady clock is left alone, as a step leaves it.
//! Not here: the core's own rules for time (`partnership`).

use crate::http::{Client, Request};
use crate::needs;
use crate::server::{Folder, Server, config, cost, eventually, write};
use crate::told::{Recorded, chat, holds_after_all, while_called};
use crate::upstream::{Upstream, Used};
use partnership::act::Ended;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const USED: (u64, u64) = (40, 60);
/// Two looks at the clock of a server that has nothing else to do.
const LOOKS: Duration = Duration::from_millis(2_500);

struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    granted: i128,
    clock: Clock,
    upstream: Upstream,
}

/// The clock that the server sees: the machine's, and so many seconds.
pub(crate) struct Clock {
    file: PathBuf,
    _place: TempDir,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Self { file: place.path().join("offset"), _place: place };
        clock.step_to(0);
        clock
    }

    /// Steps to so many seconds before or after the machine's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the server must never see half of the file; it need not last"
    )]
    pub(crate) fn step_to(&self, seconds: i64) {
        // In place of the old file at once: the server reads it at every look.
        let next = self.file.with_extension("next");
        write(&next, &format!("{seconds:+}\n"));
        std::fs::rename(next, &self.file).unwrap();
    }

    pub(crate) fn serve(&self, folder: &Folder) -> Server {
        self.serve_with(folder, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn serve_with(&self, folder: &Folder, variables: &[(&str, &str)]) -> Server {
        let mut command = Server::command(&folder.dir, &[]);
        command.envs(variables.iter().copied());
        command.env("LD_PRELOAD", needs::faketime()).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Server::by(command)
    }
}

impl Scene {
    fn set(pause: Duration) -> Self {
        let upstream = Upstream::slow(Used::Always(USED.0, USED.1), pause);
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let clock = Clock::new();
        let server = clock.serve(&folder);
        let (key, granted) = (folder.admit(), folder.pool().0);
        Self { folder, server, key, granted, clock, upstream }
    }

    /// The status of one call with a key.
    fn status(&self, key: &str) -> u16 {
        Client::new(self.server.url()).ask(Request::chat(key, &chat(100, false))).unwrap().status
    }

    fn new_key(&self, words: &[&str]) -> String {
        let made = self.folder.said(&[&["key", "new", "--application", "assistant"], words].concat());
        made["key"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_step_back_is_put_on_the_record_whose_time_never_goes_back() {
    let scene = Scene::set(Duration::ZERO);
    let steps = [0, -1, -60, -60, HOUR, 0, DAY, -DAY];
    let (told, ()) = while_called(scene.server.url(), &scene.key, 4, |rush| {
        for seconds in steps {
            scene.clock.step_to(seconds);
            let before = rush.answers.load(Ordering::SeqCst);
            eventually("calls go on", || rush.answers.load(Ordering::SeqCst) > before + 20);
        }
    });
    assert_eq!(told.unavailable, 0, "no step sends anybody away");
    // A machine that does nothing looks at its clock too.
    scene.clock.step_to(-2 * DAY);
    thread::sleep(LOOKS);
    scene.server.stop();
    let recorded = holds_after_all(&scene.folder, scene.granted, &told);
    // Those of more than two seconds: to -60, from an hour to none, from a day to a day back, to two days back; and the record is
    // ahead of the machine's own clock, under which it was opened again.
    assert_eq!(recorded.steps, 5, "each step back is one entry");
}

#[test]
fn a_record_that_is_opened_under_an_earlier_clock_says_so() {
    let scene = Scene::set(Duration::ZERO);
    scene.clock.step_to(HOUR);
    assert_eq!(scene.status(&scene.key), 200);
    scene.server.stop();
    let server = scene.folder.serve(&[]);
    server.stop();
    assert_eq!(Recorded::read(&scene.folder.dir.join("record")).steps, 1);
    scene.folder.verified();
}

#[test]
fn a_step_forward_of_an_hour_lapses_no_call_whose_performer_is_alive() {
    let scene = Scene::set(Duration::from_millis(250));
    let (url, key) = (scene.server.url().to_owned(), scene.key.clone());
    let streams: Vec<_> = (0..3)
        .map(|_| {
            let (url, key) = (url.clone(), key.clone());
            thread::spawn(move || Client::new(&url).ask(Request::chat(&key, &chat(100, true))).unwrap())
        })
        .collect();
    eventually("three calls are under way", || scene.upstream.calls() == 3);
    scene.clock.step_to(HOUR);
    thread::sleep(LOOKS);
    assert!(scene.folder.pool().1 > 0, "what they reserve is still held");
    for stream in streams {
        let answer = stream.join().unwrap();
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
    assert_eq!(scene.folder.pool(), (scene.granted - 3 * cost(USED), 0), "what was used is paid");
    scene.server.stop();
    let recorded = Recorded::read(&scene.folder.dir.join("record"));
    assert!(recorded.allowed.values().flatten().all(|(ended, _)| *ended == Ended::Done));
    scene.folder.verified();
}

#[test]
fn a_step_forward_between_a_crash_and_the_next_start_loses_each_call_once() {
    let Scene { folder, mut server, key, granted, clock, upstream } = Scene::set(Duration::from_millis(250));
    let mut client = Client::new(server.url());
    let body = chat(100, true);
    let mut coming = client.begin(Request::chat(&key, &body)).unwrap();
    assert!(coming.piece().unwrap().is_some());
    server.kill();
    assert_eq!(upstream.calls(), 1);
    clock.step_to(HOUR);
    let server = clock.serve(&folder);
    assert_eq!(folder.pool(), (granted, 0), "its performer is gone, and so is its reservation");
    server.stop();
    let recorded = Recorded::read(&folder.dir.join("record"));
    let ended: Vec<_> =
        recorded.allowed.values().flatten().filter(|(ended, _)| *ended != Ended::Done).collect();
    assert_eq!(ended, [&(Ended::Lost, 0)]);
    folder.verified();
}

#[test]
fn a_key_that_has_expired_is_not_let_in_again_by_a_step_back() {
    let scene = Scene::set(Duration::ZERO);
    let in_two_days = date(2 * DAY);
    let key = scene.new_key(&["--expires", &in_two_days]);
    assert_eq!(scene.status(&key), 200);
    scene.clock.step_to(3 * DAY);
    assert_eq!(scene.status(&key), 401);
    assert_eq!(scene.status(&scene.key), 200, "the record goes on under the later time");
    scene.clock.step_to(0);
    let status = scene.status(&key);
    assert!(matches!(status, 401 | 403), "{status}");
    scene.server.stop();
    scene.folder.verified();
}

#[test]
fn no_step_of_the_clock_lets_a_limited_key_ask_more_often() {
    let scene = Scene::set(Duration::ZERO);
    let key = scene.new_key(&["--requests-per-minute", "3"]);
    let asked = [0, HOUR, -HOUR, DAY, 0, -DAY].map(|seconds| {
        scene.clock.step_to(seconds);
        scene.status(&key)
    });
    assert_eq!(asked, [200, 200, 200, 429, 429, 429]);
    scene.server.stop();
    scene.folder.verified();
}

/// The day that it is so many seconds from now.
fn date(seconds: i64) -> String {
    let output = crate::server::run(std::process::Command::new("date").args([
        "-u",
        "+%F",
        "-d",
        &format!("{seconds} seconds"),
    ]));
    crate::server::done(&output).trim().to_owned()
}
