//! The caller: many connections that ask the same, look at every answer, and count how long each took.
//!
//! One answer that is not whole and right fails the benchmark: a fast refusal is no figure.

use super::mock::{CHUNKS, WORD};
use crate::clock::now;
use crate::http::{Connection, find};
use crate::memorandum::MODEL;
use anyhow::{Context as _, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long one answer may take before the benchmark is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked, and of whom.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where.
    pub(crate) address: SocketAddr,
    /// One whole request for each key; asked by turns.
    requests: Vec<Vec<u8>>,
    shape: Shape,
    /// Whether each answer has to name an act.
    names_act: bool,
}

/// How the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In one piece.
    Whole,
    /// In twenty chunks.
    Stream,
}

/// How much is asked at once, and how long.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests a second over all connections; none for as many as are answered.
    pub(crate) pace: Option<u32>,
    pub(crate) until: Until,
}

/// When no more is asked.
#[derive(Debug, Clone)]
pub(crate) enum Until {
    /// After this time.
    After(Duration),
    /// After so many requests.
    Count(u64),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long it took in all.
    pub(crate) elapsed: Duration,
    /// From the request to the last byte of its answer, ascending. Units: microseconds.
    pub(crate) whole: Vec<u64>,
    /// From the request to the first byte of the body, ascending. Units: microseconds.
    pub(crate) first_byte: Vec<u64>,
}

impl Asked {
    /// The request that is asked of `address` with each of these keys.
    pub(crate) fn new(address: SocketAddr, keys: &[String], shape: Shape, names_act: bool) -> Self {
        let requests = keys.iter().map(|key| request(address, key, shape)).collect();
        Self { address, requests, shape, names_act }
    }
}

/// What a caller sends: a body of an ordinary length.
pub(super) fn request(address: SocketAddr, key: &str, shape: Shape) -> Vec<u8> {
    let stream = if shape == Shape::Stream { r#""stream":true,"# } else { "" };
    let body = format!(
        r#"{{"model":"{MODEL}",{stream}"max_tokens":100,"messages":[{{"role":"system","content":"You are a careful assistant. Answer in one short paragraph."}},{{"role":"user","content":"Compare the two drafts of the attached letter and say in plain words which of them keeps closer to what was agreed, and where the other one does not."}}]}}"#
    );
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\naccept: application/json\r\nuser-agent: bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Asks under this load, each connection kept; every answer is checked.
///
/// Errors: the first answer that is not the right one, or does not come.
pub(crate) async fn drive(asked: &Arc<Asked>, load: &Load) -> anyhow::Result<Seen> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        let stream = TcpStream::connect(asked.address).await.context("no connection")?;
        stream.set_nodelay(true)?;
        connections.push(Connection::new(stream));
    }
    let (begun, turns) = (now(), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let (asked, load, turns) = (Arc::clone(asked), load.clone(), Arc::clone(&turns));
        callers.spawn(Caller { connection, asked, load, turns, begun, body: Vec::new() }.run(number));
    }
    let mut seen = Seen::default();
    while let Some(caller) = callers.join_next().await {
        let one = caller??;
        seen.whole.extend(one.whole);
        seen.first_byte.extend(one.first_byte);
    }
    seen.elapsed = begun.elapsed();
    seen.whole.sort_unstable();
    seen.first_byte.sort_unstable();
    Ok(seen)
}

struct Caller {
    connection: Connection<TcpStream>,
    asked: Arc<Asked>,
    load: Load,
    /// How many requests have begun over all connections.
    turns: Arc<AtomicU64>,
    begun: Instant,
    body: Vec<u8>,
}

impl Caller {
    async fn run(mut self, number: usize) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        let mut due = self.load.interval().map(|interval| self.begun + interval.mul_f64(self.share(number)));
        loop {
            let asked_at = match due {
                Some(at) => self.wait(at).await,
                None => now(),
            };
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            if self.is_over(turn) {
                return Ok(seen);
            }
            let answered = tokio::time::timeout(PATIENCE, self.ask(turn)).await;
            let first_byte = answered.context("no answer within a minute")??;
            seen.first_byte.push(micros(first_byte.saturating_duration_since(asked_at)));
            seen.whole.push(micros(asked_at.elapsed()));
            due = due.zip(self.load.interval()).map(|(at, interval)| at + interval);
        }
    }

    /// Where in the interval this connection asks, so that all do not ask at once.
    fn share(&self, number: usize) -> f64 {
        number as f64 / self.load.connections as f64
    }

    /// Waits until a request is due; gives when it counts as asked: then, where the connection was still busy with the last one.
    async fn wait(&self, due: Instant) -> Instant {
        if now() >= due {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        now()
    }

    fn is_over(&self, turn: u64) -> bool {
        match self.load.until {
            Until::After(time) => self.begun.elapsed() >= time,
            Until::Count(count) => turn >= count,
        }
    }

    /// Asks once and reads the whole answer; gives when the first byte of its body came.
    async fn ask(&mut self, turn: u64) -> anyhow::Result<Instant> {
        let keys = self.asked.requests.len() as u64;
        let place = usize::try_from(turn.checked_rem(keys).unwrap_or(0))?;
        let request = self.asked.requests.get(place).context("there is no key")?;
        self.connection.send(request).await?;
        let head = self.connection.head().await?.context("the connection was closed")?;
        self.body.clear();
        let first_byte = if head.chunked {
            self.connection.chunk(&mut self.body).await?;
            now()
        } else {
            self.connection.body(&head, &mut self.body).await?;
            now()
        };
        if head.chunked && !self.body.is_empty() {
            while self.connection.chunk(&mut self.body).await? {}
        }
        let shape = self.asked.shape;
        if head.status != Some(200) || !is_right(&self.body, shape) {
            bail!("status {:?}, saying: {}", head.status, String::from_utf8_lossy(&self.body));
        }
        ensure!(head.act.is_some() || !self.asked.names_act, "an answer names no act");
        Ok(first_byte)
    }
}

