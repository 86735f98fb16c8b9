//! One call from its request to its line in the journal, which is written once, however the call ends.
//!
//! Not the bytes on their way (`body`).

use super::Meter;
use super::journal::Failed;
use super::line::{By, Call, Content, Count, Ended, Line};
use super::passing::{Answering, Asking};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use partnership::ids::{ActId, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest address that is written down. Units: bytes.
const PATH_BYTES_MAX: usize = 256;

/// A request's body, shared by what sends it on and what writes the line.
#[derive(Debug, Clone)]
pub(super) struct Asked(Arc<Mutex<Asking>>);

impl Asked {
    pub(super) fn lock(&self) -> MutexGuard<'_, Asking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. Dropped before it has ended, its caller has left.
#[derive(Debug)]
pub(super) struct UnderWay {
    meter: Arc<Meter>,
    began: Timestamp,
    path: String,
    /// The model that the address names, where it names one.
    deployment: Option<String>,
    asked: Asked,
    answer: Option<Answer>,
    is_written: bool,
}

/// An answer that has begun.
#[derive(Debug)]
struct Answer {
    act: Option<ActId>,
    status: StatusCode,
    body: Answering,
}

impl UnderWay {
    /// A call that begins.
    pub(super) fn begin(meter: &Arc<Meter>, path: &str, deployment: Option<String>) -> Self {
        let asked = Asked(Arc::new(Mutex::new(Asking::new(meter.tokenizers.is_some()))));
        let path = path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default().to_owned();
        Self {
            meter: Arc::clone(meter),
            began: meter.clock.now(),
            path,
            deployment,
            asked,
            answer: None,
            is_written: false,
        }
    }

    /// The request's body.
    pub(super) fn asked(&self) -> Asked {
        self.asked.clone()
    }

    /// The head of its answer has come.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let act = headers.get(ACT).and_then(|act| act.to_str().ok()?.parse().ok());
        let keeps = self.meter.counts(self.model().as_deref());
        self.answer = Some(Answer { act, status, body: Answering::new(headers, keeps) });
    }

    /// Bytes of its answer have come.
    pub(super) fn came(&mut self, bytes: &Bytes) {
        if let Some(answer) = &mut self.answer {
            answer.body.push(bytes);
        }
    }

    /// Whether its stream has shown that it is at its end.
    pub(super) fn has_done(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.body.has_done())
    }

    /// Nothing was sent, so there is nothing to write.
    pub(super) fn never_sent(mut self) {
        self.is_written = true;
    }

    /// Has its line written; resolves when it is.
    ///
    /// Errors: where the journal cannot be written.
    pub(super) async fn write(mut self, came_whole: bool) -> Result<(), Failed> {
        let lacks_done = self.answer.as_ref().is_none_or(|answer| answer.body.lacks_done());
        let ended = match (came_whole, lacks_done) {
            (false, _) => Ended::Cut,
            (true, true) => Ended::Unfinished,
            (true, false) => Ended::Done,
        };
        let own = self.count(ended).await;
        let line = self.line(ended, own);
        // Only now: dropped while it counts, it has ended as one whose caller has left.
        self.is_written = true;
        self.meter.journal.write(line).await
    }

    /// What the meter's own tokenizer counts of it, aside.
    async fn count(&mut self, ended: Ended) -> Option<Count> {
        let tokenizers = self.meter.tokenizers.clone().filter(|_| ended == Ended::Done)?;
        let model = self.model()?;
        let (answer, streams) = self.answer.as_mut()?.body.take_kept()?;
        let asked = self.asked.lock().take_kept()?;
        let counted = tokio::task::spawn_blocking(move || tokenizers.count(&model, &asked, &answer, streams));
        counted.await.ok()?.map(|usage| Count::of(By::Tokenizer, usage))
    }

    fn model(&self) -> Option<String> {
        self.deployment.clone().or_else(|| self.asked.lock().model())
    }

    fn line(&self, ended: Ended, own: Option<Count>) -> Line {
        let model = self.model();
        let asked = self.asked.lock();
        let answer = self.answer.as_ref();
        let shown = answer.and_then(|answer| answer.body.usage()).map(|usage| Count::of(By::Usage, usage));
        let nothing = || Content { bytes: 0, sha256: partnership::act::Digest(record::hash::sha256(&[])) };
        Line::Call(Box::new(Call {
            began: self.began,
            at: self.meter.clock.now(),
            act: answer.and_then(|answer| answer.act),
            path: self.path.clone(),
            model,
            stream: asked.streams(),
            input: asked.content(),
            status: answer.map(|answer| answer.status.as_u16()),
            answered: answer.and_then(|answer| answer.body.model()),
            ended,
            output: answer.map_or_else(nothing, |answer| answer.body.content()),
            counts: shown.into_iter().chain(own).collect(),
        }))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_written {
            let line = self.line(Ended::Left, None);
            self.meter.journal.post(line);
        }
    }
}

/// The header of an answer that names its act.
const ACT: &str = "countersign-act";
