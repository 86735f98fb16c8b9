//! Budgets as acts set them: whose spending, of what, in which time. Not here: what is spent (`investment::budgets`), or which ones stand
//! (`registry`).

use super::text;
use crate::ids::{BudgetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A hard limit of what is spent of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSet {
    /// Its name, which no other budget has or had. One that stands is set to another amount and changes in nothing else.
    pub id: BudgetId,
    /// Whose spending it limits.
    pub of: Of,
    /// The party, the application or the key; for end users the application that they use.
    pub whose: String,
    /// The asset's id. What is spent of others does not count.
    pub asset: String,
    /// Units: minor units of the asset.
    #[serde(with = "text")]
    pub amount: i128,
    /// In which time.
    pub period: Period,
}

/// More for a budget, until it ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRaise {
    /// The budget.
    pub id: BudgetId,
    /// How much more. Units: minor units of its asset.
    #[serde(with = "text")]
    pub amount: i128,
    /// From when on it does not count any more.
    pub until: Timestamp,
}

/// Whose spending a budget limits, from the whole to the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// All calls of a party's applications.
    Party,
    /// All calls of an application.
    Application,
    /// All calls with a key.
    Key,
    /// The calls of each end user of an application, each for itself; those that name none count together as of one.
    EndUsers,
}

impl Of {
    /// The word that the record uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Party => "party",
            Self::Application => "application",
            Self::Key => "key",
            Self::EndUsers => "end-users",
        }
    }
}

/// In which time a budget's limit holds. Days and months are those of the record's time in UTC.
///
/// Shape: `month`, `total`, or `rolling-30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// In each calendar month.
    Month,
    /// On any so many days that follow on each other, today the last of them.
    Rolling(u16),
    /// In all.
    Total,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month => f.write_str("month"),
            Self::Rolling(days) => write!(f, "rolling-{days}"),
            Self::Total => f.write_str("total"),
        }
    }
}

/// The text names no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a period is `month`, `total`, or `rolling-30` for any 30 days, not `{0}`")]
pub struct BadPeriod(String);

impl FromStr for Period {
    type Err = BadPeriod;

    /// Reads the one spelling of each.
    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        let read = match text {
            "month" => Some(Self::Month),
            "total" => Some(Self::Total),
            _ => text.strip_prefix("rolling-").and_then(|days| days.parse().ok()).map(Self::Rolling),
        };
        read.filter(|period| period.to_string() == text).ok_or_else(|| BadPeriod(text.to_owned()))
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What stands in the record for an end user in one month, under the content key of that month: who has not the key, or has it no
/// more, can tell neither whose it is nor which other month's is the same one's.
#[must_use]
pub fn pseudonym(content_key: &[u8; 32]) -> String {
    let whole = record::hash::sha256_of(&[b"countersign/pseudonym/v1\n", content_key]);
    whole.iter().take(PSEUDONYM_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// How long a pseudonym is, before it is written in hexadecimal digits. Units: bytes.
const PSEUDONYM_BYTES: usize = 16;

/// Whether a text is spelled as a pseudonym is.
pub(crate) fn is_pseudonym(text: &str) -> bool {
    text.len() == PSEUDONYM_BYTES.saturating_mul(2)
        && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}
