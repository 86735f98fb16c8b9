//! What an address of the model API names: one thing, whether OpenAI's clients write it or Azure's.
//!
//! Not a second way through: an address of Azure's becomes the request that it is under `/v1`. Azure's older clients name the
//! deployment in the path and the API's version in the query; its newer ones go to `/openai/v1` as OpenAI's go to `/v1`.

use super::refusal;
use axum::http::{Method, Uri};
use cloud::Problem;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A chat completion; of the model that the path names, where it names one.
    Chat { deployment: Option<String> },
    /// All models.
    Models,
    /// One model.
    Model(String),
}

impl Address {
    /// Reads an address below `/v1` or `/openai`.
    ///
    /// Errors: where nothing stands there, or a version of the API must be named and is not.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let path = uri.path();
        let unknown = || refusal::no_route(path);
        let plain = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/openai/v1/"));
        if let Some(rest) = plain {
            return Self::plain(rest).ok_or_else(unknown);
        }
        let versioned = path.strip_prefix("/openai/").and_then(Self::versioned).ok_or_else(unknown)?;
        if has_version(uri.query().unwrap_or_default()) {
            Ok(versioned)
        } else {
            Err(refusal::no_version(path))
        }
    }

    /// How it is asked.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Chat { .. } => Method::POST,
            Self::Models | Self::Model(_) => Method::GET,
        }
    }

    fn plain(rest: &str) -> Option<Self> {
        match rest {
            "chat/completions" => Some(Self::Chat { deployment: None }),
            _ => Self::models(rest),
        }
    }

    fn versioned(rest: &str) -> Option<Self> {
        let deployment =
            rest.strip_prefix("deployments/").and_then(|rest| rest.strip_suffix("/chat/completions"));
        match deployment {
            Some(name) if !name.is_empty() => Some(Self::Chat { deployment: Some(unescaped(name)) }),
            Some(_) => None,
            None => Self::models(rest),
        }
    }

    /// A model's id may hold slashes, written as they are or as `%2F`.
    fn models(rest: &str) -> Option<Self> {
        match rest.strip_prefix("models")? {
            "" => Some(Self::Models),
            id => id.strip_prefix('/').map(unescaped).map(Self::Model),
        }
    }
}

/// Whether a query names a version of the API. Which one does not matter: what is served is the same in all.
fn has_version(query: &str) -> bool {
    query.split('&').any(|pair| pair.strip_prefix("api-version=").is_some_and(|version| !version.is_empty()))
}

/// Text of a path with its `%XX` read; what is no UTF-8 then is no model's id either.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(deployment: Option<&str>) -> Option<Address> {
        Some(Address::Chat { deployment: deployment.map(str::to_owned) })
    }

    fn model(id: &str) -> Option<Address> {
        Some(Address::Model(id.to_owned()))
    }

    #[test]
    fn each_address_is_the_same_thing_in_every_spelling() {
        for (address, expected) in [
            ("/v1/chat/completions", chat(None)),
            ("/v1/chat/completions?api-version=x", chat(None)),
            ("/openai/v1/chat/completions", chat(None)),
            ("/openai/v1/chat/completions?api-version=preview", chat(None)),
            ("/openai/deployments/gpt/chat/completions?api-version=2024-10-21", chat(Some("gpt"))),
            ("/openai/deployments/org%2Fm/chat/completions?a=b&api-version=1", chat(Some("org/m"))),
            ("/openai/deployments/org/m/chat/completions?api-version=1", chat(Some("org/m"))),
            ("/v1/models", Some(Address::Models)),
            ("/openai/v1/models", Some(Address::Models)),
            ("/openai/models?api-version=1", Some(Address::Models)),
            ("/v1/models/org/m", model("org/m")),
            ("/v1/models/org%2fm", model("org/m")),
            ("/openai/v1/models/caf%C3%A9", model("café")),
            ("/openai/models/m?api-version=1", model("m")),
            ("/v1", None),
            ("/v1/", None),
            ("/v1/embeddings", None),
            ("/v1/modelsx", None),
            ("/v1/chat/completions/", None),
            ("/openai", None),
            ("/openai/", None),
            ("/openai/chat/completions?api-version=1", None),
            ("/openai/deployments//chat/completions?api-version=1", None),
            ("/openai/deployments/chat/completions?api-version=1", None),
            ("/openai/deployments/m/embeddings?api-version=1", None),
        ] {
            let read = Address::of(&address.parse().unwrap());
            match expected {
                Some(expected) => assert_eq!(read, Ok(expected), "{address}"),
                None => assert_eq!(read.unwrap_err().status, 404, "{address}"),
            }
        }
    }

    #[test]
    fn an_address_without_the_version_that_it_needs_is_told_so() {
        for address in [
            "/openai/deployments/m/chat/completions",
            "/openai/deployments/m/chat/completions?api-version=",
            "/openai/deployments/m/chat/completions?version=1",
            "/openai/models",
        ] {
            let problem = Address::of(&address.parse().unwrap()).unwrap_err();
            assert_eq!((problem.status, problem.param.as_deref()), (400, Some("api-version")), "{address}");
            assert_eq!(problem.code.as_deref(), Some("MissingApiVersionParameter"));
        }
    }

    #[test]
    fn an_id_is_read_as_it_was_meant() {
        for (path, id) in [
            ("smollm2-135m-instruct", "smollm2-135m-instruct"),
            ("org%2Fmodel", "org/model"),
            ("org/model", "org/model"),
            ("a%", "a%"),
            ("a%2", "a%2"),
            ("a%zz", "a%zz"),
            ("a%+5", "a%+5"),
            ("caf%C3%A9", "café"),
        ] {
            assert_eq!(unescaped(path), id, "{path}");
        }
    }
}
