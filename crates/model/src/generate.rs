//! One answer, token by token.
//!
//! Not concerned with threads or queues (`engine`): it runs on the caller's thread and hands out text as it becomes certain.

use crate::chat::Message;
use crate::model::Model;
use crate::sampling::{Sampler, Sampling};
use crate::text::Text;

/// A part of an answer, as an engine's sink receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More text: whole characters, at least one, and nothing of a stop string.
    Text(String),
    /// The end; comes exactly once, last.
    Done(Finish),
}

/// How an answer ended, and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Why it ended.
    pub reason: Reason,
    /// Tokens of the prompt, template included; 0 if it was never taken in.
    pub prompt_tokens: u32,
    /// Tokens the model produced, the one that ends its turn and those of a stop string included; at most `max_tokens`.
    pub completion_tokens: u32,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The model ended its turn, or a stop string came.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
    /// The sink asked for it, or the engine is being stopped.
    Cancelled,
    /// It could not be made; the message says why.
    Failed(String),
}

/// What a sink answers to a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Nobody reads any more: end with [`Reason::Cancelled`].
    Cancel,
}

/// What has been counted so far; outlives a panic.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) prompt_tokens: u32,
    pub(crate) completion_tokens: u32,
}

/// Answers `messages`. `emit` gets each text and says whether to go on; it is also asked, with no text, before each token.
pub(crate) fn generate(
    model: &Model,
    messages: &[Message],
    sampling: &Sampling,
    seed: u64,
    counts: &mut Counts,
    emit: &mut dyn FnMut(Option<String>) -> Flow,
) -> Reason {
    let prompt = match model.prompt(messages) {
        Ok(prompt) => prompt,
        Err(error) => return Reason::Failed(error.to_string()),
    };
    let room = model.context_tokens() as usize - prompt.len();
    let limit = sampling.max_tokens.min(room as u32);
    let mut text = Text::new(&sampling.stop);
    let reason = write(model, &prompt, limit, &mut Sampler::new(sampling, seed), &mut text, counts, emit);
    if reason == Reason::Cancelled || text.stopped() {
        return reason;
    }
    match send(text.finish(), emit) {
        Flow::Continue => reason,
        Flow::Cancel => Reason::Cancelled,
    }
}

fn write(
    model: &Model,
    prompt: &[u32],
    limit: u32,
    sampler: &mut Sampler,
    text: &mut Text,
    counts: &mut Counts,
    emit: &mut dyn FnMut(Option<String>) -> Flow,
) -> Reason {
    let mut memory = model.memory(prompt.len() + limit as usize);
    let mut next = prompt.to_vec();
    while counts.completion_tokens < limit {
        if emit(None) == Flow::Cancel {
            return Reason::Cancelled;
        }
        let logits = model.take_in(&mut memory, &next);
        counts.prompt_tokens = prompt.len() as u32;
        let token = sampler.draw(logits);
        counts.completion_tokens += 1;
        if model.is_control(token) {
            return Reason::Stop;
        }
        if send(text.push(model.token_bytes(token)), emit) == Flow::Cancel {
            return Reason::Cancelled;
        }
        if text.stopped() {
            return Reason::Stop;
        }
        next = vec![token];
    }
    Reason::Length
}

fn send(text: String, emit: &mut dyn FnMut(Option<String>) -> Flow) -> Flow {
    if text.is_empty() { Flow::Continue } else { emit(Some(text)) }
}
