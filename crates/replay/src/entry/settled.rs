//! A settlement, field by field. Not here: whether it may stand there.

use super::list::{amount_of_asset, kept, list, strings};
use super::transfers::Transfers;
use super::{Head, salts};
use crate::text::{Read, Text};

/// A settlement, but for its transfers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled<'a> {
    pub(crate) head: Head,
    pub(crate) decided: u64,
    pub(crate) ended: Ended,
    /// The asset and amount that were charged.
    pub(crate) charged: Option<(&'a [u8], i128)>,
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Failed,
    Cancelled,
    Lost,
    Lapsed,
}

impl<'a> Settled<'a> {
    pub(crate) fn read(parties: &'a [u8]) -> Read<(Self, Transfers<'a>)> {
        let mut text = Text::new(parties)?;
        let text = &mut text;
        salts(text, 3)?;
        let head = Head::read(text)?;
        text.literal(r#""what":{"decided":""#)?;
        let decided = text.count()?;
        text.literal(r#","ended":""#)?;
        let ended = ended(text)?;
        if text.has(r#","usage":{"input_tokens":""#) {
            let input = text.count()?;
            if text.has(r#","cached_input_tokens":""#) {
                let before = *text;
                let cached = text.count()?;
                if cached == 0 || cached > input {
                    return before.expected("no more cached input than there was, and some");
                }
            }
            text.literal(r#","output_tokens":""#)?;
            text.count()?;
            text.literal("}")?;
        }
        text.literal(r#","estimated":"#)?;
        text.boolean()?;
        text.literal(r#","attempts":"#)?;
        list(text, |text| {
            strings(text, &[r#"{"upstream":""#, r#","result":""#])?;
            text.literal("}")
        })?;
        if text.has(r#","output":""#) {
            text.digest()?;
        }
        kept(text)?;
        text.literal("},\n\"money\":{")?;
        let charged = if text.has(r#""charged":"#) {
            let charged = amount_of_asset(text)?;
            text.literal(",")?;
            Some(charged)
        } else {
            None
        };
        let transfers = Transfers::of_money(text)?;
        Ok((Self { head, decided, ended, charged }, transfers))
    }
}

fn ended(text: &mut Text<'_>) -> Read<Ended> {
    let before = *text;
    Ok(match text.string()? {
        b"done" => Ended::Done,
        b"failed" => Ended::Failed,
        b"cancelled" => Ended::Cancelled,
        b"lost" => Ended::Lost,
        b"lapsed" => Ended::Lapsed,
        _ => return before.expected("how an act ends"),
    })
}
