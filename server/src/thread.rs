//! A gateway thread: a tokio runtime of its own, its links, its sessions.
//!
//! Nothing is shared with the other threads but counters and cancel keys; what comes from outside
//! (connections, cancellations, the end) comes as a [`Command`].

use crate::config::GatewayConfig;
use crate::connection::Connection;
use crate::dispatch;
use crate::gateway::Gateway;
use crate::mailbox::Mailbox;
use crate::port::Port;
use crate::session::Session;
use crate::shared::Shared;
use crate::startup::{self, fatal};
use crate::stop::End;
use crate::stream::Handover;
use crate::wire::error_response;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use vireo_abi::boot::Role;
use vireo_abi::ids::SessionId;
use vireo_abi::message::error::{SqlError, state};
use vireo_hypervisor::HostLink;

/// How long sessions may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a gateway thread is told.
#[derive(Debug)]
pub enum Command {
    /// Serve a client.
    Serve(Handover),
    /// Cancel what a session is doing, and say when that was passed on.
    Cancel(SessionId, oneshot::Sender<()>),
    /// End every session, then the thread.
    End,
}

/// A gateway thread.
#[derive(Debug)]
pub struct GatewayThread {
    /// Where it takes its commands.
    pub commands: mpsc::UnboundedSender<Command>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl GatewayThread {
    /// Starts a thread that owns these links.
    ///
    /// # Errors
    /// If the system gives no thread, or the links' bells cannot be watched.
    pub fn start(
        index: usize,
        config: GatewayConfig,
        shared: Arc<Shared>,
        links: Vec<HostLink>,
    ) -> io::Result<GatewayThread> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (started, is_started) = std::sync::mpsc::channel();
        let own_commands = commands.clone();
        let body = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            let run = async {
                let gateway = match open_gateway(config, shared, links) {
                    Ok(gateway) => Rc::new(gateway),
                    Err(error) => return drop(started.send(Err(error))),
                };
                drop(started.send(Ok(())));
                serve(gateway, inbox, own_commands).await;
            };
            LocalSet::new().block_on(&runtime, run);
        };
        let thread = std::thread::Builder::new()
            .name(format!("gateway{index}"))
            .spawn(body)?;
        is_started
            .recv()
            .map_err(|_| io::Error::other("the gateway thread ended at its start"))??;
        Ok(GatewayThread {
            commands,
            thread: Some(thread),
        })
    }

    /// Waits until the thread has ended, as it was told to.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a gateway thread panicked");
        }
    }
}

/// Called in the thread's runtime, which watches the bells.
fn open_gateway(
    config: GatewayConfig,
    shared: Arc<Shared>,
    links: Vec<HostLink>,
) -> io::Result<Gateway> {
    let (mut parse, mut execute) = (Vec::new(), Vec::new());
    for link in links {
        match link.role() {
            Role::Parse => parse.push(Port::new(link)?),
            Role::Execute => execute.push(Port::new(link)?),
            Role::Storage | Role::Echo | Role::Ping => {}
        }
    }
    Ok(Gateway::new(config, shared, parse, execute))
}

async fn serve(
    gateway: Rc<Gateway>,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    commands: mpsc::UnboundedSender<Command>,
) {
    tokio::task::spawn_local(dispatch::run(Rc::clone(&gateway)));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Serve(handover) => {
                let client = serve_client(Rc::clone(&gateway), handover, commands.clone());
                tokio::task::spawn_local(client);
            }
            Command::Cancel(session, done) => {
                let message = "canceling statement due to user request";
                gateway.cancel(session, SqlError::new(state::QUERY_CANCELED, message));
                // Who asked may have gone.
                let _ = done.send(());
            }
            Command::End => break,
        }
    }
    let message = "terminating connection due to administrator command";
    gateway.end_sessions(&fatal(state::ADMIN_SHUTDOWN, message));
    let gone = async {
        while gateway.session_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(GOODBYE, gone).await.is_err() {
        tracing::warn!(
            sessions = gateway.session_count(),
            "sessions did not end in time"
        );
    }
}

/// What must be undone when a session ends, however it ends.
struct Entered {
    gateway: Rc<Gateway>,
    mailbox: Rc<Mailbox>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.gateway.close(&self.mailbox);
        self.gateway.shared.leave(self.mailbox.session);
        self.gateway.shared.counters.connections.subtract(1);
    }
}

async fn serve_client(
    gateway: Rc<Gateway>,
    handover: Handover,
    commands: mpsc::UnboundedSender<Command>,
) {
    let stream = match handover.accept() {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a connection could not be taken over"),
    };
    let shared = Arc::clone(&gateway.shared);
    let mailbox = gateway.open(shared.session_id());
    let others = shared.counters.connections.add(1);
    let entered = Entered {
        gateway: Rc::clone(&gateway),
        mailbox: Rc::clone(&mailbox),
    };
    shared.counters.connections_total.add(1);
    let message_bytes_max = gateway.config.message_bytes_max;
    let mut connection = Connection::new(
        stream,
        Rc::clone(&mailbox),
        Arc::clone(&shared),
        message_bytes_max,
    );
    let startup = startup::startup(&mut connection, &mailbox, &shared);
    let result = match tokio::time::timeout(gateway.config.startup_timeout, startup).await {
        Ok(Ok(Some(_))) if others >= gateway.config.connections_max as u64 => {
            Err(End::Fatal(fatal(
                state::TOO_MANY_CONNECTIONS,
                "sorry, too many clients already",
            )))
        }
        Ok(result) => result,
        Err(_) => Err(End::Closed),
    };
    match result {
        Ok(Some(client)) => {
            let session = mailbox.session;
            let mut secret = [0; 4];
            if let Err(error) = getrandom::fill(&mut secret) {
                return tracing::error!(%error, "no randomness for a cancel key");
            }
            let secret = i32::from_be_bytes(secret);
            shared.enter(session, secret, commands);
            startup::welcome(
                &mailbox,
                &client.settings,
                Shared::process_of(session),
                secret,
            );
            tracing::debug!(session = session.0, client.user, "session begins");
            Session::new(gateway, mailbox, connection, client)
                .serve()
                .await;
        }
        Ok(None) | Err(End::Closed) => {}
        Err(End::Fatal(error)) => {
            tracing::info!(%error, "connection refused");
            mailbox.write(|out| error_response::put_error(out, &error, None));
            connection.close().await;
        }
    }
    drop(entered);
}
