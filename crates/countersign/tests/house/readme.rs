//! The README, command by command, as a newcomer types it: each block runs as it stands, in one shell, beside the server of the
//! block before.
//!
//! Not here: a first build. `cargo run` is the built binary here, and the model's file is at hand.

use crate::needs;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const README: &str = include_str!("../../../../README.md");

/// What each block must print, in the order of the page; a server's block is named by what it serves.
const EXPECTED: &[(&str, &[&str])] = &[
    ("server", &["Northwind Cloud", "investment", "governance", "cloud", "/v1", "cs_live_"]),
    ("a first call", &["HTTP/1.1 200 OK", "countersign-act: ", "\"content\":\"", "\"usage\""]),
    ("OpenAI's client", &["\n"]),
    ("what it cost", &["credit:launch-credits:available", "infer", "CREDIT"]),
    (
        "what a clause says",
        &[
            "HTTP/1.1 403 Forbidden",
            "\"code\":\"longest-answer\"",
            "No call may ask for an answer of more than one thousand tokens",
            "countersign-deviations: brief-answers",
        ],
    ),
    (
        "neither side alone",
        &[
            "waits: release-tranche attested by northwind, missing halcyon",
            "750000.00 USD",
            "version 1 in force",
            "waits: amend",
            "version 2 in force",
        ],
    ),
    (
        "money",
        &[
            "OUTLOOK",
            ",northwind,halcyon,750000.00,USD,CS",
            "office",
            "commitment:release-tranche:paid",
            "act,kind,about,decided_at",
        ],
    ),
    (
        "proof",
        &[
            "holds, as far as the entries tell: every byte is accounted for",
            "is a `decided` entry",
            "does not hold: ",
            "exit 1",
        ],
    ),
    (
        "the other side",
        &[
            "entries are held, replayed and priced again, and the checkpoint is cosigned",
            "northwind-halcyon.example/record/halcyon/w2",
            "cosigned by northwind-halcyon.example/record/halcyon/w1",
            "holds, as far as the entries tell: every byte is accounted for",
            "  before ",
        ],
    ),
    (
        "what nobody is told",
        &[
            "balances at size",
            "signed by northwind: the",
            "signed by halcyon: the",
            "add up to nothing",
            "northwind-halcyon.example/record/halcyon",
        ],
    ),
    ("server", &["Microsoft", "not disclosed", "10000000000.00 USD", "cs_live_"]),
    (
        "the article",
        &["HTTP/1.1 200 OK", "countersign-deviations: azure", "non-binding", "Not binding, inferred"],
    ),
];

#[test]
fn every_block_of_the_readme_does_what_the_page_says() {
    let place = Place::new();
    let mut shell = Shell::open(&place);
    let mut server: Option<Child> = None;
    let blocks = blocks();
    assert_eq!(blocks.len(), EXPECTED.len(), "the page has as many blocks as this test knows");
    for ((kind, text), (name, expected)) in blocks.iter().zip(EXPECTED) {
        assert_eq!(*kind == "server", *name == "server", "`{name}` is where the page has it");
        let said = if *kind == "server" {
            server.take().into_iter().for_each(stop);
            let (child, said) = serve(&place, text);
            server = Some(child);
            said
        } else {
            shell.run(text)
        };
        for line in *expected {
            assert!(said.contains(line), "`{name}` does not say `{line}`:\n{text}\n---\n{said}");
        }
    }
    server.into_iter().for_each(stop);
}

/// The shell blocks of the page: `server` or not, and the text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut rest = README;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once("\n```sh") {
        let (kind, after) = after.split_once('\n').unwrap();
        let (text, after) = after.split_once("\n```\n").unwrap();
        blocks.push((kind.trim(), text));
        rest = after;
    }
    blocks
}

/// A folder like a fresh clone, in which `cargo run --release --` is the built binary.
struct Place {
    folder: tempfile::TempDir,
    path: OsString,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        symlink(root.join("examples"), folder.path().join("examples")).unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let cargo = "#!/bin/sh\n[ \"$1 $2\" = \"run --release\" ] || exit 9\nwhile [ \"$1\" != -- ]; do shift; done\nshift\n";
        let cargo = format!("{cargo}exec {} \"$@\"\n", env!("CARGO_BIN_EXE_countersign"));
        write_program(&bin.join("cargo"), &cargo);
        let python: PathBuf = needs::python();
        let mut path = vec![bin, python.parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let path = std::env::join_paths(path).unwrap();
        Self { folder, path }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("PATH", &self.path)
            .env("COUNTERSIGN_MODEL", needs::model())
            .stdout(Stdio::piped());
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "a script of this test's own")]
fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts the server of a block and gives what it says until it is ready.
fn serve(place: &Place, text: &str) -> (Child, String) {
    let mut child = place.command("bash").args(["-c", &format!("exec {text}")]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("\n  -d ") {
        assert!(output.read_line(&mut said).unwrap() > 0, "the server ended: {said}");
    }
    (child, said)
}

/// Ctrl-C, and the end in good order.
fn stop(mut child: Child) {
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "a server that is stopped ends well");
}

/// One shell for the whole page, since later blocks use what earlier ones set.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn open(place: &Place) -> Self {
        let mut child = place.command("bash").stdin(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut shell = Self { child, input, output };
        shell.run("exec 2>&1");
        shell
    }

    /// Runs a block and gives all that it says.
    fn run(&mut self, text: &str) -> String {
        writeln!(self.input, "{text}\necho; echo {END}").unwrap();
        self.input.flush().unwrap();
        let mut said = String::new();
        while !said.ends_with(&format!("\n{END}\n")) {
            assert!(self.output.read_line(&mut said).unwrap() > 0, "the shell ended: {said}");
        }
        said
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const END: &str = "-- end of block --";
