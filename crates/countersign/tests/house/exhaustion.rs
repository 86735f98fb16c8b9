//! What a server does when the system gives it no more: a record that cannot be written, and files that are used up.
//!
//! Not here: a full disk (`record` and the clerk's own tests play one).

use crate::http::{Client, Request};
use crate::server::{BINARY, Folder, MODEL, Server, config, eventually};
use crate::upstream::{Upstream, Used};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a server may take to end whose record cannot be written, with the second that may pass before it notices.
const ENDS_WITHIN: Duration = Duration::from_secs(6);

/// A disk on which no file can be made any more: where files are staged there is no folder.
fn break_disk(folder: &Folder) {
    let staging = folder.dir.join("record/tmp");
    eventually("nothing is being staged", || fs::remove_dir(&staging).is_ok());
    File::create(&staging).unwrap();
}

fn mend_disk(folder: &Folder) {
    fs::remove_file(folder.dir.join("record/tmp")).unwrap();
}

fn chat(stream: bool) -> String {
    format!(
        r#"{{"model":"{MODEL}","max_tokens":100,"stream":{stream},"messages":[{{"role":"user","content":"Count."}}]}}"#
    )
}

#[test]
fn a_record_that_fails_ends_the_server_within_five_seconds_whoever_waits() {
    // It takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}/v1", silent.local_addr().unwrap());
    let folder = Folder::founded(&config(&upstream), str::to_owned);
    let mut server = folder.serve(&[]);
    let (key, url, body) = (folder.admit(), server.url().to_owned(), chat(false));
    let caller = thread::spawn(move || Client::new(&url).ask(Request::chat(&key, &body)).map(drop));
    eventually("a call is under way", || folder.pool().1 > 0);
    break_disk(&folder);
    folder.said(&["key", "new", "--application", "assistant"]);
    assert_eq!(server.exit_within(ENDS_WITHIN), Some(3));
    assert!(caller.join().unwrap().is_err(), "nobody answered the call");
    mend_disk(&folder);
    folder.serve(&[]).stop();
    folder.verified();
}

#[test]
fn a_record_that_fails_while_the_server_stops_is_told_by_its_exit_code() {
    let upstream = Upstream::slow(Used::Always(40, 60), Duration::from_millis(200));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let mut server = folder.serve(&[]);
    let (key, body) = (folder.admit(), chat(true));
    let mut client = Client::new(server.url());
    let mut coming = client.begin(Request::chat(&key, &body)).unwrap();
    assert!(coming.piece().unwrap().is_some());
    server.ask_to_stop();
    break_disk(&folder);
    assert_eq!(server.exit_within(ENDS_WITHIN), Some(3));
    mend_disk(&folder);
    folder.serve(&[]).stop();
    folder.verified();
}

/// How long anything may take to be answered. It is less than the time after which a server closes a connection that says
/// nothing, so that none is answered for want of patience of others.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn connections_without_end_leave_the_record_its_files() {
    let folder = Folder::founded(&config("http://127.0.0.1:1/v1"), str::to_owned);
    let server = Server::by(Server::limited(&folder.dir, "-n 256"));
    let address = server.url().strip_prefix("http://").unwrap().parse().unwrap();
    // Until the system's queue of connections that wait to be taken is full, and stays so.
    let (mut idle, mut failed) = (Vec::new(), 0);
    while idle.len() < 400 && failed < 5 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => {
                idle.push(stream);
                failed = 0;
            }
            Err(_) => failed += 1,
        }
    }
    let mut command = Command::new(BINARY);
    command.args(["key", "list", "--dir"]).arg(&folder.dir).stdout(Stdio::null());
    let mut command = command.spawn().unwrap();
    let answered = (0..ANSWERED_WITHIN.as_millis() / 20).find_map(|_| {
        thread::sleep(Duration::from_millis(20));
        command.try_wait().unwrap()
    });
    drop(command.kill());
    assert!(answered.is_some_and(|status| status.success()), "{answered:?}, with {} idle", idle.len());
    folder.admit();
    drop(idle);
    server.stop();
    folder.verified();
}

#[test]
fn as_many_connections_are_served_as_the_system_allows() {
    let folder = Folder::founded(&config("http://127.0.0.1:1/v1"), str::to_owned);
    let server = Server::by(Server::limited(&folder.dir, "-S -n 140"));
    let authority = server.url().strip_prefix("http://").unwrap();
    let asked = |_| {
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        write!(stream, "GET /health/live HTTP/1.1\r\nhost: {authority}\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        stream
    };
    let kept: Vec<_> = (0..300).map(asked).collect();
    drop(kept);
    server.stop();
}
