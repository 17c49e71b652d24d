//! The admin interface: HTTP and JSON on the Unix socket in the data directory.
//!
//! | request | answer |
//! |---|---|
//! | `GET /health` | `{"status": "ok"}` |
//! | `GET /topology` | `functions`, a list of objects, and the counters of `gateway` |
//! | `GET /metrics` | the same numbers for Prometheus |
//! | `POST /function/{name}/kill` | kills it as a crash would |
//! | `POST /function/{name}/restart` | asks it to finish and replaces it |

use crate::shared::Shared;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use vireo_hypervisor::{Error, Hypervisor, Stats};

/// What the interface shows.
#[derive(Clone)]
pub struct Admin {
    /// The functions.
    pub hypervisor: Arc<Hypervisor>,
    /// The gateway.
    pub shared: Arc<Shared>,
}

/// The interface's requests.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route(
            "/health",
            get(|| async { axum::Json(json!({"status": "ok"})) }),
        )
        .route("/topology", get(show_topology))
        .route("/metrics", get(show_metrics))
        .route("/function/{name}/kill", post(kill))
        .route("/function/{name}/restart", post(restart))
        .with_state(admin)
}

async fn show_topology(State(admin): State<Admin>) -> Response {
    blocking(move || axum::Json(topology(&admin.hypervisor, &admin.shared)).into_response()).await
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    blocking(move || metrics(&admin.hypervisor.stats(), &admin.shared).into_response()).await
}

async fn kill(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    blocking(move || outcome(admin.hypervisor.kill(&name))).await
}

async fn restart(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    blocking(move || outcome(admin.hypervisor.restart(&name))).await
}

/// The hypervisor's calls may wait for its supervisor.
async fn blocking(call: impl FnOnce() -> Response + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(call).await {
        Ok(response) => response,
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn outcome(result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => axum::Json(json!({"status": "ok"})).into_response(),
        Err(error @ Error::NoFunction { .. }) => failure(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({"error": message}))).into_response()
}

/// Every function and the gateway's counters.
pub fn topology(hypervisor: &Hypervisor, shared: &Shared) -> Value {
    let stats = hypervisor.stats();
    let mut topology = serde_json::to_value(&stats).unwrap_or_default();
    for function in topology
        .get_mut("functions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(function) = function.as_object_mut() else {
            continue;
        };
        if let Some(thread) = function.remove("host_thread") {
            function.insert("thread".to_owned(), thread);
        }
        if let Some(exits) = function.remove("exits") {
            let total = exits.get("total").cloned().unwrap_or_default();
            function.insert("exits".to_owned(), total);
            function.insert("exit_reasons".to_owned(), exits);
        }
    }
    let mut gateway: serde_json::Map<String, Value> = shared
        .counters
        .all()
        .into_iter()
        .map(|(name, _, _, value)| (name.to_owned(), json!(value)))
        .collect();
    gateway.insert(
        "exits_per_statement".to_owned(),
        json!(exits_per_statement(&stats, shared)),
    );
    if let Some(topology) = topology.as_object_mut() {
        topology.insert("gateway".to_owned(), Value::Object(gateway));
    }
    topology
}

fn exits_per_statement(stats: &Stats, shared: &Shared) -> f64 {
    let exits: u64 = stats
        .functions
        .iter()
        .map(|function| function.exits.total)
        .sum();
    exits as f64 / shared.counters.statements.get().max(1) as f64
}

/// A column of the functions' metrics: name, kind, what it is, and its value.
type Column = (
    &'static str,
    &'static str,
    &'static str,
    fn(&vireo_hypervisor::FunctionStats) -> u64,
);

const FUNCTION_METRICS: [Column; 12] = [
    ("runs", "counter", "Times the function was entered", |f| {
        f.runs
    }),
    (
        "exits",
        "counter",
        "Times the function came back to the hypervisor",
        |f| f.exits.total,
    ),
    (
        "doorbells",
        "counter",
        "Times the function rang a peer",
        |f| f.doorbells,
    ),
    (
        "spin_us",
        "counter",
        "Microseconds spent looking for work",
        |f| f.spin_us,
    ),
    ("park_us", "counter", "Microseconds spent parked", |f| {
        f.park_us
    }),
    (
        "requests",
        "counter",
        "Statements, plans or write sets finished",
        |f| f.requests,
    ),
    (
        "restarts",
        "counter",
        "Times the function was replaced",
        |f| u64::from(f.restarts),
    ),
    ("boot_us", "gauge", "Microseconds of the last start", |f| {
        f.boot_us
    }),
    ("memory_mapped_bytes", "gauge", "Bytes mapped", |f| {
        f.memory.mapped
    }),
    (
        "memory_resident_bytes",
        "gauge",
        "Bytes in host memory",
        |f| f.memory.resident,
    ),
    ("heap_used_bytes", "gauge", "Heap bytes in use", |f| {
        f.heap_used
    }),
    (
        "queue_depth",
        "gauge",
        "Messages waiting in all queues",
        |f| f.queues.iter().map(|q| q.depth).sum(),
    ),
];

/// The numbers in Prometheus's text format.
pub fn metrics(stats: &Stats, shared: &Shared) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in shared.counters.all() {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "# HELP vireo_gateway_{name} {help}\n# TYPE vireo_gateway_{name} {kind}\nvireo_gateway_{name} {value}\n"
        );
    }
    for (name, kind, help, value) in FUNCTION_METRICS {
        let _ = write!(
            text,
            "# HELP vireo_function_{name} {help}\n# TYPE vireo_function_{name} {kind}\n"
        );
        for function in &stats.functions {
            let _ = writeln!(
                text,
                "vireo_function_{name}{{name=\"{}\",role=\"{}\",isolation=\"{}\"}} {}",
                function.name,
                function.role,
                function.isolation,
                value(function)
            );
        }
    }
    text
}
