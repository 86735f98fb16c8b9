//! Transfers, handed out one by one while they are read. Not here: what they move.

use crate::moment::Moment;
use crate::text::{Read, Text};

/// One transfer, its names as they are spelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer<'a> {
    pub(crate) leg: u16,
    pub(crate) op: Op,
    pub(crate) debit: &'a [u8],
    pub(crate) credit: &'a [u8],
    pub(crate) asset: &'a [u8],
    pub(crate) amount: i128,
    /// When a reservation may lapse; nothing else has such a time.
    pub(crate) until: Option<Moment>,
}

/// What a transfer does; what ends a reservation names its leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Move,
    Reserve,
    Post(u16),
    Void(u16),
    Lapse(u16),
}

/// The transfers at the end of an entry, read as they are asked for.
#[derive(Debug)]
pub(crate) struct Transfers<'a> {
    text: Text<'a>,
    /// What must stand after the last one.
    end: &'static str,
    is_first: bool,
}

impl<'a> Transfers<'a> {
    /// Those of the first entry, whose other fields were read.
    pub(super) fn of_genesis(text: &mut Text<'a>) -> Read<Self> {
        text.literal("[")?;
        Ok(Self { text: *text, end: "]}", is_first: true })
    }

    /// Those of a `money` object whose other fields were read.
    pub(super) fn of_money(text: &mut Text<'a>) -> Read<Self> {
        text.literal(r#""transfers":["#)?;
        Ok(Self { text: *text, end: "]}}", is_first: true })
    }

    /// The next one; none at the end, where the entry must end too.
    #[inline]
    pub(crate) fn next(&mut self) -> Read<Option<Transfer<'a>>> {
        if self.text.has(self.end) {
            self.text.end()?;
            return Ok(None);
        }
        if !std::mem::take(&mut self.is_first) {
            self.text.literal(",")?;
        }
        self.one().map(Some)
    }

    #[inline]
    fn one(&mut self) -> Read<Transfer<'a>> {
        let text = &mut self.text;
        text.literal(r#"{"leg":""#)?;
        let leg = text.leg()?;
        text.literal(r#","op":""#)?;
        let op = op(text)?;
        text.literal(r#","debit":""#)?;
        let debit = text.string()?;
        text.literal(r#","credit":""#)?;
        let credit = text.string()?;
        text.literal(r#","asset":""#)?;
        let asset = text.string()?;
        text.literal(r#","amount":""#)?;
        let amount = text.amount()?;
        let until = if op == Op::Reserve {
            text.literal(r#","until":""#)?;
            Some(text.moment()?)
        } else {
            None
        };
        text.literal("}")?;
        Ok(Transfer { leg, op, debit, credit, asset, amount, until })
    }
}

#[inline]
fn op(text: &mut Text<'_>) -> Read<Op> {
    let before = *text;
    let ends = match text.string()? {
        b"move" => return Ok(Op::Move),
        b"reserve" => return Ok(Op::Reserve),
        b"post" => Op::Post,
        b"void" => Op::Void,
        b"lapse" => Op::Lapse,
        _ => return before.expected("what a transfer does"),
    };
    text.literal(r#","pending":""#)?;
    text.leg().map(ends)
}
