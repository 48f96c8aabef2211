//! Requests and answers on a connection. `hyper` does the HTTP. This module adds limits of time, octets and places.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::access::{Access, CameBy};
use super::answer::{Answer, Body};
use super::events::Followers;
use super::patient::Patient;
use super::places::{ConnectionSlot, Turn};
use super::v1::{self, Asked};
use crate::server::Control;
use crate::state::Shared;

/// How long a head may take, including the time before its first octet. A body may take as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head.
const HEAD: usize = 16 * 1024;
/// The longest body.
const BODY: usize = 64 * 1024;

/// The shared state from which answers are made.
#[derive(Debug, Clone)]
pub(super) struct Grounds {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Control,
    pub(super) followers: Followers,
    pub(super) access: Arc<Access>,
}

/// Answers the requests that come on `connection`.
pub(super) async fn converse(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    came_by: CameBy,
    place: ConnectionSlot,
    grounds: Grounds,
) {
    let service = service_fn(async |request| {
        place.set(Turn::Asks);
        // HEAD gets only the head of a stream (RFC 9110 section 9.3.2).
        let has_content = request.method() != Method::HEAD;
        let answer = answer(request, came_by, &place, &grounds).await;
        let follows = has_content && answer.is_followed();
        place.set(if follows { Turn::Follows } else { Turn::Takes });
        let answer = if place.is_wanted() && !follows { answer.with_close() } else { answer };
        Ok::<Response<Body>, Infallible>(answer.into())
    });
    let exchange = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(Patient::new(connection)), service);
    tokio::select! {
        _ = exchange => {}
        () = place.overdue() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    came_by: CameBy,
    place: &ConnectionSlot,
    grounds: &Grounds,
) -> Answer {
    let (head, body) = request.into_parts();
    let Grounds { shared, control, followers, access } = grounds;
    let admitted = match access.admit(came_by, &head, v1::right(&head), shared) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal,
    };
    let body = match whole(&head, body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    place.set(Turn::Answers);
    let (head, body, admitted) = (&head, &body[..], &admitted);
    v1::answer(&Asked { shared, control, followers, access, came_by, admitted, head, body }).await
}

/// The body, if it comes in time and is not too long. If its length is declared, the length is checked before the body
/// comes.
async fn whole(head: &Parts, body: Incoming) -> Result<hyper::body::Bytes, Answer> {
    let too_long = || {
        let why = format!("the body is longer than {BODY} octets");
        Answer::wrong(StatusCode::PAYLOAD_TOO_LARGE, &why).with_close()
    };
    let length = head.headers.get(hyper::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > BODY as u64) {
        return Err(too_long());
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Answer::bad("the body did not come whole").with_close()),
        Err(_) => {
            let why = format!("the body did not come within {} seconds", PATIENCE.as_secs());
            Err(Answer::wrong(StatusCode::REQUEST_TIMEOUT, &why).with_close())
        }
    }
}
