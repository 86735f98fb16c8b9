//! The commitment that ties the parties' part of an entry to its public envelope, field by field, so that one
//! field can be shown to a stranger and the others kept. Not encryption: whoever holds the parts reads them.

use crate::hash::{Hash, from_base64, leaf_hash, sha256_of};
use crate::json;
use crate::merkle;

/// Why a parties' part was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// The bytes are not one strict JSON object.
    #[error(
        "malformed parties' part at byte {0}: expected strict json, without white space and with numbers as strings"
    )]
    Malformed(usize),
    /// The first field is not `seed` with 32 bytes.
    #[error("the first field of a parties' part must be `seed` with 44 characters of canonical base64")]
    Seed,
    /// A field stands twice.
    #[error("a field stands twice in the parties' part")]
    Duplicate,
    /// The part has no such field.
    #[error("the parties' part has no field `{0}`")]
    NoField(String),
}

/// The salt of one field: nobody guesses a short value from its commitment without it.
pub fn salt(seed: &[u8; 32], kind: &str, field: &str) -> Hash {
    sha256_of(&[SALT_DOMAIN, seed, kind.as_bytes(), b"\n", field.as_bytes()])
}

/// The commitment to one field's value, as its raw JSON bytes.
pub fn commitment(salt: &Hash, field: &str, value: &[u8]) -> Hash {
    sha256_of(&[FIELD_DOMAIN, salt, field.as_bytes(), b"\n", value])
}

/// The body of the envelope for a parties' part of an entry of `kind`.
///
/// # Errors
/// [`CommitmentError`] if the part is not strict.
pub fn body(kind: &str, parties: &[u8]) -> Result<Hash, CommitmentError> {
    Ok(Fields::parse(parties)?.body(kind))
}

/// A field's name and its raw JSON.
type Field<'a> = (&'a str, &'a [u8]);

/// The fields of a parties' part, in their order, as raw JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a> {
    seed: [u8; 32],
    fields: Vec<Field<'a>>,
}

impl<'a> Fields<'a> {
    /// Splits a parties' part.
    ///
    /// Shape: names are of `a-z`, `0-9`, `_` and `-`; `seed` comes first.
    ///
    /// # Errors
    /// [`CommitmentError::Malformed`], [`CommitmentError::Seed`], [`CommitmentError::Duplicate`].
    pub fn parse(parties: &'a [u8]) -> Result<Self, CommitmentError> {
        let at = |rest: &[u8]| CommitmentError::Malformed(parties.len().saturating_sub(rest.len()));
        str::from_utf8(parties).map_err(|error| CommitmentError::Malformed(error.valid_up_to()))?;
        let inner = parties.strip_prefix(b"{").ok_or(CommitmentError::Malformed(0))?;
        let (("seed", seed), mut rest) = split_field(inner).ok_or(CommitmentError::Seed)? else {
            return Err(CommitmentError::Seed);
        };
        let seed = parse_seed(seed).ok_or(CommitmentError::Seed)?;
        let mut fields = Vec::with_capacity(16);
        while let Some(after) = rest.strip_prefix(b",") {
            let (field, after) = split_field(after).ok_or_else(|| at(after))?;
            fields.push(field);
            rest = after;
        }
        if rest != b"}" {
            return Err(at(rest));
        }
        let names = fields.iter().map(|(name, _)| *name).chain(["seed"]).collect();
        if json::unique(names) { Ok(Self { seed, fields }) } else { Err(CommitmentError::Duplicate) }
    }

    /// The entry's seed, from which its salts follow.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Every field but the seed, with its raw JSON, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields.iter().copied()
    }

    /// The raw JSON of one field.
    pub fn value(&self, field: &str) -> Option<&'a [u8]> {
        self.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// The root over the commitments, which the envelope of `kind` carries as its body.
    pub fn body(&self, kind: &str) -> Hash {
        merkle::root(&self.leaves(kind))
    }

    /// What shows one field, and no other, to somebody who holds the envelope.
    ///
    /// # Errors
    /// [`CommitmentError::NoField`].
    pub fn disclose(&self, kind: &str, field: &str) -> Result<Disclosure, CommitmentError> {
        let found = self.fields.iter().position(|(name, _)| *name == field);
        let shown = found.and_then(|place| {
            let index = place as u64;
            let path = merkle::small_proof(&self.leaves(kind), index)?;
            let (name, value) = self.fields.get(place)?;
            let (field, value, salt) = ((*name).to_owned(), value.to_vec(), salt(&self.seed, kind, field));
            Some(Disclosure { field, value, salt, index, count: self.fields.len() as u64, path })
        });
        shown.ok_or_else(|| CommitmentError::NoField(field.to_owned()))
    }

    fn leaves(&self, kind: &str) -> Vec<Hash> {
        self.iter()
            .map(|(field, value)| leaf_hash(&commitment(&salt(&self.seed, kind, field), field, value)))
            .collect()
    }
}

