//! C2SP signed-note with Ed25519 keys: a text, a blank line, and lines that say who signed it.
//!
//! Not a policy: which keys count, and how many, is for the caller. Cosignatures, whose signatures bear a time, are
//! made in [`crate::cosignature`]; what they share with plain ones (names, key ids, lines) is here.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::hash::{base64, from_base64, hex, sha256_of};

/// Why a key or a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name is empty or has white space, a control character or a `+`.
    #[error("key name `{0}` must be non-empty, without white space and `+`")]
    Name(String),
    /// The text is not a key in the note form.
    #[error("this is not a {0} in the note form; expected `{1}`")]
    Key(&'static str, &'static str),
    /// The key's hash is not the one of its name and bytes.
    #[error("the hash in the key of `{0}` does not match its name and bytes; copy the key again")]
    KeyHash(String),
    /// The note is not a text, a blank line and signature lines.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// A signature by a known key does not verify.
    #[error("the signature of `{0}` does not verify")]
    Invalid(String),
    /// None of the known keys signed.
    #[error("the note is not signed by any of the known keys")]
    Unsigned,
}

/// A private key with its name. Its `Debug` form and its errors never show the key.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: SigningKey,
    id: KeyId,
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
    id: KeyId,
}

/// A note whose known signatures were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its final newline.
    pub text: String,
    /// The names of the known keys that signed, in the order of their lines.
    pub signers: Vec<String>,
    /// How many lines were by keys that are not known, and therefore not verified.
    pub unknown: usize,
}

impl Signer {
    /// The signer `name` with the key that follows from 32 random bytes.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note.
    pub fn generate(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key = SigningKey::from_bytes(&seed);
        let id = key_id(name, ED25519, key.verifying_key().as_bytes());
        Ok(Self { name: name.to_owned(), key, id })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<base64>`. Source: Go's `golang.org/x/mod/sumdb/note`.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`], [`NoteError::KeyHash`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("private key", "PRIVATE+KEY+name+hash+base64");
        let rest = text.strip_prefix(PRIVATE).ok_or_else(|| malformed.clone())?;
        let (name, hash, seed) = split_key(rest, ED25519).ok_or(malformed)?;
        let signer = Self::generate(name, seed)?;
        check_hash(name, hash, signer.id)?;
        Ok(signer)
    }

    /// The private key as [`Signer::parse`] reads it. Keep it where only its owner reads.
    pub fn private_key(&self) -> String {
        format!("{PRIVATE}{}", key_text(&self.name, self.id, ED25519, self.key.as_bytes()))
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), key: self.key.verifying_key(), id: self.id }
    }

    /// The bare Ed25519 signature of `message`. Domain separation is the caller's.
    pub fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The signature line for `text`, with its final newline.
    pub fn signature_line(&self, text: &str) -> String {
        line(&self.name, self.id, &[&self.sign_bytes(text.as_bytes())])
    }

    /// The note of `text` signed by this key alone.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the text is empty, has control characters or lacks its final newline.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        Ok(format!("{text}\n{}", self.signature_line(text)))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads a vkey: `<name>+<hash>+<base64>`. Source: C2SP signed-note.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`], [`NoteError::KeyHash`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("vkey", "name+hash+base64");
        let (name, hash, bytes) = split_key(text, ED25519).ok_or_else(|| malformed.clone())?;
        check_name(name)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| malformed)?;
        let id = key_id(name, ED25519, &bytes);
        check_hash(name, hash, id)?;
        Ok(Self { name: name.to_owned(), key, id })
    }

    /// The vkey as [`Verifier::parse`] reads it.
    pub fn vkey(&self) -> String {
        key_text(&self.name, self.id, ED25519, self.key.as_bytes())
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the key itself is the other's, whatever the two are named: then one hand can sign for both.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// The bare public key, which another name or another use may have too.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether a line names this key.
    pub(crate) fn is_named_by(&self, line: &Line<'_>) -> bool {
        self.name == line.name && self.id == line.id
    }

    /// Whether `signature` is this key's over `message`; strict, so that one message has one signature.
    pub fn verify_bytes(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.vkey())
    }
}

