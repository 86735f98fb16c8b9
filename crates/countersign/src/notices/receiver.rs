//! Who is told, as the operator's configuration names them.
//!
//! Not here: what they are sent (`webhook`, `mail`).

use super::mail::Mail;
use super::webhook::Webhook;
use super::{Failure, Letter};
use crate::config::variable;
use anyhow::{Context as _, bail, ensure};
use partnership::act::RECEIVER_BYTES_MAX;
use partnership::ids::{PartyId, Timestamp};
use partnership::notices::{About, Notice};
use serde::Deserialize;
use std::collections::BTreeSet;

/// One `[[notice]]` as the file writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiverText {
    name: String,
    kind: Kind,
    /// The party that it is of; none where it is told what concerns anybody.
    party: Option<String>,
    /// What it is told about; all, if none is named.
    #[serde(default)]
    about: Vec<String>,
    url: Option<String>,
    secret_env: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    tls: Option<Tls>,
    user_env: Option<String>,
    password_env: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Webhook,
    Smtp,
}

/// Whether mail is handed over encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tls {
    /// Always; otherwise it is not handed over.
    Required,
    /// Never: for a server on the same machine.
    None,
}

/// Who is told, and by what way.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Its name in the configuration.
    pub(crate) name: String,
    party: Option<PartyId>,
    about: Vec<About>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Webhook(Webhook),
    Mail(Mail),
}

impl Receiver {
    /// All of a configuration; `parties` are those of the memorandum.
    ///
    /// Errors: which one is wrong, and what to write instead; a secret's variable that is not set.
    pub(crate) fn all(texts: &[ReceiverText], parties: &[PartyId]) -> anyhow::Result<Vec<Self>> {
        let mut names = BTreeSet::new();
        let resolve = |text: &ReceiverText| {
            ensure!(names.insert(text.name.clone()), "two `[[notice]]` have the name `{}`", text.name);
            text.resolve(parties)
                .with_context(|| format!("the `[[notice]]` named `{}` cannot be used", text.name))
        };
        texts.iter().map(resolve).collect()
    }

    /// Whether a notice is for it.
    pub(crate) fn is_told(&self, notice: &Notice) -> bool {
        let concerns = |party: &PartyId| notice.parties.is_empty() || notice.parties.contains(party);
        (self.about.is_empty() || self.about.contains(&notice.about))
            && self.party.as_ref().is_none_or(concerns)
    }

    pub(super) async fn deliver(&self, letter: &Letter, now: Timestamp) -> Result<(), Failure> {
        match &self.way {
            Way::Webhook(webhook) => webhook.deliver(letter, now).await,
            Way::Mail(mail) => mail.deliver(letter, now).await,
        }
    }
}

impl ReceiverText {
    fn resolve(&self, parties: &[PartyId]) -> anyhow::Result<Receiver> {
        let is_name = (1..=RECEIVER_BYTES_MAX).contains(&self.name.len())
            && self.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        ensure!(is_name, "a name has 1 to {RECEIVER_BYTES_MAX} lower-case letters, digits and hyphens");
        let party = self.party.as_deref().map(PartyId::from);
        if let Some(party) = party.as_ref().filter(|party| !parties.contains(party)) {
            let known: Vec<_> = parties.iter().map(PartyId::as_str).collect();
            bail!("`{party}` is no party of the memorandum in force; its parties are {}", known.join(", "));
        }
        let about = self.about.iter().map(|word| about(word)).collect::<anyhow::Result<_>>()?;
        let way = match self.kind {
            Kind::Webhook => Way::Webhook(self.webhook()?),
            Kind::Smtp => Way::Mail(self.mail()?),
        };
        Ok(Receiver { name: self.name.clone(), party, about, way })
    }

    fn webhook(&self) -> anyhow::Result<Webhook> {
        let of_mail = [
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("from", self.from.is_some()),
            ("to", !self.to.is_empty()),
            ("tls", self.tls.is_some()),
            ("user_env", self.user_env.is_some()),
            ("password_env", self.password_env.is_some()),
        ];
        none_of(&of_mail, "webhook")?;
        let url = self.url.as_deref().context("a webhook needs a `url`")?;
        let secret = self.secret_env.as_deref();
        let secret = secret.context("a webhook needs `secret_env`, the variable that holds its secret")?;
        Webhook::of(url, &set("secret_env", secret)?).with_context(|| format!("its secret is in `{secret}`"))
    }

    fn mail(&self) -> anyhow::Result<Mail> {
        none_of(&[("url", self.url.is_some()), ("secret_env", self.secret_env.is_some())], "smtp")?;
        let host = self.host.as_deref().context("mail needs a `host`")?;
        let from = self.from.as_deref().context("mail needs a sender's address, `from`")?;
        let tls = self.tls.unwrap_or(Tls::Required);
        let login = match (&self.user_env, &self.password_env) {
            (Some(user), Some(password)) => Some((set("user_env", user)?, set("password_env", password)?)),
            (None, None) => None,
            _ => bail!("`user_env` and `password_env` go together"),
        };
        ensure!(
            login.is_none() || tls == Tls::Required,
            "a password does not leave over a plain connection; give `tls = \"required\"`"
        );
        Mail::of((host, self.port.unwrap_or(587)), from, &self.to, tls, login)
    }
}

fn about(word: &str) -> anyhow::Result<About> {
    let known = || About::ALL.map(About::name).join(", ");
    let found = About::ALL.into_iter().find(|about| about.name() == word);
    found.with_context(|| format!("nothing is told about `{word}`; there is: {}", known()))
}

fn none_of(fields: &[(&str, bool)], kind: &str) -> anyhow::Result<()> {
    let given = fields.iter().find(|(_, is_given)| *is_given);
    given.map_or(Ok(()), |(name, _)| bail!("`{name}` means nothing for the kind `{kind}`"))
}

fn set(field: &str, name: &str) -> anyhow::Result<String> {
    variable(name).with_context(|| format!("`{field}` names the variable `{name}`, which is not set"))
}
