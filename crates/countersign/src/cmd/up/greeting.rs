//! What a server says when it is ready: where everything is, what waits, and a request to paste.
//!
//! Not here: logs, which go to stderr.

use crate::http::api;
use crate::http::report::Report;
use crate::office::Office;
use anyhow::anyhow;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

/// What there is to say.
pub(super) struct Greeting {
    report: Report,
    url: String,
    dir: String,
    model: Option<String>,
    /// Whether any application is registered.
    registered: bool,
    /// The application and its key, where one was made.
    key: Option<(String, String)>,
}

impl Greeting {
    /// What a server that listens at `address` has to say.
    ///
    /// Errors: where the record does not answer.
    pub(super) async fn of(
        office: &Office,
        address: SocketAddr,
        key: Option<(String, String)>,
    ) -> anyhow::Result<Self> {
        let report =
            api::report(office).await.map_err(|_| anyhow!("the record failed while the server started"))?;
        let dir = office.dir.display().to_string();
        let models = office.gateway.load().models();
        let registered = office.desk.load().registry.applications().next().is_some();
        Ok(Self {
            report,
            url: format!("http://{address}"),
            dir,
            model: models.into_iter().next(),
            registered,
            key,
        })
    }

    /// Prints it to stdout: one line of JSON, or a few lines for a person. A server serves all the same where nobody reads it.
    pub(super) fn print(&self, as_json: bool) {
        let text = if as_json { self.json() } else { self.text() };
        let mut stdout = std::io::stdout().lock();
        let printed = stdout.write_all(format!("{text}\n").as_bytes()).and_then(|()| stdout.flush());
        if let Err(error) = printed {
            tracing::warn!(%error, url = self.url, "ready, and nobody reads it on stdout");
        }
    }

    fn json(&self) -> String {
        let application = self.key.as_ref().map(|(application, _)| application);
        json!({
            "url": self.url,
            "api": format!("{}/v1", self.url),
            "record": format!("{}/record", self.url),
            "dir": self.dir,
            "application": application,
            "model": self.model,
            "key": self.key.as_ref().map(|(_, key)| key),
        })
        .to_string()
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.report.title);
        for area in &self.report.areas {
            line(&mut text, area.area, &area.headline);
        }
        line(&mut text, "waiting", &self.waiting());
        text.push('\n');
        line(&mut text, "page", &format!("{}/", self.url));
        line(&mut text, "api", &format!("{}/v1", self.url));
        line(&mut text, "record", &format!("{}/record  (files in {}/record)", self.url, self.dir));
        text.push_str(&self.try_it());
        text
    }

    fn waiting(&self) -> String {
        let attestations = self.report.attestations.iter().filter(|one| !one.missing.is_empty());
        let people = self
            .report
            .waiting
            .iter()
            .map(|wait| format!("{} {} waits for {}", wait.kind, wait.id, wait.missing.join(" and ")));
        let all: Vec<String> = people
            .chain(attestations.map(|one| {
                format!("{} is still to be attested by {}", one.clause, one.missing.join(" and "))
            }))
            .collect();
        if all.is_empty() { "nothing waits for a person".to_owned() } else { all.join("; ") }
    }

    fn try_it(&self) -> String {
        let Some((application, key)) = &self.key else {
            return match self.registered {
                true => "\n`--new-key` makes and prints another API key.".to_owned(),
                false => {
                    "\nNo application is registered yet: `countersign app add`, then `countersign key new`."
                        .to_owned()
                }
            };
        };
        let mut text = String::new();
        line(&mut text, "key", &format!("{key}  (of `{application}`; shown this once)"));
        let Some(model) = &self.model else {
            text.push_str(
                "\nNo model is served: add an upstream to countersign.toml and send this process SIGHUP.",
            );
            return text;
        };
        let written = write!(
            text,
            "\nTry it:\n\ncurl -sS -i {}/v1/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\\n  -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"What is a ledger?\"}}]}}'\n",
            self.url
        );
        debug_assert!(written.is_ok(), "a string takes all text");
        text
    }
}

fn line(text: &mut String, name: &str, what: &str) {
    let written = writeln!(text, "{name:<11} {what}");
    debug_assert!(written.is_ok(), "a string takes all text");
}
