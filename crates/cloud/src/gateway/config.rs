//! An upstream as the operator describes it, and what can be wrong with that.
//!
//! Not the file: where these come from, and secrets from the environment, is the door's business.

use crate::wire::chat::OutputMember;
use std::collections::BTreeMap;
use std::fmt;

/// One upstream. Its `Debug` form does not show the key.
#[derive(Clone)]
pub struct UpstreamConfig {
    /// Its name, unique; stands in the record with each attempt.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// The base of its API, up to and including `/v1`; for Azure that of the resource, without `/openai`; none for the built-in
    /// model.
    pub url: Option<String>,
    /// Which version of Azure's API is spoken; none for the one without versions. Only for [`Kind::Azure`].
    pub api_version: Option<String>,
    /// By which member it is told the bound on output, where the caller gave none.
    pub output_member: OutputMember,
    /// The key it is given: as a bearer token, or by Azure's header. Secret.
    pub key: Option<String>,
    /// Public model ids, and the names they are served under.
    pub models: BTreeMap<String, String>,
    /// The longest silence: until the head of an answer, and between two pieces of it. An answer that is not streamed comes
    /// after one silence. Units: milliseconds.
    pub timeout_ms: u64,
    /// The longest wait for a connection. Units: milliseconds.
    pub connect_timeout_ms: u64,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's chat completions over HTTP.
    OpenAi,
    /// The same as Azure serves them: by deployment and version, or under `/openai/v1`.
    Azure,
    /// The built-in model, in this process.
    Builtin,
}

/// Why a gateway cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Two upstreams have one name.
    #[error("two upstreams are named `{0}`; rename one")]
    DuplicateName(String),
    /// An upstream over HTTP has no address.
    #[error("upstream `{0}` has no `url`; give it the base of its API, such as `http://127.0.0.1:8080/v1`")]
    NoUrl(String),
    /// The address is not one that can be used.
    #[error(
        "upstream `{name}` cannot use the url `{url}`; give it as `http://host:port/v1` or `https://host/v1`, without a key in it"
    )]
    BadUrl {
        /// The upstream.
        name: String,
        /// Its address as given.
        url: String,
    },
    /// The address of a resource of Azure is more, or less, than its base.
    #[error(
        "upstream `{name}` cannot use the url `{url}`; give the base of the Azure resource, such as `https://name.openai.azure.com`, without `/openai` or a key in it"
    )]
    BadResource {
        /// The upstream.
        name: String,
        /// Its address as given.
        url: String,
    },
    /// A version is given where none is spoken, or one that no address can carry.
    #[error(
        "upstream `{name}` cannot use the api_version `{version}`; it is for upstreams of kind `azure` and looks like `2024-10-21`"
    )]
    BadVersion {
        /// The upstream.
        name: String,
        /// The version as given.
        version: String,
    },
    /// The key holds characters that no header can carry.
    #[error("the key of upstream `{0}` holds characters that a header cannot carry; copy it again")]
    BadKey(String),
    /// The built-in model is asked for and not there.
    #[error(
        "upstream `{0}` is the built-in model, which is not loaded; set its file, or remove the upstream"
    )]
    NoEngine(String),
    /// The system's trusted roots cannot be read.
    #[error(
        "the system's trusted certificates cannot be read: {0}; install them, or use `http` upstreams only"
    )]
    NoRoots(std::io::Error),
    /// The cryptography offers none of the protocol versions.
    #[error("tls cannot be set up: {0}")]
    Tls(rustls::Error),
}

impl fmt::Debug for UpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamConfig")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("url", &self.url)
            .field("api_version", &self.api_version)
            .field("output_member", &self.output_member)
            .field("key", &self.key.as_ref().map(|_| "secret"))
            .field("models", &self.models)
            .field("timeout_ms", &self.timeout_ms)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .finish()
    }
}
