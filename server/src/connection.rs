//! A session's bytes: messages in, replies out, and what it waits for in between.
//!
//! Output is written when there is nothing to do but wait: for the client's next message (all of it,
//! in one system call) or for a reply while much output has gathered. So a pipeline of
//! messages is answered by one write, and a large result flows while it is computed.
//!
//! A slow client: the output grows to `session_buffer_bytes`; then the statement's portal is left
//! suspended until the client has taken enough ([`Connection::drain`]).

use crate::mailbox::{Mailbox, Reply, WRITE_BYTES, Waiting};
use crate::shared::Shared;
use crate::stop::End;
use crate::stream::Stream;
use crate::wire::frame::{self, Frame};
use bytes::{Buf, Bytes, BytesMut};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Sleep};
use vireo_abi::message::error::{SqlError, state};

/// Room for input that is made before each read.
const READ_BYTES: usize = 16 << 10;
/// The most room that is made at once for a long message.
const READ_BYTES_MAX: usize = 1 << 20;

/// What COPY FROM STDIN meets next.
#[derive(Debug)]
pub enum CopyEvent {
    /// A message of the client.
    Frame(Frame),
    /// A reply of execute.
    Reply(Reply),
}

/// A session's bytes.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    input: BytesMut,
    writing: BytesMut,
    mailbox: Rc<Mailbox>,
    shared: Arc<Shared>,
    message_bytes_max: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// A connection whose replies come through a mailbox.
    pub fn new(
        stream: Stream,
        mailbox: Rc<Mailbox>,
        shared: Arc<Shared>,
        message_bytes_max: usize,
    ) -> Connection {
        Connection {
            stream,
            input: BytesMut::new(),
            writing: BytesMut::new(),
            mailbox,
            shared,
            message_bytes_max,
            deadline: None,
        }
    }

    /// Where the client is.
    pub fn peer(&self) -> Option<std::net::IpAddr> {
        self.stream.peer()
    }

    /// Whether a Sync is what comes next, and has arrived.
    pub fn sync_follows(&self) -> bool {
        frame::sync_follows(&self.input)
    }

    /// Whether more than was asked for has arrived.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// When the statement that runs is to be cancelled.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    }

    /// The body of the startup packet.
    pub async fn startup_packet(&mut self) -> Result<Bytes, End> {
        loop {
            if let Some(packet) = frame::take_startup(&mut self.input).map_err(End::Fatal)? {
                return Ok(packet);
            }
            self.flush().await?;
            poll_fn(|context| self.poll_input(context)).await?;
        }
    }

    /// The client's next message. What waits to be written is written before waiting.
    pub async fn frame(&mut self) -> Result<Frame, End> {
        loop {
            if let Some(frame) =
                frame::take(&mut self.input, self.message_bytes_max).map_err(End::Fatal)?
            {
                return Ok(frame);
            }
            self.flush().await?;
            poll_fn(|context| self.poll_input(context)).await?;
        }
    }

    /// The client's next message if it has arrived.
    pub fn frame_at_hand(&mut self) -> Result<Option<Frame>, End> {
        frame::take(&mut self.input, self.message_bytes_max).map_err(End::Fatal)
    }

    /// The next reply. Output that has gathered is written meanwhile.
    pub async fn reply(&mut self) -> Result<Reply, Timed> {
        poll_fn(|context| {
            if let Poll::Ready(error) = self.mailbox.poll_end(context) {
                return Poll::Ready(Err(Timed::End(End::Fatal(error))));
            }
            if let Poll::Ready(reply) = self.mailbox.poll_reply(context) {
                return Poll::Ready(Ok(reply));
            }
            if (self.mailbox.out_bytes() >= WRITE_BYTES || !self.writing.is_empty())
                && let Poll::Ready(Err(end)) = self.poll_write(context)
            {
                return Poll::Ready(Err(Timed::End(end)));
            }
            if self.is_due(context) {
                return Poll::Ready(Err(Timed::Due));
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until at most `bytes` wait to be written. An early reply ends it: a cancellation.
    pub async fn drain(&mut self, bytes: usize) -> Result<Option<Reply>, Timed> {
        self.mailbox.expect(Waiting::Client);
        let result = poll_fn(|context| {
            if let Poll::Ready(error) = self.mailbox.poll_end(context) {
                return Poll::Ready(Err(Timed::End(End::Fatal(error))));
            }
            if let Poll::Ready(reply) = self.mailbox.poll_reply(context) {
                return Poll::Ready(Ok(Some(reply)));
            }
            let written = match self.poll_write(context) {
                Poll::Ready(Err(end)) => return Poll::Ready(Err(Timed::End(end))),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => self.mailbox.out_bytes() + self.writing.len() <= bytes,
            };
            if written {
                return Poll::Ready(Ok(None));
            }
            if self.is_due(context) {
                Poll::Ready(Err(Timed::Due))
            } else {
                Poll::Pending
            }
        })
        .await;
        self.mailbox.expect(Waiting::Nothing);
        result
    }

    /// The next reply or the next message of the client, whichever is there; the reply if both are.
    pub async fn reply_or_frame(&mut self) -> Result<CopyEvent, Timed> {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(error) = self.mailbox.poll_end(context) {
                    return Poll::Ready(Err(Timed::End(End::Fatal(error))));
                }
                if let Poll::Ready(reply) = self.mailbox.poll_reply(context) {
                    return Poll::Ready(Ok(CopyEvent::Reply(reply)));
                }
                match frame::take(&mut self.input, self.message_bytes_max) {
                    Ok(Some(frame)) => return Poll::Ready(Ok(CopyEvent::Frame(frame))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(Timed::End(End::Fatal(error)))),
                }
                if let Poll::Ready(Err(end)) = self.poll_write(context) {
                    return Poll::Ready(Err(Timed::End(end)));
                }
                if self.is_due(context) {
                    return Poll::Ready(Err(Timed::Due));
                }
                match self.poll_input(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(Timed::End(end))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Writes all that waits.
    pub async fn flush(&mut self) -> Result<(), End> {
        if self.mailbox.out_bytes() == 0 && self.writing.is_empty() {
            return Ok(());
        }
        poll_fn(|context| {
            match self.poll_write(context) {
                // A client that takes nothing must not hold up a shutdown.
                Poll::Pending if self.mailbox.poll_end(context).is_ready() => {
                    Poll::Ready(Err(End::Closed))
                }
                other => other,
            }
        })
        .await
    }

    /// Writes the last words and closes, as far as the client takes them without delay.
    pub async fn close(mut self) {
        let written = poll_fn(|context| self.poll_write(context));
        // A client that has gone, or takes nothing, has no use for them.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), written).await;
        let _ = poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await;
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        if let Poll::Ready(error) = self.mailbox.poll_end(context) {
            return Poll::Ready(Err(End::Fatal(error)));
        }
        self.input
            .reserve(self.input.len().clamp(READ_BYTES, READ_BYTES_MAX));
        let read = pin!(self.stream.read_buf(&mut self.input));
        read.poll(context).map(|result| match result {
            Ok(0) | Err(_) => Err(End::Closed),
            Ok(_) => Ok(()),
        })
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        loop {
            if self.writing.is_empty() {
                if self.mailbox.out_bytes() == 0 {
                    return Poll::Ready(Ok(()));
                }
                self.mailbox.take_out(&mut self.writing);
            }
            match Pin::new(&mut self.stream).poll_write(context, &self.writing) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.shared.counters.bytes_sent.add(count as u64);
                    self.writing.advance(count);
                }
                Poll::Ready(_) => return Poll::Ready(Err(End::Closed)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_due(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = &mut self.deadline else {
            return false;
        };
        let is_due = deadline.as_mut().poll(context).is_ready();
        if is_due {
            self.deadline = None;
        }
        is_due
    }
}

/// Why a wait ended without what was waited for.
#[derive(Debug)]
pub enum Timed {
    /// The session ends.
    End(End),
    /// The statement's time is over. Told once.
    Due,
}

/// PostgreSQL's error of a statement whose time is over.
pub fn statement_timeout() -> Box<SqlError> {
    SqlError::new(
        state::QUERY_CANCELED,
        "canceling statement due to statement timeout",
    )
}
