//! An intermediary between the meter and the operator that changes what passes, as it is told for each call.
//!
//! Not a proxy for streams: each answer is read whole. A change is of as many bytes as it takes the place of.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// What is done with one call.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    Pass,
    /// These words of the request become those.
    Ask(&'static str, &'static str),
    /// These words of the answer become those.
    Say(&'static str, &'static str),
    /// The operator is not asked, and this is answered.
    Answer(String),
}

/// The intermediary, until it is dropped.
pub(crate) struct Between {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

struct Scene {
    operator: String,
    calls: AtomicU64,
    trick: Box<dyn Fn(u64) -> Trick + Send + Sync>,
}

impl Between {
    /// One before the operator at `url`; `trick` is asked with each call's number, from 0.
    pub(crate) fn start(url: &str, trick: impl Fn(u64) -> Trick + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let operator = url.strip_prefix("http://").unwrap().to_owned();
        let scene = Arc::new(Scene { operator, calls: AtomicU64::new(0), trick: Box::new(trick) });
        let stops = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let stops = Arc::clone(&stops);
            move || {
                for stream in listener.incoming().flatten() {
                    if stops.load(Ordering::SeqCst) {
                        return;
                    }
                    let scene = Arc::clone(&scene);
                    thread::spawn(move || serve(&scene, stream));
                }
            }
        });
        Self { address, stops, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

fn serve(scene: &Scene, mut caller: TcpStream) -> io::Result<()> {
    let mut operator = TcpStream::connect(&scene.operator)?;
    let mut from_caller = BufReader::new(caller.try_clone()?);
    let mut from_operator = BufReader::new(operator.try_clone()?);
    [&caller, &operator].into_iter().try_for_each(|stream| stream.set_nodelay(true))?;
    while let Some(request) = message(&mut from_caller)? {
        let trick = (scene.trick)(scene.calls.fetch_add(1, Ordering::SeqCst));
        if let Trick::Answer(answer) = trick {
            caller.write_all(answer.as_bytes())?;
            continue;
        }
        let request = if let Trick::Ask(from, to) = trick { changed(&request, from, to) } else { request };
        operator.write_all(&request)?;
        let Some(answer) = message(&mut from_operator)? else { return Ok(()) };
        let answer = if let Trick::Say(from, to) = trick { changed(&answer, from, to) } else { answer };
        caller.write_all(&answer)?;
    }
    Ok(())
}

/// The next message of known length, head and body; none where the connection ends.
fn message(input: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let (mut whole, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        whole.extend_from_slice(line.as_bytes());
        if line == "\r\n" {
            let mut body = vec![0; length];
            input.read_exact(&mut body)?;
            return Ok(Some([whole, body].concat()));
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
}

fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(from.len() == to.len() && text.contains(from), "`{from}` in: {text}");
    text.replacen(from, to, 1).into_bytes()
}
