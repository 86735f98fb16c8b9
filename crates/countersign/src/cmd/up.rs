//! `countersign up`: runs a partnership until it is told to stop.
//!
//! The life of the process: make the folder where it is missing, read everything, fetch the model, open the record, listen, say
//! so, wait for a signal, drain, settle, publish.

mod greeting;

use super::init::{self, Example};
use crate::clock::Clock;
use crate::config::Config;
use crate::fetch::{self, ModelSource};
use crate::files::Keys;
use crate::history::Length;
use crate::http::{self, api::acts};
use crate::notices;
use crate::office::Office;
use crate::{road, telemetry};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use cloud::Gateway;
use cloud::gateway::{Kind, UpstreamConfig};
use greeting::Greeting;
use model::{Engine, Model};
use partnership::State;
use partnership::act::{Administer, Application, Approve, Deed, Principal, approval_bytes};
use partnership::decision::{Decision, Ticket};
use partnership::ids::PartyId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often rate-limited requests are counted on the record.
const TALLY: Duration = Duration::from_secs(60);
/// How often it is looked whose cosignatures are missing.
const WITNESSES: Duration = Duration::from_secs(5);
/// How long those who wait have to hear that the record cannot be written, before the process ends.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// The exit code of a server whose record cannot be written.
pub(super) const RECORD_FAILED: u8 = 3;

/// Runs a partnership.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The partnership's folder; made from the example where it is missing.
    #[arg(default_value = "partnership")]
    dir: PathBuf,
    /// Address and port, in place of those of countersign.toml; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// The example to make the folder from.
    #[arg(long, value_enum)]
    example: Option<Example>,
    /// Where the folder is made, make up a history of so many days up to now, such as 90d: an example to look at, and marked as one.
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    with_history: Option<Length>,
    /// Make and print another API key.
    #[arg(long)]
    new_key: bool,
    /// When ready, print one line of JSON and nothing else.
    #[arg(long)]
    json: bool,
}

/// Runs until stopped. Exit 0 after a graceful stop, 1 where it cannot start, 3 where the record cannot be written any more.
pub(crate) fn run(up: &Up) -> ExitCode {
    telemetry::start();
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("the runtime does not start")),
    };
    let ended = prepare(up).and_then(|prepared| runtime.block_on(prepared.run()));
    runtime.shutdown_timeout(LAST_WORDS);
    ended.unwrap_or_else(|error| failed(&error))
}

/// Lets the process hold as many files and connections as the system allows it, not as many as it starts with.
pub(super) fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

pub(super) fn failed(error: &anyhow::Error) -> ExitCode {
    let shown = writeln!(std::io::stderr(), "{}", super::said::reason(error));
    ExitCode::from(if shown.is_ok() { 1 } else { 2 })
}

/// Everything that is read before a port is bound.
struct Prepared<'a> {
    up: &'a Up,
    office: Arc<Office>,
    engine: Option<Arc<Engine>>,
    /// The example whose applications are still to be registered.
    unfinished: Option<Example>,
}

fn prepare(up: &Up) -> anyhow::Result<Prepared<'_>> {
    make(up)?;
    let mut config = Config::read(&up.dir)?;
    if let Some(listen) = &up.listen {
        config.listen.clone_from(listen);
    }
    let upstreams = config.upstreams()?;
    let engine = engine(&up.dir, &config);
    let office = Office::open(&up.dir, config)?;
    ensure!(
        office.signer().is_some(),
        "the log's key that signs now is not in `{}`; put it there as `log.key`, or, where it is lost, `countersign log key recover` has another take its place",
        up.dir.join("keys").display()
    );
    office.gateway.store(Arc::new(gateway(upstreams, engine.clone())?));
    office.notices.tell(office.config.receivers(&office.parties())?);
    Ok(Prepared { up, office, engine, unfinished: init::unfinished(&up.dir) })
}

/// Makes the folder where it is missing.
fn make(up: &Up) -> anyhow::Result<()> {
    let dir = &up.dir;
    if dir.join("countersign.toml").exists() {
        ensure!(
            up.with_history.is_none(),
            "`{}` is a partnership already, and a history is only made up for a new one; leave `--with-history` out, or name another folder",
            dir.display()
        );
        if let Some(example) = up.example {
            let origin = Config::read(dir)?.origin;
            if !example.has(&origin) {
                bail!(
                    "`{}` is the partnership of `{origin}`; name another folder: `countersign up {name} --example {name}`",
                    dir.display(),
                    name = example.name()
                );
            }
        }
        return Ok(());
    }
    let example = up.example.unwrap_or_default();
    let now = Clock.now();
    let new = init::New::of(example, up.with_history, now)?;
    init::create_unfinished(dir, new, &mut || Clock.random(), now)?;
    tracing::info!(dir = %dir.display(), example = example.name(), "a new partnership, with demonstration keys of all its parties");
    Ok(())
}

