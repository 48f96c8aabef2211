//! Administration of the running daemon: a socket of the file system that speaks HTTP/1.1 and JSON (SPEC section 8).
//!
//! Who may connect is the socket's file mode: its owner, and the group `portward-admin`, which cannot read keys. `hyper`
//! speaks HTTP here, because nothing of it meets the outside; what is added are limits: connections, time, octets.
//!
//! `socket` makes the socket, `api` is what can be asked for, with `connections`, `hosts` and `reload` in files of their own;
//! `client` asks.

mod api;
pub mod client;
mod connections;
mod hosts;
mod reload;
mod socket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

pub(crate) use api::LARGEST_PAGE;

use crate::log::Level;
use crate::server::Control;
use crate::state::Shared;

/// Connections at a time: commands, and a dashboard or two.
const CONNECTIONS: usize = 16;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body.
const BODY: usize = 64 * 1024;

/// Listens on `admin.socket` until it is dropped. Where that is not possible a warning is all that happens: the proxy works
/// without. A reload makes a socket that was removed anew. It runs on a thread of its own, because an answer may take
/// longer than signals and the watchdog can wait.
pub(crate) async fn serve(shared: Arc<Shared>, control: Control) {
    let mut reloads = shared.reloads.subscribe();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let path = shared.snapshot.load().config.admin.socket.clone();
    loop {
        let listener = match socket::Listener::open(&path) {
            Ok(listener) => Some(listener),
            Err(error) => {
                let text =
                    format!("no administration: the socket {} cannot be opened: {error}", path.display());
                shared.note(Level::Warning, &text);
                None
            }
        };
        let gone = async {
            while reloads.changed().await.is_ok() {
                if !listener.as_ref().is_some_and(socket::Listener::is_there) {
                    return;
                }
            }
            std::future::pending().await
        };
        let accept = async {
            let Some(listener) = &listener else { return std::future::pending().await };
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let connection = listener.accept().await;
                let (shared, control) = (shared.clone(), control.clone());
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, converse(connection, shared, control)).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = gone => {}
            () = accept => {}
        }
    }
}

/// One request on one connection.
async fn converse(connection: UnixStream, shared: Arc<Shared>, control: Control) {
    let user = connection.peer_cred().ok().map(|credentials| credentials.uid());
    let service = service_fn(|request| answer(request, user, (shared.clone(), control.clone())));
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    user: Option<u32>,
    (shared, control): (Arc<Shared>, Control),
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (status, json) = match Limited::new(body, BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let (method, uri) = (&head.method, &head.uri);
            let control = &control;
            api::answer(&api::Asked { shared: &shared, control, user, method, uri, body: &body }).await
        }
        Err(_) => api::wrong(StatusCode::BAD_REQUEST, "the body is too long, or did not come"),
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{json}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
