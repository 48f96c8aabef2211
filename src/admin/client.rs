//! The commands' side of the socket: one request, one answer. `stream` reads an answer that goes on.

mod stream;

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
pub use stream::follow;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer. A page of a list is much shorter.
const ANSWER: u64 = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// Nothing listens on the socket.
    NotRunning(PathBuf),
    /// This user may not connect.
    Forbidden(PathBuf),
    /// The connection broke off.
    Broken(io::Error),
    /// The daemon refuses the request, with this status and message.
    Refused(u16, String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => {
                write!(f, "no Portward answers on {}", path.display())
            }
            Self::Forbidden(path) => {
                write!(f, "the socket {} is for root and the group portward-admin", path.display())
            }
            Self::Broken(error) if error.kind() == io::ErrorKind::WouldBlock => {
                write!(f, "Portward has not answered within {} s", PATIENCE.as_secs())
            }
            Self::Broken(error) => write!(f, "Portward's answer broke off: {error}"),
            Self::Refused(_, why) => f.write_str(why),
        }
    }
}

impl NoAnswer {
    /// The refusal in an answer with this status.
    pub fn refused(status: u16, json: &Value) -> Self {
        let why = json.get("error").and_then(Value::as_str).unwrap_or("the daemon refuses");
        Self::Refused(status, why.to_owned())
    }

    /// What the user can do about it, if that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NotRunning(_) => Some(
                "is it running? `systemctl status portward` says so, and `journalctl -u portward` why not; \
                 if it runs, `admin.socket` of portward.toml names another socket: give its file with --config",
            ),
            Self::Forbidden(_) => {
                Some("use sudo, or become a member (`usermod -aG portward-admin USER`) and log in again")
            }
            Self::Broken(_) => Some("`journalctl -u portward` may say why"),
            Self::Refused(..) => None,
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Asks the daemon behind `socket`.
///
/// # Errors
/// See [`NoAnswer`].
pub fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value, NoAnswer> {
    match answered(socket, method, path, body)? {
        (200..300, json) => Ok(json),
        (status, json) => Err(NoAnswer::refused(status, &json)),
    }
}

/// The same under a condition: a header field (RFC 9110 section 13.1).
///
/// # Errors
/// See [`NoAnswer`].
pub fn ask_if(
    socket: &Path,
    (method, path): (&str, &str),
    body: Option<&Value>,
    condition: &str,
) -> Result<Value, NoAnswer> {
    let mut stream = connected(socket)?;
    let condition = format!("{condition}\r\n");
    let answer = exchange(&mut stream, method, path, body, &condition).map_err(NoAnswer::Broken)?;
    match read(&answer).ok_or_else(|| NoAnswer::Broken(io::ErrorKind::InvalidData.into()))? {
        (200..300, json) => Ok(json),
        (status, json) => Err(NoAnswer::refused(status, &json)),
    }
}

/// GETs a resource, with its ETag.
///
/// # Errors
/// See [`NoAnswer`].
pub fn get_tagged(socket: &Path, path: &str) -> Result<(Value, String), NoAnswer> {
    let mut stream = connected(socket)?;
    let answer = exchange(&mut stream, "GET", path, None, "").map_err(NoAnswer::Broken)?;
    let tag = tag(&answer).unwrap_or_default();
    match read(&answer).ok_or_else(|| NoAnswer::Broken(io::ErrorKind::InvalidData.into()))? {
        (200..300, json) => Ok((json, tag)),
        (status, json) => Err(NoAnswer::refused(status, &json)),
    }
}

/// The ETag of an answer.
fn tag(answer: &[u8]) -> Option<String> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let _ = head.parse(answer).ok()?;
    let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("etag"))?;
    String::from_utf8(field.value.to_vec()).ok()
}

/// The same, but every answer is returned, whatever its status is.
///
/// # Errors
/// See [`NoAnswer`], except [`NoAnswer::Refused`].
pub fn answered(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value), NoAnswer> {
    let mut stream = connected(socket)?;
    let answer = exchange(&mut stream, method, path, body, "").map_err(NoAnswer::Broken)?;
    read(&answer).ok_or_else(|| NoAnswer::Broken(io::ErrorKind::InvalidData.into()))
}

fn connected(socket: &Path) -> Result<UnixStream, NoAnswer> {
    UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => NoAnswer::Forbidden(socket.to_owned()),
        _ => NoAnswer::NotRunning(socket.to_owned()),
    })
}

/// Sends a request and returns the answer. `fields` are header fields, each with its line end.
fn exchange(
    stream: &mut UnixStream,
    method: &str,
    path: &str,
    body: Option<&Value>,
    fields: &str,
) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: portward\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The status and the body. The daemon closes the connection after the answer, and never sends chunks.
fn read(answer: &[u8]) -> Option<(u16, Value)> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else { return None };
    Some((head.code?, serde_json::from_slice(answer.get(length..)?).ok()?))
}
