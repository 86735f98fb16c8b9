//! The acts about keys: those by which parties cosign, and a party's own, which gives way to another.
//!
//! Not here: keys of applications, which are secrets and no signatures (see [`super::Key`]).

use crate::ids::PartyId;
use serde::{Deserialize, Serialize};

/// A key by which a party cosigns checkpoints, as the party itself says by its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessKey {
    /// The public key as a C2SP vkey of type `0x04`, named `<origin>/<party>/w1` or `/w2`.
    pub vkey: String,
    /// Whose it is.
    pub party: PartyId,
    /// Ed25519 signature over [`witness_key_bytes`]. Base64.
    pub signature: String,
}

/// A party's next key, as the party says by the key that counts and by the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyKey {
    /// The next public key as a C2SP vkey, named as the one that counts.
    pub vkey: String,
    /// Whose it is.
    pub party: PartyId,
    /// Ed25519 signature over [`party_key_bytes`] by the key that counts. Base64.
    pub signature: String,
    /// Another over the same by the next key: whoever proposes it has it. Base64.
    pub proof: String,
}

/// A party's next key, where the one that counts is lost or in other hands. The other parties must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredKey {
    /// The next public key as a C2SP vkey, named as the one that counts.
    pub vkey: String,
    /// Whose it is.
    pub party: PartyId,
    /// The party's recovery key, as the memorandum in force names it: a C2SP vkey.
    pub recovery: String,
    /// Ed25519 signature over [`party_key_bytes`] by the recovery key. Base64.
    pub signature: String,
    /// Another over the same by the next key. Base64.
    pub proof: String,
}

/// The log's next key, as the one that signs now, the next one and the operator say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogKey {
    /// The key that signs checkpoints now: a C2SP vkey named after the origin.
    pub from: String,
    /// The next one, of the same name.
    pub vkey: String,
    /// Ed25519 signature over [`log_key_text`] by the key that signs now. Base64.
    pub handed: String,
    /// Another by the next key. Base64.
    pub taken: String,
    /// The operator.
    pub party: PartyId,
    /// A third by the operator's own key. Base64.
    pub signature: String,
}

/// The log's next key, where the one that signs now is lost. The other parties must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredLogKey {
    /// The key that is lost.
    pub from: String,
    /// The next one, of the same name.
    pub vkey: String,
    /// Ed25519 signature over [`log_key_text`] by the next key. Base64.
    pub taken: String,
    /// The operator.
    pub party: PartyId,
    /// Another by the operator's own key. Base64.
    pub signature: String,
}

/// What a party signs to have a key cosign in its name, or no more: `kind` is the act's. Good for one partnership.
#[must_use]
pub fn witness_key_bytes(origin: &str, kind: &str, vkey: &str) -> Vec<u8> {
    format!("countersign/witness-key/v1\0{origin}\0{kind}\0{vkey}").into_bytes()
}

/// What is signed to have the key `from` of `party` give way to `to`, both vkeys; `kind` is the act's. Good for one partnership, and
/// only as long as `from` counts.
#[must_use]
pub fn party_key_bytes(origin: &str, kind: &str, party: &PartyId, from: &str, to: &str) -> Vec<u8> {
    format!("countersign/party-key/v1\0{origin}\0{kind}\0{party}\0{from}\0{to}").into_bytes()
}
