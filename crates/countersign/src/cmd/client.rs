//! How a command reaches a partnership: over HTTP to a server, over the socket in its folder, or by opening it here for one
//! turn. Each way speaks the same API, so a command has one path.
//!
//! Not here: what any command asks for.

use super::said::Said;
use crate::config::{self, Config};
use crate::http::{self as doors, Caller};
use crate::office::Office;
use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

/// How long a command waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Longer than any bundle of entries: 256 of them with their lengths. Units: bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Where a command finds its partnership, and how it answers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// The partnership's folder.
    #[arg(long, default_value = "partnership", global = true)]
    pub(crate) dir: PathBuf,
    /// A server to ask in place of the folder; its token stands in `COUNTERSIGN_TOKEN`.
    #[arg(long, global = true)]
    pub(crate) server: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Whose private key signs, and where it lies.
#[derive(Debug, Clone, Args)]
pub(crate) struct Signing {
    /// The party that signs.
    #[arg(long)]
    pub(crate) party: String,
    /// The folder of its key; that of the partnership unless given.
    #[arg(long)]
    pub(crate) keys: Option<PathBuf>,
}

impl Signing {
    /// The party's private key.
    pub(crate) fn signer(&self, place: &Place) -> anyhow::Result<record::note::Signer> {
        let folder = self.keys.clone().unwrap_or_else(|| place.dir.join("keys"));
        crate::files::Keys::new(folder).signer(&self.party)
    }
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON, where the request was done or waits.
    ///
    /// Errors: the problem that the server tells.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        let value: Value = serde_json::from_slice(&self.body)
            .with_context(|| format!("the server answered {} with what is no JSON", self.status))?;
        ensure!(self.status.is_success(), "{}", problem(&value));
        Ok(value)
    }

    /// The body as text, where the request was done or waits.
    ///
    /// Errors: the problem that the server tells.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        if !self.status.is_success() {
            self.json()?;
        }
        String::from_utf8(self.body.to_vec()).context("the server answered with what is no text")
    }
}

/// A problem as a person reads it: which clause, in its own words, and what would change the answer.
fn problem(value: &Value) -> String {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let detail = field("detail").unwrap_or("the server gave no reason");
    let by = field("clause").map(|clause| format!("refused by clause `{clause}`: ")).unwrap_or_default();
    match field("remedy").filter(|remedy| *remedy != detail) {
        Some(remedy) => format!("{by}{detail}\nwhat would change this: {remedy}"),
        None => format!("{by}{detail}"),
    }
}

/// One partnership within reach.
pub(crate) struct Client {
    way: Way,
    person: String,
}

enum Way {
    Here(Arc<Office>, axum::Router),
    Socket(PathBuf),
    Server { url: String, sign_in: SignIn, pool: Box<Pool> },
}

/// How a server is told who asks.
enum SignIn {
    Not,
    Token(String),
    /// By a party's own key, afresh each time.
    Party {
        signer: Box<record::note::Signer>,
        origin: String,
        party: String,
    },
}

impl SignIn {
    fn token(&self) -> Option<String> {
        match self {
            Self::Not => None,
            Self::Token(token) => Some(token.clone()),
            Self::Party { signer, origin, party } => {
                Some(doors::token(signer, origin, party, crate::clock::Clock.now()))
            }
        }
    }
}

type Pool = legacy::Client<hyper_rustls::HttpsConnector<legacy::connect::HttpConnector>, Full<Bytes>>;

/// Does `work` with the partnership at `place`.
///
/// Errors: where it cannot be reached, and those of `work`.
pub(crate) fn with<T>(
    place: &Place,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::reach(place).await?;
        let done = work(&client).await;
        client.leave().await;
        done
    })
}

/// Proposes an act, and says what came of it.
pub(crate) fn propose(place: &Place, party: Option<&str>, act: &Value) -> anyhow::Result<Said> {
    let answer = with(place, async |client| client.propose(party, act).await)?;
    Ok(outcome(place, &answer, plain))
}

/// What an answer says: the raw JSON where asked for, else the problem or what `shown` makes of it.
pub(crate) fn outcome(place: &Place, answer: &Answer, shown: impl FnOnce(&Value) -> String) -> Said {
    let raw = || String::from_utf8_lossy(&answer.body).into_owned();
    match answer.json() {
        Ok(_) if place.json => Said::Done(raw()),
        Ok(value) => Said::Done(shown(&value)),
        Err(_) if place.json => Said::RefusedAsJson(raw()),
        Err(problem) => Said::Refused(problem.to_string()),
    }
}

/// Gets a list, and shows it as JSON or as `shown` makes of it.
pub(crate) fn list(place: &Place, path: &str, shown: impl FnOnce(&Value) -> String) -> anyhow::Result<Said> {
    let answer = with(place, async |client| client.get(path).await)?;
    Ok(outcome(place, &answer, shown))
}

