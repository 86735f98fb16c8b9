//! A meter's journal: lines that are only ever added, hashed into a tree whose root the party signs (`docs/METER.md`).
//!
//! Not the operator's record: it has no entries of acts, and no answer waits for its disk. A line is handed to the system before the last byte of its answer
//! is passed on, and signed within a second: what a power cut may lose is what was not yet signed, and a killed process loses nothing
//! that it wrote.
//!
//! Two threads: one writes, the other syncs and signs, so that no write waits for a sync. What either cannot do is not tried again.

mod read;

pub(crate) use read::Reader;

use super::line::Line;
use crate::clock::Clock;
use crate::files;
use anyhow::{Context as _, bail};
use record::Checkpoint;
use record::hash::{hex, leaf_hash};
use record::merkle::Frontier;
use record::note::Signer;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The file of the lines.
const LINES: &str = "lines";
/// The file of the signed root.
const HEAD: &str = "head";
/// How often what has grown is signed.
const SIGNED_EVERY: Duration = Duration::from_secs(1);
/// How many lines are written at once, at most.
const BATCH_MAX: usize = 256;

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    orders: Sender<Order>,
    shared: Arc<Shared>,
    threads: Mutex<Threads>,
}

/// A line to be written, and who waits for that.
#[derive(Debug)]
struct Order {
    line: Line,
    written: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Shared {
    tree: Mutex<Frontier>,
    failed: watch::Sender<Option<Arc<str>>>,
}

#[derive(Debug)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    signer: Option<(Sender<()>, JoinHandle<()>)>,
}

/// The journal can take no lines any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the meter's journal cannot be written")]
pub(crate) struct Failed;

impl Journal {
    /// Opens the journal in `dir`, made where it is missing, and writes that a meter begins that sends calls on to `to`. What a crash
    /// has left torn after the signed lines is cut off.
    ///
    /// Errors: where another process writes it, signed lines are not as they were signed, or it cannot be written.
    pub(crate) fn open(dir: &Path, signer: Signer, to: &str, clock: Clock) -> anyhow::Result<Self> {
        if !dir.is_dir() {
            files::new_directory(dir, 0o700)
                .with_context(|| format!("the journal `{}` cannot be made", dir.display()))?;
        }
        let path = dir.join(LINES);
        let file = File::options().create(true).append(true).read(true).open(&path);
        let mut file = file.with_context(|| format!("`{}` cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another meter writes `{}`; give this one a journal of its own", dir.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("`{}` cannot be locked", path.display()));
            }
        }
        let (found, torn_bytes) = read::resume(dir, &signer.verifier())?;
        if torn_bytes > 0 {
            tracing::warn!(bytes = torn_bytes, "a line that a crash has cut short is taken off the journal");
            file.set_len(found.sound_bytes)?;
        }
        let journal = found.journal.unwrap_or_else(|| hex(clock.random().split_at(16).0));
        let origin = origin(signer.name(), &journal);
        let line = Line::Start { at: clock.now(), journal, to: to.to_owned() };
        let mut tree = found.tree;
        write(&mut file, std::slice::from_ref(&line), &mut tree)
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
        let mut head = Head { file: file.try_clone()?, path: dir.join(HEAD), origin, signer, signed: 0 };
        head.sign(&tree).with_context(|| format!("`{}` cannot be written", head.path.display()))?;
        Ok(Self::start(file, tree, head))
    }

    fn start(file: File, tree: Frontier, head: Head) -> Self {
        let shared = Arc::new(Shared { tree: Mutex::new(tree), failed: watch::Sender::new(None) });
        let (orders, ordered) = channel();
        let (stops, stop) = channel();
        let writer = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_all(file, &ordered)
        });
        let signer = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.sign_all(head, &stop)
        });
        let threads = Threads { writer: Some(writer), signer: Some((stops, signer)) };
        Self { orders, shared, threads: Mutex::new(threads) }
    }

    /// Has a line written, and resolves when the system has it.
    ///
    /// Errors: where it cannot be; then no later one can.
    pub(crate) async fn write(&self, line: Line) -> Result<(), Failed> {
        let (written, done) = oneshot::channel();
        self.orders.send(Order { line, written: Some(written) }).map_err(|_| Failed)?;
        done.await.map_err(|_| Failed)
    }

    /// Has a line written; whoever wants to know whether it could be looks at [`Journal::failure`].
    pub(crate) fn post(&self, line: Line) {
        if self.orders.send(Order { line, written: None }).is_err() {
            tracing::error!("a call was not written into the journal, which cannot be written any more");
        }
    }

    /// How many lines it has.
    pub(crate) fn size(&self) -> u64 {
        self.shared.tree().size()
    }

    /// Why it can take no more lines, if it cannot.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.shared.failed.borrow().clone()
    }

    /// Resolves when it can take no more lines, with the reason.
    pub(crate) async fn failed(&self) -> Arc<str> {
        let mut failed = self.shared.failed.subscribe();
        let reason = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| Arc::from("its thread has gone"))
    }

    /// Writes that the meter stops, syncs and signs. Nothing can be written afterwards.
    ///
    /// Blocks. Errors: why not all could be written.
    pub(crate) fn close(self, clock: Clock) -> anyhow::Result<()> {
        let Self { orders, shared, threads } = self;
        drop(orders.send(Order { line: Line::Stop { at: clock.now() }, written: None }));
        drop(orders);
        let mut threads = threads.into_inner().unwrap_or_else(PoisonError::into_inner);
        drop(threads.writer.take().map(JoinHandle::join));
        if let Some((stop, signer)) = threads.signer.take() {
            drop(stop);
            drop(signer.join());
        }
        match &*shared.failed.borrow() {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }
}

