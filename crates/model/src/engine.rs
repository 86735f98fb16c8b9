//! Several answers side by side, on threads of their own.
//!
//! Not async and not a scheduler: a bounded queue in front of a few threads, each making one answer at a time from beginning
//! to end. On Linux the threads yield to the rest of the process (`nice`), so that answering never starves the gateway.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::chat::Message;
use crate::generate::{Counts, Finish, Flow, Piece, Reason, generate};
use crate::model::Model;
use crate::sampling::{Sampling, seed_of};

/// Threads that answer with one [`Model`].
///
/// Dropping it ends what is running and what waits with [`Reason::Cancelled`], then waits for the threads.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// The queue is full; the sink was not called. Try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the built-in model is busy and its queue is full; try again later")]
pub struct Busy;

type Sink = Box<dyn FnMut(Piece) -> Flow + Send>;

#[derive(Debug)]
struct Shared {
    model: Model,
    /// How many requests may run and wait together.
    capacity: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
    stopping: AtomicBool,
    /// How many requests came without a seed, so that each gets another.
    unseeded: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Request>,
    running: usize,
}

struct Request {
    messages: Vec<Message>,
    sampling: Sampling,
    sink: Sink,
}

impl Engine {
    /// Starts `workers` threads (at least one) in front of which at most `queue` requests wait.
    ///
    /// Should the system refuse some of the threads, there are fewer; without any, every request is [`Busy`].
    pub fn start(model: Model, workers: usize, queue: usize) -> Self {
        let shared = Arc::new(Shared {
            model,
            capacity: workers.max(1) + queue,
            queue: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            unseeded: AtomicU64::new(0),
        });
        let workers = (0..workers.max(1)).filter_map(|at| start_worker(&shared, at).ok()).collect();
        Self { shared, workers }
    }

    /// Answers `messages`: `sink` gets each piece on a thread of the engine, and [`Piece::Done`] exactly once, last.
    ///
    /// A prompt longer than the context ends as [`Reason::Failed`]; `max_tokens` is lowered to what the context leaves. What
    /// the sink answers to `Done` does not matter. A sink should not block: it holds up a thread.
    /// Errors: [`Busy`] if the queue is full; the sink is not called then.
    pub fn generate(&self, messages: Vec<Message>, sampling: Sampling, sink: Sink) -> Result<(), Busy> {
        let mut queue = self.shared.queue();
        if self.workers.is_empty() || queue.running + queue.waiting.len() >= self.shared.capacity {
            return Err(Busy);
        }
        queue.waiting.push_back(Request { messages, sampling, sink });
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// The model it answers with.
    pub fn model(&self) -> &Model {
        &self.shared.model
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        {
            let _queue = self.shared.queue(); // so that no worker is between looking and waiting
            self.shared.stopping.store(true, Ordering::Release);
        }
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what a request throws; were it to fail all the same, there is nobody left to tell.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a request; none when stopping and nothing waits any more.
    fn next(&self) -> Option<Request> {
        let mut queue = self.queue();
        loop {
            if let Some(request) = queue.waiting.pop_front() {
                queue.running += 1;
                return Some(request);
            }
            if self.stopping.load(Ordering::Acquire) {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, request: Request) {
        let Request { messages, sampling, mut sink } = request;
        let mut counts = Counts::default();
        let seed = sampling.seed.unwrap_or_else(|| self.new_seed(&messages));
        let mut emit = |text: Option<String>| match text {
            _ if self.stopping.load(Ordering::Relaxed) => Flow::Cancel,
            Some(text) => sink(Piece::Text(text)),
            None => Flow::Continue,
        };
        let answer = || generate(&self.model, &messages, &sampling, seed, &mut counts, &mut emit);
        let reason =
            catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|thrown| Reason::Failed(said(&*thrown)));
        let Counts { prompt_tokens, completion_tokens } = counts;
        // The place is free before the end is told, so that who waits for the end can ask again at once.
        self.queue().running -= 1;
        let done = Piece::Done(Finish { reason, prompt_tokens, completion_tokens });
        // A sink that panics at the end has had its end.
        let _ = catch_unwind(AssertUnwindSafe(move || sink(done)));
    }

    fn new_seed(&self, messages: &[Message]) -> u64 {
        let count = self.unseeded.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        seed_of(messages.iter().flat_map(|message| message.content.bytes()).chain(count))
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("sampling", &self.sampling).finish_non_exhaustive()
    }
}

fn start_worker(shared: &Arc<Shared>, at: usize) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name(format!("model-{at}")).spawn(move || {
        yield_to_others();
        while let Some(request) = shared.next() {
            shared.serve(request);
        }
    })
}

/// Lowers this thread's priority. Linux keeps it per thread; elsewhere it would be the whole process's, so it is left alone.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10); // lowering one's own priority is always allowed; were it not, nothing is lost
}

fn said(thrown: &(dyn Any + Send)) -> String {
    let text = thrown.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
    format!("the built-in model failed: {}", text.as_deref().unwrap_or("no reason given"))
}
