//! The partnership while its history is made: who acts, signs and calls, at which moment.
//!
//! Not here: what happens on which day (`plan`), or how calls are drawn (`calls`).

use super::calls::{self, Call, Calls};
use super::{Span, dues, plan};
use crate::clerk::ByHand;
use crate::clock::Clock;
use crate::content::{commitment, nonce};
use crate::files::Keys;
use crate::http::Proposal;
use crate::office;
use crate::vault::Vault;
use anyhow::{Context as _, bail};
use partnership::act::{Act, Approve, Deed, Digest, Outcome, Principal};
use partnership::decision::{Decision, Ticket, Warrant};
use partnership::ids::{ActId, PartyId, Timestamp};
use partnership::{Command, Entropy, State, Terms};
use record::Store as _;
use record::hash::{base64, sha256};
use record::note::Signer;
use record::store::directory::Directory;
use std::collections::BTreeMap;
use std::path::Path;

/// Who acts for each party.
const PEOPLE: [(&str, &str); 2] = [("northwind", "Marguerite Sandoval"), ("halcyon", "Tobias Okonkwo")];

/// The partnership under way.
pub(super) struct Life {
    hand: ByHand<Directory>,
    vault: Vault,
    store: Directory,
    signers: BTreeMap<&'static str, Signer>,
    origin: String,
    pub(super) span: Span,
    /// The moment of what happens now.
    at: Timestamp,
    calls: Calls,
    /// The calls that are performed, by when they end.
    under_way: BTreeMap<(Timestamp, ActId), (Warrant, Outcome)>,
    pub(super) debts: dues::Debts,
}

/// Something that happens at a moment.
enum Happens {
    Planned(plan::Step),
    Office(i64),
    Call(Call),
}

impl Life {
    /// Begins the record in `dir`.
    ///
    /// Errors: what cannot be read or written.
    pub(super) fn found(dir: &Path, origin: &str, span: Span) -> anyhow::Result<Self> {
        let at = span.begins();
        let keys = Keys::new(dir.join("keys"));
        let signers = PEOPLE.into_iter().map(|(party, _)| Ok((party, keys.signer(party)?)));
        let signers = signers.collect::<anyhow::Result<_>>()?;
        let key_file = dir.join("keys/vault.wrapping");
        let vault = Vault::begun(dir.join("vault"), key_file, Clock, Some(at))?;
        Ok(Self {
            hand: office::by_hand(dir, origin, at)?,
            vault,
            store: Directory::new(dir.join("record")),
            signers,
            origin: origin.to_owned(),
            span,
            at,
            calls: Calls::of(&span),
            under_way: BTreeMap::new(),
            debts: dues::Debts::default(),
        })
    }

    /// Lives through one day, counted from nought; through the last one up to the last moment.
    ///
    /// Errors: what cannot be written, or was refused and was not to be.
    pub(super) fn live(&mut self, day: i64) -> anyhow::Result<()> {
        let begins = self.span.day(day)?;
        if begins > self.at {
            self.until(begins)?;
        }
        let planned = plan::of_day(&self.span, day).map(|(at, step)| (at, Happens::Planned(step)));
        let mut happens: Vec<_> = planned.collect();
        happens.push((begins.plus_millis(dues::OFFICE_MS), Happens::Office(day)));
        let called = self.calls.of_day(&self.span, day, begins).into_iter();
        happens.extend(called.map(|call| (call.at, Happens::Call(call))));
        // In the order above where two happen at one moment.
        happens.sort_by_key(|(at, _)| *at);
        let end = self.span.end;
        for (at, happens) in happens.into_iter().filter(|(at, _)| *at <= end) {
            self.until(at)?;
            match happens {
                Happens::Planned(step) => step(self)?,
                Happens::Office(day) => dues::attend(self, day)?,
                Happens::Call(call) => self.call(&call)?,
            }
        }
        Ok(())
    }

