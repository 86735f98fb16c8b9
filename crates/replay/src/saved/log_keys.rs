//! How the log's key gave way, as lines of a saved replay.

use super::line::{Expected, Fields, Line};
use super::parts::{text, verifier};
use crate::log_keys::LogSuccession;
use std::io;

pub(super) fn write_log_succession(one: &LogSuccession, to: super::ToLine<'_>) -> io::Result<()> {
    log_fields(Line::of("log-succession"), one).end(to)
}

pub(super) fn log_fields(line: Line, one: &LogSuccession) -> Line {
    let LogSuccession { index, under, from, to, party, handed, taken } = one;
    let line = line.field(index).field(under).field(from.vkey()).field(to.vkey());
    line.plain(party).maybe(handed.as_ref()).plain(taken)
}

pub(super) fn log_succession(fields: &mut Fields<'_>) -> Result<LogSuccession, Expected> {
    let (index, under, from, to) = (fields.number()?, fields.number()?, verifier(fields)?, verifier(fields)?);
    let (party, handed, taken) = (fields.plain()?, fields.maybe(text)?, fields.plain()?);
    Ok(LogSuccession { index, under, from, to, party, handed, taken })
}