/// The built-in model, where it is asked for and can be had. The server works without it.
fn engine(dir: &Path, config: &Config) -> Option<Arc<Engine>> {
    let wanted = config.model.as_ref()?;
    let loaded =
        fetch::model(&dir.join("cache/models"), &ModelSource::from(wanted.source.as_str()), &fetch::bar())
            .and_then(|path| Model::open(&path).with_context(|| format!("`{}` is no model", path.display())));
    match loaded {
        Ok(model) => Some(Arc::new(Engine::start(model, wanted.workers, wanted.queue))),
        Err(error) => {
            tracing::error!(
                "the built-in model `{}` is not there, and the server goes on without it: {error:#}",
                wanted.id
            );
            None
        }
    }
}

/// The gateway over all upstreams; without those of the built-in model where it is not there.
fn gateway(mut upstreams: Vec<UpstreamConfig>, engine: Option<Arc<Engine>>) -> anyhow::Result<Gateway> {
    if engine.is_none() {
        upstreams.retain(|upstream| upstream.kind != Kind::Builtin);
    }
    Ok(Gateway::new(upstreams, engine, None)?)
}

impl Prepared<'_> {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let office = Arc::clone(&self.office);
        let mut ended = self.serve().await;
        if !matches!(ended, Ok(code) if code == ExitCode::from(RECORD_FAILED)) {
            tokio::select! {
                biased;
                reason = office.failed() => ended = Ok(record_failed(&reason)),
                () = office.close() => {}
            }
        }
        drop(std::fs::remove_file(office.dir.join("socket")));
        ended
    }

    /// Listens, says so, and serves until a signal comes or the record fails.
    async fn serve(self) -> anyhow::Result<ExitCode> {
        let office = &self.office;
        let key = self.first_key().await?;
        let listen = &office.config.listen;
        let port = TcpListener::bind(listen).await.with_context(|| {
            format!("`{listen}` cannot be listened on; name another address with `--listen`, port 0 for a free one")
        })?;
        let socket = socket(&office.dir)?;
        // Before anybody is told that the server is ready, since whoever is told may stop it.
        let signals = Signals::listen()?;
        let (stops, stop) = watch::channel(false);
        let address = port.local_addr()?;
        let serving = tokio::spawn({
            let office = Arc::clone(office);
            async move { http::serve(&office, port, socket, stop).await }
        });
        let greeting = Greeting::of(office, address, key).await?;
        greeting.print(self.up.json);
        if self.unfinished.is_some() {
            init::finish(&office.dir).context("the folder's cache cannot be written")?;
        }
        let mut signals = signals;
        let telling = tokio::spawn(notices::run(Arc::clone(office)));
        let mut code = self.until_stopped(&mut signals).await;
        telling.abort();
        stops.send_replace(true);
        let mut serving = serving;
        if code == ExitCode::SUCCESS {
            tokio::select! {
                stopped = &mut serving => return stopped.map(|()| code).context("the server stopped badly"),
                () = signals.stop.recv() => {
                    tracing::warn!("a second signal: requests under way are cut off");
                    serving.abort();
                    return Ok(code);
                }
                reason = office.failed() => code = record_failed(&reason),
            }
        }
        drop(tokio::time::timeout(LAST_WORDS, serving).await);
        Ok(code)
    }

    /// Waits for a signal or for the record to fail; meanwhile keeps the tally, and reads upstreams again on a hangup.
    async fn until_stopped(&self, signals: &mut Signals) -> ExitCode {
        let (mut minute, mut look) = (tokio::time::interval(TALLY), tokio::time::interval(WITNESSES));
        let mut missing = BTreeSet::new();
        loop {
            tokio::select! {
                () = signals.stop.recv() => break,
                _ = signals.hangup.recv() => self.read_again(),
                _ = minute.tick() => {
                    drop(self.office.tally().await);
                    road::erasing::go_on(&self.office).await;
                }
                () = self.office.undone.come() => road::erasing::go_on(&self.office).await,
                _ = look.tick() => self.tell_who_is_missing(&mut missing),
                reason = self.office.failed() => return record_failed(&reason),
            }
        }
        tracing::info!("stopping: no new requests; those under way are answered and settled");
        ExitCode::SUCCESS
    }

    /// Says whose cosignatures are missing, and whose have come again.
    fn tell_who_is_missing(&self, missing: &mut BTreeSet<String>) {
        let standing = self.office.standing().into_iter();
        let now = standing.filter(|key| key.missing).map(|key| key.name).collect::<BTreeSet<_>>();
        for key in now.difference(missing) {
            tracing::warn!(key, "the newest checkpoints are not cosigned; see `countersign witness list`");
        }
        for key in missing.difference(&now) {
            tracing::info!(key, "cosigns again");
        }
        *missing = now;
    }

    /// Reads the upstreams and the receivers of notices in countersign.toml again; where they are not right, those in use stay.
    fn read_again(&self) {
        let read = Config::read(&self.office.dir).and_then(|config| {
            let receivers = config.receivers(&self.office.parties())?;
            Ok((gateway(config.upstreams()?, self.engine.clone())?, receivers))
        });
        match read {
            Ok((gateway, receivers)) => {
                let told = receivers.iter().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>();
                tracing::info!(models = ?gateway.models(), ?told, "upstreams and receivers of notices were read again");
                self.office.gateway.store(Arc::new(gateway));
                self.office.notices.tell(receivers);
            }
            Err(error) => tracing::error!("countersign.toml was not read again: {error:#}"),
        }
    }

    /// The key to print: of the first application, where the folder is new or a key was asked for.
    async fn first_key(&self) -> anyhow::Result<Option<(String, String)>> {
        let office = &self.office;
        let operator = by(office.desk.load().terms.operator());
        if let Some(example) = self.unfinished {
            for application in example.applications() {
                register(office, &operator, application).await?;
            }
        }
        if self.unfinished.is_none() && !self.up.new_key {
            return Ok(None);
        }
        let desk = office.desk.load_full();
        let name = desk.registry.applications().next().map(|application| application.name.to_string());
        let name = name.context("no application is registered, so there is nobody to make a key for; `countersign app add` registers one")?;
        let key = acts::first_key(office, operator, &name).await?;
        Ok(Some((name, key)))
    }
}