/// Opens a note: every signature by one of `verifiers` must be right, and there must be one.
///
/// Lines by other keys are counted, as C2SP signed-note asks, and not verified.
///
/// # Errors
/// [`NoteError::Malformed`], [`NoteError::Invalid`], [`NoteError::Unsigned`].
pub fn open(note: &[u8], verifiers: &[&Verifier]) -> Result<Note, NoteError> {
    let (text, signatures) = split(note)?;
    let mut opened = Note { text: text.to_owned(), signers: Vec::new(), unknown: 0 };
    let mut signed: Vec<&Verifier> = Vec::new();
    for line in lines(signatures) {
        let line = line?;
        let Some(verifier) = verifiers.iter().find(|verifier| verifier.is_named_by(&line)) else {
            opened.unknown = opened.unknown.saturating_add(1);
            continue;
        };
        if signed.contains(verifier) {
            return Err(NoteError::Malformed("a key signed twice"));
        }
        let invalid = || NoteError::Invalid(line.name.to_owned());
        let signature = line.signature.as_slice().try_into().map_err(|_| invalid())?;
        if !verifier.verify_bytes(text.as_bytes(), &signature) {
            return Err(invalid());
        }
        signed.push(verifier);
        opened.signers.push(line.name.to_owned());
    }
    if opened.signers.is_empty() { Err(NoteError::Unsigned) } else { Ok(opened) }
}

/// The note with no lines but those that name one of `keys`. Nothing is verified.
///
/// # Errors
/// [`NoteError::Malformed`].
pub fn only_by(note: &[u8], keys: &[&Verifier]) -> Result<Vec<u8>, NoteError> {
    let (text, signatures) = split(note)?;
    let mut own = format!("{text}\n");
    for line in lines(signatures) {
        let line = line?;
        if keys.iter().any(|key| key.is_named_by(&line)) {
            own.push_str(line.raw);
            own.push('\n');
        }
    }
    Ok(own.into_bytes())
}

/// Splits a note into its text (with the final newline) and its signature lines, verifying nothing.
///
/// # Errors
/// [`NoteError::Malformed`].
pub fn split(note: &[u8]) -> Result<(&str, &str), NoteError> {
    let note = str::from_utf8(note).map_err(|_| NoteError::Malformed("it is not utf-8"))?;
    let (head, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed("it has no blank line"))?;
    let text = note.get(..head.len().saturating_add(1)).unwrap_or_default();
    check_text(text)?;
    if lines.is_empty() || !lines.ends_with('\n') {
        return Err(NoteError::Malformed("its signatures do not end with a newline"));
    }
    if lines.len() > SIGNATURE_BYTES_MAX {
        return Err(NoteError::Malformed("it has too many signatures"));
    }
    Ok((text, lines))
}

/// One signature line, read and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line as it stands, without its newline.
    pub(crate) raw: &'a str,
    /// The key's name.
    pub(crate) name: &'a str,
    /// The key's id: the name and this are one key.
    pub(crate) id: KeyId,
    /// What follows on the id, in the form that the key's algorithm gives it.
    pub(crate) signature: Vec<u8>,
}

/// A key's id. Source: C2SP signed-note, "Signatures".
pub(crate) type KeyId = [u8; 4];

/// Reads signature lines, each of which ends with a newline.
pub(crate) fn lines(signatures: &str) -> impl Iterator<Item = Result<Line<'_>, NoteError>> {
    signatures.split_terminator('\n').map(parse_line)
}

/// The line of a signature whose parts are `signature`, with its final newline.
pub(crate) fn line(name: &str, id: KeyId, signature: &[&[u8]]) -> String {
    let blob = [&id[..], &signature.concat()].concat();
    format!("— {name} {}\n", base64(&blob))
}

fn parse_line(raw: &str) -> Result<Line<'_>, NoteError> {
    let malformed = NoteError::Malformed("a signature line is not `— name base64`");
    let rest = raw.strip_prefix("— ").ok_or_else(|| malformed.clone())?;
    let (name, blob) = rest.split_once(' ').ok_or_else(|| malformed.clone())?;
    check_name(name)?;
    let blob = from_base64(blob).ok_or_else(|| malformed.clone())?;
    let (id, signature) = blob.split_first_chunk::<4>().ok_or(malformed)?;
    Ok(Line { raw, name, id: *id, signature: signature.to_vec() })
}

/// Splits `name+hash+base64(algorithm || 32 bytes)`.
pub(crate) fn split_key(text: &str, algorithm: u8) -> Option<(&str, &str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (hash, key) = rest.split_once('+')?;
    let bytes = from_base64(key)?;
    let (first, key) = bytes.split_first()?;
    let key = key.try_into().ok()?;
    (*first == algorithm).then_some((name, hash, key))
}

