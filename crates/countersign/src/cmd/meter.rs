//! `countersign meter`: the consumer's own count, taken before its applications.
//!
//! Not here: what is measured and how it is kept (`crate::meter`). This is the life of the process: open the journal, listen, say so, wait for a
//! signal or for the journal to fail, drain, sign.

mod check;

pub(crate) use check::pair;

use super::up::{LAST_WORDS, RECORD_FAILED, Signals, failed, raise_open_files};
use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::files::Keys;
use crate::http;
use crate::meter::{self, Journal, Line, Operator, Tokenizers};
use crate::telemetry;
use anyhow::Context as _;
use axum::http::{Request, Response};
use clap::{Args, Subcommand};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use serde_json::json;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the head of a request may take to come.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a caller may take nothing of what waits for it.
const WRITE_WITHIN_MS: u64 = 60_000;
/// How long calls under way have to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);
/// Where nothing else was written for so long, a line says that the meter is there.
const MARK_EVERY: Duration = Duration::from_secs(20);

/// Measures what the consumer's applications use, and signs it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Meter {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Holds a meter's journals against the operator's record, and names where they disagree.
    Check(check::Check),
}

#[derive(Debug, Args)]
struct Run {
    /// The operator's gateway, such as `https://operator.example`.
    #[arg(long, required = true, value_name = "URL")]
    to: Option<String>,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7411")]
    listen: String,
    /// The party whose applications these are, and whose key signs.
    #[arg(long, required = true)]
    party: Option<String>,
    /// The folder of the party's private key, `<party>.key`.
    #[arg(long, required = true, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The folder of the journal; made where it is missing.
    #[arg(long, required = true, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Count the tokens of a model with the vocabulary in this file of the GGUF form.
    #[arg(long, value_name = "MODEL=FILE")]
    tokenizer: Vec<meter::Source>,
    /// When ready, print one line of JSON and nothing else.
    #[arg(long)]
    json: bool,
}

/// Runs until stopped, or checks. Exit 0 after a graceful stop, 1 where it cannot start or something was found, 3 where the journal cannot be
/// written any more.
pub(crate) fn run(meter: Meter) -> ExitCode {
    match meter.verb {
        Some(Verb::Check(asked)) => match check::run(&asked) {
            Ok(said) => said.print(),
            Err(error) => failed(&error),
        },
        None => meter.run.run(),
    }
}

impl Run {
    fn run(&self) -> ExitCode {
        telemetry::start();
        raise_open_files();
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&anyhow::Error::new(error).context("the runtime does not start")),
        };
        let ended = self.measure(&runtime);
        runtime.shutdown_timeout(LAST_WORDS);
        ended.unwrap_or_else(|error| failed(&error))
    }

    fn measure(&self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<ExitCode> {
        let missing = "an option is missing";
        let operator = Operator::parse(self.to.as_deref().context(missing)?)?;
        let keys = Keys::new(self.keys.as_ref().context(missing)?);
        let signer = keys.signer(self.party.as_deref().context(missing)?)?;
        let tokenizers = Tokenizers::read(&self.tokenizer)?.map(Arc::new);
        let client = meter::client()?;
        let dir = self.journal.as_ref().context(missing)?;
        let port = runtime.block_on(TcpListener::bind(&self.listen)).with_context(|| {
            let listen = &self.listen;
            format!("`{listen}` cannot be listened on; name another address with `--listen`, port 0 for a free one")
        })?;
        let journal = Journal::open(dir, signer, &operator.to_string(), Clock)?;
        let meter = Arc::new(meter::Meter { operator, client, journal, tokenizers, clock: Clock });
        let code = runtime.block_on(self.serve(&meter, port))?;
        // Whatever was cut off has its line by now; nobody else holds the meter when all connections are over.
        let Some(meter) = Arc::into_inner(meter) else {
            tracing::warn!("a call is still under way; the journal ends without a stop");
            return Ok(code);
        };
        if code == ExitCode::SUCCESS {
            meter.journal.close(Clock)?;
        }
        Ok(code)
    }

    async fn serve(&self, meter: &Arc<meter::Meter>, port: TcpListener) -> anyhow::Result<ExitCode> {
        // Before anybody is told that the meter is ready, since whoever is told may stop it.
        let mut signals = Signals::listen()?;
        let (stops, stop) = watch::channel(false);
        self.greet(meter, port.local_addr()?);
        let mut serving = tokio::spawn(accept(Arc::clone(meter), port, stop));
        let mut mark = tokio::time::interval(MARK_EVERY);
        let mut size = 0;
        let mut code = ExitCode::SUCCESS;
        loop {
            tokio::select! {
                () = signals.stop.recv() => break,
                reason = meter.journal.failed() => {
                    code = journal_failed(&reason);
                    break;
                }
                _ = mark.tick() => {
                    if meter.journal.size() == size {
                        meter.journal.post(Line::Mark { at: Clock.now() });
                    }
                    size = meter.journal.size();
                }
            }
        }
        stops.send_replace(true);
        if code != ExitCode::SUCCESS {
            drop(tokio::time::timeout(LAST_WORDS, serving).await);
            return Ok(code);
        }
        tracing::info!("stopping: no new calls; those under way are answered and written");
        tokio::select! {
            stopped = &mut serving => stopped.context("the meter stopped badly")?,
            () = signals.stop.recv() => {
                tracing::warn!("a second signal: calls under way are cut off");
                serving.abort();
                drop(serving.await);
            }
            reason = meter.journal.failed() => code = journal_failed(&reason),
        }
        Ok(code)
    }

    /// Says that it is ready, and where.
    fn greet(&self, meter: &meter::Meter, address: SocketAddr) {
        let (url, journal) = (format!("http://{address}"), self.journal.clone().unwrap_or_default());
        let api = format!("{url}/v1");
        let said = if self.json {
            json!({
                "url": url, "api": api, "to": meter.operator.to_string(), "journal": journal,
                "party": self.party,
            })
            .to_string()
        } else {
            let (to, journal) = (&meter.operator, journal.display());
            format!(
                "measuring at {url}, before {to}; the journal is `{journal}`\npoint an application at it with OPENAI_BASE_URL={api}\nhold it against the record with `countersign meter check --journal {journal} --record DIR`"
            )
        };
        let mut out = std::io::stdout();
        drop(writeln!(out, "{said}").and_then(|()| out.flush()));
    }
}

fn journal_failed(reason: &str) -> ExitCode {
    tracing::error!(
        "{reason}; the meter stops, and sends nothing on that it could not write down. Mend the disk, then start it again"
    );
    ExitCode::from(RECORD_FAILED)
}

/// Takes connections until `stop` says so, then lets what is under way end.
async fn accept(meter: Arc<meter::Meter>, port: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let connections_max = http::connections_max(getrlimit(Resource::Nofile).current);
    loop {
        tokio::select! {
            () = http::asked(&mut stop) => break,
            accepted = port.accept(), if connections.len() < connections_max => match accepted {
                Ok((stream, _)) => {
                    drop(stream.set_nodelay(true));
                    http::cut_idle_readers(&stream, WRITE_WITHIN_MS);
                    connections.spawn(connection(Arc::clone(&meter), stream, stop.clone()));
                }
                Err(error) => http::refused(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(port);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("calls that did not end in time are cut off");
    }
    connections.shutdown().await;
}

async fn connection(meter: Arc<meter::Meter>, stream: TcpStream, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let meter = Arc::clone(&meter);
        async move { Ok::<Response<_>, Infallible>(meter.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HttpConfig::read_bytes_max())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = http::asked(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
