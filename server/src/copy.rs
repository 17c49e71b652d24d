//! COPY FROM STDIN: the client's data on its way to execute.
//!
//! ```text
//!  CopyIn ──> client: CopyInResponse
//!  client: CopyData …  ──> CopyData (many to one message)
//!  client: CopyDone    ──> CopyDone ──> Done or Failed
//!  client: CopyFail    ──> CopyFail ──> Failed
//! ```
//!
//! Execute may end the COPY at any time; what the client still sends of it is then skipped by the
//! session. While the link is congested no more is read from the client.

use crate::connection::{CopyEvent, Timed};
use crate::mailbox::Reply;
use crate::session::{Place, Session};
use crate::startup::fatal;
use crate::stop::{End, Stop};
use crate::wire::backend;
use crate::wire::frontend;
use std::future::poll_fn;
use vireo_abi::message::error::state;
use vireo_abi::message::execute::ExecuteRequest;

/// Bytes of COPY data that travel in one message, if there are so many.
const BATCH_BYTES: usize = 64 << 10;

impl Session {
    /// Feeds a COPY until execute ends it: its last reply.
    pub(crate) async fn copy_in(&mut self, place: Place, columns: u16) -> Result<Reply, Stop> {
        self.mailbox.write(|out| backend::copy_in(out, columns));
        let session = self.mailbox.session;
        let mut batch = Vec::new();
        loop {
            let frame = match self.connection.reply_or_frame().await {
                Ok(CopyEvent::Reply(reply)) => return Ok(reply),
                Ok(CopyEvent::Frame(frame)) => frame,
                Err(Timed::Due) => {
                    self.time_is_over();
                    continue;
                }
                Err(Timed::End(end)) => return Err(end.into()),
            };
            let mut next = Some(frame);
            while let Some(frame) = next.take() {
                if frame.tag != b'd' {
                    self.send_copy_data(place, &mut batch).await?;
                }
                match frame.tag {
                    b'd' => {
                        batch.extend_from_slice(&frame.body);
                        if batch.len() < BATCH_BYTES {
                            next = self.connection.frame_at_hand()?;
                        }
                    }
                    b'c' => {
                        self.send_copy(place, &ExecuteRequest::CopyDone { session }, &[]);
                        return Ok(self.reply().await?);
                    }
                    b'f' => {
                        let message = match frontend::copy_fail(&frame.body) {
                            Ok(message) => message.to_owned(),
                            Err(error) => error.message,
                        };
                        self.send_copy(place, &ExecuteRequest::CopyFail { session, message }, &[]);
                        return Ok(self.reply().await?);
                    }
                    // Allowed at any time, and without meaning here.
                    b'H' | b'S' => {}
                    b'X' => return Err(End::Closed.into()),
                    tag => return Err(self.unexpected_in_copy(tag)),
                }
            }
            self.send_copy_data(place, &mut batch).await?;
        }
    }

    /// Sends what has gathered, when the link has room.
    async fn send_copy_data(&mut self, place: Place, batch: &mut Vec<u8>) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        let gateway = self.gateway.clone();
        poll_fn(|context| gateway.poll_uncongested(place.port, context)).await;
        self.send_copy(
            place,
            &ExecuteRequest::CopyData {
                session: self.mailbox.session,
            },
            batch,
        );
        batch.clear();
        Ok(())
    }

    fn send_copy(&self, place: Place, request: &ExecuteRequest, body: &[u8]) {
        if self.gateway.epoch(place.port) == place.epoch {
            // A function that dies now is told by the reply that is awaited.
            let _ = self.gateway.send(place.port, request, body);
        }
    }

    /// The client has lost the thread, and the gateway cannot tell where its data ends.
    fn unexpected_in_copy(&self, tag: u8) -> Stop {
        let message = format!("unexpected message type 0x{tag:02X} during COPY from stdin");
        End::Fatal(fatal(state::PROTOCOL_VIOLATION, message)).into()
    }
}
