//! An answer: its status, its content, and further header fields. A resource makes it, and `serve` sends it.

use std::fmt::Display;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use hyper::header::{HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::events::{self, Feed};
use super::v1::Asked;

/// The body of a response. It is complete, or a stream.
pub(super) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Body,
    fields: Vec<(HeaderName, HeaderValue)>,
    is_followed: bool,
}

impl Answer {
    /// An answer with JSON as a value.
    pub(super) fn json(status: StatusCode, json: &Value) -> Self {
        Self::written(status, json)
    }

    /// 200 with this JSON.
    pub(super) fn ok(json: &Value) -> Self {
        Self::json(StatusCode::OK, json)
    }

    /// An answer with JSON as text. Long lists are written as text directly.
    pub(super) fn written(status: StatusCode, json: impl Display) -> Self {
        Self::whole(status, "application/json", format!("{json}\n"))
    }

    /// An answer with any content.
    pub(super) fn whole(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Self {
        Self::streamed(status, content_type, Full::new(content.into()).boxed_unsync())
    }

    /// An answer whose content is a stream.
    pub(super) fn streamed(status: StatusCode, content_type: &'static str, body: Body) -> Self {
        Self { status, content_type, body, fields: Vec::new(), is_followed: false }
    }

    /// A stream of server-sent events. It ends when `feed` ends, when the reader goes, or when the reader's token or
    /// session is no longer valid.
    pub(super) fn events(asked: &Asked<'_>, feed: impl Feed) -> Self {
        let place = match asked.followers.place(asked.admitted.rights) {
            Ok(place) => place,
            Err(why) => return Self::wrong(StatusCode::SERVICE_UNAVAILABLE, &why),
        };
        let body = events::body(feed, place, asked.admitted);
        Self { is_followed: true, ..Self::streamed(StatusCode::OK, "text/event-stream", body) }
    }

    /// Whether it is a stream of events.
    pub(super) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// An error that says what is wrong, and if possible what would be right.
    pub(super) fn wrong(status: StatusCode, why: &str) -> Self {
        Self::ok(&json!({ "error": why })).with_status(status)
    }

    /// 400: the request cannot be understood.
    pub(super) fn bad(why: impl Display) -> Self {
        Self::wrong(StatusCode::BAD_REQUEST, &why.to_string())
    }

    /// 404.
    pub(super) fn missing(why: impl Display) -> Self {
        Self::wrong(StatusCode::NOT_FOUND, &why.to_string())
    }

    /// 503: the server is stopping, so it makes no more changes.
    pub(super) fn stopping(why: crate::server::Stopping) -> Self {
        Self::wrong(StatusCode::SERVICE_UNAVAILABLE, &why.to_string())
    }

    /// 405: the resource has these methods (RFC 9110 §15.5.6).
    pub(super) fn not_allowed(methods: &[&'static str]) -> Self {
        let possible = methods.join(", ");
        let answer = Self::wrong(
            StatusCode::METHOD_NOT_ALLOWED,
            &format!("this method is not possible here; possible: {possible}"),
        );
        match HeaderValue::from_str(&possible) {
            Ok(value) => answer.with(ALLOW, value),
            Err(_) => answer,
        }
    }

    /// The same answer with another status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same answer. The connection ends after it.
    pub(super) fn with_close(self) -> Self {
        self.with(CONNECTION, HeaderValue::from_static("close"))
    }

    /// The same answer with other content.
    pub(super) fn with_content(mut self, content_type: &'static str, content: impl Into<Bytes>) -> Self {
        self.content_type = content_type;
        self.body = Full::new(content.into()).boxed_unsync();
        self
    }

    /// The same answer with a header field, if there is one.
    pub(super) fn with_some(self, field: Option<(HeaderName, HeaderValue)>) -> Self {
        match field {
            Some((name, value)) => self.with(name, value),
            None => self,
        }
    }

    /// The same answer with one more header field.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }
}

impl From<Answer> for Response<Body> {
    fn from(Answer { status, content_type, body, fields, is_followed: _ }: Answer) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // 304 has no content, so it has no fields about content (RFC 9110 section 15.4.5).
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        // Answers become outdated, so they must not be cached.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Another site must not embed, run or read anything of this.
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (X_FRAME_OPTIONS, "DENY"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in fields {
            headers.insert(name, value);
        }
        response
    }
}
