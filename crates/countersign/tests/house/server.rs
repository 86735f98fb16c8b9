//! The binary as its users have it: a partnership's folder, commands on it, and a server that runs it.
//!
//! Not here: anything of the binary's own code. What it says on stdout, over HTTP and on disk is all that is looked at.

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The model of the examples.
pub(crate) const MODEL: &str = "smollm2-135m-instruct";
/// What is left of the grant of the first example.
pub(crate) const POOL: &str = "credit:launch-credits:available";
/// The parties of the first example.
pub(crate) const PARTIES: [&str; 2] = ["northwind", "halcyon"];

/// The built binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
/// How long a server may take to be ready. A long record is read again from its start.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often, and in which steps, the end of a process or of anything else is waited for: a minute in all.
const LOOKS: u32 = 3_000;
const STEP: Duration = Duration::from_millis(20);

/// A partnership's folder.
pub(crate) struct Folder {
    pub(crate) dir: PathBuf,
    /// What it lies in, which goes when this goes.
    _place: TempDir,
}

impl Folder {
    /// A folder that is not there yet.
    pub(crate) fn absent() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self { dir: place.path().join("partnership"), _place: place }
    }

    /// Another folder with the same in it. Nobody may write to this one meanwhile.
    pub(crate) fn copied(&self) -> Self {
        let copy = Self::absent();
        let copied = run(Command::new("cp").arg("-a").arg(&self.dir).arg(&copy.dir));
        assert!(copied.status.success(), "{copied:?}");
        copy
    }

    /// The folder at another place, on another file system perhaps.
    pub(crate) fn moved(self, dir: &Path) -> Self {
        let moved = run(Command::new("mv").arg(&self.dir).arg(dir));
        assert!(moved.status.success(), "{moved:?}");
        Self { dir: dir.to_owned(), ..self }
    }

    /// A partnership on the first example with what `edit` makes of its memorandum, signed by both, and with `config` as its
    /// whole configuration.
    pub(crate) fn founded(config: &str, edit: impl Fn(&str) -> String) -> Self {
        let folder = Self::absent();
        done(&run(Command::new(BINARY).arg("init").arg(&folder.dir)));
        let memorandum = folder.dir.join("memorandum.md");
        let text = std::fs::read_to_string(&memorandum).unwrap();
        let edited = edit(&text);
        if edited != text {
            write(&memorandum, &edited);
            let file = memorandum.to_str().unwrap();
            PARTIES.iter().for_each(|party| drop(folder.said(&["memo", "sign", file, "--party", party])));
        }
        write(&folder.dir.join("countersign.toml"), config);
        folder
    }

    /// Runs a command on the folder, with `--json`.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        run(Command::new(BINARY).args(words).arg("--dir").arg(&self.dir).arg("--json"))
    }

    /// Runs a command on the folder that is to succeed, and gives the JSON that it says.
    pub(crate) fn said(&self, words: &[&str]) -> Value {
        let said = done(&self.command(words));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?} said no JSON ({error}): {said}"))
    }

    /// Runs a command on the folder that is to succeed, and gives what it says to a person.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        done(&run(Command::new(BINARY).args(words).arg("--dir").arg(&self.dir)))
    }

    /// What a command says that is refused, or that cannot be done.
    pub(crate) fn told_wrong(&self, words: &[&str]) -> String {
        let output = run(Command::new(BINARY).args(words).arg("--dir").arg(&self.dir));
        assert!(!output.status.success(), "{words:?} was done");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Verifies the folder, which is to hold, and gives the report.
    pub(crate) fn verified(&self) -> Value {
        let said = done(&verify(&self.dir, &["--json"]));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("verify said no JSON ({error}): {said}"))
    }

    /// The memorandum's state.
    pub(crate) fn status(&self) -> Value {
        self.said(&["memo", "status"])
    }

    /// How many entries the record has.
    pub(crate) fn entries(&self) -> u64 {
        self.status()["entries"].as_u64().unwrap()
    }

    /// How often a clause has refused, and how often it has only spoken against something.
    pub(crate) fn counts(&self, clause: &str) -> (u64, u64) {
        let status = self.status();
        let clauses = status["clauses"].as_array().unwrap();
        let found = clauses.iter().find(|found| found["id"] == clause).unwrap();
        (found["refused"].as_u64().unwrap(), found["deviated"].as_u64().unwrap())
    }

    /// An account, as `balance` tells it; none where it is not in the books.
    pub(crate) fn account(&self, name: &str) -> Option<Value> {
        let all = self.said(&["balance"]);
        all.as_array().unwrap().iter().find(|account| account["name"] == name).cloned()
    }

    /// What is left of the grant, and what is reserved of it. Units: minor units.
    pub(crate) fn pool(&self) -> (i128, i128) {
        let said = self.said(&["balance", "--account", POOL]);
        (minor(&said[0]["available"]), minor(&said[0]["pending"]))
    }

    /// Registers the application `assistant`, which both parties approve, and makes a key for it.
    pub(crate) fn admit(&self) -> String {
        let words = ["app", "add", "assistant", "--party", "halcyon", "--audience", "business"];
        let asked = self.said(&[&words[..], &["--purpose", "letters", "--market", "eu"]].concat());
        assert_eq!(asked["decision"], "waiting", "one party alone admits nothing: {asked}");
        for party in PARTIES {
            self.said(&["act", "approve", asked["act"].as_str().unwrap(), "--party", party]);
        }
        let made = self.said(&["key", "new", "--application", "assistant"]);
        made["key"].as_str().unwrap().to_owned()
    }

    /// Starts a server on the folder and waits until it is ready.
    pub(crate) fn serve(&self, words: &[&str]) -> Server {
        Server::start(&self.dir, words)
    }
}