impl Load {
    /// Between two requests of one connection.
    fn interval(&self) -> Option<Duration> {
        let pace = self.pace?;
        Some(Duration::from_secs_f64(self.connections as f64 / f64::from(pace.max(1))))
    }
}

impl Seen {
    /// Requests answered.
    pub(crate) fn count(&self) -> f64 {
        self.whole.len() as f64
    }
}

/// Whether a body has every word that the upstream said, and its end.
fn is_right(body: &[u8], shape: Shape) -> bool {
    let words = occurrences(body, WORD.as_bytes());
    let end: &[u8] = match shape {
        Shape::Whole => br#""total_tokens":120"#,
        Shape::Stream => b"[DONE]",
    };
    let ends = find(body, end).is_some()
        || (shape == Shape::Whole && find(body, br#""total_tokens": 120"#).is_some());
    words == CHUNKS && ends
}

fn occurrences(bytes: &[u8], word: &[u8]) -> usize {
    let (mut rest, mut count) = (bytes, 0_usize);
    while let Some(at) = find(rest, word) {
        count = count.saturating_add(1);
        rest = rest.get(at.saturating_add(word.len())..).unwrap_or_default();
    }
    count
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lacks_a_word_or_its_end_is_not_right() {
        let words = [WORD; CHUNKS].join(" ");
        let whole = format!(r#"{{"content":"{words}","usage":{{"total_tokens":120}}}}"#);
        assert!(is_right(whole.as_bytes(), Shape::Whole));
        assert!(!is_right(whole.as_bytes(), Shape::Stream));
        assert!(!is_right(whole.replacen(WORD, "", 1).as_bytes(), Shape::Whole));
        assert!(!is_right(whole.replacen("120", "121", 1).as_bytes(), Shape::Whole));
        assert!(is_right(format!("{words} data: [DONE]").as_bytes(), Shape::Stream));
        assert!(!is_right(words.as_bytes(), Shape::Stream));
    }

    /// What is seen of the mock itself under a load.
    fn seen(shape: Shape, load: &Load) -> anyhow::Result<Seen> {
        let address = super::super::mock::start(Duration::ZERO)?;
        let asked = Arc::new(Asked::new(address, &["a".to_owned(), "b".to_owned()], shape, false));
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(drive(&asked, load))
    }

    #[test]
    fn so_many_are_asked_as_are_to_be() {
        let load = Load { connections: 7, pace: None, until: Until::Count(100) };
        let seen = seen(Shape::Whole, &load).unwrap();
        assert_eq!((seen.whole.len(), seen.first_byte.len()), (100, 100));
        assert!(seen.whole.is_sorted());
    }

    #[test]
    fn a_stream_takes_as_long_as_the_upstream_pauses() {
        let load = Load { connections: 2, pace: None, until: Until::Count(4) };
        let seen = seen(Shape::Stream, &load).unwrap();
        let pauses = 5_000 * (CHUNKS as u64 - 1);
        assert!(seen.whole.iter().all(|micros| *micros >= pauses), "{seen:?}");
        assert!(seen.first_byte.iter().zip(&seen.whole).all(|(first, whole)| first < whole), "{seen:?}");
    }

    #[test]
    fn a_pace_is_not_exceeded() {
        let until = Until::After(Duration::from_millis(500));
        let seen = seen(Shape::Whole, &Load { connections: 4, pace: Some(100), until }).unwrap();
        assert!((20..=55).contains(&seen.whole.len()), "{} in half a second", seen.whole.len());
    }

    #[test]
    fn an_answer_without_an_act_fails_where_one_is_due() {
        let address = super::super::mock::start(Duration::ZERO).unwrap();
        let asked = Arc::new(Asked::new(address, &["a".to_owned()], Shape::Whole, true));
        let load = Load { connections: 1, pace: None, until: Until::Count(1) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(drive(&asked, &load)).is_err());
    }
}