/// One field of an entry, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The field's name.
    pub field: String,
    /// Its value, as raw JSON.
    pub value: Vec<u8>,
    /// Its salt.
    pub salt: Hash,
    /// Its place among the fields, counted from zero without the seed.
    pub index: u64,
    /// How many fields there are.
    pub count: u64,
    /// From its sibling up to the child of the body.
    pub path: Vec<Hash>,
}

impl Disclosure {
    /// Whether this field with this value stands under the envelope's `body`.
    pub fn verify(&self, body: &Hash) -> bool {
        let leaf = leaf_hash(&commitment(&self.salt, &self.field, &self.value));
        merkle::verify_inclusion(&leaf, self.index, self.count, &self.path, body)
    }
}

fn split_field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name, rest) = json::split_string(bytes)?;
    let plain = name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if name.is_empty() || !plain {
        return None;
    }
    let (value, rest) = json::split_value(rest.strip_prefix(b":")?)?;
    Some(((str::from_utf8(name).ok()?, value), rest))
}

fn parse_seed(value: &[u8]) -> Option<[u8; 32]> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    from_base64(str::from_utf8(text).ok()?)?.try_into().ok()
}

const SALT_DOMAIN: &[u8] = b"countersign/salt/v1\n";
const FIELD_DOMAIN: &[u8] = b"countersign/field/v1\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{base64, node_hash, sha256};

    fn part() -> String {
        format!(
            r#"{{"seed":"{}","amount":"12.50","to":{{"party":"halcyon"}},"note":null}}"#,
            base64(&[3; 32])
        )
    }

    #[test]
    fn body_is_the_root_over_salted_fields() {
        let by_hand = |field: &str, value: &str| {
            let mut salted = b"countersign/salt/v1\n".to_vec();
            salted.extend_from_slice(&[3; 32]);
            salted.extend_from_slice(format!("decided\n{field}").as_bytes());
            let mut committed = b"countersign/field/v1\n".to_vec();
            committed.extend_from_slice(&sha256(&salted));
            committed.extend_from_slice(format!("{field}\n{value}").as_bytes());
            leaf_hash(&sha256(&committed))
        };
        let left = node_hash(&by_hand("amount", r#""12.50""#), &by_hand("to", r#"{"party":"halcyon"}"#));
        let root = node_hash(&left, &by_hand("note", "null"));
        assert_eq!(body("decided", part().as_bytes()), Ok(root));
        assert_ne!(body("settled", part().as_bytes()), Ok(root));
    }

    #[test]
    fn one_field_is_shown_without_the_others() {
        let part = part();
        let fields = Fields::parse(part.as_bytes()).unwrap();
        let body = fields.body("decided");
        for (name, value) in fields.iter() {
            let shown = fields.disclose("decided", name).unwrap();
            assert_eq!(shown.value, value);
            assert!(shown.verify(&body));
            assert!(!Disclosure { value: b"\"13.50\"".to_vec(), ..shown.clone() }.verify(&body));
            assert!(!Disclosure { field: "other".into(), ..shown.clone() }.verify(&body));
            assert!(!Disclosure { salt: [0; 32], ..shown }.verify(&body));
        }
        assert_eq!(fields.disclose("decided", "seed"), Err(CommitmentError::NoField("seed".into())));
    }

    #[test]
    fn every_changed_bit_changes_the_body_or_is_refused() {
        let part = part().into_bytes();
        let whole = body("decided", &part).unwrap();
        for bit in 0..part.len() * 8 {
            let mut changed = part.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(body("decided", &changed), Ok(whole), "bit {bit}");
        }
    }

    #[test]
    fn malformed_parts_are_refused() {
        let good = part();
        let bad = [
            String::new(),
            "{}".into(),
            good.replace("seed", "sead"),
            good.replace("AwM=", "AwN="),
            good.replace(':', ": "),
            good.replace(r#""12.50""#, "12.50"),
            good.replace("note", "amount"),
            good.replace("note", "seed"),
            good.replace("note", "No te"),
            format!("{good}\n"),
            good.replace("null}", "null,}"),
            good.replace("null}", "null"),
        ];
        for text in bad {
            assert!(Fields::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