/// Joins what [`split_key`] splits.
pub(crate) fn key_text(name: &str, id: KeyId, algorithm: u8, key: &[u8]) -> String {
    format!("{name}+{}+{}", hex(&id), base64(&[&[algorithm], key].concat()))
}

pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
    if name.is_empty() || bad { Err(NoteError::Name(name.to_owned())) } else { Ok(()) }
}

pub(crate) fn check_hash(name: &str, hash: &str, id: KeyId) -> Result<(), NoteError> {
    if hash == hex(&id) { Ok(()) } else { Err(NoteError::KeyHash(name.to_owned())) }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("its text does not end with a newline"));
    }
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed("its text has control characters"));
    }
    Ok(())
}

/// The id of a key. Source: C2SP signed-note, "Signatures".
pub(crate) fn key_id(name: &str, algorithm: u8, key: &[u8]) -> KeyId {
    let [a, b, c, d, ..] = sha256_of(&[name.as_bytes(), b"\n", &[algorithm], key]);
    [a, b, c, d]
}

/// How a private key in the note form begins.
pub(crate) const PRIVATE: &str = "PRIVATE+KEY+";

/// The algorithm byte of plain Ed25519 notes.
const ED25519: u8 = 1;

/// Room for about a hundred signatures, so that a hostile note costs little.
const SIGNATURE_BYTES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of Go's `note` package.
    const NEUMANN_PRIVATE: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const NEUMANN_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NEUMANN_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                                then you don't know what your problem is.\n";
    const NEUMANN_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn keys_and_notes_are_those_of_the_go_package() {
        let signer = Signer::parse(NEUMANN_PRIVATE).unwrap();
        assert_eq!(signer.private_key(), NEUMANN_PRIVATE);
        assert_eq!(signer.verifier().vkey(), NEUMANN_VKEY);
        assert_eq!(signer.sign(NEUMANN_TEXT).unwrap(), format!("{NEUMANN_TEXT}\n{NEUMANN_LINE}"));
        let golang = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(Verifier::parse(golang).unwrap().vkey(), golang);
    }

    #[test]
    fn a_key_with_one_changed_character_is_refused() {
        for text in [NEUMANN_VKEY, NEUMANN_PRIVATE] {
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(Verifier::parse(&changed).is_err(), "{changed}");
                assert!(Signer::parse(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn a_note_with_one_changed_bit_does_not_open() {
        let verifier = Verifier::parse(NEUMANN_VKEY).unwrap();
        let note = format!("{NEUMANN_TEXT}\n{NEUMANN_LINE}");
        let opened = open(note.as_bytes(), &[&verifier]).unwrap();
        assert_eq!(
            (opened.text.as_str(), opened.signers.as_slice()),
            (NEUMANN_TEXT, &["PeterNeumann".to_owned()][..])
        );
        for bit in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&bytes, &[&verifier]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn malformed_notes_are_refused_and_unknown_signers_are_counted() {
        let signer = Signer::generate("a", [1; 32]).unwrap();
        let other = Signer::generate("b", [2; 32]).unwrap();
        let verifier = signer.verifier();
        let note = signer.sign("text\n").unwrap();
        let both = format!("{note}{}", other.signature_line("text\n"));
        assert_eq!(open(both.as_bytes(), &[&verifier]).unwrap().unknown, 1);
        assert_eq!(open(both.as_bytes(), &[]), Err(NoteError::Unsigned));
        let next = Signer::generate("a", [3; 32]).unwrap();
        let renewed = format!("{note}{}", next.signature_line("text\n"));
        let opened = open(renewed.as_bytes(), &[&verifier, &next.verifier()]).unwrap();
        assert_eq!((opened.signers.len(), opened.unknown), (2, 0), "two keys of one name are two keys");
        let line = signer.signature_line("text\n");
        let bad = [
            String::new(),
            "text\n".into(),
            "text\n\n".into(),
            format!("text{line}"),
            format!("text\n{line}"),
            note.trim_end().to_owned(),
            format!("{note}\n"),
            format!("{note}{line}"),
            note.replace('—', "-"),
            note.replace("— a ", "— a  "),
            note.replace("text", "te\txt"),
            format!("{}=\n", note.trim_end()),
        ];
        for note in bad {
            assert!(open(note.as_bytes(), &[&verifier]).is_err(), "{note:?}");
        }
        assert!(Signer::generate("a b", [0; 32]).is_err());
        assert!(Signer::generate("a+b", [0; 32]).is_err());
        assert!(Signer::generate("", [0; 32]).is_err());
        assert!(!format!("{signer:?}").contains(&hex(&[1; 32])));
    }
}
