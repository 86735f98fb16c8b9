//! C2SP tlog-cosignature: what a party adds under a checkpoint of the log, with the time at which it did. Not the
//! decision to do so, which is [`crate::witness`]'s, and not how many are enough, which is [`crate::quorum`]'s.
//!
//! Two keys of a party say two things, by the last part of their names ([`Statement`]). The signed bytes of an Ed25519
//! cosignature do not name the cosigner, so two names must never share one key: a line could be put under the other name.
//! [`crate::quorum::Quorum`] refuses such keys.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{self, KeyId, Line, NoteError, PRIVATE, Verifier};

/// What a cosigner says of a checkpoint beyond that it is consistent with all that the cosigner has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// `w1`: the log only grew. It needs no entries, so it comes fast.
    Grew,
    /// `w2`: I hold every entry up to this size and have replayed every balance. It may lag.
    Replayed,
}

impl Statement {
    /// The last part of the names of keys that say this: `w1` or `w2`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grew => "w1",
            Self::Replayed => "w2",
        }
    }

    /// The name of the key by which `party` says this of the record `origin`. Shape: `<origin>/<party>/w1`.
    pub fn key_name(self, origin: &str, party: &str) -> String {
        format!("{origin}/{party}/{}", self.word())
    }
}

/// A cosigner's private key with its name. Its `Debug` form never shows the key.
#[derive(Clone)]
pub struct Cosigner {
    name: String,
    id: KeyId,
    secret: Secret,
}

/// The private keys that can cosign. ML-DSA-44 (`0x06`) would be a second variant, here and in [`Public`].
#[derive(Clone)]
enum Secret {
    Ed25519(SigningKey),
}

/// A cosigner's public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    id: KeyId,
    public: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Ed25519(VerifyingKey),
}

/// A cosignature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose it is.
    pub key: CosignerKey,
    /// When it was made, by the cosigner's clock. Units: seconds since 1970, at most 2^63 - 1.
    pub at: u64,
}

/// A signed checkpoint with its cosignatures, all of which were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The cosignatures by known keys, in the order of their lines; one a key.
    pub cosignatures: Vec<Cosignature>,
    /// The lines by keys that are not known, as they stand, without their newlines. Nothing was verified of them.
    pub unknown: Vec<String>,
}

/// A public key as a list of keys has it: either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vkey {
    /// Type `0x01`: signs texts. A log's, or a party's own.
    Text(Verifier),
    /// Type `0x04`: cosigns checkpoints.
    Cosigner(CosignerKey),
}

/// Why cosignatures were not added to a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The checkpoint or a line under it is wrong.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// A line of the answer is malformed, or wrong though its key is known.
    #[error("the witness's answer: {0}")]
    Answer(NoteError),
    /// No line of the answer is by a known key.
    #[error("the witness's answer has no cosignature by a known key; compare its public key with yours")]
    Unknown,
}

impl Cosigner {
    /// The cosigner `name` with the Ed25519 key that follows from 32 random bytes.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note.
    pub fn generate(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        note::check_name(name)?;
        let key = SigningKey::from_bytes(&seed);
        let id = note::key_id(name, ED25519, key.verifying_key().as_bytes());
        Ok(Self { name: name.to_owned(), id, secret: Secret::Ed25519(key) })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<base64>`, as [`note::Signer::parse`] does, with the type byte `0x04`.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`], [`NoteError::KeyHash`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("cosigner's private key", "PRIVATE+KEY+name+hash+base64");
        let rest = text.strip_prefix(PRIVATE).ok_or_else(|| malformed.clone())?;
        let (name, hash, seed) = note::split_key(rest, ED25519).ok_or(malformed)?;
        let cosigner = Self::generate(name, seed)?;
        note::check_hash(name, hash, cosigner.id)?;
        Ok(cosigner)
    }

