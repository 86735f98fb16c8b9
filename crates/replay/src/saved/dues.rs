//! What fell due by the calendar and whose word there is on payments, as lines and back. Not here: anything else of a replay (`parts`).

use super::ToLine;
use super::line::{Expected, Fields, Line};
use super::parts::text;
use crate::dues::{Dued, Paid, SaidDue, SaidPaid, Stood};
use crate::fold::Replay;
use std::io;

impl Replay {
    pub(super) fn write_dues(&self, to: ToLine<'_>) -> io::Result<()> {
        for (clause, on) in &self.last_due {
            Line::of("due-last").spelled(clause).spelled(on).end(to)?;
        }
        for Dued { index, at, under, clause, on, revenue, owed, stood } in &self.dued {
            let line = Line::of("due-booked").field(index).field(at).field(under).plain(clause).plain(on);
            let line = pair(pair(line, revenue.as_ref()), owed.as_ref());
            let Stood { binding, memo } = stood;
            line.field(binding.0).field(binding.1).field(memo.0).field(memo.1).end(to)?;
        }
        for (clause, words) in &self.words {
            for (reference, party) in words {
                Line::of("due-word").spelled(clause).spelled(reference).spelled(party).end(to)?;
            }
        }
        for Paid { index, under, clause, party, settles } in &self.paid {
            Line::of("due-paid")
                .field(index)
                .field(under)
                .plain(clause)
                .plain(party)
                .field(settles)
                .end(to)?;
        }
        Ok(())
    }

    pub(super) fn read_dues(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        match word {
            "due-last" => {
                self.last_due.insert(fields.spelled()?, fields.spelled()?);
            }
            "due-booked" => {
                let (index, at, under) = (fields.number()?, fields.moment()?, fields.number()?);
                let (clause, on) = (fields.plain()?, fields.plain()?);
                let (revenue, owed) = (read_pair(fields)?, read_pair(fields)?);
                let binding = (fields.number()?, fields.number()?);
                let stood = Stood { binding, memo: (fields.number()?, fields.number()?) };
                self.dued.push(Dued { index, at, under, clause, on, revenue, owed, stood });
            }
            "due-word" => {
                let (clause, reference) = (fields.spelled()?, fields.spelled()?);
                self.words.entry(clause).or_default().insert((reference, fields.spelled()?));
            }
            _ => {
                let (index, under, clause) = (fields.number()?, fields.number()?, fields.plain()?);
                let (party, settles) = (fields.plain()?, super::parts::boolean(fields)?);
                self.paid.push(Paid { index, under, clause, party, settles });
            }
        }
        Ok(())
    }
}

pub(super) fn said_due(line: Line, SaidDue { clause, on, revenue }: &SaidDue) -> Line {
    let line = line.spelled(clause).spelled(on);
    match revenue {
        Some((asset, amount)) => line.field("of").spelled(asset).field(amount),
        None => line.field("none"),
    }
}

pub(super) fn read_said_due(fields: &mut Fields<'_>) -> Result<SaidDue, Expected> {
    let (clause, on) = (fields.spelled()?, fields.spelled()?);
    let revenue = match fields.field()? {
        "of" => Some((fields.spelled()?, fields.number()?)),
        _ => None,
    };
    Ok(SaidDue { clause, on, revenue })
}

pub(super) fn said_paid(line: Line, SaidPaid { clause, party, amount, paid_in }: &SaidPaid) -> Line {
    let (asset, amount) = amount;
    let line = line.spelled(clause).spelled(party).spelled(asset).field(amount);
    match paid_in {
        Some((asset, amount)) => line.field("in").spelled(asset).field(amount),
        None => line.field("none"),
    }
}

pub(super) fn read_said_paid(fields: &mut Fields<'_>) -> Result<SaidPaid, Expected> {
    let (clause, party) = (fields.spelled()?, fields.spelled()?);
    let amount = (fields.spelled()?, fields.number()?);
    let paid_in = match fields.field()? {
        "in" => Some((fields.spelled()?, fields.number()?)),
        _ => None,
    };
    Ok(SaidPaid { clause, party, amount, paid_in })
}

fn pair(line: Line, pair: Option<&(String, i128)>) -> Line {
    match pair {
        Some((name, amount)) => line.field("of").plain(name).field(amount),
        None => line.field("none"),
    }
}

fn read_pair(fields: &mut Fields<'_>) -> Result<Option<(String, i128)>, Expected> {
    match fields.field()? {
        "of" => Ok(Some((text(fields.field()?)?, fields.number()?))),
        "none" => Ok(None),
        _ => Err("`of` or `none`"),
    }
}
