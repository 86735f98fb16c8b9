//! What can be proposed over HTTP, and the deed that it is.
//!
//! Not here: what needs more than its fields, such as a new key or an amendment (`acts`).

use crate::http::api::Problem;
use crate::http::api::budgets::{Raising, Removing, Setting};
use jiff::civil::Date;
use partnership::Terms;
use partnership::act::{
    Administer, Application, Approve, Attest, Budget, Declare, Deed, Digest, LogKey, PaidIn, PartyKey,
    Payment, Reconcile, RecoveredKey, RecoveredLogKey, Withdraw, WitnessKey,
};
use serde::Deserialize;

/// What can be proposed here.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Wanted {
    ApplicationAdd {
        name: String,
        party: String,
        audience: String,
        purpose: String,
        market: String,
    },
    ApplicationRemove {
        name: String,
    },
    KeyNew {
        application: String,
        requests_per_minute: Option<u64>,
        budget: Option<String>,
        expires: Option<String>,
    },
    KeyRevoke {
        id: String,
    },
    ModelResume {
        model: String,
    },
    WitnessKeyAdd {
        vkey: String,
        party: String,
        signature: String,
    },
    WitnessKeyRevoke {
        vkey: String,
        party: String,
        signature: String,
    },
    PartyKeyChange {
        vkey: String,
        party: String,
        signature: String,
        proof: String,
    },
    PartyKeyRecover {
        vkey: String,
        party: String,
        recovery: String,
        signature: String,
        proof: String,
    },
    LogKeyChange {
        from: String,
        vkey: String,
        handed: String,
        taken: String,
        party: String,
        signature: String,
    },
    LogKeyRecover {
        from: String,
        vkey: String,
        taken: String,
        party: String,
        signature: String,
    },
    Attest {
        clause: String,
        #[serde(default)]
        condition: Option<String>,
        evidence: String,
        party: String,
        signature: String,
    },
    Declare {
        clause: String,
        /// The first day after the period.
        on: String,
        /// With its asset.
        revenue: String,
        party: String,
        signature: String,
    },
    Payment {
        clause: String,
        /// How much of the debt, with its asset.
        amount: String,
        paid_in: Option<WantedPaidIn>,
        reference: String,
        party: String,
        signature: String,
    },
    Reconcile {
        /// The digest of the report.
        report: String,
        period: String,
        #[serde(default)]
        of: Option<String>,
        differing: u64,
        party: String,
        signature: String,
    },
    Withdraw {
        /// SHA-256 of the version, in base64.
        memorandum: String,
        /// The first day on which what binds nobody has ended.
        ends: String,
        party: String,
        signature: String,
    },
    Approve {
        act: String,
        digest: String,
        party: String,
        signature: String,
    },
    Amend {
        text: String,
        party: String,
        signature: String,
    },
    Erase(Erasure),
    BudgetSet(Setting),
    BudgetRaise(Raising),
    BudgetRemove(Removing),
}

/// What is to be erased.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Erasure {
    pub(super) application: Option<String>,
    /// A day, the first of a month.
    pub(super) before: Option<String>,
    /// An end user's id, which goes no further than to the vault.
    pub(super) subject: Option<String>,
}

impl Wanted {
    /// The party whose signature it carries, where it is one that a party makes by itself.
    pub(super) fn signed_by(&self) -> Option<&str> {
        match self {
            Self::WitnessKeyAdd { party, .. }
            | Self::WitnessKeyRevoke { party, .. }
            | Self::PartyKeyChange { party, .. }
            | Self::Attest { party, .. }
            | Self::Declare { party, .. }
            | Self::Payment { party, .. }
            | Self::Reconcile { party, .. }
            | Self::Withdraw { party, .. }
            | Self::Approve { party, .. } => Some(party),
            _ => None,
        }
    }

    /// The party whose lost key it replaces.
    pub(super) fn recovers(&self) -> Option<&str> {
        match self {
            Self::PartyKeyRecover { party, .. } => Some(party),
            _ => None,
        }
    }