/// A server that runs a partnership. Dropped while it runs, it is killed.
pub(crate) struct Server {
    child: Child,
    /// Sends the signal to stop, at once, when it is written to.
    stopper: Child,
    /// The line that it printed when it was ready.
    pub(crate) ready: Value,
    /// Further lines on stdout, of which there should be none.
    lines: Receiver<String>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start(dir: &Path, words: &[&str]) -> Self {
        Self::by(Self::command(dir, words))
    }

    /// Starts a server by this command and waits until it is ready.
    pub(crate) fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(&mut child);
        let log = log_of(&mut child);
        let stopper = stopper_of(&child);
        let mut server = Self { child, stopper, ready: Value::Null, lines, log };
        let Ok(line) = server.lines.recv_timeout(READY_WITHIN) else {
            panic!("the server was not ready in time or ended; its log is below")
        };
        server.ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in: {line}"));
        server
    }

    /// The command that starts a server on a free port.
    pub(crate) fn command(dir: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("up").arg(dir).args(["--listen", "127.0.0.1:0", "--json"]).args(words);
        command.stdin(Stdio::null());
        command
    }

    /// The same under a limit of the system's, as `ulimit` takes it.
    pub(crate) fn limited(dir: &Path, limit: &str) -> Command {
        let whole = Self::command(dir, &[]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
        command.arg(whole.get_program()).args(whole.get_args()).stdin(Stdio::null());
        command
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    /// The address of its API, with `/v1` at the end.
    pub(crate) fn api(&self) -> &str {
        self.ready["api"].as_str().unwrap()
    }

    /// The key that it made.
    pub(crate) fn key(&self) -> &str {
        self.ready["key"].as_str().unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.ask_to_stop();
        let status = self.end();
        assert_eq!(status.code(), Some(0), "a graceful stop is exit 0, not {status}; the log is below");
        assert_eq!(self.lines.iter().count(), 0, "one line on stdout and no more");
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stopper.stdin.take().unwrap().write_all(b"stop\n").unwrap();
    }

    /// Its exit code, if it ends within this time.
    pub(crate) fn exit_within(&mut self, time: Duration) -> Option<i32> {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(STEP);
        }
        None
    }

    /// How many sockets it has open.
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
            .into_owned()
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("the server ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        drop(self.stopper.stdin.take());
        drop(self.stopper.wait());
        if thread::panicking() {
            self.show_log();
        }
    }
}

impl Server {
    #[expect(clippy::print_stderr, reason = "a test that fails shows what the server said")]
    fn show_log(&self) {
        let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = log.len().saturating_sub(LOG_BYTES_SHOWN);
        eprintln!("the server's log, at its end:\n{}", String::from_utf8_lossy(&log[from..]));
    }
}

const LOG_BYTES_SHOWN: usize = 8 << 10;

/// Verifies what lies in a folder, by both folds and with every entry judged again.
pub(crate) fn verify(dir: &Path, words: &[&str]) -> Output {
    run(Command::new(BINARY).arg("verify").arg(dir).arg("--policies").args(words))
}

/// Waits until `holds`, for a minute at most.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if holds() {
            return;
        }
        thread::sleep(STEP);
    }
    panic!("not within a minute: {what}");
}

/// An amount of money as `--json` tells it. Units: minor units.
pub(crate) fn minor(money: &Value) -> i128 {
    let amount = money["amount"].as_str().unwrap_or_else(|| panic!("{money} is no money"));
    amount.replace('.', "").parse().unwrap()
}

/// An amount of credits as a memorandum writes it. Units of `minor`: billionths.
pub(crate) fn credits(minor: i128) -> String {
    format!("{}.{:09} CREDIT", minor / 1_000_000_000, minor % 1_000_000_000)
}

/// What tokens of input and output cost under the first example. Units: minor units.
pub(crate) fn cost((input_tokens, output_tokens): (u64, u64)) -> i128 {
    i128::from(input_tokens) * 500 + i128::from(output_tokens) * 1_500
}

/// A configuration with one upstream for the model, and no built-in one.
pub(crate) fn config(upstream: &str) -> String {
    format!(
        r#"origin = "northwind-halcyon.example/record"
listen = "127.0.0.1:0"

[[upstream]]
name = "mock"
kind = "openai"
url = "{upstream}"
[upstream.models]
"{MODEL}" = "mock-model"
"#
    )
}

/// Writes a file in the place of the one there is.
pub(crate) fn write(path: &Path, text: &str) {
    put(path, text.as_bytes());
}

/// The same with bytes.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// A file of the examples.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path)
}

/// What a command said that is to succeed.
pub(crate) fn done(output: &Output) -> String {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "the command failed, saying: {out}{err}");
    out
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// A process that waits for a line and then sends the signal; it has long started when the line comes.
fn stopper_of(child: &Child) -> Child {
    let waits = ["-c", "read line && kill -TERM $0", &child.id().to_string()];
    Command::new("sh").args(waits).stdin(Stdio::piped()).spawn().unwrap()
}

/// The lines that a process prints, as they come.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// What a process says on stderr, as it grows.
fn log_of(child: &mut Child) -> Arc<Mutex<Vec<u8>>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, mut output) = (Arc::clone(&log), child.stderr.take().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = output.read(&mut buffer) {
            kept.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .extend_from_slice(&buffer[..bytes]);
        }
    });
    log
}
