//! The way of an answer to its caller: a bounded channel from the performer to the door.
//!
//! Not an HTTP body. The door reads [`Ingress`] and decides when a byte may leave; a full channel holds the performer back,
//! and through it the upstream. Dropping the `Ingress` means that the caller has left.

use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// The performer's end: events go in here.
#[derive(Debug)]
pub struct Egress {
    events: mpsc::Sender<Event>,
    begun: AtomicBool,
    tap: Option<mpsc::Sender<Bytes>>,
}

/// The door's end: events come out here, in order.
#[derive(Debug)]
pub struct Ingress(mpsc::Receiver<Event>);

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The status line and headers; comes first and once.
    Head(Head),
    /// Bytes of the body that may leave as soon as the decision is durable.
    Chunk(Bytes),
    /// Bytes of the body that were held back until the settlement was durable.
    Last(Bytes),
}

/// What precedes the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The value of `content-type`.
    pub content_type: String,
    /// Further headers: names in lower case, in order.
    pub headers: Vec<(String, String)>,
}

/// The caller has left; nothing more can be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller has left")]
pub struct Gone;

/// A new way to a caller.
#[must_use]
pub fn channel() -> (Egress, Ingress) {
    let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
    (Egress { events: sender, begun: AtomicBool::new(false), tap: None }, Ingress(receiver))
}

impl Egress {
    /// The same, and each chunk that leaves goes to `tap` too. A tap that is full holds the performer back as the channel does.
    #[must_use]
    pub fn tapped(self, tap: mpsc::Sender<Bytes>) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// Sends the head. Waits while the channel is full.
    ///
    /// # Errors
    /// [`Gone`] if the caller has left.
    pub async fn head(&self, head: Head) -> Result<(), Gone> {
        self.begun.store(true, Ordering::Relaxed);
        self.send(Event::Head(head)).await
    }

    /// Whether the head has been sent.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Sends bytes of the body. Waits while the channel is full.
    ///
    /// # Errors
    /// [`Gone`] if the caller has left.
    pub async fn chunk(&self, bytes: Bytes) -> Result<(), Gone> {
        let Some(tap) = &self.tap else { return self.send(Event::Chunk(bytes)).await };
        // There is room first, so that what has left has also come to the tap, whenever whoever waits here gives up.
        let room = tap.reserve().await;
        self.send(Event::Chunk(bytes.clone())).await?;
        room.into_iter().for_each(|room| room.send(bytes.clone()));
        Ok(())
    }

    /// Sends bytes that waited for the settlement. Waits while the channel is full.
    ///
    /// # Errors
    /// [`Gone`] if the caller has left.
    pub async fn last(&self, bytes: Bytes) -> Result<(), Gone> {
        self.send(Event::Last(bytes)).await
    }

    /// Resolves when the caller has left.
    pub async fn gone(&self) {
        self.events.closed().await;
    }

    /// Whether the caller has left.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.events.is_closed()
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        match self.events.try_send(event) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(event)) => self.events.send(event).await.map_err(|_| Gone),
            Err(TrySendError::Closed(_)) => Err(Gone),
        }
    }
}

impl Ingress {
    /// The next event; none when the performer has finished.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// [`Ingress::recv`] for whoever polls.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }

    /// The next event if it is already here.
    #[must_use]
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Head {
    /// A head without further headers.
    #[must_use]
    pub fn new(status: u16, content_type: &str) -> Self {
        Self { status, content_type: content_type.to_owned(), headers: Vec::new() }
    }
}

/// Enough that a burst of small chunks does not wait for the door, little enough that a slow reader is felt upstream.
const EVENTS_WAITING_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_ingress_is_a_caller_that_left() {
        let (egress, ingress) = channel();
        assert!(!egress.is_gone());
        drop(ingress);
        egress.gone().await;
        assert!(egress.is_gone());
        assert_eq!(egress.chunk(Bytes::from_static(b"x")).await, Err(Gone));
    }

    #[tokio::test]
    async fn a_tap_is_given_what_has_left_and_nothing_else() {
        let (egress, mut ingress) = channel();
        let (tap, mut taken) = mpsc::channel(2);
        let egress = egress.tapped(tap);
        egress.head(Head::new(200, "text/plain")).await.unwrap();
        for piece in ["a", "b"] {
            egress.chunk(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        egress.last(Bytes::from_static(b"z")).await.unwrap();
        let third = egress.chunk(Bytes::from_static(b"c"));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), third).await.is_err());
        assert_eq!((taken.recv().await.unwrap(), taken.recv().await.unwrap()), ("a".into(), "b".into()));
        assert!(taken.try_recv().is_err());
        let mut left = Vec::new();
        while let Some(event) = ingress.try_recv() {
            left.push(event);
        }
        assert_eq!(left.len(), 4, "what the tap had no room for has not left: {left:?}");
        drop(ingress);
        assert_eq!(egress.chunk(Bytes::from_static(b"d")).await, Err(Gone));
        assert!(taken.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_full_channel_holds_the_performer_back() {
        let (egress, mut ingress) = channel();
        for _ in 0..EVENTS_WAITING_MAX {
            egress.chunk(Bytes::from_static(b"x")).await.unwrap();
        }
        let blocked = tokio::time::timeout(std::time::Duration::from_millis(20), egress.chunk(Bytes::new()));
        assert!(blocked.await.is_err());
        assert_eq!(ingress.recv().await, Some(Event::Chunk(Bytes::from_static(b"x"))));
        egress.chunk(Bytes::new()).await.unwrap();
    }
}
