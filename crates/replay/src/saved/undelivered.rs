//! Notices that could not be delivered, as lines. Not here: anything else of a replay (`parts`).

use super::ToLine;
use super::line::Line;
use crate::fold::Replay;
use std::io;

impl Replay {
    pub(super) fn write_undelivered(&self, to: ToLine<'_>) -> io::Result<()> {
        let mut letters = self.undelivered.iter();
        letters.try_for_each(|(notice, receiver)| {
            Line::of("undelivered").spelled(notice).spelled(receiver).end(to)
        })
    }
}
