//! A client that speaks bytes, well-formed or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A client that speaks bytes.
pub struct RawClient {
    pub stream: TcpStream,
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub tag: char,
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an error.
    pub fn field(&self, code: u8) -> Option<String> {
        let field = self
            .body
            .split(|&byte| byte == 0)
            .find(|field| field.first() == Some(&code))?;
        Some(String::from_utf8(field[1..].to_vec()).unwrap())
    }
}

/// A message of the client.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &(4 + body.len() as i32).to_be_bytes()[..], body].concat()
}

/// `Query`.
pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

/// Parse, Bind and Execute of a statement without parameters, through the unnamed names.
pub fn execute(text: &str, rows: i32) -> Vec<u8> {
    let parse = message(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"].concat());
    let bind = message(b'B', b"\0\0\0\0\0\0\0\0");
    [
        parse,
        bind,
        message(b'E', &[&b"\0"[..], &rows.to_be_bytes()].concat()),
    ]
    .concat()
}

/// A startup packet.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = (3_i32 << 16).to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    [&(4 + body.len() as i32).to_be_bytes()[..], &body].concat()
}

impl RawClient {
    /// A connection on which nothing was said.
    pub fn connect(address: SocketAddr) -> RawClient {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        RawClient { stream }
    }

    /// Starts a session; what the server says up to ReadyForQuery.
    pub fn start(&mut self) -> Vec<Message> {
        self.send(&startup(&[("user", "postgres"), ("database", "postgres")]));
        self.until_ready()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next message. None: the server has closed.
    pub fn receive(&mut self) -> Option<Message> {
        let mut header = [0; 5];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            Err(error) => panic!("{error}"),
        }
        let length = i32::from_be_bytes(*header[1..].first_chunk().unwrap());
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).unwrap();
        Some(Message {
            tag: char::from(header[0]),
            body,
        })
    }

    /// Messages up to and with ReadyForQuery.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive().expect("the session goes on");
            let is_ready = message.tag == 'Z';
            messages.push(message);
            if is_ready {
                return messages;
            }
        }
    }

    /// Sends bytes; the tags of the answer up to ReadyForQuery, and the transaction's status.
    pub fn ask(&mut self, bytes: &[u8]) -> String {
        self.send(bytes);
        let messages = self.until_ready();
        let status = char::from(messages.last().unwrap().body[0]);
        messages
            .iter()
            .map(|message| message.tag)
            .chain([' ', status])
            .collect()
    }

    /// Sends bytes; the error in the answer, up to ReadyForQuery.
    pub fn ask_for_error(&mut self, bytes: &[u8]) -> Message {
        self.send(bytes);
        let messages = self.until_ready();
        messages
            .into_iter()
            .find(|message| message.tag == 'E')
            .expect("an error")
    }

    /// Sends bytes after which the server must close; its last words.
    pub fn last_words(&mut self, bytes: &[u8]) -> Message {
        self.send(bytes);
        let mut last = None;
        while let Some(message) = self.receive() {
            last = Some(message);
        }
        last.expect("last words")
    }
}