    /// The change of the register that it is; what it is, where it is none.
    fn change(self) -> Result<Administer, Box<Self>> {
        Ok(match self {
            Self::ApplicationAdd { name, party, audience, purpose, market } => {
                Administer::ApplicationAdd(Application {
                    name: name.into(),
                    party: party.into(),
                    audience,
                    purpose,
                    market,
                })
            }
            Self::ApplicationRemove { name } => Administer::ApplicationRemove { name: name.into() },
            Self::KeyRevoke { id } => Administer::KeyRevoke { id: id.into() },
            Self::ModelResume { model } => Administer::ModelResume { model: model.into() },
            Self::WitnessKeyAdd { vkey, party, signature } => {
                Administer::WitnessKeyAdd(WitnessKey { vkey, party: party.into(), signature })
            }
            Self::WitnessKeyRevoke { vkey, party, signature } => {
                Administer::WitnessKeyRevoke(WitnessKey { vkey, party: party.into(), signature })
            }
            Self::PartyKeyChange { vkey, party, signature, proof } => {
                let party = party.into();
                Administer::PartyKeyChange(PartyKey { vkey, party, signature, proof })
            }
            Self::PartyKeyRecover { vkey, party, recovery, signature, proof } => {
                let party = party.into();
                let key = RecoveredKey { vkey, party, recovery, signature, proof };
                Administer::PartyKeyRecover(key)
            }
            Self::LogKeyChange { from, vkey, handed, taken, party, signature } => {
                let party = party.into();
                let key = LogKey { from, vkey, handed, taken, party, signature };
                Administer::LogKeyChange(key)
            }
            Self::LogKeyRecover { from, vkey, taken, party, signature } => {
                let party = party.into();
                let key = RecoveredLogKey { from, vkey, taken, party, signature };
                Administer::LogKeyRecover(key)
            }
            other => return Err(Box::new(other)),
        })
    }

    pub(super) fn deed(self, terms: &Terms) -> Result<Deed, Problem> {
        let other = match self.change() {
            Ok(change) => return Ok(Deed::Administer(change)),
            Err(other) => *other,
        };
        Ok(match other {
            Self::Attest { clause, condition, evidence, party, signature } => Deed::Attest(Attest {
                clause: clause.into(),
                condition: condition.map(Into::into),
                evidence: digest("evidence", &evidence)?,
                party: party.into(),
                signature,
            }),
            Self::Declare { clause, on, revenue, party, signature } => Deed::Declare(Declare {
                clause: clause.into(),
                on: day("on", &on)?,
                revenue: money("revenue", &revenue, terms)?,
                party: party.into(),
                signature,
            }),
            Self::Payment { clause, amount, paid_in, reference, party, signature } => {
                Deed::Payment(Payment {
                    clause: clause.into(),
                    amount: money("amount", &amount, terms)?,
                    paid_in: paid_in.map(|paid| paid.read(terms)).transpose()?,
                    reference,
                    party: party.into(),
                    signature,
                })
            }
            Self::Reconcile { report, period, of, differing, party, signature } => {
                Deed::Reconcile(Reconcile {
                    report: digest("report", &report)?,
                    period,
                    of: of.map(Into::into),
                    differing,
                    party: party.into(),
                    signature,
                })
            }
            Self::Withdraw { memorandum, ends, party, signature } => Deed::Withdraw(Withdraw {
                memorandum: digest("memorandum", &memorandum)?,
                ends: day("ends", &ends)?,
                party: party.into(),
                signature,
            }),
            Self::Approve { act, digest: over, party, signature } => Deed::Approve(Approve {
                act,
                digest: digest("digest", &over)?,
                party: party.into(),
                signature,
            }),
            _ => unreachable!("keys, amendments, erasures and amounts have ways of their own"),
        })
    }
}

/// Reads `250000.00 USD` at the asset's scale; it may be nothing.
/// What was paid in another asset than that of the debt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedPaidIn {
    /// With its asset.
    amount: String,
    /// Where the rate is from.
    source: String,
}

impl WantedPaidIn {
    fn read(self, terms: &Terms) -> Result<PaidIn, Problem> {
        let Budget { asset, amount } = money("paid_in.amount", &self.amount, terms)?;
        Ok(PaidIn { asset, amount, source: self.source })
    }
}

fn money(field: &str, text: &str, terms: &Terms) -> Result<Budget, Problem> {
    let money = terms.memorandum().header.amount(text);
    let (asset, amount) = money.map_err(|error| {
        Problem::unreadable(format!("`{field}`, `{text}`: {error}; write it as `250000.00 USD`"))
    })?;
    Ok(Budget { asset: asset.to_string(), amount: amount.minor() })
}

fn day(field: &str, text: &str) -> Result<Date, Problem> {
    text.parse()
        .map_err(|_| Problem::unreadable(format!("`{field}`: `{text}` is no day such as `2026-04-01`")))
}

fn digest(field: &str, text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|error| Problem::unreadable(format!("`{field}`: {error}")))
}