impl Shared {
    fn tree(&self) -> std::sync::MutexGuard<'_, Frontier> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is ordered, as many lines at once as have come.
    fn write_all(&self, mut file: File, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let (mut lines, mut waiting) = (vec![first.line], vec![first.written]);
            while lines.len() < BATCH_MAX
                && let Ok(next) = orders.try_recv()
            {
                lines.push(next.line);
                waiting.push(next.written);
            }
            let mut tree = self.tree().clone();
            if let Err(error) = write(&mut file, &lines, &mut tree) {
                return self.fail(&format!("the meter's journal cannot be written: {error}"));
            }
            *self.tree() = tree;
            for written in waiting.into_iter().flatten() {
                // Whoever waited may have left.
                let _ = written.send(());
            }
        }
    }

    /// Signs what has grown, until told to stop; then once more.
    fn sign_all(&self, mut head: Head, stop: &Receiver<()>) {
        loop {
            let stopped = stop.recv_timeout(SIGNED_EVERY) != Err(RecvTimeoutError::Timeout);
            let tree = self.tree().clone();
            if let Err(error) = head.sign(&tree) {
                return self.fail(&format!("the meter's journal cannot be synced and signed: {error}"));
            }
            if stopped {
                return;
            }
        }
    }

    fn fail(&self, reason: &str) {
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            failed.get_or_insert_with(|| Arc::from(reason));
            is_first
        });
    }
}

/// The signed root, and what signs it.
struct Head {
    file: File,
    path: PathBuf,
    origin: String,
    signer: Signer,
    /// How many lines the last one was over.
    signed: u64,
}

impl Head {
    /// Syncs the lines of `tree` and signs its root, if it has grown.
    fn sign(&mut self, tree: &Frontier) -> std::io::Result<()> {
        if tree.size() == self.signed {
            return Ok(());
        }
        self.file.sync_data()?;
        let head = Checkpoint { origin: self.origin.clone(), size: tree.size(), root: tree.root() };
        let note = head.sign(&self.signer).map_err(std::io::Error::other)?;
        files::replace(&self.path, &note, 0o644)?;
        self.signed = tree.size();
        Ok(())
    }
}

/// Writes lines in one piece, and lets the tree grow by them.
fn write(file: &mut File, lines: &[Line], tree: &mut Frontier) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for line in lines {
        let text = line.encode();
        tree.append(leaf_hash(&text));
        bytes.extend_from_slice(&text);
        bytes.push(b'\n');
    }
    file.write_all(&bytes)
}

/// The first line of what is signed: no log, party or other journal has it.
fn origin(key: &str, journal: &str) -> String {
    format!("{key}/meter/{journal}")
}

#[cfg(test)]
mod tests;
