//! How long it takes from an act's answer to a receipt that both parties have cosigned: the server under load, and a real follower of each
//! party beside it.
//!
//! Not here: what a follower checks. It is started as a party would start it, and looks four times a second.

use super::Rig;
use super::driver::{Asked, Load, Shape, Until, drive, request};
use super::server::{PATIENCE, Server};
use crate::clock::now;
use crate::http::{ActId, Connection};
use crate::memorandum::PARTIES;
use crate::numbers::percentile;
use crate::progress;
use crate::table::Table;
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// How many acts a second are looked at.
const SAMPLES_A_SECOND: u32 = 10;
/// How long one waits before one asks for a receipt again.
const PAUSE: Duration = Duration::from_millis(15);
/// How long a receipt may take before the benchmark is given up.
const RECEIPT_WITHIN: Duration = Duration::from_secs(60);

/// How many receipts were answered with 503, and asked for again.
static TORN: AtomicU32 = AtomicU32::new(0);

/// From the answer until the checkpoint covers it, and until both parties have cosigned one that does. Units: milliseconds.
type Waited = (u64, u64);

impl Rig<'_> {
    /// Receipts of acts under load, as both parties cosign.
    pub(super) async fn cosign(&self) -> anyhow::Result<Table> {
        progress("starting a server, and a follower for each party");
        let server = Arc::new(Server::start(self.setup())?);
        let keys = server.keys(1).await?;
        let key: Arc<str> = keys.first().context("there is a key")?.as_str().into();
        let followers = PARTIES.map(|party| server.follow(party));
        let _followers = followers.into_iter().collect::<Result<Vec<_>, _>>()?;
        until_both_cosign(&server, &key).await?;
        let mut table = Table::default();
        for round in self.options.rounds.numbers() {
            self.options.rounds.progress(round, &format!("{} acts", self.options.samples));
            let seconds = self.options.samples.div_ceil(SAMPLES_A_SECOND);
            let until = Until::After(Duration::from_secs(u64::from(seconds)));
            let load = Load { connections: 8, pace: Some(self.options.pace), until };
            let asked = Arc::new(Asked::new(server.address, &keys, Shape::Whole, true));
            let samples = sample(&server, &key, self.options.samples);
            let (seen, waited) = tokio::try_join!(drive(&asked, &load), samples)?;
            ensure!(!seen.whole.is_empty(), "the load was none");
            let (mut covered, mut cosigned): (Vec<u64>, Vec<u64>) = waited.into_iter().unzip();
            for (figure, times) in [
                ("a checkpoint covers it, ms", &mut covered),
                ("both parties have cosigned one that does, ms", &mut cosigned),
            ] {
                times.sort_unstable();
                for (column, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
                    table.note(figure, column, percentile(times, percent).unwrap_or(0) as f64);
                }
            }
        }
        table.remark(format!(
            "From the last byte of a call's answer until `GET /api/receipts/ACT` gives its receipt, without and with `policy=cosigned`, asked every {} ms; {} acts a round, {} calls a second beside them.",
            PAUSE.as_millis(),
            self.options.samples,
            self.options.pace
        ));
        table.remark(format!(
            "{} of these requests were answered with 503, and made again.",
            TORN.load(Ordering::Relaxed)
        ));
        table.remark("The server signs a checkpoint a second. Each party's `countersign follow` looks four times a second, mirrors, replays, prices again, makes its copy durable and cosigns by both of its keys; followers, callers and upstream share a core.");
        Ok(table)
    }
}

/// Calls now and then until a receipt bears the lines of all four keys.
async fn until_both_cosign(server: &Server, key: &str) -> anyhow::Result<()> {
    let begun = now();
    loop {
        let act = call(server, key).await?;
        let asked = now();
        let mut own = Connection::new(UnixStream::connect(server.socket()).await?);
        while asked.elapsed() < PATIENCE {
            let bears_all = receipt(&mut own, &act, "?policy=cosigned").await?.is_some_and(|text| {
                PARTIES
                    .iter()
                    .all(|party| ["w1", "w2"].iter().all(|by| text.contains(&format!("/{party}/{by} "))))
            });
            if bears_all {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        ensure!(
            begun.elapsed() < RECEIPT_WITHIN,
            "the followers do not cosign; their logs: {}",
            server.followers_said()
        );
    }
}

/// So many acts, evenly spaced.
async fn sample(server: &Arc<Server>, key: &Arc<str>, count: u32) -> anyhow::Result<Vec<Waited>> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / SAMPLES_A_SECOND);
    let mut under_way = JoinSet::new();
    for _ in 0..count {
        ticks.tick().await;
        let (server, key) = (Arc::clone(server), Arc::clone(key));
        under_way.spawn(async move { one(&server, &key).await });
    }
    let mut all = Vec::new();
    while let Some(done) = under_way.join_next().await {
        all.push(done??);
    }
    Ok(all)
}

/// One call, and how long its receipts took.
async fn one(server: &Server, key: &str) -> anyhow::Result<Waited> {
    let act = call(server, key).await?;
    let answered = now();
    let mut own = Connection::new(UnixStream::connect(server.socket()).await?);
    let mut waited = [0, 0];
    for (waited, policy) in waited.iter_mut().zip(["", "?policy=cosigned"]) {
        while receipt(&mut own, &act, policy).await?.is_none() {
            ensure!(
                answered.elapsed() < RECEIPT_WITHIN,
                "no receipt came; the followers' logs: {}",
                server.followers_said()
            );
            tokio::time::sleep(PAUSE).await;
        }
        *waited = u64::try_from(answered.elapsed().as_millis())?;
    }
    let [covered, cosigned] = waited;
    Ok((covered, cosigned))
}

/// Calls the model, and gives the act when the whole answer is there.
async fn call(server: &Server, key: &str) -> anyhow::Result<ActId> {
    let mut connection = Connection::new(TcpStream::connect(server.address).await?);
    connection.send(&request(server.address, key, Shape::Whole)).await?;
    let head = connection.head().await?.context("the connection was closed")?;
    let mut body = Vec::new();
    connection.body(&head, &mut body).await?;
    ensure!(head.status == Some(200), "a call was answered with {:?}", head.status);
    head.act.context("an answer names no act")
}

/// The receipt of an act, if it is there.
async fn receipt(
    own: &mut Connection<UnixStream>,
    act: &ActId,
    policy: &str,
) -> anyhow::Result<Option<String>> {
    let act = str::from_utf8(act)?;
    own.send(format!("GET /api/receipts/{act}{policy} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .await?;
    let head = own.head().await?.context("the socket was closed")?;
    let mut body = Vec::new();
    own.body(&head, &mut body).await?;
    match head.status {
        Some(200) => Ok(Some(String::from_utf8(body)?)),
        Some(202) => Ok(None),
        // A newer checkpoint took the edge away while the receipt was put together; whoever asks again gets it.
        Some(503) => {
            TORN.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
        other => bail!("a receipt was answered with {other:?}: {}", String::from_utf8_lossy(&body)),
    }
}
