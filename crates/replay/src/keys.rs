//! How a party's own key gives way to another. Not here: whether the memorandum names the recovery key, which only its text says, or
//! the keys by which parties cosign.

use crate::act_id::ActId;
use crate::acts::Kind;
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::is_by;
use crate::text::plain;
use record::cosignature::CosignerKey;
use record::note::Verifier;

/// One key that gave way to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The entry from which on the new key counts.
    pub index: u64,
    /// The place of the version of the memorandum that was in force when it was allowed.
    pub under: usize,
    /// Whose keys they are.
    pub party: String,
    /// The key that counted.
    pub from: Verifier,
    /// The key that counts since.
    pub to: Verifier,
    /// The recovery key that spoke in the place of the one before, where one did: a vkey.
    pub recovery: Option<String>,
}

/// A change that is allowed and not settled. The party is as it is spelled.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) party: Box<[u8]>,
    pub(crate) to: Verifier,
    pub(crate) recovery: Option<String>,
    pub(crate) under: usize,
}

/// What an act says of a party's next key, as it is spelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) vkey: &'a [u8],
    pub(crate) party: &'a [u8],
    pub(crate) recovery: Option<&'a [u8]>,
    pub(crate) signature: &'a [u8],
    pub(crate) proof: &'a [u8],
}

impl Replay {
    /// What the act comes to: said by the key that counts now, or a recovery key, and by the next key, which was nobody's.
    pub(crate) fn gives_way(
        &self,
        id: ActId,
        kind: Kind,
        said: Said<'_>,
        under: usize,
    ) -> Result<Change, Fault> {
        let Said { vkey, party, recovery, signature, proof } = said;
        let (party_name, vkey) = (plain(party), plain(vkey));
        let bad = || Fault::PartyKey(id, party_name.clone());
        let before = self.keys.of(party).ok_or_else(bad)?;
        let to = Verifier::parse(&vkey).ok().filter(|to| to.vkey() == vkey).ok_or_else(bad)?;
        let recovery = recovery.map(plain);
        let speaks = match &recovery {
            Some(recovery) => &Verifier::parse(recovery).map_err(|_| bad())?,
            None => before,
        };
        let is_used = self.keys.ever().any(|key| key.is_same_key(&to)) || self.has_cosigned(to.public_key());
        let is_used = is_used || self.was_the_logs(to.public_key());
        if to.name() != before.name() || is_used || to.is_same_key(speaks) {
            return Err(bad());
        }
        let message =
            ["countersign/party-key/v1", &self.origin, kind.name(), &party_name, &before.vkey(), &vkey]
                .join("\0");
        let holds = is_by(speaks, message.as_bytes(), signature) && is_by(&to, message.as_bytes(), proof);
        if !holds {
            return Err(Fault::Signature(id, party_name));
        }
        Ok(Change { party: party.into(), to, recovery, under })
    }

    /// The change takes effect.
    pub(crate) fn gave_way(&mut self, change: Change) {
        let Change { party, to, recovery, under } = change;
        if let Some(from) = self.keys.replace(&party, to.clone()) {
            let (index, party) = (self.entries, plain(&party));
            self.successions.push(Succession { index, under, party, from, to, recovery });
        }
    }

    /// Whether this public key cosigns, or did.
    pub(crate) fn has_cosigned(&self, public_key: &[u8; 32]) -> bool {
        let all = self.witnesses.iter().map(|(_, vkey)| vkey).chain(&self.revoked);
        all.into_iter()
            .any(|vkey| CosignerKey::parse(&plain(vkey)).is_ok_and(|key| key.public_key() == public_key))
    }

    /// The parties' keys that gave way to others, in their order.
    #[must_use]
    pub fn successions(&self) -> &[Succession] {
        &self.successions
    }
}
