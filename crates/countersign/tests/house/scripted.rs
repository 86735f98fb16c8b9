//! An upstream that answers each request as a script says, down to the bytes, and ends as the script says.
//!
//! Not here: answers that go well in chunks (`upstream`).

use crate::upstream::request;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is done with one request.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// These bytes, and the connection is kept.
    Keep(String),
    /// These bytes after so long, and the connection is kept.
    After(Duration, String),
    /// These bytes, and the connection is closed.
    Close(String),
    /// These bytes, and its sending half is closed; the other stays open until the caller closes it.
    Half(String),
    /// These bytes, and then nothing until the caller closes.
    Silent(String),
    /// These bytes, and then the second ones for ever.
    Endless(String, String),
}

/// The upstream, until it is dropped.
pub(crate) struct Scripted {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

struct State {
    scripts: Mutex<Vec<Script>>,
    /// The bodies that came.
    bodies: Mutex<Vec<String>>,
    open: AtomicU64,
    stops: AtomicBool,
}

impl Scripted {
    /// An upstream that answers by these scripts in order, and by the last of them from then on.
    pub(crate) fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut scripts: Vec<_> = scripts.into_iter().collect();
        scripts.reverse();
        let state = Arc::new(State {
            scripts: Mutex::new(scripts),
            bodies: Mutex::default(),
            open: AtomicU64::new(0),
            stops: AtomicBool::new(false),
        });
        let accepting = thread::spawn({
            let state = Arc::clone(&state);
            move || accept(&listener, &state)
        });
        Self { address, state, accepting: Some(accepting) }
    }

    /// Its address, as `countersign.toml` takes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> u64 {
        self.state.open.load(Ordering::SeqCst)
    }

    /// The bodies of the requests that came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.state.bodies.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.state.stops.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

/// An answer in one piece, with these headers besides its length.
pub(crate) fn whole(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// The beginning of a stream, with these events.
pub(crate) fn stream(events: &[&str]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    [head.to_owned()].into_iter().chain(events.iter().map(|event| chunk(event))).collect()
}

/// One event of a stream, as one chunk.
pub(crate) fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming().flatten() {
        if state.stops.load(Ordering::SeqCst) {
            return;
        }
        let state = Arc::clone(state);
        thread::spawn(move || {
            state.open.fetch_add(1, Ordering::SeqCst);
            drop(serve(&state, stream));
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn serve(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let next = || {
            let mut scripts = state.scripts.lock().unwrap();
            if scripts.len() > 1 { scripts.pop() } else { scripts.last().cloned() }
        };
        let mut input = BufReader::new(stream.try_clone()?);
        let Some(body) = request(&mut input)? else { return Ok(()) };
        state.bodies.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
        match next().unwrap() {
            Script::Keep(bytes) => stream.write_all(bytes.as_bytes())?,
            Script::After(pause, bytes) => {
                thread::sleep(pause);
                stream.write_all(bytes.as_bytes())?;
            }
            Script::Close(bytes) => return stream.write_all(bytes.as_bytes()),
            Script::Half(bytes) => {
                stream.write_all(bytes.as_bytes())?;
                stream.shutdown(Shutdown::Write)?;
                return stream.read_to_end(&mut Vec::new()).map(drop);
            }
            Script::Silent(bytes) => {
                stream.write_all(bytes.as_bytes())?;
                return stream.read_to_end(&mut Vec::new()).map(drop);
            }
            Script::Endless(bytes, again) => {
                stream.write_all(bytes.as_bytes())?;
                loop {
                    stream.write_all(again.as_bytes())?;
                }
            }
        }
    }
}
