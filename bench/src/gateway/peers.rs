//! The peers: nginx as a plain reverse proxy, and LiteLLM as a gateway without a database; and the consumer's own meter.
//!
//! nginx comes from apt, LiteLLM from pip into the build folder, at the version whose wheel was looked through. Each has the
//! configuration that serves it best here; neither keeps books or a record.

use crate::memorandum::MODEL;
use crate::process::{Running, on_measured_core, said};
use crate::progress;
use crate::scene::ORIGIN;
use anyhow::{Context as _, bail, ensure};
use record::note::Signer;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What is installed, and what its wheel must be.
const LITELLM: &str = "litellm==1.90.7";
const LITELLM_SHA256: &str = "d90abefff6a11667bfd97b22a9cd5f182a36c912f8839c6888d041f19c729cd6";
/// The key that LiteLLM asks for.
pub(crate) const LITELLM_KEY: &str = "sk-bench";

/// A peer under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    running: Running,
    pub(crate) address: SocketAddr,
    _place: TempDir,
}

impl Peer {
    /// nginx with one worker and connections to the upstream kept.
    ///
    /// Errors: where it is missing and cannot be installed, or does not start.
    pub(crate) fn nginx(upstream: SocketAddr) -> anyhow::Result<Self> {
        let program = nginx()?;
        let place = tempfile::tempdir()?;
        let address = free()?;
        let config = place.path().join("nginx.conf");
        write(&config, &nginx_config(place.path(), address, upstream))?;
        let mut command = on_measured_core(program);
        command.arg("-c").arg(&config).arg("-p").arg(place.path()).args(["-e", "stderr"]);
        Self::start(&mut command, place, address, 30)
    }

    /// LiteLLM with one worker, a master key and no database.
    ///
    /// Errors: where pip cannot bring it, its wheel is another one, or it does not start.
    pub(crate) fn litellm(upstream: SocketAddr) -> anyhow::Result<Self> {
        let program = litellm()?;
        let place = tempfile::tempdir()?;
        let address = free()?;
        let config = place.path().join("config.yaml");
        write(
            &config,
            &format!(
                "model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/mock-model\n      api_base: http://{upstream}/v1\n      api_key: sk-none\ngeneral_settings:\n  master_key: {LITELLM_KEY}\nlitellm_settings:\n  telemetry: false\n  request_timeout: 60\n"
            ),
        )?;
        let mut command = on_measured_core(program);
        command.arg("--config").arg(&config).args(["--host", "127.0.0.1", "--num_workers", "1", "--port"]);
        command
            .arg(address.port().to_string())
            .env("LITELLM_LOG", "ERROR")
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        Self::start(&mut command, place, address, 240)
    }

    /// The consumer's own meter, with a key of its own and its journal on the disk under measurement.
    ///
    /// Errors: where it does not start.
    pub(crate) fn meter(upstream: SocketAddr, disk: &Path) -> anyhow::Result<Self> {
        let place = tempfile::Builder::new().prefix("m").tempdir_in(disk)?;
        let address = free()?;
        let key = Signer::generate(&format!("{ORIGIN}/halcyon"), [7; 32])?;
        write(&place.path().join("halcyon.key"), &key.private_key())?;
        let mut command = on_measured_core(crate::binary()?);
        command.args(["meter", "--json", "--party", "halcyon", "--to"]).arg(format!("http://{upstream}"));
        command.arg("--keys").arg(place.path()).arg("--journal").arg(place.path().join("journal"));
        command.arg("--listen").arg(address.to_string()).env("COUNTERSIGN_LOG", "warn");
        Self::start(&mut command, place, address, 30)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    fn start(
        command: &mut Command,
        place: TempDir,
        address: SocketAddr,
        seconds: u32,
    ) -> anyhow::Result<Self> {
        let log = place.path().join("log");
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let running = Running::new(command.spawn().with_context(|| format!("{command:?} does not start"))?);
        let mut peer = Self { running, address, _place: place };
        for _ in 0..seconds.saturating_mul(10) {
            if TcpStream::connect(address).is_ok() {
                return Ok(peer);
            }
            if peer.running.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        bail!("{command:?} was not ready within {seconds} s, saying: {said}")
    }
}

/// No log and no limits; a small answer is buffered, as is nginx's way, and the upstream's streams ask to be passed on as they come.
fn nginx_config(place: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let place = place.display();
    format!(
        "daemon off;\nworker_processes 1;\nuser root;\npid {place}/pid;\nerror_log stderr crit;\nevents {{ worker_connections 8192; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 600s;\n  client_body_buffer_size 64k;\n  tcp_nodelay on;\n\
         \x20 client_body_temp_path {place}/a;\n  proxy_temp_path {place}/b;\n  fastcgi_temp_path {place}/c;\n  uwsgi_temp_path {place}/d;\n  scgi_temp_path {place}/e;\n\
         \x20 upstream mock {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}\n\
         \x20 server {{\n    listen {address};\n    location / {{\n      proxy_pass http://mock;\n      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}

/// The program, installed where it is missing.
fn nginx() -> anyhow::Result<&'static str> {
    let is_there = || said(Command::new("nginx").arg("-v")).is_ok();
    if !is_there() {
        progress("nginx is missing; apt brings it");
        said(Command::new("apt-get").args(["update", "--quiet"]))?;
        let words = ["install", "--quiet", "--yes", "--no-install-recommends", "nginx-light"];
        said(
            Command::new("apt-get").env("RUNLEVEL", "1").env("DEBIAN_FRONTEND", "noninteractive").args(words),
        )
        .context("`nginx` is missing and cannot be installed; install it by hand")?;
    }
    ensure!(is_there(), "`nginx` does not run");
    Ok("nginx")
}

/// The program in an environment of its own in the build folder, made once.
fn litellm() -> anyhow::Result<PathBuf> {
    let folder = crate::build_folder()?.join("bench-env");
    let program = folder.join("bin/litellm");
    let python = folder.join("bin/python");
    let frozen = || said(Command::new(&python).args(["-m", "pip", "freeze"]));
    if program.exists() && frozen().is_ok_and(|list| list.contains("litellm")) {
        return Ok(program);
    }
    progress("LiteLLM is missing; pip brings it into the build folder");
    said(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = |words: &[&str]| said(Command::new(&python).args(["-m", "pip", "--quiet"]).args(words));
    let wheels = folder.join("wheels");
    let to = wheels.to_str().context("the build folder's name is not utf-8")?;
    pip(&["download", "--no-deps", "--no-cache-dir", LITELLM, "--dest", to])?;
    let wheel = std::fs::read_dir(&wheels)?.next().context("pip brought no wheel")??.path();
    let sum = said(Command::new("sha256sum").arg(&wheel))?;
    ensure!(
        sum.starts_with(LITELLM_SHA256),
        "`{}` is not the wheel that was looked through",
        wheel.display()
    );
    pip(&["install", &format!("{}[proxy]", wheel.display())])?;
    Ok(program)
}

/// An address on which nobody listens.
fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(File::create(path)?.write_all(text.as_bytes())?)
}
