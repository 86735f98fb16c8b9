//! Reading typed values out of one block of TOML, with a caret for each fault.
//!
//! Not here: which kinds there are (`fields`, `kinds`), and what holds between clauses (`check`).

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::Date;
use ledger::AssetId;
use toml::de::{DeArray, DeTable, DeValue};

use super::clause::Force;
use super::diagnostic::Diagnostic;
use super::fields::{Field, Need};
use super::near::nearest;
use crate::ids::{ApplicationId, ClauseId, PartyId};
use crate::registry::is_name;

/// What the header says that clauses refer to. Parties are unknown if the header could not be read.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) parties: Option<Vec<PartyId>>,
    pub(super) operator: Option<PartyId>,
    pub(super) assets: BTreeMap<AssetId, u8>,
    pub(super) effective: Date,
    pub(super) force: Option<Force>,
}

/// A value and where it stands in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) value: &'a DeValue<'a>,
    start: usize,
    end: usize,
}

impl Found<'_> {
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// One block under reading.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) scope: &'a Scope,
    table: &'a DeTable<'a>,
    body: usize,
    info: Range<usize>,
    fields: Vec<&'static Field>,
    pub(super) faults: &'a mut Vec<Diagnostic>,
    /// The clauses named, to be looked up when all are known.
    pub(super) references: &'a mut Vec<(ClauseId, Range<usize>)>,
}

