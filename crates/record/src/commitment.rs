//! The commitment that ties the parties' part of an entry to its public envelope, field by field, so that one
//! field can be shown to a stranger and the others kept. Not encryption: whoever holds the parts reads them. Not a
//! parser of values: what a field says is for its reader.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::{Hash, sha256_of};
use crate::json;

/// A salt: nobody guesses a short value from its commitment without it.
pub type Salt = [u8; SALT_BYTES];

/// The most fields that an entry has beside its salts.
pub const FIELDS_MAX: usize = 8;

/// Why a parties' part was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// The bytes are not an object with one field a line.
    #[error("malformed parties' part at byte {0}: expected an object with one field a line")]
    Malformed(usize),
    /// The first field is not `salts` with 16 bytes for each other field.
    #[error(
        "the first field of a parties' part must be `salts`: 16 bytes for each other field, in canonical base64"
    )]
    Salts,
    /// A field stands twice.
    #[error("a field stands twice in the parties' part")]
    Duplicate,
    /// The part has no such field.
    #[error("the parties' part has no field `{0}`")]
    NoField(String),
}

/// The commitment to one field, as the bytes of its line: its name and value as they stand, without the comma.
pub fn commitment(salt: &Salt, line: &[u8]) -> Hash {
    sha256_of(&[&[FIELD], salt, line])
}

/// What the envelope carries for these commitments, in the order of the fields.
pub fn body(commitments: &[Hash]) -> Hash {
    sha256_of(&[&[BODY], commitments.as_flattened()])
}

/// The salts of one entry's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salts {
    salts: [Salt; FIELDS_MAX],
    count: usize,
}

impl Salts {
    /// Salts for so many fields, at most [`FIELDS_MAX`], that follow from 32 secret bytes of which no other entry has any.
    pub fn derive(seed: &[u8; 32], count: usize) -> Self {
        let (mut salts, count) = ([[0; SALT_BYTES]; FIELDS_MAX], count.min(FIELDS_MAX));
        let pairs = salts.get_mut(..count).into_iter().flat_map(|salts| salts.chunks_mut(2));
        for (number, pair) in (0_u8..).zip(pairs) {
            let both = sha256_of(&[SALTS_DOMAIN, seed, &[number]]);
            for (salt, drawn) in pair.iter_mut().zip(both.as_chunks::<SALT_BYTES>().0) {
                *salt = *drawn;
            }
        }
        Self { salts, count }
    }

    /// Reads canonical base64; `None` for anything else, and for more than [`FIELDS_MAX`] salts.
    fn parse(text: &[u8]) -> Option<Self> {
        // Decoding writes in groups of three bytes, so there must be room for a group more.
        let mut bytes = [0; SALT_BYTES * FIELDS_MAX + 3];
        let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
        let (read, rest) = bytes.get(..length)?.as_chunks::<SALT_BYTES>();
        let mut salts = [[0; SALT_BYTES]; FIELDS_MAX];
        salts.get_mut(..read.len())?.copy_from_slice(read);
        rest.is_empty().then_some(Self { salts, count: read.len() })
    }

    fn all(&self) -> &[Salt] {
        self.salts.get(..self.count).unwrap_or_default()
    }
}

/// A parties' part that is being written, field by field.
#[derive(Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    salts: Salts,
    commitments: [Hash; FIELDS_MAX],
    count: usize,
}

impl Draft {
    /// A part without fields. It must be given as many as there are salts.
    pub fn new(salts: Salts) -> Self {
        let mut bytes = Vec::with_capacity(DRAFT_BYTES);
        bytes.extend_from_slice(SALTS);
        // Written in place: a string of its own would be made for each entry.
        let mut text = [0; SALTS_TEXT_MAX];
        let length = STANDARD.encode_slice(salts.all().as_flattened(), &mut text).unwrap_or_default();
        bytes.extend_from_slice(text.get(..length).unwrap_or_default());
        bytes.push(b'"');
        Self { bytes, salts, commitments: [[0; 32]; FIELDS_MAX], count: 0 }
    }

