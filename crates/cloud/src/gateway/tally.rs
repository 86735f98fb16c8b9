//! What a call used: by the upstream's word, else by count.
//!
//! Not a tokeniser. The count is a stated rule: output is the number of pieces that carried text, or a quarter of the text's
//! bytes if that is more; input is a quarter of the request's bytes. Neither is ever more than was reserved, and usage that
//! was counted is marked as estimated.

use super::Task;
use crate::wire::chunk::Answer;
use partnership::act::Usage;

/// What has been seen of an answer.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pieces: u64,
    text_bytes: u64,
    reported: Option<Usage>,
}

impl Tally {
    /// Takes in an answer, or the next chunk of one.
    pub(super) fn read(&mut self, answer: &Answer<'_>) {
        for choice in answer.choices() {
            self.piece(choice.text_bytes());
        }
        self.reported = answer.usage().or(self.reported);
    }

    /// Takes in a piece of text. Units: bytes.
    pub(super) fn piece(&mut self, text_bytes: u64) {
        self.pieces = self.pieces.saturating_add(u64::from(text_bytes > 0));
        self.text_bytes = self.text_bytes.saturating_add(text_bytes);
    }

    /// What a finished call used, and whether that was counted here for want of the upstream's word.
    ///
    /// The upstream's word is passed on as it is, even beyond what was reserved: what to make of that is not decided here.
    pub(super) fn usage(&self, task: &Task<'_>) -> (Usage, bool) {
        self.reported.map_or_else(|| (self.counted(task), true), |reported| (reported, false))
    }

    /// What a call has used so far, by count.
    pub(super) fn counted(&self, task: &Task<'_>) -> Usage {
        let body_bytes = u64::try_from(task.call.body.len()).unwrap_or(u64::MAX);
        Usage {
            input_tokens: body_bytes.div_ceil(BYTES_PER_TOKEN).min(task.infer.input_tokens_max),
            output_tokens: self
                .pieces
                .max(self.text_bytes.div_ceil(BYTES_PER_TOKEN))
                .min(task.infer.output_tokens_max),
            ..Usage::default()
        }
    }
}

/// English text in the tokenisers in use has about four bytes to a token.
const BYTES_PER_TOKEN: u64 = 4;
