//! As much of HTTP/1.1 as driver and upstream need, at little cost: heads, bodies of known length, and chunks.
//!
//! Not here: anything for a stranger's bytes. Both ends are ours or under test, and what is not understood is an error.

use std::io::{self, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    buffer: Vec<u8>,
    /// What of the buffer has been read.
    read: usize,
}

/// What matters of the head of a request or an answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status of an answer; none of a request.
    pub(crate) status: Option<u16>,
    /// How long the body is, where the head says so.
    pub(crate) length: Option<usize>,
    /// Whether the body comes in chunks.
    pub(crate) chunked: bool,
    /// The act that it names.
    pub(crate) act: Option<ActId>,
}

/// An act's id as it is written.
pub(crate) type ActId = [u8; 36];

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = str::from_utf8(bytes).map_err(|_| invalid("a head is not utf-8"))?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let mut head = Self { status, ..Self::default() };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header has no value"))?;
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.trim().parse().map_err(|_| invalid("a length is no number"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.trim().eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("countersign-act") {
                head.act = value.trim().as_bytes().try_into().ok();
            }
        }
        Ok(head)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(8 << 10), read: 0 }
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next head; none where the other side has gone between two.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(self.unread(), b"\r\n\r\n") {
                let head = Head::parse(self.unread().get(..end).unwrap_or_default())?;
                self.read = self.read.saturating_add(end).saturating_add(4);
                return Ok(Some(head));
            }
            if !self.fill().await? {
                return if self.unread().is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Adds the whole body to `body`.
    pub(crate) async fn body(&mut self, head: &Head, body: &mut Vec<u8>) -> io::Result<()> {
        if head.chunked {
            while self.chunk(body).await? {}
            return Ok(());
        }
        let length = head.length.unwrap_or(0);
        self.exactly(length, body).await
    }

    /// Adds the next chunk to `body`; false at the end.
    pub(crate) async fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let size = loop {
            if let Some(end) = find(self.unread(), b"\r\n") {
                let line = self.unread().get(..end).and_then(|line| str::from_utf8(line).ok());
                let size = line.and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
                self.read = self.read.saturating_add(end).saturating_add(2);
                break size.ok_or_else(|| invalid("a chunk has no size"))?;
            }
            self.need().await?;
        };
        self.exactly(size, body).await?;
        let mut end = Vec::with_capacity(2);
        self.exactly(2, &mut end).await?;
        if end == b"\r\n" { Ok(size > 0) } else { Err(invalid("a chunk is longer than it says")) }
    }

    async fn exactly(&mut self, bytes: usize, to: &mut Vec<u8>) -> io::Result<()> {
        let mut left = bytes;
        loop {
            let unread = self.unread();
            let some = unread.get(..left.min(unread.len())).unwrap_or_default();
            to.extend_from_slice(some);
            let taken = some.len();
            self.read = self.read.saturating_add(taken);
            left = left.saturating_sub(taken);
            if left == 0 {
                return Ok(());
            }
            self.need().await?;
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.read..).unwrap_or_default()
    }

    async fn need(&mut self) -> io::Result<()> {
        if self.fill().await? { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads more; false where the other side has gone.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.read == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.read);
        }
        self.read = 0;
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// Where `needle` first stands in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// What is read of `text`, sent a few bytes at a time: the heads and bodies.
    fn read(text: &'static str, at_once: usize) -> io::Result<Vec<(Head, String)>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut far, near) = duplex(1 << 16);
            let sending = tokio::spawn(async move {
                for piece in text.as_bytes().chunks(at_once) {
                    far.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
            let (mut connection, mut read) = (Connection::new(near), Vec::new());
            while let Some(head) = connection.head().await? {
                let mut body = Vec::new();
                connection.body(&head, &mut body).await?;
                read.push((head, String::from_utf8(body).unwrap()));
            }
            sending.await.unwrap();
            Ok(read)
        })
    }

    #[test]
    fn answers_are_read_whole_however_they_are_cut() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCountersign-Act: 019b0000-0000-7000-8000-000000000001\r\n\r\nhello\
                    HTTP/1.1 429 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n\
                    POST / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (none, act) = (Head::default(), Some(*b"019b0000-0000-7000-8000-000000000001"));
        let expected = vec![
            (Head { status: Some(200), length: Some(5), act, ..none }, "hello".to_owned()),
            (Head { status: Some(429), chunked: true, ..none }, "abc0123456789".to_owned()),
            (none, String::new()),
        ];
        for at_once in [1, 2, 3, 7, 4096] {
            assert_eq!(read(text, at_once).unwrap(), expected, "{at_once} bytes at once");
        }
    }

    #[test]
    fn what_is_cut_off_or_malformed_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(read(text, 5).is_err(), "{text:?}");
        }
    }
}