    /// Ends the history at its last moment: all is settled, written and published.
    ///
    /// Errors: what cannot be written.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.until(self.span.end)?;
        self.hand.end()
    }

    /// Lets time pass until a moment: what ends and what is due by then is done.
    fn until(&mut self, at: Timestamp) -> anyhow::Result<()> {
        while let Some(next) = self.under_way.first_entry().filter(|next| next.key().0 <= at) {
            let ((ends, _), (warrant, outcome)) = next.remove_entry();
            self.hand.settle(ends, warrant, outcome)?;
        }
        self.at = at;
        self.hand.pass(at)
    }

    pub(super) fn state(&self) -> &State {
        self.hand.state()
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The terms in force.
    pub(super) fn terms(&self) -> anyhow::Result<&Terms> {
        self.state().terms().map(AsRef::as_ref).context("the partnership has not begun")
    }

    /// A party's signature in base64.
    pub(super) fn sign(&self, party: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let signer = self.signers.get(party).with_context(|| format!("`{party}` has no key"))?;
        Ok(base64(&signer.sign_bytes(bytes)))
    }

    /// A number below `count`, by the seed.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.calls.chance.below(count)
    }

    /// Makes a later version of the memorandum known, and keeps it beside the record.
    pub(super) fn know(&mut self, text: &str) -> anyhow::Result<Digest> {
        let terms = super::terms(text)?;
        let digest = terms.digest();
        self.store.create(&format!("memorandum/{}", digest.hex()), text.as_bytes())?;
        self.hand.tell(self.at, Command::Know(Box::new(terms)))?;
        Ok(digest)
    }

    /// Tells the clerk something that is no act.
    pub(super) fn tell(&mut self, command: Command) -> anyhow::Result<()> {
        self.hand.tell(self.at, command)
    }

    /// Proposes an act in the name of a party; gives who must still approve it, if anybody.
    ///
    /// Errors: it was refused.
    pub(super) fn by(&mut self, party: &str, deed: Deed) -> anyhow::Result<Option<Ticket>> {
        let person = PEOPLE.into_iter().find(|(of, _)| *of == party).map(|(_, person)| person.to_owned());
        let person = person.with_context(|| format!("nobody acts for `{party}`"))?;
        let (id, what) = (self.act_id(), deed.name());
        let act = Act { id, principal: Principal::Party { party: PartyId::from(party), person }, deed };
        match self.hand.propose(self.at, act, None)? {
            Decision::Done(_) => Ok(None),
            Decision::Escalate(ticket) => Ok(Some(ticket)),
            Decision::Deny(refusal) => bail!("`{what}` by `{party}` was refused: {refusal}"),
            Decision::Allow(_) | Decision::Repeated(_) => unreachable!("nothing has to be performed for it"),
        }
    }

    /// Has a party approve what waits, by its signature over these bytes.
    pub(super) fn approve(&mut self, party: &str, ticket: &Ticket, signed: &[u8]) -> anyhow::Result<()> {
        let (act, digest) = (ticket.act.to_string(), ticket.digest);
        let signature = self.sign(party, signed)?;
        let approve = Approve { act, digest, party: PartyId::from(party), signature };
        self.by(party, Deed::Approve(approve)).map(drop)
    }

    /// Somebody calls a model: refused, or performed until its moment.
    fn call(&mut self, call: &Call) -> anyhow::Result<()> {
        let id = self.act_id();
        let desk = self.hand.desk();
        let proposal = Proposal::of(&self.vault, &desk, &call.key, (id, &call.body))?;
        let Proposal { act, assessed, content_key } = proposal;
        if let Decision::Allow(warrant) = self.hand.propose(self.at, act, assessed)? {
            let answer = sha256(calls::ANSWER.as_bytes());
            let output = commitment(&content_key, "output", &nonce(id), &answer);
            let outcome = Outcome { output: Some(output), ..call.outcome.clone() };
            self.under_way.insert((call.ends, id), (warrant, outcome));
        }
        Ok(())
    }

    fn act_id(&self) -> ActId {
        Entropy::new(Clock.random()).act_id(self.at)
    }
}
