//! The register: applications and their keys, models put out of service, the keys by which parties cosign, and budgets.
//!
//! Not here: secrets (only their digests), and where a model is served (the operator's configuration).

mod budgets;

use crate::act::{Administer, Application, Digest, Key};
use crate::ids::{ApplicationId, BudgetId, KeyId, ModelId, PartyId, Timestamp};
use budgets::Budgets;
use record::cosignature::CosignerKey;
use std::collections::{BTreeMap, BTreeSet};

pub use budgets::Budget;

/// Applications, keys and suspended models, each by its id.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    applications: BTreeMap<ApplicationId, Application>,
    keys: BTreeMap<KeyId, Key>,
    suspended: BTreeSet<ModelId>,
    /// Whose each key is, by its vkey.
    witness_keys: BTreeMap<String, PartyId>,
    /// The vkeys of those that cosigned once. Their additions are on the record, signed, and must not be said again.
    revoked: BTreeSet<String>,
    budgets: Budgets,
}

/// Why a change of the register does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name is taken.
    #[error("an application named `{0}` exists; choose another name or remove it first")]
    ApplicationExists(ApplicationId),
    /// No such application.
    #[error("no application is named `{0}`; `countersign app list` shows those that are")]
    NoApplication(ApplicationId),
    /// The key id is taken.
    #[error("a key `{0}` exists already")]
    KeyExists(KeyId),
    /// No such key.
    #[error("no key is named `{0}`; `countersign key list` shows those that are")]
    NoKey(KeyId),
    /// Neither of the two audiences.
    #[error("an audience is `consumer` or `business`, not `{0}`")]
    Audience(String),
    /// Not a name.
    #[error("`{0}` is not a name: use lower-case letters, digits and hyphens, 64 at most")]
    Name(String),
    /// A text is longer than an entry should carry.
    #[error("{0} has more than {1} bytes; say it shorter")]
    Long(&'static str, usize),
    /// A budget that cannot be counted with.
    #[error("a budget is more than nothing and less than {BUDGET_MINOR_MAX} minor units")]
    Budget,
    /// A key that could never be used.
    #[error(
        "a key that may ask 0 times a minute can never be used; leave the limit out, or make it 1 or more"
    )]
    NoRequests,
    /// A moment that has no place in the record.
    #[error("a key expires after 1970 began and before 9999 ends")]
    Expires,
    /// The model is not suspended.
    #[error("model `{0}` is in service")]
    NotSuspended(ModelId),
    /// Not a key that cosigns.
    #[error("`{0}` is no public key of a cosigner: {1}")]
    Vkey(String, record::note::NoteError),
    /// The key cosigns already, under this name or another.
    #[error("this public key cosigns already, as `{0}`; make another")]
    WitnessKeyExists(String),
    /// The key was revoked, for good.
    #[error("this public key cosigned as `{0}` and was revoked; make another")]
    WitnessKeyRevoked(String),
    /// No such key.
    #[error("`{0}` does not cosign; `countersign witness list` shows the keys that do")]
    NoWitnessKey(String),
    /// The id was that of a budget that stands no more: its accounts are in the books for ever.
    #[error("a budget `{0}` was removed; choose another id")]
    BudgetRemoved(BudgetId),
    /// A budget of that id limits something else.
    #[error(
        "budget `{0}` stands, and only its amount can be set anew; for another scope, asset or period choose another id"
    )]
    BudgetDiffers(BudgetId),
    /// No such budget.
    #[error("no budget is named `{0}`; `countersign fund budget list` shows those that are")]
    NoBudget(BudgetId),
    /// A time that is too long, or none.
    #[error("a budget rolls over 1 to 92 days")]
    BudgetDays,
    /// What is known of an end user ends with the keys of a month.
    #[error(
        "a budget of each end user runs by the `month` or rolls over 1 to 28 days: what tells one from another is kept by the month"
    )]
    EndUsersPeriod,
    /// Enough budgets limit the same.
    #[error("4 budgets limit `{0}` already; remove one first")]
    TooManyBudgets(String),
    /// A raise that is over before it begins.
    #[error("the raise would have ended on {0} already")]
    RaiseEnded(Timestamp),
    /// Enough raises.
    #[error("8 raises of budget `{0}` have not ended yet; wait for one, or set another amount")]
    TooManyRaises(BudgetId),
}

