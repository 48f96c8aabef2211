//! HTTP/1.1 heads and chunks (RFC 9112). They are read so strictly that no server behind Portward can read them
//! differently.
//!
//! `httparse` is the lexer: it cuts a complete head into method, target, version and field lines, and refuses obs-fold,
//! space before the colon, bare CR, NUL and control bytes. This module adds the rest: the end of the head, its limits,
//! and every rule about framing and names:
//!
//! | rule | source |
//! |---|---|
//! | lines end with CRLF, a bare LF is refused | RFC 9112 §2.2 |
//! | exactly one Host, which agrees with an absolute-form target | RFC 9112 §3.2, §3.2.2 |
//! | no userinfo, no fragment, no control byte and no blank in the target; valid UTF-8 goes on percent-encoded | RFC 9110 §4.2.4, RFC 3986 |
//! | empty lines before a request line are ignored | RFC 9112 §2.2 |
//! | no CONNECT; `*` with OPTIONS only | RFC 9112 §3.2.3, §3.2.4 |
//! | Content-Length once, digits only; goes on in its shortest form | RFC 9112 §6.3 |
//! | Transfer-Encoding once, `chunked` only, never with Content-Length, never in HTTP/1.0; goes on as `chunked` | RFC 9112 §6.1 |
//! | a method that differs only in case from a method with a meaning here is refused | RFC 9110 §9.1 |
//! | one Authorization, one Proxy-Authorization, no repeated parameter that decides | RFC 9110 §11.2 |
//! | Connection may not nominate Host or framing fields | RFC 9110 §7.6.1 |
//! | Expect is `100-continue` or nothing | RFC 9110 §10.1.1 |
//! | Upgrade is `websocket`, in a GET of HTTP/1.1 without a body, or it is removed | RFC 6455 §4.1 |
//! | fields that differ from a framing field by punctuation only are refused (CGI gateways fold them) | RFC 3875 §4.1.18 |
//! | chunk sizes are 1 to 16 hex digits and go on without leading zeros, extensions are removed, trailers are filtered | RFC 9112 §7.1 |
//!
//! `scan` finds the end of a head, `request` (with its `line`) and `response` read it, `field` knows the field names,
//! `framing` says how a body is delimited, `chunked` reads a chunked body, and `forwarded` reads the client that a
//! balancer names.
//!
//! A target's responses are read more leniently, as long as they have only one meaning. They are forwarded in the
//! strict form: a line may end with a bare LF (RFC 9112 §2.2), blanks may stand before a colon (§5.1), and a folded
//! value becomes one line (§5.2).
//!
//! This room decides what a message *is*. The rules decide where it may go.

mod chunked;
mod field;
mod forwarded;
mod framing;
mod request;
mod response;
mod scan;
mod version;

pub use chunked::Chunks;
pub use field::{Field, Kind};
pub use forwarded::{forwarded_for, is_closed, node_address};
pub use framing::{Framing, Progress};
pub use request::{Authorization, Body, Inspector, Request, put_target};
pub use response::{Response, ResponseBody, ResponseInspector, unfold};
pub use version::Version;

/// The longest head: the request line and all fields with their line ends. A browser's head with large cookies and a
/// Negotiate token fits. It is twice HAProxy's default, and equal to the sum of nginx's buffers.
pub const HEAD_LIMIT: usize = 32 * 1024;

/// The most field lines of a head.
pub const FIELD_LIMIT: usize = 100;

/// The longest head of a target. A PBX may set many cookies, and may send a Content-Security-Policy with many sources.
pub const TARGET_HEAD_LIMIT: usize = 64 * 1024;

/// The most field lines of a target's head.
pub const TARGET_FIELD_LIMIT: usize = 1024;

/// The longest trailer section.
pub const TRAILER_LIMIT: usize = 8 * 1024;

/// The longest trailer section of a target.
pub const TARGET_TRAILER_LIMIT: usize = 64 * 1024;