    /// Adds a field. `value` writes its strict JSON, which has no newline.
    pub fn field<E>(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bytes.extend_from_slice(b",\n");
        let start = self.bytes.len();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
        value(&mut self.bytes)?;
        let line = self.bytes.get(start..).unwrap_or_default();
        if let (Some(salt), Some(place)) =
            (self.salts.all().get(self.count), self.commitments.get_mut(self.count))
        {
            *place = commitment(salt, line);
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The part, and the body of its envelope.
    pub fn finish(mut self) -> (Vec<u8>, Hash) {
        debug_assert_eq!(self.count, self.salts.count, "each field has a salt");
        self.bytes.push(b'}');
        (self.bytes, body(self.commitments.get(..self.count).unwrap_or_default()))
    }
}

/// A field's name, and its line.
type Field<'a> = (&'a str, &'a [u8]);

/// The fields of a parties' part, in their order, as raw JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a> {
    salts: Salts,
    fields: [Field<'a>; FIELDS_MAX],
}

impl<'a> Fields<'a> {
    /// Splits a parties' part.
    ///
    /// Shape: an object of one field a line; names are of `a-z`, `0-9`, `_` and `-`; `salts` comes first. Whether the values
    /// are JSON is not looked at.
    ///
    /// # Errors
    /// [`CommitmentError::Malformed`], [`CommitmentError::Salts`], [`CommitmentError::Duplicate`].
    pub fn parse(parties: &'a [u8]) -> Result<Self, CommitmentError> {
        let at = |rest: &[u8]| CommitmentError::Malformed(parties.len().saturating_sub(rest.len()));
        let inner = parties.strip_suffix(b"}").ok_or_else(|| at(&[]))?;
        let salted = inner.strip_prefix(SALTS).ok_or(CommitmentError::Salts)?;
        let (salts, mut rest) = memchr::memchr(b'"', salted)
            .and_then(|quote| salted.split_at_checked(quote))
            .ok_or(CommitmentError::Salts)?;
        let salts = Salts::parse(salts).ok_or(CommitmentError::Salts)?;
        rest = rest.get(1..).unwrap_or_default();
        let mut fields: [Field<'_>; FIELDS_MAX] = [("", &[]); FIELDS_MAX];
        for place in fields.iter_mut().take(salts.count) {
            let line = rest.strip_prefix(b",\n").ok_or_else(|| at(rest))?;
            let end = memchr::memchr(b'\n', line).map_or(line.len(), |newline| newline.saturating_sub(1));
            let (line, after) = line.split_at_checked(end).ok_or_else(|| at(rest))?;
            *place = (name_of(line).ok_or_else(|| at(rest))?, line);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(at(rest));
        }
        let parsed = Self { salts, fields };
        if parsed.has_each_once() { Ok(parsed) } else { Err(CommitmentError::Duplicate) }
    }

    fn lines(&self) -> &[Field<'a>] {
        self.fields.get(..self.salts.count).unwrap_or_default()
    }

    fn has_each_once(&self) -> bool {
        let lines = self.lines();
        lines.iter().enumerate().all(|(place, (name, _))| {
            *name != "salts" && lines.iter().take(place).all(|(before, _)| before != name)
        })
    }

    /// The salts of the fields.
    pub fn salts(&self) -> &Salts {
        &self.salts
    }

    /// Every field but the salts, with its raw JSON, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.lines().iter().map(|(name, line)| (*name, value_of(name, line)))
    }

    /// The raw JSON of one field.
    pub fn value(&self, field: &str) -> Option<&'a [u8]> {
        self.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// What the envelope carries for this part.
    pub fn body(&self) -> Hash {
        body(self.commitments().get(..self.salts.count).unwrap_or_default())
    }

    /// What shows one field, and no other, to somebody who holds the envelope.
    ///
    /// # Errors
    /// [`CommitmentError::NoField`].
    pub fn disclose(&self, field: &str) -> Result<Disclosure, CommitmentError> {
        let shown = self.lines().iter().zip(self.salts.all()).enumerate();
        let shown = shown.map(|(index, ((name, line), salt))| (index, *name, *line, *salt));
        let (index, name, line, salt) = shown
            .into_iter()
            .find(|(_, name, ..)| *name == field)
            .ok_or_else(|| CommitmentError::NoField(field.to_owned()))?;
        let mut others = self.commitments().get(..self.salts.count).unwrap_or_default().to_vec();
        others.remove(index);
        Ok(Disclosure { field: name.to_owned(), value: value_of(name, line).to_vec(), salt, index, others })
    }

    fn commitments(&self) -> [Hash; FIELDS_MAX] {
        let mut commitments = [[0; 32]; FIELDS_MAX];
        for ((place, (_, line)), salt) in commitments.iter_mut().zip(self.lines()).zip(self.salts.all()) {
            *place = commitment(salt, line);
        }
        commitments
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
    pub salt: Salt,
    /// Its place among the fields, counted from zero without the salts.
    pub index: usize,
    /// The commitments to the other fields, in their order. They say nothing of what those are.
    pub others: Vec<Hash>,
}

impl Disclosure {
    /// Whether this field with this value, one of strict JSON, stands under the envelope's `body`.
    pub fn verify(&self, body: &Hash) -> bool {
        let line = [b"\"", self.field.as_bytes(), b"\":", &self.value].concat();
        let strict = name_of(&line) == Some(&self.field) && json::is_value(&self.value);
        if !strict || self.index > self.others.len() || self.others.len() >= FIELDS_MAX {
            return false;
        }
        let mut commitments = self.others.clone();
        commitments.insert(self.index, commitment(&self.salt, &line));
        self::body(&commitments) == *body
    }
}

/// The name at the head of a field's line.
fn name_of(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(b"\"")?;
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let end = rest.iter().position(|byte| !plain(byte)).filter(|end| *end > 0)?;
    let (name, rest) = rest.split_at_checked(end)?;
    rest.strip_prefix(b"\":").and_then(|_| str::from_utf8(name).ok())
}

/// What stands in a field's line after its name, the quotes about it and the colon.
fn value_of<'a>(name: &str, line: &'a [u8]) -> &'a [u8] {
    line.get(name.len().saturating_add(3)..).unwrap_or_default()
}

/// Before a field's salt, and before the commitments. RFC 6962 has 0x00 and 0x01 for the tree.
const FIELD: u8 = 2;
const BODY: u8 = 3;
/// Long enough that no two are alike and none is guessed.
const SALT_BYTES: usize = 16;
const SALTS: &[u8] = b"{\"salts\":\"";
const SALTS_DOMAIN: &[u8] = b"countersign/salts/v1\n";
/// The salts of as many fields as there may be, in base64.
const SALTS_TEXT_MAX: usize = (SALT_BYTES * FIELDS_MAX).div_ceil(3) * 4;
/// What most entries have room in. Units: bytes.
const DRAFT_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{base64, sha256};

