//! The memorandum: one Markdown file, prose for lawyers and fenced blocks of TOML for the machine.
//!
//! Not here: what a clause does once it is in force, and where the file lies. Reading is pure: text in, terms or faults out.

mod amounts;
mod check;
mod clause;
mod condition;
mod decimal;
mod diagnostic;
pub mod diff;
mod document;
mod dues;
mod explain;
mod fields;
mod header;
mod heading;
mod kinds;
mod near;
mod observed;
mod parse;
mod periods;
mod rates;
mod read;
mod reference;
pub mod sign;
pub mod together;

use std::sync::Arc;

pub use clause::{
    Accountable, Amendment, Area, Capacity, CashTranche, Clause, ComputeCredit, ExpiryApplies, Force, Kind,
    MinimumConsumption, Money, Policy, REQUIREMENT_ACTS, Requirement, Retention, RevenueShare, Service,
    Source, Step, Term, Undisclosed,
};
pub use condition::{Condition, Milestone};
pub use diagnostic::Diagnostic;
pub use header::{Header, MoneyError, OPERATOR, Party, Prevails};
pub use observed::{
    Consultation, EarlyAccess, Exclusivity, FirstRefusal, Licence, Period, Survival, Termination, Vest,
    Vesting,
};
pub use periods::Periods;

pub use explain::{explain, explain_condition, explain_keys};
pub use rates::{ListPrices, RateCard};
pub use record::hash::hex;
pub use reference::reference;
pub use sign::{Signature, SignatureError, Signatures, signing_bytes};

use crate::ids::ClauseId;

/// A memorandum that has been read and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memorandum {
    /// The header.
    pub header: Header,
    /// The clauses in the file's order.
    pub clauses: Vec<Clause>,
    /// SHA-256 of the file's bytes: the memorandum's name.
    pub digest: [u8; 32],
    /// The file's text.
    pub text: Arc<str>,
}

impl Memorandum {
    /// Reads a memorandum.
    ///
    /// # Errors
    /// Every fault that can be found in one reading, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let faults = parse::plain(text);
        if faults.is_empty() { parse::read(text) } else { Err(faults) }
    }

    /// The clause with this id.
    #[must_use]
    pub fn clause(&self, id: &ClauseId) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == *id)
    }

    /// The digest as a file name and in `previous`: 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        hex(&self.digest)
    }
}

/// The digest that [`hex`] wrote; none for anything else.
#[must_use]
pub fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let sound = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let from = at.checked_mul(2).filter(|_| sound)?;
        *byte = u8::from_str_radix(text.get(from..from.saturating_add(2))?, 16).ok()?;
    }
    Some(digest)
}

const ID_HELP: &str = "use lower-case letters and digits, with single hyphens between them: `launch-credits`";

fn is_kebab_case(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    id.len() <= 64 && id.starts_with(|c: char| c.is_ascii_lowercase()) && id.split('-').all(part)
}
