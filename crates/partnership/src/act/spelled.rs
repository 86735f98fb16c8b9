//! How the record spells integers: as strings, for serde's `with`.
//!
//! Not here: any field.

/// Integers as strings, as the record writes them.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr + Display,
        D: Deserializer<'de>,
    {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let value: T = text.parse().map_err(|_| D::Error::custom(format!("`{text}` does not parse")))?;
        if value.to_string() == *text {
            Ok(value)
        } else {
            Err(D::Error::custom(format!("`{text}` is not canonical")))
        }
    }
}

/// [`text`] where there may be none.
pub(crate) mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "the shape that serde asks of a `with` module")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .map(|text| text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not an integer"))))
            .transpose()
    }
}
