//! The record's folder served by nginx as it lies, with the configuration that is among the examples: the same bytes, types and caching as
//! from our own server, and no more of them.

use crate::http::{Client, Request};
use crate::server::{Folder, config, eventually, example, run, write};
use crate::told::chat;
use crate::upstream::{Upstream, Used};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// nginx before a partnership's folder, until it is dropped.
struct Nginx {
    child: Child,
    port: u16,
    _place: tempfile::TempDir,
}

impl Nginx {
    fn start(dir: &Path) -> Self {
        let place = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = std::fs::read_to_string(example("nginx/record.conf")).unwrap();
        let server = server
            .replace("listen 127.0.0.1:8080;", &format!("listen 127.0.0.1:{port};"))
            .replace("root /srv/partnership;", &format!("root {};", dir.display()));
        let here = place.path().display();
        // A worker of another user could not look into a folder that is its owner's alone.
        let user = if run(Command::new("id").arg("-u")).stdout == b"0\n" { "user root;" } else { "" };
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {here}/{name};\n"))
            .collect();
        let text = format!(
            "{user}\ndaemon off;\npid {here}/pid;\nerror_log {here}/errors;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
        );
        let file = place.path().join("nginx.conf");
        write(&file, &text);
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(place.path()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("nginx ({error}); `cargo xtask test` installs it"));
        eventually("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port, _place: place }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends its workers when it is asked to.
        drop(run(Command::new("kill").args(["-QUIT", &self.child.id().to_string()])));
        drop(self.child.wait());
    }
}

/// Every file below a folder, by its path in it.
fn below(folder: &Path, at: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder.join(at)).unwrap().flatten() {
        let path = Path::new(at).join(entry.file_name()).to_str().unwrap().to_owned();
        if entry.file_type().unwrap().is_dir() { below(folder, &path, paths) } else { paths.push(path) }
    }
}

#[test]
fn nginx_serves_the_folder_as_it_lies_like_our_own_server() {
    let upstream = Upstream::start(Used::AtMost(40, 60));
    let folder = Folder::founded(&config(&upstream.url()), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let mut client = Client::new(server.url());
    for _ in 0..150 {
        assert_eq!(client.ask(Request::chat(&key, &chat(100, false))).unwrap().status, 200);
    }
    let record = folder.dir.join("record");
    eventually("all of it is published", || {
        let text = std::fs::read_to_string(record.join("checkpoint")).unwrap_or_default();
        text.lines().nth(1) == Some(folder.entries().to_string().as_str())
    });
    let nginx = Nginx::start(&folder.dir);
    let mut paths = Vec::new();
    below(&record, "", &mut paths);
    assert!(paths.iter().any(|path| path == "tile/entries/000"), "a full bundle: {paths:?}");
    assert!(paths.iter().any(|path| path.starts_with("tile/0/001.p/")), "a partial tile: {paths:?}");
    for path in &paths {
        let address = format!("/record/{path}");
        let theirs = Client::new(&nginx.url()).ask(Request::get(&address)).unwrap();
        if !path.starts_with("tile/") && !["checkpoint", "cosigned", "vkeys"].contains(&path.as_str()) {
            assert_eq!(theirs.status, 404, "{path} is for the parties, or for nobody");
            continue;
        }
        let ours = client.ask(Request::get(&address)).unwrap();
        assert_eq!((ours.status, theirs.status), (200, 200), "{path}");
        assert!(ours.body == theirs.body, "{path}");
        for header in ["content-type", "cache-control"] {
            assert_eq!(ours.headers.value(header), theirs.headers.value(header), "{header} of {path}");
        }
    }
    for address in
        ["/", "/keys/log.key", "/record/journal/00000000", "/memorandum.md", "/record/../keys/log.key"]
    {
        let answer = Client::new(&nginx.url()).ask(Request::get(address)).unwrap();
        assert!(answer.status >= 400, "{address}: {}", answer.status);
    }
    server.stop();
}