impl Registry {
    /// Whether the change fits.
    ///
    /// Errors: [`RegistryError`], in the order of its variants for one change.
    pub fn check(&self, change: &Administer) -> Result<(), RegistryError> {
        match change {
            Administer::ApplicationAdd(application) => self.check_application(application),
            Administer::ApplicationRemove { name } => {
                self.application(name).map(drop).ok_or_else(|| RegistryError::NoApplication(name.clone()))
            }
            Administer::KeyNew(key) if self.keys.contains_key(&key.id) => {
                Err(RegistryError::KeyExists(key.id.clone()))
            }
            Administer::KeyNew(key) => self.check_key(key),
            Administer::KeyRevoke { id } => {
                self.keys.get(id).map(drop).ok_or_else(|| RegistryError::NoKey(id.clone()))
            }
            Administer::ModelResume { model } if self.suspended.contains(model) => Ok(()),
            Administer::ModelResume { model } => Err(RegistryError::NotSuspended(model.clone())),
            Administer::WitnessKeyAdd(key) => self.check_witness_key(&key.vkey),
            Administer::WitnessKeyRevoke(key) if self.witness_keys.get(&key.vkey) == Some(&key.party) => {
                Ok(())
            }
            Administer::WitnessKeyRevoke(key) => Err(RegistryError::NoWitnessKey(key.vkey.clone())),
            Administer::BudgetSet(set) => self.check_budget(set),
            Administer::BudgetRaise(raise) => self.check_raise(raise),
            Administer::BudgetRemove { id } => {
                self.budget(id).map(drop).ok_or_else(|| RegistryError::NoBudget(id.clone()))
            }
            // A party's own key and the log's are no matter of the register.
            Administer::PartyKeyChange(_)
            | Administer::PartyKeyRecover(_)
            | Administer::LogKeyChange(_)
            | Administer::LogKeyRecover(_) => Ok(()),
        }
    }

    /// Makes a change at `at` that [`Registry::check`] found to fit.
    pub fn apply(&mut self, change: &Administer, at: Timestamp) {
        match change {
            Administer::ApplicationAdd(application) => {
                self.applications.insert(application.name.clone(), application.clone());
            }
            Administer::ApplicationRemove { name } => {
                self.applications.remove(name);
                self.keys.retain(|_, key| key.application != *name);
            }
            Administer::KeyNew(key) => {
                self.keys.insert(key.id.clone(), key.clone());
            }
            Administer::KeyRevoke { id } => {
                self.keys.remove(id);
            }
            Administer::ModelResume { model } => {
                self.suspended.remove(model);
            }
            Administer::WitnessKeyAdd(key) => {
                self.witness_keys.insert(key.vkey.clone(), key.party.clone());
            }
            Administer::WitnessKeyRevoke(key) => {
                self.witness_keys.remove(&key.vkey);
                self.revoked.insert(key.vkey.clone());
            }
            Administer::BudgetSet(set) => self.budgets.set(set),
            Administer::BudgetRaise(raise) => self.budgets.raise(raise, at),
            Administer::BudgetRemove { id } => self.budgets.remove(id),
            Administer::PartyKeyChange(_)
            | Administer::PartyKeyRecover(_)
            | Administer::LogKeyChange(_)
            | Administer::LogKeyRecover(_) => {}
        }
    }

    /// The register with these applications, keys, suspended models, keys that cosign and budgets.
    pub(crate) fn of(
        applications: Vec<Application>,
        keys: Vec<Key>,
        suspended: BTreeSet<ModelId>,
        witness_keys: BTreeMap<String, PartyId>,
        revoked: BTreeSet<String>,
        (budgets, removed): (Vec<Budget>, BTreeSet<BudgetId>),
    ) -> Self {
        let applications = applications.into_iter().map(|one| (one.name.clone(), one)).collect();
        let keys = keys.into_iter().map(|key| (key.id.clone(), key)).collect();
        let budgets = Budgets::of(budgets, removed);
        Self { applications, keys, suspended, witness_keys, revoked, budgets }
    }

    /// The keys that cosign, each a vkey with the party whose it is, in order of vkey.
    pub fn witness_keys(&self) -> impl Iterator<Item = (&str, &PartyId)> {
        self.witness_keys.iter().map(|(vkey, party)| (vkey.as_str(), party))
    }

    /// The vkeys of those that cosigned once and do no more, in order.
    pub fn revoked_witness_keys(&self) -> impl Iterator<Item = &str> {
        self.revoked.iter().map(String::as_str)
    }

    /// Whether this public key cosigns, or did.
    #[must_use]
    pub fn has_cosigned(&self, public_key: &[u8; 32]) -> bool {
        let mut all = self.witness_keys.keys().chain(&self.revoked);
        all.any(|vkey| CosignerKey::parse(vkey).is_ok_and(|key| key.public_key() == public_key))
    }

