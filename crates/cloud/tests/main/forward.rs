//! Golden files: a request as it comes, and as the upstream `served-id` gets it under a bound of 64.

use bytes::Bytes;
use cloud::Chat;
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
        let forwarded = Chat::parse(&body).unwrap().forward(&body, "served-id", 64);
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
    let once = Chat::parse(&body).unwrap().forward(&body, "b\"\\", 9);
    let chat = Chat::parse(&once).unwrap();
    assert_eq!((chat.model.as_str(), chat.max_tokens, chat.include_usage), ("b\"\\", Some(9), true));
    assert_eq!(chat.forward(&once, "b\"\\", 9), once);
}