/// Done, or for whom it waits.
pub(crate) fn plain(answer: &Value) -> String {
    let field = |name: &str| super::said::cell(answer, name);
    match field("decision").as_str() {
        "waiting" => format!(
            "act {} waits for {} under clause `{}`; each approves it with `countersign act approve {} --party PARTY`, with the same `--dir` or `--server`",
            field("act"),
            field("missing"),
            field("clause"),
            field("act")
        ),
        _ => format!("done: act {}, entry {}", field("act"), field("index")),
    }
}

impl Client {
    /// Finds the way to the partnership at `place`.
    ///
    /// Errors: where its folder cannot be opened. A server is first asked when something is asked of it.
    pub(crate) async fn reach(place: &Place) -> anyhow::Result<Self> {
        let person = config::variable("USER").unwrap_or_else(|| "operator".to_owned());
        let socket = place.dir.join("socket");
        let way = match &place.server {
            Some(url) => {
                server(url, config::variable("COUNTERSIGN_TOKEN").map_or(SignIn::Not, SignIn::Token))?
            }
            None if tokio::net::UnixStream::connect(&socket).await.is_ok() => Way::Socket(socket),
            None => {
                let office = Office::open(&place.dir, Config::read(&place.dir)?)?;
                let router = doors::router(Arc::clone(&office));
                Way::Here(office, router)
            }
        };
        Ok(Self { way, person })
    }

    /// The way to the server at `url` for `party` of the record `origin`, which signs each request with its own key.
    ///
    /// Errors: where `url` is no address of a server.
    pub(crate) fn of_party(
        url: &str,
        signer: record::note::Signer,
        origin: &str,
        party: &str,
    ) -> anyhow::Result<Self> {
        let (signer, origin) = (Box::new(signer), origin.to_owned());
        let way = server(url, SignIn::Party { signer, origin, party: party.to_owned() })?;
        Ok(Self { way, person: party.to_owned() })
    }

    /// Sends bytes to `path`.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, Bytes::from(body)).await
    }

    /// Asks for what is at `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Proposes an act in the name of `party`, or of whom the door takes the caller for.
    pub(crate) async fn propose(&self, party: Option<&str>, act: &Value) -> anyhow::Result<Answer> {
        let proposal = match party {
            Some(party) => json!({ "party": party, "person": self.person, "act": act }),
            None => json!({ "person": self.person, "act": act }),
        };
        self.ask(Method::POST, "/api/acts", Bytes::from(proposal.to_string())).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let answered = tokio::time::timeout(ANSWER_WITHIN, self.ask_patiently(method, path, body)).await;
        answered.with_context(|| format!("no answer came within {} s", ANSWER_WITHIN.as_secs()))?
    }

    async fn ask_patiently(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let base = match &self.way {
            Way::Server { url, .. } => url.trim_end_matches('/'),
            Way::Here(..) | Way::Socket(_) => "",
        };
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        if let Way::Server { sign_in, .. } = &self.way
            && let Some(token) = sign_in.token()
        {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !matches!(self.way, Way::Server { .. }) {
            request = request.header(http::header::HOST, "localhost");
        }
        let request = request.header(http::header::CONTENT_TYPE, "application/json").body(Full::new(body))?;
        match &self.way {
            Way::Here(_, router) => collected(self.here(router, request).await?).await,
            Way::Socket(path) => collected(over_socket(path, request).await?).await,
            Way::Server { url, pool, .. } => {
                let sent = pool.request(request).await;
                collected(sent.with_context(|| format!("`{url}` cannot be reached"))?).await
            }
        }
    }

    async fn here(
        &self,
        router: &axum::Router,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<Body>> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Caller::Operator { party: None, person: self.person.clone() });
        Ok(router.clone().call(request).await?)
    }

    async fn leave(self) {
        if let Way::Here(office, router) = self.way {
            drop(router);
            office.close().await;
        }
    }
}

async fn over_socket(path: &PathBuf, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Body>> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.context("the server at the socket broke off")?;
    Ok(response.map(Body::new))
}

async fn collected<B>(response: Response<B>) -> anyhow::Result<Answer>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the answer was cut off, or is longer than any of this server's")?;
    Ok(Answer { status: head.status, body: body.to_bytes() })
}

fn server(url: &str, sign_in: SignIn) -> anyhow::Result<Way> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("`{url}` is no address of a server; write it as `http://127.0.0.1:7410`");
    }
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .context("the system's certificates cannot be read")?
        .https_or_http()
        .enable_http1()
        .build();
    let pool = Box::new(legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(Way::Server { url: url.to_owned(), sign_in, pool })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_clause_and_what_would_change_it() {
        let told = json!({ "detail": "No more than that.", "clause": "cap", "remedy": "ask for less" });
        assert_eq!(
            problem(&told),
            "refused by clause `cap`: No more than that.\nwhat would change this: ask for less"
        );
        assert_eq!(problem(&json!({ "detail": "no", "remedy": "no" })), "no");
    }

    #[test]
    fn only_an_address_is_a_server() {
        assert!(server("127.0.0.1:7410", SignIn::Not).is_err());
    }
}
