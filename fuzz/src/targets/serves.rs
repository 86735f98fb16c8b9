//! The parsers of `cloud`: what callers send, and what upstreams answer.

use bytes::Bytes;
use cloud::wire::sse::{Splitter, data};
use cloud::{Chat, OutputMember, addressed};

/// A request that is understood is understood alike once it is on its way, within the bound.
pub(super) fn chat(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    let named = addressed(body.clone(), "by-address");
    if let Ok(chat) = Chat::parse(&named) {
        assert_eq!(chat.model, "by-address");
    }
    let Ok(chat) = Chat::parse(input) else { return };
    assert!(Chat::parse(&named).is_ok(), "its name alone has made it unreadable");
    for (bound, member) in [(7, OutputMember::MaxTokens), (u64::MAX, OutputMember::MaxCompletionTokens)] {
        let forwarded = chat.forward(&body, "served \"by\" name", bound, member);
        let read = Chat::parse(&forwarded).unwrap_or_else(|error| panic!("not again: {error}"));
        assert_eq!(read.model, "served \"by\" name");
        assert!(read.max_tokens.is_some_and(|tokens| tokens <= bound), "no bound on the way");
        assert!(!chat.stream || read.include_usage, "a stream without usage");
        let facts = |chat: &Chat| {
            let Chat { stream, choices, tools, images, messages, .. } = *chat;
            (stream, choices, tools, images, messages, chat.end_user.clone(), chat.unbounded.clone())
        };
        assert_eq!(facts(&read), facts(&chat));
        assert_eq!(
            read.forward(&forwarded, "served \"by\" name", bound, member),
            forwarded,
            "forwarded twice"
        );
    }
    if let Ok(most) = chat.input_tokens_max(input.len() as u64, 10, 3, Some(1_000)) {
        assert!(most >= input.len() as u64);
    }
}

/// However a stream is cut into chunks, no byte of it is lost and a reader finds the same in it; and it is what the
/// standard's own rule finds, line by line. The first byte says how it is cut.
pub(super) fn stream(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    let whole = cut_up(bytes, bytes.len().max(1));
    let cut = cut_up(bytes, 1 + usize::from(*cut) % 9);
    for (events, rest) in [&whole, &cut] {
        assert_eq!([events.concat(), rest.to_vec()].concat(), bytes);
    }
    let said = |events: &[Bytes]| {
        let data = events.iter().filter_map(|event| Some(data(event)?.into_owned()));
        data.collect::<Vec<_>>()
    };
    assert_eq!(said(&whole.0), said(&cut.0));
    assert_eq!(said(&whole.0), by_the_standard(bytes));
}

fn cut_up(bytes: &[u8], chunk: usize) -> (Vec<Bytes>, Bytes) {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for chunk in bytes.chunks(chunk) {
        splitter.push(Bytes::copy_from_slice(chunk));
        events.extend(std::iter::from_fn(|| splitter.event()));
    }
    assert_eq!(events.iter().map(Bytes::len).sum::<usize>() + splitter.pending_bytes(), bytes.len());
    (events, splitter.rest())
}

/// The data of each event that an empty line ends. Source: WHATWG HTML, "Interpreting an event stream".
fn by_the_standard(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut before = 0;
    for byte in bytes {
        match byte {
            b'\n' if before == b'\r' => {}
            b'\n' | b'\r' => lines.push(Vec::new()),
            other => lines.last_mut().into_iter().for_each(|line| line.push(*other)),
        }
        before = *byte;
    }
    // The last is not ended.
    lines.pop();
    let (mut events, mut data): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(std::mem::take(&mut data).join(&b'\n'));
            }
        } else if let Some(value) = line.strip_prefix(b"data:") {
            data.push(value.strip_prefix(b" ").unwrap_or(value).to_vec());
        }
    }
    events
}
