//! Where the calls of an upstream go.
//!
//! Not a connection (`upstream`). OpenAI has one address for all models. Azure has one for each deployment and asks for the version
//! of its API; since 2025 it has one for all as well, without versions.

use super::config::{ConfigError, Kind, UpstreamConfig};
use http::Uri;

/// The address of the model that the upstream serves as `served`.
///
/// # Errors
/// [`ConfigError`] where the configuration gives no address, or one that cannot be used.
pub(super) fn address(config: &UpstreamConfig, served: &str) -> Result<Uri, ConfigError> {
    let base = base(config)?;
    let whole = match (config.kind, version(config)?) {
        (Kind::Azure, Some(version)) => format!(
            "{base}/openai/deployments/{}/chat/completions?api-version={version}",
            percent_encoded(served)
        ),
        (Kind::Azure, None) => format!("{base}/openai/v1/chat/completions"),
        (Kind::OpenAi | Kind::Builtin, _) => format!("{base}/chat/completions"),
    };
    whole.parse().map_err(|_| unusable(config, base))
}

/// What all addresses of the upstream begin with, checked: what is put behind it could hide a query or a missing host.
///
/// # Errors
/// As those of [`address`].
pub(super) fn base(config: &UpstreamConfig) -> Result<&str, ConfigError> {
    let url = config.url.as_ref().ok_or_else(|| ConfigError::NoUrl(config.name.clone()))?;
    version(config)?;
    let base = url.trim_end_matches('/');
    let uri = base.parse::<Uri>().ok().filter(|uri| usable(config.kind, uri));
    uri.map(|_| base).ok_or_else(|| unusable(config, url))
}

fn unusable(config: &UpstreamConfig, url: &str) -> ConfigError {
    let (name, url) = (config.name.clone(), url.to_owned());
    match config.kind {
        Kind::Azure => ConfigError::BadResource { name, url },
        Kind::OpenAi | Kind::Builtin => ConfigError::BadUrl { name, url },
    }
}

fn usable(kind: Kind, uri: &Uri) -> bool {
    let authority = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let path = uri.path().trim_end_matches('/');
    let ends_in_api = path.ends_with("/openai") || path.ends_with("/openai/v1");
    authority
        && matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.query().is_none()
        && !(kind == Kind::Azure && ends_in_api)
}

/// The version of the API, checked.
fn version(config: &UpstreamConfig) -> Result<Option<&str>, ConfigError> {
    let Some(version) = config.api_version.as_deref() else { return Ok(None) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if config.kind == Kind::Azure && !version.is_empty() && version.bytes().all(plain) {
        Ok(Some(version))
    } else {
        let (name, version) = (config.name.clone(), version.to_owned());
        Err(ConfigError::BadVersion { name, version })
    }
}

/// Text as one segment of a path. Source: RFC 3986, section 2.3.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn config(kind: Kind, url: &str, api_version: Option<&str>) -> UpstreamConfig {
        UpstreamConfig {
            name: "a".to_owned(),
            kind,
            url: Some(url.to_owned()),
            api_version: api_version.map(str::to_owned),
            output_member: crate::wire::chat::OutputMember::default(),
            key: None,
            models: BTreeMap::new(),
            timeout_ms: 1,
            connect_timeout_ms: 1,
        }
    }

    #[test]
    fn each_kind_has_its_address() {
        for (kind, url, version, served, expected) in [
            (Kind::OpenAi, "http://h/v1", None, "m", "http://h/v1/chat/completions"),
            (Kind::OpenAi, "https://h:8443/v1/", None, "org/m", "https://h:8443/v1/chat/completions"),
            (
                Kind::Azure,
                "https://r.openai.azure.com",
                Some("2024-10-21"),
                "gpt-4o",
                "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            ),
            (
                Kind::Azure,
                "https://gate.example/ai/",
                Some("2025-04-01-preview"),
                "org/m ü",
                "https://gate.example/ai/openai/deployments/org%2Fm%20%C3%BC/chat/completions?api-version=2025-04-01-preview",
            ),
            (
                Kind::Azure,
                "https://r.openai.azure.com/",
                None,
                "gpt-4o",
                "https://r.openai.azure.com/openai/v1/chat/completions",
            ),
        ] {
            let address = address(&config(kind, url, version), served).unwrap();
            assert_eq!(address.to_string(), expected);
        }
    }

    #[test]
    fn an_address_or_a_version_that_cannot_be_used_is_said() {
        for url in [
            "https://r.example/openai",
            "https://r.example/openai/v1/",
            "https://r.example?x=1",
            "r.example",
            "",
        ] {
            let refused = address(&config(Kind::Azure, url, None), "m");
            assert!(matches!(refused, Err(ConfigError::BadResource { .. })), "{url}: {refused:?}");
        }
        for (kind, version) in [
            (Kind::Azure, ""),
            (Kind::Azure, "2024-10-21&x=1"),
            (Kind::Azure, "2024 10"),
            (Kind::OpenAi, "2024-10-21"),
        ] {
            let refused = address(&config(kind, "https://r.example", Some(version)), "m");
            assert!(matches!(refused, Err(ConfigError::BadVersion { .. })), "{version}: {refused:?}");
        }
    }
}
