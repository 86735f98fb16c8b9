//! The fields of blocks as the file spells them, and which of two blocks' fields differ.
//!
//! Not here: what a field means. Layout is no spelling: a list is on one line here, wherever the file breaks it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::ids::ClauseId;
use crate::memorandum::document::{self, Label};

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// Its name.
    pub field: String,
    /// What the earlier file has; none, if it has no such field.
    pub before: Option<String>,
    /// What the later file has; none, if it has no such field.
    pub after: Option<String>,
    /// For text of several lines: those that stayed at both ends, and between them those that went and those that came. Shape: each line
    /// begins with two spaces, `- ` or `+ `.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// A block's fields by name, as spelled.
pub(super) type Spelled = BTreeMap<String, String>;

/// The blocks of a file that has been read and found sound.
pub(super) struct Blocks<'a> {
    bodies: Vec<(Label, &'a str)>,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let document = document::read(text, &mut Vec::new());
        let body = |block: document::Block| (block.label, text.get(block.body).unwrap_or(""));
        Self { bodies: document.blocks.into_iter().map(body).collect() }
    }

    pub(super) fn header(&self) -> Spelled {
        self.spelled(&Label::Memorandum)
    }

    pub(super) fn clause(&self, id: &ClauseId) -> Spelled {
        self.spelled(&Label::Clause(id.to_string()))
    }

    fn spelled(&self, label: &Label) -> Spelled {
        let Some((_, body)) = self.bodies.iter().find(|(found, _)| found == label) else {
            return Spelled::new();
        };
        let (table, _) = DeTable::parse_recoverable(body);
        let table = table.into_inner();
        table.iter().map(|(name, value)| (name.get_ref().to_string(), spell(body, value))).collect()
    }
}

fn spell(body: &str, value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| spell(body, item)).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let fields =
                table.iter().map(|(name, value)| format!("{} = {}", name.get_ref(), spell(body, value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        _ => body.get(value.span()).unwrap_or("").to_owned(),
    }
}

/// The fields that differ, in the order of their names.
pub(super) fn differing(before: &Spelled, after: &Spelled) -> Vec<FieldDifference> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let difference = |name: &String| {
        let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
        let long = [&before, &after].into_iter().flatten().any(|text| text.contains('\n'));
        let lines = if long { lines(before.as_deref(), after.as_deref()) } else { Vec::new() };
        (before != after).then(|| FieldDifference { field: name.clone(), before, after, lines })
    };
    names.into_iter().filter_map(difference).collect()
}

/// The lines that stayed at both ends, and between them those that went and those that came.
fn lines(before: Option<&str>, after: Option<&str>) -> Vec<String> {
    let split =
        |text: Option<&str>| -> Vec<String> { text.unwrap_or("").lines().map(str::to_owned).collect() };
    let (before, after) = (split(before), split(after));
    let head = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let (gone, come) = (before.get(head..).unwrap_or(&[]), after.get(head..).unwrap_or(&[]));
    let tail = gone.iter().rev().zip(come.iter().rev()).take_while(|(one, other)| one == other).count();
    let without = |lines: &[String]| lines.len().saturating_sub(tail);
    let marked = |mark: &str, lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    let (gone_at, come_at) = (without(gone), without(come));
    [
        marked(" ", before.get(..head).unwrap_or(&[])),
        marked("-", gone.get(..gone_at).unwrap_or(&[])),
        marked("+", come.get(..come_at).unwrap_or(&[])),
        marked(" ", come.get(come_at..).unwrap_or(&[])),
    ]
    .concat()
}

/// Where the header's `effective` has its date. Units: bytes of the file.
pub(crate) fn effective(text: &str) -> Option<std::ops::Range<usize>> {
    let document = document::read(text, &mut Vec::new());
    let block = document.blocks.into_iter().find(|block| block.label == Label::Memorandum)?;
    let (table, _) = DeTable::parse_recoverable(text.get(block.body.clone())?);
    let span = table.get_ref().get("effective")?.span();
    Some(block.body.start.saturating_add(span.start)..block.body.start.saturating_add(span.end))
}
