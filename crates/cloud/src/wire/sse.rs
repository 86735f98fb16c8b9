//! Server-sent events, cut out of a byte stream that may be broken anywhere.
//!
//! Not an event source: no reconnecting, no ids, no event names. An event is kept as the bytes it came in, so that what is not
//! understood can be passed on unchanged. Source: WHATWG HTML, section "Server-sent events".

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr2, memchr2_iter};
use std::borrow::Cow;

/// Cuts whole events out of the chunks pushed into it.
///
/// Shape: the yielded events, put together, are the pushed bytes, but for an unfinished rest.
#[derive(Debug, Default)]
pub struct Splitter {
    /// What is being read; a slice of the last chunk where possible, so that events need no copy.
    current: Bytes,
    /// How much of `current` has been scanned without finding an end.
    scanned: usize,
    /// Whether the scanned bytes end in a line that is empty so far.
    line_is_empty: bool,
    /// Whether the last scanned byte was a carriage return.
    after_return: bool,
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk. Events that are already complete should be taken first.
    pub fn push(&mut self, chunk: Bytes) {
        if self.current.is_empty() {
            self.current = chunk;
            return;
        }
        let mut joined = match std::mem::take(&mut self.current).try_into_mut() {
            Ok(owned) => owned,
            Err(shared) => BytesMut::from(shared),
        };
        joined.extend_from_slice(&chunk);
        self.current = joined.freeze();
    }

    /// The next whole event with its closing blank line; none until more is pushed.
    pub fn event(&mut self) -> Option<Bytes> {
        let end = self.end_of_event()?;
        self.scanned = 0;
        self.line_is_empty = false;
        self.after_return = false;
        Some(self.current.split_to(end))
    }

    /// How many bytes wait for the end of their event.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.current.remaining()
    }

    /// The unfinished rest, at the end of the stream.
    #[must_use]
    pub fn rest(self) -> Bytes {
        self.current
    }

    /// An event ends with an empty line; lines end with LF, CR LF or CR. If the chunk ends between that CR and its LF, the LF
    /// opens the next event, where an empty line means nothing to a reader.
    fn end_of_event(&mut self) -> Option<usize> {
        loop {
            let unread = self.current.get(self.scanned..).unwrap_or_default();
            let end = memchr2(b'\n', b'\r', unread);
            if end.unwrap_or(unread.len()) > 0 {
                self.line_is_empty = false;
                self.after_return = false;
            }
            let Some(end) = end else {
                self.scanned = self.current.len();
                return None;
            };
            let byte = unread.get(end);
            let ends_return = byte == Some(&b'\n') && self.after_return;
            self.after_return = byte == Some(&b'\r');
            self.scanned += end + 1;
            if self.line_is_empty && !ends_return {
                let followed_by_feed = self.after_return && unread.get(end + 1) == Some(&b'\n');
                return Some(self.scanned + usize::from(followed_by_feed));
            }
            self.line_is_empty = true;
        }
    }
}

/// The `data` of an event: borrowed if it is one line, joined with line feeds if more; none if it has no data.
#[must_use]
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut from = 0;
    let ends = memchr2_iter(b'\n', b'\r', event).chain(std::iter::once(event.len()));
    let mut lines = ends.filter_map(|end| {
        let line = event.get(std::mem::replace(&mut from, end + 1)..end)?;
        let value = line.strip_prefix(b"data:")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    });
    let first = lines.next()?;
    let mut joined = Cow::Borrowed(first);
    for line in lines {
        let joined = joined.to_mut();
        joined.push(b'\n');
        joined.extend_from_slice(line);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &[u8] = b": hello\n\ndata: {\"a\":1}\n\ndata:{\"b\":2}\r\n\r\nevent: x\ndata: one\ndata: two\n\ndata: \xf0\x9f\x98\x80\r\r\
        data: [DONE]\n\n";

    fn split(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut splitter = Splitter::new();
        let (mut data_seen, mut raw) = (Vec::new(), Vec::new());
        for chunk in chunks {
            splitter.push(Bytes::copy_from_slice(chunk));
            while let Some(event) = splitter.event() {
                raw.extend_from_slice(&event);
                data_seen.extend(data(&event).map(Cow::into_owned));
            }
        }
        raw.extend_from_slice(&splitter.rest());
        (data_seen, raw)
    }

    #[test]
    fn a_stream_cut_at_every_byte_gives_the_same_events() {
        let (whole, _) = split(&[STREAM]);
        let expected: [&[u8]; 5] = [b"{\"a\":1}", b"{\"b\":2}", b"one\ntwo", "😀".as_bytes(), b"[DONE]"];
        assert_eq!(whole, expected);
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let (events, raw) = split(&[&STREAM[..first], &STREAM[first..second], &STREAM[second..]]);
                assert_eq!(events, whole, "cut at {first} and {second}");
                assert_eq!(raw, STREAM, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn an_event_is_not_held_back_for_a_byte_after_its_end() {
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            let mut splitter = Splitter::new();
            splitter.push(Bytes::from(format!("data: 1{end}")));
            assert!(splitter.event().is_some(), "{end:?}");
        }
    }

    #[test]
    fn an_unfinished_event_is_the_rest() {
        let mut splitter = Splitter::new();
        splitter.push(Bytes::from_static(b"data: 1\n\ndata: 2\n"));
        assert_eq!(splitter.event().unwrap(), "data: 1\n\n");
        assert_eq!(splitter.event(), None);
        assert_eq!(splitter.pending_bytes(), 8);
        assert_eq!(splitter.rest(), "data: 2\n");
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_come_out_unchanged(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'd'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1..20usize, 1..30),
        ) {
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(split(&chunks).1, bytes);
        }
    }
}
