//! What travels in a receipt beside the proof: the entry itself, and the fields of it that are shown.
//!
//! Not authenticated by itself: the proof covers the entry, and the entry's body covers the fields.

use partnership::entry::fields_of;
use record::commitment::{Disclosure, Fields, Salt};
use record::hash::{base64, from_base64, hash_from_base64};
use record::{Envelope, Handover};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The fields of a decision that a receipt shows to whoever may read them.
const SHOWN: [&str; 2] = ["act", "why"];

/// The extra data of a receipt, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extra {
    /// The public envelope, byte for byte.
    pub(crate) entry: String,
    /// Fields of the parties' part, each with what proves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    opening: Vec<Opening>,
    /// How the log's keys handed over, a line for each, for whoever knows an earlier one: proven by its own signatures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    handover: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    field: String,
    value: Box<RawValue>,
    salt: String,
    index: usize,
    others: Vec<String>,
}

/// Why the extra data of a receipt do not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtraError {
    #[error("the receipt carries no entry; ask for it again")]
    None,
    #[error("what the receipt carries does not parse: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the entry in the receipt is no envelope: {0}")]
    Envelope(#[from] record::envelope::EnvelopeError),
    #[error("the receipt shows a field twice")]
    Twice,
    #[error("the field `{0}` that the receipt shows is not the one that the entry commits to")]
    Field(String),
}

impl Extra {
    /// The extra data for an envelope; with the parties' part, some of its fields are shown.
    pub(super) fn of(envelope: &[u8], parties: Option<&[u8]>) -> Self {
        let entry = String::from_utf8_lossy(envelope).into_owned();
        let fields = parties.and_then(|parties| Fields::parse(parties).ok());
        let opening = fields.map(|fields| {
            SHOWN.iter().filter_map(|field| Opening::of(fields.disclose(field).ok()?)).collect()
        });
        Self { entry, opening: opening.unwrap_or_default(), handover: Vec::new() }
    }

    /// The same with the lines of the file that says how the log's keys handed over.
    pub(super) fn with_handover(mut self, file: &[u8]) -> Self {
        self.handover = String::from_utf8_lossy(file).lines().map(str::to_owned).collect();
        self
    }

    /// How the log's keys handed over, as far as it can be read. Nothing is verified.
    pub(crate) fn handovers(&self) -> Vec<Handover> {
        let lines: String = self.handover.iter().map(|line| format!("{line}\n")).collect();
        Handover::parse(&lines).unwrap_or_default()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("it is plain text: {error}"))
    }

    /// The extra data that show the fields of a leaf, as text.
    #[cfg(test)]
    pub(crate) fn of_leaf(envelope: &[u8], parties: &[u8]) -> String {
        String::from_utf8(Self::of(envelope, Some(parties)).encode()).unwrap()
    }

    /// Reads the extra data, and checks that the entry commits to each field shown, in the place that its kind has for it, and that none
    /// is shown twice: so one entry says one thing, whoever is shown it.
    pub(crate) fn read(bytes: Option<&[u8]>) -> Result<Self, ExtraError> {
        let extra: Self = serde_json::from_slice(bytes.ok_or(ExtraError::None)?)?;
        let Envelope { kind, body, .. } = Envelope::parse(extra.entry.as_bytes())?;
        let places: BTreeSet<usize> = extra.opening.iter().map(|opening| opening.index).collect();
        if places.len() != extra.opening.len() {
            return Err(ExtraError::Twice);
        }
        let fields = fields_of(kind);
        match extra.opening.iter().find(|opening| !opening.is_one_of(fields) || !opening.holds(&body)) {
            Some(broken) => Err(ExtraError::Field(broken.field.clone())),
            None => Ok(extra),
        }
    }

    /// The fields shown, each with its raw JSON.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.opening.iter().map(|opening| (opening.field.as_str(), opening.value.get()))
    }
}

impl Opening {
    fn of(shown: Disclosure) -> Option<Self> {
        let value = RawValue::from_string(String::from_utf8(shown.value).ok()?).ok()?;
        Some(Self {
            field: shown.field,
            value,
            salt: base64(&shown.salt),
            index: shown.index,
            others: shown.others.iter().map(|hash| base64(hash)).collect(),
        })
    }

    /// Whether it stands where an entry with these fields has it, among as many.
    fn is_one_of(&self, fields: &[&str]) -> bool {
        fields.get(self.index) == Some(&self.field.as_str())
            && self.others.len().checked_add(1) == Some(fields.len())
    }

    fn holds(&self, body: &record::Hash) -> bool {
        let others: Option<Vec<_>> = self.others.iter().map(|hash| hash_from_base64(hash)).collect();
        let salt = from_base64(&self.salt).and_then(|salt| Salt::try_from(salt).ok());
        let (Some(salt), Some(others)) = (salt, others) else { return false };
        let value = self.value.get().as_bytes().to_vec();
        Disclosure { field: self.field.clone(), value, salt, index: self.index, others }.verify(body)
    }
}
