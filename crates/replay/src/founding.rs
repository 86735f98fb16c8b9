//! The first entry: the parties' keys, and their signatures under the memorandum. Not here: whether the memorandum asks for more of
//! them, which only its text says.

use crate::entry::Genesis;
use crate::fault::Fault;
use crate::text::plain;
use record::Hash;
use record::hash::{base64, from_base64};
use record::note::Verifier;

/// The key of each party, by the party's name as it is spelled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    pub(crate) now: Vec<(Box<[u8]>, Verifier)>,
    /// Those that gave way to others.
    pub(crate) former: Vec<Verifier>,
}

impl Keys {
    /// The keys of the first entry, each one its party's own; all signatures there verify, and there is one.
    pub(crate) fn found(genesis: &Genesis<'_>) -> Result<Self, Fault> {
        let mut keys = Self::default();
        for (party, vkey) in &genesis.vkeys {
            let parsed = Verifier::parse(&plain(vkey)).map_err(|_| Fault::BadKey(plain(party)))?;
            let is_taken =
                |(other, key): &(Box<[u8]>, Verifier)| **other == **party || key.is_same_key(&parsed);
            if keys.now.iter().any(is_taken) {
                return Err(Fault::SharedKey(plain(party)));
            }
            keys.now.push(((*party).into(), parsed));
        }
        let message = [MEMORANDUM, &genesis.memorandum].concat();
        let mut signed: Vec<&[u8]> = Vec::new();
        for (party, signature) in &genesis.signatures {
            if signed.contains(party) || !keys.verify(party, &message, signature) {
                return Err(Fault::BadSignature(plain(party)));
            }
            signed.push(party);
        }
        if signed.is_empty() { Err(Fault::Unsigned) } else { Ok(keys) }
    }

    /// Whether a signature, spelled in base64, is by the key of this party.
    pub(crate) fn verify(&self, party: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.of(party).is_some_and(|key| is_by(key, message, signature))
    }

    /// The key of a party.
    pub(crate) fn of(&self, party: &[u8]) -> Option<&Verifier> {
        self.now.iter().find(|(name, _)| **name == *party).map(|(_, key)| key)
    }

    /// Puts a key in the place of the party's, which is given back.
    pub(crate) fn replace(&mut self, party: &[u8], key: Verifier) -> Option<Verifier> {
        let (_, place) = self.now.iter_mut().find(|(name, _)| **name == *party)?;
        let before = std::mem::replace(place, key);
        self.former.push(before.clone());
        Some(before)
    }

    /// The keys in the order of the first entry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Verifier> {
        self.now.iter().map(|(_, key)| key)
    }

    /// Those, and all that gave way.
    pub(crate) fn ever(&self) -> impl Iterator<Item = &Verifier> {
        self.iter().chain(&self.former)
    }
}

/// Whether a signature, spelled in base64, is by this key.
pub(crate) fn is_by(key: &Verifier, message: &[u8], signature: &[u8]) -> bool {
    let made = from_base64(&plain(signature)).and_then(|made| <[u8; 64]>::try_from(made).ok());
    made.is_some_and(|made| key.verify_bytes(message, &made))
}

/// What an approval of a waiting act is signed over.
pub(crate) fn approval(is_amendment: bool, digest: &Hash) -> Vec<u8> {
    [if is_amendment { MEMORANDUM } else { b"countersign/approval/v1\0" }, digest].concat()
}

/// What an attestation is signed over.
pub(crate) fn attestation(origin: &str, memorandum: &Hash, clause: &str, evidence: &Hash) -> Vec<u8> {
    let domain = b"countersign/attestation/v1\0".as_slice();
    [domain, origin.as_bytes(), b"\0", memorandum, clause.as_bytes(), b"\0", evidence].concat()
}

/// What a party signs to declare its revenue.
pub(crate) fn declaration(origin: &str, clause: &str, on: &str, asset: &str, amount: i128) -> Vec<u8> {
    format!("countersign/declaration/v1\0{origin}\0{clause}\0{on}\0{asset}\0{amount}").into_bytes()
}

/// What a party signs to give its word on a payment.
pub(crate) fn payment(
    origin: &str,
    clause: &str,
    (asset, amount): (&str, i128),
    paid_in: Option<(&str, i128, &str)>,
    reference: &str,
) -> Vec<u8> {
    let (domain, converted) = match paid_in {
        None => ("payment", String::new()),
        Some((asset, amount, source)) => ("converted-payment", format!("{asset}\0{amount}\0{source}\0")),
    };
    format!("countersign/{domain}/v1\0{origin}\0{clause}\0{asset}\0{amount}\0{converted}{reference}")
        .into_bytes()
}

/// What a party signs to give its word on a reconciliation.
pub(crate) fn reconciliation(origin: &str, period: &str, of: &str, differing: u64, report: &Hash) -> Vec<u8> {
    let report = base64(report);
    format!("countersign/reconciliation/v1\0{origin}\0{period}\0{of}\0{differing}\0{report}").into_bytes()
}

/// What a party signs to withdraw.
pub(crate) fn withdrawal(origin: &str, memorandum: &Hash, ends: &str) -> Vec<u8> {
    let memorandum = record::hash::hex(memorandum);
    ["countersign/withdrawal/v1", origin, &memorandum, ends].join("\0").into_bytes()
}

/// What the addition of a key that cosigns, or its revocation, is signed over.
pub(crate) fn witness_key(origin: &str, kind: &str, vkey: &str) -> Vec<u8> {
    ["countersign/witness-key/v1", origin, kind, vkey].join("\0").into_bytes()
}

const MEMORANDUM: &[u8] = b"countersign/memorandum/v1\0";
