//! One request and one answer on a connection. `hyper` speaks HTTP here; what is added are limits: time and octets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Answer, Body};
use super::v1::{self, Asked};
use crate::server::Control;
use crate::state::Shared;

/// How long one exchange may take, but for a follower's.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body.
const BODY: usize = 64 * 1024;

/// What every answer is made from.
#[derive(Debug, Clone)]
pub(super) struct Grounds {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Control,
}

/// From where a question comes, and who asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The socket of the file system.
    Socket {
        /// The number of the user, where the kernel knows it.
        user: Option<u32>,
    },
}

/// Answers the request that comes on `connection`.
pub(super) async fn converse(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    caller: Caller,
    grounds: Grounds,
) {
    let service = service_fn(|request| answer(request, caller, &grounds));
    let exchange = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service);
    let _ = tokio::time::timeout(PATIENCE, exchange).await;
}

async fn answer(
    request: Request<Incoming>,
    caller: Caller,
    Grounds { shared, control }: &Grounds,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let answer = match Limited::new(body, BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            v1::answer(&Asked { shared, control, caller, head: &head, body: &body }).await
        }
        Err(_) => Answer::wrong(
            StatusCode::BAD_REQUEST,
            &format!("the body did not come whole, or is longer than {BODY} octets"),
        ),
    };
    Ok(answer.into())
}
