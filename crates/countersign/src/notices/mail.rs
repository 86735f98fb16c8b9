//! A notice as mail, handed to the operator's own server by SMTP.
//!
//! Not here: when it is tried again, or how mail travels from there.

use super::receiver::Tls;
use super::{Failure, Letter};
use anyhow::ensure;
use mail_send::mail_builder::MessageBuilder;
use mail_send::{Error, SmtpClient, SmtpClientBuilder};
use partnership::ids::Timestamp;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a server may take for each of its replies.
const REPLY: Duration = Duration::from_secs(10);
/// The longest part of a notice that stands in a subject. Units: characters.
const SUBJECT_CHARS: usize = 120;
/// The port of servers that speak TLS from the first byte on (RFC 8314).
const IMPLICIT: u16 = 465;

/// Where mail is handed over, from whom and to whom.
pub(super) struct Mail {
    server: SmtpClientBuilder<String>,
    tls: Tls,
    from: String,
    to: Vec<String>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("server", &self.server.addr)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Mail {
    /// To these by way of this server.
    ///
    /// Errors: an address that is none, nobody to send to, or certificate authorities that cannot be read.
    pub(super) fn of(
        (host, port): (&str, u16),
        from: &str,
        to: &[String],
        tls: Tls,
        login: Option<(String, String)>,
    ) -> anyhow::Result<Self> {
        ensure!(!to.is_empty(), "mail needs somebody to go to: `to = [\"…\"]`");
        for address in to.iter().map(String::as_str).chain([from]) {
            ensure!(is_address(address), "`{address}` is no mail address such as `finance@example.com`");
        }
        let server = SmtpClientBuilder::new(host.to_owned(), port).map_err(|error| anyhow::anyhow!(error))?;
        let server = server.timeout(REPLY).implicit_tls(port == IMPLICIT);
        let server = match login {
            Some(login) => server.credentials(login),
            None => server,
        };
        Ok(Self { server, tls, from: from.to_owned(), to: to.to_vec() })
    }

    /// Hands it over once; taken is what the server has said yes to for every address.
    ///
    /// Errors: [`Failure`].
    pub(super) async fn deliver(&self, letter: &Letter, now: Timestamp) -> Result<(), Failure> {
        let sent = match self.tls {
            Tls::Required => match self.server.connect().await {
                Ok(client) => self.hand_over(client, letter, now).await,
                Err(error) => Err(error),
            },
            Tls::None => match self.server.connect_plain().await {
                Ok(client) => self.hand_over(client, letter, now).await,
                Err(error) => Err(error),
            },
        };
        sent.map_err(|error| Failure::of(word(&error)))
    }

    async fn hand_over<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut client: SmtpClient<T>,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<(), Error> {
        client.send(self.message(letter, now)).await?;
        // It was taken, whatever is said on parting.
        drop(client.quit().await);
        Ok(())
    }

    fn message(&self, letter: &Letter, now: Timestamp) -> MessageBuilder<'_> {
        let notice = &letter.notice;
        let subject: String = notice.text.chars().take(SUBJECT_CHARS).collect();
        let domain = self.from.rsplit('@').next().unwrap_or_default();
        let text = format!(
            "{}\n\npartnership: {}\nabout:       {}\nnotice:      {}\nsince:       {}\n",
            notice.text,
            letter.partnership,
            notice.about.name(),
            notice.id,
            letter.at
        );
        MessageBuilder::new()
            .from(self.from.as_str())
            .to(self.to.iter().map(String::as_str).collect::<Vec<_>>())
            .message_id(format!("{}@{domain}", letter.key()))
            .date(now.as_millis().div_euclid(1000))
            .subject(format!("[{}] {subject}", letter.partnership))
            .text_body(text)
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(name, domain)| !name.is_empty() && !domain.is_empty());
    parts.is_some_and(|(_, domain)| !domain.contains('@'))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b',' | b';' | b'"'))
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::Timeout => "timeout",
        Error::Tls(_) | Error::InvalidTLSName | Error::MissingStartTls => "tls",
        Error::AuthenticationFailed(_) | Error::Auth(_) | Error::UnsupportedAuthMechanism => "login",
        Error::UnexpectedReply(_) => "refused",
        Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => "tls",
        Error::Io(_) => "unreachable",
        _ => "cut",
    }
}