    /// The keys that cosign, parsed, in the same order.
    #[must_use]
    pub fn cosigners(&self) -> Vec<CosignerKey> {
        self.witness_keys.keys().filter_map(|vkey| CosignerKey::parse(vkey).ok()).collect()
    }

    /// Puts a model out of service.
    pub fn suspend(&mut self, model: &ModelId) {
        self.suspended.insert(model.clone());
    }

    /// Whether a model is out of service.
    #[must_use]
    pub fn is_suspended(&self, model: &ModelId) -> bool {
        self.suspended.contains(model)
    }

    /// The models out of service, in order.
    pub fn suspended(&self) -> impl Iterator<Item = &ModelId> {
        self.suspended.iter()
    }

    /// An application by name.
    #[must_use]
    pub fn application(&self, name: &ApplicationId) -> Option<&Application> {
        self.applications.get(name)
    }

    /// All applications, in order of name.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.applications.values()
    }

    /// All keys, in order of id.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The key with this id whose secret has this digest, if it is still good at `at`, with its application.
    ///
    /// The digests are compared in full whatever they hold, so that time tells nothing of the secret.
    #[must_use]
    pub fn authenticate(&self, id: &KeyId, secret: &Digest, at: Timestamp) -> Option<(&Key, &Application)> {
        let (key, application) = self.standing(id, at)?;
        let differing = key.secret.0.iter().zip(&secret.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        (differing == 0).then_some((key, application))
    }

    /// The key with this id if it is still good at `at`, with its application.
    #[must_use]
    pub fn standing(&self, id: &KeyId, at: Timestamp) -> Option<(&Key, &Application)> {
        let key = self.keys.get(id)?;
        if key.expires.is_some_and(|expires| expires <= at) {
            return None;
        }
        self.applications.get(&key.application).map(|application| (key, application))
    }

    fn check_key(&self, key: &Key) -> Result<(), RegistryError> {
        // A colon would make the accounts of its budget those of another's purse.
        if key.id.as_str().contains(':') {
            return Err(RegistryError::Name(key.id.to_string()));
        }
        if self.application(&key.application).is_none() {
            return Err(RegistryError::NoApplication(key.application.clone()));
        }
        if key.requests_per_minute == Some(0) {
            return Err(RegistryError::NoRequests);
        }
        let amount = key.budget.as_ref().map_or(1, |budget| budget.amount);
        if !(1..BUDGET_MINOR_MAX).contains(&amount) {
            return Err(RegistryError::Budget);
        }
        if key.expires == Some(Timestamp::default()) {
            return Err(RegistryError::Expires);
        }
        Ok(())
    }

    fn check_witness_key(&self, vkey: &str) -> Result<(), RegistryError> {
        let key = CosignerKey::parse(vkey).map_err(|error| RegistryError::Vkey(vkey.to_owned(), error))?;
        // Signed bytes do not name the cosigner: under two names one key would say two things.
        let is_same = |other: &CosignerKey| other.public_key() == key.public_key();
        if let Some(other) = self.cosigners().into_iter().find(is_same) {
            return Err(RegistryError::WitnessKeyExists(other.name().to_owned()));
        }
        let mut revoked = self.revoked.iter().filter_map(|vkey| CosignerKey::parse(vkey).ok());
        match revoked.find(is_same) {
            Some(other) => Err(RegistryError::WitnessKeyRevoked(other.name().to_owned())),
            None => Ok(()),
        }
    }

    fn check_application(&self, application: &Application) -> Result<(), RegistryError> {
        let name = application.name.as_str();
        if !is_name(name) {
            return Err(RegistryError::Name(name.to_owned()));
        }
        if self.applications.contains_key(&application.name) {
            return Err(RegistryError::ApplicationExists(application.name.clone()));
        }
        for (what, text, bytes_max) in [
            ("the purpose", &application.purpose, PURPOSE_BYTES_MAX),
            ("the market", &application.market, MARKET_BYTES_MAX),
        ] {
            if text.len() > bytes_max {
                return Err(RegistryError::Long(what, bytes_max));
            }
        }
        match application.audience.as_str() {
            "consumer" | "business" => Ok(()),
            other => Err(RegistryError::Audience(other.to_owned())),
        }
    }
}

/// The purpose of an application stands in each of its calls' entries.
const PURPOSE_BYTES_MAX: usize = 512;
const MARKET_BYTES_MAX: usize = 64;
/// A budget's bound: a billion billion of an asset with six decimals. Any number of them can be added up.
const BUDGET_MINOR_MAX: i128 = 1_000_000_000_000_000_000_000_000;

/// Whether an application may be named so.
pub(crate) fn is_name(text: &str) -> bool {
    let is_of_names = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_names)
}
