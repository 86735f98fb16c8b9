//! The entries that are about no act, each of one field. Not here: what they must agree with.

use super::list::{amount_of_asset, list};
use super::salts;
use crate::moment::Moment;
use crate::text::{Read, Text, plain};
use record::Hash;

/// A step of the machine's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    pub(crate) at: Moment,
    pub(crate) was: Moment,
    pub(crate) now: Moment,
}

impl Clock {
    pub(crate) fn read(parties: &[u8]) -> Read<Self> {
        let mut text = begin(parties, r#""clock":{"at":""#)?;
        let at = text.moment()?;
        text.literal(r#","was":""#)?;
        let was = text.moment()?;
        text.literal(r#","now":""#)?;
        let now = text.moment()?;
        text.literal("}}")?;
        text.end()?;
        Ok(Self { at, was, now })
    }
}

/// Begins a part of one field.
fn begin<'a>(parties: &'a [u8], name: &'static str) -> Read<Text<'a>> {
    let mut text = Text::new(parties)?;
    salts(&mut text, 1)?;
    text.literal(name)?;
    Ok(text)
}

/// What rate limits refused.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) at: Moment,
    /// Whether each count is above zero, and the keys in order.
    pub(crate) is_sound: bool,
}

impl Tally {
    pub(crate) fn read(parties: &[u8]) -> Read<Self> {
        let mut text = begin(parties, r#""tally":{"at":""#)?;
        let at = text.moment()?;
        text.literal(r#","refused":"#)?;
        let (mut is_sound, mut last) = (true, None::<String>);
        list(&mut text, |text| {
            text.literal(r#"{"key":""#)?;
            let key = text.string()?;
            text.literal(r#","count":""#)?;
            let key = plain(key);
            is_sound &= text.count()? > 0 && last.as_ref().is_none_or(|last| *last < key);
            last = Some(key);
            text.literal("}")
        })?;
        text.literal("}}")?;
        text.end()?;
        Ok(Self { at, is_sound })
    }
}

/// The digest of all entries before.
#[derive(Debug)]
pub(crate) struct StateDigest {
    pub(crate) at: Moment,
    pub(crate) digest: Hash,
}

impl StateDigest {
    pub(crate) fn read(parties: &[u8]) -> Read<Self> {
        let mut text = begin(parties, r#""state":{"at":""#)?;
        let at = text.moment()?;
        text.literal(r#","digest":""#)?;
        let digest = text.hash()?;
        text.literal("}}")?;
        text.end()?;
        Ok(Self { at, digest })
    }
}

/// How much may be under way at once while its decisions are being written.
#[derive(Debug)]
pub(crate) struct Caps<'a> {
    pub(crate) at: Moment,
    pub(crate) expires: Moment,
    pub(crate) calls: u64,
    /// Each asset as it is spelled, with its amount.
    pub(crate) amounts: Vec<(&'a [u8], i128)>,
}

impl<'a> Caps<'a> {
    pub(crate) fn read(parties: &'a [u8]) -> Read<Self> {
        let mut text = begin(parties, r#""lease":{"at":""#)?;
        let at = text.moment()?;
        text.literal(r#","expires":""#)?;
        let expires = text.moment()?;
        text.literal(r#","calls":""#)?;
        let calls = text.count()?;
        text.literal(r#","amounts":"#)?;
        let mut amounts = Vec::new();
        list(&mut text, |text| {
            amounts.push(amount_of_asset(text)?);
            Ok(())
        })?;
        text.literal("}}")?;
        text.end()?;
        Ok(Self { at, expires, calls, amounts })
    }
}
