//! A verification that goes on from an earlier one finds what a whole one finds, wherever the earlier one ended, and reads no more than
//! what came since.

use crate::scene::{BINDING, House, ORIGIN};
use crate::server::{Folder, config, done, run, write};
use record::store::directory::Directory;
use record::{Leaf, Loaded, Store as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const SEGMENT_BYTES: u32 = 1 << 18;

fn verify(place: &str, words: &[&str]) -> Output {
    run(Command::new(BINARY).arg("verify").arg(place).args(words))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a verification says in JSON, but for what it took from a file and what it saved.
fn told(output: &Output) -> Value {
    let mut said: Value = serde_json::from_str(&done(output)).unwrap();
    (said["before"], said["saved"]) = (Value::Null, Value::Null);
    said
}

/// The entries of a partnership that has lived through everything, and what is needed to write them again.
struct Past {
    folder: tempfile::TempDir,
    leaves: Vec<Leaf>,
    log: record::note::Signer,
}

impl Past {
    fn lived(rounds: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut house = House::found(folder.path(), BINDING);
        house.live(rounds);
        let (mut leaves, log) = (Vec::new(), house.log);
        let keep = |_, envelope: &[u8], parties: &[u8]| {
            leaves.push(Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() });
            Ok(())
        };
        record::audit(&Directory::new(folder.path()), ORIGIN, &log.verifier(), keep).unwrap();
        Self { folder, leaves, log }
    }

    /// A record without an entry yet, with all documents of this one.
    fn anew(&self) -> Record<'_> {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (Directory::new(self.folder.path()), Arc::new(Directory::new(folder.path())));
        for document in old.list("memorandum").unwrap().iter().map(String::as_str).chain(["vkeys"]) {
            new.create(document, &old.read(document).unwrap().unwrap()).unwrap();
        }
        let owners = record::load(new, ORIGIN, SEGMENT_BYTES, &self.log.verifier()).unwrap();
        Record { past: self, folder, owners }
    }

    /// A record of these entries, signed like any other.
    fn of(&self, leaves: &[Leaf]) -> Record<'_> {
        let mut record = self.anew();
        record.append(leaves);
        record.publish();
        record
    }
}

/// A record that grows as it is told to.
struct Record<'a> {
    past: &'a Past,
    folder: tempfile::TempDir,
    owners: Loaded<Directory>,
}

impl Record<'_> {
    /// Makes entries durable, of which no checkpoint knows yet.
    fn append(&mut self, leaves: &[Leaf]) {
        for leaf in leaves {
            self.owners.log.append(leaf.clone()).unwrap();
        }
        let groups: Vec<_> = self.owners.log.seal().into_iter().collect();
        self.owners.journal.write(&groups).unwrap();
        groups.into_iter().for_each(|group| self.owners.publisher.absorb(group));
    }

    fn publish(&mut self) {
        self.owners.publisher.publish(&self.past.log).unwrap();
        self.owners.journal.retire(self.owners.publisher.durable_bundles()).unwrap();
    }

    fn grow_to(&mut self, size: usize) {
        let from = usize::try_from(self.owners.log.size()).unwrap();
        self.append(&self.past.leaves[from..size]);
        self.publish();
    }

    fn place(&self) -> &str {
        path(self.folder.path())
    }

    /// What is saved of it, in a file of its own.
    fn save(&self, file: &Path) -> Value {
        serde_json::from_str(&done(&verify(self.place(), &["--save", path(file), "--json"]))).unwrap()
    }
}

