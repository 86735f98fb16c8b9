//! What is read of a request, and what is refused.

use cloud::{Chat, Unbounded};

fn parse(members: &str) -> Result<Chat, cloud::BadRequest> {
    Chat::parse(
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{members}}}"#).as_bytes(),
    )
}

fn parse_message(message: &str) -> Chat {
    Chat::parse(format!(r#"{{"model":"m","messages":[{message}]}}"#).as_bytes()).unwrap()
}

#[test]
fn the_facts_of_a_request_are_read() {
    let chat = Chat::parse(
        br#"{"model":"m\u002f1","stream":true,"stream_options":{"include_usage":true},"n":3,"max_tokens":5,
        "max_completion_tokens":7,"user":"u","tools":[{"type":"function"},{"type":"custom"}],"functions":[{}],
        "messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"t"},
        {"type":"image_url","image_url":{"url":"x"}}]}]}"#,
    )
    .unwrap();
    assert_eq!(chat.model, "m/1");
    assert!(chat.stream && chat.include_usage && chat.end_user.is_some());
    assert_eq!(
        (chat.choices, chat.max_tokens, chat.tools, chat.images, chat.messages),
        (3, Some(7), 3, 1, 2)
    );
    assert_eq!(chat.unbounded, None);
}

#[test]
fn only_a_text_that_is_not_empty_names_an_end_user() {
    for (members, named) in [
        (r#","user":"u""#, Some("u")),
        (r#","safety_identifier":"s""#, Some("s")),
        (r#","user":"u","safety_identifier":"s""#, Some("s")),
        (r#","user":"u","safety_identifier":"""#, Some("u")),
        (r#","user":"","safety_identifier":"s""#, Some("s")),
        (r#","user":"\u0075\n""#, Some("u\n")),
        (r#","user":"""#, None),
        (r#","user":5"#, None),
        (r#","user":{}"#, None),
        (r#","user":[]"#, None),
        (r#","user":false"#, None),
        (r#","safety_identifier":"""#, None),
        ("", None),
    ] {
        assert_eq!(parse(members).unwrap().end_user.as_deref(), named, "{members}");
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let chat = parse(
        r#","stream":null,"stream_options":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"tools":null,
        "user":null,"functions":null,"audio":null,"best_of":null"#,
    )
    .unwrap();
    assert!(!chat.stream && !chat.include_usage && chat.end_user.is_none());
    assert_eq!((chat.choices, chat.max_tokens, chat.tools, chat.unbounded), (1, None, 0, None));
}

#[test]
fn a_bad_request_names_its_member() {
    for (members, param) in [
        (r#","model":"n""#, "model"),
        (r#","messages":[]"#, "messages"),
        (r#","stream":true,"stream":false"#, "stream"),
        (r#","max_tokens":1,"max_tokens":9999"#, "max_tokens"),
        (r#","n":1,"n":9"#, "n"),
        (r#","stream_options":{},"stream_options":{}"#, "stream_options"),
        (r#","stream":true,"stream_options":{"include_usage":true,"include_usage":false}"#, "stream_options"),
        (r#","m\u0061x_tokens":1,"max_tokens":9"#, "max_tokens"),
        (r#","Max_Tokens":9999"#, "max_tokens"),
        (r#","max_to\u212aens":9999"#, "max_tokens"),
        (r#","meſsages":[]"#, "messages"),
        (r#","N_Predict":9999"#, "n_predict"),
        (r#","max_tokens":-1"#, "max_tokens"),
        (r#","max_tokens":0"#, "max_tokens"),
        (r#","max_tokens":1.5"#, "max_tokens"),
        (r#","max_tokens":"7""#, "max_tokens"),
        (r#","max_tokens":1e30"#, "max_tokens"),
        (r#","max_completion_tokens":[]"#, "max_completion_tokens"),
        (r#","n":0"#, "n"),
        (r#","n":129"#, "n"),
        (r#","stream":"true""#, "stream"),
        (r#","stream":true,"stream_options":7"#, "stream_options"),
        (r#","stream":true,"stream_options":{"include_usage":1}"#, "stream_options"),
        (r#","tools":{}"#, "tools"),
    ] {
        assert_eq!(parse(members).unwrap_err().param.as_deref(), Some(param), "{members}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    for body in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"model":"m"}"#,
        r#"{"messages":[{}]}"#,
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":null}"#,
        r#"{"model":"m","messages":"hi"}"#,
        r#"{"model":"","messages":[{}]}"#,
        r#"{"model":7,"messages":[{}]}"#,
        r#"{"model":"m","messages":[{"content":{}}]}"#,
        r#"{"model":"m","messages":[{}]} x"#,
        "\u{feff}{}",
    ] {
        Chat::parse(body.as_bytes()).unwrap_err();
    }
    Chat::parse(b"{\"model\":\"\xff\",\"messages\":[{}]}").unwrap_err();
}

#[test]
fn what_has_no_bound_is_named() {
    for (members, part) in [
        (r#","n_predict":-1"#, "n_predict"),
        (r#","best_of":4"#, "best_of"),
        (r#","prediction":{"type":"content"}"#, "prediction"),
        (r#","web_search_options":{}"#, "web_search_options"),
        (r#","tools":[{"type":"function"},{"type":"web_search"}]"#, "web_search"),
        (r#","tools":[{}]"#, "a tool without type"),
    ] {
        let chat = parse(members).unwrap();
        assert_eq!(
            chat.input_tokens_max(1, 1, 1, Some(1)),
            Err(Unbounded { part: part.to_owned() }),
            "{members}"
        );
    }
    for (message, part) in [
        (r#"{"role":"user","content":[{"type":"input_audio"}]}"#, "input_audio"),
        (r#"{"role":"user","content":[{"type":"file"}]}"#, "file"),
        (r#"{"role":"user","content":[{"image_url":{"url":"x"}}]}"#, "a part without type"),
        (r#"{"role":"assistant","audio":{"id":"a"}}"#, "audio"),
    ] {
        assert_eq!(parse_message(message).unbounded.as_deref(), Some(part), "{message}");
    }
}

#[test]
fn input_is_bounded_by_bytes_messages_and_images() {
    assert_eq!(parse("").unwrap().input_tokens_max(100, 8, 30, None), Ok(138));
    let image = parse_message(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}"#);
    assert_eq!(image.input_tokens_max(100, 8, 30, Some(1000)), Ok(1138));
    let refused = image.input_tokens_max(100, 8, 30, None);
    assert_eq!(refused, Err(Unbounded { part: "image_url".to_owned() }));
    assert_eq!(parse("").unwrap().input_tokens_max(u64::MAX, 8, 30, None), Ok(u64::MAX));
}

#[test]
fn an_address_that_names_the_model_goes_before_the_body() {
    for (body, expected) in [
        (r#"{"model":"a","messages":[]}"#, r#"{"model":"d/1","messages":[]}"#),
        (r#"{"messages":[], "model" : "a" }"#, r#"{"messages":[], "model" : "d/1" }"#),
        (r#"{"model":null,"x":{"model":"a"}}"#, r#"{"model":"d/1","x":{"model":"a"}}"#),
        (r#" {"messages":[]}"#, r#" {"model":"d/1","messages":[]}"#),
        ("{ }", r#"{"model":"d/1" }"#),
        (r#"{"model":"d/1","n":1.0}"#, r#"{"model":"d/1","n":1.0}"#),
        (r#"{"model":"d\/1"}"#, r#"{"model":"d\/1"}"#),
        ("[]", "[]"),
        ("{", "{"),
        ("", ""),
    ] {
        let addressed = cloud::addressed(bytes::Bytes::from_static(body.as_bytes()), "d/1");
        assert_eq!(addressed, expected, "{body}");
    }
    let twice =
        cloud::addressed(bytes::Bytes::from_static(br#"{"model":"a","model":"b","messages":[]}"#), "d");
    assert!(Chat::parse(&twice).is_err(), "what is ambiguous stays so");
    let quoted = cloud::addressed(bytes::Bytes::from_static(b"{}"), "a\"b");
    assert_eq!(quoted, r#"{"model":"a\"b"}"#);
}
