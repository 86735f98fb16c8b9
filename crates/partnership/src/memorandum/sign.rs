//! Signing a memorandum: each party's Ed25519 signature over its digest, in a file beside it.
//!
//! Not here: where keys lie, and whether a signed memorandum is in force (its day must have come too).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use record::hash;
use record::note::{Signer, Verifier};
use serde::Deserialize;

use super::{Memorandum, digest_from_hex, hex};
use crate::ids::{PartyId, Timestamp};

/// What is put before the digest, so that the signature can mean nothing else.
pub const DOMAIN: &[u8] = b"countersign/memorandum/v1\0";

/// The bytes that a party signs: [`DOMAIN`] and the digest of the memorandum.
#[must_use]
pub fn signing_bytes(digest: &[u8; 32]) -> Vec<u8> {
    [DOMAIN, digest].concat()
}

/// Whether a text is a C2SP vkey of an Ed25519 key, in its one spelling.
#[must_use]
pub fn is_vkey(text: &str) -> bool {
    Verifier::parse(text).is_ok_and(|verifier| verifier.vkey() == text)
}

/// Whether two vkeys are of one key, whatever they are named.
pub(super) fn is_same_key(one: &str, other: &str) -> bool {
    Verifier::parse(one).is_ok_and(|one| Verifier::parse(other).is_ok_and(|other| one.is_same_key(&other)))
}

/// One party's signature of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who signed.
    pub party: PartyId,
    /// With which key: a C2SP vkey.
    pub key: String,
    /// SHA-256 of what was signed.
    pub digest: [u8; 32],
    /// Ed25519 over [`signing_bytes`].
    pub signature: [u8; 64],
    /// When, as the signer's clock said. Not signed, and nothing is concluded from it.
    pub at: Timestamp,
}

impl Signature {
    /// Signs a digest.
    #[must_use]
    pub fn sign(party: PartyId, signer: &Signer, digest: [u8; 32], at: Timestamp) -> Self {
        let signature = signer.sign_bytes(&signing_bytes(&digest));
        Self { party, key: signer.verifier().vkey(), digest, signature, at }
    }

    /// Whether it is a signature of `digest` by the key it names.
    #[must_use]
    pub fn holds(&self, digest: &[u8; 32]) -> bool {
        let verifier = Verifier::parse(&self.key);
        self.digest == *digest
            && verifier.is_ok_and(|key| key.verify_bytes(&signing_bytes(digest), &self.signature))
    }
}

/// The file of signatures, `memorandum.sigs`: those of every version that anyone has signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// In the file's order.
    pub signatures: Vec<Signature>,
}

/// Why signatures were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The file is not what [`Signatures::render`] writes.
    #[error("the signatures cannot be read: {0}")]
    Unreadable(String),
    /// A signature by somebody who is no party.
    #[error("`{0}` has signed and is no party of the memorandum")]
    NotAParty(PartyId),
    /// Two signatures of one version by one party.
    #[error("`{0}` has signed twice; keep one of the two")]
    Twice(PartyId),
    /// No key of the party is known.
    #[error("no key of `{0}` is known; name it in the header's `vkeys`, or give the party's vkey file")]
    NoKey(PartyId),
    /// A signature by a key that is not the party's.
    #[error(
        "the key that signed for `{0}` is not its key; sign with the key that the memorandum or the record names"
    )]
    WrongKey(PartyId),
    /// A signature that does not verify.
    #[error("the signature of `{0}` does not fit the memorandum; sign these bytes again")]
    Broken(PartyId),
}

