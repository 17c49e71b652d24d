//! The admin interface of a running server: HTTP and JSON over the Unix socket in its data directory.

use crate::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::Path;
use tokio::net::UnixStream;

/// The name of the admin socket in a data directory.
pub const SOCKET: &str = "admin.sock";

async fn request(data: &Path, method: Method, path: &str) -> Result<Bytes, Error> {
    let socket = data.join(SOCKET);
    let stream = UnixStream::connect(&socket)
        .await
        .map_err(|error| Error::Admin {
            message: format!("no server is running on {}: {error}", data.display()),
        })?;
    let failed = |error: &dyn std::fmt::Display| Error::Admin {
        message: format!("the admin interface failed: {error}"),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    let serving = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "vireo")
        .body(Empty::<Bytes>::new())
        .map_err(|e| failed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|e| failed(&e))?
        .to_bytes();
    serving.abort();
    if status.is_success() {
        return Ok(body);
    }
    let message = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|v| v.get("error").and_then(Value::as_str).map(str::to_string))
        .unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_string());
    Err(Error::Admin { message })
}

/// The functions and what they do: an object with `functions`.
///
/// # Errors
/// [`Error::Admin`] when no server runs there or it fails.
pub async fn topology(data: &Path) -> Result<Value, Error> {
    let body = request(data, Method::GET, "/topology").await?;
    serde_json::from_slice(&body).map_err(|error| Error::Admin {
        message: format!("not JSON: {error}"),
    })
}

/// Kills a function, as a crash would; the supervisor replaces it.
///
/// # Errors
/// As [`topology`].
pub async fn kill(data: &Path, name: &str) -> Result<(), Error> {
    request(data, Method::POST, &format!("/function/{name}/kill"))
        .await
        .map(drop)
}

/// Restarts a function: it finishes what it has begun first.
///
/// # Errors
/// As [`topology`].
pub async fn restart(data: &Path, name: &str) -> Result<(), Error> {
    request(data, Method::POST, &format!("/function/{name}/restart"))
        .await
        .map(drop)
}
