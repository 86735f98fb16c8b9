//! One line of a saved replay: a word, and fields after tabs. Not what they mean.

use crate::act_id::ActId;
use crate::moment::Moment;
use record::Hash;
use record::hash::{base64, hash_from_base64};
use std::fmt::Display;
use std::io;
use std::str::{FromStr, Split};

/// What a field had to be.
pub(crate) type Expected = &'static str;

/// A line as it is put together.
pub(crate) struct Line(Vec<u8>);

impl Line {
    pub(crate) fn of(word: &str) -> Self {
        Self(word.as_bytes().to_vec())
    }

    /// What is written without a tab or the end of a line.
    pub(crate) fn field(self, field: impl Display) -> Self {
        self.spelled(field.to_string().as_bytes())
    }

    /// What may be missing.
    pub(crate) fn maybe(self, field: Option<impl Display>) -> Self {
        match field {
            Some(field) => self.field(field),
            None => self.field(MISSING),
        }
    }

    pub(crate) fn hash(self, hash: &Hash) -> Self {
        self.field(base64(hash))
    }

    /// What stands as the record spells it.
    pub(crate) fn spelled(mut self, spelled: &[u8]) -> Self {
        self.0.push(b'\t');
        self.0.extend_from_slice(spelled);
        self
    }

    pub(crate) fn all_spelled<'a>(self, all: impl IntoIterator<Item = &'a Box<[u8]>>) -> Self {
        all.into_iter().fold(self, |line, spelled| line.spelled(spelled))
    }

    /// What was read from its spelling; it is spelled again.
    pub(crate) fn plain(self, text: &str) -> Self {
        self.spelled(&spell(text))
    }

    pub(crate) fn all_plain<'a>(self, all: impl IntoIterator<Item = &'a String>) -> Self {
        all.into_iter().fold(self, |line, text| line.plain(text))
    }

    pub(crate) fn end(self, to: crate::saved::ToLine<'_>) -> io::Result<()> {
        to(&self.0)
    }
}

/// The fields of a line that are not read yet.
pub(crate) struct Fields<'a> {
    word: &'a str,
    rest: Split<'a, char>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Result<Self, Expected> {
        let text = str::from_utf8(line).map_err(|_| "utf-8")?;
        let mut rest = text.split('\t');
        Ok(Self { word: rest.next().unwrap_or_default(), rest })
    }

    pub(crate) fn word(&self) -> &'a str {
        self.word
    }

    pub(crate) fn field(&mut self) -> Result<&'a str, Expected> {
        self.rest.next().ok_or("one more field")
    }

    pub(crate) fn number<T: FromStr>(&mut self) -> Result<T, Expected> {
        self.field()?.parse().map_err(|_| "a decimal")
    }

    pub(crate) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, Expected> {
        let field = self.field()?;
        if field == MISSING { Ok(None) } else { read(field).map(Some) }
    }

    pub(crate) fn hash(&mut self) -> Result<Hash, Expected> {
        hash(self.field()?)
    }

    pub(crate) fn moment(&mut self) -> Result<Moment, Expected> {
        moment(self.field()?)
    }

    pub(crate) fn id(&mut self) -> Result<ActId, Expected> {
        ActId::of(self.field()?.as_bytes()).ok_or("the id of an act")
    }

    pub(crate) fn spelled(&mut self) -> Result<Box<[u8]>, Expected> {
        Ok(self.field()?.as_bytes().into())
    }

    pub(crate) fn all_spelled(&mut self) -> Vec<Box<[u8]>> {
        self.rest.by_ref().map(|field| field.as_bytes().into()).collect()
    }

    pub(crate) fn plain(&mut self) -> Result<String, Expected> {
        Ok(crate::text::plain(self.field()?.as_bytes()))
    }

    pub(crate) fn all_plain(&mut self) -> Vec<String> {
        self.rest.by_ref().map(|field| crate::text::plain(field.as_bytes())).collect()
    }

    pub(crate) fn end(&mut self) -> Result<(), Expected> {
        if self.rest.next().is_none() { Ok(()) } else { Err("no more fields") }
    }
}

pub(crate) fn hash(field: &str) -> Result<Hash, Expected> {
    hash_from_base64(field).ok_or("a digest in base64")
}

pub(crate) fn moment(field: &str) -> Result<Moment, Expected> {
    Moment::parse(field.as_bytes()).ok_or("a moment")
}

pub(crate) fn number<T: FromStr>(field: &str) -> Result<T, Expected> {
    field.parse().map_err(|_| "a decimal")
}

/// The one spelling of a string, as the record has it.
fn spell(text: &str) -> Vec<u8> {
    let mut spelled = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => spelled.extend([b'\\', byte]),
            8 => spelled.extend(b"\\b"),
            b'\t' => spelled.extend(b"\\t"),
            b'\n' => spelled.extend(b"\\n"),
            12 => spelled.extend(b"\\f"),
            b'\r' => spelled.extend(b"\\r"),
            0..0x20 => spelled.extend(format!("\\u{byte:04x}").bytes()),
            _ => spelled.push(byte),
        }
    }
    spelled
}

/// Stands for a field that is not there. No field that may be missing is spelled so.
const MISSING: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_is_read_back_whatever_it_holds() {
        for text in ["", "north", "a\tb\nc\"d\\e\u{1f}\u{0}\u{8}\u{c}\r", "Ü — 内", "-"] {
            let mut line = Vec::new();
            let written = Line::of("word").plain(text).plain(text).end(&mut |bytes| {
                line = bytes.to_vec();
                Ok(())
            });
            written.unwrap();
            assert!(!line.contains(&b'\n'));
            let mut fields = Fields::of(&line).unwrap();
            assert_eq!((fields.word(), fields.plain().unwrap()), ("word", text.to_owned()));
            assert_eq!(fields.all_plain(), [text]);
            assert_eq!(fields.end(), Ok(()));
        }
    }
}
