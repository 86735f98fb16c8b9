//! A small blocking client of HTTP/1.1, which keeps its connection and reads an answer whole or piece by piece.
//!
//! Not here: TLS, redirects, or a second try. What goes wrong is what a test wants to see.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may be silent. Far above what any takes on a busy machine; a test that hangs should end.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most that one piece of a body of known length holds. Units: bytes.
const PIECE_BYTES_MAX: u64 = 1 << 16;

/// One caller with at most one connection.
pub(crate) struct Client {
    authority: String,
    connection: Option<BufReader<TcpStream>>,
    /// How many connections it has made.
    pub(crate) connections: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    key: Option<&'a str>,
    /// The header that carries the key, up to the key.
    by: &'a str,
    body: &'a str,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// The headers of an answer, in the order they came.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, String)>);

/// An answer that is still coming. Dropped before its end, it closes the connection.
pub(crate) struct Coming<'a> {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    client: &'a mut Client,
    left: Left,
    /// Whether the server closes the connection after it.
    closes: bool,
}

/// What is left of a body.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Bytes(u64),
    Chunks,
    ToTheEnd,
}

impl Client {
    /// A caller of the server at `url`, such as `http://127.0.0.1:7410`; what follows the port is left out.
    pub(crate) fn new(url: &str) -> Self {
        let authority = url.strip_prefix("http://").unwrap_or(url).split('/').next().unwrap_or_default();
        Self { authority: authority.to_owned(), connection: None, connections: 0 }
    }

    /// Asks, and reads the answer to its end.
    ///
    /// Errors: where there is no connection, no answer in time, or the answer is cut off.
    pub(crate) fn ask(&mut self, request: Request<'_>) -> io::Result<Answer> {
        let mut coming = self.begin(request)?;
        let mut body = Vec::new();
        while let Some(piece) = coming.piece()? {
            body.extend(piece);
        }
        let headers = Headers(std::mem::take(&mut coming.headers.0));
        Ok(Answer { status: coming.status, headers, body })
    }

    /// Asks, and reads the head of the answer.
    ///
    /// Errors: as those of [`Client::ask`].
    pub(crate) fn begin(&mut self, request: Request<'_>) -> io::Result<Coming<'_>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        connection.get_mut().write_all(&request.written(&self.authority))?;
        let (status, headers) = head(&mut connection)?;
        self.connection = Some(connection);
        let left = Left::of(&headers)?;
        let closes = headers.value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(Coming { status, headers, client: self, left, closes })
    }

    /// Asks, and does not listen. Dropping what this gives is leaving.
    ///
    /// Errors: where there is no connection.
    pub(crate) fn ask_only(&mut self, request: Request<'_>) -> io::Result<impl Sized + use<>> {
        let mut connection = self.connect()?;
        connection.get_mut().write_all(&request.written(&self.authority))?;
        Ok(connection)
    }

    fn connect(&mut self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        self.connections += 1;
        Ok(BufReader::new(stream))
    }
}

impl<'a> Request<'a> {
    /// A request for what is at `path`.
    pub(crate) const fn get(path: &'a str) -> Self {
        Self { method: "GET", path, key: None, by: BEARER, body: "" }
    }

    /// A request that sends this body, without a key.
    pub(crate) const fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, key: None, by: BEARER, body }
    }

    /// A chat request with this body.
    pub(crate) const fn chat(key: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path: "/v1/chat/completions", key: Some(key), by: BEARER, body }
    }

    /// The same at another address.
    pub(crate) const fn at(self, path: &'a str) -> Self {
        Self { path, ..self }
    }

    /// The same by another method.
    pub(crate) const fn by_method(self, method: &'a str) -> Self {
        Self { method, ..self }
    }

    /// The same with the key in another header; `by` is that header, up to the key.
    pub(crate) const fn by_header(self, by: &'a str) -> Self {
        Self { by, ..self }
    }

    /// The same with an API key.
    pub(crate) const fn with_key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    fn written(&self, authority: &str) -> Vec<u8> {
        let Self { method, path, body, by, .. } = self;
        let key = self.key.map(|key| format!("{by}{key}\r\n")).unwrap_or_default();
        let content = match *method {
            "GET" => String::new(),
            _ => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        };
        format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n{key}{content}\r\n{body}").into_bytes()
    }
}

const BEARER: &str = "authorization: Bearer ";

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }

    /// The body as text, for a person.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Headers {
    /// The value of a header, by its name in lower case.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl Coming<'_> {
    /// The next piece of the body: a chunk as it was sent, or what has come of a body of known length. None at its end.
    ///
    /// Errors: where it is cut off before its end, or silent for too long.
    pub(crate) fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(connection) = &mut self.client.connection else { return Ok(None) };
        match self.left {
            Left::Nothing => Ok(None),
            Left::Bytes(bytes) => {
                let piece = some(connection, bytes.min(PIECE_BYTES_MAX))?;
                let read = u64::try_from(piece.len()).map_err(io::Error::other)?;
                if read == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                self.left = if read == bytes { Left::Nothing } else { Left::Bytes(bytes - read) };
                Ok(Some(piece))
            }
            Left::Chunks => {
                let chunk = chunk(connection)?;
                if chunk.is_none() {
                    self.left = Left::Nothing;
                }
                Ok(chunk)
            }
            Left::ToTheEnd => {
                let piece = some(connection, PIECE_BYTES_MAX)?;
                Ok(Some(piece).filter(|piece| !piece.is_empty()))
            }
        }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if self.closes || self.left != Left::Nothing {
            self.client.connection = None;
        }
    }
}

impl Left {
    fn of(headers: &Headers) -> io::Result<Self> {
        if headers.value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Self::Chunks);
        }
        match headers.value("content-length").map(str::parse) {
            None => Ok(Self::ToTheEnd),
            Some(Ok(0)) => Ok(Self::Nothing),
            Some(Ok(bytes)) => Ok(Self::Bytes(bytes)),
            Some(Err(error)) => Err(io::Error::new(ErrorKind::InvalidData, error)),
        }
    }
}

/// The status and the headers of an answer.
fn head(connection: &mut BufReader<TcpStream>) -> io::Result<(u16, Headers)> {
    let first = line(connection)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| invalid(&first))?;
    let mut headers = Vec::new();
    loop {
        let line = line(connection)?;
        if line.is_empty() {
            return Ok((status, Headers(headers)));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The next chunk; none at the last.
fn chunk(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let first = line(connection)?;
    let size = first.split(';').next().unwrap_or_default().trim();
    let bytes = usize::from_str_radix(size, 16).map_err(|_| invalid(&first))?;
    let mut chunk = vec![0; bytes];
    connection.read_exact(&mut chunk)?;
    if bytes > 0 {
        let end = line(connection)?;
        return if end.is_empty() { Ok(Some(chunk)) } else { Err(invalid(&end)) };
    }
    while !line(connection)?.is_empty() {}
    Ok(None)
}

/// What has come, at most so many bytes; nothing at the end of the connection.
fn some(connection: &mut BufReader<TcpStream>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let come = connection.fill_buf()?;
    let bytes = come.len().min(usize::try_from(bytes_max).map_err(io::Error::other)?);
    let piece = come.get(..bytes).unwrap_or_default().to_vec();
    connection.consume(bytes);
    Ok(piece)
}

/// A line without its end.
fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(line: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("`{line}` is no HTTP"))
}
