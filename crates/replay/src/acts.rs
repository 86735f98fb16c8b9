//! What is known of acts under way: those that are open, with what they hold, and those that wait. Not here: acts that are over,
//! of which only the id is kept (`seen`).

use crate::act_id::ActId;
use crate::budgets;
use crate::dues::{SaidDue, SaidPaid};
use crate::keys::Change;
use crate::log_keys::LogChange;
use crate::moment::Moment;
use record::Hash;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of acts of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ask a model for an answer.
    Infer,
    /// Put a new version of the memorandum in force.
    Amend,
    /// Approve another act.
    Approve,
    /// Attest a milestone.
    Attest,
    /// Book a tranche.
    Draw,
    /// Book what a grant or tranche has left when its day has passed.
    Expire,
    /// Book what a clause makes due on a day.
    Book,
    /// Declare revenue that is shared.
    Declare,
    /// Give one's word on a payment.
    Payment,
    /// Give one's word on a reconciliation.
    Reconcile,
    /// Record that a notice could not be delivered.
    Undelivered,
    /// End what binds nobody by one party's word alone.
    Withdraw,
    /// Destroy content keys.
    Erase,
    /// Register an application.
    ApplicationAdd,
    /// Remove an application.
    ApplicationRemove,
    /// Issue a key.
    KeyNew,
    /// Revoke a key.
    KeyRevoke,
    /// Put a suspended model back in service.
    ModelResume,
    /// Have a party's cosignatures by a key count.
    WitnessKeyAdd,
    /// Have cosignatures by a key count no more.
    WitnessKeyRevoke,
    /// Have a party's own key give way to another.
    PartyKeyChange,
    /// Have a party's own key give way to another by its recovery key.
    PartyKeyRecover,
    /// Have the log's key give way to another.
    LogKeyChange,
    /// Have the log's key give way to another without its own word.
    LogKeyRecover,
    /// Set a budget.
    BudgetSet,
    /// Have a budget be more for a time.
    BudgetRaise,
    /// Have a budget limit nothing any more.
    BudgetRemove,
}

impl Kind {
    /// The word that the record uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Amend => "amend",
            Self::Approve => "approve",
            Self::Attest => "attest",
            Self::Draw => "draw",
            Self::Expire => "expire",
            Self::Book => "book",
            Self::Declare => "declare",
            Self::Payment => "payment",
            Self::Reconcile => "reconcile",
            Self::Undelivered => "undelivered",
            Self::Withdraw => "withdraw",
            Self::Erase => "erase",
            Self::ApplicationAdd => "application-add",
            Self::ApplicationRemove => "application-remove",
            Self::KeyNew => "key-new",
            Self::KeyRevoke => "key-revoke",
            Self::ModelResume => "model-resume",
            Self::WitnessKeyAdd => "witness-key-add",
            Self::WitnessKeyRevoke => "witness-key-revoke",
            Self::PartyKeyChange => "party-key-change",
            Self::PartyKeyRecover => "party-key-recover",
            Self::LogKeyChange => "log-key-change",
            Self::LogKeyRecover => "log-key-recover",
            Self::BudgetSet => "budget-set",
            Self::BudgetRaise => "budget-raise",
            Self::BudgetRemove => "budget-remove",
        }
    }

    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"infer" => Self::Infer,
            b"amend" => Self::Amend,
            b"approve" => Self::Approve,
            b"attest" => Self::Attest,
            b"draw" => Self::Draw,
            b"expire" => Self::Expire,
            b"book" => Self::Book,
            b"declare" => Self::Declare,
            b"payment" => Self::Payment,
            b"reconcile" => Self::Reconcile,
            b"undelivered" => Self::Undelivered,
            b"withdraw" => Self::Withdraw,
            b"erase" => Self::Erase,
            b"application-add" => Self::ApplicationAdd,
            b"application-remove" => Self::ApplicationRemove,
            b"key-new" => Self::KeyNew,
            b"key-revoke" => Self::KeyRevoke,
            b"model-resume" => Self::ModelResume,
            b"witness-key-add" => Self::WitnessKeyAdd,
            b"witness-key-revoke" => Self::WitnessKeyRevoke,
            b"party-key-change" => Self::PartyKeyChange,
            b"party-key-recover" => Self::PartyKeyRecover,
            b"log-key-change" => Self::LogKeyChange,
            b"log-key-recover" => Self::LogKeyRecover,
            b"budget-set" => Self::BudgetSet,
            b"budget-raise" => Self::BudgetRaise,
            b"budget-remove" => Self::BudgetRemove,
            _ => return None,
        })
    }

    /// Whether it may have to wait for approvals: an amendment, a change of the register, and the end of keys.
    pub(crate) fn may_wait(self) -> bool {
        self.is_change() || matches!(self, Self::Amend | Self::Erase)
    }

    /// Whether it changes the register.
    fn is_change(self) -> bool {
        matches!(
            self,
            Self::ApplicationAdd
                | Self::ApplicationRemove
                | Self::KeyNew
                | Self::KeyRevoke
                | Self::ModelResume
                | Self::WitnessKeyAdd
                | Self::WitnessKeyRevoke
                | Self::PartyKeyChange
                | Self::PartyKeyRecover
                | Self::LogKeyChange
                | Self::LogKeyRecover
                | Self::BudgetSet
                | Self::BudgetRaise
                | Self::BudgetRemove
        )
    }

    /// Whether the settlement follows on the decision.
    pub(crate) fn is_at_once(self) -> bool {
        !matches!(self, Self::Infer | Self::Amend | Self::Erase)
    }
}