    /// The private key as [`Cosigner::parse`] reads it. Keep it where only its owner reads.
    pub fn private_key(&self) -> String {
        let Secret::Ed25519(key) = &self.secret;
        format!("{PRIVATE}{}", note::key_text(&self.name, self.id, ED25519, key.as_bytes()))
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn key(&self) -> CosignerKey {
        let Secret::Ed25519(key) = &self.secret;
        CosignerKey { name: self.name.clone(), id: self.id, public: Public::Ed25519(key.verifying_key()) }
    }

    /// The signature line that cosigns `checkpoint` at `at`, with its final newline.
    ///
    /// It says that at that time this was the largest tree of the log that this key has vouched for. Whoever calls must
    /// have seen to that, durably: [`crate::witness::Witness`] does.
    ///
    /// Units: `at` is in seconds since 1970.
    ///
    /// # Panics
    /// If `at` is above 2^63 - 1.
    pub fn cosign(&self, checkpoint: &Checkpoint, at: u64) -> String {
        assert!(at <= TIME_MAX, "a cosignature's time is below 2^63");
        let Secret::Ed25519(key) = &self.secret;
        let signature = key.sign(&ed25519_message(checkpoint, at));
        note::line(&self.name, self.id, &[&at.to_be_bytes(), &signature.to_bytes()])
    }
}

impl std::fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl CosignerKey {
    /// Reads a vkey of type `0x04`. Source: C2SP tlog-cosignature, "Format".
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`], [`NoteError::KeyHash`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("cosigner's vkey", "name+hash+base64");
        let (name, hash, bytes) = note::split_key(text, ED25519).ok_or_else(|| malformed.clone())?;
        note::check_name(name)?;
        let public = VerifyingKey::from_bytes(&bytes).map(Public::Ed25519).map_err(|_| malformed)?;
        let id = note::key_id(name, ED25519, &bytes);
        note::check_hash(name, hash, id)?;
        Ok(Self { name: name.to_owned(), id, public })
    }

    /// The vkey as [`CosignerKey::parse`] reads it.
    pub fn vkey(&self) -> String {
        note::key_text(&self.name, self.id, ED25519, self.public_key())
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bare public key, which must not be another cosigner's too.
    pub fn public_key(&self) -> &[u8; 32] {
        let Public::Ed25519(key) = &self.public;
        key.as_bytes()
    }

    /// Whether a line names this key.
    pub(crate) fn is_named_by(&self, line: &Line<'_>) -> bool {
        self.name == line.name && self.id == line.id
    }

    /// The time of a cosignature, what follows on the key's id in its line, if it is this key's over `checkpoint`.
    fn verify(&self, checkpoint: &Checkpoint, cosignature: &[u8]) -> Option<u64> {
        let (at, signature) = cosignature.split_first_chunk::<8>()?;
        let at = u64::from_be_bytes(*at);
        let signature: &[u8; 64] = signature.try_into().ok()?;
        let Public::Ed25519(key) = &self.public;
        let holds = at <= TIME_MAX
            && key.verify_strict(&ed25519_message(checkpoint, at), &Signature::from_bytes(signature)).is_ok();
        holds.then_some(at)
    }

    fn check(&self, checkpoint: &Checkpoint, line: &Line<'_>) -> Result<u64, NoteError> {
        self.verify(checkpoint, &line.signature).ok_or_else(|| NoteError::Invalid(self.name.clone()))
    }
}

impl std::fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.vkey())
    }
}

impl Vkey {
    /// Reads a vkey of type `0x01` or `0x04`.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`], [`NoteError::KeyHash`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        match CosignerKey::parse(text) {
            Ok(key) => Ok(Self::Cosigner(key)),
            Err(NoteError::Key(..)) => Verifier::parse(text).map(Self::Text),
            Err(error) => Err(error),
        }
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Text(key) => key.name(),
            Self::Cosigner(key) => key.name(),
        }
    }

    /// The vkey as [`Vkey::parse`] reads it.
    pub fn vkey(&self) -> String {
        match self {
            Self::Text(key) => key.vkey(),
            Self::Cosigner(key) => key.vkey(),
        }
    }
}

