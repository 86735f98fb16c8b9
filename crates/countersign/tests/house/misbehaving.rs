//! Upstreams that misbehave, each in its own way: one settlement each, an answer in OpenAI's shape, and nothing left behind.
//!
//! What an upstream does is a script of bytes and pauses. Not here: callers that misbehave, or what `cloud` alone makes of an answer.

use crate::http::{Answer, Client, Request};
use crate::server::{Folder, MODEL, POOL, Server, config, cost, eventually, minor};
use crate::told::chat;
use serde_json::{Value, json};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the server bears an upstream that is silent. Units: milliseconds.
const PATIENCE: &str = "timeout_ms = 1000\n";
const USED: (u64, u64) = (40, 60);

/// One thing that an upstream does with a connection.
#[derive(Debug, Clone)]
enum Step {
    Say(Vec<u8>),
    /// The same, a byte at a time.
    Dribble(Vec<u8>),
    Pause(Duration),
    /// Says the same again and again, until nobody listens.
    Forever(Vec<u8>),
    /// Says no more, and listens until the other side closes.
    Hold,
    /// Closes its own direction, and listens until the other side closes.
    HalfClose,
    Close,
}

/// What a call came to that met such an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charged {
    Nothing,
    /// What the upstream said was used.
    Told,
    /// By count, since the upstream did not say it so that it could be read.
    Counted,
}

/// What the caller is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// The answer.
    Whole,
    /// This status, and an error in OpenAI's shape.
    Problem(u16),
    /// The beginning of a stream, then an event that tells of an error, and no `[DONE]`.
    Broken,
}

struct Case {
    name: &'static str,
    stream: bool,
    steps: Vec<Step>,
    sees: Sees,
    ended: &'static str,
    charged: Charged,
}

