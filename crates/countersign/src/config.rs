//! The operator's configuration, `countersign.toml`, and what the environment adds to it. Read whole before a port is bound.
//!
//! Not here: anything the parties agreed; that stands in the memorandum.

use crate::notices::{Receiver, ReceiverText};
use anyhow::{Context as _, bail, ensure};
use cloud::OutputMember;
use cloud::gateway::{Kind, UpstreamConfig};
use partnership::ids::PartyId;
use partnership::lease::Caps;
use partnership::memorandum::Header;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that the operator decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The record's origin: the name that its checkpoints are signed under.
    pub(crate) origin: String,
    /// Where to listen: address and port; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub(crate) listen: String,
    /// The built-in model; none to serve without it.
    pub(crate) model: Option<ModelConfig>,
    /// How the record is shown.
    #[serde(default)]
    pub(crate) record: RecordConfig,
    /// Where the key lies that wraps the vault's.
    #[serde(default)]
    pub(crate) vault: VaultConfig,
    /// How much, and how slowly, callers may send and read.
    #[serde(default)]
    pub(crate) http: HttpConfig,
    /// Where models are served, tried in this order.
    #[serde(default, rename = "upstream")]
    pub(crate) upstreams: Vec<UpstreamText>,
    /// Who is told of warnings, deadlines and alarms.
    #[serde(default, rename = "notice")]
    pub(crate) receivers: Vec<ReceiverText>,
    /// The operator's token for HTTP, from the environment.
    #[serde(skip)]
    pub(crate) token: Option<String>,
}

/// The built-in model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// Its public id.
    pub(crate) id: String,
    /// `pip`, `hub`, or a path to a GGUF file.
    #[serde(default = "default_source")]
    pub(crate) source: String,
    /// How many requests it answers side by side.
    #[serde(default = "default_workers")]
    pub(crate) workers: usize,
    /// How many more may wait.
    #[serde(default = "default_queue")]
    pub(crate) queue: usize,
}

/// How the record is shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordConfig {
    /// What strangers may read beyond checkpoints.
    #[serde(default = "default_public")]
    pub(crate) public: Public,
    /// Size of the journal's segments. Units: bytes.
    #[serde(default = "default_segment")]
    pub(crate) segment_bytes: u32,
    /// What may be under way while its decisions are still being written; none to let every call wait for its own.
    pub(crate) lease: Option<LeaseConfig>,
}

/// What may be under way while its decisions are still being written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseConfig {
    /// How many calls at once.
    calls: u64,
    /// What they may cost together at most, such as `5.00 CREDIT`, one for each asset.
    #[serde(default)]
    amounts: Vec<String>,
}

impl LeaseConfig {
    /// The caps, with amounts at the scale of their assets.
    ///
    /// Errors: an amount that cannot be read, an asset that the memorandum does not know or that stands twice, no calls.
    pub(crate) fn caps(&self, header: &Header) -> anyhow::Result<Caps> {
        ensure!(
            self.calls > 0,
            "`record.lease.calls` is 0; without the table every call waits for its own decision"
        );
        let mut amounts = BTreeMap::new();
        for text in &self.amounts {
            let money = header.money(text);
            let (asset, amount) = money
                .with_context(|| format!("`record.lease.amounts` has `{text}`; write it as `5.00 CREDIT`"))?;
            let before = amounts.insert(asset, amount);
            ensure!(before.is_none(), "`record.lease.amounts` has the asset of `{text}` twice");
        }
        Ok(Caps { calls: self.calls, amounts })
    }
}

/// Where the key lies that wraps the keys of the vault.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultConfig {
    /// A file that the server makes, and makes anew at each erasure; from the partnership's folder on, if it is no whole path.
    key_file: Option<PathBuf>,
}

impl VaultConfig {
    /// Where the key lies.
    ///
    /// Errors: in the vault itself, where each copy of the vault would have it too.
    pub(crate) fn key_file(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let path = dir.join(self.key_file.as_deref().unwrap_or_else(|| Path::new("keys/vault.wrapping")));
        ensure!(
            !path.starts_with(dir.join("vault")),
            "`key_file` of `[vault]` lies in the vault, and so in every copy of it; put it outside"
        );
        Ok(path)
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { public: default_public(), segment_bytes: default_segment(), lease: None }
    }
}

