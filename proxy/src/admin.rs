//! What the admin address answers: probes, metrics, the table in force, and why a request goes where it goes.
//!
//! It only reads. It tells no private key, no password's hash and no header value that a rule sets, and answers nobody who
//! reached it by a name that is not its own (DNS rebinding).

mod explain;
mod host;
mod table;

use crate::metrics::{Metrics, TEXT_FORMAT};
use haldane_routing::{Table, TicketKey};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What answers are made from.
pub trait AdminState {
    /// The process's counters, ready to be rendered.
    fn metrics(&self) -> &Metrics;
    /// The table in force and its generation.
    fn table(&self) -> (Arc<Table>, u64);
    /// Whether a table is installed and new connections are welcome.
    fn ready(&self) -> bool;
    /// The key that sticky tickets are signed with; it is used, never shown.
    fn ticket_key(&self) -> &TicketKey;
    /// Names by which the address may be reached, beside IP addresses and `localhost`; in lower case.
    fn names(&self) -> &[String] {
        &[]
    }
}

/// The answer to a request; to `HEAD` the same as to `GET`, as the server leaves the body out.
pub fn respond(request: &Request<()>, state: &dyn AdminState) -> Response<String> {
    if !host::is_own(request, state.names()) {
        return text(
            StatusCode::MISDIRECTED_REQUEST,
            "this address is reached by IP address, or by a name it was told\n",
        );
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return not_told();
    }
    match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, TEXT_FORMAT, state.metrics().render()),
        "/healthz" => text(StatusCode::OK, "alive\n"),
        "/readyz" => readiness(state.ready()),
        "/table" => shown(state),
        "/explain" => explained(request.uri().query().unwrap_or_default(), state),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz, /readyz, /table and /explain?url=URL\n",
        ),
    }
}

fn not_told() -> Response<String> {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "this address only tells\n");
    refused
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

fn readiness(ready: bool) -> Response<String> {
    if ready {
        return text(StatusCode::OK, "ready\n");
    }
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "there is no table yet, or no more traffic is wanted\n",
    )
}

fn shown(state: &dyn AdminState) -> Response<String> {
    let (table, generation) = state.table();
    answer(StatusCode::OK, JSON, table::shown(&table, generation))
}

fn explained(query: &str, state: &dyn AdminState) -> Response<String> {
    let (table, generation) = state.table();
    match explain::Asked::parse(query) {
        Ok(asked) => answer(
            StatusCode::OK,
            JSON,
            asked.explained(&table, generation, state.ticket_key()),
        ),
        Err(fault) => text(StatusCode::BAD_REQUEST, &format!("{fault}\n")),
    }
}

fn text(status: StatusCode, text: &str) -> Response<String> {
    answer(status, PLAIN, text.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests;