impl Signatures {
    /// Reads the file. An empty one holds no signatures.
    ///
    /// # Errors
    /// [`SignatureError::Unreadable`] with the reason.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let file: File =
            toml::from_str(text).map_err(|error| SignatureError::Unreadable(error.message().to_owned()))?;
        let signatures = file.signature.into_iter().map(Text::read).collect::<Result<_, _>>()?;
        Ok(Self { signatures })
    }

    /// The file's text; [`Signatures::parse`] reads it back.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# Signatures over the SHA-256 of memorandum.md. Written by `countersign memo sign`.\n",
        );
        for one in &self.signatures {
            let Signature { party, key, digest, signature, at } = one;
            let (digest, signature) = (hex(digest), hash::base64(signature));
            // A file by hand may name a party or a key with signs that a quoted text must escape.
            let (party, key) = (toml::Value::from(party.to_string()), toml::Value::from(key.as_str()));
            let written = write!(
                text,
                "\n[[signature]]\nparty = {party}\nkey = {key}\ndigest = \"{digest}\"\nsignature = \"{signature}\"\nat = \"{at}\"\n"
            );
            assert!(written.is_ok(), "writing to a string cannot fail");
        }
        text
    }

    /// Puts a signature in the place of the party's earlier one of the same version, if any.
    pub fn insert(&mut self, signature: Signature) {
        self.signatures.retain(|other| other.party != signature.party || other.digest != signature.digest);
        self.signatures.push(signature);
    }

    /// The parties that have signed this version. `keys` are the parties' vkeys as they stood before it; they go before the
    /// header's own, so that no version can name the keys that sign it once the parties have others.
    ///
    /// # Errors
    /// The first signature of this version that cannot be accepted; those of other versions are passed over.
    pub fn signatories(
        &self,
        memorandum: &Memorandum,
        keys: &BTreeMap<PartyId, String>,
    ) -> Result<BTreeSet<PartyId>, SignatureError> {
        let mut signed = BTreeSet::new();
        for one in self.signatures.iter().filter(|one| one.digest == memorandum.digest) {
            let party = accept(one, memorandum, keys)?;
            if !signed.insert(party.clone()) {
                return Err(SignatureError::Twice(party));
            }
        }
        Ok(signed)
    }

    /// Whether as many parties have signed this version as its header asks for.
    ///
    /// # Errors
    /// As [`Signatures::signatories`].
    pub fn suffice(
        &self,
        memorandum: &Memorandum,
        keys: &BTreeMap<PartyId, String>,
    ) -> Result<bool, SignatureError> {
        let signed = self.signatories(memorandum, keys)?;
        Ok(u32::try_from(signed.len()).unwrap_or(u32::MAX) >= memorandum.header.threshold)
    }
}

fn accept(
    one: &Signature,
    memorandum: &Memorandum,
    keys: &BTreeMap<PartyId, String>,
) -> Result<PartyId, SignatureError> {
    let party = one.party.clone();
    if memorandum.header.party(&party).is_none() {
        return Err(SignatureError::NotAParty(party));
    }
    let expected = keys.get(&party).or_else(|| memorandum.header.vkeys.get(&party));
    match expected {
        None => return Err(SignatureError::NoKey(party)),
        Some(key) if *key != one.key => return Err(SignatureError::WrongKey(party)),
        Some(_) => {}
    }
    if !one.holds(&memorandum.digest) {
        return Err(SignatureError::Broken(party));
    }
    Ok(party)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    signature: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    party: String,
    key: String,
    digest: String,
    signature: String,
    at: String,
}

impl Text {
    fn read(self) -> Result<Signature, SignatureError> {
        let wrong = |what: &str| SignatureError::Unreadable(format!("{what} of `{}`", self.party));
        let signature = hash::from_base64(&self.signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let key = Some(&self.key).filter(|key| is_vkey(key)).ok_or_else(|| wrong("the key"))?;
        Ok(Signature {
            party: PartyId::from(self.party.as_str()),
            key: key.clone(),
            digest: digest_from_hex(&self.digest).ok_or_else(|| wrong("the digest"))?,
            signature: signature.ok_or_else(|| wrong("the signature"))?,
            at: self.at.parse().map_err(|_| wrong("the time"))?,
        })
    }
}