/// How much, and how slowly, callers may send and read. Units: bytes, milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpConfig {
    /// The longest address of a request: path and query. Beyond it, 414.
    pub(crate) address_bytes_max: usize,
    /// The longest head of a request: its first line and headers. Beyond it, 431.
    pub(crate) head_bytes_max: usize,
    /// The longest body of a call. Beyond it, 413.
    pub(crate) body_bytes_max: usize,
    /// How long a head may take, from when the connection is there or the last answer has left: so also how long a connection
    /// is kept without a request.
    pub(crate) head_timeout_ms: u64,
    /// How long a body may take in all.
    pub(crate) body_timeout_ms: u64,
    /// How long a reader may take nothing of what waits for it. Then the connection is cut, and a call counts as left.
    pub(crate) write_timeout_ms: u64,
}

/// The longest head that a configuration may allow; half of what is ever read of one. Units: bytes.
const HEAD_BYTES_LIMIT: usize = 64 << 10;
/// The longest body that a configuration may allow. Units: bytes.
const BODY_BYTES_LIMIT: usize = 1 << 30;

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address_bytes_max: 8 << 10,
            head_bytes_max: 32 << 10,
            body_bytes_max: 16 << 20,
            head_timeout_ms: 30_000,
            body_timeout_ms: 120_000,
            write_timeout_ms: 60_000,
        }
    }
}

impl HttpConfig {
    /// The longest head that is read at all: one above the allowed length is to be answered in words.
    pub(crate) const fn read_bytes_max() -> usize {
        2 * HEAD_BYTES_LIMIT
    }

    fn check(&self) -> anyhow::Result<()> {
        let sizes = [
            ("address_bytes_max", self.address_bytes_max, HEAD_BYTES_LIMIT),
            ("head_bytes_max", self.head_bytes_max, HEAD_BYTES_LIMIT),
            ("body_bytes_max", self.body_bytes_max, BODY_BYTES_LIMIT),
        ];
        for (name, value, limit) in sizes {
            if !(1..=limit).contains(&value) {
                bail!("`{name}` of `[http]` is {value}; give 1 to {limit} bytes");
            }
        }
        let times = [
            ("head_timeout_ms", self.head_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("write_timeout_ms", self.write_timeout_ms),
        ];
        for (name, value) in times {
            if !(1..=DAY_MS).contains(&value) {
                bail!("`{name}` of `[http]` is {value}; give 1 to {DAY_MS} milliseconds");
            }
        }
        Ok(())
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What strangers may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Public {
    /// Checkpoints and hash tiles.
    Checkpoints,
    /// The public envelopes too.
    Envelopes,
}

/// One upstream as the file writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamText {
    name: String,
    kind: String,
    url: Option<String>,
    api_version: Option<String>,
    #[serde(default)]
    output_member: OutputText,
    key_env: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, String>,
    timeout_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
}

/// How an upstream is told a bound on output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputText {
    #[default]
    MaxTokens,
    MaxCompletionTokens,
}

impl Config {
    /// Reads `countersign.toml` of a partnership's folder and the environment.
    ///
    /// Errors: what is wrong, in which line, and what to do.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("countersign.toml");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("`{}` cannot be read; `countersign init DIR` makes a new partnership", path.display())
        })?;
        let mut config: Self =
            toml::from_str(&text).with_context(|| format!("`{}` does not parse", path.display()))?;
        config.http.check().with_context(|| format!("`{}` cannot be used", path.display()))?;
        config.token = variable("COUNTERSIGN_TOKEN");
        if let (Some(path), Some(model)) = (variable("COUNTERSIGN_MODEL"), config.model.as_mut()) {
            model.source = path;
        }
        Ok(config)
    }

    /// The upstreams with their secrets.
    ///
    /// Errors: an unknown kind, a missing address, or a secret's variable that is not set.
    pub(crate) fn upstreams(&self) -> anyhow::Result<Vec<UpstreamConfig>> {
        self.upstreams.iter().map(UpstreamText::resolve).collect()
    }
}

impl Config {
    /// Who is told, with their secrets; `parties` are those of the memorandum in force.
    ///
    /// Errors: which one is wrong, and what to write instead; a secret's variable that is not set.
    pub(crate) fn receivers(&self, parties: &[PartyId]) -> anyhow::Result<Vec<Receiver>> {
        Receiver::all(&self.receivers, parties).context("countersign.toml cannot be used")
    }
}

