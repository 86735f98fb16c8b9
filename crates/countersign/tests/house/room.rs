//! A file system with no room left, under a server that runs: new acts are sent away, what is under way is settled, and it goes on
//! when there is room.
//!
//! Where this process may mount one it is a small one of its own. Where it may not, the system says at each call of the two threads that
//! write the record that there is no room (`strace`), and the test says that this was all. Not here: one call that meets a full
//! disk (`disk`).

use crate::http::{Client, Request};
use crate::server::{Folder, Server, config, eventually, run};
use crate::told::{Told, chat, holds_after_all, while_called};
use crate::tracer::{Tracer, thread_of};
use crate::upstream::{Upstream, Used};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The size of the file system, as `mount` takes it.
const SIZE: &str = "size=8m";
/// Segments of which it has room for several.
const SEGMENTS: &str = "\n[record]\nsegment_bytes = 262144\n";
const CALLERS: usize = 8;
/// The calls that make or fill files.
const CALLS: &str = "inject=openat,write,mkdir,rename:error=ENOSPC";

/// A file system of a few mebibytes, until it is dropped.
struct Small(TempDir);

impl Small {
    /// None where this process may not mount one.
    fn mounted() -> Option<Self> {
        let small = tempfile::tempdir().unwrap();
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(small.path()));
        mounted.status.success().then_some(Self(small))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}

/// Takes all the room that is left.
fn fill(place: &Path) -> PathBuf {
    let path = place.join("filler");
    let mut file = File::create(&path).unwrap();
    let block = vec![1; 4096];
    while file.write_all(&block).is_ok() {}
    path
}

fn is_ready(server: &Server) -> bool {
    Client::new(server.url()).ask(Request::get("/health/ready")).unwrap().status == 200
}

/// A partnership with a server, and a call under way.
struct Scene {
    folder: Folder,
    server: Server,
    key: String,
    granted: i128,
    slow: thread::JoinHandle<String>,
    _upstreams: Upstream,
}

impl Scene {
    fn set(small: Option<&Small>) -> Self {
        let upstream = Upstream::slow(Used::AtMost(60, 100), Duration::from_millis(150));
        let mut folder = Folder::founded(&format!("{}{SEGMENTS}", config(&upstream.url())), str::to_owned);
        if let Some(small) = small {
            folder = folder.moved(&small.path().join("partnership"));
        }
        let server = folder.serve(&[]);
        let (key, granted) = (folder.admit(), folder.pool().0);
        let slow = thread::spawn({
            let (url, key) = (server.url().to_owned(), key.clone());
            move || match Client::new(&url).ask(Request::chat(&key, &chat(100, true))) {
                Ok(answer) => answer.text(),
                Err(error) => error.to_string(),
            }
        });
        eventually("a call is under way", || folder.pool().1 > 0);
        Self { folder, server, key, granted, slow, _upstreams: upstream }
    }

    /// While the disk is full, until `free` makes room; judges what callers meet before and after.
    fn lives_through(self, free: impl FnOnce()) {
        let Self { folder, server, key, granted, slow, _upstreams } = self;
        let (mut told, ()) = while_called(server.url(), &key, CALLERS, |rush| {
            eventually("new acts are sent away", || !is_ready(&server));
            let before = rush.answers.load(Ordering::SeqCst);
            eventually("callers hear of it", || rush.answers.load(Ordering::SeqCst) > before + 50);
        });
        assert!(told.unavailable >= 50, "{} were sent away", told.unavailable);
        let live = Client::new(server.url()).ask(Request::get("/health/live")).unwrap();
        assert_eq!(live.status, 200, "the server stays up");
        let said = slow.join().unwrap();
        assert!(
            said.ends_with("data: [DONE]\n\n"),
            "what was under way is settled and answered in full: {said}"
        );
        eventually("what is under way is settled", || folder.pool().1 == 0);
        assert!(!is_ready(&server));
        free();
        eventually("new acts are taken again", || is_ready(&server));
        let (more, ()) = while_called(server.url(), &key, CALLERS, |rush| {
            eventually("callers are answered", || rush.answers.load(Ordering::SeqCst) > 50);
        });
        let Told { answered, unavailable, .. } = &more;
        assert!(answered.len() > 30 && *unavailable == 0, "{} were sent away", unavailable);
        told.extend(more);
        server.stop();
        assert_eq!(left_staged(&folder), 0);
        holds_after_all(&folder, granted, &told);
    }
}

fn left_staged(folder: &Folder) -> usize {
    fs::read_dir(folder.dir.join("record/tmp")).map_or(0, Iterator::count)
}

#[test]
fn a_full_disk_sends_new_acts_away_settles_what_is_under_way_and_goes_on_when_there_is_room() {
    let Some(small) = Small::mounted() else {
        println!(
            "no file system can be mounted here; the system says at each call that there is no room instead"
        );
        return without_a_file_system_of_its_own();
    };
    let scene = Scene::set(Some(&small));
    let filler = fill(small.path());
    scene.lives_through(|| fs::remove_file(filler).unwrap());
}

#[test]
fn a_disk_that_says_that_it_is_full_is_believed_and_asked_again() {
    without_a_file_system_of_its_own();
}

fn without_a_file_system_of_its_own() {
    let scene = Scene::set(None);
    let process = scene.server.process();
    let tracers = ["journal", "publisher"]
        .map(|name| Tracer::staging(thread_of(process, name), CALLS, &scene.folder.dir.join("record/tmp")));
    scene.lives_through(|| drop(tracers));
}

#[test]
fn a_disk_without_room_for_the_next_checkpoint_is_told_at_the_start_and_the_server_serves_when_there_is_some()
{
    let Some(small) = Small::mounted() else {
        println!(
            "no file system can be mounted here; `disk` and `record` say what a full disk does at the start"
        );
        return;
    };
    let scene = Scene::set(Some(&small));
    let Scene { folder, mut server, key, granted, slow, _upstreams } = scene;
    server.kill();
    drop(slow.join());
    let filler = fill(small.path());
    let server = folder.serve(&[]);
    assert!(!is_ready(&server), "there is no room for the checkpoint of what was lost");
    fs::remove_file(filler).unwrap();
    eventually("new acts are taken", || is_ready(&server));
    let (told, ()) = while_called(server.url(), &key, CALLERS, |rush| {
        eventually("callers are answered", || rush.answers.load(Ordering::SeqCst) > 50);
    });
    server.stop();
    holds_after_all(&folder, granted, &told);
}
