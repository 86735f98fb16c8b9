//! The first entry, field by field. Not here: whether its signatures verify (`founding`).

use super::list::list;
use super::salts;
use super::transfers::Transfers;
use crate::moment::Moment;
use crate::text::{Read, Text};
use record::Hash;

/// The first entry, but for its transfers.
#[derive(Debug)]
pub(crate) struct Genesis<'a> {
    pub(crate) at: Moment,
    pub(crate) origin: &'a [u8],
    pub(crate) memorandum: Hash,
    /// Each party with its vkey, as they are spelled.
    pub(crate) vkeys: Vec<(&'a [u8], &'a [u8])>,
    /// Each party with its signature.
    pub(crate) signatures: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Genesis<'a> {
    pub(crate) fn read(parties: &'a [u8]) -> Read<(Self, Transfers<'a>)> {
        let mut text = Text::new(parties)?;
        let text = &mut text;
        salts(text, 2)?;
        text.literal(r#""genesis":{"at":""#)?;
        let at = text.moment()?;
        text.literal(r#","origin":""#)?;
        let origin = text.string()?;
        text.literal(r#","memorandum":""#)?;
        let memorandum = text.hash()?;
        text.literal(r#","vkeys":"#)?;
        let vkeys = of_parties(text)?;
        text.literal(r#","signatures":"#)?;
        let signatures = of_parties(text)?;
        text.literal("},\n\"money\":")?;
        let transfers = Transfers::of_genesis(text)?;
        Ok((Self { at, origin, memorandum, vkeys, signatures }, transfers))
    }
}

fn of_parties<'a>(text: &mut Text<'a>) -> Read<Vec<(&'a [u8], &'a [u8])>> {
    let mut pairs = Vec::new();
    list(text, |text| {
        text.literal(r#"{"party":""#)?;
        let party = text.string()?;
        text.literal(r#","value":""#)?;
        pairs.push((party, text.string()?));
        text.literal("}")
    })?;
    Ok(pairs)
}