impl UpstreamText {
    fn resolve(&self) -> anyhow::Result<UpstreamConfig> {
        let kind = match self.kind.as_str() {
            "openai" => Kind::OpenAi,
            "azure" => Kind::Azure,
            "builtin" => Kind::Builtin,
            other => {
                bail!(
                    "upstream `{}` is of kind `{other}`; the kinds are `openai`, `azure` and `builtin`",
                    self.name
                )
            }
        };
        if kind != Kind::Builtin && self.url.is_none() {
            bail!("upstream `{}` has no `url`", self.name);
        }
        let key = self
            .key_env
            .as_ref()
            .map(|name| {
                variable(name).with_context(|| {
                    format!(
                        "upstream `{}` takes its key from the variable `{name}`, which is not set",
                        self.name
                    )
                })
            })
            .transpose()?;
        Ok(UpstreamConfig {
            name: self.name.clone(),
            kind,
            url: self.url.clone(),
            api_version: self.api_version.clone(),
            output_member: match self.output_member {
                OutputText::MaxTokens => OutputMember::MaxTokens,
                OutputText::MaxCompletionTokens => OutputMember::MaxCompletionTokens,
            },
            key,
            models: self.models.clone(),
            timeout_ms: self.timeout_ms.unwrap_or(600_000),
            connect_timeout_ms: self.connect_timeout_ms.unwrap_or(5_000),
        })
    }
}

/// A variable of the environment; none where it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn default_listen() -> String {
    "127.0.0.1:7410".to_owned()
}

fn default_source() -> String {
    "pip".to_owned()
}

fn default_workers() -> usize {
    2
}

fn default_queue() -> usize {
    16
}

fn default_public() -> Public {
    Public::Envelopes
}

fn default_segment() -> u32 {
    16 << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Vec<UpstreamConfig>> {
        toml::from_str::<Config>(text)?.upstreams()
    }

    #[test]
    fn what_is_wrong_with_a_configuration_is_said() {
        let upstream =
            "origin = \"o\"\n[[upstream]]\nname = \"a\"\nkind = \"openai\"\nurl = \"http://h/v1\"\n";
        assert_eq!(read(upstream).unwrap().len(), 1);
        for (text, said) in [
            ("", "missing field `origin`"),
            ("origin = \"o\"\nlisten_on = \"x\"\n", "unknown field `listen_on`"),
            ("origin = \"o\"\n[record]\npublic = \"all\"\n", "unknown variant `all`"),
            (&upstream.replace("openai", "opnai"), "upstream `a` is of kind `opnai`"),
            (&upstream.replace("url = \"http://h/v1\"\n", ""), "upstream `a` has no `url`"),
            (
                &upstream.replace("openai", "azure").replace("url = \"http://h/v1\"\n", ""),
                "upstream `a` has no `url`",
            ),
            (
                &format!("{upstream}key_env = \"COUNTERSIGN_NO_SUCH\"\n"),
                "`COUNTERSIGN_NO_SUCH`, which is not set",
            ),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(said), "`{said}` is not in: {error}");
        }
    }

    #[test]
    fn an_upstream_of_azure_is_read_with_its_version_and_the_member_it_takes() {
        let text =
            "origin = \"o\"\n[[upstream]]\nname = \"a\"\nkind = \"azure\"\nurl = \"https://r.example\"\n";
        let plain = read(text).unwrap().remove(0);
        assert_eq!(
            (plain.kind, plain.api_version, plain.output_member),
            (Kind::Azure, None, OutputMember::MaxTokens)
        );
        let more = format!("{text}api_version = \"2024-10-21\"\noutput_member = \"max_completion_tokens\"\n");
        let told = read(&more).unwrap().remove(0);
        assert_eq!(told.api_version.as_deref(), Some("2024-10-21"));
        assert_eq!(told.output_member, OutputMember::MaxCompletionTokens);
        let wrong = format!("{:#}", read(&format!("{text}output_member = \"n_predict\"\n")).unwrap_err());
        assert!(wrong.contains("`max_completion_tokens`"), "{wrong}");
    }

    #[test]
    fn limits_have_defaults_and_bounds() {
        let read =
            |text: &str| toml::from_str::<Config>(&format!("origin = \"o\"\n[http]\n{text}")).unwrap().http;
        let plain = read("");
        plain.check().unwrap();
        assert_eq!((plain.head_bytes_max, plain.body_bytes_max), (32_768, 16_777_216));
        assert_eq!(read("body_bytes_max = 7").body_bytes_max, 7);
        for text in [
            "head_bytes_max = 0",
            "head_bytes_max = 65537",
            "body_timeout_ms = 0",
            "write_timeout_ms = 86400001",
        ] {
            let error = read(text).check().unwrap_err().to_string();
            assert!(error.contains("of `[http]` is"), "{error}");
        }
    }

    #[test]
    fn a_secret_comes_from_the_environment() {
        let text = "origin = \"o\"\n[[upstream]]\nname = \"a\"\nkind = \"openai\"\nurl = \"http://h/v1\"\nkey_env = \"PATH\"\n";
        assert_eq!(read(text).unwrap().remove(0).key, variable("PATH"));
    }
}