/// Sizes at which one stops: all of the beginning, around bounds of tiles, and here and there.
fn cuts(whole: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (1..=12).collect();
    cuts.extend([255, 256, 257, 511, 512, 513]);
    cuts.extend((20..whole).step_by(29));
    cuts.extend(whole - 8..=whole);
    cuts.retain(|cut| *cut <= whole);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[test]
fn from_wherever_an_earlier_verification_ended_the_same_is_found_as_from_nothing() {
    let past = Past::lived(45);
    let whole = past.leaves.len();
    assert!(whole > 530, "{whole} entries");
    let (mut record, files) = (past.anew(), tempfile::tempdir().unwrap());
    let file = |cut: usize| files.path().join(format!("{cut}.verified"));
    let mut chain: Option<PathBuf> = None;
    for cut in cuts(whole) {
        record.grow_to(cut);
        let saved = record.save(&file(cut))["saved"].clone();
        // Gone on with from one to the next, it comes to the very same file as from nothing.
        if let Some(before) = chain.replace(file(cut)) {
            let next = files.path().join("next");
            done(&verify(record.place(), &["--from", path(&before), "--save", path(&next)]));
            assert_eq!(std::fs::read(&next).unwrap(), std::fs::read(file(cut)).unwrap(), "at {cut}");
        }
        assert!(saved.is_string());
    }
    let expected = told(&verify(record.place(), &["--json"]));
    assert_eq!(expected["entries"], json!(whole));
    for cut in cuts(whole) {
        let output = verify(record.place(), &["--from", path(&file(cut)), "--json"]);
        assert_eq!(told(&output), expected, "from {cut}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["before"]["entries"], json!(cut));
    }
    let text = done(&verify(record.place(), &["--from", path(&file(300 - 19))]));
    assert!(text.contains("every byte since entry 281 is accounted for"), "{text}");
    assert!(
        text.contains("before      the first 281 were verified before, and are taken as saved in `"),
        "{text}"
    );
}

#[test]
fn entries_that_no_checkpoint_covers_yet_are_verified_and_not_saved() {
    let past = Past::lived(10);
    let (mut record, files) = (past.anew(), tempfile::tempdir().unwrap());
    let (plain, ahead) = (files.path().join("plain"), files.path().join("ahead"));
    record.grow_to(70);
    record.save(&plain);
    record.append(&past.leaves[70..83]);
    let said = record.save(&ahead);
    assert_eq!((&said["entries"], &said["checkpoint_size"]), (&json!(83), &json!(70)));
    assert_eq!(std::fs::read(&plain).unwrap(), std::fs::read(&ahead).unwrap());
    let from = verify(record.place(), &["--from", path(&ahead), "--save", path(&ahead), "--json"]);
    assert_eq!(told(&from), told(&verify(record.place(), &["--json"])));
    assert_eq!(std::fs::read(&plain).unwrap(), std::fs::read(&ahead).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&ahead).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
}

/// What is said of a record that does not hold.
fn found(record: &Record<'_>, words: &[&str]) -> String {
    let output = verify(record.place(), words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stdout));
    said
}

#[test]
fn a_record_that_was_changed_rolled_back_or_forked_is_found_and_its_place_is_named() {
    let past = Past::lived(12);
    let (files, cut) = (tempfile::tempdir().unwrap(), 110);
    let file = files.path().join("verified");
    past.of(&past.leaves[..cut]).save(&file);
    let from = ["--from", path(&file)];
    // What came since was entered twice, left out, or put in another order: what is said is what is said from nothing. Some of it holds: a
    // refusal that is left out leaves nothing behind.
    let end = past.leaves.len() - 1;
    let mut refused = 0;
    for at in [cut, cut + 1, cut + 7, cut + 20, end - 1] {
        let (mut twice, mut without, mut swapped) =
            (past.leaves.clone(), past.leaves.clone(), past.leaves.clone());
        twice.insert(at, past.leaves[at].clone());
        without.remove(at);
        swapped.swap(at, at + 1);
        for changed in [twice, without, swapped] {
            let record = past.of(&changed);
            if verify(record.place(), &[]).status.success() {
                let whole = told(&verify(record.place(), &["--json"]));
                assert_eq!(told(&verify(record.place(), &["--from", path(&file), "--json"])), whole);
                continue;
            }
            let said = found(&record, &from);
            assert_eq!(said, found(&record, &[]), "entry {at}");
            assert!(said.starts_with("does not hold: entry "), "{said}");
            refused += 1;
        }
    }
    assert!(refused >= 8, "{refused} of fifteen are no record");
    // What came before was: its entries are not read, but the tree tells.
    for at in [0, 1, cut / 2, cut - 1] {
        let mut other = past.leaves.clone();
        other.remove(at);
        let said = found(&past.of(&other), &from);
        assert!(said.starts_with("does not hold: checkpoint: its first 110 entries are not those"), "{said}");
    }
    let said = found(&past.of(&past.leaves[..cut - 1]), &from);
    assert_eq!(
        said.trim(),
        "does not hold: checkpoint: it is of size 109, and one of size 110 was verified before: the record was rolled back"
    );
    // A byte of what came since.
    let record = past.of(&past.leaves);
    done(&verify(record.place(), &from));
    for tile in ["tile/entries/000", "parties/entries/000", "tile/0/000"] {
        let partial = record.folder.path().join(format!("{tile}.p/{}", past.leaves.len()));
        let tile = if partial.exists() { partial } else { record.folder.path().join(tile) };
        let sound = std::fs::read(&tile).unwrap();
        let mut changed = sound.clone();
        let last = changed.len() - 9;
        changed[last] ^= 4;
        write_bytes(&tile, &changed);
        assert!(found(&record, &from).starts_with("does not hold: "), "{}", tile.display());
        write_bytes(&tile, &sound);
    }
    done(&verify(record.place(), &from));
}

fn write_bytes(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_file_that_is_damaged_edited_or_of_another_record_is_refused() {
    let past = Past::lived(3);
    let (files, record) = (tempfile::tempdir().unwrap(), past.of(&past.leaves));
    let file = files.path().join("verified");
    record.save(&file);
    let sound = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8]| {
        write_bytes(&file, bytes);
        let output = verify(record.place(), &["--from", path(&file)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(path(&file)) && !said.contains("does not hold"), "{said}");
        said
    };
    for at in (0..sound.len()).step_by(sound.len() / 60) {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        assert!(refused(&changed).contains("damaged or changed since"), "byte {at}");
    }
    for cut in [0, 30, sound.len() / 2, sound.len() - 1] {
        refused(&sound[..cut]);
    }
    // Somebody who makes the digest fit can only write what could have been saved, and of this record.
    let fitting = |from: &str, to: &str| {
        let text = String::from_utf8(sound.clone()).unwrap();
        let (_, body) = text.split_once('\n').unwrap();
        assert!(body.contains(from), "{from}");
        let body = body.replacen(from, to, 1);
        let digest = record::hash::base64(&record::hash::sha256(body.as_bytes()));
        refused(format!("countersign/verified/v1 {digest}\n{body}").as_bytes())
    };
    let size = past.leaves.len();
    assert!(fitting("counts\t", "counts\t0").contains("not in the one form"));
    assert!(fitting("\naccount\t", "\nacount\t").contains("line"));
    assert!(fitting(&format!("\nat\t{size}\t"), "\nat\t7\t").contains("its state is of 7 entries"));
    assert!(fitting(&format!("checkpoint {size}\n"), "checkpoint 7\n").contains("is not of this record"));
    assert!(refused(b"").contains("damaged or changed since"));
    write_bytes(&file, &sound);
    done(&verify(record.place(), &["--from", path(&file)]));
    let other = Folder::founded(&config("http://127.0.0.1:9"), str::to_owned);
    other.serve(&[]).stop();
    let said =
        String::from_utf8_lossy(&verify(path(&other.dir), &["--from", path(&file)]).stderr).into_owned();
    assert!(
        said.contains("is not of this record; name the file that was saved of `northwind-halcyon"),
        "{said}"
    );
    let output = verify(record.place(), &["--from", path(&file), "--policies"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("leave out `--from` to have the whole record judged again"), "{said}");
    write(&file, "");
    let gone = verify(record.place(), &["--from", path(&files.path().join("nowhere"))]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("nowhere` cannot be read"));
}

/// A folder served over HTTP as it lies, and every path that was asked for with the bytes that went out.
struct Served {
    url: String,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Served {
    fn over(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (folder, told) = (folder.to_owned(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, told) = (folder.clone(), Arc::clone(&told));
                std::thread::spawn(move || answer(stream, &folder, &told));
            }
        });
        Self { url, asked }
    }

    /// What was asked for since the last time.
    fn taken(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(stream: TcpStream, folder: &Path, told: &Mutex<Vec<(String, usize)>>) -> Option<()> {
    let mut to = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let path = first.split(' ').nth(1)?.strip_prefix("/record/")?.to_owned();
        let bytes = std::fs::read(folder.join(&path)).ok();
        let (status, body) = if bytes.is_some() { ("200 OK", bytes?) } else { ("404 Not Found", Vec::new()) };
        told.lock().unwrap().push((path, body.len()));
        write!(to, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).ok()?;
        to.write_all(&body).ok()?;
    }
}

#[test]
fn over_http_only_what_came_since_is_asked_for() {
    let past = Past::lived(70);
    let whole = past.leaves.len();
    assert!(whole > 820, "{whole} entries");
    let (mut record, files) = (past.anew(), tempfile::tempdir().unwrap());
    let file = files.path().join("verified");
    record.grow_to(780);
    let served = Served::over(record.folder.path());
    done(&verify(&served.url, &["--save", path(&file)]));
    served.taken();
    record.grow_to(whole);
    let expected = told(&verify(&served.url, &["--json"]));
    let all = served.taken();
    let since = verify(&served.url, &["--from", path(&file), "--json"]);
    let asked = served.taken();
    assert_eq!(told(&since), expected);
    let bytes = |asked: &[(String, usize)]| asked.iter().map(|(_, bytes)| bytes).sum::<usize>();
    // Entries from 768 on lie in the fourth bundle, which the boundary is in; those before are full, and nobody asks for them.
    for (path, _) in &asked {
        let is_old = ["000", "001", "002"].iter().any(|number| {
            ["tile/0", "tile/entries", "parties/entries"]
                .iter()
                .any(|folder| *path == format!("{folder}/{number}"))
        });
        assert!(!is_old, "{path} was asked for again");
    }
    assert!(asked.len() * 3 <= all.len() * 2 + 12, "{} requests, {} for all of it", asked.len(), all.len());
    assert!(bytes(&asked) * 2 < bytes(&all), "{} bytes, {} for all of it", bytes(&asked), bytes(&all));
    // From where it ends, there is nothing to read but the edge.
    done(&verify(&served.url, &["--from", path(&file), "--save", path(&file)]));
    served.taken();
    done(&verify(&served.url, &["--from", path(&file)]));
    let asked = served.taken();
    assert!(asked.len() <= 16, "{asked:?}");
}
