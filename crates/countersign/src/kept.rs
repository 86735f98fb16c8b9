//! The content of a call on its way into the vault: the request before anything is decided, the answer while it leaves.
//!
//! No byte waits for the vault but the last ones: they leave when the act is settled, and it is settled when its answer is kept. Not
//! here: which calls' content is kept (the terms say so), or how it lies there (`vault`).

use crate::vault::blob::{Part, SEGMENT};
use crate::vault::{Subject, Vault, Writing};
use bytes::Bytes;
use cloud::gateway::Last;
use partnership::act::Digest;
use partnership::ids::ActId;
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Keeps the content of one call.
#[derive(Debug, Clone)]
pub(crate) struct Keeping {
    pub(crate) vault: Arc<Vault>,
    pub(crate) subject: Subject,
    pub(crate) content_key: [u8; 32],
    pub(crate) act: ActId,
}

/// An answer that is being kept while it leaves; dropped before its end, it is not kept.
#[derive(Debug)]
pub(crate) struct Tap {
    /// Sends the last pieces.
    ends: oneshot::Sender<Vec<Bytes>>,
    kept: JoinHandle<io::Result<Answer>>,
    vault: Arc<Vault>,
    act: ActId,
}

/// What came of an answer.
#[derive(Debug)]
struct Answer {
    /// None where its key was erased meanwhile.
    kept: Option<Digest>,
    /// SHA-256 of the content.
    content: [u8; 32],
}

/// How many pieces may wait for the vault.
const PIECES_WAITING_MAX: usize = 32;

impl Keeping {
    /// Keeps the request; durable when this returns.
    ///
    /// Errors: where the vault cannot be written, or its key was erased meanwhile.
    pub(crate) async fn request(&self, body: Bytes) -> io::Result<Digest> {
        let keeping = self.clone();
        let kept = blocking(move || {
            let Self { vault, subject, content_key, act } = &keeping;
            vault.unstick()?;
            let mut writing = vault.writing(content_key, *act, Part::Input)?;
            writing.add(&body)?;
            vault.keep(subject, content_key, writing)
        });
        kept.await?.ok_or_else(|| io::Error::other("its content key was erased meanwhile"))
    }

    /// Forgets a request that no entry names.
    pub(crate) async fn forget(self, kept: Digest) {
        let act = self.act;
        if let Err(error) = blocking(move || self.vault.unkeep(&self.content_key, kept)).await {
            tracing::warn!(%error, %act, "a request is kept that no entry names; it goes with its key");
        }
    }

    /// Begins to keep the answer: what leaves is to be sent to the second.
    pub(crate) fn tap(self) -> (Tap, mpsc::Sender<Bytes>) {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let (ends, end) = oneshot::channel();
        let (vault, act) = (Arc::clone(&self.vault), self.act);
        let kept = tokio::spawn(write(self, pieces, end));
        (Tap { ends, kept, vault, act }, sender)
    }
}

impl Tap {
    /// Ends the answer with its last bytes; it is durable when this returns. `content` is the digest of what it is to be. None where it
    /// is not kept: what could not be kept is told in the log, and no call whose content is to be kept is taken until the vault can be
    /// written again.
    pub(crate) async fn end(self, last: &Last, content: &[u8; 32]) -> Option<Digest> {
        let Self { ends, kept, vault, act } = self;
        let pieces = match last {
            Last::Whole { body, .. } => vec![body.clone()],
            Last::Tail(events) | Last::Broken(events) => events.clone(),
            Last::Nothing => Vec::new(),
        };
        drop(ends.send(pieces));
        match kept.await.map_err(io::Error::other).flatten() {
            Ok(answer) if answer.kept.is_none() => {
                tracing::warn!(%act, "an answer is not kept: its content key was erased meanwhile");
                None
            }
            Ok(answer) if answer.content == *content => answer.kept,
            // The performer fell in the middle of it.
            Ok(_) => {
                tracing::error!(%act, "an answer is not kept: what has left is not what is committed to");
                None
            }
            Err(error) => {
                vault.stick();
                tracing::error!(%error, %act, "an answer cannot be kept; calls whose content is to be kept are refused until the vault can be written");
                None
            }
        }
    }
}

/// Writes the pieces of an answer, a segment's worth at a time. Once it cannot, it goes on taking them, so that nobody waits for it.
async fn write(
    keeping: Keeping,
    mut pieces: mpsc::Receiver<Bytes>,
    mut end: oneshot::Receiver<Vec<Bytes>>,
) -> io::Result<Answer> {
    let mut content = Sha256::new();
    let (mut waiting, mut bytes) = (Vec::new(), 0_usize);
    let mut writing = Ok(None);
    let last = loop {
        let piece = tokio::select! {
            biased;
            Some(piece) = pieces.recv() => piece,
            last = &mut end => break last,
        };
        content.update(&piece);
        bytes = bytes.saturating_add(piece.len());
        waiting.push(piece);
        if bytes >= SEGMENT {
            writing = add(&keeping, writing, std::mem::take(&mut waiting)).await;
            bytes = 0;
        }
    };
    let last = last.map_err(|_| io::Error::other("the call was cut off"))?;
    last.iter().for_each(|piece| content.update(piece));
    waiting.extend(last);
    let written = add(&keeping, writing, waiting).await?;
    let Some(written) = written else { unreachable!("what was added to is there") };
    let kept = blocking(move || keeping.vault.keep(&keeping.subject, &keeping.content_key, written));
    Ok(Answer { kept: kept.await?, content: content.finalize().into() })
}

/// Adds pieces to what is being written, which begins with the first of them.
async fn add(
    keeping: &Keeping,
    writing: io::Result<Option<Writing>>,
    pieces: Vec<Bytes>,
) -> io::Result<Option<Writing>> {
    let writing = writing?;
    let Keeping { vault, content_key, act, .. } = keeping.clone();
    blocking(move || {
        let mut writing = match writing {
            Some(writing) => writing,
            None => vault.writing(&content_key, act, Part::Output)?,
        };
        pieces.iter().try_for_each(|piece| writing.add(piece))?;
        Ok(Some(writing))
    })
    .await
}

/// Does what waits for a disk where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten()
}
