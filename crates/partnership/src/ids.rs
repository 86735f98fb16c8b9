//! The names of things: parties, clauses, applications, keys, models, acts, and the record's time.
//!
//! Not here: how an id is made (the clerk makes act ids; everything else is named by people).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer).map(|text| Self(Arc::from(&*text)))
            }
        }
    };
}

name!(
    /// A signatory of the memorandum, by the id its header gives it.
    PartyId
);
name!(
    /// A clause of the memorandum. Stable for ever, never reused.
    ClauseId
);
name!(
    /// A milestone among several of one clause, by the id the clause gives it.
    ConditionId
);
name!(
    /// An application that makes calls, by its registered name.
    ApplicationId
);
name!(
    /// An API key's public half: what stands in the record. The secret never does.
    KeyId
);
name!(
    /// A budget inside a commitment, by the name that it was set under.
    BudgetId
);
name!(
    /// A model, by the public id that clients name.
    ModelId
);

/// An act's id: a UUID of version 7, made by the clerk when it receives the proposal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActId(u128);

impl ActId {
    /// The id with these 128 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The id as 128 bits, most significant first.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// When the id was made, as its first 48 bits say. Units: milliseconds since 1970.
    #[must_use]
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&uuid::Uuid::from_u128(self.0).as_hyphenated(), f)
    }
}

impl fmt::Debug for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ActId {
    type Err = NotAnActId;

    /// Reads the hyphenated lower-case form of version 7 only, so that an id has one spelling and every reader the same ids.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = uuid::Uuid::try_parse(text).map_err(|_| NotAnActId)?;
        let id = Self(read.as_u128());
        let is_seven = read.get_version_num() == 7 && read.get_variant() == uuid::Variant::RFC4122;
        if is_seven && id.to_string() == text { Ok(id) } else { Err(NotAnActId) }
    }
}

/// A text that is no act's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an act's id is a uuid of version 7, in lower case and with hyphens")]
pub struct NotAnActId;

/// A moment of the record's time. Units: milliseconds since 1970-01-01T00:00:00Z; never goes back within a record.
///
/// Range: the years 1970 to 9999, which are the ones that the record's form of a time has room for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after 1970; the nearest one there is, where that lies beyond the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > LAST_MS {
            Self(LAST_MS)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds after 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment and so many milliseconds; stops at the end of time.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The date in UTC.
    #[must_use]
    pub fn date(self) -> jiff::civil::Date {
        self.civil().date()
    }

    /// The hour in UTC, as an envelope shows it: `2026-11-22T23Z`.
    #[must_use]
    pub fn hour(self) -> String {
        let at = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}Z", at.year(), at.month(), at.day(), at.hour())
    }

    /// Midnight UTC at the start of `date`.
    #[must_use]
    pub fn start_of(date: jiff::civil::Date) -> Self {
        date.at(0, 0, 0, 0)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map_or(Self(LAST_MS), |zoned| Self::from_millis(zoned.timestamp().as_millisecond()))
    }

    fn civil(self) -> jiff::civil::DateTime {
        jiff::Timestamp::from_millisecond(self.0)
            .unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .datetime()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with exactly three decimals: `2026-11-22T23:45:12.345Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = text.parse::<jiff::Timestamp>()?.as_millisecond();
        if (0..=LAST_MS).contains(&millis) {
            return Ok(Self(millis));
        }
        Err(jiff::Error::from_args(format_args!("`{text}` lies outside the years 1970 to 9999")))
    }
}

/// The last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acts_id_has_one_spelling_and_is_of_version_seven() {
        let text = "01935a2b-0000-7000-8000-000000000001";
        assert_eq!(text.parse::<ActId>().map(|id| id.to_string()).as_deref(), Ok(text));
        let others = [
            "",
            "01935A2B-0000-7000-8000-000000000001",
            "01935a2b000070008000000000000001",
            "{01935a2b-0000-7000-8000-000000000001}",
            "urn:uuid:01935a2b-0000-7000-8000-000000000001",
            "01935a2b-0000-b000-8000-000000000001",
            "01935a2b-0000-4000-8000-000000000001",
            "01935a2b-0000-7000-c000-000000000001",
            "00000000-0000-0000-0000-000000000000",
        ];
        for other in others {
            assert_eq!(other.parse::<ActId>(), Err(NotAnActId), "`{other}`");
        }
    }
}