/// An upstream that plays one script after the other, and counts its open connections.
struct Mock {
    address: SocketAddr,
    scene: Arc<Scene>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Scene {
    steps: Mutex<Vec<Step>>,
    open: AtomicI64,
    stops: AtomicBool,
}

impl Mock {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scene = Arc::new(Scene::default());
        let accepting = thread::spawn({
            let scene = Arc::clone(&scene);
            move || {
                for stream in listener.incoming() {
                    if scene.stops.load(Ordering::SeqCst) {
                        return;
                    }
                    let scene = Arc::clone(&scene);
                    thread::spawn(move || {
                        scene.open.fetch_add(1, Ordering::SeqCst);
                        // A connection that the other side cuts has ended as well as any.
                        drop(stream.and_then(|stream| scene.serve(stream)));
                        scene.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { address, scene, accepting: Some(accepting) }
    }

    fn plays(&self, steps: &[Step]) {
        *self.scene.steps.lock().unwrap() = steps.to_vec();
    }

    fn open(&self) -> i64 {
        self.scene.open.load(Ordering::SeqCst)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.scene.stops.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

impl Scene {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream.try_clone()?);
        while read_request(&mut input)? {
            let steps = self.steps.lock().unwrap().clone();
            for step in steps {
                match step {
                    Step::Say(bytes) => stream.write_all(&bytes)?,
                    Step::Dribble(bytes) => bytes.iter().try_for_each(|byte| stream.write_all(&[*byte]))?,
                    Step::Pause(time) => thread::sleep(time),
                    Step::Forever(bytes) => loop {
                        stream.write_all(&bytes)?;
                    },
                    Step::Hold => return input.read_to_end(&mut Vec::new()).map(drop),
                    Step::HalfClose => {
                        stream.shutdown(Shutdown::Write)?;
                        return input.read_to_end(&mut Vec::new()).map(drop);
                    }
                    Step::Close => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

/// Reads a request; false where the connection has ended.
fn read_request(input: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        if line == "\r\n" {
            input.read_exact(&mut vec![0; length])?;
            return Ok(true);
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
}

/// The beginnings of answers, and their parts.
mod say {
    use super::{Step, USED, Value, json};

    pub(super) fn bytes(text: &str) -> Step {
        Step::Say(text.as_bytes().to_vec())
    }

    pub(super) fn stream_head() -> Step {
        bytes("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    }

    pub(super) fn chunk(data: &[u8]) -> Vec<u8> {
        [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
    }

    pub(super) fn event(data: &str) -> Step {
        Step::Say(chunk(format!("data: {data}\n\n").as_bytes()))
    }

    pub(super) fn delta(text: &str, finish: &Value) -> String {
        let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": finish });
        object(&json!([choice]), &Value::Null)
    }

    pub(super) fn text() -> Step {
        event(&delta("word ", &Value::Null))
    }

    pub(super) fn finish() -> Step {
        event(&delta("", &json!("stop")))
    }

    pub(super) fn used() -> Value {
        json!({ "prompt_tokens": USED.0, "completion_tokens": USED.1, "total_tokens": USED.0 + USED.1 })
    }

    pub(super) fn usage(usage: &Value) -> Step {
        event(&object(&json!([]), usage))
    }

    pub(super) fn done() -> Step {
        event("[DONE]")
    }

    pub(super) fn end() -> Step {
        bytes("0\r\n\r\n")
    }

    pub(super) fn object(choices: &Value, usage: &Value) -> String {
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage })
            .to_string()
    }

    /// A whole answer that is not streamed.
    pub(super) fn whole(usage: &Value) -> String {
        let message = json!({ "role": "assistant", "content": "As it was told.", "refusal": null });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
        object(&json!([choice]), usage)
    }

    pub(super) fn json_answer(body: &str) -> Step {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        bytes(&format!("{head}: {}\r\n\r\n{body}", body.len()))
    }
}

fn case(
    name: &'static str,
    stream: bool,
    (sees, ended, charged): (Sees, &'static str, Charged),
    steps: Vec<Step>,
) -> Case {
    Case { name, stream, steps, sees, ended, charged }
}

const WELL: (Sees, &str, Charged) = (Sees::Whole, "done", Charged::Told);
const COUNTED: (Sees, &str, Charged) = (Sees::Whole, "done", Charged::Counted);
const BROKEN: (Sees, &str, Charged) = (Sees::Broken, "failed", Charged::Nothing);

const fn fails(status: u16) -> (Sees, &'static str, Charged) {
    (Sees::Problem(status), "failed", Charged::Nothing)
}

/// The steps of a stream that says `middle` between its head and its end.
fn streamed(middle: Vec<Step>) -> Vec<Step> {
    [vec![say::stream_head()], middle, vec![say::done(), say::end()]].concat()
}

fn slow_and_cut() -> Vec<Case> {
    let pause = || Step::Pause(Duration::from_millis(200));
    let well = || vec![say::text(), say::finish(), say::usage(&say::used())];
    let all: Vec<u8> = streamed(well())
        .into_iter()
        .flat_map(|step| if let Step::Say(bytes) = step { bytes } else { Vec::new() })
        .collect();
    let head = say::stream_head;
    vec![
        case("it is slow to begin", true, WELL, [vec![pause()], streamed(well())].concat()),
        case(
            "it is slow to go on",
            true,
            WELL,
            streamed(well().into_iter().flat_map(|step| [step, pause()]).collect()),
        ),
        case("it sends a byte at a time", true, WELL, vec![Step::Dribble(all)]),
        case("it never begins", true, fails(504), vec![Step::Hold]),
        case("it never begins a whole answer", false, fails(504), vec![Step::Hold]),
        case(
            "it sends a part of its head",
            true,
            fails(504),
            vec![say::bytes("HTTP/1.1 200 OK\r\ncontent-"), Step::Hold],
        ),
        case("it closes at once", true, fails(502), vec![Step::Close]),
        case("it closes its own direction midway", true, BROKEN, vec![head(), say::text(), Step::HalfClose]),
        case("it falls silent midway", true, BROKEN, vec![head(), say::text(), Step::Hold]),
        case(
            "it closes in the middle of a chunk",
            true,
            BROKEN,
            vec![head(), say::text(), say::bytes("ff\r\ndata: {"), Step::Close],
        ),
        case(
            "it closes in the middle of a whole answer",
            false,
            fails(502),
            vec![
                say::bytes(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
                ),
                Step::Close,
            ],
        ),
        case(
            "it closes after its finish",
            true,
            COUNTED,
            vec![head(), say::text(), say::finish(), Step::Close],
        ),
        case(
            "it says nothing after its finish and its usage",
            true,
            WELL,
            vec![head(), say::text(), say::finish(), say::usage(&say::used()), Step::Hold],
        ),
    ]
}

fn without_end() -> Vec<Case> {
    let head = say::stream_head;
    let word = || match say::text() {
        Step::Say(bytes) => Step::Forever(bytes.repeat(64)),
        other => other,
    };
    vec![
        case("it never ends", true, BROKEN, vec![head(), word()]),
        case(
            "its comments never end",
            true,
            BROKEN,
            vec![head(), say::text(), Step::Forever(say::chunk(&b": well\n\n".repeat(999)))],
        ),
        case(
            "its line never ends",
            true,
            fails(502),
            vec![head(), Step::Forever(say::chunk(&vec![b'a'; 1 << 16]))],
        ),
        case(
            "its whole answer never ends",
            false,
            fails(502),
            vec![
                say::bytes(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
                ),
                Step::Forever(say::chunk(&vec![b' '; 1 << 16])),
            ],
        ),
        case(
            "its head never ends",
            true,
            fails(502),
            vec![say::bytes("HTTP/1.1 200 OK\r\n"), Step::Forever(b"x-more: and more\r\n".repeat(99))],
        ),
    ]
}

fn lies() -> Vec<Case> {
    let lie = |name, usage: Value, comes_to| {
        case(name, true, comes_to, streamed(vec![say::text(), say::finish(), say::usage(&usage)]))
    };
    let whole_lie = |name, usage: Value, comes_to| {
        case(name, false, comes_to, vec![say::json_answer(&say::whole(&usage))])
    };
    let misplaced = json!([{ "index": 0, "delta": {}, "finish_reason": "stop", "usage": say::used() }]);
    vec![
        lie("its usage is negative", json!({ "prompt_tokens": -1, "completion_tokens": 60 }), COUNTED),
        lie(
            "its usage is no whole number",
            json!({ "prompt_tokens": 40.5, "completion_tokens": 60 }),
            COUNTED,
        ),
        lie("its usage is absurd", json!({ "prompt_tokens": 1e30, "completion_tokens": 60 }), COUNTED),
        lie("its usage is a word", json!("much"), COUNTED),
        lie("its usage is half there", json!({ "prompt_tokens": 40 }), COUNTED),
        whole_lie("it tells no usage", Value::Null, COUNTED),
        whole_lie(
            "its usage is negative in a whole answer",
            json!({ "prompt_tokens": 1, "completion_tokens": -60 }),
            COUNTED,
        ),
        case("it tells no usage of a stream", true, COUNTED, streamed(vec![say::text(), say::finish()])),
        case(
            "it tells its usage twice",
            true,
            WELL,
            streamed(vec![
                say::text(),
                say::usage(&json!({ "prompt_tokens": 1, "completion_tokens": 1 })),
                say::finish(),
                say::usage(&say::used()),
            ]),
        ),
        case(
            "it tells its usage in a wrong place",
            true,
            COUNTED,
            streamed(vec![say::text(), say::event(&say::object(&misplaced, &Value::Null))]),
        ),
    ]
}

fn nonsense() -> Vec<Case> {
    let head = say::stream_head;
    vec![
        case(
            "it finishes twice",
            true,
            WELL,
            streamed(vec![say::text(), say::finish(), say::finish(), say::usage(&say::used())]),
        ),
        case("it never finishes", true, BROKEN, streamed(vec![say::text(), say::text()])),
        case("it is done before it has begun", true, fails(502), streamed(Vec::new())),
        case(
            "it is done early",
            true,
            BROKEN,
            streamed(vec![say::text(), say::done(), say::text(), say::finish(), say::usage(&say::used())]),
        ),
        case(
            "it goes on when it is done",
            true,
            WELL,
            [
                vec![head(), say::text(), say::finish(), say::usage(&say::used()), say::done()],
                vec![say::text(), say::finish(), say::end()],
            ]
            .concat(),
        ),
        case(
            "it sends bytes that are no text",
            true,
            BROKEN,
            streamed(vec![
                say::text(),
                Step::Say(say::chunk(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n")),
            ]),
        ),
        case("it sends no JSON", true, BROKEN, streamed(vec![say::text(), say::event("hello")])),
        case(
            "it sends an error in the middle",
            true,
            BROKEN,
            streamed(vec![say::text(), say::event(r#"{"error":{"message":"out of memory"}}"#)]),
        ),
        case(
            "its chunks have no size",
            true,
            BROKEN,
            vec![head(), say::text(), say::bytes("zz\r\n"), Step::Hold],
        ),
    ]
}

fn something_else() -> Vec<Case> {
    let answer = || say::json_answer(&say::whole(&say::used()));
    let status =
        |line: &str, more: &str| say::bytes(&format!("HTTP/1.1 {line}\r\n{more}content-length: 0\r\n\r\n"));
    vec![
        case("it does not stream as asked", true, fails(502), vec![answer()]),
        case("it streams without being asked", false, fails(502), streamed(vec![say::text(), say::finish()])),
        case("it answers something else", false, fails(502), vec![say::json_answer("[1,2,3]")]),
        case(
            "it sends no HTTP",
            false,
            fails(502),
            vec![say::bytes("220 mail.example ready\r\n\r\n"), Step::Close],
        ),
        case(
            "it sends hints first",
            false,
            WELL,
            vec![
                say::bytes("HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"),
                answer(),
            ],
        ),
        case(
            "it sends its caller elsewhere",
            false,
            fails(502),
            vec![status("301 Moved Permanently", "location: http://127.0.0.1:1/\r\n")],
        ),
        case("it has nothing to say", false, fails(502), vec![status("204 No Content", "")]),
        case(
            "it changes its protocol",
            false,
            fails(502),
            vec![
                say::bytes(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n",
                ),
                Step::Hold,
            ],
        ),
    ]
}

/// A server before such an upstream.
struct Stage {
    folder: Folder,
    server: Server,
    key: String,
    mock: Mock,
    /// The tasks of a server that does nothing.
    tasks: u64,
}

impl Stage {
    fn set() -> Self {
        let mock = Mock::start();
        let config = config(&format!("http://{}/v1", mock.address));
        let config = config.replacen("[upstream.models]", &format!("{PATIENCE}[upstream.models]"), 1);
        let folder = Folder::founded(&config, str::to_owned);
        let server = folder.serve(&[]);
        let key = folder.admit();
        let mut stage = Self { folder, server, key, mock, tasks: 0 };
        // A first call makes what stays, if anything does.
        let first = case(
            "it is as it should be",
            true,
            WELL,
            streamed(vec![say::text(), say::finish(), say::usage(&say::used())]),
        );
        stage.play(&first);
        eventually("idle connections are closed", || stage.mock.open() == 0);
        thread::sleep(Duration::from_millis(100));
        stage.tasks = stage.metric("countersign_tasks");
        stage
    }

    fn metric(&self, name: &str) -> u64 {
        let said = Client::new(self.server.url()).ask(Request::get("/metrics")).unwrap().text();
        let found = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name} in: {said}")).parse().unwrap()
    }

    /// What is left of the grant. Units: minor units.
    fn left(&self) -> i128 {
        minor(&self.folder.said(&["balance", "--account", POOL])[0]["available"])
    }

    fn asked(&self, stream: bool) -> Answer {
        Client::new(self.server.url()).ask(Request::chat(&self.key, &chat(100, stream))).unwrap()
    }

    /// Lets the upstream misbehave once, and judges what came of it.
    fn play(&self, case: &Case) {
        self.mock.plays(&case.steps);
        let (before, settled) = (self.left(), self.metric("countersign_calls_settled_total"));
        let answer = self.asked(case.stream);
        let name = case.name;
        let act = answer
            .headers
            .value("countersign-act")
            .unwrap_or_else(|| panic!("{name}: {answer:?}"))
            .to_owned();
        assert_eq!(seen(&answer), case.sees, "{name}: {}", answer.text());
        eventually("nothing is under way", || {
            self.metric("countersign_calls_under_way") == 0 && self.folder.pool().1 == 0
        });
        assert_eq!(self.metric("countersign_calls_settled_total"), settled + 1, "{name}: it is settled once");
        let acts = self.folder.said(&["act", "list"]);
        let line = acts.as_array().unwrap().iter().find(|line| line["id"] == act).unwrap();
        assert_eq!(line["state"], case.ended, "{name}");
        let (charged, bound) =
            (before - self.left(), cost((u64::try_from(chat(100, case.stream).len()).unwrap() + 112, 100)));
        match case.charged {
            Charged::Nothing => assert_eq!(charged, 0, "{name}"),
            Charged::Told => assert_eq!(charged, cost(USED), "{name}"),
            Charged::Counted => {
                assert!((1..=bound).contains(&charged) && charged != cost(USED), "{name}: {charged}")
            }
        }
        // One connection may wait to be used again.
        eventually(&format!("{name}: connections are closed"), || self.mock.open() <= 1);
    }

    /// Nothing is left of all this, and the record holds.
    fn close(self) {
        eventually("no connection to the upstream is left", || self.mock.open() == 0);
        eventually("no task is left", || self.metric("countersign_tasks") <= self.tasks);
        assert_eq!(self.folder.pool().1, 0, "no reservation is left");
        assert_eq!(self.folder.verified()["open"].as_array().unwrap().len(), 0, "no act is left open");
        self.server.stop();
        self.folder.verified();
    }
}

/// What a caller sees of an answer, which must be in OpenAI's shape.
fn seen(answer: &Answer) -> Sees {
    let text = answer.text();
    let is_problem = |said: &str| {
        let said: Value = serde_json::from_str(said).unwrap_or_default();
        let error = &said["error"];
        error["message"].is_string()
            && error["type"].is_string()
            && error.get("param").is_some()
            && error.get("code").is_some()
    };
    if answer.status != 200 {
        assert!(is_problem(&text), "status {}: {text}", answer.status);
        return Sees::Problem(answer.status);
    }
    if !text.starts_with("data: ") {
        assert!(answer.json()["choices"][0]["message"]["content"].is_string(), "{text}");
        return Sees::Whole;
    }
    let last = text.trim_end().rsplit("data: ").next().unwrap_or_default();
    match last {
        "[DONE]" => Sees::Whole,
        error if is_problem(error) => Sees::Broken,
        _ => panic!("neither an end nor an error: {last}"),
    }
}

fn all_hold(cases: &[Case]) {
    let stage = Stage::set();
    cases.iter().for_each(|case| stage.play(case));
    stage.close();
}

#[test]
fn an_upstream_that_is_slow_or_cut_off_is_settled_once_and_leaves_nothing() {
    all_hold(&slow_and_cut());
}

#[test]
fn an_upstream_that_never_ends_is_cut_off_and_leaves_nothing() {
    all_hold(&without_end());
}

#[test]
fn an_upstream_that_lies_about_usage_is_counted_and_leaves_nothing() {
    all_hold(&lies());
}

#[test]
fn an_upstream_that_talks_nonsense_is_settled_once_and_leaves_nothing() {
    all_hold(&nonsense());
}

#[test]
fn an_upstream_that_answers_something_else_is_settled_once_and_leaves_nothing() {
    all_hold(&something_else());
}

#[test]
fn an_upstream_that_says_it_used_more_than_was_reserved_is_paid_the_bound_and_put_out_of_service() {
    for beyond in [5_000, u64::MAX] {
        let stage = Stage::set();
        let usage = json!({ "prompt_tokens": beyond, "completion_tokens": beyond });
        stage.mock.plays(&streamed(vec![say::text(), say::finish(), say::usage(&usage)]));
        let before = stage.left();
        let answer = stage.asked(true);
        assert_eq!(seen(&answer), Sees::Whole, "the caller is no part of that quarrel");
        let bound = cost((u64::try_from(chat(100, true).len()).unwrap() + 112, 100));
        assert_eq!(before - stage.left(), bound, "no more than was reserved");
        let borne = stage.folder.account("northwind:overrun:CREDIT").unwrap();
        assert_eq!(
            minor(&borne["posted_debits"]),
            cost((beyond, beyond)) - bound,
            "the operator bears the rest: {borne}"
        );
        let refused = stage.asked(true);
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(stage.folder.status()["suspended"], json!([MODEL]));
        stage.close();
    }
}

#[test]
fn a_connection_that_is_closed_just_as_it_is_used_again_is_one_settlement() {
    let stage = Stage::set();
    let well = say::json_answer(&say::whole(&say::used()));
    for round in 0..20 {
        stage.mock.plays(std::slice::from_ref(&well));
        assert_eq!(stage.asked(false).status, 200, "round {round}");
        // The next request meets a connection that is closed when it comes, or as it comes.
        let settled = stage.metric("countersign_calls_settled_total");
        stage.mock.plays(&[Step::Close]);
        let answer = stage.asked(false);
        assert_eq!(seen(&answer), Sees::Problem(502), "round {round}");
        eventually("it is settled", || stage.metric("countersign_calls_settled_total") == settled + 1);
        // One that closes after each answer without a word of it, and has closed before it is asked again.
        stage.mock.plays(&[well.clone(), Step::Close]);
        for _ in 0..3 {
            assert_eq!(stage.asked(false).status, 200, "round {round}");
            eventually("the upstream has closed", || stage.mock.open() == 0);
        }
        // The same asked at once: a request that went into a connection as it closed may have been performed, so that it is not
        // sent again, and is settled once either way.
        for _ in 0..3 {
            let settled = stage.metric("countersign_calls_settled_total");
            let answer = stage.asked(false);
            assert!(
                matches!(seen(&answer), Sees::Whole | Sees::Problem(502)),
                "round {round}: {}",
                answer.text()
            );
            eventually("it is settled", || stage.metric("countersign_calls_settled_total") == settled + 1);
        }
        eventually("the upstream has closed", || stage.mock.open() == 0);
    }
    stage.close();
}