impl Cosigned {
    /// Opens a checkpoint that one of the keys `logs` of its log has signed, with the cosignatures under it.
    ///
    /// A line whose key is neither among `logs` nor among `cosigners` is kept apart, as C2SP signed-note asks.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open_any`]; [`NoteError::Invalid`] also if the line of a known cosigner does not verify,
    /// and [`NoteError::Malformed`] if one stands twice.
    pub fn open(
        signed: &[u8],
        logs: &[&Verifier],
        cosigners: &[CosignerKey],
    ) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::open_any(signed, logs)?;
        let (_, signatures) = note::split(signed)?;
        let mut opened = Self { checkpoint, cosignatures: Vec::new(), unknown: Vec::new() };
        for line in note::lines(signatures) {
            let line = line?;
            if logs.iter().any(|log| log.is_named_by(&line)) {
                continue;
            }
            match cosigners.iter().find(|key| key.is_named_by(&line)) {
                Some(key) => opened.take(key, &line)?,
                None => opened.unknown.push(line.raw.to_owned()),
            }
        }
        Ok(opened)
    }

    /// Whether the key has cosigned.
    pub fn is_by(&self, key: &CosignerKey) -> bool {
        self.cosignatures.iter().any(|cosignature| cosignature.key == *key)
    }

    fn take(&mut self, key: &CosignerKey, line: &Line<'_>) -> Result<(), NoteError> {
        if self.is_by(key) {
            return Err(NoteError::Malformed("a key signed twice"));
        }
        let at = key.check(&self.checkpoint, line)?;
        self.cosignatures.push(Cosignature { key: key.clone(), at });
        Ok(())
    }
}

/// The signed checkpoint with the cosignatures added that a witness has answered with, one or more signature lines.
///
/// Of a key that has cosigned already the later line stays, in its place; new ones come last. Lines of the answer by keys
/// that are not known are left out, those under the checkpoint stay.
///
/// # Errors
/// [`AttachError`]. Nothing is added if anything is wrong.
pub fn attach(
    signed: &[u8],
    answer: &[u8],
    logs: &[&Verifier],
    cosigners: &[CosignerKey],
) -> Result<Vec<u8>, AttachError> {
    let opened = Cosigned::open(signed, logs, cosigners)?;
    let (text, signatures) = note::split(signed).map_err(CheckpointError::from)?;
    let answered = answered(answer, &opened.checkpoint, cosigners)?;
    let before = |key: &CosignerKey| opened.cosignatures.iter().find(|old| old.key == *key);
    let mut later: Vec<_> =
        answered.into_iter().filter(|(new, _)| before(&new.key).is_none_or(|old| old.at < new.at)).collect();
    let mut note = format!("{text}\n");
    for line in note::lines(signatures) {
        let line = line.map_err(CheckpointError::from)?;
        let place = later.iter().position(|(new, _)| new.key.is_named_by(&line));
        note.push_str(&place.map_or_else(|| line.raw.to_owned(), |place| later.remove(place).1));
        note.push('\n');
    }
    for (_, line) in later {
        note.push_str(&line);
        note.push('\n');
    }
    Cosigned::open(note.as_bytes(), logs, cosigners)?;
    Ok(note.into_bytes())
}