    const LINES: [&str; 3] = [r#""amount":"12.50""#, r#""to":{"party":"halcyon"}"#, r#""note":null"#];

    fn part() -> String {
        let salts = base64(&[[1; 16], [2; 16], [3; 16]].concat());
        format!("{{\"salts\":\"{salts}\",\n{}}}", LINES.join(",\n"))
    }

    #[test]
    fn body_is_the_hash_of_salted_lines() {
        let by_hand = |salt: u8, line: &str| sha256(&[&[2], [salt; 16].as_slice(), line.as_bytes()].concat());
        let [amount, to, note] = LINES;
        let commitments =
            [[3].to_vec(), by_hand(1, amount).into(), by_hand(2, to).into(), by_hand(3, note).into()];
        let part = part();
        assert_eq!(Fields::parse(part.as_bytes()).unwrap().body(), sha256(&commitments.concat()));
    }

    #[test]
    fn a_part_is_read_as_it_is_written() {
        let salts = Salts::derive(&[7; 32], 3);
        let mut draft = Draft::new(salts);
        for line in LINES {
            let (name, value) = line.split_once(':').unwrap();
            let write = |to: &mut Vec<u8>| -> Result<(), ()> {
                to.extend_from_slice(value.as_bytes());
                Ok(())
            };
            draft.field(name.trim_matches('"'), write).unwrap();
        }
        let (part, body) = draft.finish();
        let fields = Fields::parse(&part).unwrap();
        assert_eq!((fields.body(), fields.salts()), (body, &salts));
        assert_eq!(fields.value("to"), Some(br#"{"party":"halcyon"}"#.as_slice()));
        assert_eq!(String::from_utf8(part).unwrap().lines().count(), 4);
    }

    #[test]
    fn no_two_salts_are_alike() {
        let all: Vec<Salt> =
            [1, 2].iter().flat_map(|seed| Salts::derive(&[*seed; 32], FIELDS_MAX).all().to_vec()).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!((distinct.len(), all.len()), (2 * FIELDS_MAX, 2 * FIELDS_MAX));
    }

    #[test]
    fn one_field_is_shown_without_the_others() {
        let part = part();
        let fields = Fields::parse(part.as_bytes()).unwrap();
        let body = fields.body();
        for (name, value) in fields.iter() {
            let shown = fields.disclose(name).unwrap();
            assert_eq!(shown.value, value);
            assert!(shown.verify(&body));
            assert!(!Disclosure { value: b"\"13.50\"".to_vec(), ..shown.clone() }.verify(&body));
            assert!(!Disclosure { field: "other".into(), ..shown.clone() }.verify(&body));
            assert!(!Disclosure { index: shown.index + 1, ..shown.clone() }.verify(&body));
            assert!(!Disclosure { index: 9, ..shown.clone() }.verify(&body));
            assert!(!Disclosure { others: vec![[0; 32]; 2], ..shown.clone() }.verify(&body));
            assert!(!Disclosure { salt: [0; 16], ..shown }.verify(&body));
        }
        assert_eq!(fields.disclose("salts"), Err(CommitmentError::NoField("salts".into())));
    }

    #[test]
    fn a_field_whose_value_is_no_strict_json_is_not_shown() {
        for value in ["12.50", "{ }", "\"a\",\"b\":\"c\"", ""] {
            let salts = base64(&[0; 16]);
            let part = format!("{{\"salts\":\"{salts}\",\n\"a\":{value}}}");
            let fields = Fields::parse(part.as_bytes()).unwrap();
            assert!(!fields.disclose("a").unwrap().verify(&fields.body()), "{value}");
        }
    }

    #[test]
    fn every_changed_bit_changes_the_body_or_is_refused() {
        let part = part().into_bytes();
        let whole = Fields::parse(&part).unwrap().body();
        for bit in 0..part.len() * 8 {
            let mut changed = part.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Fields::parse(&changed).map(|fields| fields.body()), Ok(whole), "bit {bit}");
        }
    }

    #[test]
    fn malformed_parts_are_refused() {
        let good = part();
        let bad = [
            String::new(),
            "{}".into(),
            good.replace("salts", "salt"),
            good.replace("AQEBAQEB", "AQEB"),
            good.replace(",\n\"note\":null", ""),
            good.replace(",\n", ", \n"),
            good.replace(",\n", "\n"),
            good.replace("\":", "\" :"),
            good.replace("note", "amount"),
            good.replace("note", "salts"),
            good.replace("note", "No te"),
            good.replace("note", ""),
            format!("{good}\n"),
            good.replace("null}", "null,\n}"),
            good.replace("null}", "null"),
        ];
        for text in bad {
            assert!(Fields::parse(text.as_bytes()).is_err(), "{text}");
        }
        let one = |salt: &str| format!("{{\"salts\":\"{salt}\",\n\"a\":null}}");
        assert!(Fields::parse(one("AAAAAAAAAAAAAAAAAAAAAA==").as_bytes()).is_ok());
        for salt in ["AAAAAAAAAAAAAAAAAAAAAB==", "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(Fields::parse(one(salt).as_bytes()), Err(CommitmentError::Salts), "{salt}");
        }
        let nine = (0..9).map(|name| format!(",\n\"{name}\":null")).collect::<String>();
        let nine = format!("{{\"salts\":\"{}\"{nine}}}", base64(&[0; 144]));
        assert_eq!(Fields::parse(nine.as_bytes()), Err(CommitmentError::Salts));
    }
}
