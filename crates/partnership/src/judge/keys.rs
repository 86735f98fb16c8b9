//! Judging what is said of keys: that it is said by the party itself, with the key that counts now, and of a key that is nobody's yet.
//!
//! Judged when it is proposed and again when it goes on after approvals: a word that was signed by a key that has given way since is none.

use super::bad_signature;
use crate::act::{Administer, PartyKey, RecoveredKey, WitnessKey, party_key_bytes, witness_key_bytes};
use crate::ids::{ClauseId, PartyId};
use crate::state::State;
use record::cosignature::{CosignerKey, Statement};
use record::hash::from_base64;
use record::note::Verifier;

impl State {
    /// Who must approve a change, with the clause that says so: those whom the memorandum names for its kind, and for a recovery all
    /// other parties.
    pub(super) fn approvers(&self, change: &Administer) -> (Option<&ClauseId>, Vec<PartyId>) {
        match change {
            Administer::PartyKeyRecover(key) => (None, self.in_force().recoverers(&key.party)),
            Administer::LogKeyRecover(key) => (None, self.in_force().recoverers(&key.party)),
            _ => self.in_force().approvers(change.name()),
        }
    }

    /// Whether what only a party may say is said by that party.
    ///
    /// Errors: why it is not, or why the key may not be the party's.
    pub(super) fn is_by_its_party(&self, change: &Administer) -> Result<(), String> {
        match change {
            Administer::WitnessKeyAdd(key) | Administer::WitnessKeyRevoke(key) => {
                let signed = witness_key_bytes(&self.origin, change.name(), &key.vkey);
                let holds = self.is_signed(&key.party, &signed, &key.signature);
                if holds { Ok(()) } else { Err(bad_signature(&key.party)) }
            }
            Administer::PartyKeyChange(key) => self.changes_key(change.name(), key),
            Administer::PartyKeyRecover(key) => self.recovers_key(change.name(), key),
            Administer::LogKeyChange(key) => self.changes_log_key(change.name(), key),
            Administer::LogKeyRecover(key) => self.recovers_log_key(change.name(), key),
            _ => Ok(()),
        }
    }

    fn changes_key(&self, kind: &str, key: &PartyKey) -> Result<(), String> {
        let PartyKey { vkey, party, signature, proof } = key;
        let (before, next) = self.succession(party, vkey)?;
        let signed = party_key_bytes(&self.origin, kind, party, &before.vkey(), vkey);
        if !is_by(before, &signed, signature) {
            return Err(bad_signature(party));
        }
        is_held(&next, &signed, proof)
    }

    fn recovers_key(&self, kind: &str, key: &RecoveredKey) -> Result<(), String> {
        let RecoveredKey { vkey, party, recovery, signature, proof } = key;
        let (before, next) = self.succession(party, vkey)?;
        let named =
            self.in_force().memorandum().header.recovery.get(party).filter(|named| *named == recovery);
        let recovers = named.and_then(|named| Verifier::parse(named).ok());
        let recovers = recovers.ok_or_else(|| {
            format!("`{recovery}` is not what the memorandum in force names as the recovery key of party `{party}`")
        })?;
        let signed = party_key_bytes(&self.origin, kind, party, &before.vkey(), vkey);
        if !is_by(&recovers, &signed, signature) {
            return Err(format!("the signature does not verify with the recovery key of party `{party}`"));
        }
        is_held(&next, &signed, proof)
    }

    /// The key of a party that counts, and the one that is to come after it, which must be of the same name and nobody's yet.
    fn succession(&self, party: &PartyId, vkey: &str) -> Result<(&Verifier, Verifier), String> {
        let before =
            self.vkeys.get(party).ok_or_else(|| format!("no key of a party `{party}` is on the record"))?;
        let next = Verifier::parse(vkey).ok().filter(|next| next.vkey() == vkey);
        let next = next.ok_or_else(|| {
            format!("`{vkey}` is no public key in the note form; `countersign party key new` makes one")
        })?;
        if next.name() != before.name() {
            return Err(format!("the key is named `{}`, not `{}`", next.name(), before.name()));
        }
        if self.is_used(&next) {
            return Err("this public key is in use, or was; make another".to_owned());
        }
        Ok((before, next))
    }

    /// Whether a key is somebody's, or was, under whatever name and for whatever use that the record knows.
    pub(super) fn is_used(&self, key: &Verifier) -> bool {
        let recovery = self.in_force().memorandum().header.recovery.values();
        let recovers = |vkey: &String| Verifier::parse(vkey).is_ok_and(|recovery| recovery.is_same_key(key));
        self.was_a_partys(key.public_key())
            || self.was_the_logs(key.public_key())
            || self.registry.has_cosigned(key.public_key())
            || recovery.into_iter().any(recovers)
    }

    /// Whether a key is a party's own, or was.
    fn was_a_partys(&self, public_key: &[u8; 32]) -> bool {
        let former = self.former.iter().map(|(_, key)| key);
        self.vkeys.values().chain(former).any(|key| key.public_key() == public_key)
    }

    /// Whether a key is the log's, or was, as far as entries name it.
    fn was_the_logs(&self, public_key: &[u8; 32]) -> bool {
        self.log_keys.iter().any(|one| one.key.public_key() == public_key)
    }

    /// Why a key cannot cosign in a party's name.
    pub(super) fn is_not_to_cosign(&self, key: &WitnessKey) -> Option<String> {
        let parsed = CosignerKey::parse(&key.vkey).ok()?;
        let names = [Statement::Grew, Statement::Replayed]
            .map(|says| says.key_name(&self.origin, key.party.as_str()));
        if !names.iter().any(|name| name == parsed.name()) {
            return Some(format!(
                "the key is named `{}`, not `{}` or `{}`",
                parsed.name(),
                names[0],
                names[1]
            ));
        }
        if self.was_a_partys(parsed.public_key()) {
            return Some("a party's own key cannot cosign; make another".to_owned());
        }
        let is_the_logs = self.was_the_logs(parsed.public_key());
        is_the_logs.then(|| "the log's key cannot cosign; make another".to_owned())
    }
}

/// Whether whoever proposes a next key has it.
pub(super) fn is_held(next: &Verifier, signed: &[u8], proof: &str) -> Result<(), String> {
    if is_by(next, signed, proof) {
        return Ok(());
    }
    Err("the proof is no signature by the next key, so nothing shows that its party holds it".to_owned())
}

/// Whether a signature in base64 is by this key.
pub(super) fn is_by(key: &Verifier, signed: &[u8], signature: &str) -> bool {
    let made = from_base64(signature).and_then(|made| <[u8; 64]>::try_from(made).ok());
    made.is_some_and(|made| key.verify_bytes(signed, &made))
}
