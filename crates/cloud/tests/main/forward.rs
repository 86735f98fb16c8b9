//! Golden files: a request as it comes, and as the upstream `served-id` gets it under a bound of 64.

use bytes::Bytes;
use cloud::{Chat, OutputMember};
use std::path::Path;

#[test]
fn forwarding_changes_only_what_it_must() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for file in std::fs::read_dir(golden).unwrap() {
        let path = file.unwrap().path();
        let Some(stem) = path.to_str().unwrap().strip_suffix(".in.json") else { continue };
        let body = Bytes::from(std::fs::read(&path).unwrap());
        let expected = std::fs::read_to_string(format!("{stem}.out.json")).unwrap();
        let forwarded = Chat::parse(&body).unwrap().forward(&body, "served-id", 64, OutputMember::MaxTokens);
        assert_eq!(std::str::from_utf8(&forwarded).unwrap(), expected, "{stem}");
        serde_json::from_slice::<serde_json::Value>(&forwarded).unwrap();
        cases += 1;
    }
    assert_eq!(cases, 15, "a golden file was added or lost");
}

#[test]
fn what_is_forwarded_is_forwarded_unchanged_again() {
    let body =
        Bytes::from_static(br#"{"model":"a","stream":true,"messages":[{"role":"user","content":"x"}]}"#);
    let once = Chat::parse(&body).unwrap().forward(&body, "b\"\\", 9, OutputMember::MaxTokens);
    let chat = Chat::parse(&once).unwrap();
    assert_eq!((chat.model.as_str(), chat.max_tokens, chat.include_usage), ("b\"\\", Some(9), true));
    assert_eq!(chat.forward(&once, "b\"\\", 9, OutputMember::MaxTokens), once);
}

#[test]
fn a_bound_that_the_caller_gave_none_of_is_told_by_the_member_that_the_upstream_takes() {
    for (members, expected) in [
        ("", r#","max_completion_tokens":9"#),
        (r#","max_completion_tokens":null"#, r#","max_completion_tokens":9"#),
        (r#","max_tokens":null"#, r#","max_tokens":null,"max_completion_tokens":9"#),
        (r#","max_tokens":5"#, r#","max_tokens":5"#),
        (r#","max_completion_tokens":50"#, r#","max_completion_tokens":9"#),
    ] {
        let body = |members: &str| {
            Bytes::from(format!(r#"{{"model":"a","messages":[{{"role":"user","content":"x"}}]{members}}}"#))
        };
        let chat = Chat::parse(&body(members)).unwrap();
        let forwarded = chat.forward(&body(members), "a", 9, OutputMember::MaxCompletionTokens);
        assert_eq!(forwarded, body(expected), "{members}");
    }
}
