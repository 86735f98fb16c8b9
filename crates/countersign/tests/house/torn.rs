//! A record whose last page is torn, or damaged elsewhere, by hand: what the server does when it is started on it.
//!
//! Not here: every way in which a power cut can tear a page (`record` simulates those).

use crate::server::{BINARY, Folder, Server, config, run, verify};
use crate::told::{Recorded, holds_after_all, while_called};
use crate::upstream::{Upstream, Used};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;

const SECTOR: usize = 512;
/// How often it is tried to kill a server between a write and the checkpoint that covers it.
const TRIES: u32 = 10;

struct Scene {
    folder: Folder,
    key: String,
    granted: i128,
    _upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(Used::AtMost(60, 100));
        let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
        let server = folder.serve(&[]);
        let (key, granted) = (folder.admit(), folder.pool().0);
        server.stop();
        Self { folder, key, granted, _upstream: upstream }
    }

    /// The last segment of the journal that holds anything, and where it ends.
    fn last_segment(&self) -> (PathBuf, Vec<u8>, usize) {
        let mut paths: Vec<_> = fs::read_dir(self.folder.dir.join("record/journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let found = paths.into_iter().rev().find_map(|path| {
            let bytes = fs::read(&path).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0)? + 1;
            Some((path, bytes, used))
        });
        found.unwrap()
    }

    /// Changes the last segment, given its bytes and where they end.
    fn change(&self, change: impl FnOnce(&mut [u8], usize)) {
        let (path, mut bytes, used) = self.last_segment();
        change(&mut bytes, used);
        File::create(path).unwrap().write_all(&bytes).unwrap();
    }

    /// Starts a server that is to refuse, and gives what it says.
    fn refused(&self) -> String {
        let before = self.last_segment().1;
        let output = run(&mut Server::command(&self.folder.dir, &[]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(self.last_segment().1, before, "what is damaged is left as it is");
        said
    }

    fn rush(&self, answers: u64, end: impl FnOnce(Server)) {
        let server = self.folder.serve(&[]);
        let url = server.url().to_owned();
        while_called(&url, &self.key, 4, |rush| {
            crate::server::eventually("enough answers", || rush.answers.load(Ordering::SeqCst) >= answers);
            end(server);
        });
    }
}

#[test]
fn a_write_that_was_cut_off_is_removed_and_told_of() {
    let scene = Scene::set();
    scene.rush(40, Server::stop);
    // What lies where the next write would: a part of an earlier one, as a disk may leave it.
    scene.change(|bytes, used| bytes.copy_within(used - 700..used - 50, used));
    let said = String::from_utf8_lossy(&verify(&scene.folder.dir, &[]).stderr).into_owned();
    assert!(said.contains("torn write"), "{said}");
    let server = scene.folder.serve(&[]);
    let said = server.said();
    assert!(
        said.contains("a write that nobody was told of was cut off") && said.contains("bytes=6"),
        "{said}"
    );
    server.stop();
    holds_after_all(&scene.folder, scene.granted, &Default::default());
}

#[test]
fn a_last_page_that_a_crash_garbled_is_cut_off_and_the_rest_holds() {
    let scene = Scene::set();
    for tried in 1.. {
        scene.rush(20, |mut server| server.kill());
        let whole = scene.last_segment().1;
        scene.change(|bytes, used| bytes[(used - 1) / SECTOR * SECTOR..used].fill(0xa5));
        // It opens the record, and then has nowhere to listen.
        let output = run(Command::new(BINARY).arg("up").arg(&scene.folder.dir).args(["--listen", "nowhere"]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("a write that nobody was told of was cut off") {
            break;
        }
        // It was published already, so it is no crash's work: put it back and try again.
        assert!(said.contains("before the checkpoint") && tried < TRIES, "{said}");
        scene.change(|bytes, _| bytes.copy_from_slice(&whole));
    }
    let recorded = holds_after_all(&scene.folder, scene.granted, &Default::default());
    assert!(!recorded.allowed.is_empty());
}

#[test]
fn damage_to_what_was_durable_refuses_to_start_and_changes_nothing() {
    let scene = Scene::set();
    scene.rush(40, Server::stop);
    let whole = scene.last_segment().1;
    for (what, place, says) in [
        ("in front of later writes", 0, "frames after it were written later"),
        ("in the last write, which is published", 1, "before the checkpoint"),
    ] {
        scene.change(|bytes, used| bytes[if place == 0 { 40 } else { used - 20 }] ^= 1);
        let said = scene.refused();
        assert!(said.contains(says), "{what}: {said}");
        assert!(!verify(&scene.folder.dir, &[]).status.success(), "{what}");
        scene.change(|bytes, _| bytes.copy_from_slice(&whole));
    }
    holds_after_all(&scene.folder, scene.granted, &Default::default());
    assert!(Recorded::read(&scene.folder.dir.join("record")).allowed.len() >= 30);
}
