//! What fields of several kinds of entry have in common. Not here: any one field.

use crate::text::{Read, Text};

/// Reads strings that are not needed, each after its name.
pub(super) fn strings(text: &mut Text<'_>, names: &[&'static str]) -> Read<()> {
    names.iter().try_for_each(|name| {
        text.literal(name)?;
        text.string().map(drop)
    })
}

/// Reads the digest of what is kept in the vault, where there is one.
pub(super) fn kept(text: &mut Text<'_>) -> Read<()> {
    if text.has(r#","kept":""#) { text.digest().map(drop) } else { Ok(()) }
}

/// Reads an amount of an asset.
pub(super) fn amount_of_asset<'a>(text: &mut Text<'a>) -> Read<(&'a [u8], i128)> {
    text.literal(r#"{"asset":""#)?;
    let asset = text.string()?;
    text.literal(r#","amount":""#)?;
    let amount = text.amount()?;
    text.literal("}")?;
    Ok((asset, amount))
}

/// Reads an array, each item by `item`.
pub(super) fn list<'a>(text: &mut Text<'a>, mut item: impl FnMut(&mut Text<'a>) -> Read<()>) -> Read<()> {
    text.literal("[")?;
    if text.has("]") {
        return Ok(());
    }
    loop {
        item(text)?;
        if text.has("]") {
            return Ok(());
        }
        text.literal(",")?;
    }
}

/// An array of strings that was read once, to be read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strings<'a>(Text<'a>);

impl<'a> Strings<'a> {
    pub(super) fn read(text: &mut Text<'a>) -> Read<Self> {
        let strings = Self(*text);
        strings.each(text, |_| {})?;
        Ok(strings)
    }

    fn each(self, text: &mut Text<'a>, mut with: impl FnMut(&'a [u8])) -> Read<()> {
        list(text, |text| {
            text.literal("\"")?;
            with(text.string()?);
            Ok(())
        })
    }

    /// The strings as they are spelled.
    pub(crate) fn all(self) -> Vec<Box<[u8]>> {
        let (mut text, mut all) = (self.0, Vec::new());
        let read = self.each(&mut text, |string| all.push(string.into()));
        debug_assert!(read.is_ok(), "it was read before");
        all
    }
}
