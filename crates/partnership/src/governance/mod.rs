//! Governance: what the clauses allow, who must agree, and who answers for it.
//!
//! Not here: money (`investment`), or the performing of anything.

mod attention;
mod index;
pub mod policy;
mod question;
pub(crate) mod vocabulary;

pub use policy::{Assessment, Facts, Policies};
pub use vocabulary::VOCABULARY;
