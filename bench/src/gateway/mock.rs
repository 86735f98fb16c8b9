//! The upstream that all are measured before: it says the same to everybody, whole or in twenty chunks.
//!
//! Not a model, and never the slowest part: one thread, and bytes that were made beforehand.

use crate::http::{Connection, find};
use anyhow::Context as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;

/// How many chunks of text a stream has.
pub(crate) const CHUNKS: usize = 20;
/// Between two chunks of a stream.
const PAUSE: Duration = Duration::from_millis(5);
/// What every answer says; each chunk of a stream says one such word.
pub(crate) const WORD: &str = "measured";

/// Starts an upstream that waits so long before the first byte of each answer, on a thread of its own, where it stays until the
/// process ends; gives its address.
///
/// Errors: where no port is free.
pub(crate) fn start(wait: Duration) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serving = move || {
        drop(runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let said = std::sync::Arc::new(Said::new());
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(serve(std::sync::Arc::clone(&said), stream, wait));
            }
            #[expect(unreachable_code, reason = "tells the type of the error")]
            io::Result::Ok(())
        }));
    };
    std::thread::Builder::new()
        .name("upstream".to_owned())
        .spawn(serving)
        .context("no thread for the upstream")?;
    Ok(address)
}

/// What it says, as bytes.
struct Said {
    whole: Vec<u8>,
    head: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    usage: Vec<u8>,
    done: Vec<u8>,
}

impl Said {
    fn new() -> Self {
        let body = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"mock-model","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{USAGE}}}"#,
            [WORD; CHUNKS].join(" ")
        );
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        // The last header but one asks nginx to pass a stream on as it comes.
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n";
        Self {
            whole: whole.into_bytes(),
            head: head.as_bytes().to_vec(),
            chunks: (0..CHUNKS).map(|number| event(&chunk(number))).collect(),
            usage: event(&format!(r#"{{{COMMON},"choices":[],"usage":{USAGE}}}"#)),
            done: [event("[DONE]"), b"0\r\n\r\n".to_vec()].concat(),
        }
    }
}

const USAGE: &str = r#"{"prompt_tokens":80,"completion_tokens":40,"total_tokens":120}"#;
const COMMON: &str =
    r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"mock-model""#;

fn chunk(number: usize) -> String {
    let role = if number == 0 { r#""role":"assistant","# } else { "" };
    let reason = if number.saturating_add(1) == CHUNKS { r#""stop""# } else { "null" };
    format!(
        r#"{{{COMMON},"choices":[{{"index":0,"delta":{{{role}"content":"{WORD} "}},"logprobs":null,"finish_reason":{reason}}}]}}"#
    )
}

/// One event as one chunk.
fn event(data: &str) -> Vec<u8> {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

async fn serve(said: std::sync::Arc<Said>, stream: TcpStream, wait: Duration) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    let mut body = Vec::new();
    while let Some(head) = connection.head().await? {
        body.clear();
        connection.body(&head, &mut body).await?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let has = |set: [&[u8]; 2]| set.iter().any(|text| find(&body, text).is_some());
        if !has([br#""stream":true"#, br#""stream": true"#]) {
            connection.send(&said.whole).await?;
            continue;
        }
        let with_usage = has([br#""include_usage":true"#, br#""include_usage": true"#]);
        connection.send(&said.head).await?;
        for (number, chunk) in said.chunks.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            connection.send(chunk).await?;
        }
        if with_usage {
            connection.send(&said.usage).await?;
        }
        connection.send(&said.done).await?;
    }
    Ok(())
}
