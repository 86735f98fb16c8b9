//! Judging what is said of the log's key: that the operator says it, with the key that signs now or, where that is lost, with the others.
//!
//! Not here: whether `from` is the key that signed the checkpoints before the first change, which no entry says. The operator's door looks
//! at that, and whoever verifies.

use super::bad_signature;
use super::keys::{is_by, is_held};
use crate::act::{LogKey, RecoveredLogKey, log_key_text};
use crate::ids::PartyId;
use crate::state::State;
use record::note::Verifier;

impl State {
    pub(super) fn changes_log_key(&self, kind: &str, key: &LogKey) -> Result<(), String> {
        let LogKey { from, vkey, handed, taken, party, signature } = key;
        let (before, next) = self.log_succession(party, from, vkey)?;
        let signed = log_key_text(&self.origin, kind, from, vkey);
        if !is_by(&before, signed.as_bytes(), handed) {
            return Err("the signature does not verify with the log's key that signs now".to_owned());
        }
        is_held(&next, signed.as_bytes(), taken)?;
        self.is_said(party, signed.as_bytes(), signature)
    }

    pub(super) fn recovers_log_key(&self, kind: &str, key: &RecoveredLogKey) -> Result<(), String> {
        let RecoveredLogKey { from, vkey, taken, party, signature } = key;
        let (_, next) = self.log_succession(party, from, vkey)?;
        let signed = log_key_text(&self.origin, kind, from, vkey);
        is_held(&next, signed.as_bytes(), taken)?;
        self.is_said(party, signed.as_bytes(), signature)
    }

    /// The log's key that signs now, as far as the entries name it, and the one that is to come after it.
    fn log_succession(
        &self,
        party: &PartyId,
        from: &str,
        vkey: &str,
    ) -> Result<(Verifier, Verifier), String> {
        let operator = self.in_force().operator();
        if party != operator {
            return Err(format!("the log's key is for the operator to change, `{operator}`"));
        }
        let parsed = |vkey: &str| {
            let key =
                Verifier::parse(vkey).ok().filter(|key| key.vkey() == vkey && key.name() == self.origin);
            key.ok_or_else(|| format!("`{vkey}` is no public key of the log `{}`", self.origin))
        };
        let (before, next) = (parsed(from)?, parsed(vkey)?);
        if let Some(signs) = self.log_keys.last().filter(|signs| signs.key != before) {
            return Err(format!("the log signs with `{}`, not with `{before}`", signs.key));
        }
        if next.is_same_key(&before) || self.is_used(&next) {
            return Err("this public key is in use, or was; make another".to_owned());
        }
        Ok((before, next))
    }

    fn is_said(&self, party: &PartyId, signed: &[u8], signature: &str) -> Result<(), String> {
        if self.is_signed(party, signed, signature) { Ok(()) } else { Err(bad_signature(party)) }
    }
}