/// The cosignatures by known keys in a witness's answer, with their lines.
fn answered(
    answer: &[u8],
    checkpoint: &Checkpoint,
    cosigners: &[CosignerKey],
) -> Result<Vec<(Cosignature, String)>, AttachError> {
    let malformed = AttachError::Answer(NoteError::Malformed("it is not lines of utf-8"));
    let answer = str::from_utf8(answer).map_err(|_| malformed.clone())?;
    if !answer.ends_with('\n') {
        return Err(malformed);
    }
    let mut answered: Vec<(Cosignature, String)> = Vec::new();
    for line in note::lines(answer) {
        let line = line.map_err(AttachError::Answer)?;
        let Some(key) = cosigners.iter().find(|key| key.is_named_by(&line)) else { continue };
        if answered.iter().any(|(cosignature, _)| cosignature.key == *key) {
            return Err(AttachError::Answer(NoteError::Malformed("a key signed twice")));
        }
        let at = key.check(checkpoint, &line).map_err(AttachError::Answer)?;
        answered.push((Cosignature { key: key.clone(), at }, line.raw.to_owned()));
    }
    if answered.is_empty() { Err(AttachError::Unknown) } else { Ok(answered) }
}

/// What is signed. Source: C2SP tlog-cosignature, "Ed25519 signed message".
fn ed25519_message(checkpoint: &Checkpoint, at: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {at}\n{}", checkpoint.text()).into_bytes()
}

/// The latest time that a cosignature can bear. Units: seconds since 1970.
pub const TIME_MAX: u64 = (1 << 63) - 1;

