//! How the log's key gives way to another. Not here: whether the first is the one that signed the checkpoints, and whether the party is
//! the operator; the entries say neither.

use crate::act_id::ActId;
use crate::acts::Kind;
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::is_by;
use crate::text::plain;
use record::note::Verifier;

/// One key of the log that gave way to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSuccession {
    /// The entry since which the new key signs: each checkpoint that covers it.
    pub index: u64,
    /// The place of the version of the memorandum that was in force when it was allowed.
    pub under: usize,
    /// The key that signed.
    pub from: Verifier,
    /// The key that signs since.
    pub to: Verifier,
    /// Who said so, with its own key: the operator, for all that the entries tell.
    pub party: String,
    /// The signature of the key before, in base64; none where it was lost.
    pub handed: Option<String>,
    /// The signature of the new key, in base64.
    pub taken: String,
}

/// A change that is allowed and not settled.
#[derive(Debug, Clone)]
pub(crate) struct LogChange(pub(crate) LogSuccession);

/// What an act says of the log's next key, as it is spelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSaid<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) vkey: &'a [u8],
    pub(crate) handed: Option<&'a [u8]>,
    pub(crate) taken: &'a [u8],
    pub(crate) party: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Replay {
    /// What the act comes to: said by the key that signs now, unless it is lost, by the next one, which was nobody's, and by a party.
    pub(crate) fn log_gives_way(
        &self,
        id: ActId,
        kind: Kind,
        said: LogSaid<'_>,
    ) -> Result<Box<LogChange>, Fault> {
        let LogSaid { from, vkey, handed, taken, party, signature } = said;
        let parsed = |vkey: &[u8]| {
            let text = plain(vkey);
            let key =
                Verifier::parse(&text).ok().filter(|key| key.vkey() == text && key.name() == self.origin);
            key.ok_or(Fault::LogKey(id))
        };
        let (from, to) = (parsed(from)?, parsed(vkey)?);
        let signs = self.log_successions.last().is_none_or(|last| last.to == from);
        let former = self.log_successions.iter().map(|one| &one.from);
        let is_used = self.keys.ever().chain(former).any(|key| key.is_same_key(&to));
        if !signs || is_used || to.is_same_key(&from) || self.has_cosigned(to.public_key()) {
            return Err(Fault::LogKey(id));
        }
        let message = format!("{}\ncountersign/{}/v1\nfrom {from}\nto {to}\n", self.origin, kind.name());
        let message = message.as_bytes();
        if !is_by(&to, message, taken) || handed.is_some_and(|handed| !is_by(&from, message, handed)) {
            return Err(Fault::LogKey(id));
        }
        if !self.keys.verify(party, message, signature) {
            return Err(Fault::Signature(id, plain(party)));
        }
        let (handed, taken, party) = (handed.map(plain), plain(taken), plain(party));
        let under = self.in_force();
        Ok(Box::new(LogChange(LogSuccession { index: 0, under, from, to, party, handed, taken })))
    }

    /// The change takes effect.
    pub(crate) fn log_gave_way(&mut self, LogChange(succession): LogChange) {
        self.log_successions.push(LogSuccession { index: self.entries, ..succession });
    }

    /// Whether a public key is the log's, or was, as far as entries name it.
    pub(crate) fn was_the_logs(&self, public_key: &[u8; 32]) -> bool {
        let all = self.log_successions.iter().flat_map(|one| [&one.from, &one.to]);
        all.into_iter().any(|key| key.public_key() == public_key)
    }

    /// The log's keys that gave way to others, in their order.
    #[must_use]
    pub fn log_successions(&self) -> &[LogSuccession] {
        &self.log_successions
    }
}
