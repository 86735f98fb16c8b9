//! An OpenAI-style upstream that says what it is told to say, on threads of the test.
//!
//! Not a model: its text is the same each time. What matters is the usage that it reports, and whether it was let finish.

use crate::dice::mixed;
use crate::http::{Client, Request};
use crate::server::eventually;
use serde_json::{Value, json};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many chunks a stream has, the usage and `[DONE]` not counted.
pub(crate) const CHUNKS: u64 = 20;

/// The upstream, until it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    scene: Arc<Scene>,
    accepting: Option<JoinHandle<()>>,
}

/// What it says that a call used. Units: tokens of input, tokens of output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Used {
    /// The same each time.
    Always(u64, u64),
    /// From one of input and none of output to these, by the number of the call.
    AtMost(u64, u64),
}

struct Scene {
    used: Used,
    /// Between two chunks of a stream.
    pause: Duration,
    calls: AtomicU64,
    streamed: AtomicU64,
    cut: AtomicU64,
    stops: AtomicBool,
}

impl Upstream {
    /// An upstream that answers at once.
    pub(crate) fn start(used: Used) -> Self {
        Self::slow(used, Duration::ZERO)
    }

    /// An upstream that pauses before each chunk of a stream but the first.
    pub(crate) fn slow(used: Used, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let none = || AtomicU64::new(0);
        let scene = Scene {
            used,
            pause,
            calls: none(),
            streamed: none(),
            cut: none(),
            stops: AtomicBool::new(false),
        };
        let scene = Arc::new(scene);
        let accepting = thread::spawn({
            let scene = Arc::clone(&scene);
            move || accept(&listener, &scene)
        });
        Self { address, scene, accepting: Some(accepting) }
    }

    /// Its address, as `countersign.toml` takes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many calls have come.
    pub(crate) fn calls(&self) -> u64 {
        self.scene.calls.load(Ordering::SeqCst)
    }

    /// How many streams were sent to their end.
    pub(crate) fn streamed(&self) -> u64 {
        self.scene.streamed.load(Ordering::SeqCst)
    }

    /// How many streams were cut, since the other side closed the connection.
    pub(crate) fn cut(&self) -> u64 {
        self.scene.cut.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.scene.stops.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; where that fails it has ended.
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

impl Used {
    /// What the call of this number used.
    fn by(self, number: u64) -> (u64, u64) {
        match self {
            Self::Always(input, output) => (input, output),
            Self::AtMost(input, output) => {
                (1 + mixed(2 * number) % input, mixed(2 * number + 1) % (output + 1))
            }
        }
    }
}

/// Takes each connection to a thread of its own, which ends with the connection.
fn accept(listener: &TcpListener, scene: &Arc<Scene>) {
    for stream in listener.incoming() {
        if scene.stops.load(Ordering::SeqCst) {
            return;
        }
        let scene = Arc::clone(scene);
        thread::spawn(move || stream.and_then(|stream| serve(&scene, stream)));
    }
}

fn serve(scene: &Scene, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    while let Some(body) = request(&mut input)? {
        let call = Call::of(scene, &serde_json::from_slice(&body)?);
        if !call.stream {
            stream.write_all(&call.whole())?;
        } else if let Err(error) = call.send(scene, &mut stream) {
            scene.cut.fetch_add(1, Ordering::SeqCst);
            return Err(error);
        } else {
            scene.streamed.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// The body of the next request; none where the connection ends.
pub(crate) fn request(input: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            input.read_exact(&mut body)?;
            return Ok(Some(body));
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
}

/// One call, and what it used.
struct Call {
    number: u64,
    model: Value,
    stream: bool,
    include_usage: bool,
    usage: Value,
}

impl Call {
    fn of(scene: &Scene, asked: &Value) -> Self {
        let number = scene.calls.fetch_add(1, Ordering::SeqCst);
        let (input, output) = scene.used.by(number);
        Self {
            number,
            model: asked["model"].clone(),
            stream: asked["stream"] == true,
            include_usage: asked["stream_options"]["include_usage"] == true,
            usage: json!({
                "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            }),
        }
    }

    /// The answer in one piece.
    fn whole(&self) -> Vec<u8> {
        let message = json!({ "role": "assistant", "content": "As it was told.", "refusal": null });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
        let body = self.object("chat.completion", &json!([choice]), &self.usage).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// Sends the answer in chunks.
    fn send(&self, scene: &Scene, stream: &mut TcpStream) -> io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        for number in 0..CHUNKS {
            if number > 0 && !scene.pause.is_zero() {
                thread::sleep(scene.pause);
            }
            event(stream, &self.chunk(number).to_string())?;
        }
        if self.include_usage {
            let last = self.object("chat.completion.chunk", &json!([]), &self.usage);
            event(stream, &last.to_string())?;
        }
        event(stream, "[DONE]")?;
        stream.write_all(b"0\r\n\r\n")
    }

    fn chunk(&self, number: u64) -> Value {
        let mut delta = json!({ "content": format!("word{number} ") });
        if number == 0 {
            delta["role"] = json!("assistant");
        }
        let reason = if number + 1 == CHUNKS { json!("stop") } else { Value::Null };
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        self.object("chat.completion.chunk", &json!([choice]), &Value::Null)
    }

    fn object(&self, object: &str, choices: &Value, usage: &Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.number), "object": object, "created": 1_790_000_000,
            "model": self.model, "choices": choices, "usage": usage,
        })
    }
}

/// Sends one event as one chunk.
fn event(stream: &mut TcpStream, data: &str) -> io::Result<()> {
    let event = format!("data: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
}

#[test]
fn the_mock_says_what_it_was_told_whole_and_in_chunks_on_one_connection() {
    let upstream = Upstream::start(Used::Always(7, 5));
    let mut client = Client::new(&upstream.url());
    let whole = client.ask(Request::chat("any", r#"{"model":"m"}"#)).unwrap();
    assert_eq!((whole.status, &whole.json()["usage"]["total_tokens"]), (200, &json!(12)));
    let asked = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    for _ in 0..2 {
        let mut coming = client.begin(Request::chat("any", asked)).unwrap();
        let mut chunks = Vec::new();
        while let Some(piece) = coming.piece().unwrap() {
            chunks.push(String::from_utf8(piece).unwrap());
        }
        assert_eq!(chunks.len(), 22, "twenty chunks, the usage, and the end");
        assert!(chunks[20].contains(r#""total_tokens":12"#), "{}", chunks[20]);
        assert_eq!(chunks[21], "data: [DONE]\n\n");
    }
    assert_eq!((client.connections, upstream.calls()), (1, 3));
    eventually("both streams are counted", || upstream.streamed() == 2);
}

#[test]
fn the_mock_sees_that_a_stream_is_cut() {
    let upstream = Upstream::slow(Used::AtMost(10, 10), Duration::from_millis(20));
    let mut client = Client::new(&upstream.url());
    let mut coming = client.begin(Request::chat("any", r#"{"model":"m","stream":true}"#)).unwrap();
    assert!(coming.piece().unwrap().is_some());
    drop(coming);
    eventually("the stream is over", || upstream.cut() + upstream.streamed() > 0);
    assert_eq!((upstream.cut(), upstream.streamed()), (1, 0));
}
