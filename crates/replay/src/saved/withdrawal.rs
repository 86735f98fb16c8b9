//! Withdrawals, as lines. Not here: anything else of a replay (`parts`).

use super::ToLine;
use super::line::{Expected, Fields, Line};
use crate::fold::Replay;
use crate::withdrawal::Withdrawn;
use std::io;

impl Replay {
    pub(super) fn write_withdrawn(&self, to: ToLine<'_>) -> io::Result<()> {
        self.withdrawn.iter().try_for_each(|Withdrawn { index, at, under, party, ends }| {
            Line::of("withdrawn").field(index).field(at).field(under).plain(party).plain(ends).end(to)
        })
    }

    pub(super) fn read_withdrawn(&mut self, fields: &mut Fields<'_>) -> Result<(), Expected> {
        let (index, at, under) = (fields.number()?, fields.moment()?, fields.number()?);
        let (party, ends) = (fields.plain()?, fields.plain()?);
        self.withdrawn.push(Withdrawn { index, at, under, party, ends });
        Ok(())
    }
}
