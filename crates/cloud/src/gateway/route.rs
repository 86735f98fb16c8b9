//! Which upstream serves which model.
//!
//! Not balancing: the order of the configuration is the order of trying, and only an upstream that cannot be reached is
//! passed over, since nothing was sent to it.

use super::config::{ConfigError, Kind, UpstreamConfig};
use super::report::Trial;
use super::upstream::Upstream;
use super::{Task, address, builtin, openai};
use http::Uri;
use hyper_rustls::ConfigBuilderExt;
use partnership::act::Attempt;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The upstreams of each model, in the order they are tried.
#[derive(Debug)]
pub(super) struct Routes(BTreeMap<String, Vec<Route>>);

/// One upstream that serves a model.
#[derive(Debug)]
pub(super) struct Route {
    name: Arc<str>,
    /// The model's name there.
    pub(super) served: String,
    performer: Performer,
}

/// Who serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served<'a> {
    /// The upstream's name in the operator's configuration.
    pub upstream: &'a str,
    /// How it is spoken to.
    pub kind: Kind,
    /// The model's name there.
    pub model: &'a str,
}

/// How an upstream is reached, whatever the model.
enum Reach {
    Http(Arc<Upstream>),
    Builtin(Arc<model::Engine>),
}

/// Who performs a call of one model.
enum Performer {
    Http { upstream: Arc<Upstream>, uri: Uri, kind: Kind },
    Builtin(Arc<model::Engine>),
}

impl Routes {
    pub(super) fn new(
        upstreams: Vec<UpstreamConfig>,
        engine: Option<Arc<model::Engine>>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, ConfigError> {
        let means = Means { engine, tls: trust(&upstreams, tls)? };
        let mut names = BTreeSet::new();
        let mut routes: BTreeMap<String, Vec<Route>> = BTreeMap::new();
        for upstream in upstreams {
            if !names.insert(upstream.name.clone()) {
                return Err(ConfigError::DuplicateName(upstream.name));
            }
            let reach = means.reach(&upstream)?;
            let name: Arc<str> = upstream.name.as_str().into();
            for (public, served) in &upstream.models {
                let performer = reach.performer(&upstream, served)?;
                let route = Route { name: Arc::clone(&name), served: served.clone(), performer };
                routes.entry(public.clone()).or_default().push(route);
            }
        }
        Ok(Self(routes))
    }

    /// The public ids of all models, sorted.
    pub(super) fn models(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The upstreams of `model`, in the order they are tried.
    pub(super) fn of(&self, model: &str) -> &[Route] {
        self.0.get(model).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn served(&self, model: &str) -> Option<Served<'_>> {
        let route = self.of(model).first()?;
        Some(Served { upstream: &route.name, kind: route.performer.kind(), model: &route.served })
    }

    /// The built-in engine, if it is the first to serve `model`.
    pub(super) fn engine(&self, model: &str) -> Option<&Arc<model::Engine>> {
        match &self.of(model).first()?.performer {
            Performer::Builtin(engine) => Some(engine),
            Performer::Http { .. } => None,
        }
    }
}

impl Route {
    pub(super) async fn perform(&self, task: &Task<'_>) -> Trial {
        match &self.performer {
            Performer::Http { upstream, uri, .. } => openai::perform(upstream, uri, task).await,
            Performer::Builtin(engine) => builtin::perform(engine, task).await.into(),
        }
    }

    pub(super) fn attempt(&self, result: &str) -> Attempt {
        Attempt { upstream: self.name.to_string(), result: result.to_owned() }
    }
}

/// What performers are made from.
struct Means {
    engine: Option<Arc<model::Engine>>,
    tls: rustls::ClientConfig,
}

impl Means {
    fn reach(&self, config: &UpstreamConfig) -> Result<Reach, ConfigError> {
        match config.kind {
            Kind::OpenAi | Kind::Azure => {
                // Of an upstream without models too: what is wrong with it should be said now.
                address::base(config)?;
                Upstream::new(config, self.tls.clone()).map(Arc::new).map(Reach::Http)
            }
            Kind::Builtin => {
                let missing = || ConfigError::NoEngine(config.name.clone());
                self.engine.clone().map(Reach::Builtin).ok_or_else(missing)
            }
        }
    }
}

impl Reach {
    fn performer(&self, config: &UpstreamConfig, served: &str) -> Result<Performer, ConfigError> {
        Ok(match self {
            Self::Http(upstream) => Performer::Http {
                upstream: Arc::clone(upstream),
                uri: address::address(config, served)?,
                kind: config.kind,
            },
            Self::Builtin(engine) => Performer::Builtin(Arc::clone(engine)),
        })
    }
}

impl Performer {
    fn kind(&self) -> Kind {
        match self {
            Self::Http { kind, .. } => *kind,
            Self::Builtin(_) => Kind::Builtin,
        }
    }
}

impl fmt::Debug for Performer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

/// Whom to trust: as given, else the system's roots where an address needs them, else nobody.
fn trust(
    upstreams: &[UpstreamConfig],
    tls: Option<rustls::ClientConfig>,
) -> Result<rustls::ClientConfig, ConfigError> {
    if let Some(tls) = tls {
        return Ok(tls);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ConfigError::Tls)?;
    let secure = |upstream: &UpstreamConfig| {
        upstream
            .url
            .as_ref()
            .is_some_and(|url| url.get(..6).is_some_and(|s| s.eq_ignore_ascii_case("https:")))
    };
    let roots = if upstreams.iter().any(secure) {
        builder.with_native_roots().map_err(ConfigError::NoRoots)?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(roots.with_no_client_auth())
}