/// An allowed act that is not settled.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) kind: Kind,
    /// Where its decision stands.
    pub(crate) index: u64,
    pub(crate) at: Moment,
    /// When it may lapse; only a model call does.
    pub(crate) lapses: Option<Moment>,
    /// Whether it erases what is due by a clause.
    pub(crate) is_due: bool,
    /// The idempotency key that it has taken.
    pub(crate) key: Option<Hash>,
    /// What it holds.
    pub(crate) held: Vec<Held>,
}

/// A reservation that is alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) leg: u16,
    /// The accounts, by their places in the books.
    pub(crate) debit: usize,
    pub(crate) credit: usize,
    pub(crate) amount: i128,
}

/// The open acts, in order of their ids. The rooms of those that are settled are used again, so that none is made for each act.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenActs {
    places: BTreeMap<ActId, usize>,
    rooms: Vec<Open>,
    free: Vec<usize>,
}

impl OpenActs {
    /// Opens an act, which must not be open, and gives the list for what it holds.
    pub(crate) fn open(&mut self, id: ActId, act: Open) -> &mut Vec<Held> {
        let place = self.free.pop().unwrap_or(self.rooms.len());
        self.places.insert(id, place);
        match self.rooms.get_mut(place) {
            Some(room) => {
                let held = std::mem::take(&mut room.held);
                *room = Open { held, ..act };
            }
            None => self.rooms.push(act),
        }
        match self.rooms.get_mut(place) {
            Some(room) => &mut room.held,
            None => unreachable!("the act was just given its room"),
        }
    }

    /// Closes an act; what it was stays readable until the next one is opened.
    pub(crate) fn close(&mut self, id: ActId) -> Option<&mut Open> {
        let place = self.places.remove(&id)?;
        self.free.push(place);
        self.rooms.get_mut(place)
    }

    /// The list for what an open act holds.
    pub(crate) fn held_mut(&mut self, id: ActId) -> Option<&mut Vec<Held>> {
        let place = self.places.get(&id)?;
        self.rooms.get_mut(*place).map(|room| &mut room.held)
    }

    /// Those that are open, in order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ActId, &Open)> {
        self.places.iter().filter_map(|(id, place)| Some((*id, self.rooms.get(*place)?)))
    }
}

/// An act that waits for approvals. Names are as they are spelled.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) kind: Kind,
    pub(crate) who: Box<[u8]>,
    /// SHA-256 of its own fields as they are spelled.
    pub(crate) what: Hash,
    /// What each approval is signed over.
    pub(crate) digest: Hash,
    /// Who must approve.
    pub(crate) by: Vec<Box<[u8]>>,
    /// Who has.
    pub(crate) given: Vec<Box<[u8]>>,
}

impl Waiting {
    /// The first party whose approval is missing.
    pub(crate) fn missing(&self) -> Option<&[u8]> {
        self.by.iter().find(|party| !self.given.contains(party)).map(|party| &**party)
    }
}

/// An approved amendment that waits for its day.
#[derive(Debug, Clone)]
pub(crate) struct Amending {
    pub(crate) version: u64,
    pub(crate) digest: Hash,
    pub(crate) approved_by: Vec<Box<[u8]>>,
}

/// An application that there is or was, as far as the end of its content goes.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// The audiences that it has had, as they are spelled.
    pub(crate) audiences: BTreeSet<Box<[u8]>>,
    /// When it was first registered.
    pub(crate) since: Moment,
    /// Before when all was erased because it was due.
    pub(crate) erased: Option<Moment>,
}

/// An act whose settlement must be the next entry.
#[derive(Debug, Clone)]
pub(crate) struct AtOnce {
    pub(crate) id: ActId,
    pub(crate) effect: Effect,
}

/// What an act that is done at once comes to. Names are as they are spelled.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// This act is approved, for this party.
    Approve(ActId, Box<[u8]>),
    /// This party attests a milestone by this evidence: that of a clause, or `clause/condition` where it has several.
    Attest { clause: Box<[u8]>, evidence: Hash, party: Box<[u8]> },
    /// The tranche of this clause is booked.
    Draw(Box<[u8]>),
    /// An application of this name and audience is registered.
    Application(Box<[u8]>, Box<[u8]>),
    /// What is left under this clause is booked as lapsed or as breakage.
    Expire(Box<[u8]>),
    /// What a clause makes due on a day is booked or declared.
    Due(Box<SaidDue>),
    /// A party gives its word on a payment.
    Pay(Box<SaidPaid>),
    /// This key gets a budget of this asset and amount, or none.
    Key(Box<[u8]>, Option<(Box<[u8]>, i128)>),
    /// Cosignatures by this key, of this party, count; or count no more.
    Witness { vkey: Box<[u8]>, party: Box<[u8]>, counts: bool },
    /// A party's key gives way to another.
    Party(Box<Change>),
    /// The log's key gives way to another.
    Log(Box<LogChange>),
    /// A budget is set, raised or removed.
    Budget(Box<budgets::Change>),
    /// Nothing that a replay follows.
    Other,
}
