//! Parties' words on reconciliations, as lines. Not here: anything else of a replay (`parts`).

use super::ToLine;
use super::line::Line;
use crate::fold::Replay;
use std::io;

impl Replay {
    pub(super) fn write_reconciled(&self, to: ToLine<'_>) -> io::Result<()> {
        let mut given = self.reconciled.iter();
        given.try_for_each(|(report, party)| Line::of("reconciled").hash(report).spelled(party).end(to))
    }
}