/// The type byte of Ed25519 cosigners' keys.
const ED25519: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{base64, sha256_of};
    use crate::note::Signer;

    const ORIGIN: &str = "northwind.example/record";
    const NAME: &str = "northwind.example/record/halcyon/w1";
    const AT: u64 = 1_679_315_147;

    fn log() -> Signer {
        Signer::generate(ORIGIN, [1; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size: 42, root: [9; 32] }
    }

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::generate(NAME, [seed; 32]).unwrap()
    }

    fn open(signed: &[u8], keys: &[CosignerKey]) -> Result<Cosigned, CheckpointError> {
        Cosigned::open(signed, &[&log().verifier()], keys)
    }

    /// The checkpoint with lines put under it, unseen.
    fn with(lines: &[String]) -> Vec<u8> {
        [checkpoint().sign(&log()).unwrap(), lines.concat().into_bytes()].concat()
    }

    /// A checkpoint that a log and four public witnesses signed, as it was published, and their published keys.
    const PUBLISHED: &str = "\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";
    const PUBLISHED_LOG: &str =
        "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
    const PUBLISHED_KEYS: [&str; 4] = [
        "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
        "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    ];

    #[test]
    fn what_public_witnesses_have_cosigned_opens() {
        let log = Verifier::parse(PUBLISHED_LOG).unwrap();
        let keys = PUBLISHED_KEYS.map(|key| CosignerKey::parse(key).unwrap());
        for (key, text) in keys.iter().zip(PUBLISHED_KEYS) {
            assert_eq!(key.vkey(), text);
        }
        let opened = Cosigned::open(PUBLISHED.as_bytes(), &[&log], &keys).unwrap();
        assert_eq!(opened.checkpoint.size, 1_432_088_532);
        let names: Vec<&str> = opened.cosignatures.iter().map(|by| by.key.name()).collect();
        assert_eq!(names, keys.iter().map(CosignerKey::name).collect::<Vec<_>>());
        assert!(opened.cosignatures.iter().all(|by| by.at == 0x6a12_2120));
        assert_eq!(opened.unknown.len(), 1, "a signature of another type by the log");
        let smaller = PUBLISHED.replace("\n1432088532\n", "\n1432088531\n");
        assert!(Cosigned::open(smaller.as_bytes(), &[&log], &keys).is_err());
        let few = Cosigned::open(PUBLISHED.as_bytes(), &[&log], &keys[..1]).unwrap();
        assert_eq!((few.cosignatures.len(), few.unknown.len()), (1, 4));
    }

    #[test]
    fn a_cosignature_is_made_of_the_bytes_that_the_specification_names() {
        let cosigner = cosigner(7);
        let secret = SigningKey::from_bytes(&[7; 32]);
        let public = secret.verifying_key().to_bytes();
        let id = &sha256_of(&[NAME.as_bytes(), b"\n", &[4], &public])[..4];
        let message = "cosignature/v1\ntime 1679315147\nnorthwind.example/record\n42\n\
                       CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n";
        // 1679315147 is 0x641850cb.
        let time = [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb];
        let blob = [id, &time, &secret.sign(message.as_bytes()).to_bytes()].concat();
        assert_eq!(blob.len(), 76);
        let line = format!("— {NAME} {}\n", base64(&blob));
        assert_eq!(cosigner.cosign(&checkpoint(), AT), line);
        let hex_id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{NAME}+{hex_id}+{}", base64(&[&[4], &public[..]].concat()));
        assert_eq!(cosigner.key().vkey(), key);
        let private = format!("PRIVATE+KEY+{NAME}+{hex_id}+{}", base64(&[&[4], &[7; 32][..]].concat()));
        assert_eq!(cosigner.private_key(), private);
        assert_eq!(Cosigner::parse(&private).unwrap().key(), CosignerKey::parse(&key).unwrap());
        assert!(!format!("{cosigner:?}").contains(&crate::hash::hex(&[7; 32])));
    }

    #[test]
    fn keys_of_the_two_types_are_never_taken_for_each_other() {
        let cosigner = cosigner(7);
        let signer = Signer::generate(NAME, [7; 32]).unwrap();
        assert!(Verifier::parse(&cosigner.key().vkey()).is_err());
        assert!(CosignerKey::parse(&signer.verifier().vkey()).is_err());
        assert!(Signer::parse(&cosigner.private_key()).is_err());
        assert!(Cosigner::parse(&signer.private_key()).is_err());
        assert_eq!(Vkey::parse(&cosigner.key().vkey()), Ok(Vkey::Cosigner(cosigner.key())));
        assert_eq!(Vkey::parse(&signer.verifier().vkey()), Ok(Vkey::Text(signer.verifier())));
        for vkey in [cosigner.key().vkey(), signer.verifier().vkey()] {
            assert_eq!(Vkey::parse(&vkey).unwrap().vkey(), vkey);
            assert_eq!(Vkey::parse(&vkey).unwrap().name(), NAME);
            for at in 0..vkey.len() {
                let mut bytes = vkey.clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(Vkey::parse(&changed).is_err(), "{changed}");
            }
        }
        // The same key and name, as a plain signature of the text: another id, so another key.
        let plain = with(&[signer.signature_line(&checkpoint().text())]);
        let opened = open(&plain, &[cosigner.key()]).unwrap();
        assert_eq!((opened.cosignatures.len(), opened.unknown.len()), (0, 1));
        assert!(note::open(&with(&[cosigner.cosign(&checkpoint(), AT)]), &[&signer.verifier()]).is_err());
    }

    #[test]
    fn a_cosigned_checkpoint_with_one_changed_bit_is_refused_or_not_cosigned() {
        let (key, signed) = (cosigner(7).key(), with(&[cosigner(7).cosign(&checkpoint(), AT)]));
        let opened = open(&signed, std::slice::from_ref(&key)).unwrap();
        assert_eq!(opened.cosignatures, [Cosignature { key: key.clone(), at: AT }]);
        for bit in 0..signed.len() * 8 {
            let mut changed = signed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let counted = open(&changed, std::slice::from_ref(&key)).is_ok_and(|opened| opened.is_by(&key));
            assert!(!counted, "bit {bit}: {}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn lines_of_known_keys_must_be_right_and_others_are_kept_apart() {
        let (known, stranger) = (cosigner(7), cosigner(8));
        let keys = [known.key()];
        let line = known.cosign(&checkpoint(), AT);
        let invalid = |lines: &[String]| {
            let opened = open(&with(lines), &keys);
            matches!(opened, Err(CheckpointError::Note(NoteError::Invalid(name))) if name == NAME)
        };
        let other = Checkpoint { size: 43, ..checkpoint() };
        assert!(invalid(&[known.cosign(&other, AT)]), "of another checkpoint");
        let (at, signature) = (TIME_MAX + 1, [0; 64]);
        let id = keys[0].id;
        assert!(invalid(&[note::line(NAME, id, &[&at.to_be_bytes(), &signature])]), "a time beyond 2^63");
        assert!(invalid(&[note::line(NAME, id, &[&signature])]), "cut short");
        assert!(invalid(&[note::line(NAME, id, &[])]), "nothing but an id");
        let late = SigningKey::from_bytes(&[7; 32]).sign(&ed25519_message(&checkpoint(), at)).to_bytes();
        assert!(
            invalid(&[note::line(NAME, id, &[&at.to_be_bytes(), &late])]),
            "rightly signed, time beyond 2^63"
        );
        assert!(open(&with(&[line.clone(), line.clone()]), &keys).is_err(), "twice");
        assert!(open(&with(&["— x y\n".to_owned()]), &keys).is_err(), "malformed");
        let strange = stranger.cosign(&checkpoint(), AT);
        let opened = open(&with(&[strange.clone(), line]), &keys).unwrap();
        assert_eq!(opened.unknown, [strange.trim_end()]);
        assert!(opened.is_by(&keys[0]) && !opened.is_by(&stranger.key()));
        let unsigned = [checkpoint().text().as_str(), "\n", &known.cosign(&checkpoint(), AT)].concat();
        assert!(open(unsigned.as_bytes(), &keys).is_err(), "cosigned, and not signed by the log");
        assert_eq!(
            open(&with(&[known.cosign(&checkpoint(), TIME_MAX)]), &keys).unwrap().cosignatures[0].at,
            TIME_MAX
        );
    }

    #[test]
    fn an_answer_is_added_once_for_each_key_and_the_later_one_stays() {
        let (first, second, stranger) =
            (cosigner(7), Cosigner::generate("other.example/w1", [8; 32]).unwrap(), cosigner(9));
        let (keys, head) = ([first.key(), second.key()], checkpoint());
        let log = log().verifier();
        let attach = |signed: &[u8], answer: &str| attach(signed, answer.as_bytes(), &[&log], &keys);
        let line = |cosigner: &Cosigner, at| cosigner.cosign(&head, at);
        let bare = with(&[]);
        let one = attach(&bare, &line(&first, 5)).unwrap();
        assert_eq!(one, with(&[line(&first, 5)]));
        let both = attach(&one, &[line(&stranger, 5), line(&second, 6)].concat()).unwrap();
        assert_eq!(both, with(&[line(&first, 5), line(&second, 6)]), "a stranger's line is left out");
        let later = attach(&both, &line(&first, 8)).unwrap();
        assert_eq!(later, with(&[line(&first, 8), line(&second, 6)]));
        assert_eq!(attach(&later, &line(&first, 7)).unwrap(), later, "an earlier one changes nothing");
        let kept = with(&[line(&stranger, 1)]);
        assert_eq!(attach(&kept, &line(&first, 5)).unwrap(), with(&[line(&stranger, 1), line(&first, 5)]));

        assert_eq!(attach(&bare, &line(&stranger, 5)), Err(AttachError::Unknown));
        assert!(matches!(attach(&bare, ""), Err(AttachError::Answer(_))));
        assert!(matches!(attach(&bare, line(&first, 5).trim_end()), Err(AttachError::Answer(_))));
        assert!(matches!(attach(&bare, &format!("{}\n", line(&first, 5))), Err(AttachError::Answer(_))));
        assert!(matches!(attach(&bare, &line(&first, 5).repeat(2)), Err(AttachError::Answer(_))));
        let other = Checkpoint { size: 41, ..head.clone() };
        assert!(matches!(attach(&bare, &first.cosign(&other, 5)), Err(AttachError::Answer(_))));
        let forged = other.sign(&Signer::generate(ORIGIN, [9; 32]).unwrap()).unwrap();
        assert!(matches!(attach(&forged, &first.cosign(&other, 5)), Err(AttachError::Checkpoint(_))));
    }
}
