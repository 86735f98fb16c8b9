//! Whether a notice is recorded as undelivered: by the clerk alone, and once for each receiver.
//!
//! Not here: when one gives up, which no entry says.

use super::Judgement;
use crate::act::{Act, Principal, Undelivered};
use crate::state::State;

impl State {
    pub(super) fn judge_undelivered(&self, act: &Act, undelivered: &Undelivered) -> Judgement {
        if act.principal != Principal::Clerk {
            return Judgement::invalid(
                "what could not be delivered is recorded by the clerk, and by nobody else",
            );
        }
        if !undelivered.is_sound() {
            return Judgement::invalid(
                "a notice's id, a receiver's name or the word for an error is misspelt",
            );
        }
        if self.dead_letter(&undelivered.notice, &undelivered.receiver).is_some() {
            return Judgement::invalid(format!(
                "`{}` is on the record as undelivered to `{}`",
                undelivered.notice, undelivered.receiver
            ));
        }
        Judgement::allow(Vec::new())
    }
}