/// Where a block stands, for a reader of it.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) text: &'a str,
    pub(super) body: usize,
    pub(super) info: Range<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        place: &Place<'a>,
        table: &'a DeTable<'a>,
        scope: &'a Scope,
        faults: &'a mut Vec<Diagnostic>,
        references: &'a mut Vec<(ClauseId, Range<usize>)>,
    ) -> Self {
        let Place { text, body, info } = place.clone();
        Self { text, scope, table, body, info, fields: Vec::new(), faults, references }
    }

    /// From here on only these fields are known; a strange or missing one is a fault.
    pub(super) fn expect(&mut self, what: &str, fields: impl Iterator<Item = &'static Field>) {
        self.fields = fields.collect();
        for (key, _) in self.table {
            if !self.fields.iter().any(|field| field.name == key.get_ref()) {
                let fault = self.unknown_field(what, key.get_ref(), shift(&key.span(), self.body));
                self.faults.push(fault);
            }
        }
        let missing = self
            .fields
            .iter()
            .filter(|field| field.need == Need::Must && !self.table.contains_key(field.name));
        let missing: Vec<Diagnostic> = missing.map(|field| self.missing_field(what, field)).collect();
        self.faults.extend(missing);
    }

    /// Whether it has no other fields than it may; those are a fault already.
    pub(super) fn has_only_known_fields(&self) -> bool {
        self.table.iter().all(|(key, _)| self.fields.iter().any(|field| field.name == key.get_ref()))
    }

    fn unknown_field(&self, what: &str, name: &str, span: Range<usize>) -> Diagnostic {
        let names: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
        let fault = Diagnostic::new(
            "memorandum::unknown-field",
            format!("{what} has no field `{name}`"),
            span,
            "not known here",
        );
        match nearest(name, names.iter().copied()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("its fields are {}", ticked(&names))),
        }
    }

    fn missing_field(&self, what: &str, field: &Field) -> Diagnostic {
        let message = format!("{what} needs the field `{}`", field.name);
        Diagnostic::new("memorandum::missing-field", message, self.info.clone(), "not in this block")
            .help(format!("`{}` is {}", field.name, field.shape.describe()))
    }

    /// The block's opening line, for faults that are about the whole block.
    pub(super) fn block(&self) -> Range<usize> {
        self.info.clone()
    }

    pub(super) fn fault(
        &mut self,
        code: &str,
        message: impl Into<String>,
        span: Range<usize>,
        label: &str,
    ) -> &mut Diagnostic {
        self.faults.push(Diagnostic::new(code, message, span, label));
        self.faults.last_mut().unwrap_or_else(|| unreachable!("a fault was pushed the line before"))
    }

    pub(super) fn found(&self, name: &str) -> Option<Found<'a>> {
        self.table.get(name).map(|value| found(value, self.body))
    }

    fn wrong(&mut self, name: &str, at: Found<'_>) {
        let shape = self.fields.iter().find(|field| field.name == name).map(|field| field.shape.describe());
        let shape = shape.unwrap_or_else(|| unreachable!("`{name}` is read but not in the table of fields"));
        let message = format!("`{name}` cannot be {}", of_type(at.value));
        self.fault("memorandum::wrong-type", message, at.span(), "another type").help =
            Some(format!("`{name}` is {shape}"));
    }

    /// Text, not empty.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.text_at(name).map(|(text, _)| text.to_owned())
    }

    pub(super) fn text_at(&mut self, name: &str) -> Option<(&'a str, Range<usize>)> {
        let at = self.found(name)?;
        match at.value {
            DeValue::String(text) if !text.trim().is_empty() => Some((text, at.span())),
            DeValue::String(_) => {
                self.fault("memorandum::empty", format!("`{name}` is empty"), at.span(), "nothing here");
                None
            }
            _ => {
                self.wrong(name, at);
                None
            }
        }
    }

    /// One of `words`.
    pub(super) fn word(&mut self, name: &str, words: &'static [&'static str]) -> Option<&'static str> {
        let (text, span) = self.text_at(name)?;
        self.known_word(name, text, span, words)
    }

    fn known_word(
        &mut self,
        name: &str,
        text: &str,
        span: Range<usize>,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let word = words.iter().find(|word| **word == text).copied();
        if word.is_none() {
            let help = suggest(text, words);
            self.fault(
                "memorandum::unknown-word",
                format!("`{name}` cannot be `{text}`"),
                span,
                "not one of the words",
            )
            .help = Some(help);
        }
        word
    }

    pub(super) fn words(&mut self, name: &str, words: &'static [&'static str]) -> Option<Vec<String>> {
        let texts = self.texts(name)?;
        let known: Vec<Option<&str>> =
            texts.into_iter().map(|(text, span)| self.known_word(name, text, span, words)).collect();
        known.into_iter().map(|word| word.map(str::to_owned)).collect()
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let at = self.found(name)?;
        let flag = at.value.as_bool();
        if flag.is_none() {
            self.wrong(name, at);
        }
        flag
    }

    /// A whole number within bounds.
    pub(super) fn count(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let at = self.found(name)?;
        self.count_of(name, at, min, max)
    }

    fn count_of(&mut self, name: &str, at: Found<'_>, min: u64, max: u64) -> Option<u64> {
        let Some(number) = at.value.as_integer() else {
            self.wrong(name, at);
            return None;
        };
        let count = u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|count| (min..=max).contains(count));
        if count.is_none() {
            let range =
                if max == u64::MAX { format!("at least {min}") } else { format!("from {min} to {max}") };
            self.fault(
                "memorandum::out-of-range",
                format!("`{name}` must be {range}"),
                at.span(),
                "out of range",
            );
        }
        count
    }

    /// A whole number from `min` that fits 32 bits.
    pub(super) fn count_u32(&mut self, name: &str, min: u32) -> Option<u32> {
        let count = self.count(name, u64::from(min), self.most(name))?;
        u32::try_from(count).ok()
    }

    fn most(&self, name: &str) -> u64 {
        let shape = self.fields.iter().find(|field| field.name == name).map(|field| field.shape);
        match shape {
            Some(super::fields::Shape::Count { max, .. }) => max.min(u64::from(u32::MAX)),
            _ => u64::from(u32::MAX),
        }
    }

    pub(super) fn date(&mut self, name: &str) -> Option<Date> {
        let at = self.found(name)?;
        self.date_at(name, at)
    }

    pub(super) fn date_at(&mut self, name: &str, at: Found<'_>) -> Option<Date> {
        let DeValue::Datetime(moment) = at.value else {
            self.wrong(name, at);
            return None;
        };
        let (Some(date), None, None) = (moment.date, moment.time, moment.offset) else {
            self.wrong(name, at);
            return None;
        };
        let parts = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
        let (Ok(year), Ok(month), Ok(day)) = parts else { return None };
        let date = Date::new(year, month, day).ok();
        if date.is_none() {
            self.fault(
                "memorandum::date",
                format!("`{name}` is not a day of the calendar"),
                at.span(),
                "no such day",
            );
        }
        date
    }

    /// A duration of whole days or longer.
    pub(super) fn duration(&mut self, name: &str) -> Option<(String, jiff::Span)> {
        let (text, span) = self.text_at(name)?;
        let duration = text.parse::<jiff::Span>().ok().filter(|duration| is_calendar(text, duration));
        if duration.is_none() {
            self.fault("memorandum::duration", format!("`{text}` is no duration"), span, "cannot be read")
                .help = Some("write days, weeks, months or years in ISO 8601: `P30D`, `P1Y`".to_owned());
        }
        duration.map(|duration| (text.to_owned(), duration))
    }

    /// A list of texts with the place of each.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<(&'a str, Range<usize>)>> {
        let at = self.found(name)?;
        let Some(list) = at.value.as_array() else {
            self.wrong(name, at);
            return None;
        };
        self.texts_of(name, at, list)
    }

    fn texts_of(
        &mut self,
        name: &str,
        at: Found<'a>,
        list: &'a DeArray<'a>,
    ) -> Option<Vec<(&'a str, Range<usize>)>> {
        let mut texts: Vec<(&str, Range<usize>)> = Vec::new();
        for item in list {
            let item = found(item, self.body);
            let Some(text) = item.value.as_str() else {
                self.wrong(name, item);
                return None;
            };
            if texts.iter().any(|(other, _)| *other == text) {
                self.fault(
                    "memorandum::twice",
                    format!("`{text}` stands twice in `{name}`"),
                    item.span(),
                    "again",
                );
                return None;
            }
            texts.push((text, item.span()));
        }
        if texts.is_empty() {
            self.fault("memorandum::empty", format!("`{name}` is empty"), at.span(), "nothing here");
            return None;
        }
        Some(texts)
    }

    /// A list of texts, none of them empty.
    pub(super) fn plain_texts(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = self.texts(name)?;
        if let Some((_, span)) = texts.iter().find(|(text, _)| text.trim().is_empty()) {
            self.fault(
                "memorandum::empty",
                format!("a text in `{name}` is empty"),
                span.clone(),
                "nothing here",
            );
            return None;
        }
        Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
    }

    pub(super) fn models(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = self.texts(name)?;
        let bad = texts
            .iter()
            .find(|(text, _)| text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()));
        if let Some((text, span)) = bad {
            self.fault(
                "memorandum::model",
                format!("`{text}` is no model id"),
                span.clone(),
                "white space or nothing",
            );
            return None;
        }
        Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
    }

    /// Names of applications. Which there are, a memorandum does not know.
    pub(super) fn applications(&mut self, name: &str) -> Option<Vec<ApplicationId>> {
        let texts = self.texts(name)?;
        if let Some((text, span)) = texts.iter().find(|(text, _)| !is_name(text)) {
            let message = format!("`{text}` is no name of an application");
            self.fault("memorandum::name", message, span.clone(), "cannot be one").help =
                Some("names have lower-case letters, digits and hyphens, 64 at most".to_owned());
            return None;
        }
        Some(texts.into_iter().map(|(text, _)| text.into()).collect())
    }

    pub(super) fn party(&mut self, name: &str) -> Option<PartyId> {
        let (text, span) = self.text_at(name)?;
        self.known_party(text, span)
    }

    pub(super) fn parties(&mut self, name: &str) -> Option<Vec<PartyId>> {
        let texts = self.texts(name)?;
        let known: Vec<Option<PartyId>> =
            texts.into_iter().map(|(text, span)| self.known_party(text, span)).collect();
        known.into_iter().collect()
    }

    pub(super) fn known_party(&mut self, text: &str, span: Range<usize>) -> Option<PartyId> {
        let id = PartyId::from(text);
        let Some(parties) = &self.scope.parties else { return Some(id) };
        if parties.contains(&id) {
            return Some(id);
        }
        let help = suggest(text, &parties.iter().map(PartyId::as_str).collect::<Vec<_>>());
        self.fault("memorandum::unknown-party", format!("`{text}` is no party"), span, "not in the header")
            .help = Some(help);
        None
    }

    pub(super) fn clauses(&mut self, name: &str) -> Option<Vec<ClauseId>> {
        let texts = self.texts(name)?;
        self.references.extend(texts.iter().map(|(text, span)| (ClauseId::from(*text), span.clone())));
        Some(texts.into_iter().map(|(text, _)| ClauseId::from(text)).collect())
    }

    /// Where a part of a string's content stands in the file; the whole value if it is written with escapes.
    pub(super) fn within(&self, span: Range<usize>, content: &str, part: Range<usize>) -> Range<usize> {
        let raw = self.text.get(span.clone()).unwrap_or("");
        let Some(at) = raw.find(content) else { return span };
        let start = span.start.saturating_add(at);
        let end = start.saturating_add(part.end.min(content.len()));
        let part = start.saturating_add(part.start.min(content.len()))..end;
        if self.text.get(part.clone()).is_some() { part } else { span }
    }

    /// A table's entries, each with the place of its key.
    pub(super) fn entries(&mut self, name: &str) -> Option<Vec<(&'a str, Range<usize>, Found<'a>)>> {
        let at = self.found(name)?;
        let Some(table) = at.value.as_table() else {
            self.wrong(name, at);
            return None;
        };
        let entry = |(key, value): (&'a toml::Spanned<_>, &'a toml::Spanned<_>)| self.entry(key, value);
        Some(table.iter().map(entry).collect())
    }

    fn entry(
        &self,
        key: &'a toml::Spanned<std::borrow::Cow<'a, str>>,
        value: &'a toml::Spanned<DeValue<'a>>,
    ) -> (&'a str, Range<usize>, Found<'a>) {
        (key.get_ref(), shift(&key.span(), self.body), found(value, self.body))
    }

    /// A whole number inside a table.
    pub(super) fn entry_count(&mut self, name: &str, at: Found<'_>, max: u64) -> Option<u64> {
        self.count_of(name, at, 0, max)
    }

    pub(super) fn entry_text(&mut self, name: &str, at: Found<'a>) -> Option<&'a str> {
        let text = at.value.as_str();
        if text.is_none() {
            self.wrong(name, at);
        }
        text
    }

    /// The items of a list of tables, each as a found value.
    pub(super) fn items(&mut self, name: &str) -> Option<Vec<Found<'a>>> {
        let at = self.found(name)?;
        let Some(list) = at.value.as_array() else {
            self.wrong(name, at);
            return None;
        };
        Some(list.iter().map(|item| found(item, self.body)).collect())
    }

    /// A table inside the block, read as a block of its own that has these fields.
    pub(super) fn inner<T>(
        &mut self,
        name: &str,
        at: Found<'_>,
        what: &str,
        fields: &'static [Field],
        read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        let Some(table) = at.value.as_table() else {
            self.wrong(name, at);
            return None;
        };
        let place = Place { text: self.text, body: self.body, info: at.span() };
        let mut reader = Reader::new(&place, table, self.scope, self.faults, self.references);
        reader.expect(what, fields.iter());
        read(&mut reader)
    }

    pub(super) fn wrong_item(&mut self, name: &str, at: Found<'_>) {
        self.wrong(name, at);
    }

    /// `later` must come after `earlier`.
    pub(super) fn ordered(&mut self, earlier: (&str, Option<Date>), later: (&str, Option<Date>)) {
        let (Some(first), Some(second)) = (earlier.1, later.1) else { return };
        if second > first {
            return;
        }
        let span = self.found(later.0).map_or_else(|| self.block(), |at| at.span());
        let message = format!("`{}` ({second}) is not after `{}` ({first})", later.0, earlier.0);
        self.fault("memorandum::date-order", message, span, "too early");
    }
}

fn found<'a>(value: &'a toml::Spanned<DeValue<'a>>, body: usize) -> Found<'a> {
    let span = shift(&value.span(), body);
    Found { value: value.get_ref(), start: span.start, end: span.end }
}

fn shift(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start.saturating_add(by)..span.end.saturating_add(by)
}

fn is_calendar(text: &str, duration: &jiff::Span) -> bool {
    text.starts_with('P') && !text.contains('T') && duration.is_positive()
}

fn of_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time of this form",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Advice for a word that is not among `words`.
pub(super) fn suggest(word: &str, words: &[&str]) -> String {
    match nearest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", ticked(words)),
    }
}

fn ticked(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