fn record_failed(reason: &str) -> ExitCode {
    tracing::error!(
        "{reason}; the server stops. Mend the disk, then start it again: nothing that was told is lost"
    );
    ExitCode::from(RECORD_FAILED)
}

/// What the process is told by its operator.
pub(super) struct Signals {
    pub(super) stop: Stop,
    hangup: Signal,
}

/// To stop: by the system, or by a person at the terminal.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let stop =
            Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { stop, hangup: signal(SignalKind::hangup())? })
    }
}

fn by(party: &PartyId) -> Principal {
    Principal::Party { party: party.clone(), person: "up".to_owned() }
}

/// Registers an application of the example, unless it is; where the memorandum asks for approvals, each party's demonstration key
/// gives its. What an earlier `up` has begun is gone on with.
async fn register(office: &Office, operator: &Principal, application: [&str; 5]) -> anyhow::Result<()> {
    let [name, party, audience, purpose, market] = application;
    if office.desk.load().registry.application(&name.into()).is_some() {
        return Ok(());
    }
    let application = Application {
        name: name.into(),
        party: party.into(),
        audience: audience.to_owned(),
        purpose: purpose.to_owned(),
        market: market.to_owned(),
    };
    let deed = Deed::Administer(Administer::ApplicationAdd(application));
    let wanted = deed.clone();
    if let Some(ticket) = office.clerk.ask(move |state| waiting(state, &wanted)).await? {
        return approve(office, &ticket).await;
    }
    match road::decide(office, operator.clone(), deed).await? {
        Decision::Done(_) => Ok(()),
        Decision::Escalate(ticket) => approve(office, &ticket).await,
        Decision::Deny(refusal) => bail!("the example's application `{name}` was refused: {refusal}"),
        Decision::Allow(_) | Decision::Repeated(_) => {
            unreachable!("nothing is performed for a change of the register")
        }
    }
}

/// The ticket of a change that waits already.
fn waiting(state: &State, deed: &Deed) -> Option<Ticket> {
    let (id, waiting) = state.waiting().find(|(_, waiting)| waiting.act.deed == *deed)?;
    let clause = waiting.clause.clone()?;
    Some(Ticket { act: *id, digest: waiting.digest, clause, missing: waiting.missing(), index: 0 })
}

async fn approve(office: &Office, ticket: &Ticket) -> anyhow::Result<()> {
    let keys = Keys::new(office.dir.join("keys"));
    for party in &ticket.missing {
        let signature = keys.signer(party.as_str())?.sign_bytes(&approval_bytes(&ticket.digest));
        let approve = Approve {
            act: ticket.act.to_string(),
            digest: ticket.digest,
            party: party.clone(),
            signature: record::hash::base64(&signature),
        };
        if let Decision::Deny(refusal) = road::decide(office, by(party), Deed::Approve(approve)).await? {
            bail!("the approval of `{party}` was refused: {refusal}");
        }
    }
    Ok(())
}

/// The folder's socket, for commands on this machine. Whoever may enter the folder may use it.
fn socket(dir: &Path) -> anyhow::Result<UnixListener> {
    let path = dir.join("socket");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("`{}` is in the way", path.display()));
        }
        _ => {}
    }
    let socket = UnixListener::bind(&path).with_context(|| {
        format!(
            "the socket `{}` cannot be made; a path of more than 100 bytes is too long for one",
            path.display()
        )
    })?;
    crate::files::owner_only(&path)?;
    Ok(socket)
}
